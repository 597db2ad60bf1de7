#ifndef COORD_NN_PLAN_H
#define COORD_NN_PLAN_H

/* An arch turned into steps: which kernels run in which order, in which layout
 * and in which memory. Inside the engine only (plan*.c, step*.c, net.c); whoever
 * wants to run a network includes net.h.
 *
 * Steps read and write values: the example is value 0, each step writes one. A
 * step may be several layers: a norm does the addition and the ReLU that follow
 * it, and a ReLU before max pooling is done after it. Two layouts: examples come,
 * and dense layers want them, as LAYOUT_IMAGES (B,F), F = C,H,W in that order; all
 * with spatial extent is in LAYOUT_LANES (lanes.h). The plan puts in a step that
 * changes the layout where it must, and ends with LAYOUT_IMAGES.
 *
 * Memory is one block, planned once: every buffer is a span of moments (place.h).
 * Step i runs at moment i, forward; the loss is at moment `count`; step i runs
 * backward at moment 2 * count - i. Training keeps a value until the last backward
 * step that reads it, evaluation until its last reader. A step that may work in
 * place does so if nobody wants its input afterwards; gradients likewise.
 *
 * A value read by several layers gets the sum of their gradients: the first of
 * them in the backward pass overwrites, the others add.
 */

#include "common/arch.h"
#include "worker/nn/avgpool.h"
#include "worker/nn/conv.h"
#include "worker/nn/norm.h"
#include "worker/nn/place.h"
#include "worker/nn/pool_lanes.h"
#include "worker/nn/real.h"

#include <stdbool.h>
#include <stddef.h>

struct conv_op;
struct error;

enum layout { LAYOUT_IMAGES, LAYOUT_LANES };

enum step_kind {
    STEP_LAYOUT, /* to step.layout from the other one */
    STEP_DENSE,
    STEP_CONV,
    STEP_MAXPOOL,
    STEP_AVGPOOL, /* and adaptive */
    STEP_NORM,    /* [+ other] [then ReLU] */
    STEP_ACT,
    STEP_ADD,
    STEP_SUBSAMPLE,
    STEP_DROPOUT,
    STEP_SHIFT,
    STEP_SCALE,
    STEP_KINDS
};

enum {
    VALUE_EXAMPLE = 0,
    NONE = -1, /* no value, no span */
};

struct plan_value {
    enum layout layout;
    size_t size; /* reals an example */
    int writer;  /* step; NONE: the example */
    int twin;    /* the same in the other layout, or NONE */
    bool wants_grad;
    int data, grad; /* spans */
};

/* Where a backward step writes the gradient of one of its inputs. */
struct target {
    enum {
        TARGET_NONE, /* nobody wants it */
        TARGET_SET,  /* overwrite `to` */
        TARGET_ADD,  /* add to `to`, which the kernel can */
        TARGET_VIA,  /* overwrite `via`, which is then added to `to` */
        TARGET_LOST, /* overwrite `via`, where nobody reads it */
    } how;
    int to, via; /* spans; either may be the gradient of the step's output */
};

/* Offsets into the state of a step's tensors; NO_TENSOR: it has none. */
struct params {
    size_t weight, bias, mean, var;
};

#define NO_TENSOR ((size_t)-1)

struct step {
    enum step_kind kind;
    int layer;                /* of the arch */
    int in, other, out;       /* values; other: of STEP_NORM and STEP_ADD, or NONE */
    enum layout layout;       /* of in, other and out */
    struct shape shape;       /* of the layer's input */
    size_t in_size, out_size; /* reals an example */
    struct params at;
    bool active; /* has a backward pass: parameters, or some before it */
    struct target din, dother;
    int scratch, scratch_back; /* spans */
    int packed;                /* STEP_DENSE, evaluation: the weights, from run to run */
    int stats;                 /* STEP_NORM: mean, then invstd */
    int mask;                  /* STEP_DROPOUT: a byte for each real */
    union {
        struct {
            struct conv conv;
            const struct conv_op *op;
        };
        struct pool pool;
        struct avgpool avgpool;
        struct norm norm;
        enum act_kind act;
        double dropout;
        struct {
            int stride, before; /* zero channels */
            struct shape shape_out;
        };
    };
};

struct plan_options {
    int batch_max, threads;
    bool training, exact, native;
    int from, to; /* steps that will be run; to 0: all */
};

struct plan {
    struct plan_options options;
    struct step *steps;
    int count;
    struct plan_value *values;
    int value_count;
    int logits; /* the last value */
    struct span *spans;
    int span_count;
    size_t real_count; /* the whole memory */
    int batch_min;     /* training: below it a batch norm has no variance */
};

/* Fill *plan; the caller frees it, also after failure. ERR_INVALID (batch_max, a
 * layer that nobody reads), ERR_NO_MEMORY. */
int net_plan_init(struct plan *plan, const struct arch *arch,
                  const struct plan_options *options, struct error *err);
void net_plan_free(struct plan *plan);

/* The second half of plan_init: lifetimes and places, for the steps there are. */
int net_plan_memory(struct plan *plan, struct error *err);

#endif
