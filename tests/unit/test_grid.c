/* Grid files: what is read, where it stands, and every error's exact words. */

#include "coordinator/grid.h"

#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SWEEP "[sweep]\nname = \"s\"\n" /* lines 1 and 2 */

static struct grid *parse(const char *text)
{
    struct error err = {0};
    struct grid *grid = grid_parse(text, strlen(text), "g.toml", &err);

    if (!grid)
        fail_msg("%s", err.text);
    return grid;
}

struct bad {
    const char *text, *error;
};

static void assert_errors(const struct bad *cases, size_t count, enum err_code code)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        struct grid *grid =
            grid_parse(cases[i].text, strlen(cases[i].text), "g.toml", &err);
        if (grid)
            fail_msg("no error in: %s", cases[i].text);
        assert_string_equal(err.text, cases[i].error);
        assert_int_equal(err.code, code);
    }
}

#define ASSERT_ERRORS(cases, code)                                                       \
    assert_errors(cases, sizeof(cases) / sizeof(cases)[0], code)

/* ---- good grids -------------------------------------------------------------- */

static void test_defaults(void **state)
{
    struct grid *grid = parse(SWEEP);

    (void)state;
    assert_string_equal(grid->name, "s");
    assert_int_equal(grid->seed_count, 1);
    assert_int_equal(grid->seeds[0], 0);
    assert_false(grid->seeds_independent);
    assert_int_equal(grid->max_running, 0);
    assert_int_equal(grid->time_limit_s, 0);
    assert_int_equal(grid->intervention_count, 1);
    assert_string_equal(grid->interventions[0].name, "baseline");
    assert_string_equal(grid->interventions[0].role, "");
    grid_free(&grid);
    assert_null(grid);
    grid_free(&grid);
}

static void test_sweep(void **state)
{
    struct grid *grid = parse("[sweep]\nname = \"a-1\"\nseeds = [7, 3]\n"
                              "seed_policy = \"independent\"\nmax_running = 7\n"
                              "[limits]\ntime = 90\n");

    (void)state;
    assert_int_equal(grid->seed_count, 2);
    assert_int_equal(grid->seeds[0], 7);
    assert_int_equal(grid->seeds[1], 3);
    assert_true(grid->seeds_independent);
    assert_int_equal(grid->max_running, 7);
    assert_int_equal(grid->time_limit_s, 90);
    grid_free(&grid);
}

/* "name=value@line:column" of every setting. */
static void put_settings(const struct grid_settings *set, struct buf *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct grid_setting *item = &set->items[i];
        buf_printf(out, "%s%s=", i ? " " : "", item->opt->name);
        value_text(&item->value, out);
        buf_printf(out, "@%d:%d", item->place.line, item->place.column);
    }
}

static void assert_base(const char *text, const char *expected)
{
    struct grid *grid = parse(text);
    struct buf got = {0};

    put_settings(&grid->base, &got);
    assert_string_equal(got.data, expected);
    buf_free(&got);
    grid_free(&grid);
}

/* Inline tables, headers, dotted and quoted keys all mean the same. */
static void test_ways_to_write_options(void **state)
{
    (void)state;
    assert_base(SWEEP "[base]\nmodel = { name = \"mlp\", widths = [8] }\n",
                "model.name=\"mlp\"@4:11 model.widths=[8]@4:25");
    assert_base(SWEEP "[base.model]\nname = \"mlp\"\nwidths = [8]\n",
                "model.name=\"mlp\"@4:1 model.widths=[8]@5:1");
    assert_base(SWEEP "[base]\nmodel.name = \"mlp\"\n\"model.widths\" = [8]\n",
                "model.name=\"mlp\"@4:7 model.widths=[8]@5:1");
    assert_base(SWEEP "[base]\ndata.labels = { random = 1 }\n"
                      "train.eval = { train = 0.5, test = 1.0 }\n",
                "data.labels.random=1.0@4:17 train.eval.train=0.5@5:16"
                " train.eval.test=\"all\"@5:29");
}

