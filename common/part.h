#ifndef COORD_PART_H
#define COORD_PART_H

/* Which part of a probe a job is (probe.part): some of its groups, of their alphas and of
 * the examples. Ranges hold their first and not their last; groups and alphas count as
 * the probe has them, examples in the subset of their split. A part that has all alphas
 * and examples of its groups has whole curves, else slices.
 *
 * Cut at multiples of PART_BATCH examples, and evaluated as everywhere, parts give the
 * bits of the whole.
 */

#include <stdbool.h>
#include <stdint.h>

struct error;
struct spec;

enum { PART_BATCH = 128, PARTS_MAX = 32 };

/* The state that a part leaves. */
#define PART_STATE "part"

struct part {
    int64_t groups[2], alphas[2], train[2], test[2];
};

/* *ret_is: whether the probe is a part; then *ret is which. ERR_INVALID for ranges that
 * are none; whether the probe has so many, the caller sees. */
int part_of(const struct spec *spec, bool *ret_is, struct part *ret, struct error *err);

/* Make a probe's spec that of a part. ERR_NO_MEMORY. */
int part_set(struct spec *spec, const struct part *part, struct error *err);

/* Make it the whole's again. */
int part_clear(struct spec *spec, struct error *err);

#endif
