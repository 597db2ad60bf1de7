#include "worker/nn/simd/winograd.h"

#include "worker/nn/simd/simd.h"
#include "worker/nn/simd/wino_side.h"

/* LANES filters side by side: taps[tap], from rows that lie W_M apart. Rows that are
 * not there are zero. */
static VEC_UNROLLED void filters_read(vec taps[9], const real *from, size_t W_M,
                                      const int there)
{
    vec last = {0};

#pragma GCC unroll 2
    for (int tap = 0; tap < 8; tap += LANES) {
        vec rows[LANES];
#pragma GCC unroll 8
        for (int r = 0; r < LANES; r++)
            rows[r] = r < there ? vec_load(from + (size_t)r * W_M + tap) : (vec){0};
        vec_turn(taps + tap, rows);
    }
#pragma GCC unroll 8
    for (int r = 0; r < LANES; r++)
        last[r] = r < there ? from[(size_t)r * W_M + 8] : 0;
    taps[8] = last;
}

static VEC_UNROLLED void filters_write(real *to, size_t point, const vec taps[9],
                                       const bool rotated)
{
    vec half[3][WINO_IN];

#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        const int t = rotated ? 8 - 3 * i : 3 * i, step = rotated ? -1 : 1;
        const vec row[3] = {taps[t], taps[t + step], taps[t + 2 * step]};
        wino_side_filter(half[i], row);
    }
#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        const vec column[3] = {half[0][j], half[1][j], half[2][j]};
        vec u[WINO_IN];
        wino_side_filter(u, column);
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            vec_store(to + (size_t)(i * WINO_IN + j) * point, u[i]);
    }
}

/* Filters of this many k are gathered for all points, and leave for their 36 places in
 * whole lines. */
enum { GATHER = 4, GATHERED = GATHER * GEMM_ROWS };

/* Up to LANES rows of a panel. */
static VEC_UNROLLED void filters_rows(const struct wino_filters *f, real *to,
                                      const real *from, int k, const int there)
{
    from += (size_t)k * f->W_K;
    for (int i = 0; i < GATHER && k + i < f->K; i++, from += f->W_K, to += GEMM_ROWS) {
        vec taps[9];
        filters_read(taps, from, f->W_M, there);
        if (f->rotated)
            filters_write(to, GATHERED, taps, true);
        else
            filters_write(to, GATHERED, taps, false);
    }
}

static void filters_leave(const struct wino_filters *f, real *to, size_t point, int k,
                          const real *gathered)
{
    const int n = (f->K - k < GATHER ? f->K - k : GATHER) * GEMM_ROWS;
    const bool past = f->past_cache && f->K % GATHER == 0;

    for (int p = 0; p < WINO_POINTS; p++, to += point, gathered += GATHERED) {
        for (int i = 0; past && i < GATHERED; i += WIDE)
            wide_store_past(to + i, wide_load(gathered + i));
        for (int i = 0; !past && i < n; i += LANES)
            vec_store(to + i, vec_load(gathered + i));
    }
}

