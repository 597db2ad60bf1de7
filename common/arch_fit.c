#include "common/arch.h"

#include "common/error.h"

#include <stdio.h>
#include <string.h>

bool arch_in_head(const struct arch *arch, int t)
{
    for (int i = arch->layer_count - 1; i >= 0; i--)
        if (arch->layers[i].kind == LAYER_DENSE)
            return arch->layers[i].weight == t || arch->layers[i].bias == t;
    return false;
}

const struct tensor *arch_tensor(const struct arch *arch, const char *name)
{
    for (int t = 0; t < arch->tensor_count; t++)
        if (strcmp(arch->tensors[t].name, name) == 0)
            return &arch->tensors[t];
    return NULL;
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
}

/* "64x3x3x3" */
static void put_shape(const struct tensor *tensor, char text[64])
{
    size_t size = 0;

    text[0] = '\0';
    for (int d = 0; d < tensor->rank && size < 48; d++)
        size += (size_t)snprintf(text + size, 64 - size, "%s%d", d ? "x" : "",
                                 tensor->dim[d]);
}

static int fail_shape(const struct tensor *from, const struct tensor *to,
                      struct error *err)
{
    char shapes[2][64];

    put_shape(from, shapes[0]);
    put_shape(to, shapes[1]);
    return err_set(err, ERR_INVALID, "tensor '%s' is %s there and %s here", to->name,
                   shapes[0], shapes[1]);
}

int arch_fit(const struct arch *from, const struct arch *to, struct error *err)
{
    int fits = 1;

    for (int t = 0; t < to->tensor_count; t++) {
        const struct tensor *want = &to->tensors[t];
        const struct tensor *have = arch_tensor(from, want->name);
        if (!have)
            return err_set(err, ERR_INVALID, "tensor '%s' is not in that network",
                           want->name);
        if (same_shape(have, want))
            continue;
        if (!arch_in_head(to, t) || from->classes == to->classes)
            return fail_shape(have, want, err);
        fits = 0;
    }
    for (int t = 0; t < from->tensor_count; t++)
        if (!arch_tensor(to, from->tensors[t].name))
            return err_set(err, ERR_INVALID, "tensor '%s' of that network is not in this",
                           from->tensors[t].name);
    return fits;
}
