/* What runs report while they go on, and the judgement of the rule of their sweep, if it
 * has one (early.h). A judgement is written with the report that led to it, so that it
 * stands whatever happens before the run has stopped. */

#include "coordinator/store_internal.h"

#include "common/error.h"
#include "coordinator/early.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

struct judging {
    struct store *store;
    int64_t job, now_ms;
    char sweep[128];
    struct early early;
};

/* The rule by which the job is judged: 1; 0: none. Only points of the sweep that asked
 * first are; runs that others start from do not compete. */
static int read_rule(struct store *store, int64_t job, struct judging *ret,
                     struct error *err)
{
    int got = stmt_row(store, STMT_STOP_RULE, ARGS(arg_int(job)), err);

    if (got <= 0)
        return got;
    snprintf(ret->sweep, sizeof ret->sweep, "%s",
             stmt_text(store, STMT_STOP_RULE, 0).data);
    bool known =
        early_rule_parse(stmt_text(store, STMT_STOP_RULE, 1).data, &ret->early.rule);
    ret->early.metric = early_metric_of(stmt_text(store, STMT_STOP_RULE, 2).data);
    ret->early.grace = (uint32_t)stmt_int(store, STMT_STOP_RULE, 3);
    ret->early.factor = (uint32_t)stmt_int(store, STMT_STOP_RULE, 4);
    stmt_end(store, STMT_STOP_RULE);
    return known && ret->early.metric && ret->early.rule != EARLY_NONE;
}

static int set_score(const struct judging *j, uint32_t epoch, double score,
                     struct error *err)
{
    return stmt_run(
        j->store, STMT_SCORE_SET,
        ARGS(arg_text(j->sweep), arg_int(epoch), arg_int(j->job), arg_real(score)), err);
}

/* The run's score at an epoch, and what is held against the others' scores. */
static int write_score(const struct judging *j, uint32_t epoch, double *ret_own,
                       struct error *err)
{
    const struct early_metric *metric = j->early.metric;
    const uint32_t from = j->early.rule == EARLY_MEDIAN ? 1 : epoch;
    int got = stmt_row(j->store, STMT_TREND,
                       ARGS(arg_int(j->job), arg_text(metric->split), arg_int(from),
                            arg_int(epoch), arg_int(metric->accuracy)),
                       err);

    if (got < 0)
        return -1;
    *ret_own = stmt_real(j->store, STMT_TREND, 0);
    const double score = stmt_real(j->store, STMT_TREND, 1);
    stmt_end(j->store, STMT_TREND);
    return set_score(j, epoch, score, err);
}

/* The score at a place, of all runs or of all but this one. */
static int read_score(const struct judging *j, uint32_t epoch, uint64_t place,
                      double *ret, struct error *err)
{
    const int64_t but = j->early.rule == EARLY_MEDIAN ? j->job : 0;
    int got = stmt_row(j->store, STMT_SCORE_AT,
                       ARGS(arg_text(j->sweep), arg_int(epoch), arg_int(but),
                            arg_int((int64_t)place - 1)),
                       err);

    *ret = got > 0 ? stmt_real(j->store, STMT_SCORE_AT, 0) : INFINITY;
    stmt_end(j->store, STMT_SCORE_AT);
    return got < 0 ? -1 : 0;
}

static void put_value(const struct early_metric *metric, double value, char *out,
                      size_t size)
{
    if (isinf(value))
        snprintf(out, size, "not finite");
    else
        snprintf(out, size, "%.6g", metric->accuracy ? -value : value);
}

