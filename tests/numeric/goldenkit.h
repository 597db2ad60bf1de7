#ifndef COORD_GOLDENKIT_H
#define COORD_GOLDENKIT_H

/* Golden files: what PyTorch computed, as safetensors, made by the scripts in
 * golden/. Every function asserts. */

#include "tests/numeric/numkit.h"
#include "common/arch.h"
#include "common/error.h"
#include "common/safetensors.h"

#include <stdio.h>
#include <string.h>

static inline struct st_file *golden_open(const char *name)
{
    const char *source = getenv("COORD_SOURCE");
    char path[4096];
    struct error err;

    snprintf(path, sizeof path, "%s/tests/numeric/golden/%s.safetensors",
             source ? source : ".", name);
    struct st_file *file = st_open(path, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static inline const struct st_tensor *golden_find(const struct st_file *file,
                                                  const char *name)
{
    const struct st_tensor *tensor = st_find(file, name);
    if (!tensor)
        fail_msg("no tensor %s", name);
    return tensor;
}

/* A flat vector from the tensors PREFIX.NAME of every tensor of the network. */
static inline real *golden_params(const struct st_file *file, const char *prefix,
                                  const struct arch *arch)
{
    real *theta = num_filled(arch->param_count, NAN);

    for (int i = 0; i < arch->tensor_count; i++) {
        const struct tensor *want = &arch->tensors[i];
        char name[128];
        snprintf(name, sizeof name, "%s.%s", prefix, want->name);
        const struct st_tensor *from = golden_find(file, name);
        assert_int_equal(from->rank, want->rank);
        for (int k = 0; k < want->rank; k++)
            assert_int_equal(from->dim[k], want->dim[k]);
        assert_int_equal(from->size, want->count * sizeof(float));
        memcpy(theta + want->offset, from->data, from->size);
    }
    return theta;
}

/* Number i of a tensor of doubles. */
static inline double golden_number(const struct st_file *file, const char *name, size_t i)
{
    const struct st_tensor *tensor = golden_find(file, name);
    double number;

    assert_true(tensor->dtype == ST_F64 && tensor->size >= (i + 1) * sizeof number);
    memcpy(&number, (const uint8_t *)tensor->data + i * sizeof number, sizeof number);
    return number;
}

#endif
