#include "worker/nn/plan.h"

#include "common/error.h"
#include "worker/nn/conv_op.h"
#include "worker/nn/lanes.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

/* Far above any use; keeps sums of sizes far from INT_MAX. */
enum { BATCH_MAX = 1 << 22 };

/* What is known of an arch's layer while steps are made of it. */
struct node {
    int readers; /* layers that read it */
    int reader;  /* one of them */
    int value;   /* what it wrote; NONE: not yet, or part of a fused step */
    int fused;   /* which layer's turn it is done in, for this one to be skipped */
};

struct builder {
    struct plan *plan;
    const struct arch *arch;
    struct node *nodes;
};

static size_t shape_count(struct shape s)
{
    return (size_t)s.C * (size_t)s.H * (size_t)s.W;
}

/* ---- values and steps -------------------------------------------------------- */

static int add_value(struct plan *plan, enum layout layout, size_t size, int writer)
{
    plan->values[plan->value_count] = (struct plan_value){.layout = layout,
                                                          .size = size,
                                                          .writer = writer,
                                                          .twin = NONE,
                                                          .data = NONE,
                                                          .grad = NONE};
    return plan->value_count++;
}

static struct step *add_step(struct plan *plan, enum step_kind kind, int in,
                             enum layout layout, size_t out_size)
{
    struct step *step = &plan->steps[plan->count];
    const size_t in_size = plan->values[in].size;

    *step = (struct step){
        .kind = kind,
        .layer = NONE,
        .in = in,
        .other = NONE,
        .out = add_value(plan, layout, out_size, plan->count),
        .layout = layout,
        .in_size = in_size,
        .out_size = out_size,
        .at = {NO_TENSOR, NO_TENSOR, NO_TENSOR, NO_TENSOR},
        .scratch = NONE,
        .scratch_back = NONE,
        .packed = NONE,
        .stats = NONE,
        .mask = NONE,
    };
    plan->count++;
    return step;
}

/* The value in a layout, by a step of its own if need be, once. */
static int want_layout(struct plan *plan, int value, enum layout layout)
{
    if (plan->values[value].layout == layout)
        return value;
    if (plan->values[value].twin == NONE) {
        const size_t size = plan->values[value].size;
        const int twin = add_step(plan, STEP_LAYOUT, value, layout, size)->out;
        plan->values[value].twin = twin;
        plan->values[twin].twin = value;
    }
    return plan->values[value].twin;
}

static size_t offset_of(const struct arch *arch, int tensor)
{
    return tensor >= 0 ? arch->tensors[tensor].offset : NO_TENSOR;
}

/* What a layer reads; LAYER_EXAMPLE is value 0. */
static int value_of(const struct builder *b, int layer)
{
    const int value = layer == LAYER_EXAMPLE ? VALUE_EXAMPLE : b->nodes[layer].value;

    assert(value != NONE);
    return value;
}

/* The step of a layer that reads `value`; its output is the layer's. */
static struct step *layer_step(struct builder *b, int i, enum step_kind kind, int value)
{
    const struct layer *layer = &b->arch->layers[i];
    struct step *step = add_step(b->plan, kind, value, b->plan->values[value].layout,
                                 shape_count(layer->out));

    step->layer = i;
    step->shape = layer->in;
    step->at = (struct params){
        offset_of(b->arch, layer->weight),
        offset_of(b->arch, layer->bias),
        offset_of(b->arch, layer->mean),
        offset_of(b->arch, layer->var),
    };
    b->nodes[i].value = step->out;
    return step;
}

static struct step *layer_in(struct builder *b, int i, enum step_kind kind,
                             enum layout layout)
{
    const int value = value_of(b, b->arch->layers[i].input);

    return layer_step(b, i, kind, want_layout(b->plan, value, layout));
}

static struct step *layer_anyhow(struct builder *b, int i, enum step_kind kind)
{
    return layer_step(b, i, kind, value_of(b, b->arch->layers[i].input));
}

