#include "worker/nn/conv_sweep.h"

#include "worker/nn/vec.h"

enum {
    L = VEC_LANES,
    /* Accumulators of one tile: 12 of 16 registers, and enough independent sums
     * to hide the latency of a fused multiply-add. */
    TILE_O = 6, /* output channels */
    TILE_W = 2, /* pixels of one row */
};

/* One row of output, of up to TILE_O channels. */
struct row {
    const struct sweep *s;
    const real *in; /* (C,H,W,L), from the row's first tap on */
    const real *W;  /* (C,k,k,channels of the tile) */
    const real *b;  /* or NULL */
    real *out;      /* the row, in the tile's first channel */
    int kh0, kh1;   /* taps that meet input */
};

/* TO and TW are constants of the caller: all loops over them are unrolled and acc
 * lives in registers. */
static VEC_UNROLLED void tile(const struct row *r, int ow, const int TO, const int TW)
{
    const struct sweep *s = r->s;
    const int k = s->kernel, last = (ow + TW - 1) * s->stride;
    const int kw0 = s->w0 > last ? s->w0 - last : 0;
    const int kw1 = s->w1 - ow * s->stride < k ? s->w1 - ow * s->stride : k;
    const size_t step = (size_t)s->stride * L, plane = (size_t)s->OH * (size_t)s->OW * L;
    const size_t row = (size_t)s->W * L;
    vec acc[TILE_O][TILE_W];

#pragma GCC unroll 6
    for (int t = 0; t < TO; t++)
#pragma GCC unroll 2
        for (int p = 0; p < TW; p++)
            acc[t][p] = vec_all(r->b ? r->b[t] : 0);
    for (int c = 0; c < s->C; c++) {
        for (int kh = r->kh0; kh < r->kh1; kh++) {
            const real *x =
                r->in + ((size_t)c * (size_t)s->H + (size_t)kh) * row + (size_t)ow * step;
            const real *w = r->W + (size_t)(c * k + kh) * (size_t)(k * TO);
            for (int kw = kw0; kw < kw1; kw++) {
                vec in[TILE_W];
#pragma GCC unroll 2
                for (int p = 0; p < TW; p++)
                    in[p] = vec_load(x + (size_t)kw * L + (size_t)p * step);
#pragma GCC unroll 6
                for (int t = 0; t < TO; t++) {
                    const vec weight = vec_all(w[kw * TO + t]);
#pragma GCC unroll 2
                    for (int p = 0; p < TW; p++)
                        acc[t][p] = vec_fma(weight, in[p], acc[t][p]);
                }
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < TO; t++)
#pragma GCC unroll 2
        for (int p = 0; p < TW; p++) {
            real *to = r->out + (size_t)t * plane + (size_t)(ow + p) * L;
            vec_store(to, s->add ? vec_load(to) + acc[t][p] : acc[t][p]);
        }
}

/* The last tile of an odd row begins a pixel early and computes that one again,
 * unless it would be added twice. */
static VEC_UNROLLED void row_of(const struct row *r, const int TO)
{
    const int OW = r->s->OW;

    for (int ow = 0; ow + TILE_W <= OW; ow += TILE_W)
        tile(r, ow, TO, TILE_W);
    if (OW == 1 || (OW % TILE_W && r->s->add))
        tile(r, OW - 1, TO, 1);
    else if (OW % TILE_W)
        tile(r, OW - TILE_W, TO, TILE_W);
}

#define ROW(TO)                                                                          \
    static void row_##TO(const struct row *r)                                            \
    {                                                                                    \
        row_of(r, TO);                                                                   \
    }
ROW(1)
ROW(2)
ROW(3)
ROW(4)
ROW(5)
ROW(6)

static void (*const ROWS[TILE_O + 1])(const struct row *) = {NULL,  row_1, row_2, row_3,
                                                             row_4, row_5, row_6};

/* Tile after tile: (C,taps,channels of the tile). */
void sweep_pack(real *to, const struct sweep_weights *w)
{
    for (int o = 0; o < w->O; o += TILE_O) {
        const int count = w->O - o < TILE_O ? w->O - o : TILE_O;
        for (int c = 0; c < w->C; c++) {
            for (int k = 0; k < w->taps; k++) {
                const int tap = w->reversed ? w->taps - 1 - k : k;
                for (int t = 0; t < count; t++)
                    *to++ = w->W[(size_t)(o + t) * w->stride_O + (size_t)c * w->stride_C +
                                 (size_t)tap];
            }
        }
    }
}

void sweep_run(const struct sweep *s, real *out, const real *in, const real *packed,
               const real *b)
{
    const size_t plane = (size_t)s->OH * (size_t)s->OW * L, row = (size_t)s->W * L;
    const size_t taps = (size_t)s->C * (size_t)s->kernel * (size_t)s->kernel;

    for (int oh = 0; oh < s->OH; oh++) {
        const int top = oh * s->stride;
        for (int o = 0; o < s->O; o += TILE_O) {
            const struct row r = {
                .s = s,
                .in = in + (size_t)top * row,
                .W = packed + (size_t)o * taps,
                .b = b ? b + o : NULL,
                .out = out + (size_t)o * plane + (size_t)(oh * s->OW) * L,
                .kh0 = s->h0 > top ? s->h0 - top : 0,
                .kh1 = s->h1 - top < s->kernel ? s->h1 - top : s->kernel,
            };
            ROWS[s->O - o < TILE_O ? s->O - o : TILE_O](&r);
        }
    }
}
