#ifndef COORD_NN_DENSE_H
#define COORD_NN_DENSE_H

/* A dense layer, out = in * W^T + b.
 *
 *   B batch, I inputs, O outputs; row-major, last index fastest
 *   in, din (B,I)   out, dout (B,O)   W, dW (O,I)   b, db (O)
 *
 * The bits of a BLAS product depend on its sizes, so how products are cut is part
 * of the numerics: whole for small layers, where cutting costs a tenth of the time,
 * else in slices that depend on I and O alone. Threads take whole slices.
 *
 * Every buffer is the caller's and none may overlap. Nothing here allocates.
 */

#include "worker/nn/real.h"

#include <stdbool.h>

struct team;

struct dense_call {
    int B, I, O;
    struct team *team; /* or NULL */
};

/* Overwrites out. b may be NULL. */
void dense_forward(const struct dense_call *call, real *out, const real *in,
                   const real *W, const real *b);

/* Overwrites din, or adds to it. */
void dense_backward_data(const struct dense_call *call, real *din, bool add,
                         const real *dout, const real *W);

/* Overwrites dW and db; db may be NULL. */
void dense_backward_weights(const struct dense_call *call, real *dW, real *db,
                            const real *dout, const real *in);

#endif
