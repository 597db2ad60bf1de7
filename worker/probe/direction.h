#ifndef COORD_DIRECTION_H
#define COORD_DIRECTION_H

/* Directions in the space of parameters: random ones, and how two lie to each other.
 * Knows nothing of data. Running statistics are in no direction. */

#include "common/arch.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stdint.h>

/* Overwrite d (state_count) with a direction in which the tensors of a group move:
 * independent standard normal numbers, tensor t from the stream (seed, RNG_PROBE, epoch
 * number, index t), scaled
 *   whole       by one factor, to the norm of the group's parameters at theta
 *   filters     output by output of every weight (a filter, a row), each to the norm of
 *               that at theta; biases and all of norms do not move (Li, Xu, Taylor,
 *               Studer and Goldstein 2018, arXiv 1712.09913, as their code does by
 *               default)
 * What is zero at theta stays so. Everything else, and running statistics, is 0. */
void direction_draw(const struct arch *arch, const char *group, const real *theta,
                    uint64_t seed, uint32_t number, bool filters, real *d);

struct direction_gram {
    double x_l2, y_l2;
    double cosine; /* NaN where either is 0 */
};

/* Of the group's parameters: of x - o and y - o; o NULL: of x and y. */
struct direction_gram direction_gram(const struct arch *arch, const char *group,
                                     const real *o, const real *x, const real *y);

#endif
