#ifndef COORD_NN_CONV_FRAME_H
#define COORD_NN_CONV_FRAME_H

/* Planes (C,H,W,L) laid out for a convolution's kernels (lanes.h for L): with zeros
 * around, and with columns that a stride takes together side by side, so that what
 * neighbouring outputs read are neighbours, whatever the stride:
 *
 *   (C, rows, kept, cols, L): column x of a padded row is at [x % step][x / step]
 *
 * Of the remainders only `kept` are there, columns and rows alike; a kernel smaller
 * than its stride reads no others.
 */

#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct frame {
    int C, H, W;    /* the planes */
    int top, left;  /* zeros before the first row and column; negative: cut off */
    int step, kept; /* 1, 1: no sorting */
    int rows, cols; /* cols: of each remainder */
};

/* Reals of so many channels. */
size_t frame_size(const struct frame *frame, int channels);

/* Whether the frame would be the planes themselves. */
bool frame_is_source(const struct frame *frame);

/* Overwrites the first `channels` channels of to. */
void frame_fill(const struct frame *frame, int channels, real *to, const real *from);

#endif
