/* Writing a plan: jobs that are new, places in the sweep that are new. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct submit {
    struct store *store;
    const struct plan *plan;
    int64_t now_ms;
    int64_t *ids; /* of the plan's jobs, in its order */
    bool *added;  /* those that are new */
    bool force;
    uint64_t added_count, left_out; /* of the plan's jobs: new; not needed */
    uint64_t rerun;
    int64_t sweep;       /* row */
    size_t place;        /* in the store's counts */
    bool extends;        /* the sweep was there before */
    bool joined;         /* the job at hand was there, in other sweeps */
    bool stopped;        /* there are runs that a rule has stopped */
    struct names varied; /* by this and by earlier submissions */
    bool varies_more;    /* than before */
    bool changes;        /* of jobs that there were */
    struct job_watch watch;
    struct option_cache *options;
};

int store_submitted(struct store *store, const char *request, struct store_submitted *ret,
                    struct error *err)
{
    int got = stmt_row(store, STMT_REQUEST, ARGS(arg_text(request)), err);

    if (got <= 0)
        return got;
    *ret = (struct store_submitted){
        .sweep = stmt_int(store, STMT_REQUEST, 0),
        .jobs = (uint64_t)stmt_int(store, STMT_REQUEST, 1),
        .added = (uint64_t)stmt_int(store, STMT_REQUEST, 2),
        .rerun = (uint64_t)stmt_int(store, STMT_REQUEST, 4),
        .known = true,
    };
    snprintf(ret->name, sizeof ret->name, "%s", stmt_text(store, STMT_REQUEST, 3).data);
    stmt_end(store, STMT_REQUEST);
    return 1;
}

/* The id that a one-row query gives, or 0. */
static int find_id(struct store *store, enum stmt id, const char *name, int64_t *ret,
                   struct error *err)
{
    int got = stmt_row(store, id, ARGS(arg_text(name)), err);

    *ret = got > 0 ? stmt_int(store, id, 0) : 0;
    stmt_end(store, id);
    return got < 0 ? -1 : 0;
}

static int write_sweep(struct submit *s, struct error *err)
{
    const struct plan *plan = s->plan;
    enum stmt write;

    if (find_id(s->store, STMT_SWEEP, plan->name, &s->sweep, err) != 0)
        return -1;
    if (count_place(s->store, slice_of(plan->name), &s->place, err) != 0)
        return -1;
    s->extends = s->sweep != 0;
    if (stmt_row(s->store, STMT_STOP_ANY, NULL, 0, err) < 0)
        return -1;
    s->stopped = stmt_int(s->store, STMT_STOP_ANY, 0) != 0;
    stmt_end(s->store, STMT_STOP_ANY);
    write = s->extends ? STMT_SWEEP_SET : STMT_SWEEP_ADD;
    if (stmt_run(s->store, write,
                 ARGS(arg_text(plan->name), arg_text(plan->file), arg_text(plan->grid),
                      arg_int(plan->time_limit_s), arg_int(plan->max_running),
                      arg_int(s->now_ms)),
                 err) != 0)
        return -1;
    for (int state = JOB_WAITING; state < JOB_STATE_COUNT; state++)
        if (stmt_run(s->store, STMT_COUNT_INIT,
                     ARGS(arg_text(plan->name),
                          arg_text(job_state_name((enum job_state)state))),
                     err) != 0)
            return -1;
    return s->extends ? 0 : find_id(s->store, STMT_SWEEP, plan->name, &s->sweep, err);
}

