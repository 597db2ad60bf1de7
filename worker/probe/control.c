#include "worker/probe/control.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/rng.h"
#include "worker/nn/init.h"
#include "worker/nn/permute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct control {
    struct endpoint *a;
    const struct endpoint *b;
    uint64_t seed; /* probe.start_seed */
};

/* What a new network has: it has seen no image. */
static void reset_statistics(const struct arch *arch, real *theta)
{
    for (int t = arch->param_tensors; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        for (size_t i = 0; i < tensor->count; i++)
            theta[tensor->offset + i] = tensor->class == TENSOR_VAR;
    }
}

static int make_zeros(const struct control *c, struct error *err)
{
    (void)err;
    memset(c->a->theta, 0, c->a->arch->param_count * sizeof *c->a->theta);
    reset_statistics(c->a->arch, c->a->theta);
    return 0;
}

static double norm_of(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* A tensor of zeros stays one. */
static void fill_noise(const struct control *c, int t, double *noise)
{
    const struct tensor *tensor = &c->a->arch->tensors[t];
    struct rng rng = rng_at(c->seed, RNG_NOISE, 0, (uint32_t)t);
    real *to = c->a->theta + tensor->offset;
    double length;

    for (size_t i = 0; i < tensor->count; i++)
        noise[i] = (double)to[i];
    length = norm_of(noise, tensor->count);
    for (size_t i = 0; i < tensor->count; i++)
        noise[i] = rng_normal(&rng);
    length /= norm_of(noise, tensor->count);
    for (size_t i = 0; i < tensor->count; i++)
        to[i] = (real)(length * noise[i]);
}

static int make_noise(const struct control *c, struct error *err)
{
    const struct arch *arch = c->a->arch;
    double *noise = malloc(arch->param_count * sizeof *noise);

    if (!noise)
        return err_set(err, ERR_NO_MEMORY, "no memory for noise");
    for (int t = 0; t < arch->param_tensors; t++)
        fill_noise(c, t, noise);
    reset_statistics(arch, c->a->theta);
    free(noise);
    return 0;
}

uint64_t control_seed(int64_t seed_init, int64_t start_seed)
{
    char text[80], hash[HASH_TEXT];
    int size = snprintf(text, sizeof text, "coord-start 1\n%lld\n%lld\n",
                        (long long)seed_init, (long long)start_seed);

    hash_bytes(text, (size_t)size, hash);
    hash[14] = '\0'; /* 56 bits */
    return strtoull(hash, NULL, 16) >> 3;
}

static int make_seed(const struct control *c, struct error *err)
{
    const uint64_t seed =
        control_seed(spec_int(&c->b->spec, "seed.init"), (int64_t)c->seed);
    const struct value value = value_int((int64_t)seed);
    struct spec spec;
    int rc;

    if (spec_copy(&c->b->spec, &spec, err))
        return -1;
    rc = spec_set(&spec, "seed.init", &value, err);
    if (rc == 0)
        rc = init_params(&spec, c->b->arch, c->a->theta, err);
    spec_free(&spec);
    return rc;
}

static int make_permuted(const struct control *c, struct error *err)
{
    return permute_units(c->b->arch, c->seed, c->b->theta, c->a->theta, err);
}

static const struct {
    const char *name;
    int (*make)(const struct control *control, struct error *err);
} CONTROLS[] = {
    {"zeros", make_zeros},
    {"noise", make_noise},
    {"seed", make_seed},
    {"permuted", make_permuted},
};

int control_apply(const struct spec *probe, struct endpoint *a, const struct endpoint *b,
                  struct error *err)
{
    const struct control control = {a, b, (uint64_t)spec_int(probe, "probe.start_seed")};
    const char *start = spec_string(probe, "probe.start");

    for (size_t i = 0; i < sizeof CONTROLS / sizeof CONTROLS[0]; i++)
        if (strcmp(CONTROLS[i].name, start) == 0)
            return CONTROLS[i].make(&control, err);
    return 0;
}
