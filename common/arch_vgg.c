#include "common/arch_make.h"

#include <stdio.h>
#include <string.h>

/* Simonyan and Zisserman 2015, with torchvision's names (vgg11, vgg11_bn, ...): the
 * N of features.N counts every layer. After the features one dense layer,
 * classifier.0, as is usual for small images. */

enum { STAGES = 5 };

static const int CHANNELS[STAGES] = {64, 128, 256, 512, 512};

static const struct row {
    const char *name;
    int convs[STAGES]; /* 3x3 convolutions before each pooling */
} ROWS[] = {
    {"vgg11", {1, 1, 2, 2, 2}},
    {"vgg13", {2, 2, 2, 2, 2}},
    {"vgg16", {2, 2, 3, 3, 3}},
    {"vgg19", {2, 2, 4, 4, 4}},
};

/* The next "features.N": N is how many layers there are. */
static const char *feature(const struct maker *maker, char text[24])
{
    snprintf(text, 24, "features.%d", maker->arch->layer_count);
    return text;
}

static int make_stage(struct maker *maker, int convs, int channels)
{
    char name[24];

    for (int i = 0; i < convs; i++)
        if (make_conv(maker, feature(maker, name), channels, 3, 1, 1) ||
            make_norm(maker, feature(maker, name)) ||
            make_act(maker, feature(maker, name), 0))
            return -1;
    return make_pool(maker, LAYER_MAXPOOL, feature(maker, name), 2, 2, 0);
}

static int make_head(struct maker *maker)
{
    struct shape end = maker->arch->layers[maker->at].out;

    snprintf(maker->block, sizeof maker->block, "fc");
    if ((end.H > 1 || end.W > 1) && make_global_pool(maker, "avgpool"))
        return -1;
    return make_flatten(maker, "flatten") || make_dropout(maker, "dropout") ||
                   make_dense(maker, "classifier.0", maker->arch->classes)
               ? -1
               : 0;
}

static int make_row(struct maker *maker, const struct row *row)
{
    for (int s = 0; s < STAGES; s++) {
        int channels;
        snprintf(maker->block, sizeof maker->block, "B%d", s + 1);
        if (make_width(maker, CHANNELS[s], &channels) ||
            make_stage(maker, row->convs[s], channels))
            return -1;
    }
    return make_head(maker);
}

int make_vgg(struct maker *maker, const char *model, bool *ret_found)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (strcmp(ROWS[i].name, model) == 0) {
            *ret_found = true;
            return make_row(maker, &ROWS[i]);
        }
    return 0;
}
