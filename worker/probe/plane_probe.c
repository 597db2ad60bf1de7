#include "worker/probe/plane_probe.h"

#include "common/alphas.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/data/dataset.h"
#include "worker/endpoint.h"
#include "worker/eval.h"
#include "worker/probe/direction.h"
#include "worker/probe/keeper.h"
#include "worker/probe/plane.h"
#include "worker/sink.h"

#include <stdlib.h>
#include <string.h>

struct job {
    const struct spec *spec;
    struct sink *sink;
    struct endpoint a, b, c;
    struct dataset *data;
    struct plane *plane;
    double *xs, *ys;
    size_t x_count, y_count;
    struct tally_sum *tallies; /* (xs, splits) of the row in hand */
    struct value groups;       /* a list of strings; empty: "all" */
    enum curve_bn bn[CURVE_BN_COUNT];
    size_t bn_count;
    struct keeper keeper; /* of rows, where it speaks of curves */
    char key[HASH_TEXT];
    uint32_t total; /* points */
};

/* ---- rows ---------------------------------------------------------------------- */

static uint32_t points_of_row(const struct job *job)
{
    return (uint32_t)(2 * job->x_count);
}

static size_t rows_of_group(const struct job *job)
{
    return job->bn_count * job->y_count;
}

static size_t rows_done(const struct job *job)
{
    return job->keeper.progress.done;
}

static void tell(void *user, double share)
{
    const struct job *job = user;

    sink_progress(job->sink,
                  (uint32_t)(((double)rows_done(job) + share) * points_of_row(job)),
                  job->total);
}

static bool is_stopped(void *user)
{
    struct job *job = user;

    return keeper_stops(&job->keeper);
}

static int put_row(const struct job *job, const char *group, enum curve_bn bn, size_t y,
                   struct error *err)
{
    for (size_t i = 0; i < points_of_row(job); i++) {
        const struct msg_plane_point row = {.grp = slice_of(group),
                                            .bn = slice_of(curve_bn_name(bn)),
                                            .split =
                                                slice_of(split_name((enum split)(i % 2))),
                                            .x_index = (uint32_t)(i / 2),
                                            .x = job->xs[i / 2],
                                            .y_index = (uint32_t)y,
                                            .y = job->ys[y],
                                            .tally = tally_round(&job->tallies[i])};
        if (sink_plane_point(job->sink, &row, err))
            return -1;
    }
    return 0;
}

/* Row r of a group: the planes of its ways to get statistics, one after another. With
 * the first comes how the directions lie, so that what is saved has it once. */
static int run_row(struct job *job, const char *group, size_t r,
                   const struct direction_gram *gram, struct error *err)
{
    const struct msg_plane plane = {slice_of(group), gram->x_l2, gram->y_l2,
                                    gram->cosine};
    const enum curve_bn bn = job->bn[r / job->y_count];
    const size_t y = r % job->y_count;
    int rc;

    memset(job->tallies, 0, points_of_row(job) * sizeof *job->tallies);
    rc = plane_row(job->plane, bn, y, job->tallies, err);
    if (rc)
        return rc;
    if ((r == 0 && sink_plane(job->sink, &plane, err)) || put_row(job, group, bn, y, err))
        return -1;
    rc = keeper_next(&job->keeper) ? PROBE_STOPPED : 0;
    tell(job, 0);
    return rc;
}

static int run_group(struct job *job, const char *group, size_t first, struct error *err)
{
    const size_t last = first + rows_of_group(job);
    struct direction_gram gram;
    int rc = 0;

    if (rows_done(job) >= last)
        return 0;
    gram = plane_set_group(job->plane, group);
    while (rows_done(job) < last && rc == 0)
        rc = run_row(job, group, rows_done(job) - first, &gram, err);
    if (rc == 0)
        sink_log(job->sink, "group %s: %zu x %zu points", group, job->x_count,
                 job->y_count);
    return rc;
}

/* ---- set-up ------------------------------------------------------------------- */

static bool through_states(const struct job *job)
{
    return strcmp(spec_string(job->spec, "probe.directions"), "states") == 0;
}

static int load(struct job *job, const struct msg_input *inputs, size_t input_count,
                struct error *err)
{
    if (endpoint_load(inputs, input_count, "b", &job->b, err))
        return -1;
    if (!through_states(job))
        return 0;
    if (endpoint_load(inputs, input_count, "a", &job->a, err) ||
        endpoint_load(inputs, input_count, "c", &job->c, err) ||
        endpoint_match(&job->a, &job->b, err))
        return -1;
    if (endpoint_match(&job->c, &job->b, err))
        return err_prefix(err, "the state at (0,1)");
    return 0;
}

static double *read_axis(const struct spec *spec, const char *points, const char *first,
                         const char *last, size_t *ret_count, struct error *err)
{
    struct value value;
    double *at;

    if (spec_value(spec, points, &value, err))
        return NULL;
    *ret_count = alphas_size(&value);
    at = calloc(*ret_count, sizeof *at);
    if (at)
        alphas_fill(&value, spec_real(spec, first), spec_real(spec, last), at);
    else
        err_set(err, ERR_NO_MEMORY, "no memory for the points of a plane");
    value_free(&value);
    return at;
}

