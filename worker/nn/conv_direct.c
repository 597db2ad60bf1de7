#include "worker/nn/conv_op.h"

#include "worker/nn/frame.h"
#include "worker/nn/lanes.h"
#include "worker/nn/sweep.h"
#include "worker/nn/taps.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <stdint.h>
#include <string.h>

enum {
    L = VEC_LANES,
    PAIR = 2 * L, /* partial sums of a weight */
    /* Reals of partial sums, and of input planes, that a member works on at a time:
     * together they stay in a second-level cache. */
    SUMS_MAX = 128 * 1024,
    PLANES_MAX = 128 * 1024,
    /* Pixels that one sum runs over before it is added to the rest, at least: enough
     * to pay for that, few enough that dout of a tile stays in a first-level cache
     * and that float is precise. */
    RUN_PIXELS = 256,
};

static int max(int a, int b)
{
    return a > b ? a : b;
}

static int min(int a, int b)
{
    return a < b ? a : b;
}

static size_t plane_of(int C, int H, int W)
{
    return (size_t)C * (size_t)H * (size_t)W * L;
}

static size_t weight_count(const struct conv *v)
{
    return (size_t)v->O * (size_t)v->C * (size_t)v->kernel * (size_t)v->kernel;
}

/* ---- what the passes read ------------------------------------------------- */

/* The input with its padding, for the forward pass and the weights. */
static struct frame in_frame(const struct conv *v)
{
    const int s = v->stride, k = v->kernel, columns = (v->OW - 1) * s + k;

    return (struct frame){
        .C = v->C,
        .H = v->H,
        .W = v->W,
        .top = v->pad,
        .left = v->pad,
        .step = s,
        .kept = s < k ? s : k,
        .rows = (v->OH - 1) * s + k,
        .cols = (columns + s - 1) / s,
    };
}

/* The output's gradient, for the input's: out of its rows those that inputs have a
 * part in, and zeros for those that there are not. */
static struct frame dout_frame(const struct conv *v)
{
    const int s = v->stride, before = max(v->kernel - 1 - v->pad, 0) / s;

    return (struct frame){
        .C = v->O,
        .H = v->OH,
        .W = v->OW,
        .top = before,
        .left = before,
        .step = 1,
        .kept = 1,
        .rows = before + (v->H - 1 + v->pad) / s + 1,
        .cols = before + (v->W - 1 + v->pad) / s + 1,
    };
}

/* ---- scratch -------------------------------------------------------------- */

/* How many groups of images a sum of the gradient of the weights runs over. */
static int run_groups(const struct conv *v)
{
    return max(RUN_PIXELS / (v->OH * v->OW), 1);
}

/* How the gradient of the weights is cut into items: ranges of so many products.
 * Whoever takes one, every sum has the same order. */
static int item_products(const struct conv *v, int threads)
{
    const struct frame in = in_frame(v);
    const int taps = v->kernel * v->kernel, all = v->C * taps;
    const size_t planes = frame_size(&in, run_groups(v));
    const int sums = SUMS_MAX / PAIR / v->O;
    const int channels = planes < PLANES_MAX ? (int)(PLANES_MAX / planes) : 1;
    const int fit = min(max(sums, 1), channels * taps);
    const int share = threads > 1 ? max(all / (4 * threads), 1) : all;

    /* whole channels, so that no other item has to lay them out too */
    return fit < taps || share < taps ? min(fit, share) : min(fit, share) / taps * taps;
}

/* Channels that an item may meet. */
static int item_channels(const struct conv *v, int products)
{
    const int taps = v->kernel * v->kernel;

    return products % taps == 0 ? products / taps : min((products - 2) / taps + 2, v->C);
}