static void test_axes_and_interventions(void **state)
{
    struct grid *grid = parse(SWEEP "[axes]\n"
                                    "\"optimizer.lr\" = [1, 0.1]\n"
                                    "model.widths = [[8], []]\n"
                                    "[[intervention]]\n"
                                    "name = \"i\"\nrole = \"data\"\n"
                                    "set = { \"data.labels.random\" = 1.0 }\n"
                                    "axes = { \"data.train\" = [10,\n 20] }\n");
    const struct grid_intervention *made = &grid->interventions[1];
    struct buf got = {0};

    (void)state;
    assert_int_equal(grid->axes.count, 2);
    put_settings(&grid->axes.items[0].choices, &got);
    buf_puts(&got, "; ");
    put_settings(&grid->axes.items[1].choices, &got);
    assert_string_equal(got.data, "optimizer.lr=1.0@4:19 optimizer.lr=0.1@4:22; "
                                  "model.widths=[8]@5:17 model.widths=[]@5:22");
    buf_clear(&got);
    assert_int_equal(grid->intervention_count, 2);
    assert_string_equal(made->name, "i");
    assert_string_equal(made->role, "data");
    put_settings(&made->set, &got);
    buf_puts(&got, "; ");
    put_settings(&made->axes.items[0].choices, &got);
    assert_string_equal(got.data, "data.labels.random=1.0@9:9; data.train=10@10:26"
                                  " data.train=20@11:2");
    buf_free(&got);
    grid_free(&grid);
}

static void test_probes(void **state)
{
    struct grid *grid =
        parse(SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
                    "from = \"epoch:2\"\n"
                    "alphas = { from = -0.5, to = 1.5, n = 401 }\n"
                    "bn = [\"recompute\", \"interp\"]\n"
                    "splits = { train = 5000, test = \"all\" }\ntolerance = 0\n"
                    "[[probe]]\nname = \"l\"\nkind = \"layers\"\n"
                    "alphas = [1, 0]\ngroups = [\"fc1\", \"conv1+fc2\"]\n"
                    "[[probe]]\nname = \"m\"\nkind = \"layers\"\n"
                    "refine = [{ near = 1, n = 20 }, { near = 0.5, n = 3, width = 0.1 }]"
                    "\nadapt = {}\n");
    struct buf got = {0};

    (void)state;
    assert_int_equal(grid->probe_count, 3);
    assert_string_equal(grid->probes[0].from.state, "epoch:2");
    assert_string_equal(grid->probes[0].to.state, "final");
    put_settings(&grid->probes[0].set, &got);
    assert_string_equal(got.data,
                        "probe.from=-0.5@7:12 probe.to=1.5@7:25 probe.alphas=401@7:35"
                        " probe.bn=[\"interp\",\"recompute\"]@8:1"
                        " probe.splits.train=5000@9:12 probe.splits.test=\"all\"@9:26"
                        " probe.tolerance=0.0@10:1 probe.kind=\"path\"@5:1");
    buf_clear(&got);
    put_settings(&grid->probes[1].set, &got);
    buf_puts(&got, "; ");
    put_settings(&grid->probes[1].groups.list, &got);
    assert_string_equal(got.data,
                        "probe.alphas=[0.0,1.0]@14:1 probe.kind=\"layers\"@13:1; "
                        "probe.groups=\"fc1\"@15:11 probe.groups=\"conv1+fc2\"@15:18");
    assert_false(grid->probes[1].groups.named);
    assert_true(grid->probes[2].groups.named);
    buf_clear(&got);
    put_settings(&grid->probes[2].set, &got);
    assert_string_equal(got.data,
                        "probe.refine=[[0.5,3,0.1],[1.0,20,0.0]]@19:1"
                        " probe.adapt.most=100@20:1 probe.kind=\"layers\"@18:1");
    buf_free(&got);
    grid_free(&grid);
}

/* ---- bad grids --------------------------------------------------------------- */

