/* The views: their columns are what users and scripts rely on. */

#include "storekit.h"

#include <math.h>

static const double LRS[] = {0.1, 0.5, 0};

static void assert_columns(struct store *store, const char *view,
                           const char *const *names)
{
    char sql[64];
    struct query *query;

    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", view);
    MUST((query = query_open(store, sql, NULL, 0, err)) != NULL);
    for (; *names; names++) {
        bool found = false;

        for (int i = 0; i < query_columns(query); i++)
            found = found || strcmp(query_name(query, i), *names) == 0;
        if (!found)
            fail_msg("the view %s has no column %s", view, *names);
    }
    query_close(&query);
}

#define COLUMNS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_columns(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit);
    assert_columns(kit.store, "runs",
                   COLUMNS("sweep", "job", "key", "intervention", "role", "seed", "state",
                           "epochs", "train_loss", "train_acc", "test_loss", "test_acc",
                           "seconds", "train_nonfinite", "test_nonfinite"));
    assert_columns(kit.store, "params", COLUMNS("job", "name", "value"));
    assert_columns(kit.store, "history",
                   COLUMNS("job", "epoch", "split", "loss", "accuracy", "lr", "seconds",
                           "nonfinite"));
    assert_columns(kit.store, "curves",
                   COLUMNS("sweep", "job", "run_a", "run_b", "intervention", "seed",
                           "grp", "bn", "split", "alpha_index", "alpha", "n", "loss",
                           "loss_se", "accuracy", "nonfinite", "origin", "diff_start",
                           "diff_start_se", "diff_end", "diff_end_se"));
    assert_columns(kit.store, "paths",
                   COLUMNS("sweep", "job", "run_a", "run_b", "intervention", "seed",
                           "grp", "bn", "split", "loss_start", "loss_end", "loss_max",
                           "alpha_max", "bump", "monotone", "barrier_linear",
                           "barrier_mean", "interior_bump", "alpha_star", "plateau",
                           "dist_l2", "dist_rel", "err_bump", "tolerance", "bump_from",
                           "bump_to", "bump_se"));
    assert_columns(kit.store, "summary",
                   COLUMNS("sweep", "intervention", "grp", "bn", "split", "n",
                           "bump_mean", "bump_sd", "test_acc_mean", "test_acc_sd"));
    assert_columns(kit.store, "progress",
                   COLUMNS("sweep", "sweep_id", "jobs", "waiting", "ready", "running",
                           "done", "failed", "cancelled", "skipped"));
    assert_columns(kit.store, "failures",
                   COLUMNS("sweep", "job", "kind", "state", "cause", "message",
                           "attempts", "host", "log"));
    assert_columns(kit.store, "workers",
                   COLUMNS("id", "uuid", "host", "pid", "slots", "threads", "cores",
                           "state", "running", "done", "failed", "seen_ms"));
    kit_close(&kit);
}

/* Two lrs by two seeds, all done: runs 1..4, probes 5..8. */
static void open_done(struct kit *kit)
{
    struct plan *plan = kit_plan("my-sweep", LRS, 2, "final");

    kit_open(kit);
    /* The first run is asked for twice: as itself, and by an intervention. */
    kit_member(&plan->jobs[0])->intervention = "same-lr";
    kit_member(&plan->jobs[4])->intervention = "same-lr";
    kit_submit(kit, plan, "r1");
    kit_plan_free(plan);
    kit_begin(kit);
    kit_artifact(kit);
    for (int64_t job = 1; job <= 8; job++)
        kit_finish(kit, job, job > 4);
    kit_commit(kit);
}

static void test_runs(void **state)
{
    struct kit kit;

    (void)state;
    open_done(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM runs"), 5);
    assert_int_equal(kit_int(kit.store, "SELECT count(DISTINCT job) FROM runs"), 4);
    assert_string_equal(
        kit_text(kit.store, "SELECT group_concat(intervention) FROM runs WHERE job = 1"),
        "baseline,same-lr");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT state || ' ' || epochs || ' ' || train_loss"
                                 " || ' ' || train_acc || ' ' || test_loss || ' ' ||"
                                 " test_acc || ' ' || seconds || ' ' || seed"
                                 " FROM runs WHERE job = 4"),
                        "done 1 1.0 0.5 1.0 0.5 2.5 1");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(job || ':' || \"optimizer.lr\")"
                                 " FROM runs_my_sweep WHERE seed = 1"),
                        "2:0.1,4:0.5");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(typeof(value)) FROM params"
                                 " WHERE job = 3 AND name IN"
                                 " ('optimizer.lr', 'seed.init')"),
                        "real,integer");
    kit_close(&kit);
}

