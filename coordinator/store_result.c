/* Judging and writing results. A result is whole or absent: its rows are written
 * behind a savepoint, so one that breaks a rule of the schema is undone alone
 * while the rest of its batch stands.
 */

#include "coordinator/store_internal.h"

#include "common/alphas.h"
#include "common/error.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 256 };

/* What a result says, decoded and checked. */
struct verdict {
    enum msg_verdict verdict;
    enum job_cause cause;
    char *text; /* of TEXT_SIZE bytes */
};

static int refuse(struct verdict *v, enum msg_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct verdict *v, enum msg_verdict verdict, const char *fmt, ...)
{
    va_list args;

    v->verdict = verdict;
    va_start(args, fmt);
    vsnprintf(v->text, TEXT_SIZE, fmt, args);
    va_end(args);
    return 0;
}

/* --- judging -------------------------------------------------------------------- */

/* Fencing: only the attempt that is running may speak. */
static int judge_attempt(struct store *store, const struct job_row *job, uint32_t attempt,
                         struct verdict *v, struct error *err)
{
    struct slice state;
    int got;

    if (job->state == JOB_RUNNING && job->attempt == attempt)
        return 0; /* the attempt of a running job runs */
    got = stmt_row(store, STMT_ATTEMPT_STATE, ARGS(arg_int(job->id), arg_int(attempt)),
                   err);
    if (got < 0)
        return -1;
    if (got == 0)
        return refuse(v, VERDICT_REFUSED, "job %lld never had an attempt %u",
                      (long long)job->id, attempt);
    state = stmt_text(store, STMT_ATTEMPT_STATE, 0);
    if (slice_is(state, "done") || slice_is(state, "failed"))
        refuse(v, VERDICT_DUPLICATE, "this result was committed before");
    else if (!slice_is(state, "running") || job->state != JOB_RUNNING ||
             job->attempt != attempt)
        refuse(v, VERDICT_SUPERSEDED,
               "attempt %u of job %lld was given up; the job is %s (attempt %u)", attempt,
               (long long)job->id, job_state_name(job->state), job->attempt);
    stmt_end(store, STMT_ATTEMPT_STATE);
    return 0;
}

static bool parse_cause(struct slice text, enum job_cause *ret)
{
    char name[32];

    if (text.size >= sizeof name)
        return false;
    if (text.size > 0)
        memcpy(name, text.data, text.size);
    name[text.size] = '\0';
    return job_cause_parse(name, ret);
}

static int judge_outcome(const struct msg_result *result, struct verdict *v)
{
    if (!parse_cause(result->cause, &v->cause))
        return refuse(v, VERDICT_REFUSED, "'%.*s' is not a cause",
                      (int)(result->cause.size < 40 ? result->cause.size : 40),
                      result->cause.data);
    if (result->outcome == OUTCOME_FAILED) {
        /* Failed, and no reason given. */
        if (v->cause == CAUSE_NONE)
            v->cause = CAUSE_EXIT;
        return 0;
    }
    if (result->outcome != OUTCOME_DONE)
        return refuse(v, VERDICT_REFUSED, "%u is not an outcome", result->outcome);
    if (v->cause != CAUSE_NONE && v->cause != CAUSE_DIVERGED)
        return refuse(v, VERDICT_REFUSED, "a result cannot have the cause '%s'",
                      job_cause_name(v->cause));
    return 0;
}

static int judge_artifacts(struct store *store, const struct msg_result *result,
                           struct verdict *v, struct error *err)
{
    for (uint32_t i = 0; i < result->state_count; i++) {
        const struct msg_state *state = &result->states[i];
        int got;

        if (!state->stored)
            continue;
        got = stmt_row(store, STMT_ARTIFACT, ARGS(arg_slice(state->hash)), err);
        if (got < 0)
            return -1;
        stmt_end(store, STMT_ARTIFACT);
        if (got == 0)
            return refuse(
                v, VERDICT_MISSING, "the artifact %.*s (state '%.*s') has not arrived",
                (int)(state->hash.size < 64 ? state->hash.size : 64), state->hash.data,
                (int)(state->name.size < 64 ? state->name.size : 64), state->name.data);
    }
    return 0;
}

/* --- writing ---------------------------------------------------------------------- */

