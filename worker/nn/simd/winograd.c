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
    real *out;      /* the same of an output */
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
static VEC_UNROLLED wide read(const struct window *w, int i, int j)
{
    const struct window *other = w + WIDE_PIXELS - 1;

    return wide_load_two(w->at + (size_t)i * w->row + j * LANES,
                         other->at + (size_t)i * other->row + j * LANES);
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

static struct place place_output(const struct wino_map *map, real *out, int tile)
{
    const int group = tile / (map->TH * map->TW), within = tile % (map->TH * map->TW);
    const int y = within / map->TW * WINO_OUT, x = within % map->TW * WINO_OUT;
    const size_t row = (size_t)group * (size_t)map->O * (size_t)map->OH + (size_t)y;

    return (struct place){
        .out = out + (row * (size_t)map->OW + (size_t)x) * LANES,
        .r1 = clamp(map->OH - y, 0, WINO_OUT),
        .c1 = clamp(map->OW - x, 0, WINO_OUT),
    };
}

static bool whole(const struct place *p)
{
    return p->r1 == WINO_OUT && p->c1 == WINO_OUT;
}

/* WIDE_PIXELS tiles where they belong. */
static VEC_UNROLLED void write_whole(real *const to[WIDE_PIXELS], size_t row,
                                     const bool add, wide y[WINO_OUT][WINO_OUT])
{
#pragma GCC unroll 4
    for (int i = 0; i < WINO_OUT; i++) {
        real *low = to[0] + (size_t)i * row;
        real *high = to[WIDE_PIXELS - 1] + (size_t)i * row;
#pragma GCC unroll 4
        for (int j = 0; j < WINO_OUT; j++, low += LANES, high += LANES)
            wide_store_two(low, high, add ? wide_load_two(low, high) + y[i][j] : y[i][j]);
    }
}

/* As much of one as is there. */
static void write_part(const struct place *p, real *to, size_t row, bool add,
                       const real *y)
{
    for (int i = 0; i < p->r1; i++) {
        for (int j = 0; j < p->c1; j++) {
            real *at = to + (size_t)i * row + (size_t)j * LANES;
            const vec value = vec_load(y + (i * WINO_OUT + j) * WIDE);
            vec_store(at, add ? vec_load(at) + value : value);
        }
    }
}

static VEC_UNROLLED void write_tiles(const struct place p[WIDE_PIXELS], size_t channel,
                                     size_t row, bool add, wide y[WINO_OUT][WINO_OUT])
{
    real *to[WIDE_PIXELS];
    bool all = true;

    for (int s = 0; s < WIDE_PIXELS; s++) {
        to[s] = p[s].out + channel;
        all = all && whole(&p[s]);
    }
    if (all && add) {
        write_whole(to, row, true, y);
    } else if (all) {
        write_whole(to, row, false, y);
    } else {
        _Alignas(64) real all_y[WINO_OUT * WINO_OUT * WIDE];
#pragma GCC unroll 16
        for (int i = 0; i < WINO_OUT * WINO_OUT; i++)
            wide_store(all_y + i * WIDE, y[i / WINO_OUT][i % WINO_OUT]);
        for (int s = 0; s < WIDE_PIXELS; s++)
            write_part(&p[s], to[s], row, add, all_y + s * LANES);
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
                                       : (struct place){.out = out};
        for (int o = o0; o < o1; o++, from += GEMM_COLS) {
            wide y[WINO_OUT][WINO_OUT];
            output_tile(y, from, M->point, b ? b[o] : 0);
            write_tiles(p, (size_t)o * plane, row, add, y);
        }
    }
}

const struct wino_kernels SIMD(wino_kernels) = {filters, input, output};
