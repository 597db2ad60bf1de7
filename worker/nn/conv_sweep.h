#ifndef COORD_NN_CONV_SWEEP_H
#define COORD_NN_CONV_SWEEP_H

/* The inner half of conv_direct.c: a strided correlation over planes that are
 * padded already, which is what the forward pass and, with other planes and
 * weights, the gradient of the input both are. One group of L images (lanes.h).
 */

#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct sweep {
    int C, H, W;   /* the padded input, (C,H,W,L) */
    int O, OH, OW; /* the output, (O,OH,OW,L) */
    int kernel, stride;
    int h0, h1, w0, w1; /* outside these rows and columns the input is zero */
    bool add;           /* to what out holds */
};

/* Weights seen as (O,C,taps) with any strides. The gradient of the input takes
 * the taps from last to first. */
struct sweep_weights {
    const real *W;
    int O, C, taps;
    size_t stride_O, stride_C;
    bool reversed;
};

/* Lay out O * C * taps weights as sweep_run reads them. */
void sweep_pack(real *to, const struct sweep_weights *weights);

/* Overwrites out, or adds to it. packed comes from sweep_pack; b (O) or NULL. */
void sweep_run(const struct sweep *sweep, real *out, const real *in, const real *packed,
               const real *b);

#endif
