#include "worker/nn/conv_op.h"

#include "worker/nn/conv_sweep.h"
#include "worker/nn/conv_taps.h"
#include "worker/nn/lanes.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <string.h>

enum {
    L = VEC_LANES,
    /* Reals of partial sums of weights that a member works on at a time: with the
     * planes that are read they stay in a second-level cache. */
    SUMS_MAX = 256 * 1024,
};

/* Planes (C,H,W,L) into larger ones that are zero around and between: row h goes
 * to pad + h * step, columns likewise; with a negative pad some go nowhere. */
struct frame {
    int C, H, W;
    int pad, step;
    int padded_H, padded_W;
};

static size_t frame_size(const struct frame *f)
{
    return (size_t)f->C * (size_t)f->padded_H * (size_t)f->padded_W * L;
}

static void frame_row(const struct frame *f, real *to, const real *from)
{
    for (int w = 0; w < f->W; w++) {
        const int at = f->pad + w * f->step;
        if (at >= 0 && at < f->padded_W)
            vec_store(to + (size_t)at * L, vec_load(from + (size_t)w * L));
    }
}

/* Fill the first `channels` of a frame that is zero between. */
static void frame_fill(const struct frame *f, int channels, real *to, const real *from)
{
    for (int c = 0; c < channels; c++) {
        for (int h = 0; h < f->H; h++, from += (size_t)f->W * L) {
            const int at = f->pad + h * f->step;
            if (at >= 0 && at < f->padded_H)
                frame_row(f,
                          to + (size_t)(c * f->padded_H + at) * (size_t)f->padded_W * L,
                          from);
        }
    }
}

static struct frame in_frame(const struct conv *v)
{
    return (struct frame){
        v->C, v->H, v->W, v->pad, 1, v->H + 2 * v->pad, v->W + 2 * v->pad};
}

/* The output's gradient, padded and spread by the stride so that a sweep over it
 * gives the input's. */
static struct frame dout_frame(const struct conv *v)
{
    const int k = v->kernel;

    return (struct frame){v->O,      v->OH,        v->OW,       k - 1 - v->pad,
                          v->stride, v->H + k - 1, v->W + k - 1};
}

static size_t plane_of(int C, int H, int W)
{
    return (size_t)C * (size_t)H * (size_t)W * L;
}

static size_t weight_count(const struct conv *v)
{
    return (size_t)v->O * (size_t)v->C * (size_t)v->kernel * (size_t)v->kernel;
}

/* How many input channels a member takes at a time for the gradient of the
 * weights. Whoever takes them, every sum has the same order. */
static int sum_channels(const struct conv *v, int threads)
{
    const size_t each = (size_t)v->O * (size_t)v->kernel * (size_t)v->kernel * L;
    const int fit = each < SUMS_MAX ? (int)(SUMS_MAX / each) : 1;
    const int share = (v->C + threads - 1) / threads;

    return fit < share ? fit : share;
}

/* Each member has a piece of the scratch: a frame, and sums of weights. */
static size_t member_scratch(const struct conv *v, int threads)
{
    const struct frame in = in_frame(v), dout = dout_frame(v);
    const size_t sums = weight_count(v) / (size_t)v->C * L;
    const size_t a = frame_size(&in) + sums * (size_t)sum_channels(v, threads);
    const size_t b = frame_size(&dout);

    return a > b ? a : b;
}

static bool direct_suits(const struct conv *v)
{
    (void)v;
    return true;
}

static size_t round_line(size_t reals)
{
    return (reals + 15) / 16 * 16;
}

static size_t direct_scratch(const struct conv *v, int batch_max, int threads)
{
    (void)batch_max;
    return round_line(weight_count(v)) +
           (size_t)threads * round_line(member_scratch(v, threads));
}

/* What the items of a pass share. */
struct work {
    const struct conv_call *call;
    struct frame frame;
    struct sweep sweep;
    size_t in_group, out_group; /* reals */
    real *to;
    const real *from, *dout, *packed, *b;
    real *pieces;
    size_t piece;
    int channels; /* at a time; weights */
};

static struct work work_of(const struct conv_call *call, struct frame frame)
{
    const struct conv *v = call->conv;

    return (struct work){
        .call = call,
        .frame = frame,
        .in_group = plane_of(v->C, v->H, v->W),
        .out_group = plane_of(v->O, v->OH, v->OW),
        .packed = call->scratch,
        .pieces = call->scratch + round_line(weight_count(v)),
        .piece = round_line(member_scratch(v, team_size(call->team))),
    };
}

