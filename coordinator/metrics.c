#include "coordinator/metrics.h"

#include <math.h>

/* Within this share of chance counts as being at chance. */
#define CHANCE_BAND 0.05

static bool at_chance(double value, double chance)
{
    return fabs(value - chance) <= CHANCE_BAND * chance;
}

/* The next finite point after i, or count. */
static size_t next_finite(const double *values, size_t count, size_t i)
{
    do
        i++;
    while (i < count && !isfinite(values[i]));
    return i;
}

static size_t first_finite(const double *values, size_t count)
{
    size_t i = 0;

    while (i < count && !isfinite(values[i]))
        i++;
    return i;
}

static void take_extremes(struct curve_metrics *m, const double *alphas,
                          const double *values, size_t count, size_t first)
{
    double lowest = values[first];

    m->start = values[first];
    m->max = -INFINITY;
    m->bump = 0;
    for (size_t i = first; i < count; i = next_finite(values, count, i)) {
        m->end = values[i];
        if (values[i] > m->max) {
            m->max = values[i];
            m->alpha_max = alphas[i];
        }
        lowest = fmin(lowest, values[i]);
        m->bump = fmax(m->bump, values[i] - lowest);
    }
}

static double barrier_linear(const struct curve_metrics *m, const double *alphas,
                             const double *values, size_t count, size_t first)
{
    double barrier = 0; /* at both ends */
    size_t last = first;

    for (size_t i = first; i < count; i = next_finite(values, count, i))
        last = i;
    for (size_t i = first; i < count; i = next_finite(values, count, i)) {
        double t = (alphas[i] - alphas[first]) / (alphas[last] - alphas[first]);
        double line = (1 - t) * m->start + t * m->end;

        barrier = fmax(barrier, values[i] - line);
    }
    return barrier;
}

/* A top is a run of equal values with lower ones on both sides; top remembers
 * where the latest rise led, until the curve falls again. */
static void take_interior(struct curve_metrics *m, const double *alphas,
                          const double *values, size_t count, size_t first)
{
    double lowest = values[first], before = values[first];
    size_t top = count;

    m->interior_bump = 0;
    m->alpha_star = NAN;
    for (size_t i = first; i < count; i = next_finite(values, count, i)) {
        if (values[i] > before) {
            top = i;
        } else if (values[i] < before && top < count) {
            if (values[top] - lowest > m->interior_bump) {
                m->interior_bump = values[top] - lowest;
                m->alpha_star = alphas[top];
            }
            top = count;
        }
        lowest = fmin(lowest, values[i]);
        before = values[i];
    }
}

static void take_chance(struct curve_metrics *m, const double *alphas,
                        const double *values, size_t count, size_t first, double chance)
{
    size_t near = 0, finite = 0;
    bool still = true;

    for (size_t i = first; i < count; i = next_finite(values, count, i)) {
        bool here = at_chance(values[i], chance);

        finite++;
        near += here ? 1 : 0;
        still = still && here;
        if (still)
            m->plateau = alphas[i];
    }
    m->chance_share = (double)near / (double)finite;
}

struct curve_metrics curve_metrics_of(const double *alphas, const double *values,
                                      size_t count, double chance, double tolerance)
{
    struct curve_metrics m = {
        .points = count,
        .start = NAN,
        .end = NAN,
        .max = NAN,
        .alpha_max = NAN,
        .bump = NAN,
        .barrier_linear = NAN,
        .barrier_mean = NAN,
        .barrier_init = NAN,
        .interior_bump = NAN,
        .alpha_star = NAN,
        .plateau = NAN,
        .chance_share = NAN,
    };
    size_t first = first_finite(values, count);

    for (size_t i = 0; i < count; i++)
        m.nonfinite += isfinite(values[i]) ? 0 : 1;
    if (count - m.nonfinite < 2)
        return m;
    take_extremes(&m, alphas, values, count, first);
    m.monotone = m.bump <= tolerance;
    m.barrier_linear = barrier_linear(&m, alphas, values, count, first);
    m.barrier_mean = m.max - (m.start + m.end) / 2;
    m.barrier_init = m.max - m.start;
    take_interior(&m, alphas, values, count, first);
    take_chance(&m, alphas, values, count, first, chance);
    return m;
}
