#include "coordinator/judge.h"

#include "common/error.h"
#include "coordinator/core.h"

#include <inttypes.h>
#include <stdio.h>

static int quarantine(struct core *core, struct worker *worker, struct error *err)
{
    char request[HASH_TEXT], target[32], reason[192];
    bool changed;

    snprintf(reason, sizeof reason,
             "%d jobs in a row failed on %s that then succeeded on other hosts",
             SUSPICION_ROW, worker->host);
    snprintf(target, sizeof target, "worker %" PRId64, worker->row);
    hash_random(request);
    const struct store_control row = {
        .verb = "quarantine", .target = target, .reason = reason, .changed = 1};
    core_note(core, LOG_WARN,
              "worker %" PRId64 " gets no more jobs: %s; 'coord worker resume %" PRId64
              "' ends that",
              worker->row, reason, worker->row);
    worker->quarantined = true;
    worker->suspicion = (struct suspicion){0};
    if (store_quarantine(core->setup.store, worker->row, reason, core->wall_ms, &changed,
                         err) != 0)
        return -1;
    return store_control_add(core->setup.store, request, &row, core->wall_ms, err);
}

/* What a result says of the other hosts that had the job before. */
static int judge_others(struct core *core, const struct worker *worker, int64_t job,
                        bool done, struct error *err)
{
    bool any = false;

    for (size_t i = 0; i < roster_count(core->roster); i++) {
        struct worker *other = roster_at(core->roster, i);

        if (other == worker || other->place == worker->place)
            continue;
        if (!done)
            suspicion_forget(&other->suspicion, job);
        else if (suspicion_elsewhere(&other->suspicion, job) && !other->quarantined &&
                 quarantine(core, other, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < roster_count(core->roster); i++)
        any = any || roster_at(core->roster, i)->suspicion.count > 0;
    core->suspicious = any;
    return 0;
}

static enum job_cause cause_of(const struct msg_result *result)
{
    enum job_cause cause = CAUSE_NONE;
    char name[32];

    snprintf(name, sizeof name, "%.*s", (int)result->cause.size,
             result->cause.size ? result->cause.data : "");
    (void)job_cause_parse(name, &cause);
    return cause == CAUSE_NONE ? CAUSE_EXIT : cause;
}

int judge_result(struct core *core, struct worker *worker,
                 const struct msg_result *result, bool requeued, struct error *err)
{
    const bool done = result->outcome == OUTCOME_DONE;
    const struct lease *lease = lease_find(&worker->leases, result->job, result->attempt);

    if (lease && done)
        dispatch_took(core->dispatch, lease->sweep, lease->probe, result->seconds);
    if (done)
        suspicion_succeeded(&worker->suspicion);
    else if (!job_cause_local(cause_of(result)))
        return 0;
    if (core->suspicious && judge_others(core, worker, result->job, done, err) != 0)
        return -1;
    if (done || !requeued) {
        suspicion_forget(&worker->suspicion, result->job);
        return 0;
    }
    suspicion_failed(&worker->suspicion, result->job);
    core->suspicious = true;
    if (worker->suspicion.count == SUSPICION_ROW)
        core_note(core, LOG_WARN,
                  "%d jobs in a row failed on worker %" PRId64
                  " (%s): others try them before it gets more",
                  SUSPICION_ROW, worker->row, worker->host);
    return 0;
}

int judge_turn(struct core *core, struct error *err)
{
    if (!core->suspicious)
        return 0;
    for (size_t i = 0; i < roster_count(core->roster); i++) {
        struct suspicion *suspicion = &roster_at(core->roster, i)->suspicion;

        for (int k = suspicion->count; suspicion_doubts(suspicion) && k-- > 0;) {
            const int64_t job = suspicion->jobs[k];
            enum job_state state;
            uint32_t attempt;

            if (suspicion->cleared[k])
                continue;
            if (store_job_state(core->setup.store, job, &state, &attempt, err) != 0)
                return -1;
            if (state != JOB_READY && state != JOB_RUNNING)
                suspicion_forget(suspicion, job);
        }
    }
    return 0;
}
