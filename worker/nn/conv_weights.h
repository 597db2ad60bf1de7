#ifndef COORD_NN_CONV_WEIGHTS_H
#define COORD_NN_CONV_WEIGHTS_H

/* The gradient of the weights for conv_direct.c, by the kernel of conv_taps.h.
 *
 * The order of a sum, for whoever computes it: groups of images in runs of so many
 * that there are some hundred pixels, or one group's pixels in some runs; in a run as
 * conv_taps.h has it; run after run; the odd places to the even ones; lane after lane.
 * The runs depend on the layer's shape and the batch alone.
 */

#include "worker/nn/conv_op.h"

/* conv_op.h says what these are. */
size_t conv_weights_scratch(const struct conv *conv, int threads);
void conv_weights_run(const struct conv_call *call, real *dW, const real *dout,
                      const real *in);

#endif
