#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int job_load(struct store *store, int64_t id, struct job_row *ret, struct error *err)
{
    struct job_row row = {.id = id};
    int got = stmt_row(store, STMT_JOB, ARGS(arg_int(id)), err);

    if (got < 0)
        return -1;
    if (got == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
    job_state_parse(stmt_text(store, STMT_JOB, 0).data, &row.state);
    row.attempt = (uint32_t)stmt_int(store, STMT_JOB, 1);
    row.priority = (int32_t)stmt_int(store, STMT_JOB, 2);
    row.probe = slice_is(stmt_text(store, STMT_JOB, 3), "probe");
    row.derive = slice_is(stmt_text(store, STMT_JOB, 3), "derive");
    row.shared = stmt_int(store, STMT_JOB, 5) != 0;
    row.has_needs = stmt_int(store, STMT_JOB, 6) != 0;
    row.has_dependants = stmt_int(store, STMT_JOB, 7) != 0;
    row.has_resume = stmt_int(store, STMT_JOB, 8) != 0;
    got = count_place(store, stmt_text(store, STMT_JOB, 4), &row.sweep, err);
    stmt_end(store, STMT_JOB);
    if (got == 0)
        *ret = row;
    return got;
}

int job_move(struct store *store, struct job_row *job, enum job_event event,
             struct job_note note, struct error *err)
{
    enum job_state next = job_state_next(job->state, event);
    const char *cause = job_cause_name(note.cause);
    /* A result keeps nothing to go on from, so what was loaded with the job holds; a
     * stopped job may go on. */
    bool drops = job_state_ended(next) && event != EVENT_STOP &&
                 (job->has_resume || event != EVENT_FINISH);

    if (next == JOB_NONE)
        return err_set(err, ERR_INVALID, "job %lld is %s: it cannot %s",
                       (long long)job->id, job_state_name(job->state),
                       job_event_name(event));
    if (stmt_run(
            store, STMT_JOB_SET,
            ARGS(arg_int(job->id), arg_text(job_state_name(next)), arg_int(job->attempt),
                 arg_text_or_null(cause), arg_text_or_null(note.detail),
                 job_state_ended(next) ? arg_int(note.now_ms) : arg_text_or_null(NULL)),
            err) != 0 ||
        stmt_run(store, STMT_EVENT_ADD,
                 ARGS(arg_int(note.now_ms), arg_int(job->id), arg_int(job->attempt),
                      arg_text(job_event_name(event)), arg_text_or_null(cause),
                      arg_text_or_null(note.detail)),
                 err) != 0 ||
        count_move(store, job, next, err) != 0 ||
        (drops && resume_drop(store, job->id, err) != 0))
        return -1;
    job->state = next;
    return 0;
}

static void tell(struct job_watch watch, const struct job_row *job)
{
    const struct store_ready ready = {.job = job->id,
                                      .priority = job->priority,
                                      .sweep = job->sweep,
                                      .probe = job->probe,
                                      .after_ms = job->after_ms,
                                      .avoid = job->avoid};

    if (watch.visit)
        watch.visit(watch.user, &ready);
}

/* --- what waits for what ---------------------------------------------------- */

struct ids {
    int64_t *items;
    size_t count, room;
};

static int ids_push(struct ids *ids, int64_t id, struct error *err)
{
    if (ids->count == ids->room) {
        size_t room = ids->room ? 2 * ids->room : 64;
        int64_t *items = realloc(ids->items, room * sizeof *items);

        if (!items)
            return err_set(err, ERR_NO_MEMORY, "no memory for %zu jobs", room);
        ids->items = items;
        ids->room = room;
    }
    ids->items[ids->count++] = id;
    return 0;
}

enum need { NEED_MET, NEED_OPEN, NEED_NEVER };

/* Whether all that a job needs is there; reason says why it never will be: a need of
 * its own that is not, or one that was not for want of a condition. */
static int judge_needs(struct store *store, int64_t id, enum need *ret,
                       enum job_cause *ret_cause, char *reason, size_t size,
                       struct error *err)
{
    int got = stmt_row(store, STMT_UNMET, ARGS(arg_int(id)), err);

    *ret = NEED_MET;
    *ret_cause = CAUSE_DEPENDENCY;
    while (got > 0) {
        long long needs = stmt_int(store, STMT_UNMET, 0);
        enum job_state state;

        job_state_parse(stmt_text(store, STMT_UNMET, 2).data, &state);
        *ret = NEED_OPEN;
        if (job_state_ended(state)) {
            const char *name = stmt_text(store, STMT_UNMET, 1).data;

            *ret = NEED_NEVER;
            if ((state == JOB_SKIPPED || state == JOB_STOPPED) &&
                slice_is(stmt_text(store, STMT_UNMET, 4),
                         job_cause_name(CAUSE_CONDITION)))
                *ret_cause = CAUSE_CONDITION;
            if (state == JOB_DONE && stmt_int(store, STMT_UNMET, 3) != 0)
                snprintf(reason, size,
                         "state '%s' of job %lld was removed by 'coord db gc'", name,
                         needs);
            else if (state == JOB_DONE)
                snprintf(reason, size, "job %lld ended without its state '%s'", needs,
                         name);
            else
                snprintf(reason, size, "needs '%s' of job %lld, which %s", name, needs,
                         state == JOB_FAILED    ? "failed"
                         : state == JOB_SKIPPED ? "was skipped"
                         : state == JOB_STOPPED ? "was stopped early"
                                                : "was cancelled");
            stmt_end(store, STMT_UNMET);
            return 0;
        }
        got = stmt_next(store, STMT_UNMET, err);
    }
    return got;
}

static int settle_one(struct store *store, int64_t id, int64_t now_ms,
                      struct job_watch watch, bool *ret_skipped, struct error *err)
{
    struct job_note note = {.now_ms = now_ms};
    char reason[160];
    struct job_row job;
    enum need need;

    *ret_skipped = false;
    if (job_load(store, id, &job, err) != 0)
        return -1;
    if (job.state != JOB_WAITING)
        return 0;
    if (judge_needs(store, id, &need, &note.cause, reason, sizeof reason, err) != 0)
        return -1;
    if (need == NEED_OPEN)
        return 0;
    if (need == NEED_MET) {
        bool fits = true;
        note.cause = CAUSE_NONE;
        if (job.derive && derive_judge(store, id, &fits, reason, sizeof reason, err) != 0)
            return -1;
        if (!fits) {
            need = NEED_NEVER;
            note.cause = CAUSE_CONDITION;
        }
    }
    if (need == NEED_NEVER) {
        note.detail = reason;
        *ret_skipped = true;
        return job_move(store, &job, EVENT_SKIP, note, err);
    }
    if (job_move(store, &job, EVENT_READY, note, err) != 0)
        return -1;
    tell(watch, &job);
    return 0;
}

/* The ids first, the moves after: a move changes what the statement reads. */
static int collect_dependants(struct store *store, int64_t id, enum job_state state,
                              struct ids *out, struct error *err)
{
    int got = stmt_row(store, STMT_DEPENDANTS,
                       ARGS(arg_int(id), arg_text(job_state_name(state))), err);

    out->count = 0;
    while (got > 0) {
        if (ids_push(out, stmt_int(store, STMT_DEPENDANTS, 0), err) != 0) {
            stmt_end(store, STMT_DEPENDANTS);
            return -1;
        }
        got = stmt_next(store, STMT_DEPENDANTS, err);
    }
    return got;
}

int job_settle_dependants(struct store *store, int64_t id, int64_t now_ms,
                          struct job_watch watch, struct error *err)
{
    struct ids ended = {0}, waiting = {0};
    int rc = ids_push(&ended, id, err);

    while (rc == 0 && ended.count > 0) {
        rc = collect_dependants(store, ended.items[--ended.count], JOB_WAITING, &waiting,
                                err);
        for (size_t i = 0; rc == 0 && i < waiting.count; i++) {
            bool skipped;

            rc = settle_one(store, waiting.items[i], now_ms, watch, &skipped, err);
            if (rc == 0 && skipped)
                rc = ids_push(&ended, waiting.items[i], err);
        }
    }
    free(ended.items);
    free(waiting.items);
    return rc;
}

/* A skipped job waits again, unless it would be skipped at once. */
static int revive_one(struct store *store, int64_t id, int64_t now_ms,
                      struct job_watch watch, bool *ret_revived, struct error *err)
{
    struct job_note note = {.now_ms = now_ms};
    char reason[160];
    enum job_cause cause;
    struct job_row job;
    enum need need;
    bool skipped;

    *ret_revived = false;
    if (job_load(store, id, &job, err) != 0 ||
        judge_needs(store, id, &need, &cause, reason, sizeof reason, err) != 0)
        return -1;
    if (job.state != JOB_SKIPPED || need == NEED_NEVER)
        return 0;
    *ret_revived = true;
    if (job_move(store, &job, EVENT_REVIVE, note, err) != 0)
        return -1;
    return settle_one(store, id, now_ms, watch, &skipped, err);
}

int job_revive_dependants(struct store *store, int64_t id, int64_t now_ms,
                          struct job_watch watch, struct error *err)
{
    struct ids back = {0}, out = {0};
    int rc = ids_push(&back, id, err);

    while (rc == 0 && back.count > 0) {
        rc = collect_dependants(store, back.items[--back.count], JOB_SKIPPED, &out, err);
        for (size_t i = 0; rc == 0 && i < out.count; i++) {
            bool revived;

            rc = revive_one(store, out.items[i], now_ms, watch, &revived, err);
            if (rc == 0 && revived)
                rc = ids_push(&back, out.items[i], err);
        }
    }
    free(back.items);
    free(out.items);
    return rc;
}

/* Rows that a result has left. */
static const enum stmt FORGET[] = {
    STMT_FORGET_CHECKPOINT,  STMT_FORGET_EVALUATION, STMT_FORGET_POINT,
    STMT_FORGET_DISTANCE,    STMT_FORGET_PATH,       STMT_FORGET_RISE,
    STMT_FORGET_CLASS,       STMT_FORGET_PLACE,      STMT_FORGET_PLANE,
    STMT_FORGET_PLANE_POINT, STMT_FORGET_RESULT,     STMT_ATTEMPT_OUTDATED,
};

int job_rerun(struct store *store, struct job_row *job, struct job_note note,
              bool *ret_changed, struct error *err)
{
    struct ids ids = {0};
    int rc = collect_dependants(store, job->id, JOB_RUNNING, &ids, err);

    *ret_changed = rc == 0 && ids.count == 0 && job->state == JOB_DONE;
    if (*ret_changed)
        rc = collect_dependants(store, job->id, JOB_READY, &ids, err);
    for (size_t i = 0; *ret_changed && rc == 0 && i < ids.count; i++) {
        struct job_row ready;

        rc = job_load(store, ids.items[i], &ready, err);
        if (rc == 0)
            rc = job_move(store, &ready, EVENT_RERUN, note, err);
    }
    for (size_t i = 0; *ret_changed && rc == 0 && i < sizeof FORGET / sizeof *FORGET; i++)
        rc = stmt_run(store, FORGET[i], ARGS(arg_int(job->id)), err);
    if (*ret_changed && rc == 0)
        rc = job_move(store, job, EVENT_RERUN, note, err);
    free(ids.items);
    return rc;
}

int job_settle(struct store *store, int64_t id, int64_t now_ms, struct job_watch watch,
               struct error *err)
{
    bool skipped;

    if (settle_one(store, id, now_ms, watch, &skipped, err) != 0)
        return -1;
    return skipped ? job_settle_dependants(store, id, now_ms, watch, err) : 0;
}

/* How many more attempts may end as this one has, by cause; -1: any number. */
static int retries_of(struct store *store, int64_t job, enum job_cause cause, int *ret,
                      struct error *err)
{
    if (stmt_row(store, STMT_RETRIES, ARGS(arg_int(job)), err) < 0)
        return -1;
    *ret = needs_retries(stmt_text(store, STMT_RETRIES, 0).data, cause);
    stmt_end(store, STMT_RETRIES);
    return 0;
}

/* Where the attempt failed, if the machine may be to blame; and whether there is another
 * one that has not tried the job yet. */
static int look_elsewhere(struct store *store, struct job_row *job, enum job_cause cause,
                          bool *ret_elsewhere, struct error *err)
{
    int got;

    *ret_elsewhere = false;
    if (!job_cause_local(cause))
        return 0;
    got = stmt_row(store, STMT_ELSEWHERE, ARGS(arg_int(job->id), arg_int(job->attempt)),
                   err);
    if (got <= 0)
        return got;
    job->avoid = store_place(stmt_text(store, STMT_ELSEWHERE, 0));
    *ret_elsewhere = stmt_int(store, STMT_ELSEWHERE, 1) != 0;
    stmt_end(store, STMT_ELSEWHERE);
    return 0;
}

static int requeue(struct store *store, struct job_row *job, struct job_note note,
                   int64_t wait_ms, struct job_watch watch, struct error *err)
{
    if (wait_ms > 0) {
        job->after_ms = note.now_ms + wait_ms;
        if (stmt_run(store, STMT_BACKOFF_SET,
                     ARGS(arg_int(job->id), arg_int(job->after_ms)), err) != 0)
            return -1;
    }
    if (job_move(store, job, EVENT_REQUEUE, note, err) != 0)
        return -1;
    tell(watch, job);
    return 0;
}

int job_give_up(struct store *store, struct job_row *job, struct job_note note,
                struct job_watch watch, struct error *err)
{
    bool elsewhere;
    char stop[STORE_STOP_TEXT];
    int64_t ended;
    int retries;

    if (early_stopped(store, job, stop, err) != 0)
        return -1;
    if (stop[0]) {
        const struct job_note why = {CAUSE_CONDITION, stop, note.now_ms};
        if (job_move(store, job, EVENT_STOP, why, err) != 0)
            return -1;
        return job_settle_dependants(store, job->id, note.now_ms, watch, err);
    }
    if (retries_of(store, job->id, note.cause, &retries, err) != 0 ||
        look_elsewhere(store, job, note.cause, &elsewhere, err) != 0 ||
        stmt_row(store, STMT_ATTEMPT_CAUSES,
                 ARGS(arg_int(job->id), arg_text(job_cause_name(note.cause))), err) < 0)
        return -1;
    ended = stmt_int(store, STMT_ATTEMPT_CAUSES, 0);
    stmt_end(store, STMT_ATTEMPT_CAUSES);
    if (stmt_run(store, STMT_WORKER_FAILED, ARGS(arg_int(job->id), arg_int(job->attempt)),
                 err) != 0)
        return -1;
    if (retries < 0 || ended <= retries || elsewhere)
        return requeue(store, job, note,
                       needs_backoff(note.cause, ended < 100 ? (int)ended : 100, job->id,
                                     job->attempt),
                       watch, err);
    if (job_move(store, job, EVENT_FAIL, note, err) != 0)
        return -1;
    return job_settle_dependants(store, job->id, note.now_ms, watch, err);
}

/* --- public ------------------------------------------------------------------- */

int store_each_ready(struct store *store, int64_t after,
                     bool (*visit)(void *user, const struct store_ready *ready),
                     void *user, struct error *err)
{
    int got = stmt_row(store, STMT_READY, ARGS(arg_int(after)), err);

    while (got > 0) {
        struct store_ready ready = {
            .job = stmt_int(store, STMT_READY, 0),
            .priority = (int32_t)stmt_int(store, STMT_READY, 1),
            .probe = slice_is(stmt_text(store, STMT_READY, 3), "probe"),
            .after_ms = stmt_int(store, STMT_READY, 4),
        };
        const struct slice host = stmt_text(store, STMT_READY, 5);

        if (host.size > 0)
            ready.avoid = store_place(host);

        if (count_place(store, stmt_text(store, STMT_READY, 2), &ready.sweep, err) != 0) {
            stmt_end(store, STMT_READY);
            return -1;
        }
        if (!visit(user, &ready)) {
            stmt_end(store, STMT_READY);
            return 0;
        }
        got = stmt_next(store, STMT_READY, err);
    }
    return got;
}

int store_each_running(struct store *store,
                       bool (*visit)(void *user, const struct store_running *),
                       void *user, struct error *err)
{
    int got = stmt_row(store, STMT_RUNNING, NULL, 0, err);

    while (got > 0) {
        struct store_running running = {
            .job = stmt_int(store, STMT_RUNNING, 0),
            .attempt = (uint32_t)stmt_int(store, STMT_RUNNING, 1),
            .worker = stmt_int(store, STMT_RUNNING, 2),
            .priority = (int32_t)stmt_int(store, STMT_RUNNING, 4),
        };

        snprintf(running.uuid, sizeof running.uuid, "%s",
                 stmt_text(store, STMT_RUNNING, 3).data);
        if (count_place(store, stmt_text(store, STMT_RUNNING, 5), &running.sweep, err) !=
            0) {
            stmt_end(store, STMT_RUNNING);
            return -1;
        }
        if (!visit(user, &running)) {
            stmt_end(store, STMT_RUNNING);
            return 0;
        }
        got = stmt_next(store, STMT_RUNNING, err);
    }
    return got;
}

int64_t store_backoff(struct store *store, int64_t job)
{
    int64_t until_ms = 0;

    if (stmt_row(store, STMT_BACKOFF, ARGS(arg_int(job)), NULL) == 1)
        until_ms = stmt_int(store, STMT_BACKOFF, 0);
    stmt_end(store, STMT_BACKOFF);
    return until_ms;
}

/* FNV-1a (Fowler, Noll, Vo). */
uint32_t store_place(struct slice host)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < host.size; i++)
        hash = (hash ^ (unsigned char)host.data[i]) * 16777619u;
    return hash ? hash : 1;
}

int store_attempt_lost(struct store *store, int64_t job, uint32_t attempt,
                       enum job_cause cause, const char *message, int64_t now_ms,
                       enum job_state *ret_state, struct error *err)
{
    struct job_note note = {cause, message, now_ms};
    struct arg none = arg_text_or_null(NULL);
    struct job_row row;

    if (job_load(store, job, &row, err) != 0)
        return -1;
    if (row.state == JOB_RUNNING && row.attempt == attempt) {
        if (stmt_run(store, STMT_ATTEMPT_END,
                     ARGS(arg_int(job), arg_int(attempt), arg_text("lost"),
                          arg_text_or_null(job_cause_name(cause)),
                          arg_text_or_null(message), arg_int(now_ms), none, none, none,
                          none, none),
                     err) != 0 ||
            job_give_up(store, &row, note, (struct job_watch){0}, err) != 0)
            return -1;
    }
    *ret_state = row.state;
    return 0;
}

int store_job_state(struct store *store, int64_t job, enum job_state *ret_state,
                    uint32_t *ret_attempt, struct error *err)
{
    struct job_row row;

    if (job_load(store, job, &row, err) != 0)
        return -1;
    *ret_state = row.state;
    *ret_attempt = row.attempt;
    return 0;
}
