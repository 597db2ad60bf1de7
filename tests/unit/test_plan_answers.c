/* What probes tell beyond their points: what it takes in a grid, which states it needs,
 * and what does not fit. */

#include "tests/unit/plankit.h"

#include <stdio.h>

#define KEEP                                                                             \
    "[base]\ntrain = { epochs = 9, keep = [\"epoch:2\", \"best\", \"epoch:4\"] }\n"
#define PROBE "[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 3\n"

/* "a=0 init b=0 final s1=0 best ...": the needs of every probe. */
static void put_needs(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        if (job->spec.kind != JOB_PROBE)
            continue;
        buf_puts(out, out->size ? " | " : "");
        for (size_t n = 0; n < job->need_count; n++)
            buf_printf(out, "%s%s=%zu %s", n ? " " : "", job->needs[n].role,
                       job->needs[n].job, job->needs[n].state);
    }
}

static void test_states_of_the_run(void **state)
{
    (void)state;
    plankit_expect(SWEEP "seeds = 1\n" KEEP PROBE "trajectory = true\n",
                   "a=0 init b=0 final s1=0 best s2=0 epoch:2 s3=0 epoch:4", put_needs);
    plankit_expect(SWEEP "seeds = 1\n" KEEP PROBE, "a=0 init b=0 final", put_needs);
    /* The ends are none of them. */
    plankit_expect(SWEEP "seeds = 1\n" KEEP PROBE
                         "from = \"epoch:2\"\nto = \"epoch:4\"\ntrajectory = true\n",
                   "a=0 epoch:2 b=0 epoch:4 s1=0 final s2=0 best", put_needs);
}

/* Between runs: states of run b; run a's may have the same name. */
static void test_states_between_runs(void **state)
{
    (void)state;
    plankit_expect(SWEEP "seeds = 2\n" KEEP
                         "[[probe]]\nname = \"p\"\nkind = \"between\"\nalphas = 3\n"
                         "from = \"epoch:2\"\ntrajectory = true\n"
                         "pairs = { a = { seed = 0 }, b = { seed = 1 } }\n",
                   "a=0 epoch:2 b=1 final s1=1 best s2=1 epoch:2 s3=1 epoch:4",
                   put_needs);
}

static void put_specs(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++)
        if (plan->jobs[i].spec.kind == JOB_PROBE)
            buf_puts(out, strstr(plan->jobs[i].text.data, "probe."));
}

static void test_specs(void **state)
{
    (void)state;
    plankit_expect(SWEEP "seeds = 1\n" KEEP PROBE
                         "classes = true\nexamples = 20\ntrajectory = true\n",
                   "probe.alphas=3\nprobe.classes=true\nprobe.examples=20\n"
                   "probe.kind=\"path\"\nprobe.trajectory=true\n",
                   put_specs);
    plankit_expect(SWEEP "seeds = 1\n" KEEP PROBE
                         "classes = false\nexamples = 0\ntrajectory = false\n",
                   "probe.alphas=3\nprobe.kind=\"path\"\n", put_specs);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {PROBE "classes = 1\n",
         "g.toml:8:1: key 'classes': expected true or false, got 1 (probe 'p')"},
        {PROBE "examples = -1\n", "g.toml:8:1: key 'examples': expected an integer from "
                                  "0 to 1000000, got -1 (probe 'p')"},
        {PROBE "splits.train = 100\nexamples = 101\n",
         "g.toml:9:1: key 'examples': asks for 101 examples, the probe evaluates 100"
         " training examples (probe 'p')"},
        {PROBE "splits.test = 0.01\nexamples = 101\n",
         "g.toml:9:1: key 'examples': asks for 101 examples, the probe evaluates 100 test"
         " examples (probe 'p')"},
        {"[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 8000\nexamples = 5000\n",
         "g.toml:8:1: key 'examples': gives 80000000 losses, at most 16777216 can be "
         "kept (probe 'p')"},
        {"[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = 8000\nclasses = true\n",
         "g.toml:8:1: key 'classes': gives 16000 points of 10 classes, at most 131072 of"
         " both can be sent (probe 'p')"},
        {PROBE "trajectory = true\n", "g.toml:8:1: key 'trajectory': the run keeps no "
                                      "state but the ends: add step:k or"
                                      " epoch:k to train.keep (probe 'p')"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, SWEEP "seeds = 1\n%s", cases[i].text);
        plankit_refuse(text, cases[i].expected);
    }
}

static void test_too_many_states(void **state)
{
    char text[1024];
    int at = snprintf(text, sizeof text,
                      SWEEP "seeds = 1\n[base]\ntrain.epochs = 20\ntrain.keep = [");

    (void)state;
    for (int i = 1; i <= 13; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "\"epoch:%d\", ", i);
    snprintf(text + at, sizeof text - (size_t)at, "]\n" PROBE "trajectory = true\n");
    plankit_refuse(text, "g.toml:11:1: key 'trajectory': the run keeps 13 states, at most"
                         " 12 can be placed (probe 'p')");
}

static void test_long_group(void **state)
{
    char text[1024];
    int at =
        snprintf(text, sizeof text,
                 SWEEP "seeds = 1\n[base]\nmodel.name = \"resnet20\"\n[[probe]]\n"
                       "name = \"p\"\nkind = \"layers\"\nexamples = 5\ngroups = [\"");

    (void)state;
    for (int i = 0; i < 7; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%slayer%d.%d.conv%d",
                       i ? "+" : "", i / 4 + 1, i / 2 % 2, i % 2 + 1);
    snprintf(text + at, sizeof text - (size_t)at, "\"]\n");
    plankit_refuse(
        text, "g.toml:9:1: key 'examples': the name of group"
              " \"layer1.0.conv1+layer...\" has more than 96 characters (probe 'p')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_of_the_run),
        cmocka_unit_test(test_states_between_runs),
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_many_states),
        cmocka_unit_test(test_long_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
