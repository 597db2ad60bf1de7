#include "worker/nn/conv_weights.h"

#include "worker/nn/lanes.h"
#include "worker/nn/conv_places.h"
#include "worker/nn/conv_taps.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <stdint.h>
#include <string.h>

enum {
    L = VEC_LANES,
    PAIR = 2 * L, /* partial sums of a weight */
    /* Pixels that a sum runs over before it is added to the rest, at least: enough
     * to pay for that, few enough that what a tile reads stays in a first-level cache
     * and that float is precise. */
    RUN_PIXELS = 256,
    RUN_PIXELS_WIDE = 128, /* where taps share little of the input */
    /* Of an item: output channels, partial sums of weights, and reals of the input.
     * All of that stays in a second-level cache while dout streams by, which pays
     * from some dozens of products on. */
    CHANNELS_MAX = 128,
    SUMS_MAX = 10 * 1024,
    INPUT_MAX = 96 * 1024,
};

static int max(int a, int b)
{
    return a > b ? a : b;
}

static int min(int a, int b)
{
    return a < b ? a : b;
}

static int parts_of(int total, int each)
{
    return (total + each - 1) / each;
}

/* How the work is cut: an item is some products of some output channels, over all
 * images. */
struct cut {
    struct frame frame;
    bool fill;              /* the frame is not just the input */
    int pixels, groups;     /* of a run, about and at most */
    int products, channels; /* of an item */
    int inputs;             /* channels of the input that an item may meet */
    int of_products, items; /* how many parts of products there are; of both */
};

/* Products: whole channels of the input where that fits, so that no other item has to
 * lay them out too. For a team there should be some items for each member. */
static struct cut cut_of(const struct conv *v, int threads)
{
    const int taps = v->kernel * v->kernel, all = v->C * taps;
    struct cut cut = {.frame = places_input(v)};

    cut.fill = !frame_is_source(&cut.frame);
    cut.pixels = v->kernel <= v->stride || v->stride > 1 ? RUN_PIXELS_WIDE : RUN_PIXELS;
    cut.groups = max(cut.pixels / (v->OH * v->OW), 1);
    cut.channels = parts_of(v->O, parts_of(v->O, CHANNELS_MAX));
    const size_t input = frame_size(&cut.frame, cut.groups);
    const int inputs = input < INPUT_MAX ? (int)(INPUT_MAX / input) : 1;
    const int wanted =
        threads > 1 ? parts_of(4 * threads, parts_of(v->O, cut.channels)) : 1;
    int n = min(max(SUMS_MAX / cut.channels, 1), min(inputs * taps, all));

    n = min(n, max(all / wanted, 1));
    if (n > taps)
        n = n / taps * taps;
    cut.products = n;
    cut.inputs = n % taps == 0 ? n / taps : min((n - 2) / taps + 2, v->C);
    cut.of_products = parts_of(all, n);
    cut.items = cut.of_products * parts_of(v->O, cut.channels);
    return cut;
}

static size_t round_line(size_t reals)
{
    return (reals + 15) / 16 * 16;
}

/* Reals of a member's piece: what the input looks like, and sums. */
static size_t frame_room(const struct cut *cut)
{
    return cut->fill ? frame_size(&cut->frame, cut->groups * cut->inputs) : 0;
}

static size_t piece_of(const struct cut *cut)
{
    return round_line(frame_room(cut) +
                      (size_t)cut->products * (size_t)cut->channels * PAIR);
}

/* What the items share. */
struct work {
    const struct conv_call *call;
    const struct taps_kernels *kernels;
    struct cut cut;
    const int *at;
    int groups;              /* of a run: as equal as can be */
    struct pixels run, last; /* of so many groups, and of those that are left */
    real *dW;
    const real *dout, *in;
    real *pieces;
    size_t piece;
};

/* The lists at the front of the scratch: products, and pixels of two runs. */
struct room {
    int *at;
    struct sweep_pixel *run, *last;
    real *pieces;
};

static size_t reals_of(size_t bytes)
{
    return round_line((bytes + sizeof(real) - 1) / sizeof(real));
}

static size_t run_bytes(const struct conv *v, const struct cut *cut)
{
    return (size_t)places_room(cut->groups * v->OH * v->OW) * sizeof(struct sweep_pixel);
}

static size_t front_of(const struct conv *v, const struct cut *cut)
{
    return reals_of((size_t)(v->C * v->kernel * v->kernel) * sizeof(int)) +
           2 * reals_of(run_bytes(v, cut));
}

