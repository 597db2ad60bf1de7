#include "worker/nn/conv_lanes.h"

#include "worker/nn/conv_sweep.h"
#include "worker/nn/conv_taps.h"
#include "worker/nn/lanes.h"
#include "worker/nn/vec.h"

#include <string.h>

enum {
    L = VEC_LANES,
    /* Weights of 64 channels, 3x3, with room: they stay in a second-level cache.
     * At 128 channels products of matrices are faster. */
    WEIGHT_BYTES_MAX = 256 * 1024,
};

/* Planes (C,H,W,L) into larger ones that are zero around and between: row h goes
 * to pad + h * step, columns likewise. */
struct frame {
    int C, H, W;
    int pad, step;
    int padded_H, padded_W;
};

static size_t frame_size(const struct frame *f)
{
    return (size_t)f->C * (size_t)f->padded_H * (size_t)f->padded_W * L;
}

static void frame_fill(const struct frame *f, real *to, const real *from)
{
    const size_t step = (size_t)f->step * L;

    for (int c = 0; c < f->C; c++) {
        for (int h = 0; h < f->H; h++, from += (size_t)f->W * L) {
            real *row = to + ((size_t)(c * f->padded_H + f->pad + h * f->step) *
                                  (size_t)f->padded_W +
                              (size_t)f->pad) *
                                 L;
            for (size_t w = 0; w < (size_t)f->W; w++)
                vec_store(row + w * step, vec_load(from + w * L));
        }
    }
}

/* What the passes of one layer need. */
struct layout {
    struct frame in;   /* the input with its padding */
    struct frame dout; /* the output's gradient, padded and spread by the stride so
                          that a sweep over it gives the input's */
    size_t weights;    /* reals of W */
};

static struct layout layout_of(const struct conv *v)
{
    const int k = v->kernel;

    return (struct layout){
        .in = {v->C, v->H, v->W, v->pad, 1, v->H + 2 * v->pad, v->W + 2 * v->pad},
        .dout = {v->O, v->OH, v->OW, k - 1 - v->pad, v->stride, v->H + k - 1,
                 v->W + k - 1},
        .weights = (size_t)v->O * (size_t)v->C * (size_t)k * (size_t)k,
    };
}

/* The scratch, cut up. */
struct buffers {
    real *packed, *in, *dout;
    real *sums; /* (O,C,k,k,L): the gradient of W before its lanes are added */
};

static struct buffers buffers_of(const struct layout *l, real *scratch)
{
    real *in = scratch + l->weights, *dout = in + frame_size(&l->in);

    return (struct buffers){scratch, in, dout, dout + frame_size(&l->dout)};
}

bool conv_lanes_suits(const struct conv *v)
{
    const size_t weights =
        (size_t)v->O * (size_t)v->C * (size_t)v->kernel * (size_t)v->kernel;

    return v->pad < v->kernel && weights * sizeof(float) <= WEIGHT_BYTES_MAX;
}

size_t conv_lanes_scratch(const struct conv *v)
{
    const struct layout l = layout_of(v);

    return l.weights + frame_size(&l.in) + frame_size(&l.dout) + l.weights * L;
}

/* One group of the input with its padding; the border of buffer is zero. */
static const real *pad_input(const struct frame *f, real *buffer, const real *in)
{
    if (f->pad == 0)
        return in;
    frame_fill(f, buffer, in);
    return buffer;
}

static void zero(real *to, size_t n)
{
    memset(to, 0, n * sizeof *to);
}

void conv_lanes_forward(const struct conv *v, real *out, const real *in, const real *W,
                        const real *b, int B, real *scratch)
{
    const struct layout l = layout_of(v);
    const struct buffers to = buffers_of(&l, scratch);
    const int taps = v->kernel * v->kernel;
    const struct sweep_weights weights = {
        W, v->O, v->C, taps, (size_t)(v->C * taps), (size_t)taps, false};
    const struct sweep sweep = {
        .C = v->C,
        .H = l.in.padded_H,
        .W = l.in.padded_W,
        .O = v->O,
        .OH = v->OH,
        .OW = v->OW,
        .kernel = v->kernel,
        .stride = v->stride,
        .h0 = v->pad,
        .h1 = v->pad + v->H,
        .w0 = v->pad,
        .w1 = v->pad + v->W,
    };

    sweep_pack(to.packed, &weights);
    zero(to.in, frame_size(&l.in));
    for (int n = 0; n < lanes_round(B); n += L) {
        sweep_run(&sweep, out, pad_input(&l.in, to.in, in), to.packed, b);
        in += (size_t)v->C * (size_t)v->H * (size_t)v->W * L;
        out += (size_t)v->O * (size_t)v->OH * (size_t)v->OW * L;
    }
}

static void add_bias(const struct conv *v, real *db, const real *dout)
{
    const size_t plane = (size_t)v->OH * (size_t)v->OW * L;

    for (int o = 0; o < v->O; o++, dout += plane) {
        vec sum = {0};
        for (size_t i = 0; i < plane; i += L)
            sum += vec_load(dout + i);
        db[o] += vec_sum(sum);
    }
}

void conv_lanes_backward(const struct conv *v, real *din, real *dW, real *db,
                         const real *dout, const real *in, const real *W, int B,
                         real *scratch)
{
    const struct layout l = layout_of(v);
    const struct buffers to = buffers_of(&l, scratch);
    const int k = v->kernel, taps = k * k;
    const struct sweep_weights weights = {
        W, v->C, v->O, taps, (size_t)taps, (size_t)(v->C * taps), true};
    const struct frame *d = &l.dout;
    const struct sweep sweep = {
        .C = v->O,
        .H = d->padded_H,
        .W = d->padded_W,
        .O = v->C,
        .OH = v->H,
        .OW = v->W,
        .kernel = k,
        .stride = 1,
        .h0 = d->pad,
        .h1 = d->pad + (v->OH - 1) * v->stride + 1,
        .w0 = d->pad,
        .w1 = d->pad + (v->OW - 1) * v->stride + 1,
    };

    sweep_pack(to.packed, &weights);
    zero(to.in, frame_size(&l.in));
    zero(to.dout, frame_size(d));
    zero(to.sums, l.weights * L);
    for (int n = 0; n < lanes_round(B); n += L) {
        const real *padded = pad_input(&l.in, to.in, in);
        taps_run(v, v->C, to.sums, padded, dout);
        if (db)
            add_bias(v, db, dout);
        if (din) {
            frame_fill(d, to.dout, dout);
            sweep_run(&sweep, din, to.dout, to.packed, NULL);
            din += (size_t)v->C * (size_t)v->H * (size_t)v->W * L;
        }
        in += (size_t)v->C * (size_t)v->H * (size_t)v->W * L;
        dout += (size_t)v->O * (size_t)v->OH * (size_t)v->OW * L;
    }
    for (size_t i = 0; i < l.weights; i++)
        dW[i] += vec_sum(vec_load(to.sums + i * L));
}
