#include "worker/probe/plane_probe.h"

#include "common/error.h"
#include "common/spec.h"
#include "worker/data/dataset.h"
#include "worker/endpoint.h"
#include "worker/eval.h"
#include "worker/probe/direction.h"
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
    struct tally_sum *tallies; /* (ys, xs, splits) of the plane in hand */
    struct value groups;       /* a list of strings; empty: "all" */
    enum curve_bn bn[CURVE_BN_COUNT];
    size_t bn_count;
    uint32_t done, total; /* points, those of the plane in hand not counted */
};

/* ---- points ------------------------------------------------------------------- */

static uint32_t points_of_plane(const struct job *job)
{
    return (uint32_t)(2 * job->x_count * job->y_count);
}

static void tell(void *user, double share)
{
    const struct job *job = user;

    sink_progress(job->sink, job->done + (uint32_t)(share * points_of_plane(job)),
                  job->total);
}

static int put_point(const struct job *job, const char *group, enum curve_bn bn, size_t x,
                     size_t y, struct error *err)
{
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++) {
        const struct tally_sum *tally = &job->tallies[2 * (y * job->x_count + x)];
        const struct msg_plane_point row = {.grp = slice_of(group),
                                            .bn = slice_of(curve_bn_name(bn)),
                                            .split = slice_of(split_name((enum split)s)),
                                            .x_index = (uint32_t)x,
                                            .x = job->xs[x],
                                            .y_index = (uint32_t)y,
                                            .y = job->ys[y],
                                            .tally = tally_round(&tally[s])};
        if (sink_plane_point(job->sink, &row, err))
            return -1;
    }
    return 0;
}

static int run_plane(struct job *job, const char *group, enum curve_bn bn,
                     struct error *err)
{
    if (plane_run(job->plane, bn, job->tallies, err))
        return -1;
    for (size_t y = 0; y < job->y_count; y++)
        for (size_t x = 0; x < job->x_count; x++)
            if (put_point(job, group, bn, x, y, err))
                return -1;
    job->done += points_of_plane(job);
    sink_progress(job->sink, job->done, job->total);
    return 0;
}

static int run_group(struct job *job, const char *group, struct error *err)
{
    const struct direction_gram gram = plane_set_group(job->plane, group);
    const struct msg_plane row = {slice_of(group), gram.x_l2, gram.y_l2, gram.cosine};

    if (sink_plane(job->sink, &row, err))
        return -1;
    for (size_t m = 0; m < job->bn_count; m++)
        if (run_plane(job, group, job->bn[m], err))
            return -1;
    sink_log(job->sink, "group %s: %zu x %zu points", group, job->x_count, job->y_count);
    return 0;
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

/* A count gives from + (to - from) i / (n - 1), both ends exact. */
static double *read_axis(const struct spec *spec, const char *points, const char *first,
                         const char *last, size_t *ret_count, struct error *err)
{
    const double from = spec_real(spec, first), to = spec_real(spec, last);
    struct value value;
    double *at;
    size_t n;

    if (spec_value(spec, points, &value, err))
        return NULL;
    n = value.type == VALUE_LIST ? value.list.count : (size_t)value.integer;
    at = calloc(n, sizeof *at);
    for (size_t i = 0; at && i < n; i++)
        at[i] = value.type == VALUE_LIST
                    ? value_number(&value.list.items[i])
                    : from + (to - from) * (double)i / (double)(n - 1);
    if (!at)
        err_set(err, ERR_NO_MEMORY, "no memory for the points of a plane");
    else if (value.type != VALUE_LIST)
        at[n - 1] = to;
    value_free(&value);
    *ret_count = n;
    return at;
}

/* Where there are no running statistics, one plane is all. */
static int read_modes(struct job *job, struct error *err)
{
    struct value list;

    if (!arch_has_norm(job->b.arch)) {
        job->bn[job->bn_count++] = CURVE_NONE;
        return 0;
    }
    if (spec_value(job->spec, "probe.bn", &list, err))
        return -1;
    for (size_t i = 0; i < list.list.count; i++)
        job->bn[job->bn_count++] = curve_bn_of(list.list.items[i].string);
    value_free(&list);
    return 0;
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
    if (read_groups(job, err) || read_modes(job, err))
        return -1;
    job->xs = read_axis(job->spec, "probe.xs", "probe.xs_from", "probe.xs_to",
                        &job->x_count, err);
    if (!job->xs)
        return -1;
    job->ys = read_axis(job->spec, "probe.ys", "probe.ys_from", "probe.ys_to",
                        &job->y_count, err);
    if (!job->ys)
        return -1;
    job->total = (uint32_t)(group_count(job) * job->bn_count) * points_of_plane(job);
    job->tallies = calloc(points_of_plane(job), sizeof *job->tallies);
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

static int set_up(struct job *job, const struct msg_input *inputs, size_t input_count,
                  const struct probe_env *env, struct error *err)
{
    if (load(job, inputs, input_count, err) || read_spec(job, err))
        return -1;
    job->data = dataset_open(&job->b.spec, env->data_dir, err);
    return job->data ? open_plane(job, env, err) : -1;
}

static void tear_down(struct job *job)
{
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
    sink_progress(sink, 0, job.total);
    for (size_t g = 0; g < group_count(&job); g++)
        if (run_group(&job, group_at(&job, g), err))
            goto done;
    sink_summary(sink, 0, 0, false, NULL);
    rc = 0;

done:
    tear_down(&job);
    return rc;
}
