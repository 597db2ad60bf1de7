#ifndef COORD_DISTORT_H
#define COORD_DISTORT_H

/* Images changed once and for all, as the data set is read: every image of both
 * splits alike, before normalisation and augmentation, so that a run trains and
 * is tested on another kind of images. Exact integers: the same bits everywhere.
 *
 *   blur k     scaled down by k (the mean of every k x k block) and up again
 *              (bilinear, half-pixel centres, edges repeated), rounded once to the
 *              nearest integer. k = 4 on 32 x 32 is the deficit of Achille,
 *              Rovere and Soatto 2019 (1711.08856)
 *   shuffle k  k x k blocks (all channels together) take other places, the same
 *              in every image of every run: one fixed permutation, as in the
 *              code of Neyshabur, Sedghi and Zhang 2020 (2008.11687). k = 1
 *              permutes pixels
 *
 * Blur comes first, so that blocks keep sharp borders. k divides both sides. */

#include "common/arch.h"

#include <stdint.h>

struct error;
struct spec;
struct distort;

/* What a train spec asks for, for images of that shape. *ret is NULL when that is
 * nothing. ERR_INVALID when a block does not tile the images. */
int distort_new(const struct spec *spec, struct shape shape, struct distort **ret,
                struct error *err);
void distort_free(struct distort **distort);

/* Change one image (C,H,W) in place. */
void distort_image(struct distort *distort, uint8_t *image);

#endif
