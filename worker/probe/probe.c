#include "worker/probe/probe.h"

#include "common/error.h"
#include "common/spec.h"
#include "worker/data/dataset.h"
#include "worker/eval.h"
#include "worker/endpoint.h"
#include "worker/probe/path.h"
#include "worker/sink.h"

#include <stdlib.h>
#include <string.h>

struct probe {
    const struct spec *spec;
    struct sink *sink;
    struct endpoint a, b;
    struct dataset *data;
    struct eval *eval;
    real *theta; /* (S), the point */
    double *alphas;
    size_t alpha_count;
    struct value group_list; /* owns names that groups borrows */
    const char **groups;
    size_t group_count;
    int64_t eval_count[2];
    /* The tally at b, which every layer-wise path ends in: taken once. */
    struct tally end[2];
    bool have_end[2];
    uint32_t done, total; /* points */
};

/* ---- points ----------------------------------------------------------------- */

static struct tally tally_at(struct probe *probe, double alpha, enum split split)
{
    struct tally tally;

    if (alpha == 1 && probe->have_end[split])
        return probe->end[split];
    tally = eval_run(probe->eval, probe->theta, split, probe->eval_count[split]);
    if (alpha == 1) {
        probe->end[split] = tally;
        probe->have_end[split] = true;
    }
    return tally;
}

static int put_points(struct probe *probe, const char *group, size_t index,
                      struct error *err)
{
    double alpha = probe->alphas[index];

    path_point(probe->theta, probe->b.arch, group, probe->a.theta, probe->b.theta, alpha);
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++) {
        struct msg_point row = {.grp = slice_of(group),
                                .bn = slice_of("none"),
                                .split = slice_of(split_name((enum split)s)),
                                .alpha_index = (uint32_t)index,
                                .alpha = alpha,
                                .tally = tally_at(probe, alpha, (enum split)s)};

        if (sink_point(probe->sink, &row, err))
            return -1;
        sink_progress(probe->sink, ++probe->done, probe->total);
    }
    return 0;
}

static int put_distance(struct probe *probe, const char *group, struct error *err)
{
    struct msg_distance row = {.grp = slice_of(group)};

    path_distance(probe->b.arch, group, probe->a.theta, probe->b.theta, &row.l2,
                  &row.rel);
    return sink_distance(probe->sink, &row, err);
}

static int run_groups(struct probe *probe, struct error *err)
{
    if (put_distance(probe, "all", err))
        return -1;
    for (size_t g = 0; g < probe->group_count; g++) {
        const char *group = probe->groups[g];

        if (strcmp(group, "all") != 0 && put_distance(probe, group, err))
            return -1;
        for (size_t i = 0; i < probe->alpha_count; i++)
            if (put_points(probe, group, i, err))
                return -1;
        sink_log(probe->sink, "group %s: %zu alphas, train %lld test %lld examples",
                 group, probe->alpha_count, (long long)probe->eval_count[SPLIT_TRAIN],
                 (long long)probe->eval_count[SPLIT_TEST]);
    }
    return 0;
}

/* ---- set-up ----------------------------------------------------------------- */

/* Add a name, or for "layers" and "blocks" the network's own groups. */
static int add_group(struct probe *probe, const char *name, struct error *err)
{
    const struct arch *arch = probe->b.arch;

    const bool blocks = strcmp(name, "blocks") == 0;
    if (blocks || strcmp(name, "layers") == 0) {
        const char **to = probe->groups + probe->group_count;
        probe->group_count +=
            (size_t)(blocks ? arch_blocks(arch, to, arch->tensor_count)
                            : arch_groups(arch, to, arch->tensor_count));
        return 0;
    }
    if (strcmp(name, "all") != 0 && arch_check_group(arch, name, err))
        return -1;
    probe->groups[probe->group_count++] = name;
    return 0;
}

static int read_groups(struct probe *probe, struct error *err)
{
    const struct value *list = &probe->group_list;
    size_t room = (size_t)probe->b.arch->tensor_count;

    if (spec_value(probe->spec, "probe.groups", &probe->group_list, err))
        return -1;
    /* Every item may stand for all the network's groups. */
    probe->groups = calloc((list->list.count + 1) * room + 1, sizeof *probe->groups);
    if (!probe->groups)
        return err_set(err, ERR_NO_MEMORY, "no memory for the groups of a probe");
    if (strcmp(spec_string(probe->spec, "probe.kind"), "path") == 0)
        return add_group(probe, "all", err);
    if (list->list.count == 0)
        return add_group(probe, "layers", err);
    for (size_t i = 0; i < list->list.count; i++)
        if (add_group(probe, list->list.items[i].string, err))
            return -1;
    return 0;
}

static int load_ends(struct probe *probe, const struct msg_input *inputs,
                     size_t input_count, struct error *err)
{
    if (endpoint_load(inputs, input_count, "a", &probe->a, err) ||
        endpoint_load(inputs, input_count, "b", &probe->b, err) ||
        endpoint_match(&probe->a, &probe->b, err))
        return -1;
    if (arch_has_norm(probe->b.arch))
        return err_set(err, ERR_UNSUPPORTED,
                       "probes of networks with normalisation layers are not built yet");
    return 0;
}

static int set_up(struct probe *probe, const struct msg_input *inputs, size_t input_count,
                  const struct probe_env *env, struct error *err)
{
    const struct spec *spec = probe->spec;

    if (load_ends(probe, inputs, input_count, err) || read_groups(probe, err))
        return -1;
    probe->alphas = path_alphas(spec, &probe->alpha_count, err);
    if (!probe->alphas)
        return -1;
    probe->total = (uint32_t)(2 * probe->group_count * probe->alpha_count);
    probe->data = dataset_open(&probe->b.spec, env->data_dir, err);
    if (!probe->data ||
        spec_size(spec, "probe.splits.train", dataset_count(probe->data, SPLIT_TRAIN),
                  &probe->eval_count[SPLIT_TRAIN], err) ||
        spec_size(spec, "probe.splits.test", dataset_count(probe->data, SPLIT_TEST),
                  &probe->eval_count[SPLIT_TEST], err))
        return -1;
    const struct net_options engine = {
        .exact = strcmp(spec_string(&probe->b.spec, "train.numerics"), "exact") == 0,
        .team = env->team,
        .isa = isa_choose(),
    };
    probe->eval = eval_new(probe->b.arch, probe->data, &engine, err);
    if (!probe->eval)
        return -1;
    probe->theta = malloc(probe->b.arch->state_count * sizeof *probe->theta);
    if (!probe->theta)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu parameters",
                       probe->b.arch->param_count);
    return 0;
}

static void tear_down(struct probe *probe)
{
    eval_free(&probe->eval);
    dataset_free(&probe->data);
    free(probe->theta);
    free(probe->alphas);
    free(probe->groups);
    value_free(&probe->group_list);
    endpoint_free(&probe->a);
    endpoint_free(&probe->b);
}

int probe_run(const struct spec *spec, const struct msg_input *inputs, size_t input_count,
              const struct probe_env *env, struct sink *sink, struct error *err)
{
    struct probe probe = {.spec = spec, .sink = sink};
    int rc = -1;

    if (set_up(&probe, inputs, input_count, env, err))
        goto done;
    sink_data_hash(sink, dataset_hash(probe.data));
    sink_numerics(sink, spec_string(&probe.b.spec, "train.numerics"));
    sink_progress(sink, 0, probe.total);
    if (run_groups(&probe, err))
        goto done;
    sink_summary(sink, 0, 0, false, NULL);
    rc = 0;

done:
    tear_down(&probe);
    return rc;
}
