/* The order of jobs, and what a job that cannot start does to it. */

#include "coordinator/dispatch.h"

#include "common/error.h"
#include "coordinator/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

struct record {
    int64_t jobs[64], workers[64];
    int count;
    int64_t stale, failing;
};

static enum dispatch_start start(void *user, struct worker *worker,
                                 const struct store_ready *ready, struct error *err)
{
    struct record *record = user;

    if (ready->job == record->stale)
        return DISPATCH_STALE;
    if (ready->job == record->failing) {
        err_set(err, ERR_IO, "disk full");
        return DISPATCH_FAILED;
    }
    record->jobs[record->count] = ready->job;
    record->workers[record->count++] = worker->row;
    return DISPATCH_STARTED;
}

static void add(struct dispatch *dispatch, int64_t job, int32_t priority)
{
    struct store_ready ready = {.job = job, .priority = priority};
    assert_int_equal(dispatch_add(dispatch, &ready, NULL), 0);
}

static struct roster *roster_of(int workers, uint32_t credit)
{
    struct roster *roster = roster_new(NULL);
    for (int i = 1; i <= workers; i++) {
        char uuid[HASH_TEXT];
        struct wire_peer peer = {.size = 5, .id = {0, (uint8_t)i}};
        snprintf(uuid, sizeof uuid, "%032x", (unsigned)i);
        struct worker *worker = roster_add(roster, uuid, i, 0, NULL);
        roster_connect(roster, worker, &peer);
        worker->credit = credit;
    }
    return roster;
}

static void by_priority_then_age(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 50);
    struct record record = {0};
    const int64_t want[] = {20, 30, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40};
    (void)state;

    add(dispatch, 40, -1);
    for (int64_t job = 10; job >= 1; job--)
        add(dispatch, job, 0);
    add(dispatch, 30, 5);
    add(dispatch, 20, 5);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 100, start, &record, NULL), 13);
    assert_memory_equal(record.jobs, want, sizeof want);
    assert_int_equal(dispatch_count(dispatch), 0);
    roster_free(&roster);
    dispatch_free(&dispatch);
    dispatch_free(&dispatch);
}

static void until_credit_or_the_bound_runs_out(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(2, 2);
    struct record record = {0};
    (void)state;

    for (int64_t job = 1; job <= 10; job++)
        add(dispatch, job, 0);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 3, start, &record, NULL), 3);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 9, start, &record, NULL), 1);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 9, start, &record, NULL), 0);
    assert_int_equal(dispatch_count(dispatch), 6);
    assert_int_equal(record.workers[0], 1);
    assert_int_equal(record.workers[1], 2);
    assert_int_equal(record.workers[2], 1);
    assert_int_equal(record.workers[3], 2);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void a_stale_job_costs_no_credit(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 1);
    struct record record = {.stale = 1};
    (void)state;

    add(dispatch, 1, 0);
    add(dispatch, 2, 0);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 9, start, &record, NULL), 1);
    assert_int_equal(record.jobs[0], 2);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void a_failure_keeps_the_job(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 5);
    struct record record = {.failing = 2};
    struct error err = {0};
    (void)state;

    for (int64_t job = 1; job <= 3; job++)
        add(dispatch, job, 0);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 9, start, &record, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(record.count, 1);
    assert_int_equal(dispatch_count(dispatch), 2);
    record.failing = 0;
    assert_int_equal(dispatch_run(dispatch, roster, 0, 9, start, &record, &err), 2);
    assert_int_equal(record.jobs[1], 2);
    add(dispatch, 9, 0);
    dispatch_clear(dispatch);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 9, start, &record, &err), 0);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void add_of(struct dispatch *dispatch, int64_t job, int32_t priority, size_t sweep)
{
    struct store_ready ready = {.job = job, .priority = priority, .sweep = sweep};
    assert_int_equal(dispatch_add(dispatch, &ready, NULL), 0);
}

/* Of sweep 0 two, of sweep 1 none, of others any. */
static int few(void *user, size_t sweep, int64_t *ret, struct error *err)
{
    static const int64_t may[] = {2, 0};

    if (user)
        return err_set(err, ERR_IO, "disk full");
    *ret = sweep < 2 ? may[sweep] : INT64_MAX;
    return 0;
}

static void a_sweep_starts_what_it_may_and_others_go_on(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 50);
    struct record record = {.stale = 2};
    const int64_t want[] = {9, 1, 3, 7, 8};
    struct error err = {0};
    (void)state;

    for (int64_t job = 1; job <= 4; job++)
        add_of(dispatch, job, 0, 0);
    add_of(dispatch, 5, 3, 1); /* paused, though it is urgent */
    add_of(dispatch, 7, 0, 2);
    add_of(dispatch, 8, 0, 2);
    add_of(dispatch, 9, 1, 2);
    assert_int_equal(dispatch_limit(dispatch, few, NULL, &err), 0);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 99, start, &record, &err), 5);
    assert_memory_equal(record.jobs, want, sizeof want); /* stale ones cost nothing */
    assert_int_equal(dispatch_count(dispatch), 2);
    assert_int_equal(dispatch_run(dispatch, roster, 0, 99, start, &record, &err), 0);
    assert_int_equal(dispatch_limit(dispatch, few, &record, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_priority_then_age),
        cmocka_unit_test(until_credit_or_the_bound_runs_out),
        cmocka_unit_test(a_stale_job_costs_no_credit),
        cmocka_unit_test(a_failure_keeps_the_job),
        cmocka_unit_test(a_sweep_starts_what_it_may_and_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
