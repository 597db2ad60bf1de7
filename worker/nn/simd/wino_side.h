#ifndef COORD_NN_SIMD_WINO_SIDE_H
#define COORD_NN_SIMD_WINO_SIDE_H

/* The transforms of winograd.h along one side of a tile; a tile takes each twice, for
 * its rows and for its columns.
 *
 * They are those of Toom and Cook for the points 0, a, -a, b, -b and infinity. With
 * a = 5/8, b = 3/2 rounding errors are a quarter of what they are with the usual 1 and
 * 2, and every constant but those of the filters is exact. a^2, b^2, ... :
 */

#include "worker/nn/simd/simd.h"
#include "worker/nn/simd/winograd.h"

#define WINO_A  ((real)5 / 8)
#define WINO_B  ((real)3 / 2)
#define WINO_A2 ((real)25 / 64)
#define WINO_B2 ((real)9 / 4)
#define WINO_B3 ((real)27 / 8)
/* (x^2 - a^2)(x^2 - b^2) = x^4 - SUM x^2 + PRODUCT */
#define WINO_SUM     ((real)169 / 64)
#define WINO_PRODUCT ((real)225 / 256)
/* One over the products of a point's distances from the others: of 0, of a, of b. */
#define WINO_G0 ((real)256 / 225)
#define WINO_GA ((real)-2048 / 2975)
#define WINO_GB ((real)128 / 1071)

/* B': pixels into points. */
static VEC_UNROLLED void wino_side_in(wide v[WINO_IN], const wide d[WINO_IN])
{
    const wide a = wide_all(WINO_A), a2 = wide_all(-WINO_A2);
    const wide b = wide_all(WINO_B), b2 = wide_all(-WINO_B2);
    const wide sum = wide_all(-WINO_SUM), product = wide_all(WINO_PRODUCT);
    const wide even_a = wide_fma(b2, d[2], d[4]), odd_a = wide_fma(b2, d[1], d[3]);
    const wide even_b = wide_fma(a2, d[2], d[4]), odd_b = wide_fma(a2, d[1], d[3]);

    v[0] = wide_fma(product, d[0], wide_fma(sum, d[2], d[4]));
    v[1] = wide_fma(a, odd_a, even_a);
    v[2] = wide_fma(-a, odd_a, even_a);
    v[3] = wide_fma(b, odd_b, even_b);
    v[4] = wide_fma(-b, odd_b, even_b);
    v[5] = wide_fma(product, d[1], wide_fma(sum, d[3], d[5]));
}

/* B' along the columns, after the rows: the points of a tile, `point` reals apart. */
static VEC_UNROLLED void wino_columns_in(real *V, size_t point,
                                         wide rows[WINO_IN][WINO_IN])
{
#pragma GCC unroll 6
    for (int j = 0; j < WINO_IN; j++) {
        wide d[WINO_IN], v[WINO_IN];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            d[i] = rows[i][j];
        wino_side_in(v, d);
#pragma GCC unroll 6
        for (int i = 0; i < WINO_IN; i++)
            wide_store(V + (size_t)(i * WINO_IN + j) * point, v[i]);
    }
}

/* A': points into outputs. */
static VEC_UNROLLED void wino_side_out(wide y[WINO_OUT], const wide m[WINO_IN])
{
    const wide even_a = m[1] + m[2], odd_a = (m[1] - m[2]) * wide_all(WINO_A);
    const wide even_b = m[3] + m[4], odd_b = m[3] - m[4];
    const wide a2 = wide_all(WINO_A2);

    y[0] = m[0] + even_a + even_b;
    y[1] = wide_fma(wide_all(WINO_B), odd_b, odd_a);
    y[2] = wide_fma(wide_all(WINO_B2), even_b, even_a * a2);
    y[3] = wide_fma(a2, odd_a, wide_fma(wide_all(WINO_B3), odd_b, m[5]));
}

/* G: filters into points. */
static VEC_UNROLLED void wino_side_filter(vec u[WINO_IN], const vec g[3])
{
    const vec even_a = vec_fma(vec_all(WINO_A2), g[2], g[0]) * vec_all(WINO_GA);
    const vec even_b = vec_fma(vec_all(WINO_B2), g[2], g[0]) * vec_all(WINO_GB);
    const vec odd_a = vec_all(WINO_GA * WINO_A), odd_b = vec_all(WINO_GB * WINO_B);

    u[0] = g[0] * vec_all(WINO_G0);
    u[1] = vec_fma(odd_a, g[1], even_a);
    u[2] = vec_fma(-odd_a, g[1], even_a);
    u[3] = vec_fma(odd_b, g[1], even_b);
    u[4] = vec_fma(-odd_b, g[1], even_b);
    u[5] = g[2];
}

/* A: gradients of outputs into points, the transpose of A'. */
static VEC_UNROLLED void wino_side_grad(wide m[WINO_IN], const wide y[WINO_OUT])
{
    const wide a2 = wide_all(WINO_A2), b2 = wide_all(WINO_B2);
    const wide even_a = wide_fma(a2, y[2], y[0]), odd_a = wide_fma(a2, y[3], y[1]);
    const wide even_b = wide_fma(b2, y[2], y[0]), odd_b = wide_fma(b2, y[3], y[1]);
    const wide a = wide_all(WINO_A), b = wide_all(WINO_B);

    m[0] = y[0];
    m[1] = wide_fma(a, odd_a, even_a);
    m[2] = wide_fma(-a, odd_a, even_a);
    m[3] = wide_fma(b, odd_b, even_b);
    m[4] = wide_fma(-b, odd_b, even_b);
    m[5] = y[3];
}

/* G': gradients of points into filters. */
static VEC_UNROLLED void wino_side_taps(vec g[3], const vec u[WINO_IN])
{
    const vec even_a = (u[1] + u[2]) * vec_all(WINO_GA);
    const vec even_b = (u[3] + u[4]) * vec_all(WINO_GB);
    const vec odd_a = (u[1] - u[2]) * vec_all(WINO_GA * WINO_A);
    const vec odd_b = (u[3] - u[4]) * vec_all(WINO_GB * WINO_B);

    g[0] = vec_fma(vec_all(WINO_G0), u[0], even_a + even_b);
    g[1] = odd_a + odd_b;
    g[2] = vec_fma(vec_all(WINO_A2), even_a, vec_fma(vec_all(WINO_B2), even_b, u[5]));
}

/* Store, at a multiple of a wide, around the caches: what is not read before it would
 * leave them need not be fetched to be overwritten. wide_past_done before anybody else
 * reads it. */
static inline void wide_store_past(real *at, wide value)
{
#if WIDE_512 && !defined NN_DOUBLE
    _mm512_stream_ps(at, (__m512)value);
#elif defined __AVX__ && !defined NN_DOUBLE
    _mm256_stream_ps(at, (__m256)value);
#else
    wide_store(at, value);
#endif
}

static inline void wide_past_done(void)
{
#ifdef __AVX__
    _mm_sfence();
#endif
}

#endif
