/* Points beyond the plain product: zips, excludes, includes, and options of base
 * that a point's choice makes void. Exact expansions and exact errors. */

#include "tests/unit/plankit.h"

#include <stdio.h>
#include <stdlib.h>

/* "baseline/0 optimizer.lr=0.2 | ...": every member of every run. */
static void put_points(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        for (size_t m = 0; m < job->member_count; m++) {
            buf_printf(out, "%s%s/%lld",
                       m   ? ", "
                       : i ? " | "
                           : "",
                       job->members[m].intervention, (long long)job->members[m].seed);
            if (job->members[m].param_count)
                buf_puts(out, " ");
            plan_put_params(&job->members[m], out);
        }
    }
}

static void assert_points(const char *text, size_t count, const char *expected)
{
    struct plan *plan = plankit_make(text);

    assert_int_equal(plan->point_count, count);
    plan_free(&plan);
    plankit_expect(text, expected, put_points);
}

#define ZIP "[[zip]]\n\"optimizer.lr\" = [0.2, 0.4]\n\"optimizer.batch\" = [64, 64]\n"

/* Zipped options move together, and may have a value twice. */
static void test_zip(void **state)
{
    (void)state;
    assert_points(SWEEP ZIP, 2,
                  "baseline/0 optimizer.batch=64, optimizer.lr=0.2 | "
                  "baseline/0 optimizer.batch=64, optimizer.lr=0.4");
}

/* Axes vary slower than zips; several zips multiply. */
static void test_zips_multiply(void **state)
{
    (void)state;
    assert_points(SWEEP "[axes]\n\"init.scale\" = [2, 3]\n" ZIP
                        "[[zip]]\n\"train.epochs\" = [1, 2]\n\"data.train\" = [10, 20]\n",
                  8,
                  "baseline/0 data.train=10, init.scale=2.0, optimizer.batch=64,"
                  " optimizer.lr=0.2, train.epochs=1 | "
                  "baseline/0 data.train=20, init.scale=2.0, optimizer.batch=64,"
                  " optimizer.lr=0.2, train.epochs=2 | "
                  "baseline/0 data.train=10, init.scale=2.0, optimizer.batch=64,"
                  " optimizer.lr=0.4, train.epochs=1 | "
                  "baseline/0 data.train=20, init.scale=2.0, optimizer.batch=64,"
                  " optimizer.lr=0.4, train.epochs=2 | "
                  "baseline/0 data.train=10, init.scale=3.0, optimizer.batch=64,"
                  " optimizer.lr=0.2, train.epochs=1 | "
                  "baseline/0 data.train=20, init.scale=3.0, optimizer.batch=64,"
                  " optimizer.lr=0.2, train.epochs=2 | "
                  "baseline/0 data.train=10, init.scale=3.0, optimizer.batch=64,"
                  " optimizer.lr=0.4, train.epochs=1 | "
                  "baseline/0 data.train=20, init.scale=3.0, optimizer.batch=64,"
                  " optimizer.lr=0.4, train.epochs=2");
}

static void test_exclude(void **state)
{
    (void)state;
    assert_points(SWEEP "seeds = 2\n[axes]\n\"optimizer.lr\" = [0.2, 0.4]\n"
                        "[[exclude]]\nwhere = { optimizer.lr = 0.4, seed = 1 }\n",
                  3,
                  "baseline/0 optimizer.lr=0.2 | baseline/1 optimizer.lr=0.2 | "
                  "baseline/0 optimizer.lr=0.4");
}

/* What is compared is the value that a point has in the end: base's and defaults
 * count. A point that is left out need not be possible. */
static void test_exclude_effective_values(void **state)
{
    (void)state;
    assert_points(SWEEP "[base]\ndata.train = 100\n[axes]\n"
                        "\"train.eval.train\" = [50, 200]\n"
                        "[[exclude]]\nwhere = { data.train = 100, train.eval.train = 200,"
                        " init.scheme = \"default\" }\n",
                  1, "baseline/0 train.eval.train=50");
}

static void test_exclude_intervention(void **state)
{
    (void)state;
    assert_points(SWEEP "[axes]\n\"optimizer.lr\" = [0.2, 0.4]\n"
                        "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                        "set = { init.scale = 2.0 }\n"
                        "[[exclude]]\nwhere = { intervention = \"x\","
                        " optimizer.lr = 0.2 }\n",
                  3,
                  "baseline/0 optimizer.lr=0.2 | baseline/0 optimizer.lr=0.4 | "
                  "x/0 init.scale=2.0, optimizer.lr=0.4");
}

