/* The grid reader takes what TOML 1.0 takes and refuses what it refuses: ways to
 * write the same grid that come to the same key, and texts that are no TOML, or TOML
 * that no option can take, with their sentences. */

#include "common/error.h"
#include "coordinator/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SWEEP "[sweep]\nname = \"s\"\n" /* lines 1 and 2 */

static void read_key(const char *text, char ret[HASH_TEXT])
{
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);

    if (!plan)
        fail_msg("%s\n%s", text, err.text);
    assert_int_equal(plan->job_count, 1);
    memcpy(ret, plan->jobs[0].key, HASH_TEXT);
    plan_free(&plan);
}

/* All say: an mlp of 100 and 50 units, adam, a rate of 0.5, ten epochs. */
static void test_the_same_grid(void **state)
{
    static const char *const SAME[] = {
        /* dotted keys, in any order, with blanks */
        SWEEP "[base]\noptimizer.name = \"adam\"\nmodel.name = \"mlp\"\n"
              "optimizer . lr = 0.5\nmodel.widths = [100, 50]\ntrain.epochs = 10\n",
        /* tables, and tables of tables that are never named */
        SWEEP "[base.optimizer]\nname = \"adam\"\nlr = 0.5\n"
              "[base.model]\nname = \"mlp\"\nwidths = [100, 50]\n"
              "[base.train]\nepochs = 10\n",
        /* inline tables */
        "base = { optimizer = { name = \"adam\", lr = 0.5 },"
        " model = { name = \"mlp\", widths = [100, 50] }, train = { epochs = 10 } "
        "}\n" SWEEP,
        /* quoted keys: each of one part, or the whole name in one */
        SWEEP "[\"base\"]\n\"optimizer\".'name' = \"adam\"\n\"optimizer.lr\" = 0.5\n"
              "'model.name' = 'mlp'\nmodel.\"widths\" = [100, 50]\ntrain.epochs = 10\n",
        /* literal and multi-line strings; escapes; a line that goes on */
        SWEEP "[base]\noptimizer.name = '''\nadam'''\nmodel.name = \"\"\"\\\n   m\\\n"
              "   lp\"\"\"\noptimizer.lr = 0.5\nmodel.widths = [100, 50]\n"
              "train.epochs = 10\n",
        SWEEP "[base]\noptimizer.name = \"\\u0061d\\U00000061m\"\nmodel.name = \"mlp\"\n"
              "optimizer.lr = 0.5\nmodel.widths = [100, 50]\ntrain.epochs = 10\n",
        /* numbers: signs, underscores, exponents, other bases */
        SWEEP "[base]\noptimizer.name = \"adam\"\nmodel.name = \"mlp\"\n"
              "optimizer.lr = +5_0.0E-0_2\nmodel.widths = [0x64, 0b11_0010]\n"
              "train.epochs = 0o12\n",
        /* lists over lines, with comments and a last comma */
        SWEEP
        "[base] # the run\noptimizer.name = \"adam\"\nmodel.name = \"mlp\"\n"
        "optimizer.lr = 0.5\nmodel.widths = [ # two\n\n  100,\n  50, # the last\n]\n"
        "train.epochs = 10\n",
        /* lines of Windows, tabs, a byte order mark, no last line break */
        "\xEF\xBB\xBF[sweep]\r\n\tname\t=\t\"s\"\r\n[base]\r\noptimizer.name = "
        "\"adam\"\r\n"
        "model.name = \"mlp\"\r\noptimizer.lr = 0.5\r\nmodel.widths = [100,\r\n50]\r\n"
        "train.epochs = 10",
        /* tables in another order, one of them above its parent */
        "[base.train]\nepochs = 10\n[base]\noptimizer.name = \"adam\"\noptimizer.lr = "
        "0.5\n"
        "model.name = \"mlp\"\nmodel.widths = [100, 50]\n" SWEEP,
    };
    char expected[HASH_TEXT], key[HASH_TEXT];

    (void)state;
    read_key(SAME[0], expected);
    for (size_t i = 1; i < sizeof SAME / sizeof SAME[0]; i++) {
        read_key(SAME[i], key);
        if (strcmp(key, expected) != 0)
            fail_msg("another key than the first's:\n%s", SAME[i]);
    }
}

