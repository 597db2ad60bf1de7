#ifndef COORD_NN_VEC_H
#define COORD_NN_VEC_H

/* Short vectors through the compiler's vector extensions: plain arithmetic
 * operators on 32 bytes of reals, whatever instructions the target has. For the
 * inner loops of this directory only; -O2 does not vectorise them by itself.
 * Comparisons give a mask of all ones or all zeros per lane.
 */

#include "worker/nn/real.h"

enum { VEC_LANES = 32 / sizeof(real) };

typedef real vec __attribute__((vector_size(32)));
typedef real vec_unaligned
    __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
typedef __typeof__((vec){0} <= (vec){0}) vec_mask;

static inline vec vec_load(const real *at)
{
    return *(const vec_unaligned *)at;
}

static inline void vec_store(real *at, vec value)
{
    *(vec_unaligned *)at = value;
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

static inline vec vec_select(vec_mask mask, vec yes, vec no)
{
    return (vec)((mask & (vec_mask)yes) | (~mask & (vec_mask)no));
}

#endif
