/* States that probes go through: of upstream runs, of the point's own run, and none
 * where a control or a direction takes their place. */

#include "tests/unit/plankit.h"

#include <stdio.h>
#include <stdlib.h>

#define RUN     "[run.up]\nset = { optimizer.lr = 0.5 }\n"
#define PATH    "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
#define BETWEEN "[[probe]]\nname = \"p\"\nkind = \"between\"\n"
#define PLANE   "[[probe]]\nname = \"p\"\nkind = \"plane\"\n"

static void assert_jobs(const char *text, const char *expected)
{
    plankit_expect(text, expected, plankit_put_jobs);
}

static const char *spec_of(const struct plan *plan, size_t job)
{
    return plan->jobs[job].text.data;
}

/* ---- upstream runs ---------------------------------------------------------------- */

static void test_path_from_upstream(void **state)
{
    (void)state;
    assert_jobs(SWEEP "seeds = 2\n" RUN PATH "from = \"run:up\"\n",
                "1 baseline/0 | 2 baseline/1 | 3 run:up/0 | 4 run:up/1 | "
                "5 p baseline/0 a 3 final b 1 final | "
                "6 p baseline/1 a 4 final b 2 final");
    assert_jobs(SWEEP RUN PATH "from = \"init\"\nto = \"run:up:init\"\n",
                "1 baseline/0 | 2 run:up/0 | 3 p baseline/0 a 1 init b 2 init");
}

static void test_layers_from_upstream(void **state)
{
    struct plan *plan =
        plankit_make(SWEEP RUN "[[probe]]\nname = \"p\"\nkind = \"layers\"\n"
                               "groups = [\"fc1\"]\nfrom = \"run:up:epoch:2\"\n");

    (void)state;
    assert_int_equal(plan->job_count, 3);
    assert_null(strstr(spec_of(plan, 0), "train.keep"));
    assert_non_null(strstr(spec_of(plan, 1), "train.keep=[\"final\",\"epoch:2\"]\n"));
    assert_non_null(strstr(spec_of(plan, 2), "a.state=\"epoch:2\"\n"));
    assert_non_null(strstr(spec_of(plan, 2), "probe.groups=[\"fc1\"]\n"));
    plan_free(&plan);
}

/* The upstream run has the choices of the grid's axes. */
static void test_axes(void **state)
{
    struct plan *plan = plankit_make(
        SWEEP "[axes]\n\"optimizer.batch\" = [32, 64]\n" RUN PATH "from = \"run:up\"\n");

    (void)state;
    assert_int_equal(plan->job_count, 2 + 2 + 2);
    assert_non_null(strstr(spec_of(plan, 2), "optimizer.batch=32\n"));
    assert_non_null(strstr(spec_of(plan, 2), "optimizer.lr=0.5\n"));
    assert_non_null(strstr(spec_of(plan, 3), "optimizer.batch=64\n"));
    plan_free(&plan);
}

/* A point's run that is an upstream run too has its probes asked for in both names,
 * whichever point comes first. */
static void test_a_point_that_is_upstream(void **state)
{
    (void)state;
    assert_jobs(SWEEP "[axes]\n\"optimizer.lr\" = [0.1, 0.5]\n" RUN PATH
                      "from = \"run:up:init\"\n",
                "1 baseline/0 | 2 baseline/0, run:up/0 | "
                "3 p baseline/0 a 2 init b 1 final | "
                "4 p baseline/0, p run:up/0 a 2 init b 2 final");
    assert_jobs(SWEEP "[axes]\n\"optimizer.lr\" = [0.5, 0.1]\n" RUN PATH
                      "from = \"run:up:init\"\n",
                "1 baseline/0, run:up/0 | 2 baseline/0 | "
                "3 p baseline/0, p run:up/0 a 1 init b 1 final | "
                "4 p baseline/0 a 1 init b 2 final");
}

/* Side a's state is that of its point's upstream run; pairs stay what they are. */
static void test_between_from_upstream(void **state)
{
    (void)state;
    assert_jobs(SWEEP "seeds = 2\n" RUN BETWEEN "from = \"run:up\"\n",
                "1 baseline/0 | 2 baseline/1 | 3 run:up/0 | 4 run:up/1 | "
                "5 p baseline/0 a 3 final b 2 final | "
                "6 p baseline/1 a 4 final b 1 final");
}

