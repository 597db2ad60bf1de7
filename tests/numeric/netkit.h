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

enum { NETKIT_MAX = 24 };

struct netkit {
    struct arch arch;
    struct layer layers[NETKIT_MAX];
    struct tensor tensors[NETKIT_MAX];
    struct shape at; /* output of the last layer */
    int conv_count, fc_count;
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

    *layer = (struct layer){.kind = kind,
                            .input = kit->arch.layer_count - 2,
                            .other = LAYER_EXAMPLE,
                            .in = kit->at,
                            .out = out,
                            .weight = -1,
                            .bias = -1,
                            .mean = -1,
                            .var = -1};
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

static inline void netkit_conv(struct netkit *kit, int O, int k, int stride, int pad)
{
    struct layer *layer =
        netkit_add(kit, LAYER_CONV, netkit_slide(kit->at, O, k, stride, pad));
    const int dim[4] = {O, layer->in.C, k, k};

    snprintf(layer->name, sizeof layer->name, "conv%d", ++kit->conv_count);
    layer->kernel = k;
    layer->stride = stride;
    layer->pad = pad;
    layer->weight = netkit_tensor(kit, "conv", kit->conv_count, 4, dim);
    layer->bias = netkit_tensor(kit, "conv", kit->conv_count, 1, dim);
}

static inline void netkit_pool(struct netkit *kit, int k, int stride, int pad)
{
    struct layer *layer =
        netkit_add(kit, LAYER_MAXPOOL, netkit_slide(kit->at, kit->at.C, k, stride, pad));
    layer->kernel = k;
    layer->stride = stride;
    layer->pad = pad;
}

static inline void netkit_relu(struct netkit *kit)
{
    netkit_add(kit, LAYER_ACT, kit->at);
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

#endif
