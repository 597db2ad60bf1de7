/* What people change: cancelled, tried again, paused, limited, prioritised. */

#include "tests/unit/storekit.h"

#include "common/jobstate.h"

static const double ONE_LR[] = {0.1, 0};

/* Two runs (jobs 1 and 2) and their probes (3 and 4), of sweep 1, submitted. */
static int open_kit(void **state)
{
    struct plan *plan = kit_plan("s", ONE_LR, 2, "final");
    struct kit *kit = calloc(1, sizeof *kit);

    assert_non_null(kit);
    kit_open(kit);
    kit_submit(kit, plan, "r1");
    kit_plan_free(plan);
    kit_begin(kit);
    kit_artifact(kit);
    *state = kit;
    return 0;
}

static int close_kit(void **state)
{
    struct kit *kit = *state;

    kit_close(kit);
    free(kit);
    return 0;
}

static uint32_t cancel(struct kit *kit, int64_t job, bool expected)
{
    uint32_t attempt;
    bool changed;

    MUST(store_cancel(kit->store, job, "enough", NOW, &changed, &attempt, err) == 0);
    assert_int_equal(changed, expected);
    return attempt;
}

static void see(void *user, const struct store_ready *ready)
{
    *(int64_t *)user = 10 * *(int64_t *)user + ready->job;
}

/* Returns the jobs that became ready, as digits. */
static int64_t retry(struct kit *kit, int64_t job, bool expected)
{
    int64_t ready = 0;
    bool changed;

    MUST(store_retry(kit->store, job, false, "again", NOW, see, &ready, &changed, err) ==
         0);
    assert_int_equal(changed, expected);
    return ready;
}

static void fail_job(struct kit *kit, int64_t job, const char *cause)
{
    uint32_t attempt = kit_start(kit, job);
    struct msg_result result = {.job = job,
                                .attempt = attempt,
                                .outcome = OUTCOME_FAILED,
                                .cause = slice_of(cause),
                                .message = slice_of("it broke")};
    char text[256];

    assert_int_equal(kit_judge(kit, &result, text), VERDICT_ACCEPTED);
}

/* The counters agree with the table, and the events with the states. */
static void assert_sound(struct kit *kit)
{
    assert_int_equal(
        kit_int(kit->store,
                "SELECT count(*) FROM sweep_count c WHERE n <> (SELECT count(*) FROM job"
                " j WHERE j.state = c.state)"),
        0);
    assert_int_equal(kit_int(kit->store,
                             "SELECT count(*) FROM attempt t JOIN job j ON j.id = t.job"
                             " WHERE t.state = 'running' AND j.state <> 'running'"),
                     0);
}

static void a_cancelled_job_ends_and_what_needs_it_is_skipped(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(cancel(kit, 1, true), 0);
    assert_int_equal(kit_state(kit, 1), JOB_CANCELLED);
    assert_int_equal(kit_state(kit, 3), JOB_SKIPPED);
    assert_int_equal(kit_state(kit, 2), JOB_READY);
    assert_string_equal(kit_text(kit->store, "SELECT reason FROM job WHERE id = 1"),
                        "enough");
    assert_string_equal(kit_text(kit->store, "SELECT reason FROM job WHERE id = 3"),
                        "needs 'init' of job 1, which was cancelled");
    assert_string_equal(
        kit_text(kit->store, "SELECT detail FROM event WHERE event = 'cancel'"),
        "enough");
    cancel(kit, 1, false); /* it has ended */
    cancel(kit, 4, true);  /* one that waits */
    assert_int_equal(kit_state(kit, 2), JOB_READY);
    assert_sound(kit);
}

static void a_running_attempt_is_given_up(void **state)
{
    struct kit *kit = *state;
    struct kit_rows rows;
    char text[256];

    uint32_t attempt = kit_start(kit, 1);
    assert_int_equal(cancel(kit, 1, true), attempt);
    assert_string_equal(
        kit_text(kit->store, "SELECT state || ': ' || message FROM attempt"),
        "lost: enough");
    /* Its result comes too late, and does not bring the job back. */
    struct msg_result late = kit_run_result(1, attempt, &rows);
    assert_int_equal(kit_judge(kit, &late, text), VERDICT_SUPERSEDED);
    assert_int_equal(kit_state(kit, 1), JOB_CANCELLED);
    assert_int_equal(kit_int(kit->store, "SELECT count(*) FROM result"), 0);
    assert_sound(kit);
}

static void a_retry_revives_what_was_skipped(void **state)
{
    struct kit *kit = *state;

    fail_job(kit, 1, "exit");
    assert_int_equal(kit_state(kit, 1), JOB_FAILED);
    assert_int_equal(kit_state(kit, 3), JOB_SKIPPED);
    assert_int_equal(retry(kit, 1, true), 1);
    assert_int_equal(kit_state(kit, 1), JOB_READY);
    assert_int_equal(kit_state(kit, 3), JOB_WAITING);
    retry(kit, 1, false);
    retry(kit, 3, false);
    kit_finish(kit, 1, false);
    assert_int_equal(kit_state(kit, 3), JOB_READY);
    kit_finish(kit, 3, true);
    retry(kit, 1, false); /* what is done stays done */
    assert_int_equal(kit_int(kit->store, "SELECT max(attempt) FROM attempt"), 2);
    assert_sound(kit);
}