/* A run that is both: its members stay in place while pairs are made. */
static void test_upstream_is_a_point(void **state)
{
    (void)state;
    assert_jobs(SWEEP "seeds = 2\n[run.same]\n" BETWEEN "from = \"run:same:init\"\n",
                "1 baseline/0, run:same/0 | 2 baseline/1, run:same/1 | "
                "3 p baseline/0, p run:same/0 a 1 init b 2 final | "
                "4 p baseline/1, p run:same/1 a 2 init b 1 final");
}

static void test_upstream_errors(void **state)
{
    (void)state;
    plankit_refuse(SWEEP PATH "from = \"run:up\"\n",
                   "g.toml:6:1: key 'from': expected a state of a [run.NAME] (there is"
                   " none), got \"run:up:final\" (probe 'p')");
    plankit_refuse(SWEEP RUN PATH "to = \"run:pu:best\"\n",
                   "g.toml:8:1: key 'to': expected a state of a [run.NAME] (up), got"
                   " \"run:pu:best\" (probe 'p')");
    plankit_refuse(
        SWEEP RUN PATH "from = \"run:up:epoch:11\"\n",
        "g.toml:8:1: key 'from': \"epoch:11\" is after the last epoch, 10 (probe 'p')");
    plankit_refuse(
        SWEEP "[run.up]\nset = { model.name = \"lenet-300-100\" }\n" PATH
              "from = \"run:up\"\n",
        "g.toml:5:1: probe 'p': 'from' and 'to' have different networks: tensor"
        " 'conv1.weight' is not in that network");
    plankit_refuse(SWEEP "[run.up]\nset = { model.name = \"vgg11\" }\n" PATH
                         "from = \"run:up\"\n",
                   "g.toml:5:1: probe 'p': the network of 'from': model \"vgg11\" on data"
                   " \"fashion-mnist\": layer features.20: its 2x2 window does not fit"
                   " into 1x1");
    plankit_refuse(SWEEP "[run.up]\nset = { data.classes = [1, 2] }\n" PLANE
                         "third = \"run:up\"\n",
                   "g.toml:5:1: probe 'p': 'third' and 'to' have different networks:"
                   " their last layers differ in classes");
    plankit_refuse(SWEEP "[run.up]\nset = { data.classes = [1, 2] }\n" BETWEEN
                         "from = \"run:up\"\n",
                   "g.toml:5:1: key 'pairs': needs at least two seeds, the sweep has one "
                   "(probe 'p')");
    plankit_refuse(SWEEP "seeds = 2\n[run.up]\nset = { data.classes = [1, 2] }\n" BETWEEN
                         "from = \"run:up\"\n",
                   "g.toml:6:1: probe 'p': runs of interventions 'baseline' and"
                   " 'baseline' have different networks, so there is no line between"
                   " them");
    plankit_refuse(SWEEP "[run.same]\n" PATH "from = \"run:same\"\n",
                   "g.toml:4:1: probe 'p': two of its states are the same, \"final\" of"
                   " one run");
}

/* ---- controls --------------------------------------------------------------------- */

/* Made of `to`, so the key does not know of another state; noise is as long as from. */
static void test_controls(void **state)
{
    struct plan *plan =
        plankit_make(SWEEP PATH "start = \"permuted\"\nstart_seed = 4\n"
                                "[[probe]]\nname = \"n\"\nkind = \"path\"\n"
                                "start = \"noise\"\n");

    (void)state;
    assert_int_equal(plan->job_count, 3);
    assert_non_null(strstr(spec_of(plan, 1), "a.state=\"final\"\n"));
    assert_non_null(strstr(spec_of(plan, 1), "probe.start=\"permuted\"\n"
                                             "probe.start_seed=4\n"));
    assert_non_null(strstr(spec_of(plan, 2), "a.state=\"init\"\n"));
    assert_non_null(strstr(spec_of(plan, 2), "probe.start=\"noise\"\n"));
    plan_free(&plan);
    assert_jobs(SWEEP RUN PATH "start = \"zeros\"\nto = \"run:up\"\n",
                "1 baseline/0 | 2 run:up/0 | 3 p baseline/0 a 2 final b 2 final");
}

