/* Errors of a grid that only a long, odd or half-finished one meets, word by word. Those
 * of what people mistype every day stand with what they mistype: test_grid, test_plan and
 * their like. tests/lint/messages.awk sees to it that each message is in some test. */

#include "plankit.h"

#include "common/spec.h"

#define SPIRAL                                                                           \
    "[base]\ndata.name = \"spiral\"\nmodel = { name = \"mlp\", widths = [4] }\n"
#define AFTER                                                                            \
    "[[intervention]]\nname = \"x\"\nrole = \"init\"\nset = { init.from = \"run:a\" }\n"

static void test_tables_of_the_wrong_kind(void **state)
{
    static const struct {
        const char *text, *error;
    } CASES[] = {
        {"run = 3\n" SWEEP,
         "g.toml:1:1: key 'run': expected [run.NAME] tables, got an integer"},
        {"derive = 3\n" SWEEP,
         "g.toml:1:1: key 'derive': expected [derive.NAME] tables, got an integer"},
        {SWEEP "[[exclude]]\nwhere = 3\n",
         "g.toml:4:1: key 'where': expected a table that tells which runs, got an"
         " integer"},
        {SWEEP "memory = 4\n",
         "g.toml:3:1: key 'memory': expected a size such as \"4 GB\", got an integer"},
        {SWEEP "memory = \"4 XB\"\n",
         "g.toml:3:1: key 'memory': expected a number with one of kB, MB, GB, TB, KiB,"
         " MiB, GiB, TiB, got \"4 XB\""},
        {SWEEP "labels = \"big\"\n",
         "g.toml:3:1: key 'labels': expected a list of labels, got a string"},
        {SWEEP "labels = [\"a b\"]\n",
         "g.toml:3:11: key 'labels': expected 1 to 32 letters, digits, '.', '_' and '-',"
         " got \"a b\""},
        {SWEEP "labels = [3]\n",
         "g.toml:3:11: key 'labels': expected 1 to 32 letters, digits, '.', '_' and '-',"
         " got an integer"},
        {SWEEP "retries = 3\n",
         "g.toml:3:1: key 'retries': expected a table of causes, { exit = 1 }, got an"
         " integer"},
        {SWEEP "retries = { exti = 1 }\n",
         "g.toml:3:13: unknown cause 'exti' in 'retries': expected one of exit, signal,"
         " oom, timeout, worker-lost, data"},
        {SWEEP "stop = \"asha\"\n",
         "g.toml:3:1: key 'stop': expected { rule = ..., metric = ... }, got a string"},
        {SWEEP "stop = { rule = 3 }\n",
         "g.toml:3:10: key 'rule': expected \"median\" or \"asha\", got an integer"},
        {SWEEP "stop = { rule = \"best\" }\n",
         "g.toml:3:10: key 'rule': expected \"median\" or \"asha\", got \"best\""},
        {SWEEP "stop = { rule = \"\" }\n",
         "g.toml:3:10: key 'rule': expected \"median\" or \"asha\", got \"\""},
        {SWEEP "stop = { metric = true }\n",
         "g.toml:3:10: key 'metric': expected a metric such as \"test_loss\", got true"
         " or false"},
        {SWEEP "stop = { metric = \"loss\" }\n",
         "g.toml:3:10: key 'metric': expected one of train_loss, train_acc, test_loss,"
         " test_acc, got \"loss\""},
        {SWEEP "stop = { grace = 0 }\n",
         "g.toml:3:10: key 'grace': expected an integer from 1 to 1000000, got 0"},
        {SWEEP "stop = { factor = 1 }\n",
         "g.toml:3:10: key 'factor': expected an integer from 2 to 1000, got 1"},
        {SWEEP "stop = { metric = \"test_acc\" }\n",
         "g.toml:3:1: key 'rule' of stop is missing"},
        {SWEEP "stop = { rule = \"asha\" }\n",
         "g.toml:3:1: key 'metric' of stop is missing"},
        {SWEEP "stop = { rule = \"median\", metric = \"test_acc\", factor = 2 }\n",
         "g.toml:3:1: key 'factor' of stop goes with rule = \"asha\""},
        {SWEEP "stop = { rule = \"asha\", patience = 2 }\n",
         "g.toml:3:25: unknown key 'patience' in stop: expected one of rule, metric,"
         " grace, factor"},
        {SWEEP "retries = { exit = -1 }\n",
         "g.toml:3:13: key 'exit': expected an integer from 0 to 1000, got -1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].error);
}

static void test_networks_that_do_not_fit(void **state)
{
    static const struct {
        const char *text, *error;
    } CASES[] = {
        {SWEEP SPIRAL "[run.a]\nset = { model.widths = [8] }\n" AFTER,
         "g.toml:11:14: key 'init.from': tensor 'fc1.weight' is 8x2 there and 4x2 here"
         " (intervention 'x' with init.from=\"run:a\")"},
        {SWEEP SPIRAL "[run.a]\nset = { model.norm = \"batch\" }\n" AFTER,
         "g.toml:11:14: key 'init.from': tensor 'bn1.weight' of that network is not in"
         " this (intervention 'x' with init.from=\"run:a\")"},
        {SWEEP "[base]\nmodel = { name = \"resnet20\", width = 3, shortcut = \"pad\" }\n",
         "g.toml:4:11: key 'model.name': model \"resnet20\" on data \"fashion-mnist\":"
         " layer layer2.0.downsample: 3 channels cannot become 6 with as many zeros"
         " before as after (model.shortcut \"pad\")"},
        {SWEEP "[base]\ninit.partial = true\n",
         "g.toml:4:6: key 'init.partial': applies only where init.from is a file"},
        {SWEEP "[base]\ninit.from = \"file:zz\"\n",
         "g.toml:4:6: key 'init.from': expected \"file:HASH\", the hash that 'coord"
         " artifact put FILE' prints, got \"file:zz\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        plankit_refuse(CASES[i].text, CASES[i].error);
}

/* So many times each, %d replaced by a number. */
struct many {
    const char *head, *each, *tail;
    int count;
    const char *error;
};

static void refuse_many(const struct many *many)
{
    struct buf text = {0};

    buf_puts(&text, many->head);
    for (int i = 0; i < many->count; i++) {
        const char *number = strchr(many->each, '#');
        buf_add(&text, many->each, (size_t)(number - many->each));
        buf_put_int(&text, i + 1);
        buf_puts(&text, number + 1);
    }
    buf_puts(&text, many->tail);
    assert_false(text.failed);
    plankit_refuse(text.data, many->error);
    buf_free(&text);
}

static void test_too_many(void **state)
{
    static const struct many CASES[] = {
        {SWEEP,
         "[[intervention]]\nname = \"i#\"\nrole = \"init\"\nset = { init.scale = 2 }\n",
         "", 1001, "g.toml:3:3: more than 1000 interventions"},
        {SWEEP, "[[probe]]\nname = \"p#\"\nkind = \"path\"\n", "", 1001,
         "g.toml:3:3: more than 1000 probes"},
        {SWEEP, "[run.r#]\nset = { init.scale = 2 }\n", "", 101,
         "g.toml:3:2: more than 100 runs"},
        {SWEEP, "[derive.d#]\nkind = \"reset\"\n", "", 101,
         "g.toml:3:2: more than 100 derived states"},
        {SWEEP "labels = [", "\"a#\",", "]\n", 17,
         "g.toml:3:1: key 'labels': expected at most 16 labels, got 17"},
        {SWEEP "[axes]\noptimizer.lr = [", "#,", "]\n", 10001,
         "g.toml:4:11: key 'optimizer.lr': an axis has at most 10000 values"},
        {SWEEP "[base]\nmodel = { name = \"mlp\", widths = [", "#,", "] }\n", 600,
         "g.toml:4:25: key 'model.widths': model \"mlp\" on data \"fashion-mnist\": more"
         " than 1024 layers"},
        {SWEEP SPIRAL "[derive.m]\nkind = \"mix\"\nfrom = \"final\"\n[derive.m.groups]\n",
         "g# = \"init\"\n",
         "[[intervention]]\nname = \"x\"\nrole = \"init\"\n"
         "set = { init.from = \"derive:m\" }\n",
         41,
         "g.toml:9:11: key 'groups': expected at most 40 groups, got 41 (derived state"
         " 'm')"},
        {SWEEP "[[probe]]\nname = \"p\"\nkind = \"path\"\nalphas = [", "0.12345678#1,",
         "]\n", 6000, "g.toml:1:1: a job's spec is longer than 65536 bytes (probe 'p')"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        refuse_many(&CASES[i]);
}

/* What a grid says in its own words before; a spec may come from elsewhere. */
static void test_specs_from_elsewhere(void **state)
{
    static const struct {
        const char *text, *name, *error;
    } CASES[] = {
        {"coord-spec 1 "
         "train\ninit.from=\"run:zz\"\nmodel.name=\"mlp\"\nmodel.widths=[4]\nnumerics=3\n"
         "seed.augment=0\nseed.dropout=0\nseed.init=0\nseed.labels=0\nseed.order=0\n",
         "init.from", "expected \"run:KEY:STATE\" or \"derive:KEY\", got \"run:zz\""},
        {"coord-spec 1 probe\na.run=\"00000000000000000000000000000001\"\n"
         "a.state=\"init\"\nb.run=\"00000000000000000000000000000001\"\n"
         "b.state=\"final\"\nnumerics=3\nprobe.bn=[\"interp\"]\nprobe.kind=\"path\"\n"
         "probe.splits.bn=500\n",
         "probe.splits.bn", "applies only where bn has \"recompute\""},
        {"coord-spec 1 probe\na.run=\"00000000000000000000000000000001\"\n"
         "a.state=\"init\"\nb.run=\"00000000000000000000000000000001\"\n"
         "b.state=\"final\"\nc.run=\"00000000000000000000000000000002\"\n"
         "numerics=3\nprobe.directions=\"random\"\n"
         "probe.kind=\"plane\"\n",
         "c.run", "applies only where probe.directions is states"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct error err = {0};
        const char *name = "";
        struct spec spec;
        if (spec_parse(CASES[i].text, strlen(CASES[i].text), &spec, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(spec_check(&spec, &name, &err), -1);
        assert_string_equal(name, CASES[i].name);
        assert_string_equal(err.text, CASES[i].error);
        spec_free(&spec);
    }
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_tables_of_the_wrong_kind),
        cmocka_unit_test(test_networks_that_do_not_fit),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_specs_from_elsewhere),
    };

    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
