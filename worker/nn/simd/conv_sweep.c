#include "worker/nn/conv_sweep.h"

#include "worker/nn/simd/simd.h"

/* A tile is TO output channels by TP wides. Its accumulators fill the registers but
 * for TP that hold inputs and one for a weight, and are independent sums enough to
 * hide the latency of a fused multiply-add. */
#if WIDE_512
enum { TO_MAX = 8, TP_MAX = 6 };
static const int TP_OF[TO_MAX + 1] = {0, 6, 6, 6, 6, 5, 4, 3, 3};
#else
enum { TO_MAX = 6, TP_MAX = 5 };
static const int TP_OF[TO_MAX + 1] = {0, 5, 5, 3, 2, 2, 2};
#endif

struct tile {
    const struct sweep *s;
    const struct sweep_pixel *pixels;
    const real *in;
    const real *W; /* (products,TO) */
    const real *b; /* or NULL */
    real *out;
};

/* TO, TP and paired are constants of the caller: all loops over them are unrolled
 * and acc lives in registers. */
static VEC_UNROLLED void tile(const struct tile *a, const int TO, const int TP,
                              const bool paired)
{
    const struct sweep *s = a->s;
    const real *low[TP_MAX], *high[TP_MAX], *W = a->W;
    const bool neighbours =
        WIDE_PIXELS == 1 || a->pixels[1].out - a->pixels[0].out == LANES;
    wide acc[TO_MAX][TP_MAX];

#pragma GCC unroll 8
    for (int p = 0; p < TP; p++) {
        low[p] = a->in + a->pixels[p * WIDE_PIXELS].in;
        high[p] = a->in + a->pixels[(p + 1) * WIDE_PIXELS - 1].in;
    }
#pragma GCC unroll 8
    for (int t = 0; t < TO; t++)
#pragma GCC unroll 8
        for (int p = 0; p < TP; p++)
            acc[t][p] = wide_all(a->b ? a->b[t] : 0);
    for (const int *at = s->at, *end = at + s->products; at < end; at++, W += TO) {
        wide in[TP_MAX];
#pragma GCC unroll 8
        for (int p = 0; p < TP; p++)
            in[p] = wide_hold(paired ? wide_load(low[p] + *at)
                                     : wide_load_two(low[p] + *at, high[p] + *at));
#pragma GCC unroll 8
        for (int t = 0; t < TO; t++) {
            const wide weight = wide_all(W[t]);
#pragma GCC unroll 8
            for (int p = 0; p < TP; p++)
                acc[t][p] = wide_fma(weight, in[p], acc[t][p]);
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < TO; t++) {
        real *out = a->out + (size_t)t * s->plane;
#pragma GCC unroll 8
        for (int p = 0; p < TP; p++) {
            real *one = out + a->pixels[p * WIDE_PIXELS].out;
            real *two = out + a->pixels[(p + 1) * WIDE_PIXELS - 1].out;
            wide sum = acc[t][p];
            if (s->add)
                sum += wide_load_two(one, two);
            if (paired && neighbours)
                wide_store(one, sum);
            else
                wide_store_two(one, two, sum);
        }
    }
}

/* Every size of tile that occurs, with neighbours and without. */
/* clang-format off */
#if WIDE_512
#define TILES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) \
    X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(3, 5) X(3, 6) \
    X(4, 1) X(4, 2) X(4, 3) X(4, 4) X(4, 5) X(4, 6) \
    X(5, 1) X(5, 2) X(5, 3) X(5, 4) X(5, 5) \
    X(6, 1) X(6, 2) X(6, 3) X(6, 4) \
    X(7, 1) X(7, 2) X(7, 3) \
    X(8, 1) X(8, 2) X(8, 3)
#else
#define TILES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) \
    X(3, 1) X(3, 2) X(3, 3) \
    X(4, 1) X(4, 2) \
    X(5, 1) X(5, 2) \
    X(6, 1) X(6, 2)
#endif
/* clang-format on */

#define DEFINE(TO, TP)                                                                   \
    static void paired_##TO##_##TP(const struct tile *a)                                 \
    {                                                                                    \
        tile(a, TO, TP, true);                                                           \
    }                                                                                    \
    static void single_##TO##_##TP(const struct tile *a)                                 \
    {                                                                                    \
        tile(a, TO, TP, false);                                                          \
    }
TILES(DEFINE)

typedef void tile_run(const struct tile *);

#define PAIRED(TO, TP) [TO][TP] = paired_##TO##_##TP,
#define SINGLE(TO, TP) [TO][TP] = single_##TO##_##TP,
static tile_run *const RUN[2][TO_MAX + 1][TP_MAX + 1] = {{TILES(SINGLE)},
                                                         {TILES(PAIRED)}};

/* Things cut into as few parts as there can be of at most so many, as equal as
 * possible: the first `longer` parts have `each` + 1. */
struct cut {
    int each, longer;
};

static struct cut cut_of(int total, int most)
{
    const int parts = (total + most - 1) / most;

    return parts > 0 ? (struct cut){total / parts, total % parts} : (struct cut){0};
}

/* How long the part is that begins at `from`. */
static inline int cut_part(struct cut cut, int from)
{
    return from < cut.longer * (cut.each + 1) ? cut.each + 1 : cut.each;
}

/* Tile after tile: (products,channels of the tile). */
static void pack(real *to, const real *W, int O, size_t step, const int *from,
                 int products, int first, int end)
{
    const struct cut cut = cut_of(O, TO_MAX);

    for (int o = 0, TO; o < O; o += TO, W += (size_t)TO * step) {
        TO = cut_part(cut, o);
        real *at = to + (size_t)o * (size_t)products + (size_t)first * (size_t)TO;
        for (int i = first; i < end; i++)
            for (int t = 0; t < TO; t++)
                *at++ = W[(size_t)t * step + (size_t)from[i]];
    }
}

/* The tiles of channels over wides that are all paired or all not. Pixels in the
 * outer loop: what a tile of them reads stays in the first-level cache, and the
 * weights come from the second. */
static void run_some(const struct sweep *s, bool paired, int first, int count, real *out,
                     const real *in, const real *packed, const real *b)
{
    const struct cut channels = cut_of(s->O, TO_MAX);
    const int wides = (count + WIDE_PIXELS - 1) / WIDE_PIXELS;
    const struct cut cut = cut_of(wides, TP_OF[cut_part(channels, 0)]);

    for (int p = 0, TP; p < wides; p += TP) {
        TP = cut_part(cut, p);
        for (int o = 0, TO; o < s->O; o += TO) {
            TO = cut_part(channels, o);
            const struct tile a = {
                .s = s,
                .pixels = s->pixels + first + (size_t)p * WIDE_PIXELS,
                .in = in,
                .W = packed + (size_t)o * (size_t)s->products,
                .b = b ? b + o : NULL,
                .out = out + (size_t)o * s->plane,
            };
            RUN[paired][TO][TP](&a);
        }
    }
}

static void run(const struct sweep *s, real *out, const real *in, const real *packed,
                const real *b)
{
    run_some(s, true, 0, s->paired, out, in, packed, b);
    run_some(s, false, s->paired, s->count - s->paired, out, in, packed, b);
}

const struct sweep_kernels SIMD(sweep_kernels) = {pack, run};
