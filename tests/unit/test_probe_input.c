/* What is wrong with a probe is told before anything runs, with the probe and the
 * reason; and the worker, which knows no names, tells the state and the reason. */

#include "tests/unit/plankit.h"

#include <stdio.h>

#define BASE  "seeds = 1\n[base]\ndata = { train = 1000 }\nmodel.name = \"mlp\"\n"
#define PROBE "[[probe]]\nname = \"p\"\n"
#define PATH  PROBE "kind = \"path\"\n"

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {PATH "alphas = [0, nan]\n",
         "g.toml:10:1: key 'alphas': expected a count from 2 to 65536 or a list of"
         " different numbers, got [0.0,nan] (probe 'p')"},
        {PATH "alphas = [0, inf]\n",
         "g.toml:10:1: key 'alphas': expected a count from 2 to 65536 or a list of"
         " different numbers, got [0.0,inf] (probe 'p')"},
        {PATH "alphas = [0, 0.5, 0.5]\n",
         "g.toml:10:1: key 'alphas': expected a count from 2 to 65536 or a list of"
         " different numbers, got [0.0,0.5,0.5] (probe 'p')"},
        {PATH "alphas = { from = 0, to = inf, n = 3 }\n",
         "g.toml:10:22: key 'to': expected a number, got inf (probe 'p')"},
        {PROBE "kind = \"layers\"\ngroups = [\"fc1:norms\"]\n",
         "g.toml:10:11: key 'groups': group \"fc1:norms\" is empty (probe 'p')"},
        {PROBE "kind = \"layers\"\ngroups = []\n",
         "g.toml:10:1: key 'groups': expected at least one group (probe 'p')"},
        {PATH "splits = { train = 1001 }\n", "g.toml:10:12: key 'splits.train': asks for "
                                             "more than the 1000 examples there are"
                                             " (probe 'p')"},
        {PATH "splits = { test = 10001 }\n", "g.toml:10:12: key 'splits.test': asks for "
                                             "more than the 10000 examples there are"
                                             " (probe 'p')"},
        {PATH "bn = [\"recompute\"]\n",
         "g.toml:10:1: key 'bn': no network of this grid has norm layers to apply it to"
         " (probe 'p')"},
        {PATH "from = \"final\"\n",
         "g.toml:7:1: probe 'p': expected two different states, got \"final\" twice"},
        {PATH "from = \"epoch:99\"\n",
         "g.toml:10:1: key 'from': \"epoch:99\" is after the last epoch, 10 (probe 'p')"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, SWEEP BASE "%s", cases[i].text);
        plankit_refuse(text, cases[i].expected);
    }
}

/* Without a name there is none to tell. */
static void test_nameless(void **state)
{
    (void)state;
    plankit_refuse(
        SWEEP "[[probe]]\nkind = \"path\"\nalphas = 1\n",
        "g.toml:5:1: key 'alphas': expected a count from 2 to 65536 or a list of"
        " different numbers, got 1");
}

static void test_other_networks(void **state)
{
    (void)state;
    plankit_refuse(SWEEP BASE "[[intervention]]\nname = \"wide\"\nrole = \"model\"\n"
                              "set = { model.widths = [7] }\n" PROBE
                              "kind = \"between\"\npairs = { a = { intervention ="
                              " \"baseline\" }, b = { intervention = \"wide\" } }\n",
                   "g.toml:11:1: probe 'p': runs of interventions 'baseline' and 'wide'"
                   " have different networks, so there is no line between them");
}

/* "p none" of a network without norms, once; "p interp recompute" of one with. */
static void put_rows(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->job_count; i++)
        if (plan->jobs[i].spec.kind == JOB_PROBE)
            buf_printf(out, "%s%s %d", out->size ? ", " : "",
                       plan->jobs[i].members[0].intervention,
                       (int)plan->jobs[i].path_rows);
}

/* Some networks have norms: the others have one curve, whatever bn says. */
static void test_recompute_without_norms(void **state)
{
    (void)state;
    plankit_expect(SWEEP BASE "[[intervention]]\nname = \"normed\"\nrole = \"model\"\n"
                              "set = { model.norm = \"batch\" }\n" PATH
                              "bn = [\"interp\", \"recompute\", \"end\"]\n",
                   "baseline 2, normed 6", put_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nameless),
        cmocka_unit_test(test_other_networks),
        cmocka_unit_test(test_recompute_without_norms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