static struct room room_of(const struct conv *v, const struct cut *cut, real *scratch)
{
    real *run = scratch + reals_of((size_t)(v->C * v->kernel * v->kernel) * sizeof(int));

    return (struct room){(void *)scratch, (void *)run,
                         (void *)(run + reals_of(run_bytes(v, cut))),
                         scratch + front_of(v, cut)};
}

size_t conv_weights_scratch(const struct conv *v, int threads)
{
    const struct cut cut = cut_of(v, threads);

    return front_of(v, &cut) + (size_t)threads * piece_of(&cut);
}

/* The list in runs that begin at even places. */
static void add_runs(const struct work *w, struct taps taps, const struct pixels *pixels,
                     real *sums, const real *in, const real *dout)
{
    const int runs = max(pixels->count / w->cut.pixels, 1);

    for (int i = 0, first = 0; i < runs; i++, first += taps.count) {
        const int end = (int)((int64_t)pixels->count * (i + 1) / runs + 1) / 2 * 2;
        taps.pixels = pixels->list + first;
        taps.count = min(end, pixels->count) - first;
        taps.paired = min(max(pixels->paired - first, 0), taps.count);
        w->kernels->run(&taps, sums, in, dout);
    }
}

static int groups_of(const struct conv_call *call)
{
    return lanes_round(call->B) / L;
}

static void weights_item(void *arg, int item, int who)
{
    const struct work *w = arg;
    const struct cut *cut = &w->cut;
    const struct conv *v = w->call->conv;
    const size_t in_plane = (size_t)v->H * (size_t)v->W * L;
    const size_t plane = (size_t)v->OH * (size_t)v->OW * L;
    const int per_input = v->kernel * v->kernel, all = v->C * per_input;
    const int first = item % cut->of_products * cut->products, c0 = first / per_input;
    const int o = item / cut->of_products * cut->channels;
    struct taps taps = {
        .at = w->at + (first - c0 * per_input),
        .products = min(cut->products, all - first),
        .O = min(cut->channels, v->O - o),
        .plane = plane,
    };
    const int inputs = (first + taps.products - 1) / per_input + 1 - c0;
    real *frame = w->pieces + (size_t)who * w->piece, *sums = frame + frame_room(cut);

    memset(sums, 0, (size_t)taps.O * (size_t)taps.products * PAIR * sizeof *sums);
    for (int g = 0; g < groups_of(w->call); g += w->groups) {
        const int groups = min(w->groups, groups_of(w->call) - g);
        const real *in = w->in + (size_t)(g * v->C + c0) * in_plane;
        for (int i = 0; i < groups && cut->fill; i++)
            frame_fill(&cut->frame, inputs,
                       frame + (size_t)i * frame_size(&cut->frame, cut->inputs),
                       in + (size_t)(i * v->C) * in_plane);
        add_runs(w, taps, groups == w->groups ? &w->run : &w->last, sums,
                 cut->fill ? frame : in, w->dout + (size_t)(g * v->O + o) * plane);
    }
    w->kernels->finish(w->dW + (size_t)o * (size_t)all + first, (size_t)all, sums, taps.O,
                       taps.products);
}

void conv_weights_run(const struct conv_call *call, real *dW, const real *dout,
                      const real *in)
{
    const struct conv *v = call->conv;
    const struct cut cut = cut_of(v, team_size(call->team));
    const struct room room = room_of(v, &cut, call->scratch);
    const int group =
        cut.fill ? (int)frame_size(&cut.frame, cut.inputs) : v->C * v->H * v->W * L;
    const int all = groups_of(call), groups = parts_of(all, parts_of(all, cut.groups));
    const struct grid run = places_outputs(v, &cut.frame, groups, group);
    const struct grid last = places_outputs(v, &cut.frame, all % groups, group);
    struct work work = {
        .call = call,
        .kernels = ISA_PICK(taps_kernels, call->isa),
        .cut = cut,
        .at = room.at,
        .groups = groups,
        .run = places_list(room.run, &run),
        .last = places_list(room.last, &last),
        .dW = dW,
        .dout = dout,
        .in = in,
        .pieces = room.pieces,
        .piece = piece_of(&cut),
    };

    places_products(room.at, v, &cut.frame);
    team_run(call->team, cut.items, weights_item, &work);
}
