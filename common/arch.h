#ifndef COORD_ARCH_H
#define COORD_ARCH_H

/* A network as data: the list of its layers and of its tensors, built from a
 * spec. It knows shapes, PyTorch's names and the groups that layer-wise probes
 * vary, and does no arithmetic: the coordinator checks groups and counts points
 * with it, the engine executes it, checkpoints are written by it.
 *
 * All tensors lie in one flat vector of state_count reals, one after another in
 * the order of `tensors`; tensors[i].offset is where each begins. The first
 * param_count of them are what an optimizer changes; the running statistics of
 * batch norms follow. A norm's num_batches_tracked is not in the vector: it is the
 * number of steps (worker/ckpt/ckpt.h).
 *
 * Names are torchvision's (ResNets of every size: conv1, bn1, layerS.B.conv1, ...,
 * downsample.0 and .1, fc; VGG: features.N), or fcN, convN and bnN. After a VGG's
 * features, averaged to 1x1 where they end larger, comes one dense layer,
 * classifier.0. Whatever its kind, a norm has the name of a batch norm. Fixup's
 * numbers are called as in its authors' code: bias1, layerS.B.bias1a, layerS.B.scale.
 */

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct spec;

struct shape {
    int C, H, W; /* channels, height, width; a vector is (n,1,1) */
};

enum layer_kind {
    LAYER_DENSE,
    LAYER_CONV,
    LAYER_MAXPOOL,  /* whole windows; the border is never the largest */
    LAYER_AVGPOOL,  /* whole windows; the border counts as zeros */
    LAYER_ADAPTIVE, /* average pooling to the shape out, PyTorch's windows:
                       floor(i * H / OH) up to ceil((i + 1) * H / OH) */
    LAYER_NORM,
    LAYER_ACT,
    LAYER_ADD,       /* in + other */
    LAYER_SUBSAMPLE, /* every stride-th pixel, and zero channels, as many before as
                        after: the shortcut without parameters */
    LAYER_DROPOUT,
    LAYER_SHIFT, /* + bias, one number (fixup) */
    LAYER_SCALE, /* * weight, one number (fixup) */
    LAYER_FLATTEN,
};

enum act_kind { ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_GELU /* with erf */ };

/* Batch norm as PyTorch's: the batch's biased variance to normalise in training,
 * running statistics (of the unbiased one) otherwise. Group norm with one group is
 * layer norm over (C,H,W), with a weight and a bias for every channel. */
enum norm_kind { NORM_BATCH, NORM_GROUP };

#define NORM_EPS      1e-5 /* under the root, both kinds */
#define NORM_MOMENTUM 0.1  /* share of the new value in a running statistic */

/* The example as a layer's input. */
enum { LAYER_EXAMPLE = -1 };

/* Layer i reads the outputs of layers before it. */
struct layer {
    enum layer_kind kind;
    char name[48]; /* "conv1", "fc2", "relu3", "layer1.0.bn2" */
    int input;     /* whose output it reads, or LAYER_EXAMPLE */
    int other;     /* LAYER_ADD: the second such; else LAYER_EXAMPLE */
    struct shape in, out;
    int kernel, stride, pad; /* conv and pools; stride of LAYER_SUBSAMPLE */
    enum act_kind act;       /* LAYER_ACT */
    enum norm_kind norm;     /* LAYER_NORM */
    int norm_groups;         /* NORM_GROUP: divides in.C */
    double dropout;          /* LAYER_DROPOUT: share of units dropped */
    int weight, bias;        /* indices into tensors; -1: none */
    int mean, var;           /* batch norm: its running statistics; else -1 */
};

enum tensor_class {
    TENSOR_WEIGHT,      /* of dense layers and convolutions */
    TENSOR_BIAS,        /* of the same, and of LAYER_SHIFT */
    TENSOR_NORM_WEIGHT, /* gamma, and of LAYER_SCALE */
    TENSOR_NORM_BIAS,   /* beta */
    TENSOR_MEAN,        /* running statistics: not parameters */
    TENSOR_VAR,
};

/* A tensor has three names by which a probe can vary it: that of its own layer,
 * that of its unit (a convolution or dense layer together with the norm that follows
 * it, or fixup's numbers around it, called as that layer) and that of its block
 * ("stem", "B1" .. "B4", "fc"; of a VGG "B1" .. "B5", "fc"; the unit's where a network
 * has no blocks). A shortcut is of its block. */
