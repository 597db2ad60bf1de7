#include "worker/start.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/spec.h"
#include "worker/ckpt/import.h"
#include "worker/endpoint.h"
#include "worker/nn/init.h"

#include <stdlib.h>
#include <string.h>

/* What to take and what to leave drawn. */
struct choice {
    const struct arch *arch;
    struct value reset; /* groups */
    bool head_fits;
};

static bool is_reset(const struct choice *choice, int t)
{
    for (size_t i = 0; i < choice->reset.list.count; i++)
        if (arch_in_group(choice->arch, t, choice->reset.list.items[i].string))
            return true;
    return !choice->head_fits && arch_in_head(choice->arch, t);
}

/* arch_fit has found every tensor that is taken, of the same shape. */
static void take(const struct choice *choice, const struct endpoint *from, real *state,
                 struct buf *said)
{
    int taken = 0;
    const char *comma = "; drawn: ";

    for (int t = 0; t < choice->arch->tensor_count; t++) {
        const struct tensor *to = &choice->arch->tensors[t];
        if (is_reset(choice, t))
            continue;
        memcpy(state + to->offset,
               from->theta + arch_tensor(from->arch, to->name)->offset,
               to->count * sizeof *state);
        taken++;
    }
    buf_printf(said, "%d of %d tensors taken", taken, choice->arch->tensor_count);
    for (int t = 0; t < choice->arch->tensor_count; t++) {
        if (!is_reset(choice, t))
            continue;
        buf_printf(said, "%s%s", comma, choice->arch->tensors[t].name);
        comma = ", ";
    }
}

/* ---- from a file ------------------------------------------------------------- */

static const struct msg_input *init_input(const struct msg_input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(inputs[i].role, "init"))
            return &inputs[i];
    return NULL;
}

static void say_drawn(const struct arch *arch, const bool *drawn, struct buf *said)
{
    const char *comma = "; drawn: ";
    int count = 0;

    for (int t = 0; t < arch->tensor_count; t++)
        count += !drawn[t];
    buf_printf(said, "%d of %d tensors taken", count, arch->tensor_count);
    for (int t = 0; t < arch->tensor_count; t++)
        if (drawn[t]) {
            buf_printf(said, "%s%s", comma, arch->tensors[t].name);
            comma = ", ";
        }
}

/* path holds the bytes of that hash, or else. */
static int import(const struct choice *choice, const char *path, const char *hash,
                  bool partial, real *state, struct buf *said, struct error *err)
{
    const struct arch *arch = choice->arch;
    bool *drawn = calloc((size_t)arch->tensor_count + 1, sizeof *drawn);
    char is[HASH_TEXT];
    int rc = -1;

    if (!drawn)
        return err_set(err, ERR_NO_MEMORY, "no memory to import a state");
    for (int t = 0; t < arch->tensor_count; t++)
        drawn[t] = is_reset(choice, t);
    if (hash_file(path, is, NULL, err))
        goto done;
    if (strcmp(is, hash) != 0) {
        err_set(err, ERR_DATA, "the file of init.from has the hash %s, expected %s", is,
                hash);
        goto done;
    }
    if (ckpt_import(path, arch, partial, drawn, state, err)) {
        err_prefix(err, "init.from");
        goto done;
    }
    buf_printf(said, "from file %.12s: ", hash);
    say_drawn(arch, drawn, said);
    rc = 0;

done:
    free(drawn);
    return rc;
}

static int start_from_file(const struct spec *spec, const struct arch *arch,
                           const struct msg_input *input, const char *hash, real *state,
                           struct buf *said, struct error *err)
{
    struct choice choice = {.arch = arch, .head_fits = true};
    const bool partial = spec_bool(spec, "init.partial");
    char *path;
    int rc;

    if (!input)
        return err_set(err, ERR_DATA, "the file %s of init.from did not come", hash);
    if (spec_value(spec, "init.reset", &choice.reset, err))
        return -1;
    path = slice_dup(input->path);
    rc = path ? import(&choice, path, hash, partial, state, said, err)
              : err_set(err, ERR_NO_MEMORY, "no memory for a path");
    free(path);
    value_free(&choice.reset);
    return rc;
}

/* ---- all --------------------------------------------------------------------- */

/* All but init.noise and init.permute. */
static int start(const struct spec *spec, const struct arch *arch,
                 const struct msg_input *inputs, size_t input_count, real *state,
                 struct buf *said, struct error *err)
{
    struct choice choice = {.arch = arch};
    struct endpoint from = {0};
    struct spec_start start;
    char hash[HASH_TEXT];
    int rc = -1, fits;

    if (init_draw(spec, arch, state, err))
        return -1;
    if (spec_start_file(spec, hash))
        return start_from_file(spec, arch, init_input(inputs, input_count), hash, state,
                               said, err);
    if (!spec_start(spec, &start))
        return 0;
    if (endpoint_load(inputs, input_count, "init", &from, err) ||
        spec_value(spec, "init.reset", &choice.reset, err))
        goto done;
    fits = arch_fit(from.arch, arch, err);
    if (fits < 0) {
        err_prefix(err, "the run starts from another network");
        goto done;
    }
    choice.head_fits = fits > 0;
    buf_printf(said, "from %s of %s %.12s: ", start.state,
               from.spec.kind == JOB_DERIVE ? "derived state" : "run", start.run);
    take(&choice, &from, state, said);
    rc = 0;

done:
    value_free(&choice.reset);
    endpoint_free(&from);
    return rc;
}

int start_params(const struct spec *spec, const struct arch *arch,
                 const struct msg_input *inputs, size_t input_count, real *state,
                 struct buf *said, struct error *err)
{
    if (start(spec, arch, inputs, input_count, state, said, err) ||
        init_alter(spec, arch, state, err))
        return -1;
    if (said->size > 0 && spec_bool(spec, "init.permute"))
        buf_puts(said, "; hidden units permuted");
    if (said->size > 0 && spec_has(spec, "init.noise"))
        buf_puts(said, "; noise added");
    return 0;
}
