/* The option table: its own consistency, and what opt_check says to each type. */

#include "common/opts.h"

#include "common/error.h"
#include "common/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Check a value text against an option and give its canonical text, or the
 * error's sentence. */
static void assert_check(enum job_kind kind, const char *name, const char *value_is,
                         int code, const char *expected)
{
    const struct opt *opt = opt_find(kind, name);
    struct error err = {0};
    struct value value;
    struct buf text = {0};

    assert_non_null(opt);
    assert_int_equal(value_parse(value_is, strlen(value_is), &value, &err), 0);
    if (opt_check(opt, &value, &err) == 0)
        value_text(&value, &text);
    else
        buf_puts(&text, err.text);
    assert_string_equal(text.data, expected);
    assert_int_equal(err.code, code);
    value_free(&value);
    buf_free(&text);
}

static void test_table_is_sorted(void **state)
{
    size_t count;
    const struct opt *rows = opt_table(&count);

    (void)state;
    for (size_t i = 1; i < count; i++) {
        int order = strcmp(rows[i - 1].name, rows[i].name);
        assert_true(order < 0 || (order == 0 && rows[i - 1].kind < rows[i].kind));
    }
}

/* A default must be the canonical text of a valid value, or specs would change
 * their keys when it is written out. */
static void test_defaults_are_canonical(void **state)
{
    size_t count;
    const struct opt *rows = opt_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        if (rows[i].fallback)
            assert_check(rows[i].kind, rows[i].name, rows[i].fallback, ERR_NONE,
                         rows[i].fallback);
}

static bool is_listed(const char *table)
{
    for (const char *const *name = opt_tables(); *name; name++)
        if (strcmp(*name, table) == 0)
            return true;
    return false;
}

static void test_tables_are_complete(void **state)
{
    size_t count;
    const struct opt *rows = opt_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        char name[64];
        char *dot;
        assert_true(strlen(rows[i].name) < sizeof name);
        assert_non_null(rows[i].help);
        strcpy(name, rows[i].name);
        while (rows[i].kind == JOB_TRAIN && (dot = strrchr(name, '.'))) {
            *dot = '\0';
            assert_true(is_listed(name));
            assert_null(opt_find(JOB_TRAIN, name));
        }
    }
}

static bool has_name(const struct opt *opt, const char *name)
{
    for (size_t i = 0; opt->names[i]; i++)
        if (strcmp(opt->names[i], name) == 0)
            return true;
    return false;
}

/* Every condition names an option with names, and only names that it has. */
static void test_needs_are_consistent(void **state)
{
    size_t count;
    const struct opt *rows = opt_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        char needs[256], *words, *word;
        const struct opt *on;
        if (!rows[i].needs)
            continue;
        assert_true(strlen(rows[i].needs) < sizeof needs);
        strcpy(needs, rows[i].needs);
        words = strchr(needs, '=');
        assert_non_null(words);
        *words++ = '\0';
        on = opt_find(rows[i].kind, needs);
        assert_true(on && on->type == OPT_NAME);
        for (word = strtok(words, "|"); word; word = strtok(NULL, "|"))
            assert_true(has_name(on, word));
    }
}

static void test_numbers(void **state)
{
    (void)state;
    assert_check(JOB_TRAIN, "optimizer.lr", "1", 0, "1.0");
    assert_check(JOB_TRAIN, "optimizer.lr", "0.05", 0, "0.05");
    assert_check(JOB_TRAIN, "optimizer.lr", "-0.0", 0, "0.0");
    assert_check(JOB_TRAIN, "optimizer.lr", "-0.1", ERR_INVALID,
                 "expected a number of at least 0, got -0.1");
    assert_check(JOB_TRAIN, "optimizer.lr", "inf", ERR_INVALID,
                 "expected a number of at least 0, got inf");
    assert_check(JOB_TRAIN, "optimizer.lr", "nan", ERR_INVALID,
                 "expected a number of at least 0, got nan");
    assert_check(JOB_TRAIN, "optimizer.lr", "\"fast\"", ERR_INVALID,
                 "expected a number of at least 0, got \"fast\"");
    assert_check(JOB_TRAIN, "optimizer.momentum", "1", ERR_INVALID,
                 "expected a number from 0 to below 1, got 1.0");
    assert_check(JOB_TRAIN, "init.scale", "0.0", ERR_INVALID,
                 "expected a number above 0, got 0.0");
    assert_check(JOB_TRAIN, "data.labels.random", "1.5", ERR_INVALID,
                 "expected a number from 0 to 1, got 1.5");
    assert_check(JOB_TRAIN, "optimizer.batch", "65536", 0, "65536");
    assert_check(JOB_TRAIN, "optimizer.batch", "0", ERR_INVALID,
                 "expected an integer from 1 to 65536, got 0");
    assert_check(JOB_TRAIN, "optimizer.batch", "128.0", ERR_INVALID,
                 "expected an integer from 1 to 65536, got 128.0");
    assert_check(JOB_TRAIN, "seed.init", "9007199254740992", 0, "9007199254740992");
    assert_check(JOB_TRAIN, "seed.init", "-1", ERR_INVALID,
                 "expected an integer of at least 0, got -1");
    assert_check(JOB_TRAIN, "optimizer.nesterov", "1", ERR_INVALID,
                 "expected true or false, got 1");
    assert_check(JOB_PROBE, "probe.from", "-1", 0, "-1.0");
    assert_check(JOB_PROBE, "probe.from", "\"a\"", ERR_INVALID,
                 "expected a number, got \"a\"");
}

