#include "common/arch.h"

#include "common/datasets.h"
#include "common/error.h"
#include "common/opts.h"
#include "common/spec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- models as rows --------------------------------------------------------- */

enum { CLASSES = 0 }; /* as a width: as many as the data has */

struct row {
    enum layer_kind kind;
    char name[48];
    int units; /* dense: outputs; conv: output channels */
    int kernel, stride, pad;
};

/* LeCun et al. 1998 as everybody builds it today: ReLU and max pooling. */
static const struct row LENET5[] = {
    {LAYER_CONV, "conv1", 6, 5, 1, 2},          {.kind = LAYER_ACT, .name = "relu1"},
    {LAYER_MAXPOOL, "pool1", 0, 2, 2, 0},       {LAYER_CONV, "conv2", 16, 5, 1, 0},
    {.kind = LAYER_ACT, .name = "relu2"},       {LAYER_MAXPOOL, "pool2", 0, 2, 2, 0},
    {.kind = LAYER_FLATTEN, .name = "flatten"}, {LAYER_DENSE, "fc1", 120, 0, 0, 0},
    {.kind = LAYER_ACT, .name = "relu3"},       {LAYER_DENSE, "fc2", 84, 0, 0, 0},
    {.kind = LAYER_ACT, .name = "relu4"},       {LAYER_DENSE, "fc3", CLASSES, 0, 0, 0},
};

/* The rows of one model, to be filled by its maker. */
struct rows {
    struct row *row; /* room for ARCH_LAYERS_MAX */
    int count;
};

static int add_row(struct rows *rows, const struct row *row, struct error *err)
{
    if (rows->count == ARCH_LAYERS_MAX)
        return err_set(err, ERR_INVALID, "more than %d layers", ARCH_LAYERS_MAX);
    rows->row[rows->count++] = *row;
    return 0;
}

/* flatten fc1 relu1 fc2 relu2 ... fcN */
static int mlp_rows(struct rows *rows, const int64_t *widths, size_t count,
                    struct error *err)
{
    struct row flatten = {.kind = LAYER_FLATTEN, .name = "flatten"};

    if (add_row(rows, &flatten, err))
        return -1;
    for (size_t i = 0; i <= count; i++) {
        struct row dense = {.kind = LAYER_DENSE}, relu = {.kind = LAYER_ACT};
        dense.units = i < count ? (int)widths[i] : CLASSES;
        snprintf(dense.name, sizeof dense.name, "fc%zu", i + 1);
        snprintf(relu.name, sizeof relu.name, "relu%zu", i + 1);
        if (add_row(rows, &dense, err) || (i < count && add_row(rows, &relu, err)))
            return -1;
    }
    return 0;
}

static int make_mlp(const struct spec *spec, struct rows *rows, struct error *err)
{
    int64_t widths[ARCH_LAYERS_MAX];
    struct value value;
    size_t count;

    if (spec_value(spec, "model.widths", &value, err))
        return -1;
    count = value.list.count < ARCH_LAYERS_MAX ? value.list.count : ARCH_LAYERS_MAX;
    for (size_t i = 0; i < count; i++)
        widths[i] = value.list.items[i].integer;
    value_free(&value);
    return mlp_rows(rows, widths, count, err);
}

static int make_lenet_300_100(const struct spec *spec, struct rows *rows,
                              struct error *err)
{
    (void)spec;
    return mlp_rows(rows, (const int64_t[]){300, 100}, 2, err);
}

static int make_lenet5(const struct spec *spec, struct rows *rows, struct error *err)
{
    (void)spec;
    for (size_t i = 0; i < sizeof LENET5 / sizeof LENET5[0]; i++)
        if (add_row(rows, &LENET5[i], err))
            return -1;
    return 0;
}

static const struct {
    const char *name;
    int (*make)(const struct spec *spec, struct rows *rows, struct error *err);
} MODELS[] = {
    {"mlp", make_mlp},
    {"lenet-300-100", make_lenet_300_100},
    {"lenet5", make_lenet5},
};

static int make_rows(const struct spec *spec, struct rows *rows, struct error *err)
{
    const char *name = spec_string(spec, "model.name");

    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++)
        if (strcmp(MODELS[i].name, name) == 0)
            return MODELS[i].make(spec, rows, err);
    return err_set(err, ERR_UNSUPPORTED, "model \"%s\" is not supported yet", name);
}

/* ---- rows into layers and tensors ------------------------------------------- */

static size_t shape_count(struct shape shape)
{
    return (size_t)shape.C * (size_t)shape.H * (size_t)shape.W;
}

/* Append a tensor of a layer; returns its index. */
static int add_tensor(struct arch *arch, const struct layer *layer,
                      enum tensor_class class, int rank, const int dim[4])
{
    struct tensor *tensor = &arch->tensors[arch->tensor_count];

    *tensor = (struct tensor){.class = class, .rank = rank, .count = 1};
    snprintf(tensor->name, sizeof tensor->name, "%s.%s", layer->name,
             class == TENSOR_WEIGHT ? "weight" : "bias");
    snprintf(tensor->layer, sizeof tensor->layer, "%s", layer->name);
    snprintf(tensor->unit, sizeof tensor->unit, "%s", layer->name);
    snprintf(tensor->block, sizeof tensor->block, "%s", layer->name);
    for (int i = 0; i < rank; i++) {
        tensor->dim[i] = dim[i];
        tensor->count *= (size_t)dim[i];
    }
    tensor->offset = arch->param_count;
    arch->param_count += tensor->count;
    arch->state_count = arch->param_count;
    arch->param_tensors = arch->tensor_count + 1;
    return arch->tensor_count++;
}