static void test_bad_tables(void **state)
{
    static const struct bad CASES[] = {
        {"", "g.toml:1:1: table [sweep] with the sweep's name is missing"},
        {"a =", "g.toml:1:4: encountered end-of-file"},
        {SWEEP "[bass]\n", "g.toml:3:2: unknown key 'bass' in the grid: expected one of"
                           " sweep, base, axes, intervention, probe, limits, zip,"
                           " exclude, include, run, derive (did you mean 'base'?)"},
        {SWEEP "[limit]\ntime = 3\n",
         "g.toml:3:2: unknown key 'limit' in the grid: expected one of sweep, base, axes,"
         " intervention, probe, limits, zip, exclude, include, run, derive (did you"
         " mean 'limits'?)"},
        {"sweep = 3", "g.toml:1:1: key 'sweep': expected a table, got an integer"},
        {SWEEP "[[base]]\n", "g.toml:3:3: key 'base': expected a table, got a list"},
        {SWEEP "[intervention]\nname = \"x\"\n",
         "g.toml:3:2: key 'intervention': expected [[intervention]] tables, got a table"},
        {SWEEP "[probe]\n",
         "g.toml:3:2: key 'probe': expected [[probe]] tables, got a table"},
        {"intervention = [3]\n" SWEEP, "g.toml:1:17: expected a table, got an integer"},
    };

    (void)state;
    ASSERT_ERRORS(CASES, ERR_INVALID);
}

static void test_bad_sweep(void **state)
{
    static const struct bad CASES[] = {
        {"[sweep]\n", "g.toml:1:2: key 'name' of [sweep] is missing: results are found"
                      " by it"},
        {"[sweep]\nname = 3",
         "g.toml:2:1: key 'name': expected a string, got an integer"},
        {"[sweep]\nname = \"A b\"",
         "g.toml:2:1: key 'name': expected 1 to 64 lower-case letters, digits and '-',"
         " got \"A b\""},
        {"[sweep]\nname = \"\"",
         "g.toml:2:1: key 'name': expected 1 to 64 lower-case letters, digits and '-',"
         " got \"\""},
        {SWEEP "seads = 3",
         "g.toml:3:1: unknown key 'seads' in [sweep]: expected one of name, seeds,"
         " seed_policy, max_running, priority, cores, memory, labels, retries, stop"
         " (did you mean 'seeds'?)"},
        {SWEEP "seeds = 0",
         "g.toml:3:1: key 'seeds': expected an integer from 1 to 10000,"
         " got 0"},
        {SWEEP "seeds = \"3\"",
         "g.toml:3:1: key 'seeds': expected a count or a list of integers, got a string"},
        {SWEEP "seeds = []", "g.toml:3:1: key 'seeds': expected 1 to 10000 seeds, got 0"},
        {SWEEP "seeds = [1, -2]", "g.toml:3:13: key 'seeds': expected an integer from 0 "
                                  "to 9007199254740992, got -2"},
        {SWEEP "seeds = [1, 1]", "g.toml:3:13: key 'seeds': seed 1 is there twice"},
        {SWEEP "seeds = [1.0]",
         "g.toml:3:10: key 'seeds': expected an integer, got a number"},
        {SWEEP "seed_policy = \"share\"",
         "g.toml:3:1: key 'seed_policy': expected one of \"shared\", \"independent\", got"
         " \"share\" (did you mean \"shared\"?)"},
        {"[sweep]\nname = \"last\"\n",
         "g.toml:2:1: key 'name': \"last\" means the sweep submitted last: expected"
         " another name"},
        {SWEEP "max_running = -1",
         "g.toml:3:1: key 'max_running': expected an integer from 0 to 1000000, got -1"},
        {SWEEP "[limits]\ntime = 1.5",
         "g.toml:4:1: key 'time': expected an integer, got a number"},
        {SWEEP "[limits]\ntimes = 1",
         "g.toml:4:1: unknown key 'times' in [limits]: expected one of time (did you mean"
         " 'time'?)"},
    };

    (void)state;
    ASSERT_ERRORS(CASES, ERR_INVALID);
}

