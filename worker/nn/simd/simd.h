#ifndef COORD_NN_SIMD_H
#define COORD_NN_SIMD_H

/* For the sources of this directory only, which are compiled once for every
 * instruction set (the Makefile's SIMD_*). SIMD(name) gives a function or table of
 * the variant its name; everything else in a source is static.
 *
 * The layout of activations is the same for all variants, LANES images side by
 * side (worker/nn/lanes.h). A `wide` is WIDE_PIXELS groups of lanes: two
 * neighbouring pixels at once with AVX-512, one with AVX2.
 *
 * All variants must give the same bits. So every sum has an order that does not
 * depend on the width of a vector:
 *   - sums over channels or taps run in lanes of their own, one fused multiply-add
 *     after another, and are the same whatever stands beside them;
 *   - a sum over pixels keeps one partial sum for each lane of EVEN and of ODD
 *     places, 2 * LANES in all: one `wide` with AVX-512, two with AVX2. At the end
 *     the odd ones are added to the even ones, then lane after lane (vec_sum).
 */

#include "worker/nn/vec.h"

#if defined SIMD_AVX512
#define SIMD(name) name##_avx512
#else
#define SIMD(name) name##_avx2
#endif

enum { LANES = VEC_LANES };

#if defined SIMD_AVX512 && defined __AVX512F__
#define WIDE_512 1
enum { WIDE_PIXELS = 2 };
typedef real wide __attribute__((vector_size(64)));
typedef real wide_unaligned
    __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
#else
#define WIDE_512 0
enum { WIDE_PIXELS = 1 };
typedef vec wide;
typedef vec_unaligned wide_unaligned;
#endif

/* Reals of a wide. */
enum { WIDE = WIDE_PIXELS * LANES };

static inline wide wide_load(const real *at)
{
    return *(const wide_unaligned *)at;
}

static inline void wide_store(real *at, wide value)
{
    *(wide_unaligned *)at = value;
}

static inline wide wide_all(real value)
{
    return value - (wide){0};
}

/* The two groups of lanes of a wide, where they lie apart. With one group in a wide
 * there is no other. */
static inline wide wide_load_two(const real *low, const real *high)
{
#if WIDE_512 && defined NN_DOUBLE
    return (wide)_mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(low)),
                                    _mm256_loadu_pd(high), 1);
#elif WIDE_512
    return (wide)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)),
                                    _mm256_loadu_ps(high), 1);
#else
    (void)high;
    return wide_load(low);
#endif
}

/* The first group of lanes; zeros in the other, if there is one. */
static inline wide wide_load_low(const real *low)
{
#if WIDE_512 && defined NN_DOUBLE
    return (wide)_mm512_zextpd256_pd512(_mm256_loadu_pd(low));
#elif WIDE_512
    return (wide)_mm512_zextps256_ps512(_mm256_loadu_ps(low));
#else
    return wide_load(low);
#endif
}

static inline void wide_store_two(real *low, real *high, wide value)
{
#if WIDE_512 && defined NN_DOUBLE
    _mm256_storeu_pd(low, _mm512_castpd512_pd256((__m512d)value));
    _mm256_storeu_pd(high, _mm512_extractf64x4_pd((__m512d)value, 1));
#elif WIDE_512
    _mm256_storeu_ps(low, _mm512_castps512_ps256((__m512)value));
    _mm256_storeu_ps(high, _mm512_extractf32x8_ps((__m512)value, 1));
#else
    (void)high;
    wide_store(low, value);
#endif
}

/* The value, kept in a register (vec_hold says why). */
static inline wide wide_hold(wide value)
{
#if WIDE_512
    __asm__("" : "+v"(value));
    return value;
#else
    return vec_hold(value);
#endif
}

/* a * b + c, rounded once. */
static inline wide wide_fma(wide a, wide b, wide c)
{
#if defined SIMD_AVX512 && defined __AVX512F__ && defined NN_DOUBLE
    return (wide)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined SIMD_AVX512 && defined __AVX512F__
    return (wide)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
    return vec_fma(a, b, c);
#endif
}

#endif