static int write_states(struct store *store, const struct msg_result *result,
                        struct error *err)
{
    for (uint32_t i = 0; i < result->state_count; i++) {
        const struct msg_state *s = &result->states[i];

        if (stmt_run(store, STMT_CHECKPOINT_ADD,
                     ARGS(arg_int(result->job), arg_slice(s->name), arg_slice(s->hash),
                          arg_int(s->epoch), arg_int((int64_t)s->step),
                          arg_int((int64_t)s->size), arg_int(s->stored)),
                     err) != 0)
            return -1;
    }
    return 0;
}

int history_write(struct store *store, enum stmt add, int64_t job,
                  const struct msg_history *row, struct error *err)
{
    const struct tally *t = &row->tally;

    return stmt_run(store, add,
                    ARGS(arg_int(job), arg_slice(row->split), arg_int(row->epoch),
                         arg_int(t->count), arg_int(t->correct), arg_int(t->nan_count),
                         arg_int(t->inf_count), arg_real(t->sum), arg_real(t->sum_sq),
                         arg_real(row->lr), arg_real(row->seconds)),
                    err);
}

static int write_history(struct store *store, const struct msg_result *result,
                         struct error *err)
{
    for (uint32_t i = 0; i < result->history_count; i++)
        if (history_write(store, STMT_EVALUATION_ADD, result->job, &result->history[i],
                          err) != 0)
            return -1;
    return early_finish(store, result, err);
}

static struct arg real_if(bool known, double value)
{
    return known ? arg_finite(value) : arg_text_or_null(NULL);
}

static struct slice origin_of(const struct msg_point *point)
{
    return point->origin.size > 0 ? point->origin
                                  : slice_of(alpha_origin_name(ALPHA_GRID));
}

static int write_points(struct store *store, const struct msg_result *result,
                        struct error *err)
{
    for (uint32_t i = 0; i < result->point_count; i++) {
        const struct msg_point *p = &result->points[i];
        const struct tally *t = &p->tally;
        const bool start = p->paired & MSG_PAIRED_START, end = p->paired & MSG_PAIRED_END;

        if (stmt_run(store, STMT_POINT_ADD,
                     ARGS(arg_int(result->job), arg_slice(p->grp), arg_slice(p->bn),
                          arg_slice(p->split), arg_int(p->alpha_index),
                          arg_real(p->alpha), arg_int(t->count), arg_int(t->correct),
                          arg_int(t->nan_count), arg_int(t->inf_count), arg_real(t->sum),
                          arg_real(t->sum_sq), arg_slice(origin_of(p)),
                          real_if(start, p->start_sum), real_if(start, p->start_sq),
                          real_if(end, p->end_sum), real_if(end, p->end_sq)),
                     err) != 0)
            return -1;
    }
    return 0;
}

static int write_distances(struct store *store, const struct msg_result *result,
                           struct error *err)
{
    for (uint32_t i = 0; i < result->distance_count; i++) {
        const struct msg_distance *d = &result->distances[i];
        const char *kind = isnan(d->l2) ? "nan" : isinf(d->l2) ? "inf" : NULL;

        if (stmt_run(store, STMT_DISTANCE_ADD,
                     ARGS(arg_int(result->job), arg_slice(d->grp), arg_finite(d->l2),
                          arg_finite(d->rel), arg_text_or_null(kind)),
                     err) != 0)
            return -1;
    }
    return 0;
}

static int write_rises(struct store *store, const struct msg_result *result,
                       struct error *err)
{
    for (uint32_t i = 0; i < result->rise_count; i++) {
        const struct msg_rise *r = &result->rises[i];

        if (stmt_run(store, STMT_RISE_ADD,
                     ARGS(arg_int(result->job), arg_slice(r->grp), arg_slice(r->bn),
                          arg_slice(r->split), arg_real(r->alpha_from),
                          arg_real(r->alpha_to), arg_int(r->n), arg_real(r->sum),
                          arg_real(r->sum_sq)),
                     err) != 0)
            return -1;
    }
    return 0;
}

