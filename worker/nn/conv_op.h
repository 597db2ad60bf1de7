#ifndef COORD_NN_CONV_OP_H
#define COORD_NN_CONV_OP_H

/* The algorithms for a 2-d convolution (cross-correlation, as everywhere in this
 * field), all in the batch-in-lane layout (lanes.h), each a row of functions:
 *
 *   B batch; G = ceil(B / L) groups; C,H,W input; O,OH,OW output; k kernel
 *   in, din (G,C,H,W,L)   out, dout (G,O,OH,OW,L)   W, dW (O,C,k,k)   b (O)
 *
 *   direct    sums of products over padded planes, no patches laid out: any shape;
 *             best at few channels, with strides, and for 1x1
 *   winograd  F(4x4,3x3): 3x3, stride 1, where a quarter of the products is worth
 *             three transforms. Rounds differently: not with numerics "exact"
 *
 * The choice depends on the layer's shape and on `exact` alone, never on the
 * machine, the batch or the threads; an image's outputs do not depend on the
 * batch, and no bits depend on the team or the instruction set.
 *
 * Lanes beyond the batch are computed like others; in dout they must be zero.
 * Every buffer is the caller's and none may overlap. Nothing allocates.
 */

#include "worker/nn/conv.h"
#include "worker/nn/isa.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct team;

/* What all passes share. */
struct conv_call {
    const struct conv *conv;
    int B;
    enum isa isa;
    struct team *team; /* or NULL */
    real *scratch;     /* 64-byte aligned, as large as scratch() says */
};

struct conv_op {
    const char *name;
    bool exact; /* sums every product as it is defined */
    bool (*suits)(const struct conv *conv);

    /* Reals of scratch for one call of any pass. */
    size_t (*scratch)(const struct conv *conv, int batch_max, int threads);

    /* Overwrites out. b may be NULL. */
    void (*forward)(const struct conv_call *call, real *out, const real *in,
                    const real *W, const real *b);

    /* Overwrites din, or adds to it. */
    void (*backward_data)(const struct conv_call *call, real *din, bool add,
                          const real *dout, const real *W);

    /* Overwrites dW. */
    void (*backward_weights)(const struct conv_call *call, real *dW, const real *dout,
                             const real *in);
};

extern const struct conv_op conv_direct, conv_winograd;

/* The one to use for a layer; every shape has one. */
const struct conv_op *conv_choose(const struct conv *conv, bool exact);

/* Overwrites db (O): the sums of dout over images and pixels. */
void conv_bias(const struct conv_call *call, real *db, const real *dout);

#endif
