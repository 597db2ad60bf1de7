/* JSON: strict reading, tolerant access, writing that always reads back. */

#include "common/json.h"

#include "common/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
    struct error err = {0};
    struct json *root = json_parse(text, strlen(text), &err);

    if (!root)
        fail_msg("%s: %s", text, err.text);
    return root;
}

static void scalars(void **state)
{
    static const struct {
        const char *text;
        enum json_type type;
        int64_t integer;
        double number;
    } rows[] = {
        {"null", JSON_NULL_VALUE, 0, 0},
        {"true", JSON_BOOL, 0, 0},
        {"false", JSON_BOOL, 0, 0},
        {"42", JSON_INT, 42, 42},
        {"-9223372036854775808", JSON_INT, INT64_MIN, -0x1p63},
        {" 1.5e3 ", JSON_NUMBER, 0, 1500},
        {"\"a\"", JSON_TEXT, 0, 0},
        {"[]", JSON_LIST, 0, 0},
        {"{}", JSON_MAP, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json *root = parse(rows[i].text);
        assert_int_equal(json_kind(root), rows[i].type);
        assert_true(json_int(root) == rows[i].integer);
        assert_true(json_number(root) == rows[i].number);
        assert_int_equal(json_bool(root), strcmp(rows[i].text, "true") == 0);
        assert_int_equal(json_text(root) != NULL, rows[i].type == JSON_TEXT);
        assert_int_equal(json_count(root), 0);
        json_free(&root);
        assert_null(root);
        json_free(&root);
    }
}

static void containers(void **state)
{
    struct json *root = parse("{\"b\":[1,\"x\\u00e9\\n\",null],\"a\":{\"k\":2.5}}");
    const struct json *list = json_get(root, "b");

    (void)state;
    assert_int_equal(json_count(root), 2);
    assert_int_equal(json_count(list), 3);
    assert_true(json_int(json_at(list, 0)) == 1);
    assert_string_equal(json_text(json_at(list, 1)), "x\xC3\xA9\n");
    assert_non_null(json_at(list, 2));
    assert_null(json_at(list, 3));
    assert_true(json_number(json_get(json_get(root, "a"), "k")) == 2.5);
    json_free(&root);
}

static void absent_values_answer_as_null(void **state)
{
    struct json *root = parse("{\"a\":1}");
    const struct json *none = json_get(root, "b");

    (void)state;
    assert_null(none);
    assert_int_equal(json_kind(none), JSON_NULL_VALUE);
    assert_true(json_int(none) == 0);
    assert_true(json_number(none) == 0);
    assert_false(json_bool(none));
    assert_null(json_text(none));
    assert_int_equal(json_count(none), 0);
    assert_null(json_at(none, 0));
    assert_null(json_get(none, "a"));
    assert_null(json_at(root, 0));
    assert_null(json_get(json_get(root, "a"), "a"));
    json_free(&root);
}

struct walk {
    struct buf keys;
    size_t stop_after;
};

static bool visit(void *user, const char *key, const struct json *value)
{
    struct walk *walk = user;

    buf_printf(&walk->keys, "%s=%d ", key, (int)json_int(value));
    return --walk->stop_after > 0;
}

static void maps_are_walked_in_file_order(void **state)
{
    struct json *root = parse("{\"z\":1,\"a\":2,\"m\":3}");
    struct walk walk = {.stop_after = 100};

    (void)state;
    assert_true(json_each(root, visit, &walk));
    assert_string_equal(walk.keys.data, "z=1 a=2 m=3 ");
    buf_clear(&walk.keys);
    walk.stop_after = 2;
    assert_false(json_each(root, visit, &walk));
    assert_string_equal(walk.keys.data, "z=1 a=2 ");
    assert_true(json_each(NULL, visit, &walk));
    assert_true(json_each(json_get(root, "z"), visit, &walk));
    buf_free(&walk.keys);
    json_free(&root);
}

static void bad_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "1 2",
        "{} x",
        "{\"a\":1,}",
        "[1,]",
        "[1",
        "{'a':1}",
        "{a:1}",
        "nul",
        "01",
        "+1",
        ".5",
        "NaN",
        "1e999",
        "9223372036854775808",
        "\"a",
        "\"\n\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "{\"a\":1,\"a\":1}",
        "[{\"a\":{\"b\":1,\"b\":2}}]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct error err = {0};
        if (json_parse(texts[i], strlen(texts[i]), &err))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(err.code, ERR_INVALID);
    }
    assert_null(json_parse(NULL, 0, NULL));
    assert_null(json_parse("1\0", 2, NULL));
    assert_null(json_parse("[1\0,2]", 7, NULL));
    assert_null(json_parse("{}\0", 3, NULL));
}

static void errors_have_a_position(void **state)
{
    static const char text[] = "{\n  \"a\": 1,\n  \"a\": 2}";
    struct error err = {0};

    (void)state;
    assert_null(json_parse(text, strlen(text), &err));
    assert_memory_equal(err.text, "3:", 2);
    assert_non_null(strstr(err.text, "duplicate object key"));
}

static void expect_text(const char *bytes, size_t size, const char *expected)
{
    struct buf out = {0};
    struct json *back;

    json_put_text(&out, bytes, size);
    assert_string_equal(out.data, expected);
    /* NUL is written, and is the one thing that does not read back. */
    if (!memchr(bytes, '\0', size)) {
        back = parse(out.data);
        assert_int_equal(json_kind(back), JSON_TEXT);
        json_free(&back);
    }
    buf_free(&out);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    expect_text("", 0, "\"\"");
    expect_text("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    expect_text("\n\r\t\b\x1F\x7F", 6, "\"\\n\\r\\t\\u0008\\u001f\x7F\"");
    expect_text("\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\"");
    expect_text("a\xFFz", 3, "\"a\xEF\xBF\xBDz\"");
    expect_text("\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    expect_text("a\0b", 3, "\"a\\u0000b\"");
}

static void numbers_read_back(void **state)
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {
        {1, "1.0"},       {0.1, "0.1"},          {-1e-300, "-1e-300"},
        {NAN, "\"nan\""}, {INFINITY, "\"inf\""}, {-INFINITY, "\"-inf\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {0};
        struct json *back;

        json_put_number(&out, rows[i].number);
        assert_string_equal(out.data, rows[i].text);
        back = parse(out.data);
        if (isfinite(rows[i].number))
            assert_true(json_number(back) == rows[i].number);
        json_free(&back);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),
        cmocka_unit_test(containers),
        cmocka_unit_test(absent_values_answer_as_null),
        cmocka_unit_test(maps_are_walked_in_file_order),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(errors_have_a_position),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(numbers_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
