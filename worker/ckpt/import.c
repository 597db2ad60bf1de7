#include "worker/ckpt/import.h"

#include "common/error.h"
#include "common/safetensors.h"
#include "worker/ckpt/tensor.h"

#include <math.h>
#include <string.h>

/* Whether a tensor of the last dense layer differs in the number of classes alone. */
static bool is_other_head(const struct arch *arch, int t, const struct st_tensor *stored)
{
    const struct tensor *tensor = &arch->tensors[t];

    if (!arch_in_head(arch, t) || tensor->rank != stored->rank)
        return false;
    for (int d = 1; d < tensor->rank; d++)
        if (tensor->dim[d] != stored->dim[d])
            return false;
    return true;
}

/* 1 take it, 0 leave it drawn, -1. */
static int judge(const char *path, const struct arch *arch, int t, bool partial,
                 const struct st_tensor *stored, struct error *err)
{
    const struct tensor *tensor = &arch->tensors[t];

    if (!stored && partial)
        return 0;
    if (!stored)
        return err_set(err, ERR_DATA, "%s: tensor '%s' is missing", path, tensor->name);
    if (tensor_check_type(path, stored, err))
        return -1;
    if (tensor_same_shape(tensor, stored))
        return 1;
    if (partial || is_other_head(arch, t, stored))
        return 0;
    return tensor_say_shapes(path, tensor, stored, err);
}

static int check_finite(const char *path, const struct tensor *tensor, const real *x,
                        struct error *err)
{
    for (size_t i = 0; i < tensor->count; i++)
        if (!isfinite(x[i]))
            return err_set(err, ERR_DATA,
                           "%s: tensor '%s' is not finite: its number %zu is %g", path,
                           tensor->name, i, (double)x[i]);
    return 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);

    return size >= strlen(end) && strcmp(name + size - strlen(end), end) == 0;
}

static int check_surplus(const char *path, const struct st_file *file,
                         const struct arch *arch, struct error *err)
{
    for (size_t i = 0; i < st_count(file); i++) {
        const char *name = st_at(file, i)->name;

        if (!arch_tensor(arch, name) && !ends_with(name, ".num_batches_tracked"))
            return err_set(err, ERR_DATA, "%s: tensor '%s' is not in the network", path,
                           name);
    }
    return 0;
}

int ckpt_import(const char *path, const struct arch *arch, bool partial, bool *drawn,
                real *state, struct error *err)
{
    struct st_file *file = st_open(path, err);
    int taken = 0, rc = -1;

    if (!file)
        return -1;
    if (!partial && check_surplus(path, file, arch, err))
        goto done;
    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        const struct st_tensor *stored = st_find(file, tensor->name);
        int take = drawn[t] ? 0 : judge(path, arch, t, partial, stored, err);

        if (take < 0)
            goto done;
        drawn[t] = take == 0;
        if (take == 0)
            continue;
        tensor_copy(stored, state + tensor->offset, tensor->count);
        if (check_finite(path, tensor, state + tensor->offset, err))
            goto done;
        taken++;
    }
    rc = taken > 0 ? 0
                   : err_set(err, ERR_DATA,
                             "%s: no tensor has a name and shape of the"
                             " network's",
                             path);

done:
    st_close(&file);
    return rc;
}