/* ---- layers ------------------------------------------------------------------ */

static void plan_dense(struct builder *b, int i)
{
    layer_in(b, i, STEP_DENSE, LAYOUT_IMAGES);
}

static void plan_conv(struct builder *b, int i)
{
    const struct layer *layer = &b->arch->layers[i];
    struct step *step = layer_in(b, i, STEP_CONV, LAYOUT_LANES);

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
    step->op = conv_choose(&step->conv, b->plan->options.exact);
}

static void plan_maxpool(struct builder *b, int i)
{
    const struct layer *layer = &b->arch->layers[i];

    layer_in(b, i, STEP_MAXPOOL, LAYOUT_LANES)->pool = (struct pool){
        .H = layer->in.H,
        .W = layer->in.W,
        .OH = layer->out.H,
        .OW = layer->out.W,
        .kernel = layer->kernel,
        .stride = layer->stride,
        .pad = layer->pad,
    };
}

static void plan_avgpool(struct builder *b, int i)
{
    const struct layer *layer = &b->arch->layers[i];

    layer_in(b, i, STEP_AVGPOOL, LAYOUT_LANES)->avgpool = (struct avgpool){
        .H = layer->in.H,
        .W = layer->in.W,
        .OH = layer->out.H,
        .OW = layer->out.W,
        .adaptive = layer->kind == LAYER_ADAPTIVE,
        .kernel = layer->kernel,
        .stride = layer->stride,
        .pad = layer->pad,
    };
}

static void plan_norm(struct builder *b, int i)
{
    const struct layer *layer = &b->arch->layers[i];
    struct step *step = layer_in(b, i, STEP_NORM, LAYOUT_LANES);

    step->norm = (struct norm){
        .C = layer->in.C,
        .S = layer->in.H * layer->in.W,
        .groups = layer->norm == NORM_GROUP ? layer->norm_groups : 0,
    };
    if (step->norm.groups == 0 && step->norm.S == 1)
        b->plan->batch_min = 2;
}

static void plan_act(struct builder *b, int i)
{
    layer_anyhow(b, i, STEP_ACT)->act = b->arch->layers[i].act;
}

static void plan_add(struct builder *b, int i)
{
    const struct layer *layer = &b->arch->layers[i];
    const int in = value_of(b, layer->input);
    const int other =
        want_layout(b->plan, value_of(b, layer->other), b->plan->values[in].layout);

    layer_step(b, i, STEP_ADD, in)->other = other;
}

static void plan_subsample(struct builder *b, int i)
{
    const struct layer *layer = &b->arch->layers[i];
    struct step *step = layer_in(b, i, STEP_SUBSAMPLE, LAYOUT_LANES);

    step->stride = layer->stride;
    step->before = (layer->out.C - layer->in.C) / 2;
    step->shape_out = layer->out;
}

/* A share of 0 drops nothing. */
static void plan_dropout(struct builder *b, int i)
{
    const double share = b->arch->layers[i].dropout;

    if (share > 0)
        layer_anyhow(b, i, STEP_DROPOUT)->dropout = share;
    else
        b->nodes[i].value = value_of(b, b->arch->layers[i].input);
}

static void plan_shift(struct builder *b, int i)
{
    layer_anyhow(b, i, STEP_SHIFT);
}

static void plan_scale(struct builder *b, int i)
{
    layer_anyhow(b, i, STEP_SCALE);
}

/* In either layout a flat value is the same bytes. */
static void plan_flatten(struct builder *b, int i)
{
    b->nodes[i].value = value_of(b, b->arch->layers[i].input);
}