/* Each member has a piece of the scratch: a frame, and sums of weights. */
static size_t member_scratch(const struct conv *v, int threads)
{
    const struct frame in = in_frame(v), dout = dout_frame(v);
    const int products = item_products(v, threads);
    const size_t a = frame_size(&in, v->C), b = frame_size(&dout, v->O);
    const size_t c = frame_size(&in, run_groups(v) * item_channels(v, products)) +
                     (size_t)v->O * (size_t)products * PAIR;

    return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

static size_t round_line(size_t reals)
{
    return (reals + 15) / 16 * 16;
}

/* One of the correlations that a pass is made of: the forward pass is one, the
 * gradient of the input one for each remainder of rows and columns by the stride. */
struct part {
    struct sweep sweep;
    const real *packed;
};

/* The scratch from its begin to the members' pieces: lists that part_of() fills, and
 * the weights in their order. */
struct lists {
    struct part *parts; /* (stride * stride) */
    int *at, *from;     /* of products */
    struct sweep_pixel *pixels;
    real *packed;
};

static size_t reals_of(size_t bytes)
{
    return round_line((bytes + sizeof(real) - 1) / sizeof(real));
}

/* Returns how many reals they take. */
static size_t lists_at(struct lists *ret, const struct conv *v, real *scratch)
{
    const size_t parts = (size_t)v->stride * (size_t)v->stride;
    const size_t products =
        (size_t)max(v->C, v->O) * (size_t)v->kernel * (size_t)v->kernel;
    /* a part may have one that is there twice */
    const size_t pixels = (size_t)max(v->H * v->W, v->OH * v->OW) + parts;
    const size_t a = reals_of(parts * sizeof *ret->parts);
    const size_t b = reals_of(products * sizeof *ret->at);
    const size_t c = reals_of(pixels * sizeof *ret->pixels);

    if (scratch)
        *ret = (struct lists){
            (void *)scratch,           (void *)(scratch + a),
            (void *)(scratch + a + b), (void *)(scratch + a + 2 * b),
            scratch + a + 2 * b + c,
        };
    return a + 2 * b + c + round_line(weight_count(v));
}

static size_t direct_scratch(const struct conv *v, int batch_max, int threads)
{
    (void)batch_max;
    return lists_at(NULL, v, NULL) +
           (size_t)threads * round_line(member_scratch(v, threads));
}

/* ---- lists of pixels and products ----------------------------------------- */

/* Pixels in rows and columns, and their places in reals. */
struct grid {
    int rows, cols;
    int in, in_row; /* neighbours in a row are neighbours */
    int out, out_row, out_col;
};

static struct sweep_pixel pixel_at(const struct grid *g, int row, int col)
{
    return (struct sweep_pixel){g->in + row * g->in_row + col * L,
                                g->out + row * g->out_row + col * g->out_col};
}

/* Two and two, then the last ones of odd rows. */
static void list_pixels(struct sweep *s, struct sweep_pixel *to, const struct grid *g)
{
    int n = 0;

    for (int row = 0; row < g->rows; row++)
        for (int col = 0; col < g->cols / 2 * 2; col++)
            to[n++] = pixel_at(g, row, col);
    s->paired = n;
    for (int row = 0; row < g->rows && g->cols % 2; row++)
        to[n++] = pixel_at(g, row, g->cols - 1);
    if (n % 2)
        to[n] = to[n - 1];
    s->pixels = to;
    s->count = n;
}

/* out[o][oh][ow] = b[o] + sum over (c,kh,kw) of W * in */
static void list_forward(const struct lists *to, const struct conv *v,
                         const struct frame *f)
{
    const int k = v->kernel, s = v->stride, row = f->kept * f->cols;
    const struct grid grid = {
        .rows = v->OH,
        .cols = v->OW,
        .in_row = s * row * L,
        .out_row = v->OW * L,
        .out_col = L,
    };
    struct sweep *sweep = &to->parts->sweep;
    int n = 0;

    for (int c = 0; c < v->C; c++) {
        for (int kh = 0; kh < k; kh++) {
            for (int kw = 0; kw < k; kw++, n++) {
                to->at[n] = ((c * f->rows + kh) * row + kw % s * f->cols + kw / s) * L;
                to->from[n] = n;
            }
        }
    }
    *sweep = (struct sweep){
        .at = to->at, .products = n, .O = v->O, .plane = plane_of(1, v->OH, v->OW)};
    list_pixels(sweep, to->pixels, &grid);
    to->parts->packed = to->packed;
}

/* Rows (or columns) h of the input with (h + pad) % stride == remainder. */
struct residue {
    int first, count; /* first, first + stride, ... */
    int source;       /* row of the frame that tap `remainder` reads for the first */
};

static struct residue residue_of(const struct conv *v, int size, int before,
                                 int remainder)
{
    const int s = v->stride, first = ((remainder - v->pad) % s + s) % s;

    return (struct residue){first, first < size ? (size - 1 - first) / s + 1 : 0,
                            (first + v->pad - remainder) / s + before};
}

/* din[c][h][w] = sum over o and the taps, from last to first, that take (h,w) to an
 * output: those with the remainders a of rows and b of columns. Returns how many
 * products there are. */
static int list_products(int *at, int *from, const struct conv *v, const struct frame *f,
                         int a, int b)
{
    const int k = v->kernel, s = v->stride;
    int n = 0;

    for (int o = 0; o < v->O; o++) {
        for (int kh = k - 1; kh >= 0; kh--) {
            for (int kw = k - 1; kw >= 0; kw--) {
                if (kh % s != a || kw % s != b)
                    continue;
                at[n] = ((o * f->rows - kh / s) * f->cols - kw / s) * L;
                from[n] = (o * v->C * k + kh) * k + kw;
                n++;
            }
        }
    }
    return n;
}

static void list_backward(const struct lists *lists, const struct conv *v,
                          const struct frame *f, bool add)
{
    const int s = v->stride;
    struct lists to = *lists;

    for (int i = 0; i < s * s; i++, to.parts++) {
        const int a = i / s, b = i % s;
        const struct residue rows = residue_of(v, v->H, f->top, a);
        const struct residue cols = residue_of(v, v->W, f->left, b);
        const int n = list_products(to.at, to.from, v, f, a, b);
        const struct grid grid = {
            .rows = rows.count,
            .cols = cols.count,
            .in = (rows.source * f->cols + cols.source) * L,
            .in_row = f->cols * L,
            .out = (rows.first * v->W + cols.first) * L,
            .out_row = s * v->W * L,
            .out_col = s * L,
        };
        struct sweep *sweep = &to.parts->sweep;
        *sweep = (struct sweep){.at = to.at,
                                .products = n,
                                .O = v->C,
                                .plane = plane_of(1, v->H, v->W),
                                .add = add};
        list_pixels(sweep, to.pixels, &grid);
        to.parts->packed = to.packed;
        to.at += n;
        to.from += n;
        to.pixels += sweep->count + sweep->count % 2;
        to.packed += (size_t)n * (size_t)v->C;
    }
}

/* ---- forward, and gradient of the input ----------------------------------- */

/* What the items of a pass share. */
struct work {
    const struct conv_call *call;
    const struct sweep_kernels *sweeps;
    struct frame frame;
    struct lists lists;
    int parts;
    size_t in_group, out_group; /* reals, of what is read and what is written */
    real *to;
    const real *from, *b;
    real *pieces;
    size_t piece;
};

static struct work work_of(const struct conv_call *call, struct frame frame)
{
    const struct conv *v = call->conv;
    struct work work = {
        .call = call,
        .sweeps = ISA_PICK(sweep_kernels, call->isa),
        .frame = frame,
        .in_group = plane_of(v->C, v->H, v->W),
        .out_group = plane_of(v->O, v->OH, v->OW),
        .piece = round_line(member_scratch(v, team_size(call->team))),
    };

    work.pieces = call->scratch + lists_at(&work.lists, v, call->scratch);
    return work;
}

static int groups_of(const struct conv_call *call)
{
    return lanes_round(call->B) / L;
}

/* One group of images through all parts. */
static void sweep_item(void *arg, int g, int who)
{
    const struct work *w = arg;
    const struct frame *f = &w->frame;
    const real *in = w->from + (size_t)g * w->in_group;
    real *frame = w->pieces + (size_t)who * w->piece;

    if (!frame_is_source(f)) {
        frame_fill(f, f->C, frame, in);
        in = frame;
    }
    for (int i = 0; i < w->parts; i++) {
        const struct part *part = &w->lists.parts[i];
        w->sweeps->run(&part->sweep, w->to + (size_t)g * w->out_group, in, part->packed,
                       w->b);
    }
}

static void direct_forward(const struct conv_call *call, real *out, const real *in,
                           const real *W, const real *b)
{
    const struct conv *v = call->conv;
    const int products = v->C * v->kernel * v->kernel;
    struct work work = work_of(call, in_frame(v));

    list_forward(&work.lists, v, &work.frame);
    work.sweeps->pack(work.lists.packed, W, v->O, (size_t)products, work.lists.from,
                      products);
    work.parts = 1;
    work.to = out;
    work.from = in;
    work.b = b;
    team_run(call->team, groups_of(call), sweep_item, &work);
}

static void direct_backward_data(const struct conv_call *call, real *din, bool add,
                                 const real *dout, const real *W)
{
    const struct conv *v = call->conv;
    struct work work = work_of(call, dout_frame(v));
    const int *from = work.lists.from;
    real *packed = work.lists.packed;

    work.parts = v->stride * v->stride;
    list_backward(&work.lists, v, &work.frame, add);
    for (int i = 0; i < work.parts; i++) {
        const int products = work.lists.parts[i].sweep.products;
        work.sweeps->pack(packed, W, v->C, (size_t)(v->kernel * v->kernel), from,
                          products);
        from += products;
        packed += (size_t)products * (size_t)v->C;
    }
    work.in_group = plane_of(v->O, v->OH, v->OW);
    work.out_group = plane_of(v->C, v->H, v->W);
    work.to = din;
    work.from = dout;
    team_run(call->team, groups_of(call), sweep_item, &work);
}

/* ---- gradient of the weights ---------------------------------------------- */

/* What the items share. */
struct weights {
    const struct conv_call *call;
    const struct taps_kernels *kernels;
    struct frame frame;
    const struct sweep *sweep; /* of the forward pass: pixels and products */
    int products;              /* of an item */
    int groups;                /* at a time */
    real *dW;
    const real *dout, *in;
    real *pieces;
    size_t piece;
};

/* The sums of some products over some groups, which lie at in and dout. */
static void add_taps(const struct weights *w, struct taps *taps, real *sums,
                     const real *in, const real *dout)
{
    const struct sweep *s = w->sweep;
    const int runs = (s->count + RUN_PIXELS - 1) / RUN_PIXELS;

    for (int i = 0, first = 0; i < runs; i++, first += taps->count) {
        const int end = (int)((int64_t)s->count * (i + 1) / runs + 1) / 2 * 2;
        taps->pixels = s->pixels + first;
        taps->count = min(end, s->count) - first;
        taps->paired = min(max(s->paired - first, 0), taps->count);
        w->kernels->run(taps, sums, in, dout);
    }
}

/* A range of products, over all images. */
static void weights_item(void *arg, int item, int who)
{
    const struct weights *w = arg;
    const struct conv *v = w->call->conv;
    const struct frame *f = &w->frame;
    const int per_channel = v->kernel * v->kernel, all = v->C * per_channel;
    const int first = item * w->products, c0 = first / per_channel;
    const int products = min(w->products, all - first);
    const int channels = (first + products - 1) / per_channel + 1 - c0;
    const size_t plane = plane_of(1, v->H, v->W), size = frame_size(f, channels);
    const bool fill = !frame_is_source(f);
    real *frame = w->pieces + (size_t)who * w->piece;
    real *sums = frame + frame_size(f, w->groups * item_channels(v, w->products));
    struct taps taps = {
        .at = w->sweep->at + (first - c0 * per_channel),
        .products = products,
        .O = v->O,
        .plane = plane_of(1, v->OH, v->OW),
        .in_group = fill ? size : plane_of(v->C, v->H, v->W),
        .dout_group = plane_of(v->O, v->OH, v->OW),
    };

    memset(sums, 0, (size_t)v->O * (size_t)products * PAIR * sizeof *sums);
    for (int g = 0; g < groups_of(w->call); g += w->groups) {
        const real *in = w->in + (size_t)(g * v->C + c0) * plane;
        taps.groups = min(w->groups, groups_of(w->call) - g);
        for (int i = 0; i < taps.groups && fill; i++)
            frame_fill(f, channels, frame + (size_t)i * size,
                       in + (size_t)(i * v->C) * plane);
        add_taps(w, &taps, sums, fill ? frame : in,
                 w->dout + (size_t)g * taps.dout_group);
    }
    w->kernels->finish(w->dW + first, (size_t)all, sums, v->O, products);
}

static void direct_backward_weights(const struct conv_call *call, real *dW,
                                    const real *dout, const real *in)
{
    const struct conv *v = call->conv;
    const int threads = team_size(call->team), all = v->C * v->kernel * v->kernel;
    struct lists lists;
    struct weights work = {
        .call = call,
        .kernels = ISA_PICK(taps_kernels, call->isa),
        .frame = in_frame(v),
        .products = item_products(v, threads),
        .groups = run_groups(v),
        .dW = dW,
        .dout = dout,
        .in = in,
        .pieces = call->scratch + lists_at(&lists, v, call->scratch),
        .piece = round_line(member_scratch(v, threads)),
    };

    list_forward(&lists, v, &work.frame);
    work.sweep = &lists.parts->sweep;
    team_run(call->team, (all + work.products - 1) / work.products, weights_item, &work);
}

static bool direct_suits(const struct conv *v)
{
    (void)v;
    return true;
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
