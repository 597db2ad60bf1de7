#ifndef COORD_NN_SIMD_PLANE_H
#define COORD_NN_SIMD_PLANE_H

/* Kernels of normalisation over one plane: n pixels of L images side by side
 * (lanes.h). Whatever differs from image to image, a mean or a factor, is L reals.
 *
 * A sum keeps one partial sum for each lane of every FOURTH pixel, 4 * L in all,
 * adds those of a lane as (0 + 2) + (1 + 3) and then, in double, to what the caller
 * has; lanes from `live` on are not added. A float should not be added up over more
 * than PLANE_RUN pixels: the caller cuts longer planes.
 */

#include "worker/nn/isa.h"
#include "worker/nn/real.h"
#include "worker/nn/vec.h"

#include <stdbool.h>
#include <stddef.h>

enum { PLANE_RUN = 1024 };

/* How a gradient comes back through the statistics. */
struct plane_pull {
    real center[VEC_LANES], scale[VEC_LANES], shift[VEC_LANES], pull[VEC_LANES];
};

/* z, out, residual, dout, dz, dresidual: (n,L) */
struct plane_kernels {
    /* sum[l] += sum of x */
    void (*sum)(double *sum, const real *x, size_t n, int live);

    /* sum[l] += sum of d, squares[l] += sum of d^2, where d = z - center */
    void (*moments)(double *sum, double *squares, const real *z, const real *center,
                    size_t n, int live);

    /* out = act((z - center) * scale + shift [+ residual]). out may be z or
     * residual. */
    void (*affine)(real *out, const real *z, const real *residual, const real *center,
                   const real *scale, const real *shift, size_t n, bool relu);

    /* With g = dout, or with ReLU 0 where out <= 0:
     * sum[l] += sum of g, product[l] += sum of g * (z - center). out: NULL without
     * ReLU. */
    void (*slopes)(double *sum, double *product, const real *dout, const real *out,
                   const real *z, const real *center, size_t n, int live);

    /* dz = g * scale - shift - (z - center) * pull, dresidual = g unless it is NULL.
     * dz or dresidual may be dout. */
    void (*pull_back)(real *dz, real *dresidual, const real *dout, const real *out,
                      const real *z, const struct plane_pull *pull, size_t n);
};

ISA_DECLARE(plane_kernels, plane_kernels);

#endif
