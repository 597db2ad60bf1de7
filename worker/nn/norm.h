#ifndef COORD_NN_NORM_H
#define COORD_NN_NORM_H

/* Batch and group normalisation in the batch-in-lane layout (lanes.h), fused with
 * what follows in a residual block:
 *
 *   out = act( (z - mean) / sqrt(var + eps) * gamma + beta [ + residual ] )
 *
 * where act is ReLU or nothing.
 *
 *   B batch; G = ceil(B / L) groups of images; C channels; S pixels (H*W)
 *   z, residual, out, dout, dz (G,C,S,L)   gamma, beta, dgamma, dbeta (C)
 *   mean, invstd: batch norm (C); group norm (G,groups,L)
 *
 * Statistics are sums of float lanes over one plane, added up in double, of
 * distances from the mean of a first part: one reading, as good as two (norm.c).
 * Lanes beyond the batch do not count in them, and are 0 in every output and
 * gradient. Buffers are the caller's; out may be z or residual only where said.
 * Nothing allocates. No bits depend on the team or the instruction set.
 */

#include "worker/nn/isa.h"
#include "worker/nn/real.h"
#include "worker/nn/vec.h"

#include <stdbool.h>
#include <stddef.h>

struct team;

struct norm {
    int C, S;
    int groups; /* 0: batch norm */
    bool relu;
};

struct norm_call {
    const struct norm *norm;
    int B;
    enum isa isa;
    struct team *team; /* or NULL */
    bool replace;      /* running statistics become the batch's, rather than move */
};

/* Training. Overwrites out (which may be z), mean and invstd. Batch norm also moves
 * the running statistics (C), with the unbiased variance, unless they are NULL; group
 * norm has none (NULL). residual
 * may be NULL. A batch of one value a channel has no variance: the caller refuses
 * it (B * S > 1 for batch norm). */
void norm_forward(const struct norm_call *call, real *out, real *mean, real *invstd,
                  real *running_mean, real *running_var, const real *z,
                  const real *residual, const real *gamma, const real *beta);

/* Batch norm with given statistics (C), as in evaluation: no sums. out may be z. */
void norm_apply(const struct norm_call *call, real *out, const real *z,
                const real *residual, const real *mean, const real *var,
                const real *gamma, const real *beta);

/* Batch norm over more images than one call takes: the sums of a channel so far; and
 * the mean and the biased variance that they come to. Images are added in their order,
 * every part but the last in whole groups of L: then no bit differs from norm_forward
 * over all of them. */
struct norm_sums {
    double sum[VEC_LANES], squares[VEC_LANES]; /* of distances from the center */
    real center[VEC_LANES];
};

struct norm_moments {
    double mean, var;
};

/* Add the call's images to sums (C); with `begin` they are the first. */
void norm_add(const struct norm_call *call, struct norm_sums *sums, bool begin,
              const real *z);

/* moments (C) of `images` images, and running statistics (C) that are those alone: the
 * mean and the unbiased variance. */
void norm_settle(const struct norm *norm, const struct norm_sums *sums, double images,
                 struct norm_moments *moments, real *running_mean, real *running_var);

/* As norm_forward normalises, with moments (C) that were found. out may be z. */
void norm_apply_moments(const struct norm_call *call, real *out, const real *z,
                        const real *residual, const struct norm_moments *moments,
                        const real *gamma, const real *beta);

/* The gradients of norm_forward. Overwrites dz, dgamma, dbeta, and, unless it is
 * NULL, dresidual (which may be dout; so may dz if dresidual is not). out is read
 * where act is ReLU: it is positive, or NaN, where the gradient passes. */
void norm_backward(const struct norm_call *call, real *dz, real *dresidual, real *dgamma,
                   real *dbeta, const real *dout, const real *z, const real *out,
                   const real *mean, const real *invstd, const real *gamma);

/* Reals of mean (and as many of invstd) for a batch of B. */
size_t norm_stats(const struct norm *norm, int B);

#endif
