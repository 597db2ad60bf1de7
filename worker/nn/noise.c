#include "worker/nn/noise.h"

#include "common/rng.h"

#include <math.h>

static bool is_chosen(const bool *chosen, int t)
{
    return !chosen || chosen[t];
}

/* Noise is drawn twice, first for its length: that is cheaper than room for it. */
static double factor_of(const struct arch *arch, uint64_t seed, double share,
                        const bool *chosen, const real *theta)
{
    double own = 0, drawn = 0;

    for (int t = 0; t < arch->param_tensors; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        struct rng rng = rng_at(seed, RNG_NOISE, 0, (uint32_t)t);
        for (size_t i = 0; is_chosen(chosen, t) && i < tensor->count; i++) {
            const double x = (double)theta[tensor->offset + i], y = rng_normal(&rng);
            own += x * x;
            drawn += y * y;
        }
    }
    return drawn > 0 ? share * sqrt(own) / sqrt(drawn) : 0;
}

void noise_add(const struct arch *arch, uint64_t seed, double share, const bool *chosen,
               real *theta)
{
    const double factor = factor_of(arch, seed, share, chosen, theta);

    for (int t = 0; t < arch->param_tensors; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        struct rng rng = rng_at(seed, RNG_NOISE, 0, (uint32_t)t);
        real *to = theta + tensor->offset;
        for (size_t i = 0; is_chosen(chosen, t) && i < tensor->count; i++)
            to[i] = (real)((double)to[i] + factor * rng_normal(&rng));
    }
}
