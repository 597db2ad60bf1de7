#ifndef COORD_EXACT_H
#define COORD_EXACT_H

/* A sum of doubles without rounding: an integer of 512 bits (two's complement) that
 * counts units of 2^-192. Integers are associative, so the same numbers give the
 * same bits in any order and however they are cut into sums that are merged; only
 * exact_value rounds, once and correctly.
 *
 * A number is first rounded to a whole of units, which changes none that is 0 or at
 * least 2^-140. The largest is below 2^270, so that more than 2^48 of them fit. Losses
 * of float networks are below 2^130, their squares below 2^260.
 *
 * A zeroed one is 0. Nothing allocates, nothing fails.
 */

#include <stdint.h>

enum { EXACT_LIMBS = 8 };

struct exact {
    uint64_t limb[EXACT_LIMBS]; /* the least significant first */
};

/* Add one number: finite, |x| < 2^270. */
void exact_add(struct exact *sum, double x);

/* Add another sum. */
void exact_merge(struct exact *sum, const struct exact *other);

/* The sum, rounded to nearest, ties to even. */
double exact_value(const struct exact *sum);

#endif
