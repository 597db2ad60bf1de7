/* Values: one text each, strict reading, deep ownership. */

#include "common/value.h"

#include "common/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(array) (sizeof(array) / sizeof(array)[0])

static struct value parse(const char *text)
{
    struct error err = {0};
    struct value value;

    if (value_parse(text, strlen(text), &value, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    return value;
}

static void expect_text(const struct value *value, const char *text)
{
    struct buf out = {0};

    value_text(value, &out);
    assert_string_equal(out.data, text);
    buf_free(&out);
}

static void texts_are_canonical(void **state)
{
    static const struct {
        struct value value;
        const char *text;
    } rows[] = {
        {{.type = VALUE_BOOL, .boolean = true}, "true"},
        {{.type = VALUE_BOOL, .boolean = false}, "false"},
        {{.type = VALUE_INT, .integer = 1}, "1"},
        {{.type = VALUE_INT, .integer = INT64_MIN}, "-9223372036854775808"},
        {{.type = VALUE_REAL, .real = 1}, "1.0"},
        {{.type = VALUE_REAL, .real = -0.0}, "-0.0"},
        {{.type = VALUE_REAL, .real = 0.1}, "0.1"},
        {{.type = VALUE_REAL, .real = 5e-4}, "0.0005"},
        {{.type = VALUE_REAL, .real = 1e-5}, "1e-05"},
        {{.type = VALUE_REAL, .real = 0x1.fffffffffffffp1023}, "1.7976931348623157e+308"},
        {{.type = VALUE_REAL, .real = INFINITY}, "inf"},
        {{.type = VALUE_REAL, .real = -INFINITY}, "-inf"},
        {{.type = VALUE_REAL, .real = NAN}, "nan"},
        {{.type = VALUE_STRING, .string = (char *)(uintptr_t) ""}, "\"\""},
        {{.type = VALUE_STRING, .string = (char *)(uintptr_t) "a\"b\\\n\t\r\x7F\xC3\xA9"},
         "\"a\\\"b\\\\\\n\\t\\u000d\\u007f\xC3\xA9\""},
        {{.type = VALUE_LIST, .list = {NULL, 0}}, "[]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value back = parse(rows[i].text);

        expect_text(&rows[i].value, rows[i].text);
        assert_int_equal(back.type, rows[i].value.type);
        assert_true(value_equal(&back, &rows[i].value));
        value_free(&back);
    }
}

static void lists_round_trip(void **state)
{
    static const char *const texts[] = {
        "[1,2]",      "[1,2.0,\"a\",true]", "[[],[[\"x\"]],-1]",
        "[\"a,b]\"]", "[[[[[[[[]]]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct value value = parse(texts[i]);
        expect_text(&value, texts[i]);
        value_free(&value);
    }
}

/* What reads as the same value but is not its text, and what is no value. */
static void other_spellings_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        " 1",
        "1 ",
        "01",
        "+1",
        "-0",
        "1.",
        ".5",
        "1.00",
        "1e5",
        "1E5",
        "1e+05",
        "0x10",
        "0x1p3",
        "1_000",
        "Infinity",
        "+inf",
        "INF",
        "-nan",
        "NaN",
        "nan(1)",
        "1e999",
        "True",
        "truex",
        "null",
        "'a'",
        "9223372036854775808",
        "0.10000000000000001",
        "\"a",
        "\"",
        "\"\\x\"",
        "\"\\u0041\"",
        "\"\\u00e9\"",
        "\"\\u0000\"",
        "\"\\u001F\"",
        "\"\\u000a\"",
        "\"\n\"",
        "\"\x01\"",
        "\"\xFF\"",
        "\"\\",
        "\"\\u00",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 ,2]",
        "[1]]",
        "]",
        "1,2",
        "{}",
        "[[[[[[[[[]]]]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct value value = value_int(77);
        struct error err = {0};

        if (value_parse(texts[i], strlen(texts[i]), &value, &err) == 0)
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(err.code, ERR_INVALID);
        assert_memory_equal(err.text, "value text: ", 12);
        assert_true(value.type == VALUE_INT && value.integer == 77);
    }
    assert_int_equal(value_parse("\"a\0b\"", 5, &(struct value){0}, NULL), -1);
    assert_int_equal(value_parse("1\0", 2, &(struct value){0}, NULL), -1);
}

static void refusals_say_what_was_expected(void **state)
{
    struct error err = {0};
    struct value value;

    (void)state;
    assert_int_equal(value_parse("1e5", 3, &value, &err), -1);
    assert_string_equal(err.text, "value text: not canonical, expected 100000.0");
    assert_int_equal(value_parse("[1 2]", 5, &value, &err), -1);
    assert_string_equal(err.text, "value text: expected ',' or ']' in a list");
}

/* Equal exactly where the texts are: every pair of these differs. */
static void equality_is_that_of_texts(void **state)
{
    static const char *const texts[] = {
        "true", "false", "1",     "0",     "1.0",     "0.0",   "-0.0",
        "nan",  "inf",   "-inf",  "\"\"",  "\"1\"",   "\"a\"", "[]",
        "[1]",  "[1.0]", "[1,1]", "[[1]]", "[\"a\"]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            struct value a = parse(texts[i]), b = parse(texts[j]);
            assert_int_equal(value_equal(&a, &b), i == j);
            value_free(&a);
            value_free(&b);
        }
    }
}

static void copies_are_deep(void **state)
{
    struct value from = parse("[[\"a\",2],\"b\",1.5,true]"), copy;
    struct error err = {0};

    (void)state;
    assert_int_equal(value_copy(&from, &copy, &err), 0);
    assert_true(value_equal(&from, &copy));
    from.list.items[0].list.items[0].string[0] = 'z';
    assert_false(value_equal(&from, &copy));
    value_free(&from);
    expect_text(&copy, "[[\"a\",2],\"b\",1.5,true]");
    value_free(&copy);
    /* What is freed is a valid value and may be freed again. */
    expect_text(&copy, "false");
    value_free(&copy);
    value_free(NULL);
}

static void lists_grow(void **state)
{
    struct value list = value_list(), item;
    struct error err = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(value_push(&list, value_int(i), &err), 0);
        assert_int_equal(list.list.count, i + 1);
    }
    for (int i = 0; i < 1000; i++)
        assert_true(list.list.items[i].integer == i);
    assert_int_equal(value_string("owned", &item, &err), 0);
    assert_int_equal(value_push(&list, item, &err), 0);
    value_free(&list);
}

static void numbers_and_names(void **state)
{
    struct value value = value_int(-3);

    (void)state;
    assert_true(value_number(&value) == -3);
    value = value_real(0.5);
    assert_true(value_number(&value) == 0.5);
    value = value_bool(true);
    assert_true(value_number(&value) == 0);
    assert_string_equal(value_type_name(VALUE_BOOL), "boolean");
    assert_string_equal(value_type_name(VALUE_INT), "integer");
    assert_string_equal(value_type_name(VALUE_REAL), "real");
    assert_string_equal(value_type_name(VALUE_STRING), "string");
    assert_string_equal(value_type_name(VALUE_LIST), "list");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_canonical),
        cmocka_unit_test(lists_round_trip),
        cmocka_unit_test(other_spellings_are_refused),
        cmocka_unit_test(refusals_say_what_was_expected),
        cmocka_unit_test(equality_is_that_of_texts),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(lists_grow),
        cmocka_unit_test(numbers_and_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
