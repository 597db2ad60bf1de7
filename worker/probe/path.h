#ifndef COORD_PATH_H
#define COORD_PATH_H

/* The straight line between two parameter vectors as plain arithmetic: which
 * alphas, which tensors, how far. Knows nothing of data or networks' outputs.
 */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stddef.h>

struct error;
struct spec;

/* The alphas of a probe spec, which the caller frees. A count gives
 * from + (to - from) * i / (n - 1) with both ends exact; a list is taken as it
 * is. NULL with ERR_NO_MEMORY. */
double *path_alphas(const struct spec *spec, size_t *ret_count, struct error *err);

/* Overwrite theta (arch->state_count) with the point at alpha: tensors of the group
 * between a and b (path_lerp), every other tensor b's. Running statistics are
 * tensors of their group too: so they are interpolated. */
void path_point(real *theta, const struct arch *arch, const char *group, const real *a,
                const real *b, double alpha);

/* *ret_l2 = ||b - a|| over the group's parameters (no statistics), in double;
 * *ret_rel is that over ||a||: 0 when both are 0, infinite when only ||a|| is. */
void path_distance(const struct arch *arch, const char *group, const real *a,
                   const real *b, double *ret_l2, double *ret_rel);

#endif
