#include "worker/start.h"

#include "common/error.h"
#include "common/spec.h"
#include "worker/endpoint.h"
#include "worker/nn/init.h"

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

static const struct tensor *find(const struct arch *arch, const char *name)
{
    for (int t = 0; t < arch->tensor_count; t++)
        if (strcmp(arch->tensors[t].name, name) == 0)
            return &arch->tensors[t];
    return NULL;
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
        memcpy(state + to->offset, from->theta + find(from->arch, to->name)->offset,
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

int start_params(const struct spec *spec, const struct arch *arch,
                 const struct msg_input *inputs, size_t input_count, real *state,
                 struct buf *said, struct error *err)
{
    struct choice choice = {.arch = arch};
    struct endpoint from = {0};
    struct spec_start start;
    int rc = -1, fits;

    if (init_params(spec, arch, state, err))
        return -1;
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
    buf_printf(said, "from %s of run %.12s: ", start.state, start.run);
    take(&choice, &from, state, said);
    rc = 0;

done:
    value_free(&choice.reset);
    endpoint_free(&from);
    return rc;
}
