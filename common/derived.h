#ifndef COORD_DERIVED_H
#define COORD_DERIVED_H

/* What the spec of a derive job says, beyond its options one by one: a state made from
 * others (worker/derive.h does it). A derived state is called "final", as the last state
 * of a run is, and is stored. */

#include "common/arch.h"
#include "common/condition.h"
#include "common/hash.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct spec;
struct value;

/* The name of the state that a derive job makes. */
#define DERIVED_STATE "final"

/* The role of what a point needs for its place: a curve of a probe, no state. */
#define DERIVED_PROBE "probe"
#define DERIVED_CURVE "curve"

/* States that one may take groups of, and conditions on a curve. */
enum { DERIVED_SOURCES_MAX = 40, DERIVED_WHERE_MAX = 32 };

/* An item of derive.sources. */
struct derived_source {
    char run[HASH_TEXT]; /* key */
    char state[32];
};

/* Take "GROUP=KEY:STATE" apart; the group is all before the '='. */
bool derived_source(const char *text, struct derived_source *ret);

/* The group of a point that moves: derive.group, or "all". Borrowed. */
const char *derived_group(const struct spec *spec);

/* The tensors (arch->tensor_count) that a spec of kind reset or noise changes:
 * derive.groups, of these derive.only; noise changes parameters only. */
int derived_tensors(const struct spec *spec, const struct arch *arch, bool *ret,
                    struct error *err);

/* The conditions of a spec; *ret_count of at most DERIVED_WHERE_MAX. */
int derived_where(const struct spec *spec, struct condition *ret, size_t *ret_count,
                  struct error *err);

#endif