static void test_bad_options(void **state)
{
    static const struct bad CASES[] = {
        {SWEEP "[base]\noptimizer.lrr = 1",
         "g.toml:4:11: unknown key 'optimizer.lrr': expected one of alpha, batch,"
         " beta1, beta2, clip, decay_on, eps, freeze, group_decay, group_lr, lr,"
         " momentum, name, nesterov, weight_decay in 'optimizer' (did you mean "
         "'optimizer.lr'?)"},
        {SWEEP "[base]\noptimiser = { lr = 1 }",
         "g.toml:4:1: unknown key 'optimiser': expected one of data, init, model,"
         " optimizer, seed, train (did you mean 'optimizer'?)"},
        {SWEEP "[base]\nlr = 1",
         "g.toml:4:1: unknown key 'lr': expected one of data, init, model, optimizer,"
         " seed, train (did you mean 'optimizer.lr'?)"},
        {SWEEP "[base]\ntrain = { schedule = { nam = \"step\" } }",
         "g.toml:4:24: unknown key 'train.schedule.nam': expected one of at, factor,"
         " name, warmup in 'train.schedule' (did you mean 'train.schedule.name'?)"},
        {SWEEP "[base]\nmodel = \"mlp\"",
         "g.toml:4:1: key 'model': expected a table, got a string (did you mean"
         " 'model.name'?)"},
        {SWEEP "[base]\ntrain.eval = 3",
         "g.toml:4:7: key 'train.eval': expected a table, got an integer"},
        {SWEEP "[base]\nmodel.name = { x = 1 }",
         "g.toml:4:7: key 'model.name': a table is not a value that an option can have"},
        {SWEEP "[base]\noptimizer.lr = 1979-05-27",
         "g.toml:4:11: key 'optimizer.lr': a date is not a value that an option can "
         "have"},
        {SWEEP "[base]\noptimizer.lr = \"0.1\"",
         "g.toml:4:11: key 'optimizer.lr': expected a number of at least 0, got \"0.1\""},
        {SWEEP "[base]\nmodel.name = \"lenet55\"",
         "g.toml:4:7: key 'model.name': expected one of \"mlp\", \"lenet-300-100\","
         " \"lenet5\", \"vgg11\", \"vgg13\", \"vgg16\", \"vgg19\", \"resnet18\","
         " \"resnet20\", \"resnet32\", \"resnet34\", \"resnet44\", \"resnet50\","
         " \"resnet56\", \"resnet110\", got \"lenet55\" (did you mean \"lenet5\"?)"},
        {SWEEP "[base]\ndata.name = \"imagenet\"",
         "g.toml:4:6: key 'data.name': expected one of \"fashion-mnist\", \"mnist\","
         " \"cifar10\", \"cifar100\", \"spiral\", \"blobs\", got \"imagenet\""},
        {SWEEP "[base]\noptimizer.lr = 1\n\"optimizer.lr\" = 2",
         "g.toml:5:1: key 'optimizer.lr': given twice, first in line 4"},
        {SWEEP "[base]\nnumerics = 1",
         "g.toml:4:1: key 'numerics': is the program's to set"},
        {SWEEP
         "[base]\n\"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a.b.c.d.e.f"
         ".g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a.b.c.d.e.f.g.h.i.j.k.l.m.n\" = 1",
         "g.toml:4:1: unknown key 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t....': no"
         " option's name is that long"},
    };

    (void)state;
    ASSERT_ERRORS(CASES, ERR_INVALID);
}

