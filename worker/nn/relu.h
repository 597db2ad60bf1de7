#ifndef COORD_NN_RELU_H
#define COORD_NN_RELU_H

/* Rectifier over n reals in any layout: max(0, x). NaN stays NaN, so a diverged
 * network is seen to diverge; the derivative at 0 is 0. */

#include "worker/nn/real.h"

#include <stddef.h>

/* Overwrites out; out may be in. */
void relu_forward(real *out, const real *in, size_t n);

/* Overwrites din, which may be dout. Needs the OUTPUT of the forward pass only:
 * it is positive (or NaN) exactly where the input was. A NaN output lets the
 * gradient through, as in PyTorch. */
void relu_backward(real *din, const real *dout, const real *out, size_t n);

#endif
