/* Runs that report while they go on, rules that stop them, and what comes of that; jobs
 * that are done and run again. */

#include "storekit.h"

#include <math.h>

static void fault(void *user, const char *line)
{
    (void)user;
    fail_msg("%s", line);
}

static void check(struct kit *kit)
{
    MUST(store_check(kit->store, fault, NULL, err) == 0);
}

/* Eight runs, jobs 1 to 8, and their probes, 9 to 16. */
static struct plan *plan_of(enum early_rule rule)
{
    static const double LRS[] = {0.1, 0};
    struct plan *plan = kit_plan("early", LRS, 8, "final");

    if (rule != EARLY_NONE)
        plan->early = (struct early){.rule = rule,
                                     .metric = early_metric_of("test_loss"),
                                     .grace = 1,
                                     .factor = rule == EARLY_ASHA ? 2 : 0};
    return plan;
}

static void open_with(struct kit *kit, enum early_rule rule)
{
    struct plan *plan = plan_of(rule);

    kit_open(kit);
    assert_int_equal(kit_submit(kit, plan, "r1").added, 16);
    kit_begin(kit);
    kit_artifact(kit);
    kit_plan_free(plan);
}

/* The first attempt of a run tells its test loss at an epoch; returns why it is to
 * stop. */
static const char *report(struct kit *kit, int64_t job, uint32_t epoch, double loss)
{
    static char stop[STORE_STOP_TEXT];
    struct msg_history row = {.epoch = epoch,
                              .split = slice_of("test"),
                              .tally = kit_tally(loss, 2),
                              .lr = 0.1,
                              .seconds = epoch};
    const struct msg_report report = {job, 1, &row, 1};

    MUST(store_report(kit->store, &report, NOW, stop, err) == 0);
    return stop;
}

/* The attempt saved itself and ended, as it was told. */
static void end_saved(struct kit *kit, int64_t job, uint32_t attempt)
{
    struct msg_state state = {.name = slice_of("resume"),
                              .hash = slice_of(KIT_HASH),
                              .size = 8,
                              .epoch = 1,
                              .step = 5,
                              .stored = true};
    struct msg_result result = {.job = job,
                                .attempt = attempt,
                                .outcome = OUTCOME_FAILED,
                                .cause = slice_of("preempted"),
                                .states = &state,
                                .state_count = 1};
    char text[256];

    assert_int_equal(kit_judge(kit, &result, text), VERDICT_ACCEPTED);
}

static void retry(struct kit *kit, int64_t job, bool force, bool expected)
{
    bool changed;

    MUST(store_retry(kit->store, job, force, "on it goes", NOW, NULL, NULL, &changed,
                     err) == 0);
    assert_int_equal(changed, expected);
}

static void what_a_run_reports_is_its_history_so_far(void **state)
{
    struct kit kit;

    (void)state;
    open_with(&kit, EARLY_NONE);
    kit_start(&kit, 1);
    assert_string_equal(report(&kit, 1, 1, 2.0), "");
    assert_string_equal(report(&kit, 1, 2, 1.5), "");
    assert_string_equal(report(&kit, 1, 2, 1.5), "");
    assert_string_equal(report(&kit, 2, 1, 2.0), ""); /* it does not run */
    assert_string_equal(report(&kit, 99, 1, 2.0), "");
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history"), 2);
    assert_string_equal(kit_text(kit.store, "SELECT loss FROM history WHERE epoch = 2"),
                        "1.5");
    assert_int_equal(kit_int(kit.store, "SELECT count(test_loss) FROM runs"), 0);
    /* Rows that break a rule cost the batch nothing. */
    struct msg_history row = {.epoch = 3, .split = slice_of("test")};
    const struct msg_report bad = {1, 1, &row, 1};
    char stop[STORE_STOP_TEXT];
    MUST(store_report(kit.store, &bad, NOW, stop, err) == 0);
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history"), 2);
    /* The result has them all. */
    struct kit_rows rows;
    struct msg_result result = kit_run_result(1, 1, &rows);
    char text[256];
    kit_begin(&kit);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM report"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history"), 4);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM score"), 0);
    check(&kit);
    kit_close(&kit);
}