static void test_bad_axes(void **state)
{
    static const struct bad CASES[] = {
        {SWEEP "[axes]\noptimizer.lr = []",
         "g.toml:4:11: key 'optimizer.lr': expected at least one value on the axis"},
        {SWEEP "[axes]\noptimizer.lr = 0.1",
         "g.toml:4:11: key 'optimizer.lr': expected the list of an axis's values, got a"
         " number"},
        {SWEEP "[axes]\noptimizer.lr = [0.1,\n  -1]",
         "g.toml:5:3: key 'optimizer.lr': expected a number of at least 0, got -1.0"},
        {SWEEP "[axes]\noptimizer.lr = [1, 1.0]",
         "g.toml:4:20: key 'optimizer.lr': the axis has 1.0 twice"},
        {SWEEP "[axes]\nmodel.widths = [300, 100]",
         "g.toml:4:17: key 'model.widths': expected a list of integers from 1 to 65536,"
         " got 300"},
        {SWEEP "[axes]\noptimizer.lr = [1]\n\"optimizer.lr\" = [2]",
         "g.toml:5:1: key 'optimizer.lr': given twice, first in line 4"},
        {SWEEP "[axes]\ndata.labels = [{ random = 1 }]",
         "g.toml:4:6: key 'data.labels': expected a table, got a list"},
        {SWEEP "[axes]\n\"optimzer.lr\" = [1]",
         "g.toml:4:1: unknown key 'optimzer.lr': expected one of data, init, model,"
         " optimizer, seed, train (did you mean 'optimizer.lr'?)"},
    };

    (void)state;
    ASSERT_ERRORS(CASES, ERR_INVALID);
}

#define INTERVENTION SWEEP "[[intervention]]\nname = \"i\"\nrole = \"data\"\n"

static void test_bad_interventions(void **state)
{
    static const struct bad CASES[] = {
        {SWEEP "[[intervention]]\nrole = \"data\"\n",
         "g.toml:3:1: key 'name' of [[intervention]] is missing"},
        {SWEEP "[[intervention]]\nname = \"i\"\nset = { optimizer.lr = 1 }",
         "g.toml:3:1: key 'role' of [[intervention]] is missing: expected one of"
         " \"init\", \"data\", \"optimizer\", \"model\""},
        {SWEEP "[[intervention]]\nname = \"i\"\nrole = \"date\"",
         "g.toml:5:1: key 'role': expected one of \"init\", \"data\", \"optimizer\","
         " \"model\", got \"date\" (did you mean \"data\"?)"},
        {SWEEP "[[intervention]]\nname = \"a b\"",
         "g.toml:4:1: key 'name': expected 1 to 64 letters, digits, '-', '.' and '_',"
         " got \"a b\""},
        {INTERVENTION,
         "g.toml:3:1: intervention 'i' changes nothing: expected 'set' or 'axes'"},
        {INTERVENTION "set = 3\n",
         "g.toml:6:1: key 'set': expected a table, got an integer"},
        {INTERVENTION "set = { data.labels.noise = 1.5 }\n",
         "g.toml:6:21: key 'data.labels.noise': expected a number from 0 to 1, got 1.5"},
        {INTERVENTION "set = { train.until.train_acc = 99.99 }\n",
         "g.toml:6:21: key 'train.until.train_acc': expected a number from 0 to 1, got"
         " 99.99"},
        {INTERVENTION "sets = {}\n",
         "g.toml:6:1: unknown key 'sets' in [[intervention]]: expected one of name, role,"
         " set, axes (did you mean 'set'?)"},
        {INTERVENTION "set = { \"data.label.random\" = 1.0 }\n",
         "g.toml:6:9: unknown key 'data.label.random': expected one of augment, blur,"
         " classes, dir, labels.noise, labels.random, name, pad, prototypes,"
         " replicas, shape, shuffle, sizes, spread, train, zero_out in 'data' (did you "
         "mean "
         "'data.labels.random'?)"},
        {INTERVENTION "set = { optimizer.lr = 1 }\n"
                      "[[intervention]]\nname = \"i\"\nrole = \"init\"\n"
                      "set = { optimizer.lr = 2 }\n",
         "g.toml:7:1: intervention 'i' is there twice, first in line 3"},
        {SWEEP "[[intervention]]\nname = \"baseline\"\nrole = \"init\"\n"
               "set = { optimizer.lr = 2 }\n",
         "g.toml:3:1: intervention 'baseline' is implied: expected another name"},
        {INTERVENTION "set = { optimizer.lr = 1 }\n[axes]\noptimizer.lr = [1, 2]\n",
         "g.toml:6:19: key 'optimizer.lr': is an axis of the grid in line 8, so"
         " intervention 'i' cannot change it"},
        {INTERVENTION "axes = { optimizer.lr = [1] }\n[axes]\noptimizer.lr = [1, 2]\n",
         "g.toml:6:20: key 'optimizer.lr': is an axis of the grid in line 8, so"
         " intervention 'i' cannot change it"},
    };

    (void)state;
    ASSERT_ERRORS(CASES, ERR_INVALID);
}