/* A run that has not ended is listed, without figures. */
static void test_unfinished_runs(void **state)
{
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    struct kit kit;

    (void)state;
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    assert_string_equal(kit_text(kit.store, "SELECT group_concat(state || ':' ||"
                                            " (test_acc IS NULL AND seconds IS NULL))"
                                            " FROM runs WHERE sweep = 's'"),
                        "ready:1,ready:1");
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_history_equals_the_tally(void **state)
{
    struct tally_sum sum = {.count = 0};
    struct tally tally;
    struct msg_result result;
    struct kit_rows rows;
    struct query *query;
    struct kit kit;
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    char text[256];

    (void)state;
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    kit_begin(&kit);
    kit_artifact(&kit);
    for (int i = 0; i < 77; i++)
        tally_add(&sum, 0.1 + 1.0 / (i + 3), i % 3 == 0);
    kit_start(&kit, 1);
    result = kit_run_result(1, 1, &rows);
    tally = tally_round(&sum);
    rows.history[3].tally = tally;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    MUST((query = query_open(kit.store,
                             "SELECT loss, loss_se, accuracy FROM history"
                             " WHERE split = 'test' AND epoch = 1",
                             NULL, 0, err)) != NULL);
    assert_int_equal(query_next(query, NULL), 1);
    assert_true(query_real(query, 0) == tally_loss(&tally));
    assert_true(query_real(query, 1) == tally_loss_se(&tally));
    assert_true(query_real(query, 2) == tally_accuracy(&tally));
    query_close(&query);
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_curves_and_paths(void **state)
{
    struct kit kit;

    (void)state;
    open_done(&kit);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM curves"), 25);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM paths"), 5);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT run_a || ' ' || run_b || ' ' || loss || ' ' ||"
                                 " accuracy || ' ' || n FROM curves"
                                 " WHERE job = 6 AND alpha = 0.5"),
                        "2 2 1.75 0.5 4");
    assert_string_equal(
        kit_text(kit.store,
                 "SELECT run_a || ' ' || loss_start || ' ' || loss_end || ' ' ||"
                 " loss_max || ' ' || alpha_max || ' ' || bump || ' ' || monotone"
                 " || ' ' || barrier_linear || ' ' || barrier_mean || ' ' ||"
                 " interior_bump || ' ' || alpha_star || ' ' || dist_l2 || ' ' ||"
                 " dist_rel || ' ' || tolerance || ' ' || points"
                 " FROM paths WHERE job = 6"),
        "2 1.0 0.0 1.75 0.5 1.25 0 1.25 1.25 1.25 0.5 3.0 0.5 0.02 5");
    /* Errors 1, .75, .5, .25, 0: monotone. Chance of ten classes is 0.9. */
    assert_string_equal(kit_text(kit.store,
                                 "SELECT err_start || ' ' || err_bump || ' ' ||"
                                 " err_monotone || ' ' || err_chance || ' ' ||"
                                 " (plateau IS NULL) || abs(chance - ln(10)) || ' '"
                                 " || err_chance_share FROM paths WHERE job = 6"),
                        "1.0 0.0 1 0.9 10.0 0.0");
    kit_close(&kit);
}

/* A run on three classes of ten is compared with chance among three. */
static void test_chance_of_a_subset(void **state)
{
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    struct value classes;
    struct kit kit;

    (void)state;
    MUST(value_parse("[1,4,7]", 7, &classes, err) == 0);
    kit_set(&plan->jobs[0].spec, "data.classes", classes);
    buf_clear(&plan->jobs[0].text);
    kit_seal(&plan->jobs[0]);
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    assert_int_equal(kit_int(kit.store, "SELECT classes FROM job WHERE id = 1"), 3);
    assert_int_equal(kit_int(kit.store, "SELECT classes FROM job WHERE id = 2"), 10);
    value_free(&classes);
    kit_plan_free(plan);
    kit_close(&kit);
}

