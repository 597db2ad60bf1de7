#ifndef COORD_METRICS_H
#define COORD_METRICS_H

/* The metrics of one curve L(alpha). Pure arithmetic over the stored points.
 *
 *   bump            max over i<j of L_j - L_i, at least 0 (Lucas's min-Delta)
 *   monotone        bump <= tolerance
 *   barrier_linear  max over alpha of L(alpha) - [(1-t) L(first) + t L(last)],
 *                   t the share of the alpha range
 *   barrier_mean    max L - (L(first) + L(last)) / 2
 *   barrier_init    max L - L(first)
 *   interior_bump   height of the highest interior maximum above the lowest
 *                   point before it; alpha_star is where. The initial high loss
 *                   does not count: only a rise does. 0 and NaN if there is none
 *   plateau         largest alpha up to which every L stays within 5 % of
 *                   chance, ln K; NaN if the first point is not
 *   chance_share    share of the points within 5 % of chance
 *
 * "Highest" is by height above what lies before, not by L: a ripple on the high
 * plateau at the start of a path is no barrier. A flat top is one maximum, at
 * its first point.
 *
 * Points that are not finite are left out and counted; with fewer than two
 * finite points every metric is NaN.
 */

#include <stdbool.h>
#include <stddef.h>

struct curve_metrics {
    size_t points, nonfinite;
    double start, end, max, alpha_max;
    double bump;
    bool monotone; /* false where bump is NaN */
    double barrier_linear, barrier_mean, barrier_init;
    double interior_bump, alpha_star;
    double plateau;
    double chance_share;
};

/* alphas ascending, count >= 1. chance: the loss of guessing, ln K. */
struct curve_metrics curve_metrics_of(const double *alphas, const double *values,
                                      size_t count, double chance, double tolerance);

#endif