#define PROBE   SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\n"
#define BETWEEN SWEEP "[[probe]]\nname = \"p\"\nkind = \"between\"\n"

static void test_bad_probes(void **state)
{
    static const struct bad CASES[] = {
        {SWEEP "[[probe]]\nkind = \"path\"\n",
         "g.toml:3:1: key 'name' of [[probe]] is missing"},
        {SWEEP "[[probe]]\nname = \"p\"\n",
         "g.toml:3:1: key 'kind' of [[probe]] is missing: expected one of \"path\","
         " \"layers\", \"between\", \"plane\""},
        {SWEEP "[[probe]]\nkind = \"pth\"\n",
         "g.toml:4:1: key 'kind': expected one of \"path\", \"layers\", \"between\","
         " \"plane\", got \"pth\" (did you mean \"path\"?)"},
        {PROBE "alpha = 3",
         "g.toml:6:1: unknown key 'alpha' in [[probe]]: expected one of name, kind, from,"
         " to, alphas, groups, bn, splits, tolerance, classes, examples,"
         " trajectory, refine, adapt, pairs, start, start_seed, third, directions, seed, "
         "xs, ys, split (did you mean 'alphas'?) (probe 'p')"},
        {PROBE "alphas = 1", "g.toml:6:1: key 'alphas': expected a count from 2 to 65536 "
                             "or a list of different"
                             " numbers, got 1 (probe 'p')"},
        {PROBE "alphas = { from = 0 }",
         "g.toml:6:1: key 'n' of alphas is missing (probe 'p')"},
        {PROBE "alphas = { n = [1] }",
         "g.toml:6:12: key 'n': expected a count of at least 2, got a list (probe 'p')"},
        {PROBE "alphas = { m = 3 }", "g.toml:6:12: unknown key 'm' in alphas: expected "
                                     "one of from, to, n (probe 'p')"},
        {PROBE "from = \"start\"", "g.toml:6:1: key 'from': expected a state (\"init\", "
                                   "\"final\", \"best\", \"epoch:3\","
                                   " \"step:100\"), got \"start\" (probe 'p')"},
        {PROBE "to = \"init\"",
         "g.toml:3:1: probe 'p': expected two different states, got \"init\" twice"},
        {PROBE "bn = []", "g.toml:6:1: key 'bn': expected at least one way (probe 'p')"},
        {PROBE "bn = [\"interpol\"]",
         "g.toml:6:1: key 'bn': expected a list of different names out of \"interp\","
         " \"recompute\", \"end\", \"start\", \"batch\", got [\"interpol\"] (did you mean"
         " \"interp\"?) (probe 'p')"},
        {PROBE "splits = { tests = 3 }", "g.toml:6:12: unknown key 'tests' in splits: "
                                         "expected one of train, test, bn (did"
                                         " you mean 'test'?) (probe 'p')"},
        {PROBE "splits = { test = 0 }",
         "g.toml:6:12: key 'test': expected \"all\", a count of at least 1 or a share in"
         " (0, 1], got 0 (probe 'p')"},
        {PROBE "splits = 5000",
         "g.toml:6:1: key 'splits': expected a table, got an integer (probe 'p')"},
        {PROBE "tolerance = -1", "g.toml:6:1: key 'tolerance': expected a number of at "
                                 "least 0, got -1.0 (probe 'p')"},
        {PROBE "groups = \"layers\"",
         "g.toml:3:1: key 'groups' of probe 'p': applies only where kind is layers,"
         " between or plane"},
        {PROBE "pairs = \"seeds\"",
         "g.toml:6:1: key 'pairs' of probe 'p': applies only where kind is between"},
        {BETWEEN "pairs = \"runs\"", "g.toml:6:1: key 'pairs': expected \"seeds\" or { a "
                                     "= {...}, b = {...} } (probe 'p')"},
        {BETWEEN "pairs = { a = {} }",
         "g.toml:6:1: key 'b' of pairs is missing (probe 'p')"},
        {BETWEEN "pairs = { a = {}, b = { seed = \"x\" } }",
         "g.toml:6:25: key 'seed': expected one of the sweep's seeds, got a string "
         "(probe 'p')"},
        {BETWEEN "pairs = { a = {}, b = { optimiser.lr = 1 } }",
         "g.toml:6:25: unknown key 'optimiser': expected one of data, init, model,"
         " optimizer, seed, train (did you mean 'optimizer'?) (probe 'p')"},
        {PROBE "groups = \"layer\"",
         "g.toml:6:1: key 'groups': expected one of \"blocks\", \"layers\", got \"layer\""
         " (did you mean \"layers\"?) (probe 'p')"},
        {PROBE "groups = []",
         "g.toml:6:1: key 'groups': expected at least one group (probe 'p')"},
        {PROBE "groups = [1]", "g.toml:6:11: key 'groups': expected a group such as "
                               "\"fc1\" or \"conv1+fc2\" (probe 'p')"},
        {PROBE "groups = 3",
         "g.toml:6:1: key 'groups': expected \"blocks\", \"layers\" or a list of groups,"
         " got an integer (probe 'p')"},
        {PROBE "refine = 20", "g.toml:6:1: key 'refine': expected { near = ..., n = ...,"
                              " width = ... }, got an integer (probe 'p')"},
        {PROBE "refine = { near = 1.0 }",
         "g.toml:6:1: key 'n' of refine is missing (probe 'p')"},
        {PROBE "refine = { n = 3 }",
         "g.toml:6:1: key 'near' of refine is missing (probe 'p')"},
        {PROBE "refine = [{ near = 1, n = 3 }, { near = \"one\", n = 3 }]",
         "g.toml:6:34: key 'near': expected a number, got \"one\" (probe 'p')"},
        {PROBE "refine = { near = 1, n = 0 }",
         "g.toml:6:22: key 'n': expected an integer from 1 to 10000, got 0 (probe 'p')"},
        {PROBE "refine = { near = 1, n = 3, width = 0 }",
         "g.toml:6:29: key 'width': expected a number above 0, got 0.0 (probe 'p')"},
        {PROBE "refine = { near = 1, count = 3 }",
         "g.toml:6:22: unknown key 'count' in refine: expected one of near, n, width "
         "(probe 'p')"},
        {PROBE "refine = [{ near = 1, n = 3 }, { near = 1.0, n = 3 }]",
         "g.toml:6:1: key 'refine': expected different refinements [near, n, width], each"
         " n from 1 to 10000, got [[1.0,3,0.0],[1.0,3,0.0]] (probe 'p')"},
        {PROBE "adapt = 0.05",
         "g.toml:6:1: key 'adapt': expected a table, got a number (probe 'p')"},
        {PROBE "adapt = { tolerance = 0 }",
         "g.toml:6:11: key 'tolerance': expected a number above 0, got 0.0 (probe 'p')"},
        {PROBE "adapt = { most = 10001 }", "g.toml:6:11: key 'most': expected an integer "
                                           "from 0 to 10000, got 10001 (probe 'p')"},
        {PROBE "adapt = { points = 3 }", "g.toml:6:11: unknown key 'points' in adapt: "
                                         "expected one of tolerance, most (probe 'p')"},
        {PROBE "[[probe]]\nname = \"p\"\nkind = \"layers\"\n",
         "g.toml:6:1: probe 'p' is there twice, first in line 3"},
    };

    (void)state;
    ASSERT_ERRORS(CASES, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_ways_to_write_options),
        cmocka_unit_test(test_axes_and_interventions),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_bad_sweep),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_bad_axes),
        cmocka_unit_test(test_bad_interventions),
        cmocka_unit_test(test_bad_probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
