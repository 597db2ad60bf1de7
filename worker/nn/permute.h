#ifndef COORD_NN_PERMUTE_H
#define COORD_NN_PERMUTE_H

/* Another state that computes the same: hidden units in another order (Ainsworth,
 * Hayase and Srinivasa 2022, arXiv 2209.04836, section 2). Which units can change
 * places is common/arch_units.h's to say. Set s of them is permuted by the stream
 * (seed, RNG_PERMUTE, index s), all permutations of a colour alike.
 *
 * The logits are the same up to rounding: sums over units are in another order. */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stdint.h>

struct error;

/* Overwrite `to` (state_count) with `from` permuted; running statistics move along.
 * They may not overlap. ERR_INVALID when nothing can be permuted, ERR_NO_MEMORY. */
int permute_units(const struct arch *arch, uint64_t seed, const real *from, real *to,
                  struct error *err);

#endif
