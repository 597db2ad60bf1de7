#include "worker/nn/conv_op.h"

#include "worker/nn/conv_weights.h"
#include "worker/nn/lanes.h"
#include "worker/nn/conv_places.h"
#include "worker/nn/conv_sweep.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <stdint.h>

enum {
    L = VEC_LANES,
    PACKS = 16, /* items that laying out the weights of a part is cut into */
};

static size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t plane_of(int C, int H, int W)
{
    return (size_t)C * (size_t)H * (size_t)W * L;
}

static size_t weight_count(const struct conv *v)
{
    return (size_t)v->O * (size_t)v->C * (size_t)v->kernel * (size_t)v->kernel;
}

/* ---- scratch -------------------------------------------------------------- */

static size_t round_line(size_t reals)
{
    return (reals + 15) / 16 * 16;
}

/* Reals of a member's piece of the scratch: one group's frame. */
static size_t piece_of(const struct conv *v)
{
    const struct frame in = places_input(v), dout = places_gradient(v);

    return round_line(max(frame_size(&in, v->C), frame_size(&dout, v->O)));
}

/* One of the correlations that a pass is made of: the forward pass is one, the
 * gradient of the input one for each band (conv_places.h). */
struct part {
    struct sweep sweep;
    const int *from; /* the products' weights */
    real *packed;
};

/* The lists at the front of the scratch, and the weights in their order. */
struct front {
    struct part *parts;
    struct band *bands; /* of the parts */
    int *at, *from;     /* of products, part after part */
    struct sweep_pixel *pixels;
    real *packed;
};

static size_t reals_of(size_t bytes)
{
    return round_line((bytes + sizeof(real) - 1) / sizeof(real));
}

/* Sizes in reals: of the parts, the bands, one list of products, the pixels, and the
 * weights. */
struct sizes {
    size_t parts, bands, products, pixels, packed;
};

static struct sizes sizes_of(const struct conv *v)
{
    const size_t parts = (size_t)places_bands_max(v),
                 taps = (size_t)(v->kernel * v->kernel);
    /* all bands of a stride's remainders together are a whole kernel's */
    const size_t kernels = parts / (size_t)(v->stride * v->stride);
    /* places_room() of each part */
    const size_t pixels =
        max((size_t)v->H * (size_t)v->W + parts, (size_t)v->OH * (size_t)v->OW + 1);

    return (struct sizes){
        .parts = reals_of(parts * sizeof(struct part)),
        .bands = reals_of(parts * sizeof(struct band)),
        .products =
            reals_of(max((size_t)v->C, (size_t)v->O * kernels) * taps * sizeof(int)),
        .pixels = reals_of(pixels * sizeof(struct sweep_pixel)),
        .packed = round_line(weight_count(v) * kernels),
    };
}

static size_t front_size(const struct conv *v)
{
    const struct sizes s = sizes_of(v);

    return s.parts + s.bands + 2 * s.products + s.pixels + s.packed;
}

static struct front front_at(const struct conv *v, real *scratch)
{
    const struct sizes s = sizes_of(v);
    real *bands = scratch + s.parts, *at = bands + s.bands, *from = at + s.products;
    real *pixels = from + s.products;

    return (struct front){(void *)scratch, (void *)bands,  (void *)at,
                          (void *)from,    (void *)pixels, pixels + s.pixels};
}

static size_t direct_scratch(const struct conv *v, int batch_max, int threads)
{
    const size_t sweeps = front_size(v) + (size_t)threads * piece_of(v);

    (void)batch_max;
    return max(sweeps, conv_weights_scratch(v, threads));
}

/* ---- both passes ---------------------------------------------------------- */

/* What the items of a pass share. */
struct work {
    const struct conv_call *call;
    const struct sweep_kernels *kernels;
    struct frame frame;
    struct front front;
    int parts;
    size_t step;                /* of W: from one channel that is written to the next */
    size_t in_group, out_group; /* reals, of what is read and what is written */
    real *to;
    const real *from, *W, *b;
    real *pieces;
    size_t piece;
};