/* A new priority is that of the jobs that had the old one, too. */
static int write_needs(struct submit *s, struct error *err)
{
    const struct needs *needs = &s->plan->needs;
    const struct early *early = &s->plan->early;
    struct needs before;

    if (s->extends) {
        if (store_needs(s->store, s->place, &before, err) != 0)
            return -1;
        s->changes = !needs_same(&before, needs);
        if (before.priority != needs->priority &&
            stmt_run(s->store, STMT_NEEDS_PRIORITY,
                     ARGS(arg_text(s->plan->name), arg_int(before.priority),
                          arg_int(needs->priority)),
                     err) != 0)
            return -1;
    }
    if (stmt_run(s->store, STMT_STOP_SET,
                 ARGS(arg_text(s->plan->name), arg_text(early_rule_name(early->rule)),
                      arg_text(early->metric ? early->metric->name : ""),
                      arg_int(early->grace), arg_int(early->factor)),
                 err) != 0)
        return -1;
    if (s->extends && stmt_changes(s->store) > 0 &&
        early_rescore(s->store, s->plan->name, early, err) != 0)
        return -1;
    return stmt_run(s->store, STMT_NEEDS_SET,
                    ARGS(arg_text(s->plan->name), arg_int(needs->priority),
                         arg_int(needs->cores), arg_int((int64_t)needs->memory),
                         arg_text(needs->labels[0] ? needs->labels : "[]"),
                         arg_text(needs->retries[0] ? needs->retries : "{}")),
                    err);
}

static int write_varied(struct submit *s, struct error *err)
{
    for (size_t i = 0; i < s->plan->varied_count; i++) {
        if (stmt_run(s->store, STMT_VARIED_ADD,
                     ARGS(arg_text(s->plan->name), arg_text(s->plan->varied[i])),
                     err) != 0)
            return -1;
        if (stmt_changes(s->store) > 0)
            s->varies_more = true;
    }
    return param_names(s->store, s->plan->name, &s->varied, err);
}

static struct arg classes_of(const struct spec *spec)
{
    return spec->kind == JOB_PROBE ? arg_text_or_null(NULL) : arg_int(spec_classes(spec));
}

static struct arg tolerance_of(const struct spec *spec)
{
    return spec->kind == JOB_PROBE ? arg_real(spec_real(spec, "probe.tolerance"))
                                   : arg_text_or_null(NULL);
}

/* What needs nothing is ready as soon as it is there: a row is written once, not twice. A
 * derived state is judged first. */
static bool is_ready(const struct plan_job *job)
{
    return job->need_count == 0 && job->spec.kind != JOB_DERIVE;
}

static int add_event(struct submit *s, int64_t id, enum job_event event,
                     struct error *err)
{
    const struct arg none = arg_text_or_null(NULL);

    return stmt_run(s->store, STMT_EVENT_ADD,
                    ARGS(arg_int(s->now_ms), arg_int(id), arg_int(0),
                         arg_text(job_event_name(event)), none, none),
                    err);
}

/* Whether it was not there: 1 or 0; -1. Where it was, its id is still to be found. */
static int add_job(struct submit *s, size_t place, struct error *err)
{
    const struct plan_job *job = &s->plan->jobs[place];
    const enum job_state state = is_ready(job) ? JOB_READY : JOB_WAITING;
    int64_t *id = &s->ids[place], options, seeds;

    if (options_find(s->store, s->options, job, &options, &seeds, err) != 0 ||
        stmt_run(s->store, STMT_JOB_ADD,
                 ARGS(arg_text(job->key), arg_text(job_kind_name(job->spec.kind)),
                      arg_text(job_state_name(state)), arg_text(s->plan->name),
                      arg_slice((struct slice){job->text.data, job->text.size}),
                      classes_of(&job->spec), tolerance_of(&job->spec),
                      arg_int(s->plan->time_limit_s), arg_int(s->now_ms),
                      arg_int(s->plan->needs.priority), arg_int(options), arg_int(seeds)),
                 err) != 0)
        return -1;
    if (stmt_changes(s->store) == 0)
        return 0;
    *id = stmt_rowid(s->store);
    if (add_event(s, *id, EVENT_SUBMIT, err) != 0 ||
        (state == JOB_READY && add_event(s, *id, EVENT_READY, err) != 0))
        return -1;
    for (size_t i = 0; i < job->need_count; i++) {
        const struct plan_need *need = &job->needs[i];

        if (stmt_run(s->store, STMT_DEP_ADD,
                     ARGS(arg_int(*id), arg_text(need->role), arg_int(s->ids[need->job]),
                          arg_text(need->state)),
                     err) != 0)
            return -1;
    }
    s->added[place] = true;
    s->added_count++;
    if (state == JOB_READY && s->watch.visit)
        s->watch.visit(s->watch.user,
                       &(struct store_ready){.job = *id,
                                             .priority = s->plan->needs.priority,
                                             .sweep = s->place,
                                             .probe = job->spec.kind == JOB_PROBE});
    return 1;
}

