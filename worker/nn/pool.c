#include "worker/nn/pool.h"

#include "worker/nn/vec.h"

#include <math.h>
#include <string.h>

/* Whether value replaces the winner so far. A later NaN replaces a NaN. */
static int beats(real value, real best)
{
    return value > best || isnan(value);
}

/* One window, of any shape. */
static real window_max(const struct pool *v, const real *in, int oh, int ow,
                       uint8_t *which)
{
    const int h0 = oh * v->stride - v->pad, w0 = ow * v->stride - v->pad;
    real best = 0;
    int at = -1;

    for (int kh = 0; kh < v->kernel; kh++) {
        for (int kw = 0; kw < v->kernel; kw++) {
            int h = h0 + kh, w = w0 + kw;
            if (h < 0 || h >= v->H || w < 0 || w >= v->W)
                continue;
            real x = in[(size_t)h * (size_t)v->W + (size_t)w];
            if (at < 0 || beats(x, best)) {
                best = x;
                at = kh * v->kernel + kw;
            }
        }
    }
    *which = (uint8_t)at;
    return best;
}

/* 2x2 windows, side by side: one output row from two input rows. */
static void row_max_2x2(real *out, uint8_t *which, const real *row0, const real *row1,
                        int OW)
{
    for (int i = 0; i < OW; i++, row0 += 2, row1 += 2) {
        real x[4] = {row0[0], row0[1], row1[0], row1[1]};
        real best = x[0];
        int at = 0;
        for (int k = 1; k < 4; k++) {
            at = beats(x[k], best) ? k : at;
            best = beats(x[k], best) ? x[k] : best;
        }
        out[i] = best;
        which[i] = (uint8_t)at;
    }
}

static int is_2x2(const struct pool *v)
{
    return v->kernel == 2 && v->stride == 2 && v->pad == 0;
}

void pool_forward(const struct pool *v, real *out, uint8_t *which, const real *in,
                  size_t P)
{
    const size_t H = (size_t)v->H, W = (size_t)v->W;
    const size_t OH = (size_t)v->OH, OW = (size_t)v->OW;
    uint8_t unused;

    for (size_t p = 0; p < P; p++) {
        const real *plane = in + p * H * W;
        for (size_t oh = 0; oh < OH; oh++) {
            const size_t at = (p * OH + oh) * OW;
            if (which && is_2x2(v)) {
                row_max_2x2(out + at, which + at, plane + 2 * oh * W,
                            plane + (2 * oh + 1) * W, v->OW);
                continue;
            }
            for (size_t ow = 0; ow < OW; ow++)
                out[at + ow] = window_max(v, plane, (int)oh, (int)ow,
                                          which ? which + at + ow : &unused);
        }
    }
}

void pool_backward(const struct pool *v, real *din, const real *dout,
                   const uint8_t *which, size_t P)
{
    const size_t H = (size_t)v->H, W = (size_t)v->W;
    const size_t OH = (size_t)v->OH, OW = (size_t)v->OW;

    memset(din, 0, P * H * W * sizeof *din);
    for (size_t p = 0; p < P; p++) {
        real *plane = din + p * H * W;
        for (size_t oh = 0; oh < OH; oh++) {
            for (size_t ow = 0; ow < OW; ow++) {
                const size_t at = (p * OH + oh) * OW + ow;
                const int kh = which[at] / v->kernel, kw = which[at] % v->kernel;
                const int h = (int)oh * v->stride - v->pad + kh;
                const int w = (int)ow * v->stride - v->pad + kw;
                plane[(size_t)h * W + (size_t)w] += dout[at];
            }
        }
    }
}
