/* Which jobs a selector means. */

#include "tests/unit/storekit.h"

#include "coordinator/selector.h"

static const double ONE_LR[] = {0.1, 0};

/* Sweep "s" with jobs 1 to 4, sweep "deep-net" with jobs 5 to 12. */
static int open_kit(void **state)
{
    static const double lrs[] = {0.5, 0};
    struct plan *plan = kit_plan("s", ONE_LR, 2, "final");
    struct kit *kit = calloc(1, sizeof *kit);

    assert_non_null(kit);
    kit_open(kit);
    kit_submit(kit, plan, "r1");
    kit_plan_free(plan);
    plan = kit_plan("deep-net", lrs, 4, "final");
    kit_submit(kit, plan, "r2");
    kit_plan_free(plan);
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

/* The jobs as "1-3,5". */
static void expect(struct kit *kit, const char *text, const char *where,
                   const char *states, const char *want)
{
    struct selection got;
    struct buf out = {0};
    uint64_t jobs = 0;

    MUST(selector_find(kit->store, text, where, states, &got, err) == 0);
    buf_puts(&out, "");
    for (uint32_t i = 0; i < got.count; i++) {
        buf_printf(&out, got.ranges[i].first == got.ranges[i].last ? "%s%d" : "%s%d-%d",
                   i ? "," : "", (int)got.ranges[i].first, (int)got.ranges[i].last);
        jobs += (uint64_t)(got.ranges[i].last - got.ranges[i].first) + 1;
    }
    assert_int_equal(jobs, got.jobs);
    assert_string_equal(out.data ? out.data : "", want);
    buf_free(&out);
    selection_free(&got);
}

static void numbers_and_names(void **state)
{
    struct kit *kit = *state;
    char key[HASH_TEXT];
    size_t digits;

    expect(kit, "3", NULL, NULL, "3");
    expect(kit, "2-5", NULL, NULL, "2-5");
    expect(kit, "1-10:3", NULL, NULL, "1,4,7,10");
    expect(kit, "3,5-6,1", NULL, NULL, "1,3,5-6");
    expect(kit, "1_0-1_000", NULL, NULL, "10-12");
    expect(kit, "2-4,3-6", NULL, NULL, "2-6");
    expect(kit, "100-200", NULL, NULL, "");
    expect(kit, "all", NULL, NULL, "1-12");
    expect(kit, "last", NULL, NULL, "5-12");
    expect(kit, "s", NULL, NULL, "1-4");
    expect(kit, "deep-net", NULL, NULL, "5-12");
    snprintf(key, sizeof key, "%s",
             kit_text(kit->store, "SELECT key FROM job WHERE id = 6"));
    /* Decimal digits alone would be a job's number. */
    digits = strcspn(key, "abcdef") + 1;
    key[digits < 12 ? 12 : digits] = '\0';
    expect(kit, key, NULL, NULL, "6");
}

static void where_narrows_it_down(void **state)
{
    struct kit *kit = *state;

    expect(kit, NULL, "kind = 'probe'", NULL, "3-4,9-12");
    expect(kit, "s", "kind = 'probe'", NULL, "3-4");
    expect(kit, "s", "id = 1 OR id = 7", NULL, "1"); /* it stays within the sweep */
    expect(kit, "all", "kind = 'train' -- with a comment", NULL, "1-2,5-8");
    expect(kit, "all", NULL, "'waiting'", "3-4,9-12");
    expect(kit, "1-3", NULL, "'ready', 'running'", "1-2");
    expect(kit, "all",
           "id IN (SELECT job FROM params WHERE name = 'optimizer.lr' AND value > 0.2)",
           NULL, "5-8");
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *where, *part;
    } cases[] = {
        {"3-1", NULL, "'3-1': expected numbers of jobs"},
        {"1-", NULL, "expected numbers"},
        {"1,,2", NULL, "expected numbers"},
        {"1-5:0", NULL, "expected numbers"},
        {"1_", NULL, "expected numbers"},
        {"9999999999999999", NULL, "expected numbers"},
        {"nothing", NULL, "no sweep 'nothing'; there are: deep-net, s"},
        {"all", "colour = 3", "no such column: colour"},
        {"all", "1); DELETE FROM job; --", "one statement"},
    };
    struct kit *kit = *state;
    struct selection got;
    struct error err;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err = (struct error){0};
        assert_int_equal(
            selector_find(kit->store, cases[i].text, cases[i].where, NULL, &got, &err),
            -1);
        if (!strstr(err.text, cases[i].part))
            fail_msg("'%s' lacks '%s'", err.text, cases[i].part);
    }
    assert_int_equal(kit_int(kit->store, "SELECT count(*) FROM job"), 12);
}

#define KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT(numbers_and_names),
        KIT(where_narrows_it_down),
        KIT(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
