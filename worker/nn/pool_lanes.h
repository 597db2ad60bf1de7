#ifndef COORD_NN_POOL_LANES_H
#define COORD_NN_POOL_LANES_H

/* pool.h in the batch-in-lane layout (lanes.h):
 *
 *   P planes; in, din (P,H,W,L)   out, dout (P,OH,OW,L)
 *
 * The winners are found again on the way back, which costs less than keeping
 * them; so the backward pass needs the forward pass's input. */

#include "worker/nn/pool.h"
#include "worker/nn/real.h"

#include <stddef.h>

/* Overwrites out. */
void pool_lanes_forward(const struct pool *pool, real *out, const real *in, size_t P);

/* Overwrites din. */
void pool_lanes_backward(const struct pool *pool, real *din, const real *dout,
                         const real *in, size_t P);

#endif
