#ifndef COORD_NN_POOL_H
#define COORD_NN_POOL_H

/* Max pooling over planes (one channel of one image), whatever their order.
 *
 *   P planes; in, din (P,H,W)   out, dout, which (P,OH,OW)
 *
 * Padding never wins. Of equal values the first in scan order wins and takes the
 * whole gradient; NaN wins over any number. Both as in PyTorch.
 */

#include "worker/nn/real.h"

#include <stddef.h>
#include <stdint.h>

/* The winner's place in its window, row * kernel + column, has to fit a byte. */
enum { POOL_KERNEL_MAX = 16 };

struct pool {
    int H, W, OH, OW;
    int kernel, stride, pad; /* pad <= kernel / 2: no window is all padding */
};

/* Overwrites out and which; which may be NULL when there is no backward pass. */
void pool_forward(const struct pool *pool, real *out, uint8_t *which, const real *in,
                  size_t P);

/* Overwrites din. */
void pool_backward(const struct pool *pool, real *din, const real *dout,
                   const uint8_t *which, size_t P);

#endif
