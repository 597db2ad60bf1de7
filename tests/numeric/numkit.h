#ifndef COORD_NUMKIT_H
#define COORD_NUMKIT_H

/* What the numeric tests share: arrays of exactly their size (so that ASan sees
 * the first step outside), reproducible contents, and a comparison with a naive
 * twin in double.
 *
 * A twin gives with every sum also the sum of its terms' magnitudes, and the
 * error is measured against that: cancellation may take any number of digits
 * from a sum, but rounding n terms in float can be off by at most n * 2^-24 of
 * the magnitudes, and is off by about sqrt(n) * 2^-24 (n = 12,800, the longest
 * sum here: 7e-6). NUM_BOUND is above what is found and below any wrong term.
 */

#include "worker/nn/real.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NUM_BOUND 1e-5

/* One expected number, and how large the terms were that made it. */
struct num {
    double sum, size;
};

static inline void num_add(struct num *num, double term)
{
    num->sum += term;
    num->size += fabs(term);
}

static inline void *num_alloc(size_t count, size_t each)
{
    void *memory = malloc(count * each);
    assert_non_null(memory);
    return memory;
}

/* Uniform in [-1, 1), from a linear congruential generator. */
static inline real *num_random(size_t n, uint32_t seed)
{
    real *x = num_alloc(n, sizeof *x);
    uint64_t state = seed * 2654435761u + 1u;

    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (real)((double)(state >> 40) / (1 << 23) - 1);
    }
    return x;
}

static inline real *num_filled(size_t n, real value)
{
    real *x = num_alloc(n, sizeof *x);

    for (size_t i = 0; i < n; i++)
        x[i] = value;
    return x;
}

static inline struct num *num_zeros(size_t n)
{
    struct num *x = calloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

static inline void num_check(const char *what, const real *got, const struct num *want,
                             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - want[i].sum);
        if (!(off <= NUM_BOUND * want[i].size))
            fail_msg("%s[%zu]: got %.9g, want %.9g (terms of %.3g)", what, i,
                     (double)got[i], want[i].sum, want[i].size);
    }
}

#endif
