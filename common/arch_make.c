#include "common/arch_make.h"

#include "common/error.h"
#include "common/spec.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- room ------------------------------------------------------------------- */

/* Make room for one more item; the array doubles. */
static int grow(struct maker *maker, void **items, int count, int *room, size_t size)
{
    int more = *room ? 2 * *room : 32;
    void *moved;

    if (count < *room)
        return 0;
    moved = realloc(*items, (size_t)more * size);
    if (!moved)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for a network");
    *items = moved;
    *room = more;
    return 0;
}

static size_t shape_count(struct shape shape)
{
    return (size_t)shape.C * (size_t)shape.H * (size_t)shape.W;
}

/* A new layer of the input's shape, or NULL. Valid until the next. */
static struct layer *add_layer(struct maker *maker, enum layer_kind kind,
                               const char *name)
{
    struct arch *arch = maker->arch;
    struct layer *layer;
    struct shape in =
        maker->at == LAYER_EXAMPLE ? arch->input : arch->layers[maker->at].out;

    if (arch->layer_count == ARCH_LAYERS_MAX) {
        err_set(maker->err, ERR_INVALID, "more than %d layers", ARCH_LAYERS_MAX);
        return NULL;
    }
    if (grow(maker, (void **)&arch->layers, arch->layer_count, &maker->layer_room,
             sizeof *layer))
        return NULL;
    layer = &arch->layers[arch->layer_count];
    *layer = (struct layer){.kind = kind,
                            .input = maker->at,
                            .other = LAYER_EXAMPLE,
                            .in = in,
                            .out = in,
                            .weight = -1,
                            .bias = -1,
                            .mean = -1,
                            .var = -1};
    snprintf(layer->name, sizeof layer->name, "%s%s", maker->scope, name);
    maker->at = arch->layer_count++;
    return layer;
}

/* Append a tensor of the last layer; its index, or -1. The suffix is empty for a
 * number that PyTorch has no module for. */
static int add_tensor(struct maker *maker, enum tensor_class class, const char *suffix,
                      int rank, const int dim[4])
{
    struct arch *arch = maker->arch;
    const struct layer *layer = &arch->layers[maker->at];
    struct tensor *tensor;

    assert(arch->tensor_count < ARCH_TENSORS_MAX); /* a layer has two at most */
    if (grow(maker, (void **)&arch->tensors, arch->tensor_count, &maker->tensor_room,
             sizeof *tensor))
        return -1;
    tensor = &arch->tensors[arch->tensor_count];
    *tensor = (struct tensor){.class = class, .rank = rank, .count = 1};
    snprintf(tensor->name, sizeof tensor->name, "%s%s", layer->name, suffix);
    memcpy(tensor->layer, layer->name, sizeof tensor->layer);
    memcpy(tensor->unit, maker->unit, sizeof tensor->unit);
    memcpy(tensor->block, maker->block[0] ? maker->block : maker->unit,
           sizeof tensor->block);
    for (int i = 0; i < rank; i++) {
        tensor->dim[i] = dim[i];
        tensor->count *= (size_t)dim[i];
    }
    tensor->offset = arch->state_count;
    arch->state_count += tensor->count;
    if (arch->state_count > ARCH_STATE_MAX) {
        err_set(maker->err, ERR_INVALID, "layer %s: more than %d parameters in all",
                layer->name, ARCH_STATE_MAX);
        return -1;
    }
    return arch->tensor_count++;
}

static bool is_norm(const struct maker *maker, const char *norm)
{
    return strcmp(maker->norm, norm) == 0;
}

/* ---- layers with weights ---------------------------------------------------- */

static int add_params(struct maker *maker, bool bias, int rank, const int dim[4])
{
    struct layer *layer = &maker->arch->layers[maker->at];

    memcpy(maker->unit, layer->name, sizeof maker->unit);
    layer->weight = add_tensor(maker, TENSOR_WEIGHT, ".weight", rank, dim);
    if (layer->weight >= 0 && bias)
        layer->bias = add_tensor(maker, TENSOR_BIAS, ".bias", 1, dim);
    return layer->weight < 0 || (bias && layer->bias < 0) ? -1 : 0;
}

