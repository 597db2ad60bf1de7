#ifndef COORD_NN_LANES_H
#define COORD_NN_LANES_H

/* The batch-in-lane layout: VEC_LANES images side by side in a vector,
 *
 *   (B,F) <-> (groups,F,L)    L = VEC_LANES, groups = ceil(B / L)
 *
 * with F = (C,H,W) in the usual order. Whatever an image needs then happens in a
 * lane of its own: loads are contiguous whatever its width, there is no
 * remainder but in the last group, and an image's bits depend neither on its
 * neighbours nor on the size of the batch.
 */

#include "worker/nn/real.h"

#include <stddef.h>

/* B rounded up to whole groups. */
int lanes_round(int B);

/* Overwrites out (groups,F,L); lanes beyond the batch are zero. */
void lanes_pack(real *out, const real *in, int B, size_t F);

/* Overwrites out (B,F). */
void lanes_unpack(real *out, const real *in, int B, size_t F);

#endif