static void add_params(struct arch *arch, struct layer *layer, int rank, const int dim[4])
{
    layer->weight = add_tensor(arch, layer, TENSOR_WEIGHT, rank, dim);
    layer->bias = add_tensor(arch, layer, TENSOR_BIAS, 1, dim);
}

static int window_out(int size, const struct layer *layer)
{
    return (size + 2 * layer->pad - layer->kernel) / layer->stride + 1;
}

/* The shape after a convolution or pooling over whole windows. */
static int slide(struct layer *layer, int channels, struct error *err)
{
    struct shape in = layer->in;

    if (in.H + 2 * layer->pad < layer->kernel || in.W + 2 * layer->pad < layer->kernel)
        return err_set(err, ERR_INVALID,
                       "layer %s: its %dx%d window does not fit into %dx%d", layer->name,
                       layer->kernel, layer->kernel, in.H, in.W);
    layer->out =
        (struct shape){channels, window_out(in.H, layer), window_out(in.W, layer)};
    return 0;
}

static int add_layer(struct arch *arch, const struct row *row, struct error *err)
{
    struct layer *layer = &arch->layers[arch->layer_count];
    struct shape in = arch->layer_count > 0 ? layer[-1].out : arch->input;
    int units = row->units == CLASSES ? arch->classes : row->units;
    int rc = 0;

    *layer = (struct layer){.kind = row->kind,
                            .in = in,
                            .out = in,
                            .kernel = row->kernel,
                            .stride = row->stride,
                            .pad = row->pad,
                            .input = arch->layer_count - 1,
                            .other = LAYER_EXAMPLE,
                            .weight = -1,
                            .bias = -1,
                            .mean = -1,
                            .var = -1};
    snprintf(layer->name, sizeof layer->name, "%s", row->name);
    switch (row->kind) {
    case LAYER_DENSE:
        layer->out = (struct shape){units, 1, 1};
        add_params(arch, layer, 2, (const int[4]){units, in.C, 0, 0});
        break;
    case LAYER_CONV:
        rc = slide(layer, units, err);
        if (rc == 0)
            add_params(arch, layer, 4,
                       (const int[4]){units, in.C, row->kernel, row->kernel});
        break;
    case LAYER_MAXPOOL:
        rc = slide(layer, in.C, err);
        break;
    case LAYER_FLATTEN:
        layer->out = (struct shape){(int)shape_count(in), 1, 1};
        break;
    default:
        break;
    }
    arch->layer_count++;
    if (rc == 0 && arch->param_count > ARCH_STATE_MAX)
        rc = err_set(err, ERR_INVALID, "layer %s: more than %d parameters in all",
                     layer->name, ARCH_STATE_MAX);
    return rc;
}

static struct arch *arch_new(struct shape input, int classes, int layer_count,
                             struct error *err)
{
    struct arch *arch = calloc(1, sizeof *arch);

    if (!arch)
        goto fail;
    arch->input = input;
    arch->classes = classes;
    arch->layers = calloc((size_t)layer_count, sizeof *arch->layers);
    arch->tensors = calloc(2 * (size_t)layer_count, sizeof *arch->tensors);
    if (!arch->layers || !arch->tensors)
        goto fail;
    return arch;

fail:
    arch_free(&arch);
    err_set(err, ERR_NO_MEMORY, "no memory for a network of %d layers", layer_count);
    return NULL;
}

struct arch *arch_build(const struct spec *spec, struct error *err)
{
    const struct dataset_info info = dataset_of(spec);
    struct rows rows = {.row = calloc(ARCH_LAYERS_MAX, sizeof(struct row))};
    struct arch *arch = NULL;

    if (!rows.row) {
        err_set(err, ERR_NO_MEMORY, "no memory for a network");
        goto done;
    }
    if (make_rows(spec, &rows, err))
        goto done;
    arch = arch_new(info.shape, spec_classes(spec), rows.count, err);
    for (int i = 0; arch && i < rows.count; i++)
        if (add_layer(arch, &rows.row[i], err)) {
            err_prefix(err, "model \"%s\" on data \"%s\"",
                       spec_string(spec, "model.name"), info.name);
            arch_free(&arch);
        }
done:
    free(rows.row);
    return arch;
}

void arch_free(struct arch **arch)
{
    if (!arch || !*arch)
        return;
    free((*arch)->layers);
    free((*arch)->tensors);
    free(*arch);
    *arch = NULL;
}

bool arch_has_norm(const struct arch *arch)
{
    (void)arch; /* no layer kind keeps statistics yet */
    return false;
}

double arch_macs(const struct arch *arch)
{
    double macs = 0;

    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *layer = &arch->layers[i];
        double places = (double)layer->out.H * layer->out.W;
        if (layer->weight >= 0)
            macs += places * (double)arch->tensors[layer->weight].count;
    }
    return macs;
}