/* An include is crossed with seeds, and one that is there already is listed once. */
static void test_include(void **state)
{
    (void)state;
    assert_points(SWEEP "seeds = 2\n[axes]\n\"optimizer.lr\" = [0.2, 0.4]\n"
                        "[[include]]\nset = { optimizer.lr = 0.3 }\n"
                        "[[include]]\nset = { optimizer.lr = 0.4 }\n",
                  8,
                  "baseline/0 optimizer.lr=0.2 | baseline/1 optimizer.lr=0.2 | "
                  "baseline/0 optimizer.lr=0.4 | baseline/1 optimizer.lr=0.4 | "
                  "baseline/0 optimizer.lr=0.3 | baseline/1 optimizer.lr=0.3");
}

static void test_include_intervention(void **state)
{
    (void)state;
    assert_points(SWEEP "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                        "set = { init.scale = 2.0 }\n"
                        "[[include]]\nintervention = \"x\"\n"
                        "set = { optimizer.lr = 0.3 }\n",
                  3,
                  "baseline/0 | x/0 init.scale=2.0 | "
                  "x/0 init.scale=2.0, optimizer.lr=0.3");
}

/* Momentum is sgd's: in the points of adam base's does not count. */
static void test_base_that_does_not_apply(void **state)
{
    struct plan *plan =
        plankit_make(SWEEP "[base]\noptimizer.momentum = 0.9\n"
                           "[[zip]]\n\"optimizer.name\" = [\"sgd\", \"adam\"]\n"
                           "\"optimizer.lr\" = [0.2, 0.001]\n");

    (void)state;
    assert_int_equal(plan->job_count, 2);
    assert_non_null(strstr(plan->jobs[0].text.data, "optimizer.momentum=0.9\n"));
    assert_null(strstr(plan->jobs[1].text.data, "optimizer.momentum"));
    plan_free(&plan);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *expected;
    } CASES[] = {
        {SWEEP "[[zip]]\n\"optimizer.lr\" = [1]\n",
         "g.toml:3:1: a zip moves options together: expected at least two, got 1"},
        {SWEEP "[[zip]]\n\"optimizer.lr\" = [1]\n\"init.scale\" = [1, 2]\n",
         "g.toml:5:1: key 'init.scale': has 2 values, 'optimizer.lr' of the same zip"
         " has 1"},
        {SWEEP ZIP "[axes]\n\"optimizer.lr\" = [3]\n",
         "g.toml:4:1: key 'optimizer.lr': is an axis already, in line 7"},
        {SWEEP ZIP ZIP, "g.toml:7:1: key 'optimizer.lr': is an axis already, in line 4"},
        {SWEEP ZIP "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
                   "set = { optimizer.lr = 3 }\n",
         "g.toml:9:19: key 'optimizer.lr': is an axis of the grid in line 4, so"
         " intervention 'x' cannot change it"},
        {SWEEP "[[exclude]]\n",
         "g.toml:3:1: key 'where' of [[exclude]] is missing or empty: it would leave out"
         " every point"},
        {SWEEP "[[exclude]]\nwhere = { seed = 7 }\n",
         "g.toml:4:1: key 'where': no point of the grid is like that"},
        {SWEEP "[[exclude]]\nwhere = { seed = 0 }\n",
         "g.toml:1:1: every point is excluded"},
        {SWEEP "[[exclude]]\nwhere = { intervention = \"baselin\" }\n",
         "g.toml:4:1: there is no intervention 'baselin' (did you mean 'baseline'?)"},
        {SWEEP "[[exclude]]\nwhere = { optimizer.lr = \"x\" }\n",
         "g.toml:4:21: key 'optimizer.lr': expected a number of at least 0, got \"x\""},
        {SWEEP "[[include]]\n",
         "g.toml:3:1: key 'set' of [[include]] is missing or empty: expected the options"
         " of the point"},
        {SWEEP "[[include]]\nintervention = \"x\"\nset = { init.scale = 2 }\n",
         "g.toml:3:1: there is no intervention 'x'"},
        {SWEEP "[[zip]]\n\"optimizer.name\" = [\"sgd\", \"adam\"]\n"
               "\"optimizer.momentum\" = [0.9, 0.8]\n",
         "g.toml:5:30: key 'optimizer.momentum': applies only where optimizer.name is sgd"
         " or rmsprop (intervention 'baseline' with optimizer.momentum=0.8,"
         " optimizer.name=\"adam\")"},
        {SWEEP "[base]\noptimizer.beta1 = 0.5\n[axes]\n"
               "\"optimizer.name\" = [\"sgd\", \"rmsprop\"]\n",
         "g.toml:4:11: key 'optimizer.beta1': applies to no point: it needs"
         " optimizer.name=adam|adamw"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_zips_multiply),
        cmocka_unit_test(test_exclude),
        cmocka_unit_test(test_exclude_effective_values),
        cmocka_unit_test(test_exclude_intervention),
        cmocka_unit_test(test_include),
        cmocka_unit_test(test_include_intervention),
        cmocka_unit_test(test_base_that_does_not_apply),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
