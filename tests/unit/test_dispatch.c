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

/* ---- needs, hosts, time, fairness ---------------------------------------------- */

static struct worker *worker_of(struct roster *roster, int64_t row)
{
    return roster_by_row(roster, row);
}

static void need(struct dispatch *dispatch, size_t sweep, struct needs needs)
{
    assert_int_equal(dispatch_needs(dispatch, sweep, &needs, NULL), 0);
}

static int run(struct dispatch *dispatch, struct roster *roster, int64_t now_ms,
               struct record *record)
{
    struct error err = {0};
    int started = dispatch_run(dispatch, roster, now_ms, 64, start, record, &err);
    if (started < 0)
        fail_msg("%s", err.text);
    return started;
}

static void labels_and_memory_are_kept(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(2, 4);
    struct record record = {0};
    (void)state;

    assert_true(labels_add(worker_of(roster, 2)->labels, "big"));
    worker_of(roster, 2)->memory = 10;
    need(dispatch, 0, (struct needs){.labels = "[\"big\"]", .memory = 4});
    need(dispatch, 1, (struct needs){.memory = 11}); /* worker 1 does not say */
    need(dispatch, 2, (struct needs){.labels = "[\"none\"]"});
    for (int64_t job = 1; job <= 3; job++)
        add_of(dispatch, job, 0, 0);
    add_of(dispatch, 4, 0, 1);
    add_of(dispatch, 5, 9, 2);
    struct lease held = {.job = 99, .attempt = 1, .memory = 4};
    lease_grant(&worker_of(roster, 2)->leases, held, NULL);
    assert_int_equal(run(dispatch, roster, 0, &record), 4);
    for (int i = 0; i < record.count; i++)
        assert_int_equal(record.workers[i], record.jobs[i] == 4 ? 1 : 2);
    assert_int_equal(dispatch_count(dispatch), 1); /* nobody has that label */
    held.job = 98;
    lease_grant(&worker_of(roster, 2)->leases, held, NULL); /* 8 of 10 are taken */
    add_of(dispatch, 6, 0, 0);
    assert_int_equal(run(dispatch, roster, 0, &record), 0);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void large_jobs_take_slots_and_are_not_starved(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(2, 0);
    struct record record = {0};
    (void)state;

    for (int64_t row = 1; row <= 2; row++)
        worker_of(roster, row)->slots = 4;
    worker_of(roster, 2)->threads = 2;
    need(dispatch, 0, (struct needs){.cores = 4});
    add_of(dispatch, 1, 1, 0);
    add_of(dispatch, 2, 0, 1);
    add_of(dispatch, 3, 0, 1);
    add_of(dispatch, 4, 0, 1);
    /* Too few for the first job: worker 1, which comes nearer, is left to it. */
    worker_of(roster, 1)->credit = 3;
    worker_of(roster, 2)->credit = 1;
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[0], 2);
    assert_int_equal(record.workers[0], 2);
    worker_of(roster, 1)->credit = 4;
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[1], 1);
    assert_int_equal(worker_of(roster, 1)->credit, 0);
    /* Of a worker with two threads a slot it takes two. */
    add_of(dispatch, 5, 1, 0);
    worker_of(roster, 2)->credit = 3;
    assert_int_equal(run(dispatch, roster, 0, &record), 2);
    assert_int_equal(record.jobs[2], 5);
    assert_int_equal(worker_of(roster, 2)->credit, 0);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void a_failed_job_waits_and_goes_elsewhere(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(2, 4);
    struct record record = {0};
    struct store_ready ready = {.job = 1, .after_ms = 5000, .avoid = 11};
    (void)state;

    worker_of(roster, 1)->place = 11;
    worker_of(roster, 2)->place = 22;
    worker_of(roster, 2)->credit = 0;
    assert_int_equal(dispatch_add(dispatch, &ready, NULL), 0);
    assert_int_equal(dispatch_count(dispatch), 1);
    assert_int_equal(run(dispatch, roster, 4999, &record), 0);
    assert_int_equal(run(dispatch, roster, 5000, &record), 0); /* not on 1 */
    add(dispatch, 2, 0); /* which others may have meanwhile */
    assert_int_equal(run(dispatch, roster, 5000, &record), 1);
    assert_int_equal(record.jobs[0], 2);
    worker_of(roster, 2)->credit = 1;
    assert_int_equal(run(dispatch, roster, 5000, &record), 1);
    assert_int_equal(record.workers[1], 2);
    /* With nobody else there it is tried again where it failed. */
    ready.after_ms = 0;
    dispatch_add(dispatch, &ready, NULL);
    worker_of(roster, 2)->quarantined = true;
    assert_int_equal(run(dispatch, roster, 5000, &record), 1);
    assert_int_equal(record.workers[2], 1);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

/* T29 */
static void a_worker_in_doubt_gets_what_failed_elsewhere_only(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(2, 4);
    struct record record = {0};
    struct store_ready ready = {.job = 7, .avoid = 22};
    (void)state;

    worker_of(roster, 1)->place = 11;
    worker_of(roster, 2)->place = 22;
    worker_of(roster, 2)->credit = 0;
    for (int64_t job = 100; job < 105; job++)
        suspicion_failed(&worker_of(roster, 1)->suspicion, job);
    add(dispatch, 1, 0);
    assert_int_equal(run(dispatch, roster, 0, &record), 0);
    dispatch_add(dispatch, &ready, NULL);
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[0], 7);
    worker_of(roster, 2)->draining = true; /* nobody else can tell */
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[1], 1);
    add(dispatch, 2, 0);
    worker_of(roster, 1)->quarantined = true;
    assert_int_equal(run(dispatch, roster, 0, &record), 0);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void who_holds_the_states_is_preferred_and_none_is_starved(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, DISPATCH_PASS + 1);
    struct record record;
    (void)state;

    worker_of(roster, 1)->place = 11;
    for (int64_t job = 1; job <= 200; job++) {
        struct store_ready ready = {.job = job, .near = job == 1 ? 22 : 11};
        dispatch_add(dispatch, &ready, NULL);
    }
    for (int i = 0; i < DISPATCH_PASS; i++) {
        record = (struct record){0};
        assert_int_equal(dispatch_run(dispatch, roster, 0, 1, start, &record, NULL), 1);
        assert_int_equal(record.jobs[0], i + 2);
    }
    record = (struct record){0};
    assert_int_equal(dispatch_run(dispatch, roster, 0, 1, start, &record, NULL), 1);
    assert_int_equal(record.jobs[0], 1);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void sweeps_of_one_priority_share_the_slots(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 4);
    struct record record = {0};
    const int64_t want[] = {11, 12, 1, 13};
    (void)state;

    for (int64_t job = 1; job <= 10; job++)
        add_of(dispatch, job, 0, 0);
    for (int64_t job = 11; job <= 20; job++)
        add_of(dispatch, job, 0, 1);
    for (int64_t job = 91; job <= 92; job++) { /* two of the first run */
        struct lease lease = {.job = job, .attempt = 1, .sweep = 0};
        lease_grant(&worker_of(roster, 1)->leases, lease, NULL);
    }
    assert_int_equal(run(dispatch, roster, 0, &record), 4);
    assert_memory_equal(record.jobs, want, sizeof want);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void near_the_end_the_longest_go_first(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 1);
    struct record record = {0};
    (void)state;

    worker_of(roster, 1)->slots = 2;
    for (int64_t job = 1; job <= 5; job++) {
        struct store_ready ready = {.job = job, .probe = job != 4};
        dispatch_add(dispatch, &ready, NULL);
    }
    dispatch_took(dispatch, 0, true, 1);
    dispatch_took(dispatch, 0, false, 60);
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[0], 1); /* five for two slots: not yet */
    worker_of(roster, 1)->credit = 1;
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[1], 4);
    worker_of(roster, 1)->credit = 1;
    assert_int_equal(run(dispatch, roster, 0, &record), 1);
    assert_int_equal(record.jobs[2], 2);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

