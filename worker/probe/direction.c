#include "worker/probe/direction.h"

#include "common/rng.h"

#include <math.h>
#include <string.h>

static double square_sum(const real *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static void scale(real *x, size_t n, double factor)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(factor * (double)x[i]);
}

/* To the norm of theta, which may be 0. */
static void fit_filters(const struct tensor *tensor, const real *theta, real *d)
{
    const size_t filters = (size_t)tensor->dim[0], each = tensor->count / filters;

    for (size_t f = 0; f < filters; f++) {
        const size_t at = tensor->offset + f * each;
        scale(d + at, each,
              sqrt(square_sum(theta + at, each) / square_sum(d + at, each)));
    }
}

void direction_draw(const struct arch *arch, const char *group, const real *theta,
                    uint64_t seed, uint32_t number, bool filters, real *d)
{
    double drawn = 0, norm = 0;

    memset(d, 0, arch->state_count * sizeof *d);
    for (int t = 0; t < arch->param_tensors; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        struct rng rng = rng_at(seed, RNG_PROBE, number, (uint32_t)t);
        if (!arch_in_group(arch, t, group) || (filters && tensor->rank < 2))
            continue;
        for (size_t i = 0; i < tensor->count; i++)
            d[tensor->offset + i] = (real)rng_normal(&rng);
        if (filters)
            fit_filters(tensor, theta, d);
        drawn += square_sum(d + tensor->offset, tensor->count);
        norm += square_sum(theta + tensor->offset, tensor->count);
    }
    if (!filters && drawn > 0)
        scale(d, arch->param_count, sqrt(norm / drawn));
}

struct direction_gram direction_gram(const struct arch *arch, const char *group,
                                     const real *o, const real *x, const real *y)
{
    double xx = 0, yy = 0, xy = 0;

    for (int t = 0; t < arch->param_tensors; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        if (!arch_in_group(arch, t, group))
            continue;
        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
            const double from = o ? (double)o[i] : 0;
            const double a = (double)x[i] - from, b = (double)y[i] - from;
            xx += a * a;
            yy += b * b;
            xy += a * b;
        }
    }
    double cosine = xy / sqrt(xx) / sqrt(yy); /* NaN stays */
    cosine = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
    return (struct direction_gram){sqrt(xx), sqrt(yy), cosine};
}