/* In a sweep that there was, most jobs are likely to be there. */
static int find_or_add(struct submit *s, size_t place, struct error *err)
{
    const char *key = s->plan->jobs[place].key;
    int64_t *id = &s->ids[place];

    if (s->extends && find_id(s->store, STMT_JOB_BY_KEY, key, id, err) != 0)
        return -1;
    if (*id != 0)
        return 0;
    int added = add_job(s, place, err);
    return added != 0 ? (added < 0 ? -1 : 0)
                      : find_id(s->store, STMT_JOB_BY_KEY, key, id, err);
}

static int add_member(struct submit *s, int64_t job, const struct plan_member *member,
                      struct error *err)
{
    struct buf point = {0};
    int rc = -1;

    plan_put_params(member, &point);
    if (point.failed)
        err_set(err, ERR_NO_MEMORY, "no memory for a point of the grid");
    else
        rc = stmt_run(s->store, STMT_MEMBER_ADD,
                      ARGS(arg_text(s->plan->name), arg_int(job),
                           arg_text(member->intervention), arg_text(member->role),
                           arg_text(member->probe), arg_int(member->seed),
                           arg_slice((struct slice){point.data, point.size})),
                      err);
    buf_free(&point);
    return rc;
}

/* A job that was there before and gets these many places in the sweep, all new: unless it
 * had another, it is new to the sweep. */
static int count_known_job(struct submit *s, int64_t id, size_t places, struct error *err)
{
    const char *sweep = s->plan->name;
    struct job_row job;
    int64_t all;

    if (stmt_row(s->store, STMT_MEMBER_COUNT, ARGS(arg_text(sweep), arg_int(id)), err) <
        0)
        return -1;
    all = stmt_int(s->store, STMT_MEMBER_COUNT, 0);
    stmt_end(s->store, STMT_MEMBER_COUNT);
    if (all != (int64_t)places)
        return 0;
    if (job_load(s->store, id, &job, err) != 0)
        return -1;
    s->joined = true;
    count_add(s->store, s->place, job.state, 1);
    return stmt_run(s->store, STMT_JOB_SHARE, ARGS(arg_int(id), arg_text(sweep)), err);
}

/* A job counts once in a sweep, however many of its points ask for it. */
static int add_members(struct submit *s, size_t place, struct error *err)
{
    const struct plan_job *job = &s->plan->jobs[place];
    int64_t id = s->ids[place];
    size_t places = 0;

    s->joined = false;
    for (size_t i = 0; i < job->member_count; i++) {
        if (add_member(s, id, &job->members[i], err) != 0)
            return -1;
        places += stmt_changes(s->store) > 0;
    }
    if (s->added[place])
        count_add(s->store, s->place, is_ready(job) ? JOB_READY : JOB_WAITING, 1);
    /* A place that was there says that the sweep had the job. */
    else if (places == job->member_count)
        return count_known_job(s, id, places, err);
    return 0;
}

/* What it needs stands before it in the plan: if that runs again, this waits for it. */
static int run_again(struct submit *s, int64_t job, const char *why, struct error *err)
{
    bool changed;

    if (store_retry(s->store, job, s->force, why, s->now_ms, NULL, NULL, &changed, err) !=
        0)
        return -1;
    s->rerun += changed;
    s->changes = s->changes || changed;
    return 0;
}

/* A run that a rule has stopped goes on where another sweep asks for it, or its own does
 * without a rule. */
