#ifndef COORD_NN_PLAN_H
#define COORD_NN_PLAN_H

/* An arch turned into steps: which kernels run in which order, in which layout
 * and in which memory. Inside net.c and plan.c only; whoever wants to run a
 * network includes net.h.
 *
 * Dense layers want an example's numbers together, (B,C,H,W); convolutions and
 * pooling want a channel's, (C,B,H,W). The plan starts with the former (that is
 * how examples come), changes with a STEP_SWAP where it must, and ends with the
 * former. With one channel, or after flattening the example itself, the two are
 * the same bytes and nothing is done.
 */

#include "common/arch.h"
#include "worker/nn/conv.h"
#include "worker/nn/pool.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum step_kind { STEP_DENSE, STEP_CONV, STEP_POOL, STEP_RELU, STEP_SWAP };

/* Step i reads the output of step i-1, step 0 the example. A real's place in
 * the plan's memory is an offset from its start. */
struct step {
    enum step_kind kind;
    size_t in_size, out_size; /* reals an example */
    bool in_place;            /* out is step i-1's out */
    bool image_first;         /* STEP_SWAP: from (B,C,..), else from (C,B,..) */
    size_t C, run;            /* STEP_SWAP: channels, reals a channel */
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
