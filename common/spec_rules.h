#ifndef COORD_SPEC_RULES_H
#define COORD_SPEC_RULES_H

/* Rules that concern several options, in files of their own: as those of spec_check.c,
 * for which they are. 0, or -1 with a sentence that leaves out the offending option,
 * whose name goes to *ret_name. */

#include "common/spec.h"

/* How many points, or which; and the first and last where they are a count. */
struct spec_range {
    const char *points, *from, *to; /* options */
    const char *noun;               /* "alpha" */
};

/* Points that all differ. */
int rule_points(const struct spec_range *range, const struct spec *spec,
                const char **ret_name, struct error *err);

/* A plane: its points, and the states that it goes through. */
int rule_plane(const struct spec *spec, const char **ret_name, struct error *err);

/* A derive job: what its kind needs (common/derived.c). */
int rule_derive(const struct spec *spec, const char **ret_name, struct error *err);

#endif
