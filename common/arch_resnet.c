#include "common/arch_make.h"

#include "common/error.h"
#include "common/spec.h"

#include <stdio.h>
#include <string.h>

/* He et al. 2016, with torchvision's names. resnet18 to 50 are torchvision's (the
 * bottleneck's stride is that of its 3x3, "v1.5"); resnet{6n+2} are the three-stage
 * networks for CIFAR. With fixup, what Zhang, Dauphin and Ma 2019 (arXiv 1901.09321)
 * put in the place of norms: a number added before every convolution, activation and
 * dense layer, and one multiplied at the end of every branch. */

enum { STAGES_MAX = 4, EXPANSION = 4 /* of a bottleneck's output */ };

static const struct row {
    const char *name;
    bool bottleneck;
    int blocks[STAGES_MAX];
    int base; /* channels of the first stage with model.width 1 */
} ROWS[] = {
    {"resnet18", false, {2, 2, 2, 2}, 64}, {"resnet34", false, {3, 4, 6, 3}, 64},
    {"resnet50", true, {3, 4, 6, 3}, 64},  {"resnet20", false, {3, 3, 3}, 1},
    {"resnet32", false, {5, 5, 5}, 1},     {"resnet44", false, {7, 7, 7}, 1},
    {"resnet56", false, {9, 9, 9}, 1},     {"resnet110", false, {18, 18, 18}, 1},
};

/* The convolutions of a branch, and what its output has over its width. */
struct conv_row {
    int kernel;
    bool strided; /* has the block's stride */
    int times;    /* output channels over the stage's width */
};

enum { BRANCH_MAX = 3 };

struct branch {
    int count;
    struct conv_row convs[BRANCH_MAX];
};

static const struct branch BASIC = {2, {{3, true, 1}, {3, false, 1}}};
static const struct branch BOTTLENECK = {
    3, {{1, false, 1}, {3, true, 1}, {1, false, EXPANSION}}};

struct block {
    const struct branch *branch;
    int width, stride;
    bool residual, pad; /* model.residual; model.shortcut is "pad" */
};

/* conv1 bn1 relu1 conv2 bn2: without the activation after the last. *ret_first is
 * what the first convolution reads. */
static int make_branch(struct maker *maker, const struct block *block, int *ret_first)
{
    const struct branch *branch = block->branch;

    for (int i = 0; i < branch->count; i++) {
        const struct conv_row *row = &branch->convs[i];
        char conv[16], name[16];
        bool last = i + 1 == branch->count;

        snprintf(conv, sizeof conv, "conv%d", i + 1);
        snprintf(name, sizeof name, "bias%da", i + 1);
        if (make_shift(maker, name, conv))
            return -1;
        if (i == 0)
            *ret_first = maker->at;
        if (make_conv(maker, conv, block->width * row->times, row->kernel,
                      row->strided ? block->stride : 1, row->kernel / 2))
            return -1;
        snprintf(name, sizeof name, "bn%d", i + 1);
        if (make_norm(maker, name) || (last && make_scale(maker, "scale", conv)))
            return -1;
        snprintf(name, sizeof name, "bias%db", i + 1);
        if (make_shift(maker, name, conv) || (!last && make_act(maker, NULL, i + 1)))
            return -1;
    }
    return 0;
}

/* What is added to the branch: the block's input, in the branch's shape. With fixup a
 * convolution here reads what the branch's first reads. */
static int make_shortcut(struct maker *maker, const struct block *block, int input,
                         int first)
{
    struct shape to = maker->arch->layers[maker->at].out;
    struct shape from = maker->arch->layers[input].out;

    maker->at = input;
    if (to.C == from.C && block->stride == 1)
        return 0;
    if (block->pad)
        return make_subsample(maker, "downsample", to.C, block->stride);
    maker->at = first;
    return make_conv(maker, "downsample.0", to.C, 1, block->stride, 0) ||
                   make_norm(maker, "downsample.1")
               ? -1
               : 0;
}

static int make_block(struct maker *maker, const struct block *block)
{
    int input = maker->at, first = input, out;

    if (make_branch(maker, block, &first))
        return -1;
    out = maker->at;
    if (block->residual && (make_shortcut(maker, block, input, first) ||
                            make_add(maker, "add", out, maker->at)))
        return -1;
    return make_act(maker, NULL, block->branch->count);
}

static int make_stage(struct maker *maker, const struct row *row, int stage, int width)
{
    const struct spec *spec = maker->spec;
    struct block block = {
        .branch = row->bottleneck ? &BOTTLENECK : &BASIC,
        .width = width << stage,
        .residual = spec_bool(spec, "model.residual"),
        .pad = strcmp(spec_string(spec, "model.shortcut"), "pad") == 0,
    };

    snprintf(maker->block, sizeof maker->block, "B%d", stage + 1);
    for (int i = 0; i < row->blocks[stage]; i++) {
        snprintf(maker->scope, sizeof maker->scope, "layer%d.%d.", stage + 1, i);
        block.stride = stage > 0 && i == 0 ? 2 : 1;
        if (make_block(maker, &block))
            return -1;
    }
    return 0;
}

static int make_stem(struct maker *maker, int width)
{
    bool big = strcmp(spec_string(maker->spec, "model.stem"), "imagenet") == 0;

    snprintf(maker->block, sizeof maker->block, "stem");
    if (make_conv(maker, "conv1", width, big ? 7 : 3, big ? 2 : 1, big ? 3 : 1) ||
        make_norm(maker, "bn1") || make_shift(maker, "bias1", "conv1") ||
        make_act(maker, NULL, 1))
        return -1;
    return big ? make_pool(maker, LAYER_MAXPOOL, "maxpool", 3, 2, 1) : 0;
}

static int make_head(struct maker *maker)
{
    maker->scope[0] = '\0';
    snprintf(maker->block, sizeof maker->block, "fc");
    return make_global_pool(maker, "avgpool") || make_flatten(maker, "flatten") ||
                   make_dropout(maker, "dropout") || make_shift(maker, "bias2", "fc") ||
                   make_dense(maker, "fc", maker->arch->classes)
               ? -1
               : 0;
}

static int make_row(struct maker *maker, const struct row *row)
{
    int width;

    if (make_width(maker, row->base, &width) || make_stem(maker, width))
        return -1;
    for (int s = 0; s < STAGES_MAX && row->blocks[s] > 0; s++)
        if (make_stage(maker, row, s, width))
            return -1;
    return make_head(maker);
}

int make_resnet(struct maker *maker, const char *model, bool *ret_found)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (strcmp(ROWS[i].name, model) == 0) {
            *ret_found = true;
            return make_row(maker, &ROWS[i]);
        }
    return 0;
}