/* NaN and Inf are kept apart, and NULL is nothing else. */
static void test_nonfinite_curves(void **state)
{
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    struct msg_result result;
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    kit_begin(&kit);
    kit_artifact(&kit);
    kit_finish(&kit, 1, false);
    kit_start(&kit, 3);
    result = kit_probe_result(3, 1, &rows);
    rows.points[1].tally = kit_tally(NAN, 0);
    rows.points[2].tally = kit_tally(INFINITY, 0);
    rows.distance.l2 = NAN;
    rows.distance.rel = NAN;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(ifnull(nonfinite, '-') || ':' ||"
                                 " ifnull(loss, '-') || ':' || (loss_se IS NULL))"
                                 " FROM curves"),
                        "-:1.0:0,nan:-:1,inf:-:1,-:0.25:0,-:0.0:0");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT nonfinite_points || ' ' || monotone || ' ' ||"
                                 " (bump IS NULL) || (loss_max IS NULL) || ' ' ||"
                                 " alpha_max || ' ' || loss_start || ' ' || loss_end ||"
                                 " ' ' || dist_nonfinite || (dist_l2 IS NULL)"
                                 " FROM paths"),
                        "2 0 11 0.25 1.0 0.0 nan1");
    /* The mean of what is there: no bump, but the two ends. */
    assert_string_equal(kit_text(kit.store,
                                 "SELECT n || n_bump || (bump_mean IS NULL) || ' ' ||"
                                 " monotone_share || ' ' || loss_end_mean"
                                 " FROM summary"),
                        "101 0.0 0.0");
    kit_plan_free(plan);
    kit_close(&kit);
}

/* Points in the order they were found, with what pairs of them differ by; a worker of
 * before says nothing of that, and its points are the grid's. */