#define MODELS                                                                           \
    "\"mlp\", \"lenet-300-100\", \"lenet5\", \"vgg11\", \"vgg13\", \"vgg16\", "          \
    "\"vgg19\","                                                                         \
    " \"resnet18\", \"resnet20\", \"resnet32\", \"resnet34\", \"resnet44\","             \
    " \"resnet50\", \"resnet56\", \"resnet110\""

static void test_names(void **state)
{
    (void)state;
    assert_check(JOB_TRAIN, "model.name", "\"mlp\"", 0, "\"mlp\"");
    assert_check(JOB_TRAIN, "model.name", "\"lenet\"", ERR_INVALID,
                 "expected one of " MODELS ", got \"lenet\" (did you mean"
                 " \"lenet5\"?)");
    assert_check(JOB_TRAIN, "model.name", "\"transformer\"", ERR_INVALID,
                 "expected one of " MODELS ", got \"transformer\"");
    assert_check(JOB_PROBE, "probe.kind", "\"between\"", ERR_INVALID,
                 "expected one of \"path\", \"layers\", \"plane\", got \"between\"");
    assert_check(JOB_TRAIN, "optimizer.name", "\"sdg\"", ERR_INVALID,
                 "expected one of \"sgd\", \"adam\", \"adamw\", \"rmsprop\", got"
                 " \"sdg\" (did you mean \"sgd\"?)");
    assert_check(JOB_TRAIN, "model.width", "8", 0, "8.0");
    assert_check(JOB_TRAIN, "data.dir", "3", ERR_INVALID, "expected a string, got 3");
}

static void test_lists(void **state)
{
    (void)state;
    assert_check(JOB_TRAIN, "data.augment", "[\"crop4\",\"flip\"]", 0,
                 "[\"flip\",\"crop4\"]");
    assert_check(JOB_TRAIN, "data.augment", "[\"flop\"]", ERR_INVALID,
                 "expected a list of different names out of \"flip\", \"crop4\","
                 " got [\"flop\"] (did you mean \"flip\"?)");
    assert_check(JOB_TRAIN, "data.augment", "[\"flip\",\"flip\"]", ERR_INVALID,
                 "expected a list of different names out of \"flip\", \"crop4\","
                 " got [\"flip\",\"flip\"]");
    assert_check(JOB_TRAIN, "model.widths", "[]", 0, "[]");
    assert_check(JOB_TRAIN, "model.widths", "[0]", ERR_INVALID,
                 "expected a list of integers from 1 to 65536, got [0]");
    assert_check(JOB_TRAIN, "model.widths", "300", ERR_INVALID,
                 "expected a list of integers from 1 to 65536, got 300");
    assert_check(JOB_TRAIN, "train.schedule.at", "[10,10]", ERR_INVALID,
                 "expected a list of integers from 1 to 100000, ascending, got [10,10]");
    assert_check(JOB_PROBE, "probe.bn", "[\"batch\",\"end\",\"interp\"]", 0,
                 "[\"interp\",\"end\",\"batch\"]");
    assert_check(JOB_TRAIN, "optimizer.group_lr", "[\"fc=1\",\"a+b=10\"]", 0,
                 "[\"fc=1.0\",\"a+b=10.0\"]");
    assert_check(JOB_TRAIN, "optimizer.group_lr", "[\"fc\"]", ERR_INVALID,
                 "expected a list of \"GROUP=NUMBER\", each number above 0, got"
                 " [\"fc\"]");
    assert_check(JOB_TRAIN, "optimizer.group_lr", "[\"fc=0\"]", ERR_INVALID,
                 "expected a list of \"GROUP=NUMBER\", each number above 0, got"
                 " [\"fc=0\"]");
    assert_check(JOB_TRAIN, "optimizer.group_decay", "[\"=1\"]", ERR_INVALID,
                 "expected a list of \"GROUP=NUMBER\", each number of at least 0, got"
                 " [\"=1\"]");
    assert_check(JOB_TRAIN, "optimizer.group_decay", "[\"fc=nan\"]", ERR_INVALID,
                 "expected a list of \"GROUP=NUMBER\", each number of at least 0, got"
                 " [\"fc=nan\"]");
    assert_check(JOB_PROBE, "probe.groups", "[\"\"]", ERR_INVALID,
                 "expected a list of different strings, got [\"\"]");
}

