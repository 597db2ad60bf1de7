#include "common/arch.h"

#include "common/error.h"
#include "common/spec.h"

#include <math.h>
#include <string.h>

static bool is_norm(const struct spec *spec, const char *norm)
{
    return strcmp(spec_string(spec, "model.norm"), norm) == 0;
}

static bool is_resnet(const struct spec *spec)
{
    return opt_applies(opt_find(JOB_TRAIN, "model.residual"), spec);
}

static int check_norm(const struct spec *spec, const char **ret_name, struct error *err)
{
    bool residual = spec_bool(spec, "model.residual");

    *ret_name = "model.norm";
    if (is_norm(spec, "fixup") && !is_resnet(spec))
        return err_set(err, ERR_INVALID, "\"fixup\" applies only to resnets");
    if (is_norm(spec, "fixup") && !residual)
        return err_set(err, ERR_INVALID,
                       "\"fixup\" applies only where model.residual is"
                       " true");
    *ret_name = "init.zero_gamma";
    if (!spec_bool(spec, "init.zero_gamma"))
        return 0;
    if (is_norm(spec, "none") || is_norm(spec, "fixup"))
        return err_set(err, ERR_INVALID,
                       "applies only where model.norm is batch or group"
                       " or layer");
    if (!residual)
        return err_set(err, ERR_INVALID, "applies only where model.residual is true");
    return 0;
}

/* Where the default is a factor, all stages are multiples of 64 channels; else it is
 * the first stage's channels. */
static int check_width(const struct spec *spec, const char **ret_name, struct error *err)
{
    const struct opt *opt = opt_find(JOB_TRAIN, "model.width");
    double base = strcmp(opt_fallback(opt, spec), "1.0") == 0 ? 64 : 1;
    double width = base * spec_real(spec, "model.width");

    *ret_name = opt->name;
    if (!opt_applies(opt, spec) ||
        (width >= 1 && fabs(width - round(width)) <= 1e-9 * width))
        return 0;
    return err_set(err, ERR_INVALID,
                   "makes %g channels of the first stage, expected an integer of at"
                   " least 1",
                   width);
}

/* The first batch norm that has one value of each channel and example; or NULL. */
static const struct layer *find_single(const struct arch *arch)
{
    for (int i = 0; i < arch->layer_count; i++) {
        const struct layer *layer = &arch->layers[i];
        if (layer->kind == LAYER_NORM && layer->norm == NORM_BATCH &&
            layer->in.H * layer->in.W == 1)
            return layer;
    }
    return NULL;
}

/* PyTorch refuses such a batch in the middle of training: "Expected more than 1 value
 * per channel". */
static int check_single(const struct spec *spec, int64_t batch, struct error *err)
{
    struct arch *arch = arch_build(spec, err);
    const struct layer *layer = arch ? find_single(arch) : NULL;
    int rc = arch ? 0 : -1;

    if (layer)
        rc = err_set(err, ERR_INVALID,
                     "the last of batches of %lld has one example, and layer %s one value"
                     " for each channel, which batch norm cannot normalise",
                     (long long)batch, layer->name);
    arch_free(&arch);
    return rc;
}

int arch_check_options(const struct spec *spec, int64_t examples, const char **ret_name,
                       struct error *err)
{
    int64_t batch = spec_int(spec, "optimizer.batch");
    int64_t last = examples % batch;

    if (check_norm(spec, ret_name, err) || check_width(spec, ret_name, err))
        return -1;
    *ret_name = "model.shortcut";
    if (spec_has(spec, "model.shortcut") && !spec_bool(spec, "model.residual"))
        return err_set(err, ERR_INVALID, "applies only where model.residual is true");
    *ret_name = "optimizer.batch";
    if (last == 0)
        last = batch;
    return is_norm(spec, "batch") && last == 1 ? check_single(spec, batch, err) : 0;
}
