#include "worker/derive.h"

#include "common/derived.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/ckpt/ckpt.h"
#include "worker/endpoint.h"
#include "worker/nn/init.h"
#include "worker/nn/noise.h"
#include "worker/nn/permute.h"
#include "worker/probe/path.h"
#include "worker/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct derive {
    const struct spec *spec;
    const struct msg_job *job;
    struct endpoint a;
    const struct arch *arch; /* a's */
    real *theta;             /* what is made; a's to begin with */
    double alpha;            /* of a point */
    struct error *err;
};

/* A state that has the tensors of a. */
static int load_like_a(const struct derive *derive, const char *role,
                       struct endpoint *ret)
{
    return endpoint_load(derive->job->inputs, derive->job->input_count, role, ret,
                         derive->err) ||
                   endpoint_match(&derive->a, ret, derive->err)
               ? -1
               : 0;
}

/* ---- a point of a line --------------------------------------------------------- */

/* Where running statistics of the group lie, by the curve that was read. */
static double place_of_statistics(const struct derive *derive)
{
    const char *bn = spec_string(derive->spec, "derive.bn");

    return strcmp(bn, "start") == 0 ? 0 : strcmp(bn, "end") == 0 ? 1 : derive->alpha;
}

static int make_point(struct derive *derive)
{
    const struct arch *arch = derive->arch;
    const char *group = derived_group(derive->spec);
    const double statistics = place_of_statistics(derive);
    struct endpoint b;

    if (load_like_a(derive, "b", &b)) {
        endpoint_free(&b);
        return -1;
    }
    for (int t = 0; t < arch->tensor_count; t++) {
        const size_t at = arch->tensors[t].offset;
        const double alpha = !arch_in_group(arch, t, group) ? 1
                             : t < arch->param_tensors      ? derive->alpha
                                                            : statistics;
        path_lerp(derive->theta + at, derive->a.theta + at, b.theta + at, alpha,
                  arch->tensors[t].count);
    }
    endpoint_free(&b);
    return 0;
}

/* ---- groups of several ----------------------------------------------------------- */

static int take_group(struct derive *derive, size_t i, const char *item)
{
    const struct arch *arch = derive->arch;
    char *group = strndup(item, strcspn(item, "="));
    struct endpoint from = {0};
    char role[8];
    int rc = -1;

    (void)snprintf(role, sizeof role, "m%02zu", (i + 1) % 100);
    if (!group)
        err_set(derive->err, ERR_NO_MEMORY, "no memory for a group's name");
    else if (load_like_a(derive, role, &from) == 0) {
        for (int t = 0; t < arch->tensor_count; t++)
            if (arch_in_group(arch, t, group))
                memcpy(derive->theta + arch->tensors[t].offset,
                       from.theta + arch->tensors[t].offset,
                       arch->tensors[t].count * sizeof *derive->theta);
        rc = 0;
    }
    endpoint_free(&from);
    free(group);
    return rc;
}

static int make_mix(struct derive *derive)
{
    struct value sources;
    int rc = 0;

    if (spec_value(derive->spec, "derive.sources", &sources, derive->err))
        return -1;
    for (size_t i = 0; i < sources.list.count && rc == 0; i++)
        rc = take_group(derive, i, sources.list.items[i].string);
    value_free(&sources);
    return rc;
}

/* ---- one state, changed ---------------------------------------------------------- */

/* The run that would draw such a network. */
static int draw_like_a(const struct derive *derive, real *ret)
{
    const struct value seed = value_int(spec_int(derive->spec, "derive.seed"));
    struct spec run;
    int rc;

    if (spec_init(&run, JOB_TRAIN, derive->err))
        return -1;
    rc = spec_set(&run, "seed.init", &seed, derive->err);
    for (size_t i = 0; i < derive->spec->count && rc == 0; i++) {
        const struct spec_item *item = &derive->spec->items[i];
        if (item->opt->kind == JOB_TRAIN)
            rc = spec_set(&run, item->opt->name, &item->value, derive->err);
    }
    spec_settle(&run);
    if (rc == 0)
        rc = init_draw(&run, derive->arch, ret, derive->err);
    spec_free(&run);
    return rc;
}

