#ifndef COORD_NN_SWAP_H
#define COORD_NN_SWAP_H

/* The one change of layout: out (N,M,n) from in (M,N,n), runs of n reals kept
 * together. Examples are (B,C,H,W) outside and to a dense layer, (C,B,H,W) to a
 * convolution (see conv.h); its own inverse with M and N exchanged. */

#include "worker/nn/real.h"

#include <stddef.h>

/* Overwrites out, which may not overlap in. */
void swap_outer(real *out, const real *in, size_t M, size_t N, size_t n);

#endif
