#include "worker/ckpt/ckpt.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"
#include "common/safetensors.h"
#include "worker/ckpt/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(real) == sizeof(float), "checkpoints hold float32");

enum { META_COUNT = 5, NUMBER_TEXT = 24 };

/* PyTorch's count of training batches, of every batch norm. */
#define STEPS ".num_batches_tracked"

/* One state as st_write wants it. */
struct state {
    struct st_tensor *tensors; /* owned; data borrowed from theta, and from steps */
    size_t count;
    char steps[sizeof(int64_t)]; /* little-endian */
    struct st_meta meta[META_COUNT];
    char step[NUMBER_TEXT], epoch[NUMBER_TEXT];
};

static bool is_batch_norm(const struct layer *layer)
{
    return layer->kind == LAYER_NORM && layer->norm == NORM_BATCH;
}

/* The counts of steps come first, since numbers of eight bytes then lie at multiples
 * of eight. */
static void list_steps(struct state *state, const struct arch *arch, uint64_t step)
{
    for (size_t i = 0; i < sizeof state->steps; i++)
        state->steps[i] = (char)(unsigned char)(step >> 8 * i);
    for (int i = 0; i < arch->layer_count; i++) {
        struct st_tensor *to = &state->tensors[state->count];

        if (!is_batch_norm(&arch->layers[i]))
            continue;
        (void)snprintf(to->name, sizeof to->name, "%s" STEPS, arch->layers[i].name);
        to->dtype = ST_I64;
        to->data = state->steps;
        to->size = sizeof state->steps;
        state->count++;
    }
}

static void list_tensors(struct state *state, const struct arch *arch, const real *theta)
{
    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *from = &arch->tensors[t];
        struct st_tensor *to = &state->tensors[state->count++];

        _Static_assert(sizeof from->name <= sizeof to->name, "tensor names fit");
        memcpy(to->name, from->name, sizeof from->name);
        to->dtype = ST_F32;
        to->rank = from->rank;
        for (int d = 0; d < from->rank; d++)
            to->dim[d] = from->dim[d];
        to->data = theta + from->offset;
        to->size = from->count * sizeof *theta;
    }
}

static int state_fill(struct state *state, const struct arch *arch, const real *theta,
                      const struct ckpt_meta *meta, struct error *err)
{
    size_t most = (size_t)arch->tensor_count + (size_t)arch->layer_count;

    state->tensors = calloc(most + 1, sizeof *state->tensors);
    if (!state->tensors)
        return err_set(err, ERR_NO_MEMORY, "no memory to list %zu tensors", most);
    list_steps(state, arch, meta->step);
    list_tensors(state, arch, theta);
    (void)snprintf(state->step, sizeof state->step, "%llu",
                   (unsigned long long)meta->step);
    (void)snprintf(state->epoch, sizeof state->epoch, "%u", meta->epoch);
    state->meta[0] = (struct st_meta){"epoch", state->epoch};
    state->meta[1] = (struct st_meta){"format", "pt"}; /* what PyTorch's tools look for */
    state->meta[2] = (struct st_meta){"key", meta->key};
    state->meta[3] = (struct st_meta){"state", meta->state};
    state->meta[4] = (struct st_meta){"step", state->step};
    return 0;
}

/* Hash a state and, when dir or path is given, write it there. */
static int state_put(const struct state *state, const char *dir, const char *path,
                     char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err)
{
    struct buf bytes = {0}, name = {0};
    char hash[HASH_TEXT];
    int rc = -1;

    if (st_encode(&bytes, state->tensors, state->count, state->meta, META_COUNT, err))
        goto done;
    hash_bytes(bytes.data, bytes.size, hash);
    if (dir) {
        buf_printf(&name, "%s/%s.safetensors", dir, hash);
        path = name.data;
        if (name.failed) {
            err_set(err, ERR_NO_MEMORY, "no memory for a path");
            goto done;
        }
    }
    if (path && file_write(path, bytes.data, bytes.size, err))
        goto done;
    memcpy(ret_hash, hash, sizeof hash);
    *ret_size = bytes.size;
    rc = 0;

done:
    buf_free(&bytes);
    buf_free(&name);
    return rc;
}

int ckpt_hash(const struct arch *arch, const real *theta, const struct ckpt_meta *meta,
              char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err)
{
    return ckpt_write(NULL, arch, theta, meta, ret_hash, ret_size, err);
}

int ckpt_write(const char *path, const struct arch *arch, const real *theta,
               const struct ckpt_meta *meta, char ret_hash[HASH_TEXT], uint64_t *ret_size,
               struct error *err)
{
    struct state state = {0};
    int rc = -1;

    if (state_fill(&state, arch, theta, meta, err) == 0)
        rc = state_put(&state, NULL, path, ret_hash, ret_size, err);
    free(state.tensors);
    return rc;
}

int ckpt_store(const char *dir, const struct arch *arch, const real *theta,
               const struct ckpt_meta *meta, char ret_hash[HASH_TEXT], uint64_t *ret_size,
               struct error *err)
{
    struct state state = {0};
    int rc = -1;

    if (state_fill(&state, arch, theta, meta, err) == 0)
        rc = state_put(&state, dir, NULL, ret_hash, ret_size, err);
    free(state.tensors);
    return rc;
}

static int check_tensor(const struct st_file *file, const char *path,
                        const struct tensor *tensor, struct error *err)
{
    const struct st_tensor *stored = st_find(file, tensor->name);

    if (!stored)
        return err_set(err, ERR_DATA, "%s: tensor '%s' is missing", path, tensor->name);
    if (tensor_check_type(path, stored, err))
        return -1;
    if (!tensor_same_shape(tensor, stored))
        return tensor_say_shapes(path, tensor, stored, err);
    return 0;
}

/* Whether a name is that of a batch norm's count of steps. */
static bool counts_steps(const struct arch *arch, const char *name)
{
    size_t size = strlen(name), end = strlen(STEPS);

    if (size <= end || strcmp(name + size - end, STEPS) != 0)
        return false;
    for (int i = 0; i < arch->layer_count; i++)
        if (is_batch_norm(&arch->layers[i]) &&
            strncmp(arch->layers[i].name, name, size - end) == 0 &&
            arch->layers[i].name[size - end] == '\0')
            return true;
    return false;
}

static int check_surplus(const struct st_file *file, const char *path,
                         const struct arch *arch, struct error *err)
{
    for (size_t i = 0; i < st_count(file); i++) {
        const char *name = st_at(file, i)->name;

        if (!arch_tensor(arch, name) && !counts_steps(arch, name))
            return err_set(err, ERR_DATA, "%s: tensor '%s' is not in the network", path,
                           name);
    }
    return 0;
}

int ckpt_read(const char *path, const struct arch *arch, real *theta, struct error *err)
{
    struct st_file *file = st_open(path, err);
    int rc = -1;

    if (!file)
        return -1;
    for (int t = 0; t < arch->tensor_count; t++)
        if (check_tensor(file, path, &arch->tensors[t], err))
            goto done;
    if (check_surplus(file, path, arch, err))
        goto done;
    for (int t = 0; t < arch->tensor_count; t++)
        tensor_copy(st_find(file, arch->tensors[t].name), theta + arch->tensors[t].offset,
                    arch->tensors[t].count);
    rc = 0;

done:
    st_close(&file);
    return rc;
}
