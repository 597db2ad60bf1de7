#include "worker/nn/plan.h"

#include "common/error.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

/* Places are multiples of this many reals: 64 bytes or more, a cache line. */
enum { ALIGN = 16 };

/* Where the layout stands between two steps. */
struct cursor {
    struct plan *plan;
    bool image_first; /* (B,C,H,W), else (C,B,H,W) */
    struct shape shape;
};

static size_t shape_count(struct shape s)
{
    return (size_t)s.C * (size_t)s.H * (size_t)s.W;
}

static struct step *add_step(struct cursor *at, enum step_kind kind, struct shape out)
{
    struct plan *plan = at->plan;
    struct step *step = &plan->steps[plan->count++];

    step->kind = kind;
    step->in_size = shape_count(at->shape);
    step->out_size = shape_count(out);
    at->shape = out;
    return step;
}

/* Bring the activations into one of the two layouts. */
static void want_layout(struct cursor *at, bool image_first)
{
    if (at->image_first == image_first)
        return;
    if (at->shape.C > 1) {
        struct step *step = add_step(at, STEP_SWAP, at->shape);
        step->image_first = at->image_first;
        step->C = (size_t)at->shape.C;
        step->run = (size_t)at->shape.H * (size_t)at->shape.W;
    }
    at->image_first = image_first;
}

static void set_params(struct step *step, const struct arch *arch,
                       const struct layer *layer)
{
    step->weight = arch->tensors[layer->weight].offset;
    step->has_bias = layer->bias >= 0;
    if (step->has_bias)
        step->bias = arch->tensors[layer->bias].offset;
}

static void plan_dense(struct cursor *at, const struct arch *arch,
                       const struct layer *layer)
{
    want_layout(at, true);
    set_params(add_step(at, STEP_DENSE, layer->out), arch, layer);
}

static void plan_conv(struct cursor *at, const struct arch *arch,
                      const struct layer *layer)
{
    want_layout(at, false);
    struct step *step = add_step(at, STEP_CONV, layer->out);
    set_params(step, arch, layer);
    step->conv = (struct conv){
        .C = layer->in.C,
        .H = layer->in.H,
        .W = layer->in.W,
        .O = layer->out.C,
        .OH = layer->out.H,
        .OW = layer->out.W,
        .kernel = layer->kernel,
        .stride = layer->stride,
        .pad = layer->pad,
    };
}

static void plan_pool(struct cursor *at, const struct arch *arch,
                      const struct layer *layer)
{
    (void)arch;
    assert(layer->kernel <= POOL_KERNEL_MAX);
    want_layout(at, false);
    struct step *step = add_step(at, STEP_POOL, layer->out);
    step->pool = (struct pool){
        .H = layer->in.H,
        .W = layer->in.W,
        .OH = layer->out.H,
        .OW = layer->out.W,
        .kernel = layer->kernel,
        .stride = layer->stride,
        .pad = layer->pad,
    };
}

/* Any layout will do, and the buffer it reads unless that is the caller's. */
static void plan_relu(struct cursor *at, const struct arch *arch,
                      const struct layer *layer)
{
    (void)arch;
    bool first = at->plan->count == 0;
    add_step(at, STEP_RELU, layer->out)->in_place = !first;
}

/* An example flattened in C,H,W order is its own bytes. */
static void plan_flatten(struct cursor *at, const struct arch *arch,
                         const struct layer *layer)
{
    (void)arch;
    want_layout(at, true);
    at->shape = layer->out;
}

static void (*const PLAN_LAYER[])(struct cursor *, const struct arch *,
                                  const struct layer *) = {
    [LAYER_DENSE] = plan_dense,     [LAYER_CONV] = plan_conv,
    [LAYER_MAXPOOL] = plan_pool,    [LAYER_RELU] = plan_relu,
    [LAYER_FLATTEN] = plan_flatten,
};

/* Take count reals for each of `each` examples; an overflowing sum saturates and
 * is refused by the allocation. */
static size_t take(size_t *total, size_t count, size_t each)
{
    size_t place = *total, size;

    if (__builtin_mul_overflow(count, each, &size) ||
        __builtin_add_overflow(size, (size_t)(ALIGN - 1), &size) ||
        __builtin_add_overflow(*total, size / ALIGN * ALIGN, total))
        *total = SIZE_MAX;
    return place;
}

/* Training keeps every output until the backward pass. Otherwise two buffers
 * serve in turn. */
static void place_outputs(struct plan *plan, size_t widest)
{
    const size_t B = (size_t)plan->batch_max;
    size_t turn[2] = {0, 0};
    int next = 0;

    if (!plan->training)
        for (int i = 0; i < 2; i++)
            turn[i] = take(&plan->real_count, widest, B);
    for (int i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        if (step->in_place)
            step->out = plan->steps[i - 1].out;
        else if (plan->training)
            step->out = take(&plan->real_count, step->out_size, B);
        else
            step->out = turn[next++ % 2];
        if (plan->training && step->kind == STEP_POOL)
            step->which = take(&plan->byte_count, step->out_size, B);
    }
}

static void place_all(struct plan *plan)
{
    const size_t B = (size_t)plan->batch_max;
    size_t widest = 0, scratch = 0;

    for (int i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        size_t need =
            step->kind == STEP_CONV ? conv_scratch(&step->conv, plan->batch_max) : 0;
        widest = step->out_size > widest ? step->out_size : widest;
        scratch = need > scratch ? need : scratch;
    }
    place_outputs(plan, widest);
    plan->scratch = take(&plan->real_count, scratch, 1);
    if (plan->training)
        for (int i = 0; i < 2; i++)
            plan->dout[i] = take(&plan->real_count, widest, B);
}

/* BLAS counts in int: the widest matrix is one channel, or one vector, of the
 * whole batch. */
static int check_sizes(const struct plan *plan, struct error *err)
{
    for (int i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        size_t size = step->in_size > step->out_size ? step->in_size : step->out_size;
        if (size > INT_MAX / (size_t)plan->batch_max)
            return err_set(err, ERR_INVALID,
                           "a batch of %d examples is too large for a layer of %zu "
                           "numbers an example",
                           plan->batch_max, size);
    }
    return 0;
}

int plan_init(struct plan *plan, const struct arch *arch, int batch_max, bool training,
              struct error *err)
{
    struct cursor at = {plan, true, arch->input};

    *plan = (struct plan){.batch_max = batch_max, .training = training};
    if (batch_max < 1)
        return err_set(err, ERR_INVALID, "a batch must hold at least 1 example, got %d",
                       batch_max);

    /* A layer adds at most its own step and a swap; the end another swap. */
    plan->steps = calloc(2 * (size_t)arch->layer_count + 1, sizeof *plan->steps);
    if (!plan->steps)
        return err_set(err, ERR_NO_MEMORY, "no memory for a plan of %d layers",
                       arch->layer_count);
    for (int i = 0; i < arch->layer_count; i++)
        PLAN_LAYER[arch->layers[i].kind](&at, arch, &arch->layers[i]);
    want_layout(&at, true);
    assert(shape_count(at.shape) == (size_t)arch->classes);

    for (plan->first_param = 0; plan->first_param < plan->count; plan->first_param++) {
        enum step_kind kind = plan->steps[plan->first_param].kind;
        if (kind == STEP_DENSE || kind == STEP_CONV)
            break;
    }
    place_all(plan);
    return check_sizes(plan, err);
}

void plan_free(struct plan *plan)
{
    free(plan->steps);
    plan->steps = NULL;
}