static void explain(const struct judging *j, uint32_t epoch, double own, double bound,
                    uint64_t place, uint64_t others, char ret[STORE_STOP_TEXT])
{
    const struct early_metric *metric = j->early.metric;
    char mine[32], theirs[32];

    put_value(metric, own, mine, sizeof mine);
    put_value(metric, bound, theirs, sizeof theirs);
    if (j->early.rule == EARLY_MEDIAN)
        snprintf(ret, STORE_STOP_TEXT,
                 "its best %s by epoch %" PRIu32 " is %s; the median of %" PRIu64
                 " other runs is %s",
                 metric->name, epoch, mine, others, theirs);
    else
        snprintf(ret, STORE_STOP_TEXT,
                 "its %s at epoch %" PRIu32 " is %s; the best %" PRIu64 " of %" PRIu64
                 " runs have %s or better",
                 metric->name, epoch, mine, place, others + 1, theirs);
}

/* Score a run at an epoch; ret, unless NULL, is why it is to stop there, or "". */
static int judge(const struct judging *j, uint32_t epoch, char ret[STORE_STOP_TEXT],
                 struct error *err)
{
    double own, bound;

    if (epoch == 0 || !early_judges(&j->early, epoch))
        return 0;
    if (write_score(j, epoch, &own, err) != 0)
        return -1;
    /* An attempt that goes on tells of what was judged before. */
    if (!ret || stmt_changes(j->store) == 0)
        return 0;
    if (stmt_row(j->store, STMT_SCORE_COUNT,
                 ARGS(arg_text(j->sweep), arg_int(epoch), arg_int(j->job)), err) < 0)
        return -1;
    const uint64_t others = (uint64_t)stmt_int(j->store, STMT_SCORE_COUNT, 0);
    stmt_end(j->store, STMT_SCORE_COUNT);
    const uint64_t place = early_place(&j->early, others);
    if (place == 0)
        return 0;
    if (read_score(j, epoch, place, &bound, err) != 0)
        return -1;
    if (!(own > bound))
        return 0;
    explain(j, epoch, own, bound, place, others, ret);
    return stmt_run(
        j->store, STMT_STOP_ADD,
        ARGS(arg_int(j->job), arg_int(epoch), arg_text(ret), arg_int(j->now_ms)), err);
}

/* The reason for which a job is to stop, or "". *ret_free: no rule may stop it. */
static int read_stop(struct store *store, int64_t job, char ret[STORE_STOP_TEXT],
                     bool *ret_free, struct error *err)
{
    int got = stmt_row(store, STMT_STOP, ARGS(arg_int(job)), err);

    ret[0] = '\0';
    *ret_free = got > 0 && stmt_int(store, STMT_STOP, 1) != 0;
    if (got > 0 && !*ret_free)
        snprintf(ret, STORE_STOP_TEXT, "%s", stmt_text(store, STMT_STOP, 0).data);
    stmt_end(store, STMT_STOP);
    return got < 0 ? -1 : 0;
}

static int write_rows(struct store *store, const struct msg_report *report,
                      struct error *err)
{
    for (uint32_t i = 0; i < report->history_count; i++)
        if (history_write(store, STMT_REPORT_ADD, report->job, &report->history[i], err))
            return -1;
    return 0;
}

/* All rows or none: one that breaks a rule of the schema is not the batch's end. */
static int keep_rows(struct store *store, const struct msg_report *report, bool *ret_kept,
                     struct error *err)
{
    struct error why;

    if (stmt_run(store, STMT_MARK, NULL, 0, err) != 0)
        return -1;
    *ret_kept = write_rows(store, report, &why) == 0;
    if (!*ret_kept && why.code != ERR_INVALID)
        return err_set(err, why.code, "%s", why.text);
    if (!*ret_kept && stmt_run(store, STMT_MARK_UNDO, NULL, 0, err) != 0)
        return -1;
    return stmt_run(store, STMT_MARK_RELEASE, NULL, 0, err);
}

