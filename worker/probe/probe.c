#include "worker/probe/probe.h"

#include "common/alphas.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/data/dataset.h"
#include "worker/endpoint.h"
#include "worker/eval.h"
#include "worker/probe/control.h"
#include "worker/probe/detail.h"
#include "worker/probe/keeper.h"
#include "worker/probe/part.h"
#include "worker/probe/path.h"
#include "worker/probe/plane_probe.h"
#include "worker/probe/trace.h"
#include "worker/probe/trajectory.h"
#include "worker/sink.h"

#include <stdlib.h>
#include <string.h>

struct probe {
    const struct spec *spec;
    struct sink *sink;
    struct sink *rows; /* sink; a part's own */
    struct endpoint a, b;
    struct dataset *data;
    struct detail *detail; /* NULL: nothing asked */
    struct alphas alphas;
    size_t most; /* points more that a curve may ask for */
    struct trace *trace;
    struct value group_list; /* owns names that groups borrows */
    const char **groups;     /* the whole's; from group_first on the part's */
    size_t group_first, group_count;
    enum curve_bn bn[CURVE_BN_COUNT];
    size_t bn_count;
    int64_t eval_count[2];
    char key[HASH_TEXT];
    struct keeper keeper;
    bool is_part, slices;
    bool merges; /* parts; that is quick, so it always begins anew */
    struct part part;
    struct part_whole whole;
    struct alphas own; /* of slices */
    bool *told;        /* (curves) of the whole: a part has given its rows */
};

/* ---- curves ----------------------------------------------------------------- */

static const struct alphas *alphas_in_hand(const struct probe *probe)
{
    return probe->slices ? &probe->own : &probe->alphas;
}

/* At most. */
static uint32_t points_of_curve(const struct probe *probe)
{
    return (uint32_t)(2 * (alphas_in_hand(probe)->count + probe->most));
}

/* Points of the curves that are done, and of the one in hand. */
static void tell(void *user, double share)
{
    const struct probe *probe = user;
    const struct progress *progress = &probe->keeper.progress;
    const uint32_t points = points_of_curve(probe);

    sink_progress(probe->sink,
                  (uint32_t)progress->done * points + (uint32_t)(share * points),
                  (uint32_t)progress->curves * points);
}

static bool stops(void *user)
{
    struct probe *probe = user;

    return keeper_stops(&probe->keeper);
}

static bool stops_after(void *user)
{
    struct probe *probe = user;
    size_t count;

    return keeper_points(&probe->keeper, trace_points(probe->trace, &count));
}

static struct msg_point row_of(const struct trace_point *point, enum split split)
{
    const struct trace_pairs *start = &point->pairs[split][TRACE_START];
    const struct trace_pairs *end = &point->pairs[split][TRACE_END];

    return (struct msg_point){
        .split = slice_of(split_name(split)),
        .alpha = point->alpha,
        .tally = tally_round(&point->tally[split]),
        .origin = slice_of(alpha_origin_name(point->origin)),
        .paired =
            (start->known ? MSG_PAIRED_START : 0u) | (end->known ? MSG_PAIRED_END : 0u),
        .start_sum = exact_value(&start->sum),
        .start_sq = exact_value(&start->sum_sq),
        .end_sum = exact_value(&end->sum),
        .end_sq = exact_value(&end->sum_sq),
    };
}

static int put_points(struct probe *probe, const char *group, enum curve_bn bn,
                      struct error *err)
{
    size_t count;
    const struct trace_point *points = trace_points(probe->trace, &count);

    for (size_t i = 0; i < count; i++)
        for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++) {
            struct msg_point row = row_of(&points[i], (enum split)s);
            row.grp = slice_of(group);
            row.bn = slice_of(curve_bn_name(bn));
            row.alpha_index = (uint32_t)i;
            if (sink_point(probe->rows, &row, err) ||
                (probe->detail && detail_point(probe->detail, i, (enum split)s,
                                               points[i].alpha, probe->rows, err)))
                return -1;
        }
    return probe->detail ? detail_curve(probe->detail, group, bn, count, err) : 0;
}