static void (*const PLAN_LAYER[])(struct builder *, int) = {
    [LAYER_DENSE] = plan_dense,
    [LAYER_CONV] = plan_conv,
    [LAYER_MAXPOOL] = plan_maxpool,
    [LAYER_AVGPOOL] = plan_avgpool,
    [LAYER_ADAPTIVE] = plan_avgpool,
    [LAYER_NORM] = plan_norm,
    [LAYER_ACT] = plan_act,
    [LAYER_ADD] = plan_add,
    [LAYER_SUBSAMPLE] = plan_subsample,
    [LAYER_DROPOUT] = plan_dropout,
    [LAYER_SHIFT] = plan_shift,
    [LAYER_SCALE] = plan_scale,
    [LAYER_FLATTEN] = plan_flatten,
};

/* ---- layers done together ---------------------------------------------------- */

static bool is_kind(const struct builder *b, int i, enum layer_kind kind)
{
    return i >= 0 && b->arch->layers[i].kind == kind;
}

static bool is_relu(const struct builder *b, int i)
{
    return is_kind(b, i, LAYER_ACT) && b->arch->layers[i].act == ACT_RELU;
}

/* The only reader of layer i, or NONE. */
static int only_reader(const struct builder *b, int i)
{
    return i >= 0 && b->nodes[i].readers == 1 ? b->nodes[i].reader : NONE;
}

/* A norm that only this addition reads, and may do it; of two the later one,
 * since then what it adds is there. */
static int norm_of_add(const struct builder *b, int add)
{
    const struct layer *layer = &b->arch->layers[add];
    const int late = layer->input > layer->other ? layer->input : layer->other;
    const int early = layer->input + layer->other - late;

    if (is_kind(b, late, LAYER_NORM) && only_reader(b, late) == add)
        return late;
    if (is_kind(b, early, LAYER_NORM) && only_reader(b, early) == add)
        return early;
    return NONE;
}

/* Let layer i be done in the turn of layer `in`. */
static void fuse(struct builder *b, int i, int in)
{
    b->nodes[i].fused = in;
}

static void find_fusions(struct builder *b)
{
    for (int i = 0; i < b->arch->layer_count; i++) {
        const int next = only_reader(b, i);
        if (is_kind(b, i, LAYER_ADD) && norm_of_add(b, i) != NONE) {
            fuse(b, norm_of_add(b, i), i);
            if (is_relu(b, next))
                fuse(b, next, i);
        } else if (is_kind(b, i, LAYER_NORM) && is_relu(b, next)) {
            fuse(b, next, i);
        } else if (is_relu(b, i) && b->nodes[i].fused == NONE &&
                   is_kind(b, next, LAYER_MAXPOOL)) {
            fuse(b, next, i);
        }
    }
}

/* A ReLU before max pooling is done after it, on fewer numbers. The results are
 * the same to the last bit: the largest of max(0, x) is max(0, largest x), also
 * for NaN; and the gradient goes to the first largest, or, if that is not
 * positive, nowhere. */
static void plan_relu_and_pool(struct builder *b, int relu, int pool)
{
    b->nodes[relu].value = value_of(b, b->arch->layers[relu].input);
    plan_maxpool(b, pool);
    struct step *step =
        layer_step(b, relu, STEP_ACT, b->nodes[pool].value); /* of the pool's shape */
    step->out_size = step->in_size;
    b->plan->values[step->out].size = step->in_size;
    step->shape = b->arch->layers[pool].out;
    b->nodes[pool].value = step->out;
}

static void plan_norm_chain(struct builder *b, int norm, int add)
{
    const int last = add == NONE ? norm : add;
    const int relu = only_reader(b, last);
    int other = NONE;

    if (add != NONE) {
        const struct layer *layer = &b->arch->layers[add];
        const int layer_other = layer->input == norm ? layer->other : layer->input;
        other = want_layout(b->plan, value_of(b, layer_other), LAYOUT_LANES);
    }
    plan_norm(b, norm);
    struct step *step = &b->plan->steps[b->plan->count - 1];
    step->other = other;
    b->nodes[last].value = step->out;
    if (relu != NONE && b->nodes[relu].fused == last) {
        step->norm.relu = true;
        b->nodes[relu].value = step->out;
    }
}

