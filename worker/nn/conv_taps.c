#include "worker/nn/conv_taps.h"

#include "worker/nn/vec.h"

enum { L = VEC_LANES };

/* Taps kw0 .. kw0+TK of row kh, between up to TO output channels and one input
 * channel, of one group: sums[t][j] += dout[t][oh][ow] * in[oh*s+kh][ow*s+kw0+j] */
struct taps {
    const struct conv *v;
    const real *in; /* the padded channel, (H,W,L), from row kh and column kw0 on */
    size_t in_row;
    const real *dout; /* the tile's first channel, (OH,OW,L) */
    real *sums;       /* of the first channel and tap; each L lanes */
    size_t sums_O;    /* from one output channel to the next */
    int count;        /* output channels there are, up to TO */
    int oh0, oh1;     /* rows where the tap meets input */
};

/* Channels that are not there repeat the last one and are not kept. */
static VEC_UNROLLED void taps_add(const struct taps *a, const int TO, const int TK)
{
    const struct conv *v = a->v;
    const size_t plane = (size_t)v->OH * (size_t)v->OW * L, OW = (size_t)v->OW * L;
    const size_t step = (size_t)v->stride;
    const real *dout[6];
    vec acc[6][5];

#pragma GCC unroll 6
    for (int t = 0; t < TO; t++) {
        dout[t] = a->dout + (size_t)(t < a->count ? t : a->count - 1) * plane;
#pragma GCC unroll 5
        for (int j = 0; j < TK; j++)
            acc[t][j] = (vec){0};
    }
    for (int oh = a->oh0; oh < a->oh1; oh++) {
        const real *x = a->in + (size_t)oh * step * a->in_row;
        const size_t at = (size_t)oh * OW;
        for (size_t ow = 0; ow < OW; ow += L) {
            vec in[5];
#pragma GCC unroll 5
            for (int j = 0; j < TK; j++)
                in[j] = vec_hold(vec_load(x + ow * step + (size_t)j * L));
#pragma GCC unroll 6
            for (int t = 0; t < TO; t++) {
                const vec d = vec_load(dout[t] + at + ow);
#pragma GCC unroll 5
                for (int j = 0; j < TK; j++)
                    acc[t][j] = vec_fma(d, in[j], acc[t][j]);
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < TO; t++) {
#pragma GCC unroll 5
        for (int j = 0; j < TK; j++) {
            real *sum = a->sums + (size_t)t * a->sums_O + (size_t)j * L;
            if (t < a->count)
                vec_store(sum, vec_load(sum) + acc[t][j]);
        }
    }
}

#define TAPS(TO, TK)                                                                     \
    static void taps_##TK(const struct taps *a)                                          \
    {                                                                                    \
        taps_add(a, TO, TK);                                                             \
    }
TAPS(6, 1)
TAPS(6, 2)
TAPS(4, 3)
TAPS(3, 4)
TAPS(2, 5)

enum { TAPS_MAX = 5 };

/* How many output channels a tile of so many taps has, and its kernel. */
static const struct {
    int channels;
    void (*add)(const struct taps *);
} TAPS_OF[TAPS_MAX + 1] = {{0, NULL},   {6, taps_1}, {6, taps_2},
                           {4, taps_3}, {3, taps_4}, {2, taps_5}};

/* Taps kw and up to TAPS_MAX - 1 after it of row kh and input channel c. */
static void add_taps(const struct conv *v, int channels, real *sums, const real *in,
                     const real *dout, int c, int kh, int kw)
{
    const int k = v->kernel, TK = k - kw < TAPS_MAX ? k - kw : TAPS_MAX;
    const int TO = TAPS_OF[TK].channels;
    const size_t plane = (size_t)v->OH * (size_t)v->OW * L;
    const size_t in_row = (size_t)(v->W + 2 * v->pad) * L;
    const int above = v->pad - kh, below = v->pad + v->H - kh;
    struct taps a = {
        .v = v,
        .in = in + (size_t)(c * (v->H + 2 * v->pad) + kh) * in_row + (size_t)kw * L,
        .in_row = in_row,
        .sums_O = (size_t)(channels * k * k) * L,
        .oh0 = above > 0 ? (above + v->stride - 1) / v->stride : 0,
        .oh1 = below > 0 ? (below - 1) / v->stride + 1 : 0,
    };

    if (a.oh1 > v->OH)
        a.oh1 = v->OH;
    for (int o = 0; o < v->O; o += TO) {
        a.dout = dout + (size_t)o * plane;
        a.sums = sums + (size_t)(((o * channels + c) * k + kh) * k + kw) * L;
        a.count = v->O - o < TO ? v->O - o : TO;
        TAPS_OF[TK].add(&a);
    }
}

void taps_run(const struct conv *v, int channels, real *sums, const real *padded,
              const real *dout)
{
    for (int c = 0; c < channels; c++)
        for (int kh = 0; kh < v->kernel; kh++)
            for (int kw = 0; kw < v->kernel; kw += TAPS_MAX)
                add_taps(v, channels, sums, padded, dout, c, kh, kw);
}