static int put_rises(struct probe *probe, const char *group, enum curve_bn bn,
                     struct error *err)
{
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++) {
        const struct trace_rise *rise = &trace_rises(probe->trace)[s];
        const struct msg_rise row = {.grp = slice_of(group),
                                     .bn = slice_of(curve_bn_name(bn)),
                                     .split = slice_of(split_name((enum split)s)),
                                     .alpha_from = rise->from,
                                     .alpha_to = rise->to,
                                     .n = rise->pairs.n,
                                     .sum = exact_value(&rise->pairs.sum),
                                     .sum_sq = exact_value(&rise->pairs.sum_sq)};

        if (rise->pairs.known && sink_rise(probe->rows, &row, err))
            return -1;
    }
    return 0;
}

/* The curve in hand: 0, TRACE_STOPPED or -1. */
static int run_curve(struct probe *probe, const char *group, enum curve_bn bn,
                     struct error *err)
{
    const struct progress *progress = &probe->keeper.progress;
    int rc = trace_run(probe->trace, group, bn, progress_points(progress, progress->done),
                       err);
    size_t count;

    if (rc == 0 && probe->slices)
        keeper_keep(&probe->keeper, trace_points(probe->trace, &count));
    else if (rc == 0 &&
             (put_points(probe, group, bn, err) || put_rises(probe, group, bn, err)))
        rc = -1;
    if (rc)
        return rc;
    rc = keeper_next(&probe->keeper) ? TRACE_STOPPED : 0;
    tell(probe, 0);
    return rc;
}

static int put_distance(struct probe *probe, const char *group, struct error *err)
{
    struct msg_distance row = {.grp = slice_of(group)};

    path_distance(probe->b.arch, group, probe->a.theta, probe->b.theta, &row.l2,
                  &row.rel);
    return sink_distance(probe->rows, &row, err);
}

/* Of the curves of one group those that are not done. */
static int run_group(struct probe *probe, size_t g, struct error *err)
{
    const struct progress *progress = &probe->keeper.progress;
    const char *group = probe->groups[probe->group_first + g];
    const size_t first = g * probe->bn_count, last = first + probe->bn_count;
    int rc = 0, made = 0;

    while (progress->done < last && rc == 0)
        if (probe->told && probe->told[progress->done]) {
            keeper_skip(&probe->keeper);
        } else {
            rc = run_curve(probe, group, probe->bn[progress->done - first], err);
            made++;
        }
    if (rc < 0 || progress->done < last || made == 0)
        return rc;
    sink_log(probe->sink, "group %s: %zu alphas, train %lld test %lld examples", group,
             probe->alphas.count, (long long)probe->eval_count[SPLIT_TRAIN],
             (long long)probe->eval_count[SPLIT_TEST]);
    return rc;
}

static int put_distances(struct probe *probe, struct error *err)
{
    if (put_distance(probe, "all", err))
        return -1;
    for (size_t g = 0; g < probe->group_count; g++)
        if (strcmp(probe->groups[g], "all") != 0 &&
            put_distance(probe, probe->groups[g], err))
            return -1;
    return 0;
}

/* What is not done yet: 0, PROBE_STOPPED or -1. */
static int run_groups(struct probe *probe, struct error *err)
{
    int rc = 0;

    tell(probe, 0);
    /* Of one that goes on, they are among the rows that were saved. */
    if (!probe->keeper.goes_on && !probe->is_part && put_distances(probe, err))
        return -1;
    for (size_t g = 0; g < probe->group_count && rc == 0; g++)
        rc = run_group(probe, g, err);
    if (rc > 0)
        keeper_leave(&probe->keeper);
    return rc;
}

static void tell_batch(void *user, const struct curve_batch *batch)
{
    const struct probe *probe = user;

    detail_batch(probe->detail, batch);
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
    return control_apply(probe->spec, &probe->a, &probe->b, err);
}

