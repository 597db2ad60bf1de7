#ifndef COORD_PATH_H
#define COORD_PATH_H

/* The straight line between two parameter vectors as plain arithmetic: which tensors,
 * how far. Which alphas is common/alphas.h. Knows nothing of data or networks'
 * outputs.
 */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stddef.h>

/* theta[i] = (1-alpha) a[i] + alpha b[i], as fma(alpha, b, fma(-alpha, a, a));
 * exact at 0 and at 1 (there by copying, so that Inf and NaN weights do not
 * spread). */
void path_lerp(real *theta, const real *a, const real *b, double alpha, size_t n);

/* *ret_l2 = ||b - a|| over the group's parameters (no statistics), in double;
 * *ret_rel is that over ||a||: 0 when both are 0, infinite when only ||a|| is. */
void path_distance(const struct arch *arch, const char *group, const real *a,
                   const real *b, double *ret_l2, double *ret_rel);

#endif
