#ifndef COORD_NN_CONV_LANES_H
#define COORD_NN_CONV_LANES_H

/* A direct 2-d convolution in the batch-in-lane layout (lanes.h): no patches are
 * laid out and no product is called, so it is at its best where those cost most,
 * at few channels. conv.h is its peer for large layers and for the rest.
 *
 *   B batch; G = ceil(B / L) groups; C,H,W input; O,OH,OW output; k kernel
 *   in, din (G,C,H,W,L)   out, dout (G,O,OH,OW,L)   W, dW (O,C,k,k)   b, db (O)
 *
 * Every lane adds in the same order, so an image's outputs do not depend on the
 * batch. Lanes beyond the batch are computed like others; in dout they must be
 * zero. Every buffer is the caller's and none may overlap. Nothing allocates.
 */

#include "worker/nn/conv.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether these kernels can take the layer, and are the better choice: weights
 * that a second-level cache holds, since every group reads all of them. */
bool conv_lanes_suits(const struct conv *conv);

/* How many reals of scratch the functions below need. */
size_t conv_lanes_scratch(const struct conv *conv);

/* Overwrites out. b may be NULL. */
void conv_lanes_forward(const struct conv *conv, real *out, const real *in, const real *W,
                        const real *b, int B, real *scratch);

/* Overwrites din, and ADDS to dW and db. din may be NULL (the first layer), which
 * skips its computation; so may db. */
void conv_lanes_backward(const struct conv *conv, real *din, real *dW, real *db,
                         const real *dout, const real *in, const real *W, int B,
                         real *scratch);

#endif
