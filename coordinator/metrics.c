#include "coordinator/metrics.h"

#include "common/rise.h"

#include <math.h>

/* Within this share of chance counts as being at chance. */
#define CHANCE_BAND 0.05

/* The points of a curve from alpha 0 to 1. */
struct path {
    const double *alphas, *values;
    size_t count;
};

static struct path between_states(const double *alphas, const double *values,
                                  size_t count)
{
    size_t first = 0, end;

    while (first < count && alphas[first] < 0)
        first++;
    for (end = first; end < count && alphas[end] <= 1; end++)
        ;
    return (struct path){alphas + first, values + first, end - first};
}

/* L at point i: what is not finite lies above every number. */
static double level(const struct path *path, size_t i)
{
    return isfinite(path->values[i]) ? path->values[i] : (double)INFINITY;
}

static bool at_chance(double value, double chance)
{
    return fabs(value - chance) <= CHANCE_BAND * chance;
}

static void take_ends(struct curve_metrics *m, const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        double here = level(path, i);

        if (path->alphas[i] == 0)
            m->start = here;
        if (path->alphas[i] == 1)
            m->end = here;
        if (i == 0 || here > m->max) {
            m->max = here;
            m->alpha_max = path->alphas[i];
        }
        m->nonfinite += isfinite(here) ? 0 : 1;
    }
}

static void take_rise(struct curve_metrics *m, const struct path *path)
{
    const struct rise rise = rise_find(path->values, path->count);

    m->bump = rise.height;
    if (rise.to > rise.from) {
        m->bump_from = path->alphas[rise.from];
        m->bump_to = path->alphas[rise.to];
    }
}

static double barrier_linear(const struct curve_metrics *m, const struct path *path)
{
    double barrier = 0; /* at both ends */

    if (!isfinite(m->start) || !isfinite(m->end))
        return NAN;
    for (size_t i = 0; i < path->count; i++) {
        double t = path->alphas[i];

        barrier = fmax(barrier, level(path, i) - ((1 - t) * m->start + t * m->end));
    }
    return barrier;
}

/* A top is a run of equal values with lower ones on both sides; top remembers
 * where the latest rise led, until the curve falls again. */
static void take_interior(struct curve_metrics *m, const struct path *path)
{
    double lowest = level(path, 0), before = lowest;
    size_t top = path->count;

    m->interior_bump = 0;
    for (size_t i = 1; i < path->count; i++) {
        double here = level(path, i);

        if (here > before) {
            top = i;
        } else if (here < before && top < path->count) {
            if (level(path, top) - lowest > m->interior_bump) {
                m->interior_bump = level(path, top) - lowest;
                m->alpha_star = path->alphas[top];
            }
            top = path->count;
        }
        lowest = fmin(lowest, here);
        before = here;
    }
}

static void take_chance(struct curve_metrics *m, const struct path *path, double chance)
{
    bool still = path->alphas[0] == 0;
    size_t near = 0;

    for (size_t i = 0; i < path->count; i++) {
        bool here = at_chance(level(path, i), chance);

        near += here ? 1 : 0;
        still = still && here;
        if (still)
            m->plateau = path->alphas[i];
    }
    m->chance_share = (double)near / (double)path->count;
}

struct curve_metrics curve_metrics_of(const double *alphas, const double *values,
                                      size_t count, double chance, double tolerance)
{
    const struct path path = between_states(alphas, values, count);
    struct curve_metrics m = {
        .points = path.count,
        .start = NAN,
        .end = NAN,
        .max = NAN,
        .alpha_max = NAN,
        .bump = NAN,
        .bump_from = NAN,
        .bump_to = NAN,
        .barrier_linear = NAN,
        .barrier_mean = NAN,
        .barrier_init = NAN,
        .interior_bump = NAN,
        .alpha_star = NAN,
        .plateau = NAN,
        .chance_share = NAN,
    };

    take_ends(&m, &path);
    if (path.count < 2 || m.nonfinite == path.count)
        return m;
    take_rise(&m, &path);
    m.monotone = m.bump <= tolerance;
    m.barrier_linear = barrier_linear(&m, &path);
    m.barrier_mean = m.max - (m.start + m.end) / 2;
    m.barrier_init = m.max - m.start;
    take_interior(&m, &path);
    take_chance(&m, &path, chance);
    return m;
}
