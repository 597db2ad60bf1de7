#include "common/rng.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include <Random123/philox.h>

enum { WORDS = 4 }; /* in a block */

static_assert(sizeof((struct rng){0}.counter) == sizeof(philox4x32_ctr_t),
              "struct rng holds a Philox counter");

struct rng rng_at(uint64_t seed, enum rng_stream stream, uint32_t epoch, uint32_t index)
{
    return (struct rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, index, epoch, (uint32_t)stream},
        .used = WORDS,
    };
}

static void next_block(struct rng *rng)
{
    philox4x32_ctr_t counter;
    philox4x32_key_t key = {{rng->key[0], rng->key[1]}};

    for (int i = 0; i < WORDS; i++)
        counter.v[i] = rng->counter[i];
    counter = philox4x32_R(10, counter, key);
    for (int i = 0; i < WORDS; i++)
        rng->block[i] = counter.v[i];
    rng->counter[0]++;
    rng->used = 0;
}

uint32_t rng_u32(struct rng *rng)
{
    if (rng->used == WORDS)
        next_block(rng);
    return rng->block[rng->used++];
}

/* Lemire, "Fast Random Integer Generation in an Interval", TOMACS 2019: the
 * high word of a 32x32 product is the number; the few low words that would
 * favour some numbers are rejected. */
uint32_t rng_below(struct rng *rng, uint32_t n)
{
    assert(n > 0);
    uint64_t product = (uint64_t)rng_u32(rng) * n;

    if ((uint32_t)product < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)product < threshold)
            product = (uint64_t)rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

double rng_uniform(struct rng *rng)
{
    return (double)(rng_u32(rng) >> 8) * 0x1p-24;
}

/* ---- normals -------------------------------------------------------------
 *
 * The logarithm and the cosine of Box-Muller are computed here, with additions,
 * products, one quotient and one square root, all of which IEEE 754 defines to
 * the last bit. The C library's differ by a bit between versions and CPUs, and
 * an initial state must have one hash everywhere.
 */

/* The sum of coefficient[i] * x^i. */
static double polynomial(double x, const double *coefficient, int count)
{
    double sum = 0;

    for (int i = count - 1; i >= 0; i--)
        sum = sum * x + coefficient[i];
    return sum;
}

/* ln u for u in (0,1]: u = m 2^e with m in [sqrt(1/2), sqrt(2)), and
 * ln m = 2 atanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...) with s = (m-1)/(m+1), so
 * |s| < 0.172 and 12 terms reach 1e-17. */
static double log_of(double u)
{
    static const double series[] = {
        1.0,        1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,  1.0 / 9.0,  1.0 / 11.0,
        1.0 / 13.0, 1.0 / 15.0, 1.0 / 17.0, 1.0 / 19.0, 1.0 / 21.0, 1.0 / 23.0,
    };
    static const double ln2 = 0.69314718055994530942;
    int exponent;
    double m = frexp(u, &exponent);

    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1);
    return exponent * ln2 + 2 * s * polynomial(s * s, series, 12);
}

/* sin(r pi/2) for r in [0,1], by the Taylor series of sine below 1/2 and of
 * cosine above: the argument is at most pi/4 and 9 terms reach 1e-19. */
static double sin_quarter(double r)
{
    static const double sine[] = {
        1.0,
        -1.0 / 6.0,
        1.0 / 120.0,
        -1.0 / 5040.0,
        1.0 / 362880.0,
        -1.0 / 39916800.0,
        1.0 / 6227020800.0,
        -1.0 / 1307674368000.0,
        1.0 / 355687428096000.0,
    };
    static const double cosine[] = {
        1.0,
        -1.0 / 2.0,
        1.0 / 24.0,
        -1.0 / 720.0,
        1.0 / 40320.0,
        -1.0 / 3628800.0,
        1.0 / 479001600.0,
        -1.0 / 87178291200.0,
        1.0 / 20922789888000.0,
    };
    static const double half_pi = 1.57079632679489661923;
    bool upper = r > 0.5;
    double x = (upper ? 1 - r : r) * half_pi;

    if (upper)
        return polynomial(x * x, cosine, 9);
    return x * polynomial(x * x, sine, 9);
}

/* cos(2 pi u) for u in [0,1). u has 24 bits, so the quadrant is exact. */
static double cos_turn(double u)
{
    int quadrant = (int)(4 * u);
    double r = 4 * u - quadrant;

    switch (quadrant) {
    case 0:
        return sin_quarter(1 - r);
    case 1:
        return -sin_quarter(r);
    case 2:
        return -sin_quarter(1 - r);
    default:
        return sin_quarter(r);
    }
}

double rng_normal(struct rng *rng)
{
    double u = 1 - rng_uniform(rng); /* (0,1]: its logarithm is finite */
    double v = rng_uniform(rng);

    return sqrt(-2 * log_of(u)) * cos_turn(v);
}

void rng_permutation(struct rng *rng, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        uint32_t taken = order[j];
        order[j] = order[i - 1];
        order[i - 1] = taken;
    }
}