static void little_time_is_left_to_short_jobs(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 9);
    struct record record = {0};
    struct worker *worker = worker_of(roster, 1);
    (void)state;

    worker->leaves_ms = 100000;
    worker->time_limit_s = 3600;
    dispatch_took(dispatch, 0, true, 1); /* not known yet: nothing was queued */
    for (int64_t job = 1; job <= 40; job++) {
        struct store_ready ready = {.job = job, .probe = job % 2 == 0};
        dispatch_add(dispatch, &ready, NULL);
    }
    dispatch_took(dispatch, 0, true, 5);
    dispatch_took(dispatch, 0, false, 60);
    worker->credit = 2;
    assert_int_equal(run(dispatch, roster, 0, &record), 2); /* 100 s: either */
    worker->credit = 2;
    assert_int_equal(run(dispatch, roster, 50000, &record), 2); /* 50 s: probes */
    assert_int_equal(record.jobs[2] % 2, 0);
    assert_int_equal(record.jobs[3] % 2, 0);
    worker->credit = 2;
    assert_int_equal(run(dispatch, roster, 99000, &record), 0); /* 1 s: none */
    /* Longer than all its time ever was: it saves itself, and is handed on. */
    worker->time_limit_s = 59;
    assert_int_equal(run(dispatch, roster, 50000, &record), 2);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