/* Of those that came to the rung so far the better half goes on. */
static void asha_stops_who_is_not_among_the_best(void **state)
{
    struct kit kit;

    (void)state;
    open_with(&kit, EARLY_ASHA);
    for (int64_t job = 1; job <= 5; job++)
        kit_start(&kit, job);
    assert_string_equal(report(&kit, 1, 1, 2.0), ""); /* the first: the best */
    assert_string_equal(report(&kit, 2, 1, 1.0), "");
    assert_string_equal(report(&kit, 3, 1, 1.5),
                        "its test_loss at epoch 1 is 1.5; the best 1 of 3 runs have 1 or"
                        " better");
    assert_string_equal(report(&kit, 4, 1, 1.5), ""); /* the second of four, as 3 is */
    assert_string_equal(report(&kit, 5, 1, NAN),
                        "its test_loss at epoch 1 is not finite; the best 2 of 5 runs"
                        " have 1.5 or better");
    assert_string_equal(report(&kit, 2, 3, 9.0), ""); /* no rung: 1, 2, 4, 8 */
    /* Until it has heard, it is told again. */
    assert_string_equal(report(&kit, 3, 2, 0.1),
                        "its test_loss at epoch 1 is 1.5; the best 1 of 3 runs have 1 or"
                        " better");
    kit_commit(&kit);
    check(&kit);
    kit_close(&kit);
}

/* An attempt that goes on from what another saved tells all its history again: it was
 * judged by who had come so far then. */
static void what_was_judged_is_not_judged_again(void **state)
{
    struct kit kit;

    (void)state;
    open_with(&kit, EARLY_ASHA);
    for (int64_t job = 1; job <= 4; job++)
        kit_start(&kit, job);
    assert_string_equal(report(&kit, 1, 1, 2.0), "");
    for (int64_t job = 2; job <= 4; job++)
        (void)report(&kit, job, 1, 0.5);
    assert_string_equal(report(&kit, 1, 1, 2.0), "");
    assert_true(report(&kit, 1, 2, 2.0)[0] == '\0'); /* the first there */
    kit_commit(&kit);
    kit_close(&kit);
}

/* The best of its own so far against the mean so far of the others. */
static void median_stops_who_is_worse_than_half(void **state)
{
    struct kit kit;

    (void)state;
    open_with(&kit, EARLY_MEDIAN);
    for (int64_t job = 1; job <= 5; job++)
        kit_start(&kit, job);
    for (int64_t job = 1; job <= 3; job++) {
        assert_string_equal(report(&kit, job, 1, (double)job), ""); /* too few */
        assert_string_equal(report(&kit, job, 2, (double)job - 0.5), "");
    }
    assert_string_equal(report(&kit, 4, 1, 1.75), "");
    /* Means 0.75, 1.75, 2.75: its best is 1.75, as good as the median. */
    assert_string_equal(report(&kit, 4, 2, 5.0), "");
    assert_string_equal(
        report(&kit, 5, 1, 2.25),
        "its best test_loss by epoch 1 is 2.25; the median of 4 other runs"
        " is 2");
    kit_commit(&kit);
    check(&kit);
    kit_close(&kit);
}

/* Job 3 is told to stop. */
static void stop_third(struct kit *kit)
{
    open_with(kit, EARLY_ASHA);
    for (int64_t job = 1; job <= 3; job++) {
        kit_start(kit, job);
        (void)report(kit, job, 1, (double)job);
    }
}

