#ifndef COORD_NETKIT_H
#define COORD_NETKIT_H

/* Networks laid out by hand, layer after layer, for tests and benchmarks of the
 * engine: small or odd ones that no spec describes.
 *
 *     struct netkit kit;
 *     netkit_start(&kit, (struct shape){1, 8, 8});
 *     netkit_conv(&kit, 3, 3, 1, 1);
 *     netkit_relu(&kit);
 *     ...
 *     net_new(&kit.arch, ...)
 */

#include "common/arch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NETKIT_MAX = 64 };

struct netkit {
    struct arch arch;
    struct layer layers[NETKIT_MAX];
    struct tensor tensors[NETKIT_MAX];
    struct shape at; /* output of the last layer */
    int conv_count, fc_count, norm_count;
    int next_input; /* of the next layer, if moved */
    bool moved;
};

static inline void netkit_start(struct netkit *kit, struct shape input)
{
    memset(kit, 0, sizeof *kit);
    kit->arch.input = kit->at = input;
    kit->arch.layers = kit->layers;
    kit->arch.tensors = kit->tensors;
}

static inline struct layer *netkit_add(struct netkit *kit, enum layer_kind kind,
                                       struct shape out)
{
    assert(kit->arch.layer_count < NETKIT_MAX);
    struct layer *layer = &kit->layers[kit->arch.layer_count++];

    *layer =
        (struct layer){.kind = kind,
                       .input = kit->moved ? kit->next_input : kit->arch.layer_count - 2,
                       .other = LAYER_EXAMPLE,
                       .in = kit->at,
                       .out = out,
                       .weight = -1,
                       .bias = -1,
                       .mean = -1,
                       .var = -1};
    kit->moved = false;
    kit->at = out;
    kit->arch.classes = out.C;
    return layer;
}

