#include "common/jobstate.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* From a state, by an event, to a state. What is not here is not allowed. */
static const enum job_state NEXT[JOB_STATE_COUNT][EVENT_COUNT] = {
    [JOB_NONE] = {[EVENT_SUBMIT] = JOB_WAITING},
    [JOB_WAITING] = {[EVENT_READY] = JOB_READY,
                     [EVENT_SKIP] = JOB_SKIPPED,
                     [EVENT_CANCEL] = JOB_CANCELLED},
    [JOB_READY] = {[EVENT_START] = JOB_RUNNING,
                   [EVENT_RERUN] = JOB_WAITING,
                   [EVENT_CANCEL] = JOB_CANCELLED},
    [JOB_RUNNING] = {[EVENT_FINISH] = JOB_DONE,
                     [EVENT_FAIL] = JOB_FAILED,
                     [EVENT_REQUEUE] = JOB_READY,
                     [EVENT_STOP] = JOB_STOPPED,
                     [EVENT_CANCEL] = JOB_CANCELLED},
    [JOB_DONE] = {[EVENT_RERUN] = JOB_WAITING},
    [JOB_FAILED] = {[EVENT_RETRY] = JOB_WAITING},
    [JOB_CANCELLED] = {[EVENT_RETRY] = JOB_WAITING},
    [JOB_SKIPPED] = {[EVENT_REVIVE] = JOB_WAITING},
    [JOB_STOPPED] = {[EVENT_RETRY] = JOB_WAITING},
};
static_assert(JOB_NONE == 0, "an absent entry of NEXT must mean JOB_NONE");

static const struct {
    const char *name;
    bool ended;
} STATE[JOB_STATE_COUNT] = {
    [JOB_NONE] = {"none", false},          [JOB_WAITING] = {"waiting", false},
    [JOB_READY] = {"ready", false},        [JOB_RUNNING] = {"running", false},
    [JOB_DONE] = {"done", true},           [JOB_FAILED] = {"failed", true},
    [JOB_CANCELLED] = {"cancelled", true}, [JOB_SKIPPED] = {"skipped", true},
    [JOB_STOPPED] = {"stopped", true},
};

static const char *const EVENT_NAME[EVENT_COUNT] = {
    [EVENT_SUBMIT] = "submit", [EVENT_READY] = "ready", [EVENT_START] = "start",
    [EVENT_FINISH] = "finish", [EVENT_FAIL] = "fail",   [EVENT_REQUEUE] = "requeue",
    [EVENT_CANCEL] = "cancel", [EVENT_SKIP] = "skip",   [EVENT_RETRY] = "retry",
    [EVENT_REVIVE] = "revive", [EVENT_RERUN] = "rerun", [EVENT_STOP] = "stop",
};

/* A cause that lies outside the job (a node that died, a scheduler that took
 * the slot back) is worth more attempts than one that will only repeat. */
static const struct {
    const char *name;
    int retries;
    bool local;
} CAUSE[CAUSE_COUNT] = {
    [CAUSE_NONE] = {"", 0, false},
    [CAUSE_EXIT] = {"exit", 0, true},
    [CAUSE_SIGNAL] = {"signal", 2, true}, /* may be another process's doing */
    [CAUSE_OOM] = {"oom", 1, true},       /* a quieter node may have the room */
    [CAUSE_TIMEOUT] = {"timeout", 0, false},
    [CAUSE_WORKER_LOST] = {"worker-lost", 5, false},
    [CAUSE_PREEMPTED] = {"preempted", -1, false}, /* announced, and never its fault */
    [CAUSE_DIVERGED] = {"diverged", 0, false},
    [CAUSE_DEPENDENCY] = {"dependency", 0, false},
    [CAUSE_DATA] = {"data", 0, true},
    [CAUSE_CONDITION] = {"condition", 0, false},
};

enum job_state job_state_next(enum job_state state, enum job_event event)
{
    assert((unsigned)state < JOB_STATE_COUNT);
    assert((unsigned)event < EVENT_COUNT);
    return NEXT[state][event];
}

bool job_state_ended(enum job_state state)
{
    assert((unsigned)state < JOB_STATE_COUNT);
    return STATE[state].ended;
}

int job_cause_retries(enum job_cause cause)
{
    assert((unsigned)cause < CAUSE_COUNT);
    return CAUSE[cause].retries;
}

bool job_cause_local(enum job_cause cause)
{
    assert((unsigned)cause < CAUSE_COUNT);
    return CAUSE[cause].local;
}

const char *job_state_name(enum job_state state)
{
    assert((unsigned)state < JOB_STATE_COUNT);
    return STATE[state].name;
}

const char *job_event_name(enum job_event event)
{
    assert((unsigned)event < EVENT_COUNT);
    return EVENT_NAME[event];
}

const char *job_cause_name(enum job_cause cause)
{
    assert((unsigned)cause < CAUSE_COUNT);
    return CAUSE[cause].name;
}

bool job_state_parse(const char *name, enum job_state *ret)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (strcmp(name, STATE[i].name) == 0) {
            *ret = (enum job_state)i;
            return true;
        }
    }
    return false;
}

bool job_event_parse(const char *name, enum job_event *ret)
{
    for (int i = 0; i < EVENT_COUNT; i++) {
        if (strcmp(name, EVENT_NAME[i]) == 0) {
            *ret = (enum job_event)i;
            return true;
        }
    }
    return false;
}

bool job_cause_parse(const char *name, enum job_cause *ret)
{
    for (int i = 0; i < CAUSE_COUNT; i++) {
        if (strcmp(name, CAUSE[i].name) == 0) {
            *ret = (enum job_cause)i;
            return true;
        }
    }
    return false;
}