static void a_stopped_run_can_go_on(void **state)
{
    struct kit kit;

    (void)state;
    stop_third(&kit);
    end_saved(&kit, 3, 1);
    assert_int_equal(kit_state(&kit, 3), JOB_STOPPED);
    assert_int_equal(kit_state(&kit, 11), JOB_SKIPPED);
    kit_commit(&kit);
    check(&kit);
    assert_string_equal(kit_text(kit.store, "SELECT cause FROM job WHERE id = 11"),
                        "condition");
    assert_string_equal(kit_text(kit.store, "SELECT reason FROM job WHERE id = 11"),
                        "needs 'init' of job 3, which was stopped early");
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM failures"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT stopped FROM progress"), 1);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history WHERE job = 3"), 1);
    /* It goes on from where it was, and no rule stops it any more. */
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM resume WHERE job = 3"), 1);
    kit_begin(&kit);
    retry(&kit, 3, false, true);
    assert_int_equal(kit_state(&kit, 3), JOB_READY);
    assert_int_equal(kit_state(&kit, 11), JOB_WAITING);
    assert_int_equal(kit_start(&kit, 3), 2);
    struct msg_history row = {
        .epoch = 2, .split = slice_of("test"), .tally = kit_tally(50, 2)};
    const struct msg_report worse = {3, 2, &row, 1};
    assert_string_equal(report(&kit, 1, 2, 0.5), "");
    char stop[STORE_STOP_TEXT];
    MUST(store_report(kit.store, &worse, NOW, stop, err) == 0);
    assert_string_equal(stop, "");
    struct kit_rows rows;
    struct msg_result result = kit_run_result(3, 2, &rows);
    char text[256];
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_int_equal(kit_state(&kit, 11), JOB_READY);
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM early_stop WHERE job = 3"),
                     0);
    check(&kit);
    kit_close(&kit);
}

/* However its attempt ends; unless it has ended well before it heard. */
static void a_judgement_stands(void **state)
{
    struct kit kit;
    enum job_state became;
    struct kit_rows rows;
    char text[256];

    (void)state;
    stop_third(&kit);
    kit_commit(&kit);
    kit_begin(&kit);
    MUST(store_attempt_lost(kit.store, 3, 1, CAUSE_WORKER_LOST, "gone", NOW, &became,
                            err) == 0);
    assert_int_equal(became, JOB_STOPPED);
    kit_commit(&kit);
    check(&kit);
    kit_close(&kit);

    stop_third(&kit);
    struct msg_result result = kit_run_result(3, 1, &rows);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_int_equal(kit_state(&kit, 3), JOB_DONE);
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM early_stop WHERE job = 3"),
                     0);
    check(&kit);
    kit_close(&kit);
}

/* Whoever submits it without a rule, or in another sweep, gets it whole. */
static void who_asks_for_all_of_it_gets_it(void **state)
{
    struct kit kit;
    struct plan *plan = plan_of(EARLY_ASHA), *whole = plan_of(EARLY_NONE);

    (void)state;
    stop_third(&kit);
    end_saved(&kit, 3, 1);
    kit_commit(&kit);
    assert_int_equal(kit_submit(&kit, plan, "r2").rerun, 0);
    assert_int_equal(kit_state(&kit, 3), JOB_STOPPED);
    struct store_submitted did = kit_submit(&kit, whole, "r3");
    assert_int_equal(did.rerun, 1);
    assert_true(did.changes);
    assert_int_equal(kit_state(&kit, 3), JOB_READY);
    check(&kit);
    kit_close(&kit);

    stop_third(&kit);
    end_saved(&kit, 3, 1);
    kit_commit(&kit);
    free(plan->name);
    plan->name = strdup("other");
    assert_int_equal(kit_submit(&kit, plan, "r2").rerun, 1);
    assert_int_equal(kit_state(&kit, 3), JOB_READY);
    /* What two sweeps ask for is not stopped by the rule of one. */
    kit_begin(&kit);
    kit_start(&kit, 4);
    assert_string_equal(report(&kit, 4, 1, 9.0), "");
    kit_commit(&kit);
    check(&kit);
    kit_plan_free(plan);
    kit_plan_free(whole);
    kit_close(&kit);
}

