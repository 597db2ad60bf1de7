#ifndef COORD_AUGMENT_H
#define COORD_AUGMENT_H

/* Augmentation of one image in pixel space, before normalisation, so that what a
 * crop moves in is black (0), as in PyTorch's RandomCrop before Normalize:
 *
 *   flip    mirror left and right with probability 1/2
 *   crop4   pad by 4 on every side with 0, cut out the original size at an
 *           offset of 0..8 in each direction (4: nothing moves)
 *
 * Flip first, then crop. All draws (flip, row, column) are made whichever are
 * on, so that a run with the crop alone crops as one with both does.
 */

#include "common/arch.h"
#include "common/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum { AUGMENT_PAD = 4 };

struct augment {
    bool flip, crop;
};

/* in and out are (C,H,W) and do not overlap. */
void augment_image(struct augment what, struct rng *rng, struct shape shape,
                   const uint8_t *in, uint8_t *out);

#endif