static int open_detail(struct probe *probe, struct error *err)
{
    const struct detail_plan plan = detail_plan_of(probe->spec, probe->b.arch->classes);

    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++)
        if (plan.examples > probe->eval_count[s])
            return err_set(err, ERR_INVALID,
                           "losses of %lld examples are to be kept, but only %lld of"
                           " the %s split are evaluated",
                           (long long)plan.examples, (long long)probe->eval_count[s],
                           split_name((enum split)s));
    if (!detail_is_wanted(&plan))
        return 0;
    probe->detail = detail_new(&plan, err);
    return probe->detail ? 0 : -1;
}

static int open_trace(struct probe *probe, const struct probe_env *env, struct error *err)
{
    const struct net_options engine = eval_engine(&probe->b.spec, env->team);
    struct curve_env curve = {.arch = probe->b.arch,
                              .data = probe->data,
                              .engine = &engine,
                              .a = probe->a.theta,
                              .b = probe->b.theta,
                              .count = {probe->eval_count[0], probe->eval_count[1]},
                              .naive = env->naive,
                              .tick = tell,
                              .batch = probe->detail ? tell_batch : NULL,
                              .pause = env->wish ? stops : NULL,
                              .user = probe};
    const struct trace_plan plan = {.alphas = alphas_in_hand(probe),
                                    .tolerance =
                                        spec_real(probe->spec, "probe.adapt.tolerance"),
                                    .most = probe->most,
                                    .pause = env->wish ? stops_after : NULL};

    if (probe->is_part) {
        const struct part *part = &probe->part;
        curve.first[SPLIT_TRAIN] = part->train[0];
        curve.count[SPLIT_TRAIN] = part->train[1];
        curve.first[SPLIT_TEST] = part->test[0];
        curve.count[SPLIT_TEST] = part->test[1];
    }
    if (spec_size(probe->spec, "probe.splits.bn", dataset_count(probe->data, SPLIT_TRAIN),
                  &curve.bn_count, err))
        return -1;
    probe->trace = trace_new(&curve, &plan, err);
    return probe->trace ? 0 : -1;
}

/* Of the whole, the part that the spec names. */
static int open_part(struct probe *probe, struct error *err)
{
    size_t *at;
    int rc;

    probe->whole =
        (struct part_whole){.groups = probe->group_count,
                            .modes = probe->bn_count,
                            .examples = {probe->eval_count[0], probe->eval_count[1]},
                            .alphas = &probe->alphas};
    if (part_of(probe->spec, &probe->is_part, &probe->part, err))
        return -1;
    probe->rows = probe->sink;
    if (!probe->is_part)
        return 0;
    if (part_check(&probe->part, &probe->whole, err))
        return -1;
    probe->group_first = (size_t)probe->part.groups[0];
    probe->group_count = (size_t)probe->part.groups[1] - probe->group_first;
    probe->slices = part_has_slices(&probe->part, &probe->whole);
    probe->rows = sink_new(NULL, NULL);
    at = calloc(probe->alphas.count + 1, sizeof *at);
    if (probe->rows && at)
        rc = part_alphas(&probe->part, &probe->alphas, &probe->own, at, err);
    else
        rc = err_set(err, ERR_NO_MEMORY, "no memory for a part of a probe");
    free(at);
    return rc;
}

static int take_parts(struct probe *probe, const struct msg_input *inputs,
                      size_t input_count, struct error *err)
{
    struct progress *progress = &probe->keeper.progress;

    if (!probe->merges)
        return 0;
    probe->told = calloc(progress->curves + 1, sizeof *probe->told);
    if (!probe->told)
        return err_set(err, ERR_NO_MEMORY, "no memory for the parts of a probe");
    sink_log(probe->sink, "made of parts");
    return part_merge(probe->spec, &probe->whole, inputs, input_count, progress,
                      probe->told, probe->rows, err);
}

static int open_keeper(struct probe *probe, const struct msg_input *inputs,
                       size_t input_count, const struct probe_env *env, struct error *err)
{
    struct progress *progress = &probe->keeper.progress;

    probe->merges = !probe->is_part && part_is_any(inputs, input_count);
    probe->keeper.anew = probe->merges;

    probe->keeper.env = env;
    probe->keeper.sink = probe->sink;
    probe->keeper.rows = probe->rows;
    progress->all = probe->slices || probe->merges;
    probe->keeper.whole = probe->detail != NULL;
    probe->keeper.detail = probe->detail;
    progress->key = probe->key;
    progress->curves = probe->group_count * probe->bn_count;
    progress->alphas = alphas_in_hand(probe)->count;
    if (spec_key(probe->spec, probe->key, err))
        return -1;
    return keeper_begin(&probe->keeper, err);
}

