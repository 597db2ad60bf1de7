#ifndef COORD_METRICS_H
#define COORD_METRICS_H

/* The metrics of one curve L(alpha). Pure arithmetic over the stored points.
 *
 *   start, end      L(0) and L(1); NaN where the grid lacks them
 *   bump            max over i<j of L_j - L_i, at least 0 (Lucas's min-Delta);
 *                   bump_from, bump_to are the two alphas, NaN where nothing rises
 *   monotone        bump <= tolerance
 *   barrier_linear  max over alpha of L(alpha) - [(1-alpha) L(0) + alpha L(1)]
 *   barrier_mean    max L - (L(0) + L(1)) / 2
 *   barrier_init    max L - L(0)
 *   interior_bump   height of the highest interior maximum above the lowest
 *                   point before it; alpha_star is where. The initial high loss
 *                   does not count: only a rise does. 0 and NaN if there is none
 *   plateau         largest alpha up to which every L stays within 5 % of
 *                   chance, ln K; NaN if L(0) is not
 *   chance_share    share of the points within 5 % of chance, refined ones included
 *
 * "Highest" is by height above what lies before, not by L: a ripple on the high
 * plateau at the start of a path is no barrier. A flat top is one maximum, at
 * its first point.
 *
 * A path runs from 0 to 1. Points beyond the two states are stored and drawn,
 * but no metric looks at them: what rises there is no barrier between the two.
 *
 * A loss that is not finite, NaN included, lies above every number: it is a rise
 * after a finite one, so such a path is not monotone. A metric that this makes
 * infinite is INFINITY, and one that it leaves undefined (Inf - Inf) is NaN. With
 * fewer than two points, or none finite, there are only start, end and max.
 */

#include <stdbool.h>
#include <stddef.h>

struct curve_metrics {
    size_t points, nonfinite; /* from 0 to 1 */
    double start, end, max, alpha_max;
    double bump, bump_from, bump_to;
    bool monotone; /* false where bump is NaN */
    double barrier_linear, barrier_mean, barrier_init;
    double interior_bump, alpha_star;
    double plateau;
    double chance_share;
};

/* alphas ascending, each once. chance: the loss of guessing, ln K. */
struct curve_metrics curve_metrics_of(const double *alphas, const double *values,
                                      size_t count, double chance, double tolerance);

#endif
