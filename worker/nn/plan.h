#ifndef COORD_NN_PLAN_H
#define COORD_NN_PLAN_H

/* An arch turned into steps: which kernels run in which order, in which layout
 * and in which memory. Inside net.c and plan.c only; whoever wants to run a
 * network includes net.h.
 *
 * Three layouts. Examples come, and dense layers want them, as LAYOUT_IMAGES
 * (B,F), F = C,H,W in that order. Direct convolutions, and pooling with them, want
 * LAYOUT_LANES (lanes.h); convolutions by im2col want LAYOUT_PLANES (C,B,H,W)
 * (conv.h). The plan puts in a step that changes the layout where it must, and
 * ends with LAYOUT_IMAGES.
 */

#include "common/arch.h"
#include "worker/nn/conv.h"
#include "worker/nn/pool.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum layout { LAYOUT_IMAGES, LAYOUT_PLANES, LAYOUT_LANES };

enum step_kind {
    STEP_DENSE,
    STEP_RELU,
    STEP_CONV,
    STEP_POOL,
    STEP_CONV_LANES,
    STEP_POOL_LANES,
    STEP_LAYOUT, /* from step.from to step.to, one of which is LAYOUT_IMAGES */
};

/* Step i reads the output of step i-1, step 0 the example. A real's place in
 * the plan's memory is an offset from its start. */
struct step {
    enum step_kind kind;
    enum layout from, to; /* of input and output */
    struct shape in_shape;
    size_t in_size, out_size; /* reals an example */
    bool in_place;            /* out is step i-1's out */
    size_t weight, bias;      /* offsets into theta */
    bool has_bias;
    struct conv conv;
    struct pool pool;
    size_t out;   /* place of the output */
    size_t which; /* STEP_POOL, training: place among the bytes */
};

struct plan {
    struct step *steps;
    int count;
    int first_param; /* first step with parameters; count if there is none */
    int batch_max;
    bool training;
    size_t scratch;    /* place of what kernels need while they run */
    size_t dout[2];    /* training: places of two gradients of activations */
    size_t real_count; /* the whole memory */
    size_t byte_count;
};

/* Fill *plan; the caller frees it, also after failure. ERR_INVALID (batch_max,
 * a shape that the kernels cannot take), ERR_NO_MEMORY. */
int plan_init(struct plan *plan, const struct arch *arch, int batch_max, bool training,
              struct error *err);
void plan_free(struct plan *plan);

#endif
