/* Jobs: submitted once, started, judged, retried, skipped. */

#include "storekit.h"

#include "proto/limits.h"

#include <math.h>

static const double ONE_LR[] = {0.1, 0};
static const double TWO_LRS[] = {0.1, 0.5, 0};

/* Two runs (jobs 1 and 2) and their probes (3 and 4), submitted. */
static void open_with_plan(struct kit *kit, const char *probe_state)
{
    struct plan *plan = kit_plan("s", ONE_LR, 2, probe_state);
    struct store_submitted did;

    kit_open(kit);
    did = kit_submit(kit, plan, "r1");
    assert_int_equal(did.jobs, 4);
    assert_int_equal(did.added, 4);
    assert_false(did.known);
    kit_plan_free(plan);
    kit_begin(kit);
    kit_artifact(kit);
}

struct seen {
    int64_t jobs[16];
    int count;
};

static bool see_ready(void *user, const struct store_ready *ready)
{
    struct seen *seen = user;

    assert_true(seen->count < 16);
    seen->jobs[seen->count++] = ready->job;
    return true;
}

static void see_unblocked(void *user, const struct store_ready *ready)
{
    see_ready(user, ready);
}

static bool see_running(void *user, const struct store_running *running)
{
    struct seen *seen = user;

    assert_string_equal(running->uuid, "00000000000000000000000000000001");
    assert_int_equal(running->attempt, 1);
    seen->jobs[seen->count++] = running->job;
    return true;
}

static void assert_count(struct kit *kit, const char *state, int64_t n)
{
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT %s FROM progress WHERE sweep = 's'", state);
    assert_int_equal(kit_int(kit->store, sql), n);
}

static void test_submit(void **state)
{
    struct plan *plan = kit_plan("s", ONE_LR, 2, "final");
    struct plan *more = kit_plan("s", TWO_LRS, 2, "final");
    struct plan *other = kit_plan("t-2", ONE_LR, 2, "final");
    struct store_submitted did, again;
    struct seen seen = {.count = 0};
    struct kit kit;

    (void)state;
    kit_open(&kit);
    did = kit_submit(&kit, plan, "r1");
    assert_int_equal(did.added, 4);
    assert_count(&kit, "jobs", 4);
    assert_count(&kit, "ready", 2);
    assert_count(&kit, "waiting", 2);

    /* The same request is not carried out again; a new one adds nothing. */
    again = kit_submit(&kit, plan, "r1");
    assert_true(again.known);
    assert_int_equal(again.added, 4);
    assert_int_equal(again.sweep, did.sweep);
    again = kit_submit(&kit, plan, "r2");
    assert_false(again.known);
    assert_int_equal(again.added, 0);
    /* ... and leaves the queue as it is, unless it says that it is another. */
    assert_false(again.changes);
    plan->needs.priority = 3;
    assert_true(kit_submit(&kit, plan, "r2b").changes);
    plan->needs.priority = 0;
    assert_true(kit_submit(&kit, plan, "r2c").changes);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM sweep_job"), 4);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM event"), 6);

    /* Extended: only what is new; a job in two sweeps is one job. */
    MUST(store_each_ready(kit.store, 4, see_ready, &seen, err) == 0);
    assert_int_equal(seen.count, 0);
    assert_int_equal(kit_submit(&kit, more, "r3").added, 4);
    assert_int_equal(kit_submit(&kit, other, "r4").added, 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM job"), 8);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM runs"), 6);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM runs_t_2"), 2);
    assert_count(&kit, "jobs", 8);
    MUST(store_each_ready(kit.store, 4, see_ready, &seen, err) == 0);
    assert_int_equal(seen.count, 2);
    assert_true(seen.jobs[0] < seen.jobs[1]);
    kit_plan_free(plan);
    kit_plan_free(more);
    kit_plan_free(other);
    kit_close(&kit);
}

