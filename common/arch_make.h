#ifndef COORD_ARCH_MAKE_H
#define COORD_ARCH_MAKE_H

/* How the families of networks (arch_plain.c, arch_vgg.c, arch_resnet.c) put an arch
 * together: one call per layer, each reading what the call before made, unless `at`
 * is set in between. What the options say about norms, activations and dropout is
 * done here: where nothing is asked for, a call adds nothing. Private to
 * common/arch*.c.
 *
 * All return 0, or -1 with ERR_INVALID (a window that does not fit, too many
 * layers or parameters, groups that do not divide) or ERR_NO_MEMORY.
 */

#include "common/arch.h"

struct maker {
    const struct spec *spec;
    struct arch *arch;
    struct error *err;
    int at;         /* whose output comes next; LAYER_EXAMPLE before the first */
    char scope[40]; /* put before every name: "layer1.0." */
    char block[48]; /* block of what comes next; empty: the unit's name */
    char unit[48];  /* the last layer with weights: a norm that follows is its */
    const char *norm;
    const char *activation;
    int norm_groups;
    double dropout;
    int layer_room, tensor_room;
};

int make_dense(struct maker *maker, const char *name, int units);

/* Square; without a bias where model.norm is anything but none. */
int make_conv(struct maker *maker, const char *name, int units, int kernel, int stride,
              int pad);

/* LAYER_MAXPOOL or LAYER_AVGPOOL. */
int make_pool(struct maker *maker, enum layer_kind kind, const char *name, int kernel,
              int stride, int pad);

/* Average pooling to 1x1. */
int make_global_pool(struct maker *maker, const char *name);

/* What model.norm asks for: nothing with none and fixup. */
int make_norm(struct maker *maker, const char *name);

/* What model.activation asks for. The name is its own; or NULL: that of the function
 * with a number, "relu1". */
int make_act(struct maker *maker, const char *name, int number);

/* Nothing where model.dropout is 0. */
int make_dropout(struct maker *maker, const char *name);

int make_flatten(struct maker *maker, const char *name);
int make_add(struct maker *maker, const char *name, int a, int b);

/* The shortcut without parameters. */
int make_subsample(struct maker *maker, const char *name, int channels, int stride);

/* A number added to, or multiplied with, everything: part of the unit of that name.
 * Nothing where model.norm is not fixup. */
int make_shift(struct maker *maker, const char *name, const char *unit);
int make_scale(struct maker *maker, const char *name, const char *unit);

/* After the last layer: the running statistics of all batch norms. */
int make_statistics(struct maker *maker);

/* model.width times a base, as a number of channels. */
int make_width(struct maker *maker, int base, int *ret);

/* One row of a family's table: whether it is the model of this name, and if so the
 * making of it. */
typedef int (*make_fn)(struct maker *maker, const char *model, bool *ret_found);

int make_plain(struct maker *maker, const char *model, bool *ret_found);
int make_vgg(struct maker *maker, const char *model, bool *ret_found);
int make_resnet(struct maker *maker, const char *model, bool *ret_found);

#endif
