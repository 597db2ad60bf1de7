/* Planes and starts of lines in a grid file: what is read, and every error's words. */

#include "tests/unit/plankit.h"

#include "coordinator/grid.h"

#define PLANE   SWEEP "[[probe]]\nname = \"p\"\nkind = \"plane\"\n"
#define PROBE   SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
#define BETWEEN SWEEP "[[probe]]\nname = \"p\"\nkind = \"between\"\n"

static void put_settings(const struct grid_settings *set, struct buf *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct grid_setting *item = &set->items[i];
        buf_printf(out, "%s%s=", i ? " " : "", item->opt->name);
        value_text(&item->value, out);
        buf_printf(out, "@%d:%d", item->place.line, item->place.column);
    }
}

static void test_planes(void **state)
{
    static const char TEXT[] = PLANE "third = \"run:up:epoch:3\"\nto = \"run:up\"\n"
                                     "xs = { from = -1, to = 2, n = 31 }\nys = [1, 0]\n"
                                     "[[probe]]\nname = \"q\"\nkind = \"plane\"\n"
                                     "directions = \"filter\"\nseed = 4\nxs = 5\n"
                                     "[[probe]]\nname = \"r\"\nkind = \"path\"\n"
                                     "start = \"permuted\"\nto = \"best\"\n";
    struct grid *grid = grid_parse(TEXT, sizeof TEXT - 1, "g.toml", NULL);
    struct buf got = {0};

    (void)state;
    assert_non_null(grid);
    const struct grid_probe *p = &grid->probes[0], *q = &grid->probes[1];
    assert_string_equal(p->third.run, "run:up");
    assert_string_equal(p->third.state, "epoch:3");
    assert_string_equal(p->to.run, "run:up");
    assert_string_equal(p->to.state, "final");
    assert_string_equal(p->from.run, "");
    assert_string_equal(p->from.state, "init");
    put_settings(&p->set, &got);
    assert_string_equal(got.data, "probe.xs_from=-1.0@8:8 probe.xs_to=2.0@8:19"
                                  " probe.xs=31@8:27 probe.ys=[0.0,1.0]@9:1"
                                  " probe.kind=\"plane\"@5:1");
    /* Around one state, and for a control made of it, there is no other. */
    assert_string_equal(q->from.state, "final");
    assert_string_equal(q->third.state, "");
    assert_string_equal(grid->probes[2].from.state, "best");
    buf_free(&got);
    grid_free(&grid);
}

static void test_bad_planes(void **state)
{
    static const struct {
        const char *text, *error;
    } CASES[] = {
        {PLANE, "g.toml:3:1: key 'third' of probe 'p' is missing: a plane goes through"
                " three states"},
        {PLANE "third = \"init\"\n",
         "g.toml:3:1: probe 'p': expected three different states, got \"init\" twice"},
        {PLANE "third = \"run:a\"\nfrom = \"run:a:final\"\n",
         "g.toml:3:1: probe 'p': expected three different states, got \"run:a:final\""
         " twice"},
        {PLANE "third = \"run:\"\n",
         "g.toml:6:1: key 'third': expected \"run:NAME\" or \"run:NAME:STATE\","
         " got \"run:\" (probe 'p')"},
        {PLANE "third = \"run:a:end\"\n",
         "g.toml:6:1: key 'third': expected a state (\"init\", \"final\", \"best\","
         " \"epoch:3\", \"step:100\"), got \"end\" (probe 'p')"},
        {PLANE "directions = \"random\"\nthird = \"best\"\n",
         "g.toml:7:1: key 'third' of probe 'p': applies only where directions is"
         " \"states\""},
        {PLANE "directions = \"random\"\nfrom = \"best\"\n",
         "g.toml:7:1: key 'from' of probe 'p': applies only where directions is"
         " \"states\""},
        {PLANE "directions = \"gauss\"\n",
         "g.toml:6:1: key 'directions': expected one of \"states\", \"random\","
         " \"filter\", got \"gauss\" (probe 'p')"},
        {PLANE "third = \"best\"\nalphas = 3\n",
         "g.toml:7:1: key 'alphas' of probe 'p': applies only where kind is path, layers"
         " or between"},
        {PLANE "third = \"best\"\nalphas = { from = 0, n = 3 }\n",
         "g.toml:7:12: key 'alphas' of probe 'p': applies only where kind is path,"
         " layers or between"},
        {PLANE "third = \"best\"\ntolerance = 3\n",
         "g.toml:7:1: key 'tolerance' of probe 'p': applies only where kind is path,"
         " layers or between"},
        {PLANE "third = \"best\"\nrefine = { near = 1, n = 3 }\n",
         "g.toml:7:1: key 'refine' of probe 'p': applies only where kind is path, layers"
         " or between"},
        {PLANE "third = \"best\"\nadapt = {}\n",
         "g.toml:7:1: key 'adapt' of probe 'p': applies only where kind is path, layers"
         " or between"},
        {PLANE "third = \"best\"\nstart = \"zeros\"\n",
         "g.toml:7:1: key 'start' of probe 'p': applies only where kind is path or"
         " layers"},
        {PLANE "third = \"best\"\npairs = \"seeds\"\n",
         "g.toml:7:1: key 'pairs' of probe 'p': applies only where kind is between"},
        {PLANE "xs = 1\n", "g.toml:6:1: key 'xs': expected a count from 2 to 65536 or a"
                           " list of different numbers, got 1 (probe 'p')"},
        {PLANE "ys = { from = 0.5 }\n",
         "g.toml:6:1: key 'n' of ys is missing (probe 'p')"},
        {PLANE "ys = { from = inf, n = 3 }\n",
         "g.toml:6:8: key 'from': expected a number, got inf (probe 'p')"},
        {PLANE "xs = [0, nan]\n",
         "g.toml:6:1: key 'xs': expected a count from 2 to 65536"
         " or a list of different numbers, got [0.0,nan] (probe 'p')"},
        {PLANE "third = \"best\"\nsplit = 2\n",
         "g.toml:7:1: key 'split' of probe 'p': applies only where kind is path, layers"
         " or between"},
        {PROBE "xs = 3\n",
         "g.toml:6:1: key 'xs' of probe 'p': applies only where kind is plane"},
        {PROBE "ys = { from = 0, n = 3 }\n",
         "g.toml:6:8: key 'ys' of probe 'p': applies only where kind is plane"},
        {PROBE "third = \"best\"\n",
         "g.toml:6:1: key 'third' of probe 'p': applies only where kind is plane"},
        {PROBE "directions = \"random\"\n",
         "g.toml:6:1: key 'directions' of probe 'p': applies only where kind is plane"},
        {PROBE "seed = 3\n",
         "g.toml:6:1: key 'seed' of probe 'p': applies only where kind is plane"},
        {BETWEEN "start = \"zeros\"\n",
         "g.toml:6:1: key 'start' of probe 'p': applies only where kind is path or"
         " layers"},
        {PROBE "start = \"zero\"\n",
         "g.toml:6:1: key 'start': expected one of \"state\", \"zeros\", \"noise\","
         " \"permuted\", \"seed\", got \"zero\" (did you mean \"zeros\"?) (probe 'p')"},
        {PROBE "start = \"zeros\"\nfrom = \"init\"\n",
         "g.toml:7:1: key 'from' of probe 'p': applies only where start is \"state\" or"
         " \"noise\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planes),
        cmocka_unit_test(test_bad_planes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
