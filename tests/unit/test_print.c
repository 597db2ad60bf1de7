/* Tables, CSV, JSON and pictures: exact texts. */

#include "coordinator/draw.h"
#include "coordinator/print.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEXT(s)                                                                          \
    {                                                                                    \
        .type = CELL_TEXT, .text = (s), .text_size = sizeof(s) - 1                       \
    }

static const char *const NAMES[] = {"name", "n", "loss"};

static void csv_quotes_what_needs_it(void **state)
{
    (void)state;
    struct buf out = {0};
    struct cell row[] = {TEXT("a,\"b\""),
                         {.type = CELL_INT, .integer = -7},
                         {.type = CELL_REAL, .real = 0.1}};
    struct cell odd[] = {TEXT(""), {.type = CELL_NONE}, {.type = CELL_REAL, .real = NAN}};

    csv_row(&out, row, 3);
    csv_row(&out, odd, 3);
    assert_string_equal(out.data, "\"a,\"\"b\"\"\",-7,0.1\n\"\",,nan\n");
    buf_free(&out);
}

static void json_rows_are_objects(void **state)
{
    (void)state;
    struct buf out = {0};
    struct cell row[] = {
        TEXT("tab\there"), {.type = CELL_NONE}, {.type = CELL_REAL, .real = 2.5}};

    json_row(&out, NAMES, row, 3);
    assert_string_equal(out.data,
                        "{\"name\": \"tab\\there\", \"n\": null, \"loss\": 2.5}");
    buf_free(&out);
}

/* A host's name, a message: they come from workers. */
static void tables_do_not_talk_to_the_terminal(void **state)
{
    (void)state;
    struct table *table = table_new(NAMES, 1);
    struct cell row[] = {TEXT("a\x1B]0;t\ab\nc\xC2\x9B"
                              "2Jd\xE2\x80\xAE"
                              "e\xC3\xA9")};
    struct buf out = {0};

    table_add(table, row);
    table_write(table, 40, false, &out);
    assert_string_equal(out.data, "name\na ]0;t b c  2Jd   e\xC3\xA9\n");
    table_free(&table);
    buf_free(&out);
}

static void markdown_escapes_bars(void **state)
{
    (void)state;
    struct table *table = table_new(NAMES, 3);
    struct cell one[] = {
        TEXT("a|b"), {.type = CELL_INT, .integer = 5}, {.type = CELL_NONE}};
    struct cell two[] = {
        TEXT("c"), {.type = CELL_INT, .integer = 12}, {.type = CELL_NONE}};
    struct buf out = {0};

    table_hide_empty(table);
    table_add(table, one);
    table_add(table, two);
    table_write_markdown(table, &out);
    assert_string_equal(out.data,
                        "| name | n |\n|---|---:|\n| a\\|b | 5 |\n| c | 12 |\n");
    buf_free(&out);
    table_free(&table);
}

static void tables_align(void **state)
{
    (void)state;
    struct table *table = table_new(NAMES, 3);
    struct cell one[] = {TEXT("π"),
                         {.type = CELL_INT, .integer = 5},
                         {.type = CELL_REAL, .real = 0.123456}};
    struct cell two[] = {
        TEXT("a long name"), {.type = CELL_INT, .integer = 12345}, {.type = CELL_NONE}};
    struct buf out = {0};

    table_add(table, one);
    table_add(table, two);
    assert_int_equal(table_rows(table), 2);
    table_write(table, 8, false, &out);
    assert_string_equal(out.data, "name          n    loss\n"
                                  "π             5  0.1235\n"
                                  "a long …  12345       -\n");
    buf_free(&out);
    table_free(&table);
    table_free(&table); /* tolerates NULL */
}

static void columns_without_anything_can_be_left_out(void **state)
{
    (void)state;
    struct table *table = table_new(NAMES, 3);
    struct buf out = {0};
    struct cell row[3] = {
        {.type = CELL_TEXT, .text = ""},
        {.type = CELL_TEXT, .text = "nan", .text_size = 3},
        {.type = CELL_NONE},
    };

    table_add(table, row);
    row[1] = (struct cell){.type = CELL_INT, .integer = 12345};
    table_add(table, row);
    table_hide_empty(table);
    table_write(table, 60, false, &out);
    assert_string_equal(out.data, "    n\n  nan\n12345\n");
    buf_free(&out);
    table_free(&table);
}

static void an_empty_table_has_its_header(void **state)
{
    (void)state;
    struct table *table = table_new(NAMES, 3);
    struct buf out = {0};

    table_write(table, 60, false, &out);
    assert_string_equal(out.data, "name  n  loss\n");
    buf_free(&out);
    table_free(&table);
}

static void sparks_and_gaps(void **state)
{
    (void)state;
    struct buf out = {0};
    double values[] = {0, 1, NAN, 0.5, INFINITY};

    curve_spark(&out, values, 5);
    assert_string_equal(out.data, "▁█x▅x");
    buf_free(&out);
}

static void a_line_is_drawn_from_corner_to_corner(void **state)
{
    (void)state;
    struct buf out = {0};
    double alphas[] = {0, 1}, values[] = {1, 0};

    curve_draw(&out, alphas, values, 2, 0, 1, 2, 1, "> ");
    assert_string_equal(out.data, "> ⠑⢄  1\n");
    buf_free(&out);
}

static void points_that_are_not_finite_are_crosses(void **state)
{
    (void)state;
    struct buf out = {0};
    double alphas[] = {0, 0.5, 1}, values[] = {NAN, 0, 0};

    curve_draw(&out, alphas, values, 3, 0, 1, 4, 2, "");
    assert_non_null(out.data);
    assert_memory_equal(out.data, "xx", 2);
    buf_free(&out);
}

static void bars_fill(void **state)
{
    (void)state;
    struct buf out = {0};

    bar_draw(&out, 0.5, 3);
    assert_string_equal(out.data, "█▌·");
    buf_free(&out);
    bar_draw(&out, NAN, 2);
    assert_string_equal(out.data, "··");
    buf_free(&out);
}

/* What wraps cannot be drawn over. */
static void a_bar_and_its_text_fit_the_terminal(void **state)
{
    static const struct {
        size_t width;
        const char *line;
    } CASES[] = {
        {80, "████···· 12/24 done"},
        {20, "████···· 12/24 done"},
        {16, "██·· 12/24 done"},
        {15, "12/24 done"},
        {11, "12/24 done"},
        {8, "12/24 d"},
        {1, NULL},
        {0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf out = {0};
        bar_line(&out, 0.5, 8, "12/24 done", CASES[i].width);
        if (CASES[i].line)
            assert_string_equal(out.data, CASES[i].line);
        else
            assert_int_equal(out.size, 0);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_what_needs_it),
        cmocka_unit_test(json_rows_are_objects),
        cmocka_unit_test(tables_do_not_talk_to_the_terminal),
        cmocka_unit_test(markdown_escapes_bars),
        cmocka_unit_test(tables_align),
        cmocka_unit_test(columns_without_anything_can_be_left_out),
        cmocka_unit_test(an_empty_table_has_its_header),
        cmocka_unit_test(sparks_and_gaps),
        cmocka_unit_test(a_line_is_drawn_from_corner_to_corner),
        cmocka_unit_test(points_that_are_not_finite_are_crosses),
        cmocka_unit_test(bars_fill),
        cmocka_unit_test(a_bar_and_its_text_fit_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
