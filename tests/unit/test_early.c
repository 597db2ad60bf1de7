/* The rules by which runs are stopped early, and how a grid says them. */

#include "plankit.h"

#include "coordinator/early.h"

static struct early stop_of(const char *text)
{
    struct plan *plan = plankit_make(text);
    struct early early = plan->early;

    plan_free(&plan);
    return early;
}

static void a_grid_says_the_rule(void **state)
{
    struct early early = stop_of(SWEEP);

    (void)state;
    assert_int_equal(early.rule, EARLY_NONE);
    early = stop_of(SWEEP "stop = { rule = \"median\", metric = \"test_acc\" }\n");
    assert_int_equal(early.rule, EARLY_MEDIAN);
    assert_string_equal(early.metric->split, "test");
    assert_true(early.metric->accuracy);
    assert_int_equal(early.grace, 1);
    assert_int_equal(early.factor, 0);
    early = stop_of(SWEEP "stop = { rule = \"asha\", metric = \"train_loss\", grace = 4,"
                          " factor = 2 }\n");
    assert_int_equal(early.rule, EARLY_ASHA);
    assert_string_equal(early.metric->name, "train_loss");
    assert_int_equal(early.grace, 4);
    assert_int_equal(early.factor, 2);
    early = stop_of(SWEEP "stop.rule = \"asha\"\nstop.metric = \"test_loss\"\n");
    assert_int_equal(early.factor, 3);
}

/* It is no part of what a job is: the keys are those of the grid without it. */
static void a_rule_changes_no_key(void **state)
{
    struct plan *with =
        plankit_make(SWEEP "stop = { rule = \"asha\", metric = \"test_loss\" }\n");
    struct plan *without = plankit_make(SWEEP);

    (void)state;
    assert_int_equal(with->job_count, 1);
    assert_string_equal(with->jobs[0].key, without->jobs[0].key);
    plan_free(&with);
    plan_free(&without);
}

static void when_it_judges(void **state)
{
    const struct early median = {.rule = EARLY_MEDIAN, .grace = 3};
    const struct early asha = {.rule = EARLY_ASHA, .grace = 2, .factor = 3};
    const struct early none = {.rule = EARLY_NONE};

    (void)state;
    for (uint32_t epoch = 1; epoch <= 60; epoch++) {
        assert_int_equal(early_judges(&median, epoch), epoch >= 3);
        assert_int_equal(early_judges(&asha, epoch),
                         epoch == 2 || epoch == 6 || epoch == 18 || epoch == 54);
        assert_false(early_judges(&none, epoch));
    }
    assert_false(early_judges(&asha, UINT32_MAX));
}

/* The best n-th, n = (runs, this one included) / factor; at least the best. */
static void which_place_is_to_be_reached(void **state)
{
    static const uint64_t MEDIAN[] = {0, 0, 0, 2, 3, 3, 4, 4};
    static const uint64_t ASHA[] = {1, 1, 1, 1, 1, 2, 2, 2, 3};
    const struct early median = {.rule = EARLY_MEDIAN, .grace = 1};
    const struct early asha = {.rule = EARLY_ASHA, .grace = 1, .factor = 3};

    (void)state;
    for (uint64_t others = 0; others < sizeof MEDIAN / sizeof *MEDIAN; others++)
        assert_int_equal(early_place(&median, others), MEDIAN[others]);
    for (uint64_t others = 0; others < sizeof ASHA / sizeof *ASHA; others++)
        assert_int_equal(early_place(&asha, others), ASHA[others]);
}

static void words_both_ways(void **state)
{
    enum early_rule rule;

    (void)state;
    for (int i = 0; i < EARLY_RULE_COUNT; i++) {
        assert_true(early_rule_parse(early_rule_name((enum early_rule)i), &rule));
        assert_int_equal(rule, i);
    }
    assert_false(early_rule_parse("best", &rule));
    assert_null(early_metric_of("test"));
    assert_string_equal(early_metric_of("test_acc")->name, "test_acc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_says_the_rule),
        cmocka_unit_test(a_rule_changes_no_key),
        cmocka_unit_test(when_it_judges),
        cmocka_unit_test(which_place_is_to_be_reached),
        cmocka_unit_test(words_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
