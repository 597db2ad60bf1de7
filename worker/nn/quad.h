#ifndef COORD_NN_QUAD_H
#define COORD_NN_QUAD_H

/* Four doubles side by side, as worker/nn/vec.h has reals: for sums over a data set,
 * which are double in either build. In kernels for AVX-512 (worker/nn/simd/) there are
 * as many as a vec has reals, eight in a float build. exp and log are our own, so that
 * their bits are the same with every C library; a lane's do not depend on the others.
 */

#include "worker/nn/real.h"

#include <stdint.h>

#ifdef __FMA__
#include <immintrin.h>
#else
#include <math.h>
#endif

#if defined SIMD_AVX512 && defined __AVX512F__ && !defined NN_DOUBLE
#define QUAD_512 1
enum { QUAD = 8 };
#else
#define QUAD_512 0
enum { QUAD = 4 };
#endif

typedef double quad __attribute__((vector_size(QUAD * 8)));
typedef int64_t quad_bits __attribute__((vector_size(QUAD * 8)));
typedef uint64_t quad_shifted __attribute__((vector_size(QUAD * 8)));

typedef real quad_of_reals
    __attribute__((vector_size(QUAD * sizeof(real)), aligned(sizeof(real)), may_alias));

static inline quad quad_load(const real *at)
{
    return __builtin_convertvector(*(const quad_of_reals *)at, quad);
}

static inline void quad_store(real *at, quad value)
{
    *(quad_of_reals *)at = __builtin_convertvector(value, quad_of_reals);
}

static inline quad quad_all(double value)
{
    return value - (quad){0};
}

static inline quad quad_select(quad_bits mask, quad yes, quad no)
{
    return (quad)((mask & (quad_bits)yes) | (~mask & (quad_bits)no));
}

/* a * b + c, rounded once. */
static inline quad quad_fma(quad a, quad b, quad c)
{
#if QUAD_512
    return (quad)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined __FMA__
    return (quad)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    for (int i = 0; i < QUAD; i++)
        c[i] = fma(a[i], b[i], c[i]);
    return c;
#endif
}

/* exp(x) for x <= 1, within 1 unit of the last place; 0 below -708, where the result
 * would be less than 3e-308; NaN for NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2 and exp(x) = 2^n exp(r); the 14 terms of exp(r)'s
 * series that are taken leave out less than 2^-57 of it. ln 2 is in two parts, the first
 * with 20 zero bits at its end, so that n times it is exact. Adding 1.5 * 2^52 rounds to
 * an integer, and leaves it in the lowest bits. */
static inline quad quad_exp(quad x)
{
    static const double TERMS[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800,
                                   1.0 / 3628800,    1.0 / 362880,    1.0 / 40320,
                                   1.0 / 5040,       1.0 / 720,       1.0 / 120,
                                   1.0 / 24,         1.0 / 6,         0.5};
    const quad lowest = quad_all(-708), shift = quad_all(0x1.8p52);
    const quad_bits low = x < lowest;
    const quad in = quad_select(low, lowest, x);
    const quad moved = quad_fma(in, quad_all(0x1.71547652b82fep+0), shift);
    const quad n = moved - shift;
    quad r = quad_fma(n, quad_all(-0x1.62e42fef00000p-1), in);
    quad sum = quad_all(TERMS[0]);

    r = quad_fma(n, quad_all(-0x1.473de6af278edp-34), r);
    for (unsigned i = 1; i < sizeof TERMS / sizeof TERMS[0]; i++)
        sum = quad_fma(sum, r, quad_all(TERMS[i]));
    sum = quad_fma(sum, r * r, r) + 1;
    sum = (quad)((quad_shifted)sum + ((quad_shifted)moved << 52));
    return quad_select(x != x, x, quad_select(low, (quad){0}, sum));
}

/* log(x) for x >= 1 and finite, within 2 units of the last place; NaN for NaN.
 *
 * x = 2^n m with m around 1, log m = 2 atanh(s) with s = (m - 1) / (m + 1), |s| < 0.172:
 * ten terms of its series after the first leave out less than 2^-55 of it. */
static inline quad quad_log(quad x)
{
    static const double TERMS[] = {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                                   2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
    /* Of m just below 2 / sqrt(2): larger ones have the next n. */
    const int64_t root = 0x3fe6a09e667f3bcd, top = 0x7ff0000000000000;
    const quad_bits bits = (quad_bits)x, above = bits - root;
    const quad m = (quad)(bits - (above & top)), shift = quad_all(0x1p52);
    const quad n = (quad)((quad_shifted)above >> 52 | (quad_shifted)shift) - shift;
    const quad s = (m - 1) / (m + 1), square = s * s;
    quad sum = quad_all(TERMS[0]);

    for (unsigned i = 1; i < sizeof TERMS / sizeof TERMS[0]; i++)
        sum = quad_fma(sum, square, quad_all(TERMS[i]));
    sum = quad_fma(sum, square * s, n * 0x1.473de6af278edp-34);
    sum = quad_fma(n, quad_all(0x1.62e42fef00000p-1), quad_fma(s, quad_all(2), sum));
    return quad_select(x != x, x, sum);
}

#endif
