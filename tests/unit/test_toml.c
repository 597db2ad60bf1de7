/* TOML trees: types, order, positions, and errors that name them. */

#include "common/toml.h"

#include "common/buf.h"
#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_node(const struct toml_node *node, struct buf *out)
{
    if (node->key)
        buf_printf(out, "%s", node->key);
    buf_printf(out, "@%d:%d", node->line, node->column);
    switch (node->type) {
    case TOML_TABLE:
        buf_puts(out, node->is_inline ? "={" : "=<");
        break;
    case TOML_ARRAY:
        buf_puts(out, "=[");
        break;
    case TOML_STRING:
    case TOML_DATE:
        buf_printf(out, "='%s'", node->string);
        break;
    case TOML_INT:
        buf_printf(out, "=%lld", (long long)node->integer);
        break;
    case TOML_REAL:
        buf_printf(out, "=%.3f", node->real);
        break;
    case TOML_BOOL:
        buf_puts(out, node->boolean ? "=true" : "=false");
        break;
    }
    for (size_t i = 0; i < node->count; i++) {
        buf_puts(out, i ? " " : "");
        put_node(&node->children[i], out);
    }
    if (node->type == TOML_TABLE)
        buf_puts(out, node->is_inline ? "}" : ">");
    if (node->type == TOML_ARRAY)
        buf_puts(out, "]");
}

static void assert_tree(const char *text, const char *expected)
{
    struct error err = {0};
    struct toml_node *root = toml_parse(text, strlen(text), "f", &err);
    struct buf tree = {0};

    if (root)
        put_node(root, &tree);
    else
        buf_puts(&tree, err.text);
    assert_string_equal(tree.data, expected);
    toml_free(&root);
    assert_null(root);
    buf_free(&tree);
}

static void test_types(void **state)
{
    (void)state;
    assert_tree("", "@1:1=<>");
    assert_tree("s = 'a'\ni = -3\nr = 1e3\nb = true\nd = 1979-05-27",
                "@1:1=<s@1:1='a' i@2:1=-3 r@3:1=1000.000 b@4:1=true d@5:1='1979-05-27'>");
}

static void test_order_is_the_files(void **state)
{
    (void)state;
    assert_tree("z = 1\n[t]\nb = 2\na = 3\n[c]\nx.y = 1\n",
                "@1:1=<z@1:1=1 t@2:2=<b@3:1=2 a@4:1=3> c@5:2=<x@6:1=<y@6:3=1>>>");
}

static void test_positions(void **state)
{
    (void)state;
    assert_tree("  l = [ 1,\n  [2], { k = 'v' } ]",
                "@1:1=<l@1:3=[@1:9=1 @2:3=[@2:4=2] @2:8={k@2:10='v'}]>");
    assert_tree("[[p]]\na = 1\n[[p]]\n\"q.r\" = 2\n[a.b]\n[a]\n",
                "@1:1=<p@1:3=[@1:1=<a@2:1=1> @3:1=<q.r@4:1=2>] a@5:2=<b@5:4=<>>>");
}

static void test_errors(void **state)
{
    (void)state;
    assert_tree("a = \n", "f:1:5: expected value, saw '\\n'");
    assert_tree("a = 1\na = 2\n", "f:2:5: cannot redefine existing integer 'a'");
    assert_tree("a = \"\xff\"\n", "f:1:5: Encountered invalid utf-8 sequence");
    assert_tree("\na = \"x\\u0000y\"", "f:2:1: a NUL character is not allowed");
    assert_tree("\"\\u0000\" = 1", "f:1:1: a NUL character is not allowed");
}

static void assert_repeated(const char *piece, int times, const char *expected)
{
    struct error err = {0};
    struct buf text = {0};

    buf_puts(&text, "# one\nx = '''\n[[[['''\na");
    for (int i = 0; i < times; i++)
        buf_puts(&text, piece);
    assert_null(toml_parse(text.data, text.size, "f", &err));
    assert_string_equal(err.text, expected);
    buf_free(&text);
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    assert_repeated(".a", 100000, "f:4:1: tables and lists more than 32 deep");
    assert_repeated("=[[", 20, "f:4:1: tables and lists more than 32 deep");
    assert_tree("a = '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[' # "
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                "\nb = \"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"",
                "@1:1=<a@1:1='[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['"
                " b@2:1='\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['>");
}

static void test_values(void **state)
{
    static const char TEXT[] =
        "a = [1, 2.5, [true, 'x']]\nb = { c = 1 }\nd = 1979-05-27\n"
        "e = [[], { c = 1 }]";
    struct error err = {0};
    struct toml_node *root = toml_parse(TEXT, strlen(TEXT), "f", &err);
    struct buf text = {0};
    struct value value;

    (void)state;
    assert_non_null(root);
    assert_int_equal(toml_value(toml_get(root, "a"), &value, &err), 0);
    value_text(&value, &text);
    assert_string_equal(text.data, "[1,2.5,[true,\"x\"]]");
    value_free(&value);
    buf_free(&text);
    assert_int_equal(toml_value(toml_get(root, "b"), &value, &err), -1);
    assert_string_equal(err.text, "a table is not a value that an option can have");
    assert_int_equal(toml_value(toml_get(root, "d"), &value, &err), -1);
    assert_string_equal(err.text, "a date is not a value that an option can have");
    assert_int_equal(toml_value(toml_get(root, "e"), &value, &err), -1);
    assert_null(toml_get(root, "z"));
    toml_free(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),     cmocka_unit_test(test_order_is_the_files),
        cmocka_unit_test(test_positions), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_values),    cmocka_unit_test(test_depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
