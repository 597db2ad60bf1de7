#ifndef COORD_SPIRAL_H
#define COORD_SPIRAL_H

/* Two interleaved spiral arms in the plane, the classic hard problem for a small
 * network (Lang and Witbrock, "Learning to tell two spirals apart", 1988), made
 * here because the papers that use it do not say how they made theirs:
 *
 *   label    y = i mod 2
 *   place    t = sqrt(u), u uniform in [0,1): arms evenly filled by area
 *   angle    phi = 2 pi 1.75 t + pi y
 *   point    x = 2 t (cos phi, sin phi) + 0.05 (n1, n2), n standard normal
 *
 * so each coordinate has mean 0 and variance about 1. Example i of a split draws
 * u, n1, n2 from (seed 0, RNG_DATA, epoch = split, index = i): the set is the
 * same for every run, and the first n examples do not depend on how many there
 * are.
 */

#include "worker/nn/real.h"

#include <stdint.h>

/* Write count examples of a split (0 train, 1 test): points (count,2), labels. */
void spiral_make(int split, int64_t count, real *points, uint8_t *labels);

#endif