/* A plan that breaks a rule leaves nothing after the rollback. */
static void test_submit_fails_whole(void **state)
{
    struct plan *plan = kit_plan("s", ONE_LR, 1, "final");
    struct store_submitted did;
    struct error why = {0};
    struct kit kit;

    (void)state;
    kit_open(&kit);
    strcpy(plan->jobs[1].needs[0].role, "b"); /* two states in one role */
    kit_begin(&kit);
    assert_int_equal(
        store_submit(kit.store, plan, "r", false, NOW, NULL, NULL, &did, &why), -1);
    assert_int_equal(why.code, ERR_INVALID);
    store_rollback(kit.store);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM job"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM sweep"), 0);
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_start(void **state)
{
    struct seen seen = {.count = 0};
    struct buf arena = {0};
    struct error why = {0};
    struct msg_job msg;
    struct kit kit;

    (void)state;
    open_with_plan(&kit, "final");
    MUST(store_start(kit.store, 1, kit.worker, NOW, &msg, &arena, err) == 0);
    assert_int_equal(msg.attempt, 1);
    assert_int_equal(msg.time_limit_s, 60);
    assert_int_equal(msg.input_count, 0);
    assert_memory_equal(msg.spec.data, "coord-spec 1 train\n", 19);
    buf_free(&arena);
    assert_int_equal(store_start(kit.store, 1, kit.worker, NOW, &msg, &arena, &why), -1);
    assert_int_equal(why.code, ERR_NOT_FOUND);
    assert_int_equal(store_start(kit.store, 3, kit.worker, NOW, &msg, &arena, &why), -1);
    assert_int_equal(why.code, ERR_NOT_FOUND);
    assert_int_equal(store_start(kit.store, 77, kit.worker, NOW, &msg, &arena, &why), -1);
    assert_int_equal(why.code, ERR_NOT_FOUND);
    MUST(store_each_running(kit.store, see_running, &seen, err) == 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(kit_int(kit.store, "SELECT running FROM workers"), 1);
    assert_int_equal(kit_state(&kit, 1), JOB_RUNNING);
    kit_close(&kit);
}

/* A probe is handed out with its run's spec and both states. */
static void test_inputs(void **state)
{
    struct buf arena = {0};
    struct msg_job msg;
    struct kit kit;

    (void)state;
    open_with_plan(&kit, "final");
    kit_finish(&kit, 1, false);
    assert_int_equal(kit_state(&kit, 3), JOB_READY);
    assert_int_equal(kit_state(&kit, 4), JOB_WAITING);
    MUST(store_start(kit.store, 3, kit.worker, NOW, &msg, &arena, err) == 0);
    assert_int_equal(msg.input_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(slice_is(msg.inputs[i].role, i ? "b" : "a"));
        assert_true(slice_is(msg.inputs[i].state, i ? "final" : "init"));
        assert_true(slice_is(msg.inputs[i].hash, KIT_HASH));
        assert_int_equal(msg.inputs[i].stored, i);
        assert_memory_equal(msg.inputs[i].spec.data, "coord-spec 1 train\n", 19);
    }
    assert_memory_equal(msg.spec.data, "coord-spec 1 probe\n", 19);
    buf_free(&arena);
    kit_close(&kit);
}

static void test_result(void **state)
{
    struct seen seen = {.count = 0};
    struct msg_result result;
    enum msg_verdict verdict;
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 2);
    result = kit_run_result(2, 1, &rows);
    MUST(store_result(kit.store, kit.worker, &result, NOW + 9, see_unblocked, &seen,
                      &verdict, text, err) == 0);
    assert_int_equal(verdict, VERDICT_ACCEPTED);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.jobs[0], 4);
    assert_int_equal(kit_state(&kit, 2), JOB_DONE);
    assert_count(&kit, "done", 1);
    assert_count(&kit, "ready", 2);

    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_DUPLICATE);
    result.attempt = 2;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_REFUSED);
    assert_non_null(strstr(text, "never had an attempt 2"));
    result.job = 99;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_REFUSED);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM result"), 1);
    assert_int_equal(kit_int(kit.store, "SELECT done FROM workers"), 1);
    kit_commit(&kit);
    kit_close(&kit);
}

static void test_missing_artifact(void **state)
{
    struct msg_result result;
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 1);
    result = kit_run_result(1, 1, &rows);
    rows.states[1].hash = slice_of("ffffffffffffffffffffffffffffffff");
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_MISSING);
    assert_non_null(strstr(text, "ffffffffffffffffffffffffffffffff"));
    assert_int_equal(kit_state(&kit, 1), JOB_RUNNING);
    MUST(store_artifact_add(kit.store, "ffffffffffffffffffffffffffffffff", 8, NOW, err) ==
         0);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    kit_close(&kit);
}

