#ifndef COORD_NN_CONV_H
#define COORD_NN_CONV_H

/* A 2-d convolution (cross-correlation, as everywhere in this field) by im2col
 * and matrix products.
 *
 *   B batch; C,H,W input; O,OH,OW output; k kernel
 *   in, din (C,B,H,W)   out, dout (O,B,OH,OW)   W, dW (O,C,k,k)   b, db (O)
 *
 * Activations hold one channel of all images after another, so that the patches
 * of a block of images form one matrix (C*k*k, images*OH*OW) and a single large
 * product writes their outputs in place. The size of a block depends on the
 * layer's shape alone, so the order of sums depends on B but on nothing else.
 *
 * Every buffer is the caller's and none may overlap. Nothing here allocates.
 */

#include "worker/nn/real.h"

#include <stddef.h>

struct conv {
    int C, H, W;
    int O, OH, OW;
    int kernel, stride, pad;
};

/* How many reals of scratch the two functions below need for batches of up to
 * batch_max. */
size_t conv_scratch(const struct conv *conv, int batch_max);

/* Overwrites out. b may be NULL. */
void conv_forward(const struct conv *conv, real *out, const real *in, const real *W,
                  const real *b, int B, real *scratch);

/* Overwrites din, and ADDS to dW and db. din may be NULL (the first layer), which
 * skips its matrix product; so may db. */
void conv_backward(const struct conv *conv, real *din, real *dW, real *db,
                   const real *dout, const real *in, const real *W, int B, real *scratch);

#endif