struct tensor {
    char name[64]; /* "layer1.0.bn1.weight" */
    char layer[48];
    char unit[48];
    char block[48];
    enum tensor_class class;
    int rank;   /* 1..4 */
    int dim[4]; /* weight of conv (O,I,KH,KW), of dense (O,I); else (n) */
    size_t offset, count;
};

/* Deepest supported network; the table of a ResNet-1202 would not fit, and
 * nobody sweeps one on CPUs. */
enum { ARCH_LAYERS_MAX = 1024, ARCH_TENSORS_MAX = 2048 };

/* A state must fit in one artifact of 1 GiB (proto/limits.h), four bytes each. */
enum { ARCH_STATE_MAX = 260000000 };

struct arch {
    struct shape input;
    int classes;
    struct layer *layers;
    int layer_count;
    struct tensor *tensors; /* parameters first, then running statistics; each in the
                               order of layers, which is that of PyTorch's state_dict
                               (but for fixup's numbers) */
    int tensor_count;
    int param_tensors;  /* how many of them are parameters */
    size_t param_count; /* reals of the parameters, which come first */
    size_t state_count; /* of all tensors */
};

/* Build the network that a train spec describes (model.*, data.name, data.classes). The
 * caller frees it. NULL with ERR_INVALID (a size too small for the kernels),
 * ERR_NO_MEMORY. */
struct arch *arch_build(const struct spec *spec, struct error *err);
void arch_free(struct arch **arch);

/* Check what a train spec's options of model, init and batch say together, for so many
 * training examples; among other things that no step has batch norms normalise a
 * single value. ret_name gets the offending option's name. ERR_INVALID. */
int arch_check_options(const struct spec *spec, int64_t examples, const char **ret_name,
                       struct error *err);

/* Groups of tensors are written as expressions: terms joined by '+', which have no
 * tensor in common.
 *
 *     all                every tensor
 *     layer2.0.conv1     a unit: the convolution (or dense layer) and its norm
 *     layer2.0.bn1       a layer: the norm alone
 *     B2                 a block
 *     B2:weights         of these, weights of convolutions and dense layers; biases:
 *                        their biases, and numbers that are added; norms: weights and
 *                        biases of norms, and numbers that are multiplied
 *     weights            the same as all:weights
 *
 * Running statistics belong to their norm: they are in a group without a class, and
 * in norms. */

/* The groups that "layers" stands for (every unit), and "blocks" (every block), in
 * network order. Returns how many; names are borrowed from arch; at most max are
 * written. */
int arch_groups(const struct arch *arch, const char **names, int max);
int arch_blocks(const struct arch *arch, const char **names, int max);

/* Whether tensor t belongs to a group expression. */
bool arch_in_group(const struct arch *arch, int t, const char *group);

/* Check a group expression: every name exists (the error gives the nearest), every
 * term has tensors, none has another's. */
int arch_check_group(const struct arch *arch, const char *group, struct error *err);

/* Append a group expression with its terms in network order: "fc2+conv1" ->
 * "conv1+fc2", "weights" -> "all:weights". It must have been checked. */
void arch_put_group(const struct arch *arch, const char *group, struct buf *out);

/* Order of checked group expressions: by the first tensor that only one of them has;
 * it comes first, so "all" does. < 0, > 0 like strcmp; 0 when both have the same
 * tensors. */
int arch_compare_groups(const struct arch *arch, const char *a, const char *b);

/* Whether a state of network `from` can be the start of `to`: the same tensors, but
 * for the last dense layer, which is drawn anew where the classes differ. 1 when all
 * tensors fit, 0 when the head does not; -1 with ERR_INVALID naming the tensor. */
int arch_fit(const struct arch *from, const struct arch *to, struct error *err);

/* The tensor of a name, or NULL. */
const struct tensor *arch_tensor(const struct arch *arch, const char *name);

/* Whether tensor t belongs to the last dense layer. */
bool arch_in_head(const struct arch *arch, int t);

/* Whether the network has normalisation layers with running statistics. */
bool arch_has_norm(const struct arch *arch);

/* Multiply-adds of one example's forward pass. */
double arch_macs(const struct arch *arch);

#endif