/* A late result of a lost attempt is dropped; the next attempt's counts. */
static void test_superseded(void **state)
{
    struct msg_result late, result;
    struct kit_rows rows;
    enum job_state became;
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 1);
    late = kit_run_result(1, 1, &rows);
    MUST(store_attempt_lost(kit.store, 1, 1, CAUSE_WORKER_LOST, "silent for 30 s", NOW,
                            &became, err) == 0);
    assert_int_equal(became, JOB_READY);
    assert_int_equal(kit_judge(&kit, &late, text), VERDICT_SUPERSEDED);
    assert_int_equal(kit_start(&kit, 1), 2);
    assert_int_equal(kit_judge(&kit, &late, text), VERDICT_SUPERSEDED);
    assert_string_equal(kit_text(kit.store, "SELECT state || ' ' || cause FROM attempt"
                                            " WHERE job = 1 AND attempt = 1"),
                        "superseded worker-lost");
    /* Not the current attempt any more: nothing happens. */
    MUST(store_attempt_lost(kit.store, 1, 1, CAUSE_WORKER_LOST, "", NOW, &became, err) ==
         0);
    assert_int_equal(became, JOB_RUNNING);
    result = kit_run_result(1, 2, &rows);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_int_equal(kit_int(kit.store, "SELECT attempt FROM result"), 2);
    assert_int_equal(kit_judge(&kit, &late, text), VERDICT_SUPERSEDED);
    kit_close(&kit);
}

static struct msg_result failure(int64_t job, uint32_t attempt, const char *cause)
{
    struct msg_result result = kit_result(job, attempt);

    result.outcome = OUTCOME_FAILED;
    result.cause = slice_of(cause);
    result.message = slice_of("the trial said no");
    return result;
}

static void test_failure_skips_dependants(void **state)
{
    struct msg_result result = failure(1, 1, "data");
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 1);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_int_equal(kit_state(&kit, 1), JOB_FAILED);
    assert_int_equal(kit_state(&kit, 3), JOB_SKIPPED);
    assert_int_equal(kit_state(&kit, 4), JOB_WAITING);
    assert_count(&kit, "failed", 1);
    assert_count(&kit, "skipped", 1);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT cause || ': ' || message FROM failures"
                                 " WHERE job = 3"),
                        "dependency: needs 'init' of job 1, which failed");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT cause || ': ' || message || ', ' || host"
                                 " FROM failures WHERE job = 1"),
                        "data: the trial said no, node1");
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_DUPLICATE);
    kit_close(&kit);
}

/* What needs a skipped job is skipped too, down to the end of the chain. */
static void test_skips_go_down_the_chain(void **state)
{
    struct plan *plan = kit_plan("s", ONE_LR, 2, "final");
    struct msg_result result = failure(1, 1, "data");
    struct kit kit;
    char text[256];

    (void)state;
    plan->jobs[3].needs[0] = (struct plan_need){.job = 2, .role = "a", .state = "final"};
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    kit_begin(&kit);
    kit_start(&kit, 1);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_int_equal(kit_state(&kit, 3), JOB_SKIPPED);
    assert_int_equal(kit_state(&kit, 4), JOB_SKIPPED);
    assert_string_equal(kit_text(kit.store, "SELECT message FROM failures WHERE job = 4"),
                        "needs 'final' of job 3, which was skipped");
    kit_plan_free(plan);
    kit_close(&kit);
}

/* By the policy: an oom is tried once more, then fails; exit fails at once. */
static void test_retries(void **state)
{
    struct seen seen = {.count = 0};
    struct msg_result result;
    enum msg_verdict verdict;
    struct kit kit;
    char text[256];
    uint32_t attempt = 0;

    (void)state;
    open_with_plan(&kit, "final");
    for (int i = 0; i <= job_cause_retries(CAUSE_OOM); i++) {
        assert_int_equal(kit_state(&kit, 1), JOB_READY);
        attempt = kit_start(&kit, 1);
        result = failure(1, attempt, "oom");
        MUST(store_result(kit.store, kit.worker, &result, NOW, see_unblocked, &seen,
                          &verdict, text, err) == 0);
        assert_int_equal(verdict, VERDICT_ACCEPTED);
    }
    assert_int_equal(seen.count, job_cause_retries(CAUSE_OOM));
    assert_int_equal(seen.jobs[0], 1);
    assert_int_equal(kit_state(&kit, 1), JOB_FAILED);

    kit_start(&kit, 2);
    result = failure(2, 1, ""); /* no cause given: exit */
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(kit_text(kit.store, "SELECT cause FROM job WHERE id = 2"),
                        "exit");
    assert_int_equal(kit_state(&kit, 2), JOB_FAILED);
    assert_int_equal(kit_int(kit.store, "SELECT failed FROM workers"), attempt + 1);
    kit_close(&kit);
}

