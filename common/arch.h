#ifndef COORD_ARCH_H
#define COORD_ARCH_H

/* A network as data: the list of its layers and of its tensors, built from a
 * spec. It knows shapes, PyTorch's names and the groups that layer-wise probes
 * vary, and does no arithmetic: the coordinator checks groups and counts points
 * with it, the engine executes it, checkpoints are written by it.
 *
 * All parameters lie in one flat vector of param_count reals, tensor after
 * tensor in the order of `tensors` (which is PyTorch's state_dict order);
 * tensors[i].offset is where each begins.
 */

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct spec;

struct shape {
    int C, H, W; /* channels, height, width; a vector is (n,1,1) */
};

enum layer_kind { LAYER_DENSE, LAYER_CONV, LAYER_MAXPOOL, LAYER_RELU, LAYER_FLATTEN };

/* Layer i reads the output of layer i-1 (layer 0 reads the example). */
struct layer {
    enum layer_kind kind;
    char name[32]; /* "conv1", "fc2", "relu3", "pool1" */
    struct shape in, out;
    int kernel, stride, pad; /* conv and pool */
    int weight, bias;        /* indices into tensors; -1: none */
};

enum tensor_class { TENSOR_WEIGHT, TENSOR_BIAS };

struct tensor {
    char name[64];  /* "conv1.weight" */
    char group[32]; /* "conv1": what a layer-wise probe varies together */
    enum tensor_class class;
    int rank;   /* 1..4 */
    int dim[4]; /* weight of conv (O,I,KH,KW), of dense (O,I); bias (O) */
    size_t offset, count;
};

/* Deepest supported network; the table of a ResNet-1202 would not fit, and
 * nobody sweeps one on CPUs. */
enum { ARCH_LAYERS_MAX = 1024, ARCH_TENSORS_MAX = 1024 };

/* A state must fit in one artifact of 1 GiB (proto/limits.h), four bytes each. */
enum { ARCH_PARAMS_MAX = 260000000 };

struct arch {
    struct shape input;
    int classes;
    struct layer *layers;
    int layer_count;
    struct tensor *tensors;
    int tensor_count;
    size_t param_count;
};

/* Build the network that a train spec describes (model.*, data.name, data.classes). The
 * caller frees it. NULL with ERR_INVALID (a size too small for the kernels),
 * ERR_NO_MEMORY. */
struct arch *arch_build(const struct spec *spec, struct error *err);
void arch_free(struct arch **arch);

/* The groups of "layers" (every single layer with parameters; also "blocks" for
 * networks without blocks), in network order. Returns how many; names are
 * borrowed from arch; at most max are written. */
int arch_groups(const struct arch *arch, const char **names, int max);

/* Whether tensor t belongs to a group expression: "all", "conv1",
 * "conv1+fc2". */
bool arch_in_group(const struct arch *arch, int t, const char *group);

/* Check that every name in a group expression exists, once; the error names the
 * nearest. */
int arch_check_group(const struct arch *arch, const char *group, struct error *err);

/* Append a group expression with its names in network order: "fc2+conv1" ->
 * "conv1+fc2". The expression must have been checked. */
void arch_put_group(const struct arch *arch, const char *group, struct buf *out);

/* Order of checked group expressions: "all" first, then by first layer, then by
 * the layers that follow. < 0, 0, > 0 like strcmp. */
int arch_compare_groups(const struct arch *arch, const char *a, const char *b);

/* Whether the network has normalisation layers with running statistics. */
bool arch_has_norm(const struct arch *arch);

/* Multiply-adds of one example's forward pass. */
double arch_macs(const struct arch *arch);

#endif
