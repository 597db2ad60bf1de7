#ifndef COORD_PLANE_H
#define COORD_PLANE_H

/* Planes: the loss at theta(x, y) on a grid, when one group of tensors moves.
 *
 *   through states    theta(x, y) = o + x (p - o) + y (q - o): o at (0,0), p at (1,0)
 *                     and q at (0,1), bit for bit
 *   around a state    theta(x, y) = o + x d1 + y d2, o at (0,0)
 *
 * Tensors outside the group stay at p, or o. A row of the grid is a curve (curve.h)
 * from theta(0, y) to theta(1, y), both rounded to real, so every row has a curve's
 * savings: two products of the first layer that moves instead of one a point.
 *
 * Running statistics: interp combines them as the tensors. Outside the triangle of the
 * states a variance can so become negative, and where it is below -NORM_EPS the loss
 * is NaN; nothing is cut off. end are those of p, start those of o. Around a state all
 * three are o's. recompute and batch are a curve's.
 */

#include "worker/probe/curve.h"

struct plane_axis {
    const double *at;
    size_t count;
};

struct plane_env {
    struct curve_env curve; /* a and b count for nothing; its calls are about a row */
    const real *o, *p, *q;  /* three states; p and q NULL: around o */
    uint64_t seed;          /* of random directions */
    bool filters;           /* as direction_draw */
    struct plane_axis xs, ys;
};

struct plane;

/* env is copied; what it points to is borrowed, but for the engine. ERR_NO_MEMORY. */
struct plane *plane_new(const struct plane_env *env, struct error *err);
void plane_free(struct plane **plane);

/* The group that moves from now on. Returns how its two directions lie. */
struct direction_gram plane_set_group(struct plane *plane, const char *group);

/* theta (state_count) at a point, statistics as interp has them. */
void plane_at(const struct plane *plane, double x, double y, real *theta);

/* Row j of the grid: ret[2 * i + split] for (xs.at[i], ys.at[j]). As curve_run. */
int plane_row(struct plane *plane, enum curve_bn bn, size_t j, struct tally_sum *ret,
              struct error *err);

#endif