static void test_sizes_and_alphas(void **state)
{
    const char *size =
        "expected \"all\", a count of at least 1 or a share in (0, 1], got ";
    char text[128];

    (void)state;
    assert_check(JOB_TRAIN, "data.train", "\"all\"", 0, "\"all\"");
    assert_check(JOB_TRAIN, "data.train", "0.2", 0, "0.2");
    assert_check(JOB_TRAIN, "data.train", "1.0", 0, "\"all\"");
    assert_check(JOB_TRAIN, "data.train", "1", 0, "1");
    snprintf(text, sizeof text, "%s0", size);
    assert_check(JOB_TRAIN, "data.train", "0", ERR_INVALID, text);
    snprintf(text, sizeof text, "%s1.5", size);
    assert_check(JOB_TRAIN, "data.train", "1.5", ERR_INVALID, text);
    snprintf(text, sizeof text, "%s\"some\"", size);
    assert_check(JOB_TRAIN, "data.train", "\"some\"", ERR_INVALID, text);
    assert_check(JOB_PROBE, "probe.alphas", "2", 0, "2");
    assert_check(JOB_PROBE, "probe.alphas", "[1,0,0.5]", 0, "[0.0,0.5,1.0]");
    assert_check(
        JOB_PROBE, "probe.alphas", "1", ERR_INVALID,
        "expected a count from 2 to 65536 or a list of different numbers, got 1");
    assert_check(
        JOB_PROBE, "probe.alphas", "[]", ERR_INVALID,
        "expected a count from 2 to 65536 or a list of different numbers, got []");
    assert_check(JOB_PROBE, "probe.alphas", "[0,0.0]", ERR_INVALID,
                 "expected a count from 2 to 65536 or a list of different numbers,"
                 " got [0.0,0.0]");
}

static void test_states(void **state)
{
    const char *expected =
        "expected a list of states (\"init\", \"final\", \"best\", \"epoch:3\","
        " \"step:100\"), got ";
    char text[160];

    (void)state;
    assert_check(JOB_TRAIN, "train.keep", "[]", 0, "[\"final\"]");
    assert_check(JOB_TRAIN, "train.keep",
                 "[\"epoch:10\",\"init\",\"epoch:9\",\"step:5\",\"init\"]", 0,
                 "[\"init\",\"final\",\"step:5\",\"epoch:9\",\"epoch:10\"]");
    assert_check(JOB_TRAIN, "train.keep", "[\"best\"]", 0, "[\"final\",\"best\"]");
    snprintf(text, sizeof text, "%s[\"last\"]", expected);
    assert_check(JOB_TRAIN, "train.keep", "[\"last\"]", ERR_INVALID, text);
    snprintf(text, sizeof text, "%s[\"epoch:0\"]", expected);
    assert_check(JOB_TRAIN, "train.keep", "[\"epoch:0\"]", ERR_INVALID, text);
    assert_check(JOB_PROBE, "a.state", "\"init\"", 0, "\"init\"");
    assert_check(
        JOB_PROBE, "a.state", "\"epoch:01\"", ERR_INVALID,
        "expected a state (\"init\", \"final\", \"best\", \"epoch:3\", \"step:100\"),"
        " got \"epoch:01\"");
}

static void test_long_values_are_cut(void **state)
{
    (void)state;
    assert_check(JOB_TRAIN, "train.epochs",
                 "\"0123456789012345678901234567890123456789012345678901234567890123\"",
                 ERR_INVALID,
                 "expected an integer from 0 to 100000, got "
                 "\"01234567890123456789012345678901234567890123456789012345678...");
}

static void test_nearest(void **state)
{
    static const struct {
        const char *name, *nearest;
    } CASES[] = {
        {"optimizer.lrr", "optimizer.lr"},
        {"optimiser", "optimizer"},
        {"optimiser.lr", "optimizer.lr"},
        {"modle", "model"},
        {"lr", "optimizer.lr"},
        {"epochs", "train.epochs"},
        {"schedule.at", "train.schedule.at"},
        {"name", NULL},
        {"seed.int", "seed.init"},
        {"nothing.like.this", NULL},
        {"train.schedule.fcator", "train.schedule.factor"},
        {"x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *nearest = opt_nearest(JOB_TRAIN, CASES[i].name);
        if (CASES[i].nearest) {
            assert_non_null(nearest);
            assert_string_equal(nearest, CASES[i].nearest);
        } else
            assert_null(nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sorted),
        cmocka_unit_test(test_defaults_are_canonical),
        cmocka_unit_test(test_tables_are_complete),
        cmocka_unit_test(test_needs_are_consistent),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_sizes_and_alphas),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_long_values_are_cut),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
