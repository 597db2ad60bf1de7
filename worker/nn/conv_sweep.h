#ifndef COORD_NN_CONV_SWEEP_H
#define COORD_NN_CONV_SWEEP_H

/* The kernel of the forward pass of a convolution and of the gradient of its input,
 * for one group of L images (lanes.h): a sum of products per output,
 *
 *   out[o][pixel] = b[o] + sum over i of W[o][i] * in[pixel.in + at[i]]
 *
 * as one chain of fused multiply-adds, from the bias on and i ascending. It knows
 * nothing of rows, padding or strides: those are in the two lists of places that
 * the caller makes (conv_direct.c), so that a tile of outputs may consist of any
 * pixels and small maps fill the registers like large ones.
 */

#include "worker/nn/isa.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Where a pixel's sum reads and writes, in reals. */
struct sweep_pixel {
    int in, out;
};

struct sweep {
    const int *at; /* (products) in reals, from the pixel's place on */
    int products;
    int O;
    size_t plane; /* of the output: reals from one channel to the next */
    /* The first `paired` come two and two, neighbours in the input. When count is
     * odd, the last pixel is in the list once more. */
    const struct sweep_pixel *pixels;
    int count, paired;
    bool add; /* to what out holds, when all is summed */
};

struct sweep_kernels {
    /* Lays out the products from first to end - 1 as run reads them. In all that is
     * O * products reals; product i of channel o is W[o * step + from[i]]. */
    void (*pack)(real *to, const real *W, int O, size_t step, const int *from,
                 int products, int first, int end);
    /* packed comes from pack; b (O) or NULL. */
    void (*run)(const struct sweep *sweep, real *out, const real *in, const real *packed,
                const real *b);
};

ISA_DECLARE(sweep_kernels, sweep_kernels);

#endif