static void plan_layer(struct builder *b, int i)
{
    const int next = only_reader(b, i);

    if (b->nodes[i].fused != NONE)
        return;
    if (is_kind(b, i, LAYER_NORM))
        plan_norm_chain(b, i, NONE);
    else if (is_kind(b, i, LAYER_ADD) && norm_of_add(b, i) != NONE)
        plan_norm_chain(b, norm_of_add(b, i), i);
    else if (is_relu(b, i) && next != NONE && b->nodes[next].fused == i)
        plan_relu_and_pool(b, i, next);
    else
        PLAN_LAYER[b->arch->layers[i].kind](b, i);
}

/* ---- the whole --------------------------------------------------------------- */

static void count_reader(struct builder *b, int layer, int reader)
{
    if (layer == LAYER_EXAMPLE)
        return;
    b->nodes[layer].readers++;
    b->nodes[layer].reader = reader;
}

static int read_graph(struct builder *b, struct error *err)
{
    const struct arch *arch = b->arch;

    for (int i = 0; i < arch->layer_count; i++)
        b->nodes[i] = (struct node){.reader = NONE, .value = NONE, .fused = NONE};
    for (int i = 0; i < arch->layer_count; i++) {
        count_reader(b, arch->layers[i].input, i);
        count_reader(b, arch->layers[i].other, i);
    }
    for (int i = 0; i < arch->layer_count - 1; i++)
        if (b->nodes[i].readers == 0)
            return err_set(err, ERR_INVALID, "layer %s: no layer reads it",
                           arch->layers[i].name);
    return 0;
}

/* A layer adds its own step and at most two changes of layout; so the end. */
static int take_arrays(struct plan *plan, struct builder *b, struct error *err)
{
    const size_t layers = (size_t)b->arch->layer_count;

    b->nodes = calloc(layers + 1, sizeof *b->nodes);
    plan->steps = calloc(3 * layers + 2, sizeof *plan->steps);
    plan->values = calloc(3 * layers + 3, sizeof *plan->values);
    if (b->nodes && plan->steps && plan->values)
        return 0;
    return err_set(err, ERR_NO_MEMORY, "no memory for a plan of %zu layers", layers);
}

/* BLAS and the kernels count in int: the whole batch's activations must. */
static int check_sizes(const struct plan *plan, struct error *err)
{
    const int batch_max = plan->options.batch_max;

    for (int v = 0; v < plan->value_count; v++)
        if (plan->values[v].size > INT_MAX / (size_t)lanes_round(batch_max))
            return err_set(err, ERR_INVALID,
                           "a batch of %d examples is too large for a layer of %zu "
                           "numbers an example",
                           batch_max, plan->values[v].size);
    return 0;
}

int net_plan_init(struct plan *plan, const struct arch *arch,
                  const struct plan_options *options, struct error *err)
{
    struct builder b = {.plan = plan, .arch = arch};
    int rc = -1;

    *plan = (struct plan){.options = *options, .batch_min = 1};
    if (options->batch_max < 1 || options->batch_max > BATCH_MAX)
        return err_set(err, ERR_INVALID, "a batch must hold 1 to %d examples, got %d",
                       BATCH_MAX, options->batch_max);
    if (take_arrays(plan, &b, err) || read_graph(&b, err))
        goto done;
    find_fusions(&b);
    add_value(plan, LAYOUT_IMAGES, shape_count(arch->input), NONE);
    for (int i = 0; i < arch->layer_count; i++)
        plan_layer(&b, i);
    plan->logits = want_layout(plan, value_of(&b, arch->layer_count - 1), LAYOUT_IMAGES);
    assert(plan->values[plan->logits].size == (size_t)arch->classes);
    rc = check_sizes(plan, err) || net_plan_memory(plan, err) ? -1 : 0;

done:
    free(b.nodes);
    return rc;
}

void net_plan_free(struct plan *plan)
{
    free(plan->steps);
    free(plan->values);
    free(plan->spans);
    plan->steps = NULL;
    plan->values = NULL;
    plan->spans = NULL;
}