/* "conv" and 1 name the layer. dim: four sizes, of which the first rank count. */
static inline int netkit_tensor(struct netkit *kit, const char *layer, int number,
                                int rank, const int *dim)
{
    struct arch *arch = &kit->arch;
    assert(arch->tensor_count < NETKIT_MAX);
    struct tensor *tensor = &kit->tensors[arch->tensor_count];

    snprintf(tensor->name, sizeof tensor->name, "%s%d.%s", layer, number,
             rank == 1 ? "bias" : "weight");
    snprintf(tensor->unit, sizeof tensor->unit, "%s%d", layer, number);
    tensor->class = rank == 1 ? TENSOR_BIAS : TENSOR_WEIGHT;
    tensor->rank = rank;
    tensor->count = 1;
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

static inline struct shape netkit_slide(struct shape in, int C, int k, int stride,
                                        int pad)
{
    return (struct shape){C, (in.H + 2 * pad - k) / stride + 1,
                          (in.W + 2 * pad - k) / stride + 1};
}

static inline struct layer *netkit_bare_conv(struct netkit *kit, int O, int k, int stride,
                                             int pad)
{
    struct layer *layer =
        netkit_add(kit, LAYER_CONV, netkit_slide(kit->at, O, k, stride, pad));
    const int dim[4] = {O, layer->in.C, k, k};

    snprintf(layer->name, sizeof layer->name, "conv%d", ++kit->conv_count);
    layer->kernel = k;
    layer->stride = stride;
    layer->pad = pad;
    layer->weight = netkit_tensor(kit, "conv", kit->conv_count, 4, dim);
    return layer;
}

static inline void netkit_conv(struct netkit *kit, int O, int k, int stride, int pad)
{
    netkit_bare_conv(kit, O, k, stride, pad)->bias =
        netkit_tensor(kit, "conv", kit->conv_count, 1, &O);
}

static inline void netkit_pool(struct netkit *kit, int k, int stride, int pad)
{
    struct layer *layer =
        netkit_add(kit, LAYER_MAXPOOL, netkit_slide(kit->at, kit->at.C, k, stride, pad));
    layer->kernel = k;
    layer->stride = stride;
    layer->pad = pad;
}

static inline void netkit_act(struct netkit *kit, enum act_kind act)
{
    netkit_add(kit, LAYER_ACT, kit->at)->act = act;
}

static inline void netkit_relu(struct netkit *kit)
{
    netkit_act(kit, ACT_RELU);
}

static inline void netkit_avgpool(struct netkit *kit, int k, int stride, int pad)
{
    netkit_pool(kit, k, stride, pad);
    kit->layers[kit->arch.layer_count - 1].kind = LAYER_AVGPOOL;
}

static inline void netkit_adaptive(struct netkit *kit, int H, int W)
{
    netkit_add(kit, LAYER_ADAPTIVE, (struct shape){kit->at.C, H, W});
}

static inline void netkit_dropout(struct netkit *kit, double share)
{
    netkit_add(kit, LAYER_DROPOUT, kit->at)->dropout = share;
}

/* groups: 0 for batch norm, whose running statistics netkit_end lays out. */
static inline void netkit_norm(struct netkit *kit, int groups)
{
    struct layer *layer = netkit_add(kit, LAYER_NORM, kit->at);

    snprintf(layer->name, sizeof layer->name, "bn%d", ++kit->norm_count);
    layer->norm = groups > 0 ? NORM_GROUP : NORM_BATCH;
    layer->norm_groups = groups;
    layer->weight = netkit_tensor(kit, "norm", kit->norm_count, 1, &layer->in.C);
    layer->bias = netkit_tensor(kit, "norm", kit->norm_count, 1, &layer->in.C);
}

static inline void netkit_shift(struct netkit *kit)
{
    netkit_add(kit, LAYER_SHIFT, kit->at)->bias =
        netkit_tensor(kit, "shift", 0, 1, (const int[]){1});
}

static inline void netkit_scale(struct netkit *kit)
{
    netkit_add(kit, LAYER_SCALE, kit->at)->weight =
        netkit_tensor(kit, "scale", 0, 1, (const int[]){1});
}

/* The number of the last layer, to come back to. */
static inline int netkit_here(const struct netkit *kit)
{
    return kit->arch.layer_count - 1;
}

/* Let the next layer read the output of an earlier one. */
static inline void netkit_from(struct netkit *kit, int layer)
{
    kit->next_input = layer;
    kit->moved = true;
    kit->at = layer < 0 ? kit->arch.input : kit->layers[layer].out;
}

static inline void netkit_subsample(struct netkit *kit, int channels, int stride)
{
    netkit_add(kit, LAYER_SUBSAMPLE,
               (struct shape){channels, (kit->at.H - 1) / stride + 1,
                              (kit->at.W - 1) / stride + 1})
        ->stride = stride;
}

/* The last layer's output plus that of layer other. */
static inline void netkit_plus(struct netkit *kit, int other)
{
    netkit_add(kit, LAYER_ADD, kit->at)->other = other;
}

/* Lay the running statistics behind the parameters. */
static inline void netkit_end(struct netkit *kit)
{
    const size_t params = kit->arch.param_count;
    const int param_tensors = kit->arch.param_tensors;

    for (int i = 0; i < kit->arch.layer_count; i++) {
        struct layer *layer = &kit->layers[i];
        if (layer->kind != LAYER_NORM || layer->norm != NORM_BATCH)
            continue;
        layer->mean = netkit_tensor(kit, "mean", i, 1, &layer->in.C);
        layer->var = netkit_tensor(kit, "var", i, 1, &layer->in.C);
        kit->tensors[layer->mean].class = TENSOR_MEAN;
        kit->tensors[layer->var].class = TENSOR_VAR;
    }
    kit->arch.param_count = params;
    kit->arch.param_tensors = param_tensors;
}

static inline void netkit_flatten(struct netkit *kit)
{
    netkit_add(kit, LAYER_FLATTEN,
               (struct shape){kit->at.C * kit->at.H * kit->at.W, 1, 1});
}

static inline void netkit_dense(struct netkit *kit, int O)
{
    struct layer *layer = netkit_add(kit, LAYER_DENSE, (struct shape){O, 1, 1});
    const int dim[2] = {O, layer->in.C};

    snprintf(layer->name, sizeof layer->name, "fc%d", ++kit->fc_count);
    layer->weight = netkit_tensor(kit, "fc", kit->fc_count, 2, dim);
    layer->bias = netkit_tensor(kit, "fc", kit->fc_count, 1, dim);
}

/* widths: hidden layers and classes, ended by 0. */
static inline void netkit_mlp(struct netkit *kit, struct shape input, const int *widths)
{
    netkit_start(kit, input);
    netkit_flatten(kit);
    for (int i = 0; widths[i] > 0; i++) {
        netkit_dense(kit, widths[i]);
        if (widths[i + 1] > 0)
            netkit_relu(kit);
    }
}

/* LeNet-5's shape with any widths: 6, 16, 120, 84 for the real one. */
static inline void netkit_lenet(struct netkit *kit, struct shape input,
                                const int widths[4], int classes)
{
    netkit_start(kit, input);
    netkit_conv(kit, widths[0], 5, 1, 2);
    netkit_relu(kit);
    netkit_pool(kit, 2, 2, 0);
    netkit_conv(kit, widths[1], 5, 1, 0);
    netkit_relu(kit);
    netkit_pool(kit, 2, 2, 0);
    netkit_flatten(kit);
    netkit_dense(kit, widths[2]);
    netkit_relu(kit);
    netkit_dense(kit, widths[3]);
    netkit_relu(kit);
    netkit_dense(kit, classes);
}

/* ---- whole networks with shortcuts ------------------------------------------- */

/* Without a bias, which a norm would take away again. */
static inline void netkit_conv_norm(struct netkit *kit, int O, int k, int stride, int pad,
                                    int groups)
{
    netkit_bare_conv(kit, O, k, stride, pad);
    netkit_norm(kit, groups);
}

/* What a residual block does before its sum. */
static inline void netkit_branch(struct netkit *kit, int O, int stride, int groups)
{
    netkit_conv_norm(kit, O, 3, stride, 1, groups);
    netkit_relu(kit);
    netkit_conv_norm(kit, O, 3, 1, 1, groups);
}

/* A stem and three blocks: identity, a convolution as shortcut (its norm after the
 * branch's), and the shortcut without parameters. groups: 0 for batch norm. */
static inline void netkit_residual(struct netkit *kit, struct shape input, int groups,
                                   int classes)
{
    int in, branch, shortcut;

    netkit_start(kit, input);
    netkit_conv_norm(kit, 4, 3, 1, 1, groups);
    netkit_relu(kit);
    in = netkit_here(kit);
    netkit_branch(kit, 4, 1, groups);
    netkit_plus(kit, in);
    netkit_relu(kit);
    in = netkit_here(kit);
    netkit_branch(kit, 6, 2, groups);
    branch = netkit_here(kit);
    netkit_from(kit, in);
    netkit_conv_norm(kit, 6, 1, 2, 0, groups);
    netkit_plus(kit, branch);
    netkit_relu(kit);
    in = netkit_here(kit);
    netkit_branch(kit, 8, 2, groups);
    branch = netkit_here(kit);
    netkit_from(kit, in);
    netkit_subsample(kit, 8, 2);
    shortcut = netkit_here(kit);
    netkit_from(kit, branch);
    netkit_plus(kit, shortcut); /* and no ReLU */
    netkit_adaptive(kit, 1, 1);
    netkit_flatten(kit);
    netkit_dense(kit, classes);
    netkit_end(kit);
}

/* Two blocks without norms, with fixup's numbers. */
static inline void netkit_fixup(struct netkit *kit, struct shape input, int classes)
{
    netkit_start(kit, input);
    netkit_conv(kit, 4, 3, 1, 1);
    netkit_shift(kit);
    netkit_relu(kit);
    for (int block = 0; block < 2; block++) {
        const int in = netkit_here(kit);
        netkit_shift(kit);
        netkit_conv(kit, 4, 3, 1, 1);
        netkit_shift(kit);
        netkit_relu(kit);
        netkit_shift(kit);
        netkit_conv(kit, 4, 3, 1, 1);
        netkit_scale(kit);
        netkit_shift(kit);
        netkit_plus(kit, in);
        netkit_relu(kit);
    }
    netkit_avgpool(kit, 2, 2, 0);
    netkit_flatten(kit);
    netkit_shift(kit);
    netkit_dense(kit, classes);
    netkit_end(kit);
}

/* One value that layers of every kind read, and all of them summed up: also a value
 * added to itself, and a norm whose input is its shortcut. */
static inline void netkit_fan_out(struct netkit *kit, struct shape input, int classes)
{
    int from, sum;

    netkit_start(kit, input);
    netkit_conv(kit, 4, 3, 1, 1);
    from = sum = netkit_here(kit);
    for (int i = 0; i < 9; i++) {
        netkit_from(kit, from);
        switch (i) {
        case 0:
            netkit_act(kit, ACT_TANH);
            break;
        case 1:
            netkit_pool(kit, 3, 1, 1);
            break;
        case 2:
            netkit_norm(kit, 0);
            break;
        case 3:
            netkit_norm(kit, 2);
            netkit_plus(kit, from);
            break;
        case 4:
            netkit_avgpool(kit, 3, 1, 1);
            break;
        case 5:
            netkit_dropout(kit, 0.4);
            break;
        case 6:
            netkit_scale(kit);
            break;
        case 7:
            netkit_subsample(kit, 4, 1);
            netkit_shift(kit);
            break;
        default:
            netkit_plus(kit, from);
            break;
        }
        netkit_plus(kit, sum);
        sum = netkit_here(kit);
    }
    netkit_flatten(kit);
    netkit_dense(kit, 6);
    from = netkit_here(kit);
    netkit_dense(kit, 6);
    netkit_act(kit, ACT_GELU);
    netkit_plus(kit, from);
    netkit_dense(kit, classes);
    netkit_end(kit);
}

#endif