static void test_pairs(void **state)
{
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    struct msg_rise rise = {
        slice_of("all"), slice_of("none"), slice_of("test"), 0.25, 0.5, 4, 5.0, 7.0};
    struct msg_result result;
    struct kit_rows rows;
    struct kit kit;
    char text[256];

    (void)state;
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    kit_begin(&kit);
    kit_artifact(&kit);
    kit_finish(&kit, 1, false);
    kit_finish(&kit, 2, false);
    kit_start(&kit, 3);
    result = kit_probe_result(3, 1, &rows);
    rows.points[1].paired = MSG_PAIRED_START | MSG_PAIRED_END;
    rows.points[1].start_sum = -2; /* -0.5 each: no error */
    rows.points[1].start_sq = 1;
    rows.points[1].end_sum = 2; /* 0, 0, 1, 1: a variance of 1/3 */
    rows.points[1].end_sq = 2;
    rows.points[2].paired = MSG_PAIRED_END;
    rows.points[2].end_sum = 8;
    rows.points[2].end_sq = 16;
    rows.points[3].origin = slice_of("refine");
    rows.points[4].origin = slice_of("adapt");
    rows.points[3].alpha = 1; /* found in another order than they lie */
    rows.points[4].alpha = 0.75;
    result.rises = &rise;
    result.rise_count = 1;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(
        kit_text(kit.store, "SELECT group_concat(origin || ' ' || ifnull(diff_start, '-')"
                            " || ' ' || ifnull(round(diff_start_se, 9), '-') || ' ' ||"
                            " ifnull(diff_end, '-') || ' ' ||"
                            " ifnull(round(diff_end_se, 9), '-'), ', ') FROM curves"
                            " WHERE job = 3"),
        "grid - - - -, grid -0.5 0.0 0.5 0.288675135, grid - - 2.0 0.0, refine - - - -,"
        " adapt - - - -");
    /* 5/4 over 0.25 .. 0.5; the squares leave 0.75 over 3, for each of four. */
    assert_string_equal(kit_text(kit.store, "SELECT bump || ' ' || bump_from || ' ' ||"
                                            " bump_to || ' ' || bump_se || ' ' ||"
                                            " loss_end || ' ' || points FROM paths"
                                            " WHERE job = 3"),
                        "1.25 0.25 0.5 0.25 0.25 5");
    /* Of another rise than the metrics find, or of none, there is no error. */
    kit_start(&kit, 4);
    result = kit_probe_result(4, 1, &rows);
    rise.alpha_to = 0.75;
    result.rises = &rise;
    result.rise_count = 1;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(kit_text(kit.store, "SELECT bump_to || ' ' || (bump_se IS NULL)"
                                            " FROM paths WHERE job = 4"),
                        "0.5 1");
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_summary(void **state)
{
    struct kit kit;

    (void)state;
    open_done(&kit);
    /* Two points of the grid and the intervention; two seeds each, or one. */
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM summary"), 3);
    assert_string_equal(kit_text(kit.store,
                                 "SELECT n || ' ' || bump_mean || ' ' || bump_sd || ' '"
                                 " || test_acc_mean || ' ' || test_acc_sd || ' ' ||"
                                 " monotone_share || ' ' || dist_l2_mean FROM summary"
                                 " WHERE point = 'optimizer.lr=0.5'"),
                        "2 1.25 0.0 0.5 0.0 0.0 3.0");
    assert_string_equal(kit_text(kit.store, "SELECT n || (bump_sd IS NULL) FROM summary"
                                            " WHERE intervention = 'same-lr'"),
                        "11");
    kit_close(&kit);
}

/* What varies only in a later submission gets a column, and a value for the runs
 * that were there. */
static void test_varied_later(void **state)
{
    static const char *more[] = {"model.widths", "optimizer.lr", "optimizer.momentum"};
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    struct plan *wider = kit_plan("s", LRS, 2, "final");
    struct kit kit;

    (void)state;
    kit_open(&kit);
    kit_submit(&kit, plan, "r1");
    wider->varied = more;
    wider->varied_count = 3;
    kit_submit(&kit, wider, "r2");
    assert_string_equal(kit_text(kit.store,
                                 "SELECT group_concat(job || ':' ||"
                                 " \"optimizer.momentum\" || ':' || \"optimizer.lr\""
                                 " || ':' || ifnull(\"model.widths\", '-'))"
                                 " FROM (SELECT * FROM runs_s ORDER BY job)"),
                        "1:0.0:0.1:-,2:0.0:0.5:-,5:0.0:0.1:-,6:0.0:0.5:-");
    kit_plan_free(plan);
    kit_plan_free(wider);
    kit_close(&kit);
}

/* 'coord status' must take as long with a million jobs as with ten. */
static void test_status_reads_no_list_of_jobs(void **state)
{
    static const char *const ASKED[] = {
        "EXPLAIN QUERY PLAN SELECT count(*) FROM failures WHERE ?1 IS NULL"
        " OR job IN (SELECT job FROM sweep_job WHERE sweep = ?1)",
        "EXPLAIN QUERY PLAN SELECT * FROM progress",
        "EXPLAIN QUERY PLAN SELECT * FROM troubles",
        "EXPLAIN QUERY PLAN SELECT * FROM workers",
        /* Nor does a run's history read that of all others. */
        "EXPLAIN QUERY PLAN SELECT * FROM runs WHERE sweep = 's'",
        "EXPLAIN QUERY PLAN SELECT * FROM history WHERE job = 1",
    };
    struct kit kit;

    (void)state;
    kit_open(&kit);
    for (size_t i = 0; i < sizeof ASKED / sizeof ASKED[0]; i++) {
        const char *none = NULL;
        struct query *query;
        int got;

        MUST((query = query_open(kit.store, ASKED[i], &none, i == 0, err)) != NULL);
        while ((got = query_next(query, NULL)) > 0) {
            const char *step = query_text(query, 3, NULL);
            if (strncmp(step, "SCAN j", 6) == 0 && strncmp(step, "SCAN json", 9) != 0)
                fail_msg("%s: %s", ASKED[i], step);
            if (strncmp(step, "SCAN evaluation", 15) == 0)
                fail_msg("%s: %s", ASKED[i], step);
            if (strncmp(step, "SCAN attempt", 12) == 0 || strncmp(step, "SCAN t", 6) == 0)
                assert_string_equal(step, "SCAN troubles");
        }
        assert_int_equal(got, 0);
        query_close(&query);
    }
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_unfinished_runs),
        cmocka_unit_test(test_history_equals_the_tally),
        cmocka_unit_test(test_curves_and_paths),
        cmocka_unit_test(test_chance_of_a_subset),
        cmocka_unit_test(test_nonfinite_curves),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_varied_later),
        cmocka_unit_test(test_status_reads_no_list_of_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
