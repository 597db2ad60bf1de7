#ifndef COORD_NN_VEC_H
#define COORD_NN_VEC_H

/* Short vectors through the compiler's vector extensions: plain arithmetic
 * operators on 32 bytes of reals, whatever instructions the target has. For the
 * inner loops of this directory only; -O2 does not vectorise them by itself.
 * Comparisons give a mask of all ones or all zeros per lane.
 */

#include "worker/nn/real.h"

#include <stdint.h>

#ifdef __FMA__
#include <immintrin.h>
#else
#include <math.h>
#endif

enum { VEC_LANES = 32 / sizeof(real) };

typedef real vec __attribute__((vector_size(32)));
typedef real vec_unaligned
    __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
typedef __typeof__((vec){0} <= (vec){0}) vec_mask;

/* An integer for each lane. */
#ifdef NN_DOUBLE
typedef int64_t vec_int __attribute__((vector_size(32)));
#else
typedef int32_t vec_int __attribute__((vector_size(32)));
#endif

/* For a kernel whose constant parameters unroll its loops. */
#define VEC_UNROLLED inline __attribute__((always_inline))

static inline vec vec_load(const real *at)
{
    return *(const vec_unaligned *)at;
}

static inline void vec_store(real *at, vec value)
{
    *(vec_unaligned *)at = value;
}

/* The value, kept in a register. When registers run short, gcc rather reads a
 * loaded value again from memory wherever it is used, and the loads then cost more
 * than the arithmetic. */
static inline vec vec_hold(vec value)
{
#ifdef __AVX__
    __asm__("" : "+x"(value));
#endif
    return value;
}

static inline vec vec_all(real value)
{
    return value - (vec){0};
}

/* value where the mask is set, 0 elsewhere. */
static inline vec vec_keep(vec_mask mask, vec value)
{
    return (vec)(mask & (vec_mask)value);
}

static inline vec_mask vec_is_nan(vec value)
{
    return value != value; /* NOLINT(misc-redundant-expression) */
}

static inline vec vec_select(vec_mask mask, vec yes, vec no)
{
    return (vec)((mask & (vec_mask)yes) | (~mask & (vec_mask)no));
}

/* a * b + c, rounded once: the one place where the engine asks for a fused
 * operation, so it is fused in every build. */
static inline vec vec_fma(vec a, vec b, vec c)
{
#if defined __FMA__ && defined NN_DOUBLE
    return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined __FMA__
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int i = 0; i < VEC_LANES; i++) {
#ifdef NN_DOUBLE
        c[i] = fma(a[i], b[i], c[i]);
#else
        c[i] = fmaf(a[i], b[i], c[i]);
#endif
    }
    return c;
#endif
}

static inline vec vec_sqrt(vec value)
{
#if defined __FMA__ && defined NN_DOUBLE
    return (vec)_mm256_sqrt_pd((__m256d)value);
#elif defined __FMA__
    return (vec)_mm256_sqrt_ps((__m256)value);
#else
    for (int i = 0; i < VEC_LANES; i++) {
#ifdef NN_DOUBLE
        value[i] = sqrt(value[i]);
#else
        value[i] = sqrtf(value[i]);
#endif
    }
    return value;
#endif
}

/* The sum over the lanes, in a fixed order. */
static inline real vec_sum(vec value)
{
    real sum = 0;

    for (int i = 0; i < VEC_LANES; i++)
        sum += value[i];
    return sum;
}

/* Swap lanes with rows: to[i][j] = from[j][i]. */
static VEC_UNROLLED void vec_turn(vec to[VEC_LANES], const vec from[VEC_LANES])
{
    vec a[VEC_LANES];
#ifdef NN_DOUBLE
    for (int i = 0; i < 4; i += 2) {
        a[i] = __builtin_shufflevector(from[i], from[i + 1], 0, 4, 2, 6);
        a[i + 1] = __builtin_shufflevector(from[i], from[i + 1], 1, 5, 3, 7);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        to[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 4, 5);
        to[i + 2] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 6, 7);
    }
#else
    vec b[VEC_LANES];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = __builtin_shufflevector(from[i], from[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] =
            __builtin_shufflevector(from[i], from[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const vec x = a[i + j], y = a[i + j + 2];
            b[i + 2 * j] = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
            b[i + 2 * j + 1] = __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        to[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        to[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#endif
}

#endif
