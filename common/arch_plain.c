#include "common/arch_make.h"

#include "common/error.h"
#include "common/spec.h"

#include <stdio.h>
#include <string.h>

/* Networks that are one chain: a row for each layer. Norms and dropout stand where
 * they go if they are asked for. */

enum { CLASSES = 0 }; /* as a width: as many as the data has */

struct row {
    enum layer_kind kind;
    const char *name; /* of LAYER_ACT: NULL */
    int units;        /* dense: outputs; conv: output channels; act: its number */
    int kernel, stride, pad;
};

/* LeCun et al. 1998 as everybody builds it today: ReLU and max pooling. */
static const struct row LENET5[] = {
    {LAYER_CONV, "conv1", 6, 5, 1, 2},       {.kind = LAYER_NORM, .name = "bn1"},
    {.kind = LAYER_ACT, .units = 1},         {LAYER_MAXPOOL, "pool1", 0, 2, 2, 0},
    {LAYER_CONV, "conv2", 16, 5, 1, 0},      {.kind = LAYER_NORM, .name = "bn2"},
    {.kind = LAYER_ACT, .units = 2},         {LAYER_MAXPOOL, "pool2", 0, 2, 2, 0},
    {LAYER_FLATTEN, "flatten", 0, 0, 0, 0},  {LAYER_DENSE, "fc1", 120, 0, 0, 0},
    {.kind = LAYER_NORM, .name = "bn3"},     {.kind = LAYER_ACT, .units = 3},
    {LAYER_DROPOUT, "dropout1", 0, 0, 0, 0}, {LAYER_DENSE, "fc2", 84, 0, 0, 0},
    {.kind = LAYER_NORM, .name = "bn4"},     {.kind = LAYER_ACT, .units = 4},
    {LAYER_DROPOUT, "dropout2", 0, 0, 0, 0}, {LAYER_DENSE, "fc3", CLASSES, 0, 0, 0},
};

static int make_row(struct maker *maker, const struct row *row)
{
    switch (row->kind) {
    case LAYER_CONV:
        return make_conv(maker, row->name, row->units, row->kernel, row->stride,
                         row->pad);
    case LAYER_DENSE:
        return make_dense(maker, row->name,
                          row->units == CLASSES ? maker->arch->classes : row->units);
    case LAYER_NORM:
        return make_norm(maker, row->name);
    case LAYER_ACT:
        return make_act(maker, NULL, row->units);
    case LAYER_DROPOUT:
        return make_dropout(maker, row->name);
    case LAYER_FLATTEN:
        return make_flatten(maker, row->name);
    default:
        return make_pool(maker, row->kind, row->name, row->kernel, row->stride, row->pad);
    }
}

/* flatten, then fc1 bn1 relu1 dropout1 and so on, and the last fc alone */
static int make_hidden(struct maker *maker, const struct value *widths)
{
    size_t count = widths->list.count;
    char name[24];

    if (make_flatten(maker, "flatten"))
        return -1;
    for (size_t i = 0; i < count; i++) {
        int number = (int)i + 1;
        snprintf(name, sizeof name, "fc%d", number);
        if (make_dense(maker, name, (int)widths->list.items[i].integer))
            return -1;
        snprintf(name, sizeof name, "bn%d", number);
        if (make_norm(maker, name) || make_act(maker, NULL, number))
            return -1;
        snprintf(name, sizeof name, "dropout%d", number);
        if (make_dropout(maker, name))
            return -1;
    }
    snprintf(name, sizeof name, "fc%zu", count + 1);
    return make_dense(maker, name, maker->arch->classes);
}

static int make_mlp(struct maker *maker)
{
    struct value widths;
    int rc;

    if (spec_value(maker->spec, "model.widths", &widths, maker->err))
        return -1;
    rc = make_hidden(maker, &widths);
    value_free(&widths);
    return rc;
}

static int make_lenet_300_100(struct maker *maker)
{
    struct value items[] = {value_int(300), value_int(100)};
    struct value widths = {.type = VALUE_LIST, .list = {items, 2}};

    return make_hidden(maker, &widths);
}

static int make_lenet5(struct maker *maker)
{
    for (size_t i = 0; i < sizeof LENET5 / sizeof LENET5[0]; i++)
        if (make_row(maker, &LENET5[i]))
            return -1;
    return 0;
}

static const struct {
    const char *name;
    int (*make)(struct maker *maker);
} MODELS[] = {
    {"mlp", make_mlp},
    {"lenet-300-100", make_lenet_300_100},
    {"lenet5", make_lenet5},
};

int make_plain(struct maker *maker, const char *model, bool *ret_found)
{
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++)
        if (strcmp(MODELS[i].name, model) == 0) {
            *ret_found = true;
            return MODELS[i].make(maker);
        }
    return 0;
}
