#include "common/exact.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { FRACTION_BITS = 192, LARGEST = 270, LIMB_BITS = 64 };

/* IEEE 754 doubles: 52 bits of significand behind a leading one, and the exponent of
 * the last of them for a biased exponent of 0. */
enum { SIGNIFICAND_BITS = 52, BIASED_MAX = 2047, LAST_BIT = -1075 };

/* ---- adding ---------------------------------------------------------------------- */

/* Add lo and hi at two neighbouring limbs, and the carry as far as it goes. */
static void add_at(struct exact *sum, int at, uint64_t lo, uint64_t hi)
{
    uint64_t *limb = sum->limb;
    uint64_t carry;

    limb[at] += lo;
    carry = limb[at] < lo;
    if (++at == EXACT_LIMBS)
        return;
    hi += carry; /* less than 2^53 + 1 */
    limb[at] += hi;
    carry = limb[at] < hi;
    while (carry && ++at < EXACT_LIMBS)
        carry = ++limb[at] == 0;
}

static void subtract_at(struct exact *sum, int at, uint64_t lo, uint64_t hi)
{
    uint64_t *limb = sum->limb;
    uint64_t borrow = limb[at] < lo;

    limb[at] -= lo;
    if (++at == EXACT_LIMBS)
        return;
    hi += borrow;
    borrow = limb[at] < hi;
    limb[at] -= hi;
    while (borrow && ++at < EXACT_LIMBS)
        borrow = limb[at]-- == 0;
}

void exact_add(struct exact *sum, double x)
{
    uint64_t bits, m, hi;
    int biased, shift, off;

    memcpy(&bits, &x, sizeof bits);
    biased = (int)(bits >> SIGNIFICAND_BITS) & BIASED_MAX;
    m = bits & (((uint64_t)1 << SIGNIFICAND_BITS) - 1);
    if (biased > 0)
        m |= (uint64_t)1 << SIGNIFICAND_BITS;
    else
        biased = 1;
    shift = biased + LAST_BIT + FRACTION_BITS;
    assert(shift + SIGNIFICAND_BITS < LARGEST + FRACTION_BITS);
    if (shift < -SIGNIFICAND_BITS - 1)
        return; /* less than half a unit */
    if (shift < 0) {
        m = (m + ((uint64_t)1 << (-shift - 1))) >> -shift;
        shift = 0;
    }
    off = shift % LIMB_BITS;
    hi = off ? m >> (LIMB_BITS - off) : 0;
    if (bits >> (LIMB_BITS - 1))
        subtract_at(sum, shift / LIMB_BITS, m << off, hi);
    else
        add_at(sum, shift / LIMB_BITS, m << off, hi);
}

void exact_merge(struct exact *sum, const struct exact *other)
{
    uint64_t carry = 0;

    for (int i = 0; i < EXACT_LIMBS; i++) {
        const uint64_t part = sum->limb[i] + carry;

        carry = part < carry;
        sum->limb[i] = part + other->limb[i];
        carry += sum->limb[i] < part;
    }
}

/* ---- the value -------------------------------------------------------------------- */

/* Turn a negative sum into its opposite; whether it was one. */
static bool take_sign(struct exact *sum)
{
    uint64_t carry = 1;

    if (!(sum->limb[EXACT_LIMBS - 1] >> (LIMB_BITS - 1)))
        return false;
    for (int i = 0; i < EXACT_LIMBS; i++) {
        sum->limb[i] = ~sum->limb[i] + carry;
        carry = carry && sum->limb[i] == 0;
    }
    return true;
}

/* The 64 bits from bit `at` on, which may be negative: zeros. */
static uint64_t bits_from(const struct exact *sum, int at)
{
    const int limb = at < 0 ? 0 : at / LIMB_BITS, off = at < 0 ? 0 : at % LIMB_BITS;
    uint64_t bits = sum->limb[limb] >> off;

    if (at < 0)
        return at > -LIMB_BITS ? bits << -at : 0;
    if (off > 0 && limb + 1 < EXACT_LIMBS)
        bits |= sum->limb[limb + 1] << (LIMB_BITS - off);
    return bits;
}

/* Whether a bit before `at` is set. */
static bool any_before(const struct exact *sum, int at)
{
    for (int i = 0; i < EXACT_LIMBS && i * LIMB_BITS < at; i++) {
        const int here = at - i * LIMB_BITS;
        const uint64_t mask = here < LIMB_BITS ? ((uint64_t)1 << here) - 1 : ~(uint64_t)0;

        if (sum->limb[i] & mask)
            return true;
    }
    return false;
}

double exact_value(const struct exact *sum)
{
    enum { SPARE = LIMB_BITS - SIGNIFICAND_BITS - 1 };
    const uint64_t half = (uint64_t)1 << (SPARE - 1);
    struct exact size = *sum;
    const bool negative = take_sign(&size);
    int top = EXACT_LIMBS - 1;
    uint64_t bits, m, rest;
    double value;

    while (top > 0 && size.limb[top] == 0)
        top--;
    if (size.limb[top] == 0)
        return 0;
    /* Where the leading 64 bits begin. */
    top = top * LIMB_BITS - __builtin_clzll(size.limb[top]);
    bits = bits_from(&size, top);
    m = bits >> SPARE;
    rest = bits & (2 * half - 1);
    if (rest > half || (rest == half && ((m & 1) || any_before(&size, top))))
        m++;
    value = ldexp((double)m, top + SPARE - FRACTION_BITS);
    return negative ? -value : value;
}