/* A thousand sweeps at once are forgotten, too, once they are over: each of them costs
 * every run a look. */
static void a_crowd_of_sweeps_is_forgotten(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 4000);
    struct record record = {0};
    (void)state;

    for (size_t sweep = 1; sweep <= 1000; sweep++) {
        need(dispatch, sweep, (struct needs){.cores = 1});
        add_of(dispatch, (int64_t)sweep, 0, sweep);
    }
    for (int64_t job = 1; job <= 2000; job++) {
        record.count = 0;
        assert_int_equal(dispatch_run(dispatch, roster, 0, 1, start, &record, NULL), 1);
        add_of(dispatch, 1000 + job, 0, 1000);
    }
    assert_false(dispatch_knows(dispatch, 1));
    assert_false(dispatch_knows(dispatch, 999));
    assert_true(dispatch_knows(dispatch, 1000));
    roster_free(&roster);
    dispatch_free(&dispatch);
}

/* A thousand sweeps come and go; one has a job that waits, one a job that runs. */
static void sweeps_that_are_over_are_forgotten(void **state)
{
    struct dispatch *dispatch = dispatch_new(NULL);
    struct roster *roster = roster_of(1, 2000);
    struct record record = {0};
    const struct needs needs = {.cores = 3};
    const struct lease lease = {.job = 5000, .attempt = 1, .sweep = 2001};
    struct store_ready later = {.job = 5001, .sweep = 2000, .after_ms = 1000};
    (void)state;

    need(dispatch, 2000, (struct needs){.cores = 1});
    assert_int_equal(dispatch_add(dispatch, &later, NULL), 0);
    need(dispatch, 2001, needs);
    assert_int_equal(lease_grant(&roster_at(roster, 0)->leases, lease, NULL), 0);
    for (size_t sweep = 1; sweep <= 1000; sweep++) {
        need(dispatch, sweep, (struct needs){.cores = 1});
        add_of(dispatch, (int64_t)sweep, 0, sweep);
        assert_int_equal(dispatch_run(dispatch, roster, 0, 1, start, &record, NULL), 1);
        record.count = 0;
    }
    assert_false(dispatch_knows(dispatch, 1));
    assert_true(dispatch_knows(dispatch, 1000));
    assert_true(dispatch_knows(dispatch, 2000));
    assert_int_equal(dispatch_needs_of(dispatch, 2001)->cores, 3);
    assert_int_equal(dispatch_run(dispatch, roster, 1000, 1, start, &record, NULL), 1);
    assert_int_equal(record.jobs[0], 5001);
    roster_free(&roster);
    dispatch_free(&dispatch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps_that_are_over_are_forgotten),
        cmocka_unit_test(a_crowd_of_sweeps_is_forgotten),
        cmocka_unit_test(by_priority_then_age),
        cmocka_unit_test(until_credit_or_the_bound_runs_out),
        cmocka_unit_test(a_stale_job_costs_no_credit),
        cmocka_unit_test(a_failure_keeps_the_job),
        cmocka_unit_test(a_sweep_starts_what_it_may_and_others_go_on),
        cmocka_unit_test(labels_and_memory_are_kept),
        cmocka_unit_test(large_jobs_take_slots_and_are_not_starved),
        cmocka_unit_test(a_failed_job_waits_and_goes_elsewhere),
        cmocka_unit_test(a_worker_in_doubt_gets_what_failed_elsewhere_only),
        cmocka_unit_test(who_holds_the_states_is_preferred_and_none_is_starved),
        cmocka_unit_test(sweeps_of_one_priority_share_the_slots),
        cmocka_unit_test(near_the_end_the_longest_go_first),
        cmocka_unit_test(little_time_is_left_to_short_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
