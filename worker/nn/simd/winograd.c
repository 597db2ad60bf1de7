#include "worker/nn/simd/winograd.h"

#include "worker/nn/simd/simd.h"
#include "worker/nn/simd/wino_side.h"

/* GEMM_ROWS filters, channel after channel. */
static void filters(const struct wino_filters *f, real *U, size_t point, int panel)
{
    const int m0 = panel * GEMM_ROWS;
    const int rows = f->M - m0 < GEMM_ROWS ? f->M - m0 : GEMM_ROWS;
    const real *from = f->W + (size_t)m0 * f->W_M;
    real *to = U + (size_t)panel * (size_t)f->K * GEMM_ROWS;
    real g[9][GEMM_ROWS] = {{0}};

    for (int k = 0; k < f->K; k++, from += f->W_K, to += GEMM_ROWS) {
        for (int r = 0; r < rows; r++)
            for (int tap = 0; tap < 9; tap++)
                g[f->rotated ? 8 - tap : tap][r] = from[(size_t)r * f->W_M + (size_t)tap];
        for (int r = 0; r < GEMM_ROWS; r += LANES) {
            vec half[3][WINO_IN], u[WINO_IN];
#pragma GCC unroll 3
            for (int i = 0; i < 3; i++) {
                const vec row[3] = {vec_load(g[3 * i] + r), vec_load(g[3 * i + 1] + r),
                                    vec_load(g[3 * i + 2] + r)};
                wino_side_filter(half[i], row);
            }
#pragma GCC unroll 6
            for (int j = 0; j < WINO_IN; j++) {
                const vec column[3] = {half[0][j], half[1][j], half[2][j]};
                wino_side_filter(u, column);
#pragma GCC unroll 6
                for (int i = 0; i < WINO_IN; i++)
                    vec_store(to + (size_t)(i * WINO_IN + j) * point + r, u[i]);
            }
        }
    }
}

/* Where a tile lies: rows and columns [r0,r1) x [c0,c1) of its 6x6 meet the image. */
struct place {
    const real *at; /* its corner in the first channel, which may lie outside */
    int r0, r1, c0, c1;
};

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static struct place place_input(const struct wino_map *map, const real *in, int tile)
{
    const int group = tile / (map->TH * map->TW), within = tile % (map->TH * map->TW);
    const int y = within / map->TW * WINO_OUT - map->pad;
    const int x = within % map->TW * WINO_OUT - map->pad;
    const ptrdiff_t pixels = (ptrdiff_t)group * map->C * map->H * map->W;

    return (struct place){
        .at = in + (pixels + (ptrdiff_t)y * map->W + x) * LANES,
        .r0 = clamp(-y, 0, WINO_IN),
        .r1 = clamp(map->H - y, 0, WINO_IN),
        .c0 = clamp(-x, 0, WINO_IN),
        .c1 = clamp(map->W - x, 0, WINO_IN),
    };
}

static bool inside(const struct place *p)
{
    return p->r0 == 0 && p->r1 == WINO_IN && p->c0 == 0 && p->c1 == WINO_IN;
}

/* A tile as the transform reads it: where it lies, or, at an edge, a copy with the
 * zeros around. */
struct window {
    struct place place;
    const real *at;
    size_t row;
    bool copied;
    _Alignas(64) real copy[WINO_IN * WINO_IN * LANES];
};

static void window_open(struct window *w, const struct wino_map *map, const real *in,
                        int tile, bool present)
{
    if (present)
        w->place = place_input(map, in, tile);
    else
        w->place = (struct place){.at = in};
    w->copied = !inside(&w->place);
    w->at = w->copied ? w->copy : w->place.at;
    w->row = (size_t)(w->copied ? WINO_IN : map->W) * LANES;
    for (int i = 0; w->copied && i < WINO_IN * WINO_IN; i++)
        vec_store(w->copy + i * LANES, (vec){0});
}

/* The tile of the next channel. */
static void window_read(struct window *w, const struct wino_map *map)
{
    const struct place *p = &w->place;
    const size_t row = (size_t)map->W * LANES;
    const size_t from = (size_t)p->c0 * LANES, to = (size_t)p->c1 * LANES;

    if (!w->copied)
        return;
    for (int r = p->r0; r < p->r1; r++)
        for (size_t i = from; i < to; i += LANES)
            vec_store(w->copy + (size_t)r * WINO_IN * LANES + i,
                      vec_load(p->at + (size_t)r * row + i));
}

static void window_next(struct window *w, size_t plane)
{
    w->place.at += plane;
    if (!w->copied)
        w->at += plane;
}

/* One pixel of WIDE_PIXELS tiles. */
static inline wide read(const struct window *w, int i, int j)
{
    const size_t column = (size_t)j * LANES;
    const vec first = vec_load(w[0].at + (size_t)i * w[0].row + column);
#if defined SIMD_AVX512 && defined __AVX512F__
    const vec second = vec_load(w[1].at + (size_t)i * w[1].row + column);
#ifdef NN_DOUBLE
    return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                   12, 13, 14, 15);
#endif
#else
    return first;
#endif
}