static void filters(const struct wino_filters *f, real *U, size_t point, int panel)
{
    _Alignas(64) real gathered[WINO_POINTS * GATHERED];
    real *to = U + (size_t)panel * (size_t)f->K * GEMM_ROWS;

    for (int k = 0; k < f->K; k += GATHER, to += GATHERED) {
        for (int r = 0; r < GEMM_ROWS; r += LANES) {
            const int m = panel * GEMM_ROWS + r, left = f->M - m;
            const real *from = f->W + (size_t)m * f->W_M;
            if (left >= LANES)
                filters_rows(f, gathered + r, from, k, LANES);
            else
                filters_rows(f, gathered + r, from, k, left);
        }
        filters_leave(f, to, point, k, gathered);
    }
    wide_past_done();
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

static void place_input(struct place *p, const struct wino_map *map, const real *in,
                        int tile)
{
    const int group = tile / (map->TH * map->TW), within = tile % (map->TH * map->TW);
    const int y = within / map->TW * WINO_OUT - map->pad;
    const int x = within % map->TW * WINO_OUT - map->pad;
    const ptrdiff_t pixels = (ptrdiff_t)group * map->C * map->H * map->W;

    p->at = in + (pixels + (ptrdiff_t)y * map->W + x) * LANES;
    p->r0 = clamp(-y, 0, WINO_IN);
    p->r1 = clamp(map->H - y, 0, WINO_IN);
    p->c0 = clamp(-x, 0, WINO_IN);
    p->c1 = clamp(map->W - x, 0, WINO_IN);
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
    w->place = (struct place){.at = in};
    if (present)
        place_input(&w->place, map, in, tile);
    w->copied = !inside(&w->place);
    w->at = w->copied ? w->copy : w->place.at;
    w->row = (size_t)(w->copied ? WINO_IN : map->W) * LANES;
    for (int i = 0; w->copied && i < WINO_IN * WINO_IN; i++)
        vec_store(w->copy + i * LANES, (vec){0});
}

/* Rows of `columns` pixels, which is constant, into the copy. */
static VEC_UNROLLED void copy_rows(real *to, const real *from, size_t row, int rows,
                                   const int columns)
{
    for (int r = 0; r < rows; r++, to += (size_t)WINO_IN * LANES, from += row)
#pragma GCC unroll 6
        for (int j = 0; j < columns; j++)
            vec_store(to + (size_t)j * LANES, vec_load(from + (size_t)j * LANES));
}

#define COPY(N)                                                                          \
    static void copy_##N(real *to, const real *from, size_t row, int rows)               \
    {                                                                                    \
        copy_rows(to, from, row, rows, N);                                               \
    }
COPY(1)
COPY(2)
COPY(3)
COPY(4)
COPY(5)
COPY(6)

static void (*const COPIES[WINO_IN])(real *, const real *, size_t, int) = {
    copy_1, copy_2, copy_3, copy_4, copy_5, copy_6};

/* The tile of the next channel. */
static void window_read(struct window *w, size_t row)
{
    const struct place *p = &w->place;
    const int columns = p->c1 - p->c0, rows = p->r1 - p->r0;

    if (w->copied && columns > 0)
        COPIES[columns - 1](w->copy + (p->r0 * WINO_IN + p->c0) * LANES,
                            p->at + (size_t)p->r0 * row + p->c0 * LANES, row, rows);
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
    wino_columns_in(V, point, half);
}

enum { PANEL_TILES = GEMM_COLS / LANES, AHEAD = 2 };

/* Where a tile's columns begin in panels of so many rows. */
static size_t panel_column(int tile, int rows)
{
    return ((size_t)(tile / PANEL_TILES) * (size_t)rows * PANEL_TILES +
            (size_t)(tile % PANEL_TILES)) *
           LANES;
}

/* Ask for what the tiles of a channel add to the one before them, some channels ahead:
 * planes lie too far apart for the hardware to see it coming. */
static VEC_UNROLLED void window_fetch(const struct window *w, size_t ahead, size_t row)
{
    const struct place *p = &w->place;

    /* The first rows are also the last ones of the tile above. */
    for (int r = 2; r < p->r1; r++) {
        const real *at = p->at + ahead + (size_t)r * row + p->c0 * LANES;
        __builtin_prefetch(at);
        __builtin_prefetch(at + 64 / sizeof(real));
    }
}

/* The tiles of one panel, channel after channel: what neighbours share is near. */
static void input_panel(const struct wino_map *map, real *to, size_t point,
                        const real *in, struct wino_tiles tiles, int channels)
{
    const size_t plane = (size_t)map->H * (size_t)map->W * LANES;
    const size_t row = (size_t)map->W * LANES;
    const int count = (tiles.count + WIDE_PIXELS - 1) / WIDE_PIXELS * WIDE_PIXELS;
    struct window w[PANEL_TILES];

    for (int t = 0; t < count; t++)
        window_open(&w[t], map, in, tiles.first + t, t < tiles.count);
    for (int c = 0; c < channels; c++, to += GEMM_COLS) {
        for (int t = 0; t < count; t++) {
            window_read(&w[t], row);
            if (c + AHEAD < channels)
                window_fetch(&w[t], AHEAD * plane, row);
        }
        for (int t = 0; t < count; t += WIDE_PIXELS) {
            input_tile(w + t, to + t * LANES, point);
            for (int s = 0; s < WIDE_PIXELS; s++)
                window_next(&w[t + s], plane);
        }
    }
}

static void input(const struct wino_map *map, const struct wino_block *V, const real *in,
                  struct wino_tiles tiles, int c0, int c1)
{
    const size_t plane = (size_t)map->H * (size_t)map->W * LANES;
    real *to = V->at + (size_t)c0 * GEMM_COLS;

    for (int t = 0; t < tiles.count; t += PANEL_TILES) {
        const int left = tiles.count - t;
        const struct wino_tiles panel = {tiles.first + t,
                                         left < PANEL_TILES ? left : PANEL_TILES};
        input_panel(map, to + panel_column(t, V->rows), V->point, in + (size_t)c0 * plane,
                    panel, c1 - c0);
    }
}

/* Field by field: a struct that is copied as soon as it is written waits until all
 * stores before it have reached the cache. */
static void place_output(struct place *p, const struct wino_map *map, real *out, int tile,
                         bool present)
{
    const int group = tile / (map->TH * map->TW), within = tile % (map->TH * map->TW);
    const int y = within / map->TW * WINO_OUT, x = within % map->TW * WINO_OUT;
    const size_t row = (size_t)group * (size_t)map->O * (size_t)map->OH + (size_t)y;

    p->out = present ? out + (row * (size_t)map->OW + (size_t)x) * LANES : out;
    p->r1 = present ? clamp(map->OH - y, 0, WINO_OUT) : 0;
    p->c1 = present ? clamp(map->OW - x, 0, WINO_OUT) : 0;
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

/* Ask for the pixels that a later channel will write. */
static VEC_UNROLLED void place_fetch(const struct place *p, size_t ahead, size_t row)
{
    for (int r = 0; r < p->r1; r++) {
        const real *at = p->out + ahead + (size_t)r * row;
        __builtin_prefetch(at, 1);
        __builtin_prefetch(at + 64 / sizeof(real), 1);
    }
}

static void output_panel(const struct wino_map *map, real *out, bool add, const real *b,
                         const struct wino_block *M, const real *from,
                         struct wino_tiles tiles, int o0, int o1)
{
    const size_t row = (size_t)map->OW * LANES, plane = (size_t)map->OH * row;
    struct place p[PANEL_TILES];

    for (int t = 0; t < PANEL_TILES; t++)
        place_output(&p[t], map, out, tiles.first + t, t < tiles.count);
    for (int o = o0; o < o1; o++, from += GEMM_COLS) {
        for (int t = 0; t < tiles.count && o + AHEAD < o1; t++)
            place_fetch(&p[t], (size_t)(o + AHEAD) * plane, row);
        for (int t = 0; t < tiles.count; t += WIDE_PIXELS) {
            wide y[WINO_OUT][WINO_OUT];
            output_tile(y, from + t * LANES, M->point, b ? b[o] : 0);
            write_tiles(p + t, (size_t)o * plane, row, add, y);
        }
    }
}

static void output(const struct wino_map *map, real *out, bool add, const real *b,
                   const struct wino_block *M, struct wino_tiles tiles, int o0, int o1)
{
    for (int t = 0; t < tiles.count; t += PANEL_TILES) {
        const int left = tiles.count - t;
        const struct wino_tiles panel = {tiles.first + t,
                                         left < PANEL_TILES ? left : PANEL_TILES};
        output_panel(map, out, add, b, M, M->at + panel_column(t, M->rows), panel, o0,
                     o1);
    }
}

const struct wino_kernels SIMD(wino_kernels) = {filters, input, output};