static int groups_of(const struct conv_call *call)
{
    return lanes_round(call->B) / L;
}

static void zero(real *to, size_t n)
{
    memset(to, 0, n * sizeof *to);
}

/* The frame of every member, empty. */
static void clear_frames(const struct work *w)
{
    for (int i = 0; i < team_size(w->call->team); i++)
        zero(w->pieces + (size_t)i * w->piece, frame_size(&w->frame));
}

/* One group of images through a sweep. */
static void sweep_item(void *arg, int g, int who)
{
    const struct work *w = arg;
    const struct frame *f = &w->frame;
    const size_t read = plane_of(f->C, f->H, f->W);
    const size_t written = plane_of(w->sweep.O, w->sweep.OH, w->sweep.OW);
    const real *in = w->from + (size_t)g * read;
    real *frame = w->pieces + (size_t)who * w->piece;

    if (f->pad != 0 || f->step != 1) {
        frame_fill(f, f->C, frame, in);
        in = frame;
    }
    sweep_run(&w->sweep, w->to + (size_t)g * written, in, w->packed, w->b);
}

static void direct_forward(const struct conv_call *call, real *out, const real *in,
                           const real *W, const real *b)
{
    const struct conv *v = call->conv;
    const int taps = v->kernel * v->kernel;
    const struct sweep_weights weights = {
        W, v->O, v->C, taps, (size_t)(v->C * taps), (size_t)taps, false};
    struct work work = work_of(call, in_frame(v));

    work.sweep = (struct sweep){
        .C = v->C,
        .H = work.frame.padded_H,
        .W = work.frame.padded_W,
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
    work.to = out;
    work.from = in;
    work.b = b;
    sweep_pack(call->scratch, &weights);
    clear_frames(&work);
    team_run(call->team, groups_of(call), sweep_item, &work);
}

static void direct_backward_data(const struct conv_call *call, real *din, bool add,
                                 const real *dout, const real *W)
{
    const struct conv *v = call->conv;
    const int k = v->kernel, taps = k * k;
    const struct sweep_weights weights = {
        W, v->C, v->O, taps, (size_t)taps, (size_t)(v->C * taps), true};
    struct work work = work_of(call, dout_frame(v));
    const struct frame *d = &work.frame;

    work.sweep = (struct sweep){
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
        .add = add,
    };
    work.to = din;
    work.from = dout;
    sweep_pack(call->scratch, &weights);
    clear_frames(&work);
    team_run(call->team, groups_of(call), sweep_item, &work);
}

/* The weights of some input channels, over all images. */
static void weights_item(void *arg, int item, int who)
{
    const struct work *w = arg;
    const struct conv *v = w->call->conv;
    const int c0 = item * w->channels;
    const int channels = v->C - c0 < w->channels ? v->C - c0 : w->channels;
    const size_t plane = plane_of(1, v->H, v->W), taps = (size_t)(v->kernel * v->kernel);
    real *frame = w->pieces + (size_t)who * w->piece, *dW = w->to;
    real *sums = frame + frame_size(&w->frame);
    const size_t row = (size_t)channels * taps; /* of sums, for an output channel */

    zero(sums, (size_t)v->O * row * L);
    for (int g = 0; g < groups_of(w->call); g++) {
        const real *in = w->from + (size_t)g * w->in_group + (size_t)c0 * plane;
        if (v->pad > 0) {
            frame_fill(&w->frame, channels, frame, in);
            in = frame;
        }
        taps_run(v, channels, sums, in, w->dout + (size_t)g * w->out_group);
    }
    for (size_t o = 0; o < (size_t)v->O; o++)
        for (size_t i = 0; i < row; i++)
            dW[(o * (size_t)v->C + (size_t)c0) * taps + i] =
                vec_sum(vec_load(sums + (o * row + i) * L));
}

static void direct_backward_weights(const struct conv_call *call, real *dW,
                                    const real *dout, const real *in)
{
    const struct conv *v = call->conv;
    struct work work = work_of(call, in_frame(v));

    work.to = dW;
    work.from = in;
    work.dout = dout;
    work.channels = sum_channels(v, team_size(call->team));
    clear_frames(&work);
    team_run(call->team, (v->C + work.channels - 1) / work.channels, weights_item, &work);
}

const struct conv_op conv_direct = {
    .name = "direct",
    .exact = true,
    .suits = direct_suits,
    .scratch = direct_scratch,
    .forward = direct_forward,
    .backward_data = direct_backward_data,
    .backward_weights = direct_backward_weights,
};