/* Training ended before the epoch whose state a probe wants. */
static void test_state_that_never_came(void **state)
{
    struct kit kit;

    (void)state;
    open_with_plan(&kit, "epoch:5");
    kit_finish(&kit, 1, false);
    assert_int_equal(kit_state(&kit, 1), JOB_DONE);
    assert_int_equal(kit_state(&kit, 3), JOB_SKIPPED);
    assert_string_equal(kit_text(kit.store, "SELECT message FROM failures"),
                        "job 1 ended without its state 'epoch:5'");
    kit_close(&kit);
}

/* One bad result is undone alone: what else the batch holds stands. */
static void test_bad_rows_are_refused_alone(void **state)
{
    struct msg_result result;
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_finish(&kit, 1, false);
    kit_start(&kit, 2);
    result = kit_run_result(2, 1, &rows);
    rows.history[3] = rows.history[2]; /* the same epoch twice */
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_REFUSED);
    assert_non_null(strstr(text, "breaks a rule"));
    assert_true(store_in_batch(kit.store));
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM result"), 1);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history WHERE job = 2"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM checkpoint WHERE job = 2"),
                     0);
    /* The worker will not send it again, so the attempt has ended. */
    assert_int_equal(kit_state(&kit, 2), JOB_FAILED);
    assert_string_equal(kit_text(kit.store, "SELECT state FROM attempt WHERE job = 2"),
                        "failed");
    kit_close(&kit);
}

static void test_malformed_results(void **state)
{
    struct kit kit;
    struct kit_rows rows;
    struct msg_result result;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 1);
    result = kit_run_result(1, 1, &rows);
    result.outcome = 3;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_REFUSED);
    kit_start(&kit, 2);
    result = kit_run_result(2, 1, &rows);
    rows.history[0].tally.count = 0;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_REFUSED);
    assert_non_null(strstr(text, "n > 0"));
    kit_close(&kit);
}

static void test_diverged_is_a_result(void **state)
{
    struct msg_result result;
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 1);
    result = kit_run_result(1, 1, &rows);
    result.cause = slice_of("diverged");
    result.message = slice_of("the loss of step 7 is nan");
    rows.history[2].tally = kit_tally(NAN, 0);
    rows.history[3].tally = kit_tally(INFINITY, 1);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT state || cause || diverged || train_nonfinite ||"
                                 " test_nonfinite || (train_loss IS NULL) || test_acc"
                                 " FROM runs WHERE job = 1"),
                        "donediverged1naninf10.25");
    assert_int_equal(kit_state(&kit, 3), JOB_READY);
    kit_close(&kit);
}

/* A sweep that needs what has failed already is skipped when it is submitted;
 * what is done already lets it begin. */
static void test_submit_onto_ended_jobs(void **state)
{
    struct plan *plan = kit_plan("late", ONE_LR, 2, "epoch:1");
    struct msg_result result = failure(1, 1, "exit");
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    open_with_plan(&kit, "final");
    kit_start(&kit, 1);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    kit_start(&kit, 2);
    result = kit_run_result(2, 1, &rows);
    rows.states[0].name = slice_of("epoch:1");
    rows.states[0].stored = true;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    kit_commit(&kit);
    assert_int_equal(kit_submit(&kit, plan, "r2").added, 2);
    assert_string_equal(kit_text(kit.store, "SELECT group_concat(state) FROM"
                                            " (SELECT j.state FROM sweep_job m"
                                            " JOIN job j ON j.id = m.job"
                                            " WHERE m.sweep = 'late' ORDER BY j.id)"),
                        "failed,done,skipped,ready");
    assert_string_equal(kit_text(kit.store, "SELECT ready || done || failed || skipped"
                                            " FROM progress WHERE sweep = 'late'"),
                        "1111");
    kit_plan_free(plan);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_submit_fails_whole),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_missing_artifact),
        cmocka_unit_test(test_superseded),
        cmocka_unit_test(test_failure_skips_dependants),
        cmocka_unit_test(test_skips_go_down_the_chain),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_state_that_never_came),
        cmocka_unit_test(test_bad_rows_are_refused_alone),
        cmocka_unit_test(test_malformed_results),
        cmocka_unit_test(test_diverged_is_a_result),
        cmocka_unit_test(test_submit_onto_ended_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
