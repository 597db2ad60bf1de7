/* The life of a job: every (state, event) pair against the list of those that
 * are allowed, and every word both ways. */

#include "common/jobstate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    enum job_state from;
    enum job_event event;
    enum job_state to;
} ALLOWED[] = {
    {JOB_NONE, EVENT_SUBMIT, JOB_WAITING},    {JOB_WAITING, EVENT_READY, JOB_READY},
    {JOB_WAITING, EVENT_SKIP, JOB_SKIPPED},   {JOB_WAITING, EVENT_CANCEL, JOB_CANCELLED},
    {JOB_READY, EVENT_START, JOB_RUNNING},    {JOB_READY, EVENT_CANCEL, JOB_CANCELLED},
    {JOB_RUNNING, EVENT_FINISH, JOB_DONE},    {JOB_RUNNING, EVENT_FAIL, JOB_FAILED},
    {JOB_RUNNING, EVENT_REQUEUE, JOB_READY},  {JOB_RUNNING, EVENT_CANCEL, JOB_CANCELLED},
    {JOB_FAILED, EVENT_RETRY, JOB_WAITING},   {JOB_CANCELLED, EVENT_RETRY, JOB_WAITING},
    {JOB_SKIPPED, EVENT_REVIVE, JOB_WAITING}, {JOB_RUNNING, EVENT_STOP, JOB_STOPPED},
    {JOB_STOPPED, EVENT_RETRY, JOB_WAITING},  {JOB_DONE, EVENT_RERUN, JOB_WAITING},
    {JOB_READY, EVENT_RERUN, JOB_WAITING},
};

static enum job_state allowed(enum job_state from, enum job_event event)
{
    for (size_t i = 0; i < ARRAY_LEN(ALLOWED); i++)
        if (ALLOWED[i].from == from && ALLOWED[i].event == event)
            return ALLOWED[i].to;
    return JOB_NONE;
}

static void every_pair(void **state)
{
    (void)state;
    for (int from = 0; from < JOB_STATE_COUNT; from++)
        for (int event = 0; event < EVENT_COUNT; event++)
            assert_int_equal(job_state_next((enum job_state)from, (enum job_event)event),
                             allowed((enum job_state)from, (enum job_event)event));
}

/* An ended state is left by what a person asks for (retry, rerun) or by a revival, never
 * by what a worker says; in particular a done job stays done whatever arrives late. */
static void ended_states_are_left_by_people_alone(void **state)
{
    (void)state;
    for (int from = 1; from < JOB_STATE_COUNT; from++) {
        bool left = false;
        for (int event = 0; event < EVENT_COUNT; event++)
            if (event != EVENT_RETRY && event != EVENT_REVIVE && event != EVENT_RERUN &&
                job_state_next((enum job_state)from, (enum job_event)event))
                left = true;
        assert_int_equal(job_state_ended((enum job_state)from), !left);
    }
    for (int event = 0; event < EVENT_COUNT; event++)
        assert_int_equal(job_state_next(JOB_DONE, (enum job_event)event),
                         event == EVENT_RERUN ? JOB_WAITING : JOB_NONE);
    assert_false(job_state_ended(JOB_NONE));
}

static void retries_per_cause(void **state)
{
    static const struct {
        enum job_cause cause;
        int retries;
    } rows[] = {
        {CAUSE_EXIT, 0},      {CAUSE_SIGNAL, 2},      {CAUSE_OOM, 1},
        {CAUSE_TIMEOUT, 0},   {CAUSE_WORKER_LOST, 5}, {CAUSE_PREEMPTED, -1},
        {CAUSE_DIVERGED, 0},  {CAUSE_DEPENDENCY, 0},  {CAUSE_DATA, 0},
        {CAUSE_CONDITION, 0},
    };

    (void)state;
    assert_int_equal(ARRAY_LEN(rows), CAUSE_COUNT - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(job_cause_retries(rows[i].cause), rows[i].retries);
    assert_int_equal(job_cause_retries(CAUSE_NONE), 0);
}

/* The words are in databases and scripts, so they are pinned here. */
static void words_both_ways(void **state)
{
    static const char *const states[] = {"none",      "waiting", "ready",
                                         "running",   "done",    "failed",
                                         "cancelled", "skipped", "stopped"};
    static const char *const events[] = {"submit", "ready",   "start",  "finish",
                                         "fail",   "requeue", "cancel", "skip",
                                         "retry",  "revive",  "rerun",  "stop"};
    static const char *const causes[] = {
        "",          "exit",     "signal",     "oom",  "timeout",  "worker-lost",
        "preempted", "diverged", "dependency", "data", "condition"};
    enum job_state job;
    enum job_event event;
    enum job_cause cause;

    (void)state;
    assert_int_equal(ARRAY_LEN(states), JOB_STATE_COUNT);
    assert_int_equal(ARRAY_LEN(events), EVENT_COUNT);
    assert_int_equal(ARRAY_LEN(causes), CAUSE_COUNT);
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        assert_string_equal(job_state_name((enum job_state)i), states[i]);
        assert_true(job_state_parse(states[i], &job));
        assert_int_equal(job, i);
    }
    for (int i = 0; i < EVENT_COUNT; i++) {
        assert_string_equal(job_event_name((enum job_event)i), events[i]);
        assert_true(job_event_parse(events[i], &event));
        assert_int_equal(event, i);
    }
    for (int i = 0; i < CAUSE_COUNT; i++) {
        assert_string_equal(job_cause_name((enum job_cause)i), causes[i]);
        assert_true(job_cause_parse(causes[i], &cause));
        assert_int_equal(cause, i);
    }
}

static void unknown_words_are_refused(void **state)
{
    enum job_state job = JOB_DONE;
    enum job_event event = EVENT_SKIP;
    enum job_cause cause = CAUSE_OOM;

    (void)state;
    assert_false(job_state_parse("Done", &job));
    assert_false(job_state_parse("", &job));
    assert_false(job_event_parse("done", &event));
    assert_false(job_cause_parse("worker_lost", &cause));
    assert_true(job == JOB_DONE && event == EVENT_SKIP && cause == CAUSE_OOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(ended_states_are_left_by_people_alone),
        cmocka_unit_test(retries_per_cause),
        cmocka_unit_test(words_both_ways),
        cmocka_unit_test(unknown_words_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
