#ifndef COORD_NN_CONV_WINOGRAD_H
#define COORD_NN_CONV_WINOGRAD_H

/* What conv_winograd.c, the outputs and the gradient of the inputs, and
 * conv_wino_weights.c, the gradient of the filters, share.
 */

#include "worker/nn/conv_op.h"
#include "worker/nn/simd/winograd.h"

#include <stdbool.h>
#include <stddef.h>

enum { L = VEC_LANES };

static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

static inline int round_up(int value, int unit)
{
    return (value + unit - 1) / unit * unit;
}

/* A row of reals for every point, so long that points neither share a line nor all
 * meet in one set of a cache: an odd number of lines beyond pages. */
static inline size_t point_size(size_t reals)
{
    return (reals + 1023) / 1024 * 1024 + 80;
}

/* Items that are (something, part of the channels). */
struct wino_share {
    int item, from, to;
};

static inline struct wino_share wino_share_of(int parts, int item, int channels)
{
    const int each = round_up((channels + parts - 1) / parts, GEMM_ROWS);
    const int from = min_int(item % parts * each, channels);

    return (struct wino_share){item / parts, from, min_int(from + each, channels)};
}

/* From the inputs to the outputs; or back, for data. */
struct wino_map wino_map_of(const struct conv *conv, bool data);

/* conv_op.h says what these are. The order of a sum is that of simd/winograd.h's
 * columns; for layers of few channels in slices of the batch, one after another, that
 * depend on the layer's shape and the batch alone. */
size_t wino_weights_scratch(const struct conv *conv, int batch_max, int threads);
void wino_weights_run(const struct conv_call *call, real *dW, const real *dout,
                      const real *in);

#endif
