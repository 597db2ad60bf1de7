#include "worker/nn/simd/gemm.h"

#include "worker/nn/simd/simd.h"

/* A tile of C is kept in registers: 24 of the 32 of AVX-512, 12 of the 16 of AVX2.
 * Either is enough independent chains to hide the latency of a fused multiply-add,
 * and asks for less than one load for two of them. */
enum {
    TILE_R = WIDE_PIXELS == 2 ? 8 : 4, /* rows */
    TILE_W = 3,                        /* wides */
    /* To be brought near, but not into the first-level cache, where a panel of B is. */
    PAST_FIRST = 2,
};

/* One tile's corner in each matrix, and the stretch of k. */
struct tile {
    const real *a, *b;
    real *c;
    const real *start, *row; /* or NULL */
    size_t a_step, b_step, c_row;
    size_t a_row;  /* of an A that is not packed; else 0 */
    size_t a_next; /* from here to the next rows of A, which may be far away */
    int K;
    bool add;
};

/* The value in a register of its own: otherwise gcc reads it from memory once for
 * every use, and the loads cost more than the arithmetic. */
static inline wide held(wide value)
{
#ifdef __AVX__
    __asm__("" : "+v"(value));
#endif
    return value;
}

/* R, W and whether A is packed are constants of the caller: acc lives in registers. */
static VEC_UNROLLED void tile_run(const struct tile *t, const int R, const int W,
                                  const bool packed)
{
    const real *a = t->a, *b = t->b;
    real *const c = t->c;
    const size_t c_row = t->c_row, a_step = t->a_step, b_step = t->b_step;
    const size_t a_row = packed ? 1 : t->a_row;
    const int K = t->K;
    wide acc[TILE_R][TILE_W];

#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 3
        for (int w = 0; w < W; w++)
            acc[r][w] = t->add   ? wide_load(c + (size_t)r * c_row + w * WIDE)
                        : t->row ? wide_load(t->row + w * WIDE)
                                 : wide_all(t->start ? t->start[r] : 0);
    for (int k = 0; k < K; k++) {
        wide in[TILE_W];
#pragma GCC unroll 3
        for (int w = 0; w < W; w++)
            in[w] = held(wide_load(b + w * WIDE));
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
            const wide factor = held(wide_all(a[(size_t)r * a_row]));
#pragma GCC unroll 3
            for (int w = 0; w < W; w++)
                acc[r][w] = wide_fma(factor, in[w], acc[r][w]);
        }
        if (packed)
            __builtin_prefetch(a + t->a_next, 0, PAST_FIRST);
        a += packed ? a_step : 1;
        b += b_step;
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 3
        for (int w = 0; w < W; w++)
            wide_store(c + (size_t)r * c_row + w * WIDE, acc[r][w]);
}

/* The same, one vec wide: half a wide may be left over. */
static VEC_UNROLLED void tile_half(const struct tile *t, const int R, const bool packed)
{
    const real *a = t->a, *b = t->b;
    real *const c = t->c;
    const size_t c_row = t->c_row, a_step = t->a_step, b_step = t->b_step;
    const size_t a_row = packed ? 1 : t->a_row;
    const int K = t->K;
    vec acc[TILE_R];

#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
        acc[r] = t->add   ? vec_load(c + (size_t)r * c_row)
                 : t->row ? vec_load(t->row)
                          : vec_all(t->start ? t->start[r] : 0);
    for (int k = 0; k < K; k++) {
        const vec in = vec_load(b);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
            acc[r] = vec_fma(vec_all(a[(size_t)r * a_row]), in, acc[r]);
        a += packed ? a_step : 1;
        b += b_step;
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
        vec_store(c + (size_t)r * c_row, acc[r]);
}

#define TILE(R, W, name, packed)                                                         \
    static void name##_##R##_##W(const struct tile *t)                                   \
    {                                                                                    \
        if (W)                                                                           \
            tile_run(t, R, W, packed);                                                   \
        else                                                                             \
            tile_half(t, R, packed);                                                     \
    }
#define TILES_OF(R, name, packed)                                                        \
    TILE(R, 0, name, packed)                                                             \
    TILE(R, 1, name, packed)                                                             \
    TILE(R, 2, name, packed)                                                             \
    TILE(R, 3, name, packed)
#define ROW_OF(R, name)                                                                  \
    {                                                                                    \
        name##_##R##_0, name##_##R##_1, name##_##R##_2, name##_##R##_3                   \
    }

TILES_OF(1, panel, true)
TILES_OF(2, panel, true)
TILES_OF(4, panel, true)
TILES_OF(1, plain, false)
TILES_OF(2, plain, false)
TILES_OF(4, plain, false)
#if defined SIMD_AVX512
TILES_OF(8, panel, true)
TILES_OF(8, plain, false)
#endif

/* From the tallest; [w] is w wides across, [0] half a one; A in panels or plain. */
static const struct {
    int rows;
    void (*panel[TILE_W + 1])(const struct tile *);
    void (*plain[TILE_W + 1])(const struct tile *);
} TILES[] = {
#if defined SIMD_AVX512
    {8, ROW_OF(8, panel), ROW_OF(8, plain)},
#endif
    {4, ROW_OF(4, panel), ROW_OF(4, plain)},
    {2, ROW_OF(2, panel), ROW_OF(2, plain)},
    {1, ROW_OF(1, panel), ROW_OF(1, plain)},
};

/* All rows of some columns and a stretch of k; *t has what they share. */
static void columns(const struct gemm *g, struct tile *t, int j, int w, int k0)
{
    const size_t panel = (size_t)(j / GEMM_COLS), within = (size_t)(j % GEMM_COLS);
    real *c = g->C + panel * g->C_panel + within;
    int shape = 0;

    t->row = g->start_row ? g->start_row + j : NULL;
    t->b = g->B + panel * g->B_panel + within + (size_t)k0 * g->B_step;
    for (int i = 0; i < g->M; i += TILES[shape].rows) {
        while (g->M - i < TILES[shape].rows)
            shape++;
        t->c = c + (size_t)i * g->C_row;
        t->start = g->start ? g->start + i : NULL;
        if (g->A_row) {
            t->a = g->A + (size_t)i * g->A_row + k0;
            TILES[shape].plain[w](t);
        } else {
            t->a = g->A + (size_t)(i / GEMM_ROWS) * g->A_panel + (size_t)k0 * g->A_step +
                   i % GEMM_ROWS;
            TILES[shape].panel[w](t);
        }
    }
}

static void multiply(const struct gemm *g)
{
    const int stretch = gemm_stretch(g->K);

    for (int k0 = 0; k0 < g->K; k0 += stretch) {
        struct tile t = {
            .a_step = g->A_step,
            .b_step = g->B_step,
            .c_row = g->C_row,
            .a_row = g->A_row,
            .a_next = g->A_panel,
            .K = g->K - k0 < stretch ? g->K - k0 : stretch,
            .add = g->add || k0 > 0,
        };
        for (int j = 0; j < g->N; j += TILE_W * WIDE) {
            const int left = (g->N - j) / WIDE, w = left < TILE_W ? left : TILE_W;
            if (w)
                columns(g, &t, j, w, k0);
            if (w < TILE_W && (g->N - j) % WIDE)
                columns(g, &t, j + w * WIDE, 0, k0);
        }
    }
}

const struct gemm_kernels SIMD(gemm_kernels) = {multiply};