int make_dense(struct maker *maker, const char *name, int units)
{
    struct layer *layer = add_layer(maker, LAYER_DENSE, name);

    if (!layer)
        return -1;
    layer->out = (struct shape){units, 1, 1};
    return add_params(maker, true, 2, (const int[4]){units, layer->in.C});
}

static int window_out(int size, const struct layer *layer)
{
    return (size + 2 * layer->pad - layer->kernel) / layer->stride + 1;
}

/* The shape after a window that slides. */
static int slide(struct maker *maker, struct layer *layer, int channels, int kernel,
                 int stride, int pad)
{
    struct shape in = layer->in;

    layer->kernel = kernel;
    layer->stride = stride;
    layer->pad = pad;
    if (in.H + 2 * pad < kernel || in.W + 2 * pad < kernel)
        return err_set(maker->err, ERR_INVALID,
                       "layer %s: its %dx%d window does not fit into %dx%d", layer->name,
                       kernel, kernel, in.H, in.W);
    layer->out =
        (struct shape){channels, window_out(in.H, layer), window_out(in.W, layer)};
    return 0;
}

int make_conv(struct maker *maker, const char *name, int units, int kernel, int stride,
              int pad)
{
    struct layer *layer = add_layer(maker, LAYER_CONV, name);

    if (!layer || slide(maker, layer, units, kernel, stride, pad))
        return -1;
    return add_params(maker, is_norm(maker, "none"), 4,
                      (const int[4]){units, layer->in.C, kernel, kernel});
}

/* The parameters of a norm; running statistics come after all parameters
 * (arch_build). */
int make_norm(struct maker *maker, const char *name)
{
    bool layer_norm = is_norm(maker, "layer"), batch = is_norm(maker, "batch");
    struct layer *layer;

    if (is_norm(maker, "none") || is_norm(maker, "fixup"))
        return 0;
    layer = add_layer(maker, LAYER_NORM, name);
    if (!layer)
        return -1;
    layer->norm = batch ? NORM_BATCH : NORM_GROUP;
    layer->norm_groups = batch ? 0 : layer_norm ? 1 : maker->norm_groups;
    if (!batch && layer->in.C % layer->norm_groups != 0)
        return err_set(maker->err, ERR_INVALID,
                       "layer %s: %d groups (model.norm_groups) do not divide its %d"
                       " channels",
                       layer->name, layer->norm_groups, layer->in.C);
    const int dim[4] = {layer->in.C};
    layer->weight = add_tensor(maker, TENSOR_NORM_WEIGHT, ".weight", 1, dim);
    if (layer->weight >= 0)
        layer->bias = add_tensor(maker, TENSOR_NORM_BIAS, ".bias", 1, dim);
    return layer->weight < 0 || layer->bias < 0 ? -1 : 0;
}

/* Fixup's numbers are not modules in PyTorch, so their tensors have bare names. */
static int add_number(struct maker *maker, enum layer_kind kind, const char *name,
                      const char *unit)
{
    char before[sizeof maker->unit];
    struct layer *layer;
    int t;

    if (!is_norm(maker, "fixup"))
        return 0;
    layer = add_layer(maker, kind, name);
    if (!layer)
        return -1;
    memcpy(before, maker->unit, sizeof before);
    snprintf(maker->unit, sizeof maker->unit, "%s%s", maker->scope, unit);
    t = add_tensor(maker, kind == LAYER_SHIFT ? TENSOR_BIAS : TENSOR_NORM_WEIGHT, "", 1,
                   (const int[4]){1});
    memcpy(maker->unit, before, sizeof before);
    *(kind == LAYER_SHIFT ? &layer->bias : &layer->weight) = t;
    return t < 0 ? -1 : 0;
}

int make_shift(struct maker *maker, const char *name, const char *unit)
{
    return add_number(maker, LAYER_SHIFT, name, unit);
}

int make_scale(struct maker *maker, const char *name, const char *unit)
{
    return add_number(maker, LAYER_SCALE, name, unit);
}

/* ---- layers without --------------------------------------------------------- */