static int read_groups(struct job *job, struct error *err)
{
    if (spec_value(job->spec, "probe.groups", &job->groups, err))
        return -1;
    for (size_t g = 0; g < job->groups.list.count; g++)
        if (arch_check_group(job->b.arch, job->groups.list.items[g].string, err))
            return -1;
    return 0;
}

static size_t group_count(const struct job *job)
{
    return job->groups.list.count > 0 ? job->groups.list.count : 1;
}

static const char *group_at(const struct job *job, size_t g)
{
    return job->groups.list.count > 0 ? job->groups.list.items[g].string : "all";
}

static int read_spec(struct job *job, struct error *err)
{
    if (read_groups(job, err) ||
        curve_modes(job->spec, job->b.arch, job->bn, &job->bn_count, err))
        return -1;
    job->xs = read_axis(job->spec, "probe.xs", "probe.xs_from", "probe.xs_to",
                        &job->x_count, err);
    if (!job->xs)
        return -1;
    job->ys = read_axis(job->spec, "probe.ys", "probe.ys_from", "probe.ys_to",
                        &job->y_count, err);
    if (!job->ys)
        return -1;
    job->total = (uint32_t)(group_count(job) * rows_of_group(job)) * points_of_row(job);
    job->tallies = calloc(points_of_row(job), sizeof *job->tallies);
    if (!job->tallies)
        return err_set(err, ERR_NO_MEMORY, "no memory for a plane");
    return 0;
}

static int open_plane(struct job *job, const struct probe_env *env, struct error *err)
{
    const struct net_options engine = eval_engine(&job->b.spec, env->team);
    const bool states = through_states(job);
    struct plane_env plane = {
        .curve = {.arch = job->b.arch,
                  .data = job->data,
                  .engine = &engine,
                  .naive = env->naive,
                  .tick = tell,
                  .pause = is_stopped,
                  .user = job},
        .o = states ? job->a.theta : job->b.theta,
        .p = states ? job->b.theta : NULL,
        .q = states ? job->c.theta : NULL,
        .seed = (uint64_t)spec_int(job->spec, "probe.seed"),
        .filters = strcmp(spec_string(job->spec, "probe.directions"), "filter") == 0,
        .xs = {job->xs, job->x_count},
        .ys = {job->ys, job->y_count}};

    if (spec_size(job->spec, "probe.splits.train", dataset_count(job->data, SPLIT_TRAIN),
                  &plane.curve.count[SPLIT_TRAIN], err) ||
        spec_size(job->spec, "probe.splits.test", dataset_count(job->data, SPLIT_TEST),
                  &plane.curve.count[SPLIT_TEST], err) ||
        spec_size(job->spec, "probe.splits.bn", dataset_count(job->data, SPLIT_TRAIN),
                  &plane.curve.bn_count, err))
        return -1;
    job->plane = plane_new(&plane, err);
    return job->plane ? 0 : -1;
}

static int open_keeper(struct job *job, const struct probe_env *env, struct error *err)
{
    struct progress *progress = &job->keeper.progress;

    job->keeper.env = env;
    job->keeper.sink = job->keeper.rows = job->sink;
    job->keeper.whole = true;
    progress->key = job->key;
    progress->curves = group_count(job) * rows_of_group(job);
    progress->alphas = 1; /* points are in the sink, rows at a time */
    if (spec_key(job->spec, job->key, err))
        return -1;
    return keeper_begin(&job->keeper, err);
}

static int set_up(struct job *job, const struct msg_input *inputs, size_t input_count,
                  const struct probe_env *env, struct error *err)
{
    if (load(job, inputs, input_count, err) || read_spec(job, err))
        return -1;
    job->data = dataset_open(&job->b.spec, env->data_dir, err);
    if (!job->data || open_plane(job, env, err))
        return -1;
    return open_keeper(job, env, err);
}

static void tear_down(struct job *job)
{
    keeper_end(&job->keeper);
    plane_free(&job->plane);
    dataset_free(&job->data);
    free(job->tallies);
    free(job->xs);
    free(job->ys);
    value_free(&job->groups);
    endpoint_free(&job->a);
    endpoint_free(&job->b);
    endpoint_free(&job->c);
}

int plane_probe_run(const struct spec *spec, const struct msg_input *inputs,
                    size_t input_count, const struct probe_env *env, struct sink *sink,
                    struct error *err)
{
    struct job job = {.spec = spec, .sink = sink};
    int rc = -1;

    if (set_up(&job, inputs, input_count, env, err))
        goto done;
    sink_data_hash(sink, dataset_hash(job.data));
    sink_numerics(sink, spec_string(&job.b.spec, "train.numerics"),
                  spec_string(&job.b.spec, "train.kernels"));
    tell(&job, 0);
    rc = 0;
    for (size_t g = 0; g < group_count(&job) && rc == 0; g++)
        rc = run_group(&job, group_at(&job, g), g * rows_of_group(&job), err);
    if (rc > 0)
        keeper_leave(&job.keeper);
    else if (rc == 0)
        sink_summary(sink, 0, 0, false, NULL);

done:
    tear_down(&job);
    return rc;
}