int store_report(struct store *store, const struct msg_report *report, int64_t now_ms,
                 char ret_stop[STORE_STOP_TEXT], struct error *err)
{
    struct judging j = {.store = store, .job = report->job, .now_ms = now_ms};
    struct error why;
    struct job_row job;
    bool kept, may_not;
    int got;

    ret_stop[0] = '\0';
    if (job_load(store, report->job, &job, &why) != 0)
        return why.code == ERR_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.text);
    if (job.state != JOB_RUNNING || job.attempt != report->attempt)
        return 0;
    if (keep_rows(store, report, &kept, err) != 0)
        return -1;
    if (!kept || (got = read_rule(store, job.id, &j, err)) <= 0)
        return kept ? got : 0;
    if (read_stop(store, job.id, ret_stop, &may_not, err) != 0)
        return -1;
    for (uint32_t i = 0; i < report->history_count; i++) {
        const bool judged = !may_not && !job.shared && !ret_stop[0];
        if (slice_is(report->history[i].split, j.early.metric->split) &&
            judge(&j, report->history[i].epoch, judged ? ret_stop : NULL, err) != 0)
            return -1;
    }
    return 0;
}

int early_finish(struct store *store, const struct msg_result *result, struct error *err)
{
    struct judging j = {.store = store, .job = result->job};
    int got;

    if (result->history_count == 0)
        return 0;
    if (stmt_run(store, STMT_REPORT_DROP, ARGS(arg_int(result->job)), err) != 0 ||
        stmt_run(store, STMT_STOP_DROP, ARGS(arg_int(result->job)), err) != 0 ||
        (got = read_rule(store, result->job, &j, err)) < 0)
        return -1;
    for (uint32_t i = 0; got > 0 && i < result->history_count; i++)
        if (slice_is(result->history[i].split, j.early.metric->split) &&
            judge(&j, result->history[i].epoch, NULL, err) != 0)
            return -1;
    return 0;
}

/* Scores of a run at every epoch that is judged, in one pass: write_score for each would
 * read its history as often as it has epochs. */
static int rescore_run(const struct judging *j, struct error *err)
{
    const struct early_metric *metric = j->early.metric;
    double sum = 0;
    int64_t count = 0;
    int got = stmt_row(
        j->store, STMT_HISTORY,
        ARGS(arg_int(j->job), arg_text(metric->split), arg_int(metric->accuracy)), err);

    while (got > 0) {
        const uint32_t epoch = (uint32_t)stmt_int(j->store, STMT_HISTORY, 0);
        const double value = stmt_real(j->store, STMT_HISTORY, 1);

        sum += value;
        count++;
        if (early_judges(&j->early, epoch) &&
            set_score(j, epoch,
                      j->early.rule == EARLY_MEDIAN ? sum / (double)count : value, err))
            got = -1;
        else
            got = stmt_next(j->store, STMT_HISTORY, err);
    }
    stmt_end(j->store, STMT_HISTORY);
    return got;
}

int early_rescore(struct store *store, const char *sweep, const struct early *early,
                  struct error *err)
{
    struct judging j = {.store = store, .early = *early};
    int got;

    snprintf(j.sweep, sizeof j.sweep, "%s", sweep);
    if (stmt_run(store, STMT_SCORE_DROP, ARGS(arg_text(sweep)), err) != 0)
        return -1;
    if (early->rule == EARLY_NONE)
        return 0;
    got = stmt_row(store, STMT_COMPARED, ARGS(arg_text(sweep)), err);
    while (got > 0) {
        j.job = stmt_int(store, STMT_COMPARED, 0);
        got = rescore_run(&j, err) ? -1 : stmt_next(store, STMT_COMPARED, err);
    }
    stmt_end(store, STMT_COMPARED);
    return got;
}

int early_stopped(struct store *store, const struct job_row *job,
                  char ret[STORE_STOP_TEXT], struct error *err)
{
    bool may_not;

    return read_stop(store, job->id, ret, &may_not, err);
}

int early_overrule(struct store *store, int64_t job, struct error *err)
{
    return stmt_run(store, STMT_STOP_OVERRULE, ARGS(arg_int(job)), err);
}
