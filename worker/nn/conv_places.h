#ifndef COORD_NN_CONV_PLACES_H
#define COORD_NN_CONV_PLACES_H

/* Where a direct convolution reads and writes: the frames of its passes (conv_frame.h),
 * and the lists of pixels and of products that its kernels walk along (conv_sweep.h,
 * conv_taps.h). All places are in reals; L is VEC_LANES.
 */

#include "worker/nn/conv.h"
#include "worker/nn/conv_frame.h"
#include "worker/nn/conv_sweep.h"

/* The input with its padding, for the forward pass and the weights. */
struct frame places_input(const struct conv *conv);

/* The output's gradient, for the input's: the rows that inputs have a part in, with
 * zeros for those that there are not. */
struct frame places_gradient(const struct conv *conv);

/* Pixels in rows and columns, in so many groups of images. */
struct grid {
    int groups, rows, cols;
    int in, in_group, in_row; /* the first, and from one to the next; columns: L */
    int out, out_group, out_row, out_col;
};

struct pixels {
    const struct sweep_pixel *list;
    int count, paired; /* conv_sweep.h */
};

/* Room that a list of so many pixels takes: with the last one twice. */
int places_room(int pixels);

/* Lists a grid: two and two, and then the last ones of odd rows. */
struct pixels places_list(struct sweep_pixel *to, const struct grid *grid);

/* The outputs, of so many groups that are in_group apart in the input. */
struct grid places_outputs(const struct conv *conv, const struct frame *input, int groups,
                           int in_group);

/* The products of every output in the order of W: at (C*k*k). Returns how many. */
int places_products(int *at, const struct conv *conv, const struct frame *input);

/* Some rows of the input whose gradients have the same products: of the pixels (h, w)
 * with the remainders a of h + pad and b of w + pad by the stride, which only taps of
 * these remainders take to outputs, the rows number `first` to first + count - 1; and
 * of the taps' rows those from kh0 to kh1 - 1. */
struct band {
    int a, b;
    int first, count;
    int kh0, kh1;
};

/* Lists the bands of a layer, at most places_bands_max(); returns how many. Mostly
 * a band is all rows and taps of its remainders. But where padding is much of what
 * would be read, rows that meet it are bands of their own, without the taps that do. */
int places_bands(struct band *to, const struct conv *conv);
int places_bands_max(const struct conv *conv);

struct grid places_inputs(const struct conv *conv, const struct frame *gradient,
                          const struct band *band);

/* The products of a band, over o and its taps from last to first: at, and in from
 * where W of the first input channel is. Returns how many. */
int places_adjoint(int *at, int *from, const struct conv *conv,
                   const struct frame *gradient, const struct band *band);

#endif
