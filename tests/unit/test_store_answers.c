/* What a probe tells beyond its points, through the database: classes of a point, where
 * states of the run lie, and files that it keeps. */

#include "tests/unit/storekit.h"

#include <math.h>

static const double LRS[] = {0.1, 0};

/* A run that is done and its probe, which also asks for two states that the run may
 * have left: it has final, and not epoch:5. The probe is running. */
static struct plan *open_probe(struct kit *kit, struct msg_job *ret_job,
                               struct buf *arena)
{
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    struct plan_job *probe = &plan->jobs[1];

    probe->needs = realloc(probe->needs, 4 * sizeof *probe->needs);
    assert_non_null(probe->needs);
    probe->needs[2] = (struct plan_need){.role = "s1", .state = "final"};
    probe->needs[3] = (struct plan_need){.role = "s2", .state = "epoch:5"};
    probe->need_count = 4;
    kit_open(kit);
    kit_submit(kit, plan, "r1");
    kit_begin(kit);
    kit_artifact(kit);
    kit_finish(kit, 1, false);
    MUST(store_start(kit->store, 2, kit->worker, NOW, ret_job, arena, err) == 0);
    return plan;
}

static void test_states_that_may_be(void **state)
{
    struct buf arena = {0};
    struct msg_job job;
    struct kit kit;
    struct plan *plan = open_probe(&kit, &job, &arena);

    (void)state;
    assert_int_equal(job.input_count, 3);
    assert_true(slice_is(job.inputs[2].role, "s1"));
    assert_true(slice_is(job.inputs[2].state, "final") && job.inputs[2].stored);
    buf_free(&arena);
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_classes(void **state)
{
    struct msg_class classes[] = {
        {.point = 1, .class = 0, .tally = kit_tally(0.5, 3)},
        {.point = 1, .class = 7, .tally = kit_tally(INFINITY, 0)},
        {.point = 4, .class = 0, .tally = kit_tally(0.25, 4)},
    };
    struct buf arena = {0};
    struct kit_rows rows;
    struct msg_result result;
    struct msg_job job;
    struct kit kit;
    struct plan *plan = open_probe(&kit, &job, &arena);
    char text[256];

    (void)state;
    result = kit_probe_result(2, 1, &rows);
    result.classes = classes;
    result.class_count = 3;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(
        kit_text(kit.store,
                 "SELECT group_concat(sweep || ' ' || job || ' ' || grp || ' ' || bn ||"
                 " ' ' || split || ' ' || alpha_index || ' ' || alpha || ' ' || class ||"
                 " ' ' || n || ' ' || ifnull(loss, nonfinite) || ' ' || accuracy, '; ')"
                 " FROM class_curves"),
        "s 2 all none test 1 0.25 0 4 0.5 0.75; s 2 all none test 1 0.25 7 4 inf 0.0; "
        "s 2 all none test 4 1.0 0 4 0.25 1.0");
    buf_free(&arena);
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_a_class_of_no_point(void **state)
{
    struct msg_class class = {.point = 5, .tally = kit_tally(0.5, 3)};
    struct buf arena = {0};
    struct kit_rows rows;
    struct msg_result result;
    struct msg_job job;
    struct kit kit;
    struct plan *plan = open_probe(&kit, &job, &arena);
    char text[256];

    (void)state;
    result = kit_probe_result(2, 1, &rows);
    result.classes = &class;
    result.class_count = 1;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_REFUSED);
    assert_string_equal(text,
                        "the result breaks a rule: a class of point 5, there are 5");
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM point"), 0);
    buf_free(&arena);
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_places(void **state)
{
    struct msg_place places[] = {
        {slice_of("all"), slice_of("final"), 0.5, 2, 0.25, 30, 60},
        {slice_of("fc1"), slice_of("final"), NAN, 0, INFINITY, NAN, NAN},
    };
    struct buf arena = {0};
    struct kit_rows rows;
    struct msg_result result;
    struct msg_job job;
    struct kit kit;
    struct plan *plan = open_probe(&kit, &job, &arena);
    char text[256];

    (void)state;
    result = kit_probe_result(2, 1, &rows);
    result.places = places;
    result.place_count = 2;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    /* The kit's final state is of epoch 1, step 10. */
    assert_string_equal(
        kit_text(kit.store,
                 "SELECT group_concat(sweep || ' ' || job || ' ' || run || ' ' || grp ||"
                 " ' ' || state || ' ' || epoch || ' ' || step || ' ' ||"
                 " ifnull(alpha, '-') || ' ' || dist_line || ' ' || ifnull(dist_rel, '-')"
                 " || ' ' || ifnull(angle, '-') || ' ' || ifnull(corner, '-'), '; ')"
                 " FROM trajectory"),
        "s 2 1 all final 1 10 0.5 2.0 0.25 30.0 60.0; s 2 1 fc1 final 1 10 - 0.0 - - -");
    buf_free(&arena);
    kit_plan_free(plan);
    kit_close(&kit);
}

/* Points of planes are in a view of their own, and no curve's metrics see them. */
static void test_planes(void **state)
{
    struct msg_plane planes[] = {{slice_of("all"), 2, 5, 0.6},
                                 {slice_of("fc1"), 0, 3, NAN}};
    struct msg_plane_point points[] = {
        {slice_of("all"), slice_of("interp"), slice_of("test"), 0, -0.5, 3, 1,
         kit_tally(0.5, 3)},
        {slice_of("fc1"), slice_of("none"), slice_of("train"), 1, 1, 0, 0,
         kit_tally(INFINITY, 0)},
    };
    struct buf arena = {0};
    struct msg_result result = {.job = 2,
                                .attempt = 1,
                                .outcome = OUTCOME_DONE,
                                .planes = planes,
                                .plane_count = 2,
                                .plane_points = points,
                                .plane_point_count = 2};
    struct msg_job job;
    struct kit kit;
    struct plan *plan = open_probe(&kit, &job, &arena);
    char text[256];

    (void)state;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(
        kit_text(kit.store,
                 "SELECT group_concat(sweep || ' ' || job || ' ' || run_a || ' ' || grp"
                 " || ' ' || bn || ' ' || split || ' ' || x_index || ' ' || x || ' ' ||"
                 " y_index || ' ' || y || ' ' || n || ' ' || ifnull(loss, nonfinite) ||"
                 " ' ' || accuracy || ' ' || ifnull(u, '-') || ' ' || ifnull(v, '-'),"
                 " '; ') FROM planes"),
        "s 2 1 all interp test 0 -0.5 3 1.0 4 0.5 0.75 2.0 4.0; "
        "s 2 1 fc1 none train 1 1.0 0 0.0 4 inf 0.0 - -");
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM curves"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM paths"), 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM summary"), 0);
    buf_free(&arena);
    kit_plan_free(plan);
    kit_close(&kit);
}

/* A probe's file is stored as a run's states are. */
static void test_a_file(void **state)
{
    struct msg_state file = {.name = slice_of("examples"),
                             .hash = slice_of(KIT_HASH),
                             .size = 8,
                             .stored = true};
    struct buf arena = {0};
    struct kit_rows rows;
    struct msg_result result;
    struct msg_job job;
    struct kit kit;
    struct plan *plan = open_probe(&kit, &job, &arena);
    char text[256];

    (void)state;
    result = kit_probe_result(2, 1, &rows);
    result.states = &file;
    result.state_count = 1;
    assert_int_equal(kit_judge(&kit, &result, text), VERDICT_ACCEPTED);
    assert_string_equal(kit_text(kit.store, "SELECT name || ' ' || stored || ' ' || hash"
                                            " FROM checkpoint WHERE job = 2"),
                        "examples 1 " KIT_HASH);
    buf_free(&arena);
    kit_plan_free(plan);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_that_may_be),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_a_class_of_no_point),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_planes),
        cmocka_unit_test(test_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