static int write_classes(struct store *store, const struct msg_result *result,
                         struct error *err)
{
    for (uint32_t i = 0; i < result->class_count; i++) {
        const struct msg_class *c = &result->classes[i];
        const struct tally *t = &c->tally;

        if (c->point >= result->point_count)
            return err_set(err, ERR_INVALID, "a class of point %u, there are %u",
                           c->point, result->point_count);
        const struct msg_point *p = &result->points[c->point];
        if (stmt_run(store, STMT_CLASS_ADD,
                     ARGS(arg_int(result->job), arg_slice(p->grp), arg_slice(p->bn),
                          arg_slice(p->split), arg_int(p->alpha_index), arg_int(c->class),
                          arg_int(t->count), arg_int(t->correct), arg_int(t->nan_count),
                          arg_int(t->inf_count), arg_real(t->sum), arg_real(t->sum_sq)),
                     err) != 0)
            return -1;
    }
    return 0;
}

static int write_places(struct store *store, const struct msg_result *result,
                        struct error *err)
{
    for (uint32_t i = 0; i < result->place_count; i++) {
        const struct msg_place *p = &result->places[i];

        if (stmt_run(store, STMT_PLACE_ADD,
                     ARGS(arg_int(result->job), arg_slice(p->grp), arg_slice(p->state),
                          arg_finite(p->alpha), arg_finite(p->dist), arg_finite(p->rel),
                          arg_finite(p->angle), arg_finite(p->corner)),
                     err) != 0)
            return -1;
    }
    return 0;
}

static int write_rows(struct store *store, const struct job_row *job,
                      const struct msg_result *result, enum job_cause cause,
                      int64_t now_ms, struct error *err)
{
    if (stmt_run(store, STMT_RESULT_ADD,
                 ARGS(arg_int(job->id), arg_int(result->attempt), arg_int(result->epochs),
                      arg_int((int64_t)result->steps), arg_real(result->seconds),
                      arg_int(cause == CAUSE_DIVERGED), arg_int(now_ms)),
                 err) != 0 ||
        write_states(store, result, err) != 0 || write_history(store, result, err) != 0 ||
        write_points(store, result, err) != 0 ||
        write_distances(store, result, err) != 0 ||
        write_rises(store, result, err) != 0 || write_classes(store, result, err) != 0 ||
        write_places(store, result, err) != 0 || plane_write(store, result, err) != 0)
        return -1;
    return job->probe ? path_write(store, job->id, err) : 0;
}

/* The attempt's own row. state: "done", "failed". */
static int end_attempt(struct store *store, const struct msg_result *result,
                       const char *state, struct job_note note, struct error *err)
{
    return stmt_run(store, STMT_ATTEMPT_END,
                    ARGS(arg_int(result->job), arg_int(result->attempt), arg_text(state),
                         arg_text_or_null(job_cause_name(note.cause)),
                         arg_text_or_null(note.detail), arg_int(note.now_ms),
                         arg_finite(result->seconds), arg_finite(result->cpu_seconds),
                         arg_int((int64_t)result->rss_bytes),
                         arg_slice(result->provenance), arg_slice(result->log)),
                    err);
}

static int mark_late(struct store *store, const struct msg_result *result,
                     struct error *err)
{
    return stmt_run(store, STMT_ATTEMPT_LATE,
                    ARGS(arg_int(result->job), arg_int(result->attempt),
                         arg_finite(result->seconds), arg_finite(result->cpu_seconds),
                         arg_int((int64_t)result->rss_bytes),
                         arg_slice(result->provenance), arg_slice(result->log)),
                    err);
}

/* Any beside the one in `result`. */
static bool has_rows(const struct job_row *job, const struct msg_result *result)
{
    return job->probe || result->state_count > 0 || result->history_count > 0 ||
           result->point_count > 0 || result->distance_count > 0 ||
           result->rise_count > 0 || result->class_count > 0 || result->place_count > 0 ||
           result->plane_point_count > 0 || result->plane_count > 0;
}

/* All rows or none: a rule of the schema that they break is an answer to the
 * worker (*ret_why), not a failure of the batch. */
static int write_whole(struct store *store, const struct job_row *job,
                       const struct msg_result *result, struct job_note note,
                       bool *ret_written, struct error *ret_why, struct error *err)
{
    const bool marked = has_rows(job, result); /* one row is whole or absent by itself */

    if (marked && stmt_run(store, STMT_MARK, NULL, 0, err) != 0)
        return -1;
    *ret_written = write_rows(store, job, result, note.cause, note.now_ms, ret_why) == 0;
    if (!*ret_written) {
        if (ret_why->code != ERR_INVALID)
            return err_set(err, ret_why->code, "%s", ret_why->text);
        if (marked && stmt_run(store, STMT_MARK_UNDO, NULL, 0, err) != 0)
            return -1;
    }
    return marked ? stmt_run(store, STMT_MARK_RELEASE, NULL, 0, err) : 0;
}