/* Some products of one part. */
static void pack_item(void *arg, int item, int who)
{
    const struct work *w = arg;
    const struct part *part = &w->front.parts[item / PACKS];
    const struct sweep *s = &part->sweep;
    const int share = item % PACKS;
    const int first = (int)((int64_t)s->products * share / PACKS);
    const int end = (int)((int64_t)s->products * (share + 1) / PACKS);

    (void)who;
    w->kernels->pack(part->packed, w->W, s->O, w->step, part->from, s->products, first,
                     end);
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
        const struct part *part = &w->front.parts[i];
        w->kernels->run(&part->sweep, w->to + (size_t)g * w->out_group, in, part->packed,
                        w->b);
    }
}

static void run(struct work *w)
{
    const struct conv_call *call = w->call;

    w->kernels = ISA_PICK(sweep_kernels, call->isa);
    w->pieces = call->scratch + front_size(call->conv);
    w->piece = piece_of(call->conv);
    team_run(call->team, w->parts * PACKS, pack_item, w);
    team_run(call->team, lanes_round(call->B) / L, sweep_item, w);
}

/* ---- forward -------------------------------------------------------------- */

static void direct_forward(const struct conv_call *call, real *out, const real *in,
                           const real *W, const real *b)
{
    const struct conv *v = call->conv;
    struct work w = {
        .call = call,
        .frame = places_input(v),
        .front = front_at(v, call->scratch),
        .parts = 1,
        .step = weight_count(v) / (size_t)v->O,
        .in_group = plane_of(v->C, v->H, v->W),
        .out_group = plane_of(v->O, v->OH, v->OW),
        .to = out,
        .from = in,
        .W = W,
        .b = b,
    };
    const struct grid grid = places_outputs(v, &w.frame, 1, 0);
    const struct pixels pixels = places_list(w.front.pixels, &grid);

    *w.front.parts = (struct part){
        .sweep = {.at = w.front.at,
                  .products = places_products(w.front.at, v, &w.frame),
                  .O = v->O,
                  .plane = plane_of(1, v->OH, v->OW),
                  .pixels = pixels.list,
                  .count = pixels.count,
                  .paired = pixels.paired},
        .from = w.front.from,
        .packed = w.front.packed,
    };
    for (int i = 0; i < w.front.parts->sweep.products; i++)
        w.front.from[i] = i;
    run(&w);
}

/* ---- gradient of the input ------------------------------------------------ */

/* Fills the parts, one for each band. */
static void list_parts(struct work *w, bool add)
{
    const struct conv *v = w->call->conv;
    struct front to = w->front;

    w->parts = places_bands(w->front.bands, v);
    for (int i = 0; i < w->parts; i++, to.parts++) {
        const struct band *band = &w->front.bands[i];
        const struct grid grid = places_inputs(v, &w->frame, band);
        const struct pixels pixels = places_list(to.pixels, &grid);
        const int products = places_adjoint(to.at, to.from, v, &w->frame, band);
        *to.parts = (struct part){
            .sweep = {.at = to.at,
                      .products = products,
                      .O = v->C,
                      .plane = plane_of(1, v->H, v->W),
                      .pixels = pixels.list,
                      .count = pixels.count,
                      .paired = pixels.paired,
                      .add = add},
            .from = to.from,
            .packed = to.packed,
        };
        to.pixels += places_room(pixels.count);
        to.at += products;
        to.from += products;
        to.packed += (size_t)products * (size_t)v->C;
    }
}

static void direct_backward_data(const struct conv_call *call, real *din, bool add,
                                 const real *dout, const real *W)
{
    const struct conv *v = call->conv;
    struct work w = {
        .call = call,
        .frame = places_gradient(v),
        .front = front_at(v, call->scratch),
        .step = (size_t)v->kernel * (size_t)v->kernel,
        .in_group = plane_of(v->O, v->OH, v->OW),
        .out_group = plane_of(v->C, v->H, v->W),
        .to = din,
        .from = dout,
        .W = W,
    };

    list_parts(&w, add);
    run(&w);
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
    .backward_weights = conv_weights_run,
};
