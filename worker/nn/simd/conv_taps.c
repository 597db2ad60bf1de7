#include "worker/nn/conv_taps.h"

#include "worker/nn/simd/simd.h"

/* A tile is TO output channels by TK products. Of the registers that its
 * accumulators leave, the lesser side's loads take one each. */
enum { TO_MAX = 6, TK_MAX = 13, PAIR = 2 * LANES };

/* Channels and products that are not there repeat the last one and are not kept. */
struct tile {
    const struct taps *a;
    const real *in[TK_MAX], *dout[TO_MAX];
    real *sums;
    int channels, products;
    int half; /* with one group of lanes in a wide: of a PAIR */
};

/* How the pixels of a wide lie. */
enum place { NEIGHBOURS, APART, ALONE };

static inline wide load_at(const real *low, const real *high, enum place place)
{
    if (place == APART)
        return wide_load_two(low, high);
    return place == ALONE ? wide_load_low(low) : wide_load(low);
}

/* Adds the products of one wide. TO, TK and place are constants of the caller: all
 * loops are unrolled and acc lives in registers. */
static VEC_UNROLLED void add(wide acc[TO_MAX][TK_MAX], const struct tile *t,
                             const struct sweep_pixel *pixel, const enum place place,
                             const int TO, const int TK)
{
    const struct sweep_pixel *next = pixel + (place == APART);
    const int in_low = pixel->in, in_high = next->in;
    const int dout_low = pixel->out, dout_high = next->out;
    wide held[TO_MAX];

    if (TO <= TK) {
#pragma GCC unroll 13
        for (int i = 0; i < TO; i++)
            held[i] =
                wide_hold(load_at(t->dout[i] + dout_low, t->dout[i] + dout_high, place));
#pragma GCC unroll 13
        for (int j = 0; j < TK; j++) {
            const wide in =
                wide_hold(load_at(t->in[j] + in_low, t->in[j] + in_high, place));
#pragma GCC unroll 13
            for (int i = 0; i < TO; i++)
                acc[i][j] = wide_fma(held[i], in, acc[i][j]);
        }
    } else {
#pragma GCC unroll 13
        for (int j = 0; j < TK; j++)
            held[j] = wide_hold(load_at(t->in[j] + in_low, t->in[j] + in_high, place));
#pragma GCC unroll 13
        for (int i = 0; i < TO; i++) {
            const wide dout =
                wide_hold(load_at(t->dout[i] + dout_low, t->dout[i] + dout_high, place));
#pragma GCC unroll 13
            for (int j = 0; j < TK; j++)
                acc[i][j] = wide_fma(dout, held[j], acc[i][j]);
        }
    }
}

static VEC_UNROLLED void tile(const struct tile *t, const int TO, const int TK)
{
    const struct taps *a = t->a;
    const int paired = WIDE_PIXELS == 1 ? a->count : a->paired;
    int p = t->half;
    wide acc[TO_MAX][TK_MAX];

#pragma GCC unroll 13
    for (int i = 0; i < TO; i++)
#pragma GCC unroll 13
        for (int j = 0; j < TK; j++)
            acc[i][j] = (wide){0};
    for (; p < paired; p += 2)
        add(acc, t, a->pixels + p, NEIGHBOURS, TO, TK);
    for (; WIDE_PIXELS > 1 && p + 1 < a->count; p += 2)
        add(acc, t, a->pixels + p, APART, TO, TK);
    if (WIDE_PIXELS > 1 && p < a->count)
        add(acc, t, a->pixels + p, ALONE, TO, TK);
#pragma GCC unroll 13
    for (int i = 0; i < TO; i++) {
        real *sums = t->sums + (size_t)i * (size_t)a->products * PAIR;
#pragma GCC unroll 13
        for (int j = 0; j < TK; j++, sums += PAIR)
            if (i < t->channels && j < t->products)
                wide_store(sums, wide_load(sums) + acc[i][j]);
    }
}

/* What a tile costs beside its arithmetic, in hundredths: loads, and pointers that
 * have no register. */
#if WIDE_512
#define TILES(X) X(4, 6, 100) X(6, 4, 102) X(5, 5, 105) X(3, 9, 106) X(2, 13, 125)
#else
#define TILES(X) X(4, 3, 100) X(3, 4, 103) X(2, 5, 104) X(6, 2, 118)
#endif

#define DEFINE(TO, TK, COST)                                                             \
    static void tile_##TO##_##TK(const struct tile *t)                                   \
    {                                                                                    \
        tile(t, TO, TK);                                                                 \
    }
TILES(DEFINE)

struct shape {
    int TO, TK, cost;
    void (*run)(const struct tile *);
};

#define SHAPE(TO, TK, COST) {TO, TK, COST, tile_##TO##_##TK},
static const struct shape SHAPES[] = {TILES(SHAPE)};

enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0] };

static double shape_cost(const struct shape *s, int O, int products)
{
    const int channels = (O + s->TO - 1) / s->TO * s->TO;

    return (double)s->cost * channels * ((products + s->TK - 1) / s->TK * s->TK);
}

static const struct shape *cheapest_shape(int O, int products)
{
    const struct shape *best = SHAPES;

    for (const struct shape *s = SHAPES + 1; s < SHAPES + SHAPE_COUNT; s++)
        if (shape_cost(s, O, products) < shape_cost(best, O, products))
            best = s;
    return best;
}

static void run(const struct taps *a, real *sums, const real *in, const real *dout)
{
    const struct shape *shape = cheapest_shape(a->O, a->products);
    const int TO = shape->TO, TK = shape->TK;
    struct tile t = {.a = a};

    for (int o = 0; o < a->O; o += TO) {
        t.channels = a->O - o < TO ? a->O - o : TO;
        for (int i = 0; i < TO; i++)
            t.dout[i] =
                dout + (size_t)(o + (i < t.channels ? i : t.channels - 1)) * a->plane;
        for (int k = 0; k < a->products; k += TK) {
            t.products = a->products - k < TK ? a->products - k : TK;
            for (int j = 0; j < TK; j++)
                t.in[j] = in + a->at[k + (j < t.products ? j : t.products - 1)];
            t.sums = sums + ((size_t)o * (size_t)a->products + (size_t)k) * PAIR;
            for (t.half = 0; t.half < 2 / WIDE_PIXELS; t.half++, t.sums += LANES)
                shape->run(&t);
        }
    }
}

static void finish(real *dW, size_t step, const real *sums, int O, int products)
{
    for (int o = 0; o < O; o++, dW += step)
        for (int i = 0; i < products; i++, sums += PAIR)
            dW[i] = vec_sum(vec_load(sums) + vec_load(sums + LANES));
}

const struct taps_kernels SIMD(taps_kernels) = {run, finish};
