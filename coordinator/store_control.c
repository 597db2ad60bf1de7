/* What people change: jobs, sweeps, and what was asked for. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>

int store_sweep_may(struct store *store, size_t sweep, int64_t *ret, struct error *err)
{
    const struct sweep_delta *delta = &store->deltas[sweep];
    int got = stmt_row(store, STMT_SWEEP_MAY, ARGS(arg_text(delta->sweep)), err);

    if (got < 0)
        return -1;
    bool paused = got > 0 && stmt_int(store, STMT_SWEEP_MAY, 0) != 0;
    int64_t max = got > 0 ? stmt_int(store, STMT_SWEEP_MAY, 1) : 0;
    /* What this batch has changed is not in the table yet. */
    int64_t running =
        got > 0 ? stmt_int(store, STMT_SWEEP_MAY, 2) + delta->n[JOB_RUNNING] : 0;
    stmt_end(store, STMT_SWEEP_MAY);
    if (paused)
        *ret = 0;
    else if (max == 0)
        *ret = INT64_MAX;
    else
        *ret = max > running ? max - running : 0;
    return 0;
}

int store_needs(struct store *store, size_t sweep, struct needs *ret, struct error *err)
{
    const char *name = store->deltas[sweep].sweep;
    int got = stmt_row(store, STMT_NEEDS, ARGS(arg_text(name)), err);

    if (got < 0)
        return -1;
    if (got == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no sweep '%s'", name);
    *ret = (struct needs){.priority = (int32_t)stmt_int(store, STMT_NEEDS, 0),
                          .cores = (uint32_t)stmt_int(store, STMT_NEEDS, 1),
                          .memory = (uint64_t)stmt_int(store, STMT_NEEDS, 2)};
    snprintf(ret->labels, sizeof ret->labels, "%s", stmt_text(store, STMT_NEEDS, 3).data);
    snprintf(ret->retries, sizeof ret->retries, "%s",
             stmt_text(store, STMT_NEEDS, 4).data);
    stmt_end(store, STMT_NEEDS);
    return 0;
}

/* ---- jobs ------------------------------------------------------------------- */

/* A part at a time, and each whole before visit changes what the statement reads. */
int store_each_job(struct store *store, int64_t first, int64_t last,
                   int (*visit)(void *user, int64_t job, struct error *err), void *user,
                   struct error *err)
{
    enum { PART = 256 };
    int64_t ids[PART];
    int count, got;

    do {
        count = 0;
        got =
            stmt_row(store, STMT_JOBS_BETWEEN, ARGS(arg_int(first), arg_int(last)), err);
        while (got > 0) {
            ids[count++] = stmt_int(store, STMT_JOBS_BETWEEN, 0);
            if (count == PART)
                break;
            got = stmt_next(store, STMT_JOBS_BETWEEN, err);
        }
        stmt_end(store, STMT_JOBS_BETWEEN);
        for (int i = 0; got >= 0 && i < count; i++)
            if (visit(user, ids[i], err) != 0)
                return -1;
        if (count > 0)
            first = ids[count - 1] + 1;
    } while (got > 0);
    return got;
}

int store_cancel(struct store *store, int64_t job, const char *reason, int64_t now_ms,
                 bool *ret_changed, uint32_t *ret_attempt, struct error *err)
{
    struct job_note note = {.detail = reason, .now_ms = now_ms};
    struct arg none = arg_text_or_null(NULL);
    struct job_row row;

    *ret_changed = false;
    *ret_attempt = 0;
    if (job_load(store, job, &row, err) != 0)
        return -1;
    if (job_state_ended(row.state))
        return 0;
    *ret_changed = true;
    if (row.state == JOB_RUNNING) {
        *ret_attempt = row.attempt;
        if (stmt_run(store, STMT_ATTEMPT_END,
                     ARGS(arg_int(job), arg_int(row.attempt), arg_text("lost"), none,
                          arg_text(reason), arg_int(now_ms), none, none, none, none,
                          none),
                     err) != 0)
            return -1;
    }
    if (job_move(store, &row, EVENT_CANCEL, note, err) != 0 ||
        stmt_run(store, STMT_BACKOFF_DROP, ARGS(arg_int(job)), err) != 0)
        return -1;
    return job_settle_dependants(store, job, now_ms, (struct job_watch){0}, err);
}

int store_retry(struct store *store, int64_t job, bool force, const char *reason,
                int64_t now_ms,
                void (*ready)(void *user, const struct store_ready *ready), void *user,
                bool *ret_changed, struct error *err)
{
    struct job_note note = {.detail = reason, .now_ms = now_ms};
    struct job_watch watch = {ready, user};
    struct job_row row;

    *ret_changed = false;
    if (job_load(store, job, &row, err) != 0)
        return -1;
    if (force && row.state == JOB_DONE) {
        int rc = job_rerun(store, &row, note, ret_changed, err);
        if (rc != 0 || !*ret_changed)
            return rc;
    } else if (job_state_next(row.state, EVENT_RETRY) == JOB_NONE)
        return 0;
    else if (early_overrule(store, job, err) != 0 ||
             job_move(store, &row, EVENT_RETRY, note, err) != 0)
        return -1;
    *ret_changed = true;
    if (job_revive_dependants(store, job, now_ms, watch, err) != 0)
        return -1;
    return job_settle(store, job, now_ms, watch, err);
}

int store_set_priority(struct store *store, int64_t job, int32_t priority,
                       bool *ret_changed, struct error *err)
{
    if (stmt_run(store, STMT_PRIORITY_SET, ARGS(arg_int(job), arg_int(priority)), err) !=
        0)
        return -1;
    *ret_changed = stmt_changes(store) > 0;
    return 0;
}

/* ---- sweeps ----------------------------------------------------------------- */

static int check_sweep(struct store *store, int64_t sweep, struct error *err)
{
    int got = stmt_row(store, STMT_SWEEP_BY_ID, ARGS(arg_int(sweep)), err);

    stmt_end(store, STMT_SWEEP_BY_ID);
    if (got != 0)
        return got < 0 ? -1 : 0;
    return err_set(err, ERR_NOT_FOUND, "there is no sweep %lld", (long long)sweep);
}

int store_pause(struct store *store, int64_t sweep, const char *reason, int64_t now_ms,
                bool *ret_changed, struct error *err)
{
    if (check_sweep(store, sweep, err) != 0 ||
        stmt_run(store, STMT_PAUSE_ADD,
                 ARGS(arg_int(sweep), arg_text(reason), arg_int(now_ms)), err) != 0)
        return -1;
    *ret_changed = stmt_changes(store) > 0;
    return 0;
}

int store_unpause(struct store *store, int64_t sweep, bool *ret_changed,
                  struct error *err)
{
    if (check_sweep(store, sweep, err) != 0 ||
        stmt_run(store, STMT_PAUSE_DROP, ARGS(arg_int(sweep)), err) != 0)
        return -1;
    *ret_changed = stmt_changes(store) > 0;
    return 0;
}

int store_set_limit(struct store *store, int64_t sweep, int64_t max_running,
                    bool *ret_changed, struct error *err)
{
    if (check_sweep(store, sweep, err) != 0 ||
        stmt_run(store, STMT_SWEEP_LIMIT, ARGS(arg_int(sweep), arg_int(max_running)),
                 err) != 0)
        return -1;
    *ret_changed = stmt_changes(store) > 0;
    return 0;
}

/* ---- what was asked for ------------------------------------------------------- */

int store_control_find(struct store *store, const char *request, bool *ret_known,
                       struct store_control *ret, struct error *err)
{
    int got = stmt_row(store, STMT_CONTROL, ARGS(arg_text(request)), err);

    if (got < 0)
        return -1;
    *ret_known = got > 0;
    if (got > 0) {
        ret->changed = (uint64_t)stmt_int(store, STMT_CONTROL, 0);
        ret->unchanged = (uint64_t)stmt_int(store, STMT_CONTROL, 1);
        stmt_end(store, STMT_CONTROL);
    }
    return 0;
}

int store_control_add(struct store *store, const char *request,
                      const struct store_control *control, int64_t now_ms,
                      struct error *err)
{
    return stmt_run(store, STMT_CONTROL_ADD,
                    ARGS(arg_text(request), arg_int(now_ms), arg_text(control->verb),
                         arg_text(control->target), arg_text(control->reason),
                         arg_int((int64_t)control->changed),
                         arg_int((int64_t)control->unchanged)),
                    err);
}