int make_pool(struct maker *maker, enum layer_kind kind, const char *name, int kernel,
              int stride, int pad)
{
    struct layer *layer = add_layer(maker, kind, name);

    return layer ? slide(maker, layer, layer->in.C, kernel, stride, pad) : -1;
}

int make_global_pool(struct maker *maker, const char *name)
{
    struct layer *layer = add_layer(maker, LAYER_ADAPTIVE, name);

    if (!layer)
        return -1;
    layer->out = (struct shape){layer->in.C, 1, 1};
    return 0;
}

static const char *const ACTS[] = {
    [ACT_RELU] = "relu",
    [ACT_TANH] = "tanh",
    [ACT_SIGMOID] = "sigmoid",
    [ACT_GELU] = "gelu",
};

int make_act(struct maker *maker, const char *name, int number)
{
    char text[32];
    struct layer *layer;
    enum act_kind act = ACT_RELU;

    snprintf(text, sizeof text, "%s%d", maker->activation, number);
    layer = add_layer(maker, LAYER_ACT, name ? name : text);
    if (!layer)
        return -1;
    while (act < ACT_GELU && strcmp(ACTS[act], maker->activation) != 0)
        act++;
    layer->act = act;
    return 0;
}

int make_dropout(struct maker *maker, const char *name)
{
    struct layer *layer;

    if (maker->dropout == 0)
        return 0;
    layer = add_layer(maker, LAYER_DROPOUT, name);
    if (!layer)
        return -1;
    layer->dropout = maker->dropout;
    return 0;
}

int make_flatten(struct maker *maker, const char *name)
{
    struct layer *layer = add_layer(maker, LAYER_FLATTEN, name);

    if (!layer)
        return -1;
    layer->out = (struct shape){(int)shape_count(layer->in), 1, 1};
    return 0;
}

int make_add(struct maker *maker, const char *name, int a, int b)
{
    struct layer *layer;

    maker->at = a;
    layer = add_layer(maker, LAYER_ADD, name);
    if (!layer)
        return -1;
    layer->other = b;
    return 0;
}

int make_subsample(struct maker *maker, const char *name, int channels, int stride)
{
    struct layer *layer = add_layer(maker, LAYER_SUBSAMPLE, name);

    if (!layer)
        return -1;
    if ((channels - layer->in.C) % 2 != 0)
        return err_set(maker->err, ERR_INVALID,
                       "layer %s: %d channels cannot become %d with as many zeros before"
                       " as after (model.shortcut \"pad\")",
                       layer->name, layer->in.C, channels);
    layer->stride = stride;
    layer->out = (struct shape){channels, (layer->in.H - 1) / stride + 1,
                                (layer->in.W - 1) / stride + 1};
    return 0;
}

/* ---- the end ---------------------------------------------------------------- */

int make_statistics(struct maker *maker)
{
    struct arch *arch = maker->arch;

    arch->param_tensors = arch->tensor_count;
    arch->param_count = arch->state_count;
    for (maker->at = 0; maker->at < arch->layer_count; maker->at++) {
        struct layer *layer = &arch->layers[maker->at];
        if (layer->kind != LAYER_NORM || layer->norm != NORM_BATCH)
            continue;
        const struct tensor weight = arch->tensors[layer->weight];
        memcpy(maker->unit, weight.unit, sizeof maker->unit);
        memcpy(maker->block, weight.block, sizeof maker->block);
        layer->mean = add_tensor(maker, TENSOR_MEAN, ".running_mean", 1, weight.dim);
        layer->var = add_tensor(maker, TENSOR_VAR, ".running_var", 1, weight.dim);
        if (layer->mean < 0 || layer->var < 0)
            return -1;
    }
    return 0;
}

/* ---- options ---------------------------------------------------------------- */

int make_width(struct maker *maker, int base, int *ret)
{
    double factor = spec_real(maker->spec, "model.width");
    double width = base * factor;

    if (width < 1 || fabs(width - round(width)) > 1e-9 * width)
        return err_set(maker->err, ERR_INVALID,
                       "model.width %g makes %d channels %g, expected an integer of at"
                       " least 1",
                       factor, base, width);
    *ret = (int)round(width);
    return 0;
}