static int set_up(struct probe *probe, const struct msg_input *inputs, size_t input_count,
                  const struct probe_env *env, struct error *err)
{
    const struct spec *spec = probe->spec;

    if (load_ends(probe, inputs, input_count, err) || read_groups(probe, err) ||
        curve_modes(spec, probe->b.arch, probe->bn, &probe->bn_count, err) ||
        alphas_of(spec, &probe->alphas, err))
        return -1;
    probe->most = (size_t)spec_int(spec, "probe.adapt.most");
    probe->data = dataset_open(&probe->b.spec, env->data_dir, err);
    if (!probe->data ||
        spec_size(spec, "probe.splits.train", dataset_count(probe->data, SPLIT_TRAIN),
                  &probe->eval_count[SPLIT_TRAIN], err) ||
        spec_size(spec, "probe.splits.test", dataset_count(probe->data, SPLIT_TEST),
                  &probe->eval_count[SPLIT_TEST], err))
        return -1;
    return open_detail(probe, err) || open_part(probe, err) ||
                   open_keeper(probe, inputs, input_count, env, err) ||
                   take_parts(probe, inputs, input_count, err) ||
                   open_trace(probe, env, err)
               ? -1
               : 0;
}

static void tear_down(struct probe *probe)
{
    trace_free(&probe->trace);
    keeper_end(&probe->keeper);
    alphas_free(&probe->own);
    free(probe->told);
    if (probe->rows != probe->sink)
        sink_free(&probe->rows);
    detail_free(&probe->detail);
    dataset_free(&probe->data);
    alphas_free(&probe->alphas);
    free(probe->groups);
    value_free(&probe->group_list);
    endpoint_free(&probe->a);
    endpoint_free(&probe->b);
}

/* A part leaves a file, nothing else. */
static int finish_part(struct probe *probe, const struct probe_env *env,
                       struct error *err)
{
    char hash[HASH_TEXT];
    struct msg_state state = {
        .name = slice_of(PART_STATE), .hash = {hash, HASH_HEX}, .stored = true};

    if (progress_store(&probe->keeper.progress, env->dir, probe->rows, hash, &state.size,
                       err) ||
        sink_state(probe->sink, &state, err))
        return -1;
    sink_summary(probe->sink, 0, 0, false, NULL);
    return 0;
}

/* What all curves together give. */
static int finish(struct probe *probe, const struct msg_input *inputs, size_t input_count,
                  const struct probe_env *env, struct error *err)
{
    if (probe->is_part)
        return finish_part(probe, env, err);
    if (trajectory_run(inputs, input_count, &probe->a, &probe->b, probe->groups,
                       probe->group_count, probe->sink, err) ||
        (probe->detail && env->dir &&
         detail_store(probe->detail, env->dir, probe->sink, err)))
        return -1;
    sink_summary(probe->sink, 0, 0, false, NULL);
    return 0;
}

int probe_run(const struct spec *spec, const struct msg_input *inputs, size_t input_count,
              const struct probe_env *env, struct sink *sink, struct error *err)
{
    struct probe probe = {.spec = spec, .sink = sink};
    int rc = -1;

    if (strcmp(spec_string(spec, "probe.kind"), "plane") == 0)
        return plane_probe_run(spec, inputs, input_count, env, sink, err);
    if (set_up(&probe, inputs, input_count, env, err))
        goto done;
    sink_data_hash(sink, dataset_hash(probe.data));
    sink_numerics(sink, spec_string(&probe.b.spec, "train.numerics"),
                  spec_string(&probe.b.spec, "train.kernels"));
    rc = run_groups(&probe, err);
    if (rc == 0)
        rc = finish(&probe, inputs, input_count, env, err);

done:
    tear_down(&probe);
    return rc;
}
