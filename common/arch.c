#include "common/arch.h"

#include "common/arch_make.h"
#include "common/datasets.h"
#include "common/error.h"
#include "common/spec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const make_fn FAMILIES[] = {make_plain, make_vgg, make_resnet};

static int make_layers(struct maker *maker)
{
    const char *model = spec_string(maker->spec, "model.name");
    bool found = false;

    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0] && !found; i++)
        if (FAMILIES[i](maker, model, &found))
            return -1;
    assert(found); /* the table of options names no other */
    return 0;
}

struct arch *arch_build(const struct spec *spec, struct error *err)
{
    struct arch *arch = calloc(1, sizeof *arch);
    struct maker maker = {
        .spec = spec,
        .arch = arch,
        .err = err,
        .at = LAYER_EXAMPLE,
        .norm = spec_string(spec, "model.norm"),
        .activation = spec_string(spec, "model.activation"),
        .norm_groups = (int)spec_int(spec, "model.norm_groups"),
        .dropout = spec_real(spec, "model.dropout"),
    };

    if (!arch) {
        err_set(err, ERR_NO_MEMORY, "no memory for a network");
        return NULL;
    }
    arch->input = spec_shape(spec);
    arch->classes = spec_classes(spec);
    if (make_layers(&maker) || make_statistics(&maker)) {
        err_prefix(err, "model \"%s\" on data \"%s\"", spec_string(spec, "model.name"),
                   spec_string(spec, "data.name"));
        arch_free(&arch);
    }
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
    return arch->param_tensors < arch->tensor_count;
}

static double count_of(struct shape shape)
{
    return (double)shape.C * shape.H * shape.W;
}

double arch_macs(const struct arch *arch)
{
    double macs = 0;

    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *layer = &arch->layers[i];
        if (layer->weight < 0)
            continue;
        if (layer->kind == LAYER_NORM || layer->kind == LAYER_SCALE)
            macs += count_of(layer->out);
        else
            macs += (double)layer->out.H * layer->out.W *
                    (double)arch->tensors[layer->weight].count;
    }
    return macs;
}