static void assert_refused(const char *text, const char *expected)
{
    struct error err = {0};
    struct plan *plan = plan_from_grid(text, strlen(text), "g.toml", &err);

    if (plan)
        fail_msg("accepted:\n%s", text);
    if (strcmp(err.text, expected) != 0)
        fail_msg("%s\ngot      %s\nexpected %s", text, err.text, expected);
}

static const struct {
    const char *text, *expected;
} NOT_TOML[] = {
    {SWEEP "[base]\noptimizer.lr = 1\noptimizer.lr = 2\n",
     "g.toml:5:16: cannot redefine existing integer 'optimizer.lr'"},
    {SWEEP "[base]\n[base]\n", "g.toml:4:1: cannot redefine existing table 'base'"},
    {SWEEP "[base]\noptimizer.lr = 1\n[base.optimizer]\nmomentum = 0.9\n",
     "g.toml:5:1: cannot redefine existing table 'base.optimizer'"},
    {SWEEP "[base]\noptimizer = { lr = 1 }\noptimizer.momentum = 0.9\n",
     "g.toml:5:1: cannot redefine existing table as dotted key-value pair"},
    {SWEEP "[base]\noptimizer = { lr = 1 }\n[base.optimizer]\nmomentum = 0.9\n",
     "g.toml:5:1: cannot redefine existing table 'base.optimizer'"},
    {SWEEP "[base]\noptimizer = { lr = 1, lr = 2 }\n",
     "g.toml:4:28: cannot redefine existing integer 'lr'"},
    {SWEEP "[base]\noptimizer = { lr = 1,\n momentum = 0.9 }\n",
     "g.toml:4:22: expected key or closing '}', saw '\\n'"},
    {SWEEP "[base]\noptimizer = { lr = 1, }\n",
     "g.toml:4:23: expected key-value pair, saw closing '}' (dangling comma)"},
    {SWEEP "[base]\ntrain.epochs = 1\ntrain.epochs.x = 2\n",
     "g.toml:5:7: cannot redefine existing integer as dotted key-value pair"},
    {SWEEP "[[probe]]\nname = \"p\"\n[probe]\nkind = \"path\"\n",
     "g.toml:5:1: cannot redefine existing array 'probe' as table"},
    {"probe = []\n" SWEEP "[[probe]]\nname = \"p\"\n",
     "g.toml:4:1: cannot redefine existing array 'probe' as array-of-tables"},
    {SWEEP "[base]\ntrain.epochs = 010\n", "g.toml:4:19: leading zeroes are prohibited"},
    {SWEEP "[base]\noptimizer.lr = .5\n", "g.toml:4:16: expected decimal digit, saw '.'"},
    {SWEEP "[base]\noptimizer.lr = 1.\n",
     "g.toml:4:18: expected decimal digit, saw '\\n'"},
    {SWEEP "[base]\ntrain.epochs = 1__0\n",
     "g.toml:4:18: underscores may only follow digits"},
    {SWEEP "[base]\nmodel.name = mlp\n", "g.toml:4:14: could not determine value type"},
    {SWEEP "[base]\nmodel.name = \"mlp\n\"\n",
     "g.toml:4:18: unescaped control characters other than TAB (U+0009) are"
     " explicitly prohibited"},
    {SWEEP "[base]\nmodel.name = \"m\\lp\"\n",
     "g.toml:4:17: unknown escape sequence '\\l'"},
    {SWEEP "[base]\nmodel.name = \"\"\"mlp\n", "g.toml:4:21: encountered end-of-file"},
    {SWEEP "[base]\nmodel.residual = True\n", "g.toml:4:18: expected 'true', saw 'T'"},
    {SWEEP "[base]\nmodel.widths = [100 50]\n",
     "g.toml:4:21: expected comma or closing ']', saw '5'"},
    {SWEEP "[base]\nmodel.widths = [100\n", "g.toml:4:21: encountered end-of-file"},
    {SWEEP "[base]\noptimizer.lr = 1 train.epochs = 2\n",
     "g.toml:4:18: expected a comment or whitespace, saw 't'"},
    {SWEEP "[base]\noptimizer.lr =\n", "g.toml:4:15: expected value, saw '\\n'"},
    {SWEEP "[base]\n= 1\n",
     "g.toml:4:1: expected keys, tables, whitespace or comments, saw '='"},
    {SWEEP "[base\n", "g.toml:3:6: expected ']', saw '\\n'"},
    {SWEEP "[base] optimizer.lr = 1\n",
     "g.toml:3:8: expected a comment or whitespace, saw 'o'"},
    {SWEEP "# \x01\n",
     "g.toml:3:3: control characters other than TAB (U+0009) are explicitly"
     " prohibited in comments"},
    {SWEEP "# \xC3\x28\n", "g.toml:3:2: Encountered invalid utf-8 sequence"},
};