static void test_control_errors(void **state)
{
    (void)state;
    plankit_refuse(SWEEP PATH "start = \"zeros\"\nstart_seed = 4\n",
                   "g.toml:7:1: key 'start_seed': applies only where probe.start is noise"
                   " or permuted or seed (probe 'p')");
    plankit_refuse(SWEEP "[base]\nmodel = { name = \"mlp\", widths = [] }\n" PATH
                         "start = \"permuted\"\n",
                   "g.toml:8:1: key 'start': the network has no hidden units that can"
                   " change places (probe 'p')");
    plankit_refuse(SWEEP "[base]\nmodel = { name = \"mlp\", widths = [8, 8],"
                         " norm = \"group\" }\n" PATH "start = \"permuted\"\n",
                   "g.toml:8:1: key 'start': the network has no hidden units that can"
                   " change places (probe 'p')");
}

/* ---- planes ----------------------------------------------------------------------- */

static void test_planes(void **state)
{
    struct plan *plan = plankit_make(
        SWEEP RUN PLANE "third = \"run:up:epoch:3\"\nxs = 5\nys = [0, 1, 2]\n");
    struct plan_counts counts = plan_count(plan);

    (void)state;
    assert_int_equal(counts.plane_rows, 5 * 3 * 2);
    assert_int_equal(counts.curve_rows, 0);
    assert_int_equal(counts.path_rows, 0);
    assert_non_null(strstr(spec_of(plan, 2), "c.state=\"epoch:3\"\n"));
    plan_free(&plan);
    assert_jobs(SWEEP RUN PLANE "third = \"run:up:epoch:3\"\n",
                "1 baseline/0 | 2 run:up/0 | "
                "3 p baseline/0 a 1 init b 1 final c 2 epoch:3");
    assert_jobs(SWEEP PLANE "directions = \"filter\"\nto = \"best\"\n",
                "1 baseline/0 | 2 p baseline/0 a 1 best b 1 best");
}

/* Ranges have other defaults around a state; given, those change no key. */
static void test_plane_keys(void **state)
{
    struct plan *plan = plankit_make(
        SWEEP PLANE "directions = \"random\"\nseed = 3\ngroups = [\"fc1\", \"fc3\"]\n"
                    "xs = { from = -1, to = 1, n = 21 }\n"
                    "ys = { from = -0.5, to = 1.5, n = 11 }\n");

    (void)state;
    assert_non_null(
        strstr(spec_of(plan, 1),
               "probe.directions=\"random\"\nprobe.groups=[\"fc1\",\"fc3\"]\n"
               "probe.kind=\"plane\"\nprobe.seed=3\nprobe.ys=11\nprobe.ys_from=-0.5\n"
               "probe.ys_to=1.5\n"));
    assert_int_equal(plan_count(plan).plane_rows, 2 * 2 * 21 * 11);
    plan_free(&plan);
}

static void test_plane_errors(void **state)
{
    (void)state;
    plankit_refuse(SWEEP PLANE "third = \"best\"\nseed = 3\n",
                   "g.toml:7:1: key 'seed': applies only where probe.directions is"
                   " random or filter (probe 'p')");
    plankit_refuse(
        SWEEP PLANE "third = \"best\"\nxs = { from = 2, to = 1, n = 3 }\n",
        "g.toml:7:8: key 'xs_from': expected the first x below the last (probe 'p')");
    plankit_refuse(SWEEP PLANE "third = \"best\"\ngroups = [\"fc9\"]\n",
                   "g.toml:7:11: key 'groups': unknown group \"fc9\" (did you mean"
                   " \"fc1\"?) (probe 'p')");
    plankit_refuse(SWEEP PLANE "third = \"best\"\ngroups = [\"fc1:norms\"]\n",
                   "g.toml:7:11: key 'groups': group \"fc1:norms\" is empty (probe 'p')");
    plankit_refuse(SWEEP PLANE "third = \"best\"\nxs = 200\nys = 200\n",
                   "g.toml:7:1: key 'xs': gives 80000 points, at most 65536 can be"
                   " sent (probe 'p')");
    plankit_refuse(
        SWEEP PLANE "third = \"epoch:12\"\n",
        "g.toml:6:1: key 'third': \"epoch:12\" is after the last epoch, 10 (probe 'p')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_from_upstream),
        cmocka_unit_test(test_layers_from_upstream),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_a_point_that_is_upstream),
        cmocka_unit_test(test_between_from_upstream),
        cmocka_unit_test(test_upstream_is_a_point),
        cmocka_unit_test(test_upstream_errors),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_control_errors),
        cmocka_unit_test(test_planes),
        cmocka_unit_test(test_plane_keys),
        cmocka_unit_test(test_plane_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
