#ifndef COORD_REFINE_H
#define COORD_REFINE_H

/* Where a curve wants more points: halve the intervals in which a straight line misses
 * it. Pure decisions; it evaluates nothing and knows neither networks nor images.
 *
 * At a point between two others, the miss is how far the curve is from the line through
 * these two, divided by max(1, what the line says); the largest of both splits. It
 * counts as 0 where it is within two standard errors, which are those of the same
 * difference taken image by image.
 *
 *   - An interval of the given points is suspected by the miss at its ends, each
 *     against its own neighbours; where neither has any, it is halved.
 *   - Once halved, an interval's miss is known at its midpoint, and both halves are
 *     suspected by it; or by a quarter of the miss at their own ends, which a smooth
 *     curve has over half the length, for a midpoint can lie on the line by chance.
 *   - Intervals that are suspected of more than the tolerance are halved, in rounds:
 *     all of a round at once, the largest miss first, then the wider, then the one at
 *     the lower alpha; until none is left, or there are `most` points more.
 *   - None is halved that is narrower than 2^-14 of the span.
 *   - Where the loss is finite at one end and not at the other, on either split, the
 *     miss is infinite, and the interval is halved as long as it is wider than 2^-10
 *     of the span. Where it is finite at neither, on neither split, nothing is asked.
 *
 * The same losses give the same questions in the same order.
 */

#include <stddef.h>

struct error;
struct refine;

struct refine_env {
    double tolerance; /* above 0 */
    size_t most;      /* points that may be asked for */
    /* The standard error of L(middle) - (1 - share) L(low) - share L(high) on a split,
     * of points by their number. Asked where all three are finite. */
    int (*error)(void *user, int split, const size_t points[3], double share, double *ret,
                 struct error *err);
    void *user;
};

/* n >= 2 different alphas in any order, numbered as they come. ERR_NO_MEMORY. */
struct refine *refine_new(const struct refine_env *env, const double *alphas, size_t n,
                          struct error *err);
void refine_free(struct refine **refine);

/* The next round: alphas, at most env.most in all, which are the next points in their
 * order. losses are those of all points so far, by split. *ret_n is 0 when the curve is
 * known well enough. -1 with the error of env.error. */
int refine_ask(struct refine *refine, const double (*losses)[2], double *ret,
               size_t *ret_n, struct error *err);

#endif
