#ifndef COORD_BLOBS_H
#define COORD_BLOBS_H

/* Images that are made: so that networks for 3 x 32 x 32 can be tried and tested
 * without anybody's files. Every class has a prototype, and its examples are that
 * and noise:
 *
 *   label   y = i mod K
 *   place   p(y,c,r,s): standard normal, one number for every block of 4 x 4 pixels
 *           of a channel, so that crops and convolutions find something
 *   pixel   128 + 48 (p + spread n) / sqrt(1 + spread^2), n standard normal, rounded
 *           and kept within 0 .. 255
 *
 * The prototype of class y draws from (seed 0, RNG_DATA, epoch 2, index y), example i
 * of a split from (seed 0, RNG_DATA, epoch = split, index i): the set is the same for
 * every run, the first n examples do not depend on how many there are, and the first
 * classes' prototypes not on how many classes. Two prototypes of 3 x 32 x 32 are some
 * 78 apart in units of their own deviation: with a spread of 20 even the best
 * classifier errs now and then.
 */

#include "common/datasets.h"

#include <stdint.h>

struct error;

/* Write count examples of a split (0 train, 1 test) of info's shape, classes and
 * spread: pixels (count,C,H,W), labels. ERR_NO_MEMORY. */
int blobs_make(const struct dataset_info *info, int split, int64_t count, uint8_t *pixels,
               uint8_t *labels, struct error *err);

#endif
