/* Runs that start from states of other runs: which jobs a grid comes to, what they
 * need, what is shared, which states are kept, and the errors. */

#include "tests/unit/plankit.h"

#include <stdio.h>
#include <stdlib.h>

#define FROM(text)                                                                       \
    "[[intervention]]\nname = \"x\"\nrole = \"init\"\nset = { init.from = \"" text       \
    "\" }\n"
#define RUN "[run.up]\nset = { optimizer.lr = 0.5 }\n"

static void assert_jobs(const char *text, const char *expected)
{
    plankit_expect(text, expected, plankit_put_jobs);
}

/* One for each seed that needs it. */
static void test_one_for_each_seed(void **state)
{
    struct plan *plan = plankit_make(SWEEP "seeds = 2\n" FROM("run:up") RUN);
    char expected[64];

    (void)state;
    assert_int_equal(plan->point_count, 4);
    (void)snprintf(expected, sizeof expected, "init.from=\"run:%s:final\"\n",
                   plan->jobs[2].key);
    assert_non_null(strstr(plan->jobs[3].text.data, expected));
    assert_non_null(strstr(plan->jobs[2].text.data, "optimizer.lr=0.5\n"));
    assert_string_equal(plan->jobs[3].needs[0].role, "init");
    plan_free(&plan);
    assert_jobs(SWEEP "seeds = 2\n" FROM("run:up") RUN,
                "1 baseline/0 | 2 baseline/1 | 3 run:up/0 | 4 x/0 init 3 final | "
                "5 run:up/1 | 6 x/1 init 5 final");
}

/* Points that differ in what does not concern the other run share it. */
static void test_shared(void **state)
{
    (void)state;
    assert_jobs(
        SWEEP "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
              "set = { init.from = \"run:up:epoch:3\" }\n"
              "axes = { \"init.reset\" = [[\"conv1\"], [\"fc3\"]] }\n" RUN,
        "1 baseline/0 | 2 run:up/0 | 3 x/0 init 2 epoch:3 | 4 x/0 init 2 epoch:3");
}

/* A run that sets nothing is the baseline; it is one job, and is probed. */
static void test_trained_is_the_baseline(void **state)
{
    (void)state;
    assert_jobs(
        SWEEP FROM("run:t") "[run.t]\n[[probe]]\nname = \"p\"\nkind = \"path\"\n",
        "1 baseline/0, run:t/0 | 2 x/0 init 1 final | "
        "3 p baseline/0, p run:t/0 a 1 init b 1 final | 4 p x/0 a 2 init b 2 final");
}

/* Upstream runs are not probed. Where a run does not draw its init, that is stored. */
static void test_states_are_kept(void **state)
{
    struct plan *plan = plankit_make(SWEEP FROM("run:up:epoch:2") RUN
                                     "[[probe]]\nname = \"p\"\nkind = \"path\"\n");

    (void)state;
    assert_int_equal(plan->job_count, 5);
    assert_null(strstr(plan->jobs[0].text.data, "train.keep"));
    assert_non_null(
        strstr(plan->jobs[1].text.data, "train.keep=[\"final\",\"epoch:2\"]\n"));
    assert_non_null(strstr(plan->jobs[2].text.data, "train.keep=[\"init\",\"final\"]\n"));
    plan_free(&plan);
}

/* The grid's axes hold for the other run too, unless it sets the option. */
static void test_axes(void **state)
{
    struct plan *plan =
        plankit_make(SWEEP "[axes]\n\"optimizer.lr\" = [0.2, 0.4]\n"
                           "\"optimizer.batch\" = [32, 64]\n" FROM("run:up") RUN);
    size_t upstream = 0;

    (void)state;
    for (size_t i = 0; i < plan->job_count; i++)
        upstream += strcmp(plan->jobs[i].members[0].intervention, "run:up") == 0;
    assert_int_equal(plan->job_count, 4 + 2 + 4);
    assert_int_equal(upstream, 2);
    plan_free(&plan);
}

static void test_chain(void **state)
{
    (void)state;
    assert_jobs(SWEEP FROM("run:b") "[run.a]\nset = { optimizer.lr = 0.5 }\n"
                                    "[run.b]\nset = { init.from = \"run:a\" }\n",
                "1 baseline/0 | 2 run:a/0 | 3 run:b/0 init 2 final | 4 x/0 init 3 final");
}

/* Other classes: the head is drawn anew, everything else must fit. */
static void test_new_head(void **state)
{
    (void)state;
    assert_jobs(SWEEP FROM("run:up") "[run.up]\nset = { data.classes = [1, 2, 3] }\n",
                "1 baseline/0 | 2 run:up/0 | 3 x/0 init 2 final");
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *expected;
    } CASES[] = {
        {SWEEP FROM("run:up"),
         "g.toml:6:14: key 'init.from': expected \"run:NAME\" or \"run:NAME:STATE\" of a"
         " [run.NAME] (there is none), got \"run:up\" (intervention 'x' with"
         " init.from=\"run:up\")"},
        {SWEEP FROM("run:up:epoch") RUN,
         "g.toml:6:14: key 'init.from': expected \"run:NAME\" or \"run:NAME:STATE\" of a"
         " [run.NAME] (up), got \"run:up:epoch\" (intervention 'x' with"
         " init.from=\"run:up:epoch\")"},
        {SWEEP FROM("run:up:epoch:11") RUN,
         "g.toml:6:14: key 'init.from': \"epoch:11\" is after the"
         " last epoch, 10"},
        {SWEEP FROM("run:a") "[run.a]\nset = { init.from = \"run:a\" }\n",
         "g.toml:7:6: 'run:a' starts from itself, or from a chain of more than 8 runs"},
        {SWEEP FROM("run:a") "[run.a]\nset = { model.name = \"lenet-300-100\" }\n",
         "g.toml:6:14: key 'init.from': tensor 'conv1.weight' is not in that network"
         " (intervention 'x' with init.from=\"run:a\")"},
        {SWEEP "[base]\ninit.reset = [\"conv1\"]\n",
         "g.toml:4:6: key 'init.reset': applies only where init.from is given"},
        {SWEEP "[run.a]\nseed = 3\n",
         "g.toml:4:1: unknown key 'seed' in [run.a]: expected one of set"},
        {SWEEP "run = 3\n", "g.toml:3:1: unknown key 'run' in [sweep]: expected one of"
                            " name, seeds, seed_policy, max_running, priority,"
                            " cores, memory, labels, retries, stop"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_for_each_seed),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_trained_is_the_baseline),
        cmocka_unit_test(test_states_are_kept),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_new_head),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
