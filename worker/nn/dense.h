#ifndef COORD_NN_DENSE_H
#define COORD_NN_DENSE_H

/* A dense layer, out = in * W^T + b.
 *
 *   B batch, I inputs, O outputs; row-major, last index fastest
 *   in, din (B,I)   out, dout (B,O)   W, dW (O,I)   b, db (O)
 *
 * Every buffer is the caller's and none may overlap. Nothing here allocates.
 */

#include "worker/nn/real.h"

/* Overwrites out. b may be NULL. */
void dense_forward(real *out, const real *in, const real *W, const real *b, int B, int I,
                   int O);

/* Overwrites din, and ADDS to dW and db, so that micro-batches accumulate. din
 * may be NULL (the first layer), which skips its matrix product; so may db. */
void dense_backward(real *din, real *dW, real *db, const real *dout, const real *in,
                    const real *W, int B, int I, int O);

#endif