/* An edited rule compares what there is by its own metric. */
static void another_rule_scores_anew(void **state)
{
    struct plan *plan = plan_of(EARLY_ASHA);
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    open_with(&kit, EARLY_ASHA);
    for (int64_t job = 1; job <= 2; job++)
        kit_start(&kit, job);
    struct msg_result result = kit_run_result(1, 1, &rows);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(report(&kit, 2, 1, 0.5), "");
    kit_commit(&kit);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(value) FROM (SELECT value FROM"
                                 " score ORDER BY job)"),
                        "1.0,0.5");
    plan->early.metric = early_metric_of("test_acc");
    kit_submit(&kit, plan, "r2");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(value) FROM (SELECT value FROM"
                                 " score ORDER BY job)"),
                        "-0.5,-0.5");
    plan->early = (struct early){0};
    kit_submit(&kit, plan, "r3");
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM score"), 0);
    kit_plan_free(plan);
    kit_close(&kit);
}

/* The views say the same of what a run told and of what its result holds. */
static void history_reads_the_same_once_it_has_ended(void **state)
{
    static const char HISTORY[] =
        "SELECT group_concat(concat, ' | ') FROM (SELECT format('%s %d %!.17g %!.17g %s "
        "%g"
        " %d %g %g', split, epoch, loss, loss_se, nonfinite, accuracy, n, lr, seconds)"
        " AS concat FROM history WHERE job = 1 ORDER BY split, epoch)";
    struct kit_rows rows;
    struct kit kit;
    char before[4096], stop[STORE_STOP_TEXT], text[256];

    (void)state;
    open_with(&kit, EARLY_NONE);
    kit_start(&kit, 1);
    struct msg_result result = kit_run_result(1, 1, &rows);
    rows.history[2].tally = kit_tally(INFINITY, 1);
    rows.history[3].tally = kit_tally(NAN, 0);
    const struct msg_report report = {1, 1, rows.history, result.history_count};
    MUST(store_report(kit.store, &report, NOW, stop, err) == 0);
    snprintf(before, sizeof before, "%s", kit_text(kit.store, HISTORY));
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM evaluations"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history"), 4);
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM evaluations"), 4);
    assert_string_equal(kit_text(kit.store, HISTORY), before);
    kit_close(&kit);
}

/* Scores made anew are those that reports made one at a time, to the bit. */
static void a_rule_that_comes_back_scores_as_before(void **state)
{
    static const char SCORES[] =
        "SELECT group_concat(epoch || ' ' || job || ' ' || format('%!.17g', value))"
        " FROM (SELECT * FROM score ORDER BY epoch, job)";
    struct plan *plan = plan_of(EARLY_MEDIAN), *other = plan_of(EARLY_ASHA);
    struct kit kit;
    char before[4096];

    (void)state;
    open_with(&kit, EARLY_MEDIAN);
    for (int64_t job = 1; job <= 2; job++) {
        kit_start(&kit, job);
        for (uint32_t epoch = 1; epoch <= 4; epoch++)
            assert_string_equal(
                report(&kit, job, epoch, 1.0 / (0.3 * (double)job + epoch)), "");
    }
    assert_string_equal(report(&kit, 2, 5, INFINITY), "");
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM score"), 9);
    snprintf(before, sizeof before, "%s", kit_text(kit.store, SCORES));
    kit_submit(&kit, other, "r2");
    assert_string_equal(
        kit_text(kit.store, "SELECT group_concat(DISTINCT epoch) FROM score"), "1,2,4");
    kit_submit(&kit, plan, "r3");
    assert_string_equal(kit_text(kit.store, SCORES), before);
    kit_plan_free(other);
    kit_plan_free(plan);
    kit_close(&kit);
}