static int let_go_on(struct submit *s, int64_t job, struct error *err)
{
    char stop[STORE_STOP_TEXT];
    struct job_row row;

    if (s->plan->early.rule != EARLY_NONE && !s->joined)
        return 0;
    if (job_load(s->store, job, &row, err) != 0 ||
        early_stopped(s->store, &row, stop, err) != 0)
        return -1;
    if (!stop[0])
        return 0;
    return row.state == JOB_STOPPED ? run_again(s, job, "it is asked for to its end", err)
                                    : early_overrule(s->store, job, err);
}

static int write_job(struct submit *s, size_t place, struct error *err)
{
    const struct plan_job *job = &s->plan->jobs[place];
    int64_t whole = 0;

    /* A probe that is there, or on its way, is not made once more of parts. */
    if (job->whole[0] && find_id(s->store, STMT_JOB_BY_KEY, job->whole, &whole, err) != 0)
        return -1;
    if (whole != 0) {
        s->left_out++;
        return 0;
    }
    if (find_or_add(s, place, err) != 0 || add_members(s, place, err) != 0)
        return -1;
    if (job->spec.kind == JOB_TRAIN &&
        param_write_varied(s->store, s->ids[place], &job->spec, &s->varied, err) != 0)
        return -1;
    if (!s->added[place] && s->force)
        return run_again(s, s->ids[place], "submitted with --force", err);
    if (!s->added[place] && s->stopped && job->spec.kind == JOB_TRAIN)
        return let_go_on(s, s->ids[place], err);
    /* What it needs stands before it in the plan, so it is settled already. */
    return s->added[place] && !is_ready(job)
               ? job_settle(s->store, s->ids[place], s->now_ms, s->watch, err)
               : 0;
}

static int write_plan(struct submit *s, struct error *err)
{
    if (write_sweep(s, err) != 0 || write_needs(s, err) != 0 || write_varied(s, err) != 0)
        return -1;
    for (size_t i = 0; i < s->plan->job_count; i++)
        if (write_job(s, i, err) != 0)
            return -1;
    /* Runs of earlier submissions get a value for what varies only now. */
    if (s->extends && s->varies_more &&
        param_write_sweep(s->store, s->plan->name, &s->varied, err) != 0)
        return -1;
    /* Changing the schema makes every statement prepare itself again. */
    if (!s->extends || s->varies_more)
        return view_write(s->store, s->plan->name, err);
    return 0;
}

int store_submit(struct store *store, const struct plan *plan, const char *request,
                 bool force, int64_t now_ms,
                 void (*ready)(void *user, const struct store_ready *ready), void *user,
                 struct store_submitted *ret, struct error *err)
{
    struct submit s = {
        .store = store,
        .plan = plan,
        .force = force,
        .now_ms = now_ms,
        .watch = {ready, user},
    };
    int rc = -1;
    int known = store_submitted(store, request, ret, err);

    if (known != 0)
        return known < 0 ? -1 : 0;
    s.ids = calloc(plan->job_count + 1, sizeof *s.ids);
    s.added = calloc(plan->job_count + 1, sizeof *s.added);
    s.options = calloc(1, sizeof *s.options);
    if (!s.ids || !s.added || !s.options) {
        err_set(err, ERR_NO_MEMORY, "no memory for %zu jobs", plan->job_count);
        goto done;
    }
    if (write_plan(&s, err) != 0 ||
        stmt_run(store, STMT_REQUEST_ADD,
                 ARGS(arg_text(request), arg_text(plan->name),
                      arg_int((int64_t)(plan->job_count - s.left_out)),
                      arg_int((int64_t)s.added_count), arg_int(now_ms),
                      arg_int((int64_t)s.rerun)),
                 err) != 0)
        goto done;
    *ret = (struct store_submitted){.sweep = s.sweep,
                                    .jobs = plan->job_count - s.left_out,
                                    .added = s.added_count,
                                    .rerun = s.rerun,
                                    .changes = s.changes};
    snprintf(ret->name, sizeof ret->name, "%s", plan->name);
    rc = 0;
done:
    names_free(&s.varied);
    free(s.ids);
    free(s.added);
    free(s.options);
    return rc;
}
