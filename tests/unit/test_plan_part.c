/* Probes that a grid splits: parts hold every group, alpha and example once, the whole
 * needs them and keeps its key, and what cannot be cut is not. */

#include "coordinator/plan.h"

#include "common/error.h"
#include "common/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                             \
    "[sweep]\nname = \"s\"\n[base]\ndata = { name = \"blobs\", train = 1000 }\n"         \
    "model = { name = \"resnet20\", width = 4.0 }\n[[probe]]\nname = \"p\"\n"

static struct plan *make(const char *probe)
{
    struct error err = {0};
    char text[2048];
    struct plan *plan;

    snprintf(text, sizeof text, HEAD "%s", probe);
    plan = plan_from_grid(text, strlen(text), "g.toml", &err);
    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

static const struct plan_job *whole_of(const struct plan *plan)
{
    const struct plan_job *job = &plan->jobs[plan->job_count - 1];

    assert_string_equal(job->whole, "");
    assert_string_equal(job->members[0].role, "");
    return job;
}

static struct part part_at(const struct plan *plan, size_t job)
{
    struct part part;
    bool is;

    assert_int_equal(part_of(&plan->jobs[job].spec, &is, &part, NULL), 0);
    assert_true(is);
    return part;
}

/* ---- every point once ------------------------------------------------------- */

static int64_t length(const int64_t range[2])
{
    assert_true(range[0] <= range[1]);
    return range[1] - range[0];
}

static bool meet(const int64_t a[2], const int64_t b[2])
{
    return a[0] < b[1] && b[0] < a[1];
}

/* The sizes add up, and no two parts have an example in common. */
static void check_cover(const struct plan *plan, size_t first, int64_t groups,
                        int64_t alphas, const int64_t examples[2])
{
    const size_t end = plan->job_count - 1;
    int64_t train = 0, test = 0;

    for (size_t i = first; i < end; i++) {
        const struct part part = part_at(plan, i);
        const int64_t curves = length(part.groups) * length(part.alphas);
        train += curves * length(part.train);
        test += curves * length(part.test);
        assert_true(part.groups[1] <= groups && part.alphas[1] <= alphas);
        assert_true(part.train[0] % PART_BATCH == 0 && part.test[0] % PART_BATCH == 0);
        for (size_t k = first; k < i; k++) {
            const struct part other = part_at(plan, k);
            assert_false(meet(part.groups, other.groups) &&
                         meet(part.alphas, other.alphas) &&
                         (meet(part.train, other.train) || meet(part.test, other.test)));
        }
    }
    assert_int_equal(train, groups * alphas * examples[0]);
    assert_int_equal(test, groups * alphas * examples[1]);
}

static void check_split(const char *keys, int split, int64_t groups, int64_t alphas)
{
    static const int64_t examples[] = {900, 500};
    char text[1024];
    struct plan *plan, *plain;
    size_t parts;

    snprintf(text, sizeof text, "%ssplits = { train = 900, test = 500 }\nsplit = %d\n",
             keys, split);
    plan = make(text);
    snprintf(text, sizeof text, "%ssplits = { train = 900, test = 500 }\n", keys);
    plain = make(text);
    parts = plan_count(plan).parts;
    assert_string_equal(whole_of(plan)->key, whole_of(plain)->key);
    assert_int_equal(plan_count(plain).parts, 0);
    assert_int_equal(plan_count(plan).probes, plan_count(plain).probes);
    assert_int_equal(plan_count(plan).curve_rows, plan_count(plain).curve_rows);
    assert_true(parts <= (size_t)split && (split == 1 || parts >= 2));
    assert_int_equal(whole_of(plan)->need_count, 2 + parts);
    for (size_t i = 1; i <= parts; i++) {
        const struct plan_job *part = &plan->jobs[i];
        const struct plan_need *need = &whole_of(plan)->needs[1 + i];
        assert_string_equal(part->whole, whole_of(plan)->key);
        assert_string_equal(part->members[0].role, "part");
        assert_string_equal(part->members[0].probe, "p");
        assert_int_equal(part->need_count, 2);
        assert_int_equal(part->curve_rows + part->path_rows, 0);
        assert_int_equal(need->job, i);
        assert_string_equal(need->state, PART_STATE);
    }
    if (parts > 0)
        check_cover(plan, 1, groups, alphas, examples);
    plan_free(&plan);
    plan_free(&plain);
}

static void test_every_point_once(void **state)
{
    (void)state;
    for (int split = 1; split <= PARTS_MAX; split++) {
        check_split("kind = \"path\"\nalphas = 7\n", split, 1, 7);
        check_split("kind = \"layers\"\ngroups = [\"conv1\",\"B2\",\"fc\"]\nalphas = 4\n"
                    "refine = { near = 1.0, n = 2 }\n",
                    split, 3, 6);
        check_split("kind = \"layers\"\ngroups = \"blocks\"\nalphas = 3\n", split, 5, 3);
    }
}

/* ---- by cost ---------------------------------------------------------------- */

/* The last group is little work: its alphas go through one layer. */
static void test_the_dear_groups_are_cut(void **state)
{
    struct plan *plan = make("kind = \"layers\"\ngroups = [\"conv1\", \"fc\"]\n"
                             "alphas = 50\nsplit = 9\n");
    (void)state;

    assert_int_equal(plan_count(plan).parts, 9);
    for (size_t i = 1; i <= 8; i++)
        assert_int_equal(part_at(plan, i).groups[0], 0);
    assert_int_equal(length(part_at(plan, 9).alphas), 50);
    plan_free(&plan);
}

static size_t parts_of(const char *probe)
{
    struct plan *plan = make(probe);
    const size_t parts = plan_count(plan).parts;

    plan_free(&plan);
    return parts;
}

static void test_automatic(void **state)
{
    (void)state;
    /* A second of work. */
    assert_int_equal(parts_of("kind = \"path\"\nsplit = \"auto\"\n"), 0);
    /* About 1 MF for each of 1,500 examples at 20,000 alphas: 3e13. */
    const size_t some = parts_of("kind = \"path\"\nsplit = \"auto\"\n"
                                 "alphas = 15000\nbn = [\"interp\"]\n");
    assert_true(some >= 2 && some < PARTS_MAX);
}

static void test_what_is_not_cut(void **state)
{
    (void)state;
    assert_int_equal(parts_of("kind = \"path\"\nsplit = 1\n"), 0);
    assert_int_equal(parts_of("kind = \"path\"\nsplit = 8\nadapt = {}\n"), 0);
    assert_int_equal(parts_of("kind = \"path\"\nsplit = 8\nclasses = true\n"), 0);
    assert_int_equal(parts_of("kind = \"layers\"\nsplit = 8\nexamples = 5\n"), 0);
    assert_int_equal(parts_of("kind = \"layers\"\ngroups = [\"conv1\",\"B2\",\"fc\"]\n"
                              "split = 8\nadapt = {}\n"),
                     3);
}

/* ---- errors ----------------------------------------------------------------- */

static void assert_bad(const char *probe, const char *expected)
{
    struct error err = {0};
    char text[2048];

    snprintf(text, sizeof text, HEAD "%s", probe);
    assert_null(plan_from_grid(text, strlen(text), "g.toml", &err));
    if (!strstr(err.text, expected))
        fail_msg("'%s' lacks '%s'", err.text, expected);
}

static void test_errors(void **state)
{
    (void)state;
    assert_bad("kind = \"path\"\nsplit = 0\n", "g.toml:9:1: key 'split'");
    assert_bad("kind = \"path\"\nsplit = 33\n", "g.toml:9:1: key 'split'");
    assert_bad("kind = \"path\"\nsplit = \"all\"\n", "a count of parts or \"auto\"");
    assert_bad("kind = \"path\"\npart = [0]\n", "unknown key 'part'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_point_once),
        cmocka_unit_test(test_the_dear_groups_are_cut),
        cmocka_unit_test(test_automatic),
        cmocka_unit_test(test_what_is_not_cut),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
