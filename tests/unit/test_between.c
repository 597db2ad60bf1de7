/* Probes between runs: which pairs a grid comes to, in which order, under whose
 * name, and what is no pair. */

#include "tests/unit/plankit.h"

#include <stdio.h>
#include <stdlib.h>

#define PROBE "[[probe]]\nname = \"p\"\nkind = \"between\"\n"

/* "x/1: base/0 final - x/1 final": every probe, named by its first member, with the
 * members that name its two runs. */
static void put_pairs(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        if (job->spec.kind != JOB_PROBE)
            continue;
        buf_printf(out, "%s%s/%lld:", out->size ? " | " : "",
                   job->members[0].intervention, (long long)job->members[0].seed);
        for (size_t n = 0; n < job->need_count; n++) {
            const struct plan_member *run = &plan->jobs[job->needs[n].job].members[0];
            buf_printf(out, "%s %s/%lld", n ? " -" : "", run->intervention,
                       (long long)run->seed);
            if (run->param_count > 0)
                buf_puts(out, " ");
            plan_put_params(run, out);
            buf_printf(out, " %s", job->needs[n].state);
        }
    }
}

static void assert_pairs(const char *text, const char *expected)
{
    plankit_expect(text, expected, put_pairs);
}

/* Final to final is the default, and a line and its reverse are one. */
static void test_every_pair_of_seeds(void **state)
{
    (void)state;
    assert_pairs(SWEEP "seeds = 3\n" PROBE,
                 "baseline/0: baseline/0 final - baseline/1 final | "
                 "baseline/0: baseline/0 final - baseline/2 final | "
                 "baseline/1: baseline/1 final - baseline/2 final");
}

static void test_two_states_go_both_ways(void **state)
{
    (void)state;
    assert_pairs(SWEEP "seeds = 2\n" PROBE "from = \"final\"\nto = \"init\"\n",
                 "baseline/0: baseline/0 final - baseline/1 init | "
                 "baseline/1: baseline/1 final - baseline/0 init");
}

/* Seeds are paired within a point: never across an axis or an intervention. */
static void test_seeds_of_one_point(void **state)
{
    (void)state;
    assert_pairs(SWEEP "seeds = 2\n[axes]\n\"optimizer.lr\" = [0.2, 0.4]\n" PROBE
                       "pairs = \"seeds\"\n",
                 "baseline/0: baseline/0 optimizer.lr=0.2 final"
                 " - baseline/1 optimizer.lr=0.2 final | "
                 "baseline/0: baseline/0 optimizer.lr=0.4 final"
                 " - baseline/1 optimizer.lr=0.4 final");
}

#define CHANGED                                                                          \
    "seeds = 2\n[[intervention]]\nname = \"x\"\nrole = \"init\"\n"                       \
    "set = { init.scale = 2.0 }\n"

/* Two sides: the same seed, unless one of them names a seed. */
static void test_sides(void **state)
{
    (void)state;
    assert_pairs(SWEEP CHANGED PROBE "pairs = { a = { intervention = \"baseline\" },"
                                     " b = { intervention = \"x\" } }\n",
                 "x/0: baseline/0 final - x/0 init.scale=2.0 final | "
                 "x/1: baseline/1 final - x/1 init.scale=2.0 final");
    assert_pairs(SWEEP CHANGED PROBE
                 "pairs = { a = { intervention = \"baseline\", seed = 0 },"
                 " b = { init.scale = 2.0 } }\n",
                 "x/0: baseline/0 final - x/0 init.scale=2.0 final | "
                 "x/1: baseline/0 final - x/1 init.scale=2.0 final");
}

/* The grid's axes agree, unless a side names them. */
static void test_sides_and_axes(void **state)
{
    (void)state;
    assert_pairs(SWEEP "[axes]\n\"optimizer.lr\" = [0.2, 0.4]\n"
                       "\"optimizer.momentum\" = [0.5, 0.9]\n" PROBE
                       "pairs = { a = { optimizer.lr = 0.2 },"
                       " b = { optimizer.lr = 0.4 } }\n",
                 "baseline/0: baseline/0 optimizer.lr=0.2, optimizer.momentum=0.5 final"
                 " - baseline/0 optimizer.lr=0.4, optimizer.momentum=0.5 final | "
                 "baseline/0: baseline/0 optimizer.lr=0.2, optimizer.momentum=0.9 final"
                 " - baseline/0 optimizer.lr=0.4, optimizer.momentum=0.9 final");
}

/* With groups it is layer-wise; the spec of a worker knows no third kind. */
static void test_layer_wise(void **state)
{
    const char *text = SWEEP "seeds = 2\n" PROBE "groups = [\"fc3\", \"conv1\"]\n";
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);
    struct plan_counts counts;

    (void)state;
    assert_non_null(plan);
    assert_int_equal(plan->job_count, 3);
    assert_non_null(strstr(plan->jobs[2].text.data,
                           "probe.groups=[\"conv1\",\"fc3\"]\nprobe.kind=\"layers\"\n"));
    counts = plan_count(plan);
    assert_int_equal(counts.curve_rows, 2 * 2 * 50);
    plan_free(&plan);
}

/* States in mid-training are kept in both runs. */
static void test_states_are_kept(void **state)
{
    const char *text = SWEEP "seeds = 2\n" PROBE "from = \"epoch:2\"\n";
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);

    (void)state;
    assert_non_null(plan);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(plan->jobs[i].text.data, "\"epoch:2\""));
    plan_free(&plan);
}

static void test_no_pairs(void **state)
{
    (void)state;
    plankit_refuse(SWEEP PROBE, "g.toml:3:1: key 'pairs': needs at least two seeds, the "
                                "sweep has one (probe 'p')");
    plankit_refuse(
        SWEEP PROBE "pairs = { a = { seed = 1 }, b = { seed = 0 } }\n",
        "g.toml:6:1: key 'pairs': no two runs of the sweep are such a pair (probe 'p')");
    plankit_refuse(
        SWEEP "[axes]\nmodel.name = [\"lenet5\", \"lenet-300-100\"]\n" PROBE
              "pairs = { a = { model.name = \"lenet5\" },"
              " b = { model.name = \"lenet-300-100\" } }\n",
        "g.toml:5:1: probe 'p': runs of interventions 'baseline' and 'baseline'"
        " have different networks, so there is no line between them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_of_seeds),
        cmocka_unit_test(test_two_states_go_both_ways),
        cmocka_unit_test(test_seeds_of_one_point),
        cmocka_unit_test(test_sides),
        cmocka_unit_test(test_sides_and_axes),
        cmocka_unit_test(test_layer_wise),
        cmocka_unit_test(test_states_are_kept),
        cmocka_unit_test(test_no_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
