#ifndef COORD_NN_POOL_LANES_H
#define COORD_NN_POOL_LANES_H

/* Max pooling over planes in the batch-in-lane layout (lanes.h):
 *
 *   P planes (one channel of one group of images)
 *   in, din (P,H,W,L)   out, dout (P,OH,OW,L)
 *
 * Padding never wins. Of equal values the first in scan order wins and takes the
 * whole gradient; NaN wins over any number. Both as in PyTorch. The winners are
 * found again on the way back, which costs less than keeping them; so the backward
 * pass needs the forward pass's input. Planes do not mix: calls for some of them
 * may run at once.
 */

#include "worker/nn/real.h"

#include <stddef.h>

struct pool {
    int H, W, OH, OW;
    int kernel, stride, pad; /* pad <= kernel / 2: no window is all padding */
};

/* Overwrites out. */
void pool_lanes_forward(const struct pool *pool, real *out, const real *in, size_t P);

/* Overwrites din. */
void pool_lanes_backward(const struct pool *pool, real *din, const real *dout,
                         const real *in, size_t P);

#endif