static int finish(struct store *store, struct job_row *job, int64_t worker,
                  const struct msg_result *result, struct job_note note,
                  struct job_watch watch, struct error *err)
{
    if (end_attempt(store, result, "done", note, err) != 0 ||
        count_done(store, worker, err) != 0 ||
        job_move(store, job, EVENT_FINISH, note, err) != 0)
        return -1;
    return job->has_dependants
               ? job_settle_dependants(store, job->id, note.now_ms, watch, err)
               : 0;
}

static int fail(struct store *store, struct job_row *job, const struct msg_result *result,
                struct job_note note, struct job_watch watch, struct error *err)
{
    if (end_attempt(store, result, "failed", note, err) != 0 ||
        resume_keep(store, job->id, job->attempt, result->states, result->state_count,
                    note.now_ms, err) != 0)
        return -1;
    return job_give_up(store, job, note, watch, err);
}

/* A result of the running attempt that cannot be taken would leave the job
 * running for ever: the attempt ends as if the trial had failed. */
static int fail_refused(struct store *store, struct job_row *job,
                        const struct msg_result *result, const struct verdict *v,
                        int64_t now_ms, struct job_watch watch, struct error *err)
{
    struct job_note note = {CAUSE_EXIT, v->text, now_ms};

    return fail(store, job, result, note, watch, err);
}

static int take_done(struct store *store, struct job_row *job, int64_t worker,
                     const struct msg_result *result, struct job_note note,
                     struct job_watch watch, struct verdict *v, struct error *err)
{
    struct error why = {0};
    bool written;

    if (write_whole(store, job, result, note, &written, &why, err) != 0)
        return -1;
    if (written)
        return finish(store, job, worker, result, note, watch, err);
    refuse(v, VERDICT_REFUSED, "the result breaks a rule: %.200s", why.text);
    return fail_refused(store, job, result, v, note.now_ms, watch, err);
}

static int take(struct store *store, struct job_row *job, int64_t worker,
                const struct msg_result *result, int64_t now_ms, struct job_watch watch,
                struct verdict *v, struct error *err)
{
    struct job_note note = {.cause = v->cause, .now_ms = now_ms};
    char *message = NULL;
    int rc;

    if (result->message.size > 0) {
        message = slice_dup(result->message);
        if (!message)
            return err_set(err, ERR_NO_MEMORY, "no memory for a message");
        note.detail = message;
    }
    if (result->outcome == OUTCOME_FAILED)
        rc = fail(store, job, result, note, watch, err);
    else
        rc = take_done(store, job, worker, result, note, watch, v, err);
    free(message);
    return rc;
}

int store_result(struct store *store, int64_t worker, const struct msg_result *result,
                 int64_t now_ms,
                 void (*unblocked)(void *user, const struct store_ready *ready),
                 void *user, enum msg_verdict *ret, char ret_text[256], struct error *err)
{
    struct verdict v = {.verdict = VERDICT_ACCEPTED, .text = ret_text};
    struct job_watch watch = {unblocked, user};
    struct error why;
    struct job_row job;
    int rc = 0;

    ret_text[0] = '\0';
    if (job_load(store, result->job, &job, &why) != 0) {
        if (why.code != ERR_NOT_FOUND)
            return err_set(err, why.code, "%s", why.text);
        *ret = VERDICT_REFUSED;
        return refuse(&v, VERDICT_REFUSED, "%.200s", why.text);
    }
    if (judge_attempt(store, &job, result->attempt, &v, err) != 0)
        return -1;
    if (v.verdict == VERDICT_SUPERSEDED)
        rc = mark_late(store, result, err);
    if (v.verdict == VERDICT_ACCEPTED) {
        judge_outcome(result, &v);
        if (v.verdict == VERDICT_REFUSED)
            rc = fail_refused(store, &job, result, &v, now_ms, watch, err);
    }
    if (v.verdict == VERDICT_ACCEPTED)
        rc = judge_artifacts(store, result, &v, err);
    if (rc == 0 && v.verdict == VERDICT_ACCEPTED)
        rc = take(store, &job, worker, result, now_ms, watch, &v, err);
    if (rc == 0)
        *ret = v.verdict;
    return rc;
}
