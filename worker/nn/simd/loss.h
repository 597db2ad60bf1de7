#ifndef COORD_NN_SIMD_LOSS_H
#define COORD_NN_SIMD_LOSS_H

/* The part of a loss that takes time: exp and log of every logit. */

#include "worker/nn/isa.h"
#include "worker/nn/real.h"
#include "worker/nn/vec.h"

struct loss_kernels {
    /* totals[l] = log of the sum over k of exp(z[k][l]), z (K, VEC_LANES), where no
     * example has a larger one than maxima[l]: taken out, so that nothing overflows. */
    void (*totals)(double totals[VEC_LANES], const real *z, const real maxima[VEC_LANES],
                   int K);
};

ISA_DECLARE(loss_kernels, loss_kernels);

#endif
