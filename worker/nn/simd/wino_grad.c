#include "worker/nn/simd/simd.h"
#include "worker/nn/simd/wino_side.h"
#include "worker/nn/simd/winograd.h"

/* One pixel: to[lane][WINO_TURN] from `there` planes; the others are zero. */
static VEC_UNROLLED void turn_pixel(real *to, const real *from, size_t plane,
                                    const int there)
{
#pragma GCC unroll 2
    for (int half = 0; half < WINO_TURN; half += LANES) {
        vec rows[LANES], columns[LANES];
#pragma GCC unroll 8
        for (int c = 0; c < LANES; c++)
            rows[c] =
                half + c < there ? vec_load(from + (size_t)(half + c) * plane) : (vec){0};
        vec_turn(columns, rows);
#pragma GCC unroll 8
        for (int l = 0; l < LANES; l++)
            vec_store(to + l * WINO_TURN + half, columns[l]);
    }
}

enum { PIXEL = LANES * WINO_TURN };

/* A rectangle of an image to turn, zeros where it leaves the image. */
struct part {
    const real *from; /* the first channel */
    int H, W;
    int there; /* channels */
    int y, x;  /* the corner, perhaps outside */
    int rows, columns;
};

static void turn_part(const struct part *p, real *to)
{
    const size_t plane = (size_t)p->H * (size_t)p->W * LANES;

    for (int r = 0; r < p->rows; r++) {
        for (int c = 0; c < p->columns; c++, to += PIXEL) {
            const int y = p->y + r, x = p->x + c;
            const real *from = p->from + ((ptrdiff_t)y * p->W + x) * LANES;
            if (y < 0 || y >= p->H || x < 0 || x >= p->W)
                for (int i = 0; i < PIXEL; i += LANES)
                    vec_store(to + i, (vec){0});
            else if (p->there >= WINO_TURN)
                turn_pixel(to, from, plane, WINO_TURN);
            else
                turn_pixel(to, from, plane, p->there);
        }
    }
}

/* One tile, some channels of one lane; its pixels are `row` reals apart. */
static void input_tile(const real *from, size_t row, real *V, size_t point)
{
    wide half[WINO_IN][WINO_IN];

#pragma GCC unroll 6
    for (int i = 0; i < WINO_IN; i++) {
        wide d[WINO_IN];
#pragma GCC unroll 6
        for (int j = 0; j < WINO_IN; j++)
            d[j] = wide_load(from + (size_t)i * row + (size_t)j * PIXEL);
        wino_side_in(half[i], d);
    }
    wino_columns_in(V, point, half);
}

static void input(const struct wino_map *map, real *V, size_t point, size_t step,
                  const real *in, struct wino_row row, real *scratch)
{
    const size_t plane = (size_t)map->H * (size_t)map->W * LANES;
    const struct part part = {
        .from = in + ((size_t)row.group * (size_t)map->C + (size_t)row.channel) * plane,
        .H = map->H,
        .W = map->W,
        .there = map->C - row.channel,
        .y = row.row * WINO_OUT - map->pad,
        .x = -map->pad,
        .rows = WINO_IN,
        .columns = map->TW * WINO_OUT + 2,
    };
    const size_t from_row = (size_t)part.columns * PIXEL;

    turn_part(&part, scratch);
    for (int tile = 0; tile < map->TW; tile++) {
        const real *from = scratch + (size_t)tile * WINO_OUT * PIXEL;
        for (int l = 0; l < LANES; l++, V += step)
            for (int c = 0; c < WINO_TURN; c += WIDE)
                input_tile(from + l * WINO_TURN + c, from_row, V + c, point);
    }
}

/* Channels of a wide into their panels. */
static VEC_UNROLLED void store_rows(real *M, size_t panel, int channel, wide value)
{
    const int other = channel + LANES;

    wide_store_two(M + (size_t)(channel / GEMM_ROWS) * panel + channel % GEMM_ROWS,
                   M + (size_t)(other / GEMM_ROWS) * panel + other % GEMM_ROWS, value);
}

static void output_tile(const real *from, size_t row, real *M, size_t point, size_t panel,
                        int channel)
{
    wide half[WINO_OUT][WINO_IN];

#pragma GCC unroll 4
    for (int i = 0; i < WINO_OUT; i++) {
        wide y[WINO_OUT];
#pragma GCC unroll 4
        for (int j = 0; j < WINO_OUT; j++)
            y[j] = wide_load(from + (size_t)i * row + (size_t)j * PIXEL);
        wino_side_grad(half[i], y);
    }
#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        wide y[WINO_OUT], m[WINO_IN];
#pragma GCC unroll 4
        for (int i = 0; i < WINO_OUT; i++)
            y[i] = half[i][j];
        wino_side_grad(m, y);
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            store_rows(M + (size_t)(i * WINO_IN + j) * point, panel, channel, m[i]);
    }
}

static void output(const struct wino_map *map, real *M, size_t point, size_t panel,
                   const real *dout, struct wino_row row, real *scratch)
{
    const size_t plane = (size_t)map->OH * (size_t)map->OW * LANES;
    const struct part part = {
        .from = dout + ((size_t)row.group * (size_t)map->O + (size_t)row.channel) * plane,
        .H = map->OH,
        .W = map->OW,
        .there = map->O - row.channel,
        .y = row.row * WINO_OUT,
        .rows = WINO_OUT,
        .columns = map->TW * WINO_OUT,
    };
    const size_t from_row = (size_t)part.columns * PIXEL;

    turn_part(&part, scratch);
    for (int tile = 0; tile < map->TW; tile++) {
        const real *from = scratch + (size_t)tile * WINO_OUT * PIXEL;
        for (int l = 0; l < LANES; l++, M += GEMM_ROWS)
            for (int c = 0; c < WINO_TURN; c += WIDE)
                output_tile(from + l * WINO_TURN + c, from_row, M, point, panel, c);
    }
}

/* LANES filters; somewhat later it will be those some lines further on. */
static VEC_UNROLLED void taps(vec g[9], const real *U, size_t point)
{
    vec half[WINO_IN][3];

#pragma GCC unroll 6
    for (int i = 0; i < WINO_IN; i++) {
        vec u[WINO_IN];
#pragma GCC unroll 6
        for (int j = 0; j < WINO_IN; j++) {
            const real *at = U + (size_t)(i * WINO_IN + j) * point;
            __builtin_prefetch(at + 4 * WINO_TURN);
            u[j] = vec_load(at);
        }
        wino_side_taps(half[i], u);
    }
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        vec u[WINO_IN], column[3];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            u[i] = half[i][j];
        wino_side_taps(column, u);
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++)
            g[3 * i + j] = column[i];
    }
}

static void filters(real *dW, int count, const real *U, size_t point)
{
    for (int f = 0; f < count; f += LANES) {
        const int there = count - f < LANES ? count - f : LANES;
        vec g[9], rows[8];
        taps(g, U + f, point);
#pragma GCC unroll 2
        for (int tap = 0; tap < 8; tap += LANES)
            vec_turn(rows + tap, g + tap);
        for (int c = 0; c < there; c++, dW += 9) {
            for (int tap = 0; tap < 8; tap += LANES)
                vec_store(dW + tap, rows[tap + c]);
            dW[8] = g[8][c];
        }
    }
}

const struct wino_grad_kernels SIMD(wino_grad_kernels) = {input, output, filters};