static void input_tile(const struct window *w, real *V, size_t point)
{
    wide half[WINO_IN][WINO_IN];

#pragma GCC unroll 6
    for (int i = 0; i < WINO_IN; i++) {
        wide d[WINO_IN];
#pragma GCC unroll 6
        for (int j = 0; j < WINO_IN; j++)
            d[j] = read(w, i, j);
        wino_side_in(half[i], d);
    }
#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        wide d[WINO_IN], v[WINO_IN];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            d[i] = half[i][j];
        wino_side_in(v, d);
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            wide_store(V + (size_t)(i * WINO_IN + j) * point, v[i]);
    }
}

enum { PANEL_TILES = GEMM_COLS / LANES };

/* Where a tile's columns begin in panels of so many rows. */
static size_t panel_column(int tile, int rows)
{
    return ((size_t)(tile / PANEL_TILES) * (size_t)rows * PANEL_TILES +
            (size_t)(tile % PANEL_TILES)) *
           LANES;
}

static void input(const struct wino_map *map, const struct wino_block *V, const real *in,
                  struct wino_tiles tiles, int c0, int c1)
{
    const size_t plane = (size_t)map->H * (size_t)map->W * LANES;
    struct window w[WIDE_PIXELS];

    for (int t = 0; t < tiles.count; t += WIDE_PIXELS) {
        real *to = V->at + panel_column(t, V->rows) + (size_t)c0 * GEMM_COLS;
        for (int s = 0; s < WIDE_PIXELS; s++)
            window_open(&w[s], map, in + (size_t)c0 * plane, tiles.first + t + s,
                        t + s < tiles.count);
        for (int c = c0; c < c1; c++, to += GEMM_COLS) {
            for (int s = 0; s < WIDE_PIXELS; s++)
                window_read(&w[s], map);
            input_tile(w, to, V->point);
            for (int s = 0; s < WIDE_PIXELS; s++)
                window_next(&w[s], plane);
        }
    }
}

static struct place place_output(const struct wino_map *map, const real *out, int tile)
{
    const int group = tile / (map->TH * map->TW), within = tile % (map->TH * map->TW);
    const int y = within / map->TW * WINO_OUT, x = within % map->TW * WINO_OUT;
    const size_t row = (size_t)group * (size_t)map->O * (size_t)map->OH + (size_t)y;

    return (struct place){
        .at = out + (row * (size_t)map->OW + (size_t)x) * LANES,
        .r1 = clamp(map->OH - y, 0, WINO_OUT),
        .c1 = clamp(map->OW - x, 0, WINO_OUT),
    };
}

/* Half of a wide, or all of one that has no halves. */
static inline vec part(wide value, int which)
{
#if defined SIMD_AVX512 && defined __AVX512F__
#ifdef NN_DOUBLE
    return which ? __builtin_shufflevector(value, value, 4, 5, 6, 7)
                 : __builtin_shufflevector(value, value, 0, 1, 2, 3);
#else
    return which ? __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15)
                 : __builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7);
#endif
#else
    (void)which;
    return value;
#endif
}

static VEC_UNROLLED void write_tile(real *out, size_t row, const struct place *p,
                                    bool add, wide y[WINO_OUT][WINO_OUT], const int which)
{
    for (int i = 0; i < WINO_OUT; i++) {
        for (int j = 0; j < WINO_OUT; j++) {
            real *at = out + (size_t)i * row + (size_t)j * LANES;
            if (i >= p->r1 || j >= p->c1)
                continue;
            vec value = part(y[i][j], which);
            vec_store(at, add ? vec_load(at) + value : value);
        }
    }
}

static void output_tile(wide y[WINO_OUT][WINO_OUT], const real *M, size_t point, real b)
{
    wide half[WINO_OUT][WINO_IN];

#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        wide m[WINO_IN], column[WINO_OUT];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            m[i] = wide_load(M + (size_t)(i * WINO_IN + j) * point);
        wino_side_out(column, m);
#pragma GCC unroll 4
        for (int i = 0; i < WINO_OUT; i++)
            half[i][j] = column[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < WINO_OUT; i++) {
        wino_side_out(y[i], half[i]);
#pragma GCC unroll 4
        for (int j = 0; j < WINO_OUT; j++)
            y[i][j] += wide_all(b);
    }
}

static void output(const struct wino_map *map, real *out, bool add, const real *b,
                   const struct wino_block *M, struct wino_tiles tiles, int o0, int o1)
{
    const size_t row = (size_t)map->OW * LANES, plane = (size_t)map->OH * row;

    for (int t = 0; t < tiles.count; t += WIDE_PIXELS) {
        const real *from = M->at + panel_column(t, M->rows);
        struct place p[WIDE_PIXELS];
        for (int s = 0; s < WIDE_PIXELS; s++)
            p[s] = t + s < tiles.count ? place_output(map, out, tiles.first + t + s)
                                       : (struct place){.at = out};
        for (int o = o0; o < o1; o++, from += GEMM_COLS) {
            wide y[WINO_OUT][WINO_OUT];
            output_tile(y, from, M->point, b ? b[o] : 0);
#pragma GCC unroll 2
            for (int s = 0; s < WIDE_PIXELS; s++)
                write_tile((real *)p[s].at + (size_t)o * plane, row, &p[s], add, y, s);
        }
    }
}

const struct wino_kernels SIMD(wino_kernels) = {filters, input, output};
