#include "worker/endpoint.h"

#include "common/error.h"
#include "worker/ckpt/ckpt.h"
#include "worker/nn/init.h"

#include <stdlib.h>
#include <string.h>

static const struct msg_input *find(const struct msg_input *inputs, size_t count,
                                    const char *role)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(inputs[i].role, role))
            return &inputs[i];
    return NULL;
}

static int check_hash(const struct msg_input *input, const char *hash, struct error *err)
{
    if (slice_is(input->hash, hash))
        return 0;
    return err_set(
        err, ERR_DATA,
        "state '%.*s' for '%.*s' has the hash %s, expected %.*s: it was made by "
        "other code, or is damaged",
        (int)input->state.size, input->state.data, (int)input->role.size,
        input->role.data, hash, (int)input->hash.size, input->hash.data);
}

static int read_stored(const struct msg_input *input, struct endpoint *end,
                       struct error *err)
{
    char *path = slice_dup(input->path);
    char hash[HASH_TEXT];
    uint64_t size;
    int rc = -1;

    if (!path)
        return err_set(err, ERR_NO_MEMORY, "no memory for a path");
    if (hash_file(path, hash, &size, err) == 0 && check_hash(input, hash, err) == 0)
        rc = ckpt_read(path, end->arch, end->theta, err);
    free(path);
    return rc;
}

static int derive_init(const struct msg_input *input, struct endpoint *end,
                       struct error *err)
{
    char key[HASH_TEXT], hash[HASH_TEXT];
    struct ckpt_meta meta = {.key = key, .state = "init"};
    uint64_t size;

    if (!slice_is(input->state, "init"))
        return err_set(err, ERR_DATA, "state '%.*s' for '%.*s' was not stored",
                       (int)input->state.size, input->state.data, (int)input->role.size,
                       input->role.data);
    if (spec_key(&end->spec, key, err) ||
        init_params(&end->spec, end->arch, end->theta, err) ||
        ckpt_hash(end->arch, end->theta, &meta, hash, &size, err))
        return -1;
    return check_hash(input, hash, err);
}

int endpoint_load(const struct msg_input *inputs, size_t input_count, const char *role,
                  struct endpoint *ret, struct error *err)
{
    const struct msg_input *input = find(inputs, input_count, role);

    *ret = (struct endpoint){0};
    if (!input)
        return err_set(err, ERR_DATA, "the state for '%s' did not come with the job",
                       role);
    if (spec_parse(input->spec.data, input->spec.size, &ret->spec, err))
        return err_prefix(err, "the run of state '%s'", role);
    if (ret->spec.kind == JOB_PROBE || (ret->spec.kind == JOB_DERIVE && !input->stored))
        return err_set(err, ERR_DATA, "state '%s' is not of a training run", role);
    ret->arch = arch_build(&ret->spec, err);
    if (!ret->arch)
        return err_prefix(err, "the run of state '%s'", role);
    ret->theta = malloc(ret->arch->state_count * sizeof *ret->theta);
    if (!ret->theta)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu parameters",
                       ret->arch->param_count);
    return input->stored ? read_stored(input, ret, err) : derive_init(input, ret, err);
}

void endpoint_free(struct endpoint *end)
{
    free(end->theta);
    arch_free(&end->arch);
    spec_free(&end->spec);
    *end = (struct endpoint){0};
}

static bool same_tensor(const struct tensor *a, const struct tensor *b)
{
    if (strcmp(a->name, b->name) != 0 || a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dim[d] != b->dim[d])
            return false;
    return true;
}

int endpoint_match(const struct endpoint *a, const struct endpoint *b, struct error *err)
{
    if (a->arch->tensor_count != b->arch->tensor_count)
        return err_set(err, ERR_DATA,
                       "the networks of 'a' and 'b' differ: %d and %d tensors",
                       a->arch->tensor_count, b->arch->tensor_count);
    for (int t = 0; t < a->arch->tensor_count; t++)
        if (!same_tensor(&a->arch->tensors[t], &b->arch->tensors[t]))
            return err_set(err, ERR_DATA, "the networks of 'a' and 'b' differ in '%s'",
                           a->arch->tensors[t].name);
    return 0;
}
