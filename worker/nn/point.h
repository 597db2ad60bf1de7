#ifndef COORD_NN_POINT_H
#define COORD_NN_POINT_H

/* Loops over n reals in any layout, each element alone: so any cut of n over
 * threads gives the same bits. */

#include "worker/nn/real.h"

#include <stddef.h>

/* out = a + b; out may be either. */
void point_add(real *out, const real *a, const real *b, size_t n);

#endif