static const struct {
    const char *text, *expected;
} NO_VALUE[] = {
    {SWEEP "[base]\ntrain.epochs = 1979-05-27\n",
     "g.toml:4:7: key 'train.epochs': a date is not a value that an option"
     " can have"},
    {SWEEP "[base]\ntrain.epochs = 1979-05-27T07:32:00Z\n",
     "g.toml:4:7: key 'train.epochs': a date is not a value that an option"
     " can have"},
    {SWEEP "[base]\noptimizer.lr = 07:32:00\n",
     "g.toml:4:11: key 'optimizer.lr': a date is not a value that an option"
     " can have"},
    {SWEEP "seeds = 1979-05-27\n",
     "g.toml:3:1: key 'seeds': expected a count or a list of integers, got"
     " a date"},
    {SWEEP "[axes]\n\"optimizer.lr\" = [0.1, 1979-05-27]\n",
     "g.toml:4:24: key 'optimizer.lr': a date is not a value that an option"
     " can have"},
    {SWEEP "[base]\noptimizer.lr = inf\n",
     "g.toml:4:11: key 'optimizer.lr': expected a number of at least 0, got"
     " inf"},
    {SWEEP "[base]\noptimizer.lr = nan\n",
     "g.toml:4:11: key 'optimizer.lr': expected a number of at least 0, got"
     " nan"},
    {SWEEP "[base]\ntrain.epochs = 1.0\n",
     "g.toml:4:7: key 'train.epochs': expected an integer from 0 to 100000,"
     " got 1.0"},
    {SWEEP "[base]\ntrain.epochs = \"10\"\n",
     "g.toml:4:7: key 'train.epochs': expected an integer from 0 to 100000,"
     " got \"10\""},
    {SWEEP "[base]\nmodel.widths = [100, \"50\"]\n",
     "g.toml:4:7: key 'model.widths': expected a list of integers from 1 to"
     " 65536, got [100,\"50\"]"},
    {SWEEP "[base]\nmodel.widths = [[100]]\n",
     "g.toml:4:7: key 'model.widths': expected a list of integers from 1 to"
     " 65536, got [[100]]"},
    {SWEEP "[base]\ntrain.epochs = 9223372036854775808\n",
     "g.toml:4:35: '9223372036854775808' is not representable in 64 bits"},
    {SWEEP "[base]\nmodel.name = \"m\\u0000\"\n",
     "g.toml:4:7: a NUL character is not allowed"},
    {SWEEP "[[base]]\noptimizer.lr = 1\n",
     "g.toml:3:3: key 'base': expected a table, got a list"},
    {"base = 1\n" SWEEP, "g.toml:1:1: key 'base': expected a table, got an integer"},
    {SWEEP "[base]\noptimizer.name = \"\"\"\nsgd\n\"\"\"\n",
     "g.toml:4:11: key 'optimizer.name': expected one of \"sgd\", \"adam\","
     " \"adamw\", \"rmsprop\", got \"sgd\\n\" (did you mean \"sgd\"?)"},
};

static void test_what_is_not_toml(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NOT_TOML / sizeof NOT_TOML[0]; i++)
        assert_refused(NOT_TOML[i].text, NOT_TOML[i].expected);
}

static void test_what_no_option_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NO_VALUE / sizeof NO_VALUE[0]; i++)
        assert_refused(NO_VALUE[i].text, NO_VALUE[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_grid),
        cmocka_unit_test(test_what_is_not_toml),
        cmocka_unit_test(test_what_no_option_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
