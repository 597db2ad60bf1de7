#ifndef COORD_NN_DENSE_H
#define COORD_NN_DENSE_H

/* A dense layer, out = in * W^T + b.
 *
 *   B batch, I inputs, O outputs; row-major, last index fastest
 *   in, din (B,I)   out, dout (B,O)   W, dW (O,I)   b, db (O)
 *
 * By our own product (simd/gemm.h), every number of out, din and dW is one chain of
 * fused multiply-adds: out over the inputs, beginning with the bias, din over the
 * outputs, beginning with what is there when it adds, dW over the examples; and db is
 * a sum over the examples, one after another. So no bit depends on the instruction
 * set, the team, what else is in the batch or how the work is cut.
 *
 * Or by OpenBLAS (native): the bits of its products depend on all of their sizes and
 * on the core type that it takes, so how they are cut is part of the numerics: whole
 * for small layers, where cutting costs a tenth of the time, else in slices that
 * depend on I and O alone. Threads take whole slices.
 *
 * Every buffer is the caller's and none may overlap. Nothing here allocates.
 */

#include "worker/nn/isa.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct team;

struct dense_call {
    int B, I, O;
    bool native;
    enum isa isa;
    struct team *team; /* or NULL */
    real *scratch;     /* dense_scratch; not with native */
};

/* Reals that a layer's passes need as scratch; batch_max 0: only the forward one. */
size_t dense_scratch(int O, int batch_max, int threads);

/* W as the product of dense_forward reads it, for those who run many batches with the
 * same weights: so many reals, on a boundary of 64 bytes. */
size_t dense_packed(int I, int O);
void dense_pack(const struct dense_call *call, real *packed, const real *W);

/* Overwrites out. b may be NULL; so may packed, which is not read with native. */
void dense_forward(const struct dense_call *call, real *out, const real *in,
                   const real *W, const real *packed, const real *b);

/* Overwrites din, or adds to it. */
void dense_backward_data(const struct dense_call *call, real *din, bool add,
                         const real *dout, const real *W);

/* Overwrites dW and db; db may be NULL. */
void dense_backward_weights(const struct dense_call *call, real *dW, real *db,
                            const real *dout, const real *in);

#endif