/* Runs that others start from are listed as 'run:NAME', and are not compared. */
static void upstream_runs_do_not_compete(void **state)
{
    struct plan *plan = plan_of(EARLY_ASHA);
    struct kit kit;

    (void)state;
    plan->jobs[0].members[0].intervention = "run:memorise";
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    kit_begin(&kit);
    for (int64_t job = 1; job <= 2; job++)
        kit_start(&kit, job);
    assert_string_equal(report(&kit, 1, 1, 0.1), "");
    assert_string_equal(report(&kit, 2, 1, 2.0), "");
    kit_commit(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM score"), 1);
    kit_plan_free(plan);
    kit_close(&kit);
}

/* ---- again ----------------------------------------------------------------------- */

static void what_is_done_runs_again_when_it_must(void **state)
{
    struct kit kit;

    (void)state;
    open_with(&kit, EARLY_NONE);
    kit_finish(&kit, 1, false);
    retry(&kit, 1, false, false);
    assert_int_equal(kit_state(&kit, 9), JOB_READY);
    /* What was ready for it waits with it. */
    retry(&kit, 1, true, true);
    assert_int_equal(kit_state(&kit, 1), JOB_READY);
    assert_int_equal(kit_state(&kit, 9), JOB_WAITING);
    kit_commit(&kit);
    check(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM evaluation"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM checkpoint"), 0);
    kit_begin(&kit);
    kit_finish(&kit, 1, false);
    assert_int_equal(kit_state(&kit, 9), JOB_READY);
    /* From what it has left another job runs: not now. */
    kit_start(&kit, 9);
    retry(&kit, 1, true, false);
    assert_int_equal(kit_state(&kit, 1), JOB_DONE);
    kit_commit(&kit);
    check(&kit);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(state) FROM (SELECT state"
                                 " FROM attempt WHERE job = 1 ORDER BY attempt)"),
                        "superseded,done");
    kit_close(&kit);
}

static void a_grid_runs_again_whole(void **state)
{
    struct plan *plan = plan_of(EARLY_NONE);
    struct store_submitted did;
    struct kit kit;

    (void)state;
    open_with(&kit, EARLY_NONE);
    for (int64_t job = 1; job <= 16; job++)
        kit_finish(&kit, job, job > 8);
    MUST(store_submit(kit.store, plan, "r2", true, NOW, NULL, NULL, &did, err) == 0);
    kit_commit(&kit);
    assert_int_equal(did.added, 0);
    assert_int_equal(did.rerun, 16);
    assert_true(did.changes);
    check(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT ready FROM progress"), 8);
    assert_int_equal(kit_int(kit.store, "SELECT waiting FROM progress"), 8);
    /* The same request once more: told, not done. */
    kit_begin(&kit);
    for (int64_t job = 1; job <= 16; job++)
        kit_finish(&kit, job, job > 8);
    MUST(store_submit(kit.store, plan, "r2", true, NOW, NULL, NULL, &did, err) == 0);
    kit_commit(&kit);
    assert_true(did.known);
    assert_int_equal(did.rerun, 16);
    assert_int_equal(kit_int(kit.store, "SELECT done FROM progress"), 16);
    check(&kit);
    kit_plan_free(plan);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_run_reports_is_its_history_so_far),
        cmocka_unit_test(asha_stops_who_is_not_among_the_best),
        cmocka_unit_test(what_was_judged_is_not_judged_again),
        cmocka_unit_test(median_stops_who_is_worse_than_half),
        cmocka_unit_test(a_stopped_run_can_go_on),
        cmocka_unit_test(a_judgement_stands),
        cmocka_unit_test(who_asks_for_all_of_it_gets_it),
        cmocka_unit_test(history_reads_the_same_once_it_has_ended),
        cmocka_unit_test(another_rule_scores_anew),
        cmocka_unit_test(a_rule_that_comes_back_scores_as_before),
        cmocka_unit_test(upstream_runs_do_not_compete),
        cmocka_unit_test(what_is_done_runs_again_when_it_must),
        cmocka_unit_test(a_grid_runs_again_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
