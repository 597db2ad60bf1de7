#include "worker/nn/simd/loss.h"

#include "worker/nn/quad.h"
#include "worker/nn/simd/simd.h"

#include <stddef.h>
#include <string.h>

enum { QUADS = LANES / QUAD };

/* All quads in turn, for each exp is a long chain of operations. */
static void totals(double to[LANES], const real *z, const real maxima[LANES], int K)
{
    quad max[QUADS], sum[QUADS] = {{0}};

#pragma GCC unroll 2
    for (int q = 0; q < QUADS; q++)
        max[q] = quad_load(maxima + q * QUAD);
    for (int k = 0; k < K; k++, z += LANES)
#pragma GCC unroll 2
        for (int q = 0; q < QUADS; q++)
            sum[q] += quad_exp(quad_load(z + q * QUAD) - max[q]);
#pragma GCC unroll 2
    for (int q = 0; q < QUADS; q++) {
        const quad total = max[q] + quad_log(sum[q]);
        memcpy(to + (ptrdiff_t)q * QUAD, &total, sizeof total);
    }
}

const struct loss_kernels SIMD(loss_kernels) = {totals};
