#include "worker/nn/plan.h"

#include "common/error.h"
#include "worker/nn/conv_lanes.h"
#include "worker/nn/lanes.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

/* Places are multiples of this many reals: 64 bytes or more, a cache line. */
enum { ALIGN = 16 };

/* Far above any use; keeps sums of sizes far from INT_MAX. */
enum { BATCH_MAX = 1 << 24 };

/* What the next step will find. */
struct cursor {
    struct plan *plan;
    enum layout layout;
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
    step->from = step->to = at->layout;
    step->in_shape = at->shape;
    step->in_size = shape_count(at->shape);
    step->out_size = shape_count(out);
    at->shape = out;
    return step;
}

/* With one channel, images and planes are the same bytes. */
static void change_layout(struct cursor *at, enum layout to)
{
    if (to == LAYOUT_LANES || at->layout == LAYOUT_LANES || at->shape.C > 1)
        add_step(at, STEP_LAYOUT, at->shape)->to = to;
    at->layout = to;
}

/* Bring the activations into a layout, through images if need be. */
static void want_layout(struct cursor *at, enum layout layout)
{
    if (at->layout == layout)
        return;
    if (at->layout != LAYOUT_IMAGES)
        change_layout(at, LAYOUT_IMAGES);
    if (layout != LAYOUT_IMAGES)
        change_layout(at, layout);
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
    want_layout(at, LAYOUT_IMAGES);
    set_params(add_step(at, STEP_DENSE, layer->out), arch, layer);
}

static void plan_conv(struct cursor *at, const struct arch *arch,
                      const struct layer *layer)
{
    const struct conv conv = {
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
    const bool lanes = conv_lanes_suits(&conv);

    want_layout(at, lanes ? LAYOUT_LANES : LAYOUT_PLANES);
    struct step *step = add_step(at, lanes ? STEP_CONV_LANES : STEP_CONV, layer->out);
    set_params(step, arch, layer);
    step->conv = conv;
}

/* Lanes, unless the activations lie in planes already. */
static void plan_pool(struct cursor *at, const struct arch *arch,
                      const struct layer *layer)
{
    const bool lanes = at->layout != LAYOUT_PLANES;
    (void)arch;

    assert(layer->kernel <= POOL_KERNEL_MAX);
    if (lanes)
        want_layout(at, LAYOUT_LANES);
    struct step *step = add_step(at, lanes ? STEP_POOL_LANES : STEP_POOL, layer->out);
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

/* A ReLU before max pooling is done after it, on fewer numbers. The results are
 * the same to the last bit: the largest of max(0, x) is max(0, largest x), also
 * for NaN; and the gradient goes to the first largest, or, if that is not
 * positive, nowhere. */
static bool is_relu_before_pool(const struct arch *arch, int i)
{
    return i + 1 < arch->layer_count && arch->layers[i].kind == LAYER_ACT &&
           arch->layers[i + 1].kind == LAYER_MAXPOOL;
}

/* An example is its own bytes, flattened. */
static void plan_flatten(struct cursor *at, const struct arch *arch,
                         const struct layer *layer)
{
    (void)arch;
    want_layout(at, LAYOUT_IMAGES);
    at->shape = layer->out;
}

static void (*const PLAN_LAYER[])(struct cursor *, const struct arch *,
                                  const struct layer *) = {
    [LAYER_DENSE] = plan_dense,     [LAYER_CONV] = plan_conv,
    [LAYER_MAXPOOL] = plan_pool,    [LAYER_ACT] = plan_relu,
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
    const size_t B = (size_t)lanes_round(plan->batch_max);
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

static size_t scratch_of(const struct step *step, int batch_max)
{
    if (step->kind == STEP_CONV)
        return conv_scratch(&step->conv, batch_max);
    if (step->kind == STEP_CONV_LANES)
        return conv_lanes_scratch(&step->conv);
    return 0;
}

static void place_all(struct plan *plan)
{
    const size_t B = (size_t)lanes_round(plan->batch_max);
    size_t widest = 0, scratch = 0;

    for (int i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        const size_t need = scratch_of(step, plan->batch_max);
        widest = step->out_size > widest ? step->out_size : widest;
        scratch = need > scratch ? need : scratch;
    }
    place_outputs(plan, widest);
    plan->scratch = take(&plan->real_count, scratch, 1);
    if (plan->training)
        for (int i = 0; i < 2; i++)
            plan->dout[i] = take(&plan->real_count, widest, B);
}

/* BLAS and the kernels count in int: the whole batch's activations must. */
static int check_sizes(const struct plan *plan, struct error *err)
{
    for (int i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        size_t size = step->in_size > step->out_size ? step->in_size : step->out_size;
        if (size > INT_MAX / (size_t)lanes_round(plan->batch_max))
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
    struct cursor at = {plan, LAYOUT_IMAGES, arch->input};

    *plan = (struct plan){.batch_max = batch_max, .training = training};
    if (batch_max < 1 || batch_max > BATCH_MAX)
        return err_set(err, ERR_INVALID, "a batch must hold 1 to %d examples, got %d",
                       BATCH_MAX, batch_max);

    /* A layer adds its own step and at most two changes of layout; so the end. */
    plan->steps = calloc(3 * (size_t)arch->layer_count + 2, sizeof *plan->steps);
    if (!plan->steps)
        return err_set(err, ERR_NO_MEMORY, "no memory for a plan of %d layers",
                       arch->layer_count);
    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *layer = &arch->layers[i];
        if (is_relu_before_pool(arch, i)) {
            plan_pool(&at, arch, layer + 1);
            plan_relu(&at, arch, layer + 1);
            i++;
        } else {
            PLAN_LAYER[layer->kind](&at, arch, layer);
        }
    }
    want_layout(&at, LAYOUT_IMAGES);
    assert(shape_count(at.shape) == (size_t)arch->classes);

    for (plan->first_param = 0; plan->first_param < plan->count; plan->first_param++) {
        enum step_kind kind = plan->steps[plan->first_param].kind;
        if (kind == STEP_DENSE || kind == STEP_CONV || kind == STEP_CONV_LANES)
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