static void a_retried_job_has_its_retries_again(void **state)
{
    struct kit *kit = *state;

    fail_job(kit, 1, "signal");
    fail_job(kit, 1, "signal");
    assert_int_equal(kit_state(kit, 1), JOB_READY);
    fail_job(kit, 1, "signal");
    assert_int_equal(kit_state(kit, 1), JOB_FAILED);
    retry(kit, 1, true);
    fail_job(kit, 1, "signal");
    assert_int_equal(kit_state(kit, 1), JOB_READY);
    assert_sound(kit);
}

static void cancelled_jobs_can_be_tried_again(void **state)
{
    struct kit *kit = *state;

    cancel(kit, 1, true);
    cancel(kit, 3, false); /* skipped meanwhile */
    assert_int_equal(retry(kit, 1, true), 1);
    assert_int_equal(kit_state(kit, 3), JOB_WAITING);
    kit_finish(kit, 1, false);
    cancel(kit, 3, true);
    assert_int_equal(retry(kit, 3, true), 3); /* all it needs is there */
    assert_sound(kit);
}

static int64_t may(struct kit *kit)
{
    int64_t ret;

    MUST(store_sweep_may(kit->store, 0, &ret, err) == 0);
    return ret;
}

static void a_sweep_may_what_is_set_within_the_batch_too(void **state)
{
    struct kit *kit = *state;
    struct error why;
    bool changed;

    assert_int_equal(may(kit), INT64_MAX);
    MUST(store_set_limit(kit->store, 1, 2, &changed, err) == 0);
    assert_true(changed);
    assert_int_equal(may(kit), 2);
    kit_start(kit, 1); /* not committed, and counted */
    assert_int_equal(may(kit), 1);
    kit_commit(kit);
    kit_begin(kit);
    assert_int_equal(may(kit), 1);
    kit_start(kit, 2);
    assert_int_equal(may(kit), 0);
    MUST(store_set_limit(kit->store, 1, 1, &changed, err) == 0);
    assert_int_equal(may(kit), 0); /* more run than may: none is stopped */
    cancel(kit, 1, true);
    cancel(kit, 2, true);
    assert_int_equal(may(kit), 1);

    MUST(store_pause(kit->store, 1, "lunch", NOW, &changed, err) == 0);
    assert_true(changed);
    assert_int_equal(may(kit), 0);
    MUST(store_pause(kit->store, 1, "again", NOW, &changed, err) == 0);
    assert_false(changed);
    assert_string_equal(kit_text(kit->store, "SELECT reason FROM pause"), "lunch");
    assert_int_equal(kit_int(kit->store, "SELECT paused FROM progress"), 1);
    MUST(store_unpause(kit->store, 1, &changed, err) == 0);
    assert_int_equal(may(kit), 1);
    assert_int_equal(store_pause(kit->store, 9, "x", NOW, &changed, &why), -1);
    assert_int_equal(why.code, ERR_NOT_FOUND);
}

static bool first_ready(void *user, const struct store_ready *ready)
{
    *(int64_t *)user = ready->job;
    return false;
}

static void priorities_order_what_is_ready(void **state)
{
    struct kit *kit = *state;
    int64_t first = 0;
    bool changed;

    MUST(store_set_priority(kit->store, 2, 5, &changed, err) == 0);
    assert_true(changed);
    MUST(store_set_priority(kit->store, 2, 5, &changed, err) == 0);
    assert_false(changed);
    MUST(store_each_ready(kit->store, 0, first_ready, &first, err) == 0);
    assert_int_equal(first, 2);
    kit_finish(kit, 1, false);
    MUST(store_set_priority(kit->store, 1, 5, &changed, err) == 0);
    assert_false(changed); /* it has ended */
    MUST(store_set_priority(kit->store, 77, 5, &changed, err) == 0);
    assert_false(changed);
}

static int collect(void *user, int64_t job, struct error *err)
{
    (void)err;
    *(int64_t *)user = 10 * *(int64_t *)user + job;
    return job == 4 ? -1 : 0;
}

static void jobs_are_visited_by_range(void **state)
{
    struct kit *kit = *state;
    int64_t seen = 0;

    MUST(store_each_job(kit->store, 2, 3, collect, &seen, err) == 0);
    assert_int_equal(seen, 23);
    seen = 0;
    assert_int_equal(store_each_job(kit->store, 3, INT64_MAX, collect, &seen, NULL), -1);
    assert_int_equal(seen, 34);
    MUST(store_each_job(kit->store, 9, 1, collect, &seen, err) == 0);
    MUST(store_each_job(kit->store, 5, INT64_MAX, collect, &seen, err) == 0);
    assert_int_equal(seen, 34);
}

static void what_was_asked_for_is_kept(void **state)
{
    const char *request = "0123456789abcdef0123456789abcdef";
    const struct store_control control = {"cancel", "jobs 1-3", "enough", 2, 1};
    struct kit *kit = *state;
    struct store_control got = {0};
    bool known;

    MUST(store_control_find(kit->store, request, &known, &got, err) == 0);
    assert_false(known);
    MUST(store_control_add(kit->store, request, &control, NOW, err) == 0);
    MUST(store_control_find(kit->store, request, &known, &got, err) == 0);
    assert_true(known);
    assert_int_equal(got.changed, 2);
    assert_int_equal(got.unchanged, 1);
}

#define KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT(a_cancelled_job_ends_and_what_needs_it_is_skipped),
        KIT(a_running_attempt_is_given_up),
        KIT(a_retry_revives_what_was_skipped),
        KIT(a_retried_job_has_its_retries_again),
        KIT(cancelled_jobs_can_be_tried_again),
        KIT(a_sweep_may_what_is_set_within_the_batch_too),
        KIT(priorities_order_what_is_ready),
        KIT(jobs_are_visited_by_range),
        KIT(what_was_asked_for_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
