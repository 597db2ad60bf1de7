#ifndef COORD_NN_CONV_TAPS_H
#define COORD_NN_CONV_TAPS_H

/* The kernel of the gradient of a convolution's weights, over some pixels of groups of
 * L images (lanes.h): for each output channel and each product of conv_sweep.h,
 *
 *   sums[o][i] += sum over pixels of dout[o][pixel.out] * in[pixel.in + at[i]]
 *
 * The pixels are taken in their order; those at even places of the list add up in the
 * first L lanes of a sum, the others in the second L.
 */

#include "worker/nn/conv_sweep.h"

struct taps {
    const int *at;
    int products;
    int O;
    size_t plane; /* of dout: reals from one channel to the next */
    /* The first `paired` come two and two, neighbours in the input and in dout. */
    const struct sweep_pixel *pixels;
    int count, paired;
};

struct taps_kernels {
    /* ADDS to sums (O,products,2*L). */
    void (*run)(const struct taps *taps, real *sums, const real *in, const real *dout);

    /* Overwrites dW (O rows, `step` apart, of products) with the sums over lanes. */
    void (*finish)(real *dW, size_t step, const real *sums, int O, int products);
};

ISA_DECLARE(taps_kernels, taps_kernels);

#endif
