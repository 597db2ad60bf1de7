#ifndef COORD_NN_ACT_H
#define COORD_NN_ACT_H

/* Activations over n reals in any layout. ReLU is max(0, x); gelu is x * Phi(x)
 * with erf, as PyTorch's default. NaN stays NaN, so a diverged network is seen to
 * diverge. */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stddef.h>

/* Whether the backward pass needs the input (gelu); else the output is enough, and
 * the input may be overwritten. */
bool act_needs_input(enum act_kind kind);

/* Overwrites out; out may be in. */
void act_forward(enum act_kind kind, real *out, const real *in, size_t n);

/* Overwrites din, which may be dout. `in` may be NULL unless it is needed. ReLU's
 * derivative at 0 is 0, and a NaN output lets the gradient through, as in
 * PyTorch. */
void act_backward(enum act_kind kind, real *din, const real *dout, const real *in,
                  const real *out, size_t n);

#endif
