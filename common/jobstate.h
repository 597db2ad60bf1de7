#ifndef COORD_JOBSTATE_H
#define COORD_JOBSTATE_H

/* The life of a job, as data. One process (the coordinator) makes all
 * transitions, each is written to the append-only table `event`, and replaying
 * a job's events gives its state. The words here are the words in the database,
 * on the command line and in the documentation.
 *
 *   none --submit--> waiting --ready--> ready --start--> running --finish--> done
 *                       |                 ^  <--requeue--  |   --fail--> failed
 *                       +--skip--> skipped (a job it needs failed)
 *   waiting, ready, running --cancel--> cancelled
 *   failed, cancelled --retry--> waiting        skipped --revive--> waiting
 *   running --stop--> stopped (a rule of its sweep stopped it early; it can go on)
 *   stopped --retry--> waiting
 *   done --rerun--> waiting, and with it what is ready for want of nothing but its state
 */

#include <stdbool.h>

enum job_state {
    JOB_NONE, /* before submit; never stored */
    JOB_WAITING,
    JOB_READY,
    JOB_RUNNING,
    JOB_DONE,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_SKIPPED,
    JOB_STOPPED,
    JOB_STATE_COUNT,
};

enum job_event {
    EVENT_SUBMIT,
    EVENT_READY,
    EVENT_START,
    EVENT_FINISH,
    EVENT_FAIL,
    EVENT_REQUEUE,
    EVENT_CANCEL,
    EVENT_SKIP,
    EVENT_RETRY,
    EVENT_REVIVE,
    EVENT_RERUN,
    EVENT_STOP,
    EVENT_COUNT,
};

/* Why an attempt ended other than by success; `diverged` accompanies success
 * (a diverged run is a result). */
enum job_cause {
    CAUSE_NONE,
    CAUSE_EXIT,
    CAUSE_SIGNAL,
    CAUSE_OOM,
    CAUSE_TIMEOUT,
    CAUSE_WORKER_LOST,
    CAUSE_PREEMPTED,
    CAUSE_DIVERGED,
    CAUSE_DEPENDENCY,
    CAUSE_DATA,
    CAUSE_CONDITION, /* skipped, or stopped, as the grid asked */
    CAUSE_COUNT,
};

/* The state after an event, or JOB_NONE when the event is not allowed there. */
enum job_state job_state_next(enum job_state state, enum job_event event);

/* done, failed, cancelled, skipped, stopped: nothing more happens by itself. */
bool job_state_ended(enum job_state state);

/* How many attempts of one job may end with this cause before the job fails;
 * 0: the first one fails it, -1: no limit. */
int job_cause_retries(enum job_cause cause);

/* Whether the machine may be why an attempt ended so: worth a try on another one. */
bool job_cause_local(enum job_cause cause);

const char *job_state_name(enum job_state state); /* "waiting" */
const char *job_event_name(enum job_event event); /* "submit" */
const char *job_cause_name(enum job_cause cause); /* "worker-lost"; "" for none */
bool job_state_parse(const char *name, enum job_state *ret);
bool job_event_parse(const char *name, enum job_event *ret);
bool job_cause_parse(const char *name, enum job_cause *ret);

#endif