static int make_reset(struct derive *derive)
{
    const struct arch *arch = derive->arch;
    bool *chosen = calloc((size_t)arch->tensor_count, sizeof *chosen);
    real *drawn = malloc(arch->state_count * sizeof *drawn);
    int rc = -1;

    if (!chosen || !drawn)
        err_set(derive->err, ERR_NO_MEMORY, "no memory for a second state");
    else if (derived_tensors(derive->spec, arch, chosen, derive->err) == 0 &&
             draw_like_a(derive, drawn) == 0) {
        for (int t = 0; t < arch->tensor_count; t++)
            if (chosen[t])
                memcpy(derive->theta + arch->tensors[t].offset,
                       drawn + arch->tensors[t].offset,
                       arch->tensors[t].count * sizeof *drawn);
        rc = 0;
    }
    free(chosen);
    free(drawn);
    return rc;
}

static int make_noise(struct derive *derive)
{
    const uint64_t seed = (uint64_t)spec_int(derive->spec, "derive.seed");
    bool *chosen = calloc((size_t)derive->arch->tensor_count, sizeof *chosen);
    int rc = -1;

    if (!chosen)
        err_set(derive->err, ERR_NO_MEMORY, "no memory for tensors");
    else
        rc = derived_tensors(derive->spec, derive->arch, chosen, derive->err);
    if (rc == 0)
        noise_add(derive->arch, seed, spec_real(derive->spec, "derive.noise"), chosen,
                  derive->theta);
    free(chosen);
    return rc;
}

static int make_permuted(struct derive *derive)
{
    const uint64_t seed = (uint64_t)spec_int(derive->spec, "derive.seed");

    return permute_units(derive->arch, seed, derive->a.theta, derive->theta, derive->err);
}

/* ---- all ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*make)(struct derive *derive);
} KINDS[] = {{"point", make_point},
             {"mix", make_mix},
             {"reset", make_reset},
             {"noise", make_noise},
             {"permute", make_permuted}};

static int put_state(const struct derive *derive, const char *dir, struct sink *sink)
{
    char key[HASH_TEXT], hash[HASH_TEXT];
    const struct ckpt_meta meta = {.key = key, .state = DERIVED_STATE};
    struct msg_state row = {.name = slice_of(DERIVED_STATE), .stored = true};

    if (spec_key(derive->spec, key, derive->err) ||
        ckpt_store(dir, derive->arch, derive->theta, &meta, hash, &row.size, derive->err))
        return -1;
    row.hash = slice_of(hash);
    return sink_state(sink, &row, derive->err);
}

static void say(const struct derive *derive, struct sink *sink)
{
    const char *kind = spec_string(derive->spec, "derive.kind");
    char text[160];

    (void)snprintf(text, sizeof text, "%s made from %s of job %.12s", kind,
                   spec_string(derive->spec, "a.state"),
                   spec_string(derive->spec, "a.run"));
    if (strcmp(kind, "point") == 0)
        sink_log(sink, "%s, at alpha %.17g", text, derive->alpha);
    else
        sink_log(sink, "%s", text);
    sink_summary(sink, 0, 0, false, NULL);
    sink_numerics(sink, spec_string(derive->spec, "train.numerics"),
                  spec_string(derive->spec, "train.kernels"));
}

static int make(struct derive *derive, const char *dir, struct sink *sink)
{
    const char *kind = spec_string(derive->spec, "derive.kind");
    int rc = -1;

    if (endpoint_load(derive->job->inputs, derive->job->input_count, "a", &derive->a,
                      derive->err))
        return -1;
    derive->arch = derive->a.arch;
    derive->theta = malloc(derive->arch->state_count * sizeof *derive->theta);
    if (!derive->theta)
        return err_set(derive->err, ERR_NO_MEMORY, "no memory for %zu parameters",
                       derive->arch->param_count);
    memcpy(derive->theta, derive->a.theta,
           derive->arch->state_count * sizeof *derive->theta);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(KINDS[i].name, kind) == 0)
            rc = KINDS[i].make(derive);
    if (rc == 0)
        rc = put_state(derive, dir, sink);
    if (rc == 0)
        say(derive, sink);
    return rc;
}

int derive_run(const struct spec *spec, const struct msg_job *job, const char *dir,
               struct sink *sink, struct error *err)
{
    struct derive derive = {.spec = spec, .job = job, .err = err};
    const bool given = strcmp(spec_string(spec, "derive.at"), "value") == 0;
    int rc;

    derive.alpha = given ? spec_real(spec, "derive.alpha") : job->alpha;
    rc = make(&derive, dir, sink);
    endpoint_free(&derive.a);
    free(derive.theta);
    return rc;
}
