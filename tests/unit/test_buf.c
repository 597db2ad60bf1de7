/* Buffers and slices: growth, termination, running out of memory, the shortest
 * text of a real, UTF-8. */

#include "common/buf.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void zeroed_is_empty_and_valid(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_clear(&buf);
    buf_shift(&buf, 0);
    buf_free(&buf);
    buf_puts(&buf, "");
    assert_int_equal(buf.size, 0);
    assert_string_equal(buf.data, "");
    buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.room, 0);
}

static void appends_are_terminated(void **state)
{
    struct buf buf = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        buf_add(&buf, "ab\0c", 4);
        assert_int_equal(buf.data[buf.size], '\0');
        assert_true(buf.size < buf.room);
    }
    assert_int_equal(buf.size, 4000);
    assert_memory_equal(buf.data + 3996, "ab\0c", 4);
    buf_add(&buf, NULL, 0);
    assert_int_equal(buf.size, 4000);
    buf_clear(&buf);
    assert_string_equal(buf.data, "");
    buf_printf(&buf, "%d-%s", 42, "x");
    assert_string_equal(buf.data, "42-x");
    assert_false(buf.failed);
    buf_free(&buf);
}

static void printf_fits_every_length(void **state)
{
    char text[300];

    (void)state;
    for (size_t length = 0; length < sizeof text; length++) {
        struct buf buf = {0};
        memset(text, 'y', length);
        text[length] = '\0';
        buf_printf(&buf, "%s", text);
        assert_int_equal(buf.size, length);
        assert_string_equal(buf.data, text);
        buf_free(&buf);
    }
}

static void reserved_room_is_the_callers(void **state)
{
    struct buf buf = {0};
    char *to;

    (void)state;
    buf_puts(&buf, "ab");
    to = buf_reserve(&buf, 100);
    assert_ptr_equal(to, buf.data + 2);
    assert_string_equal(buf.data, "ab");
    memset(to, 'z', 100);
    buf.size += 100;
    assert_int_equal(buf.data[102], '\0');
    buf_free(&buf);
}

static void no_room_fails_once_and_stays(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_puts(&buf, "kept");
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    buf_puts(&buf, "lost");
    buf_printf(&buf, "%s", "lost");
    assert_string_equal(buf.data, "kept");
    buf_clear(&buf);
    assert_false(buf.failed);
    buf_puts(&buf, "new");
    assert_string_equal(buf.data, "new");
    buf_free(&buf);
}

static void shift_removes_the_front(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_puts(&buf, "abcdef");
    buf_shift(&buf, 2);
    assert_string_equal(buf.data, "cdef");
    buf_shift(&buf, 0);
    buf_shift(&buf, 4);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.size, 0);
    buf_free(&buf);
}

static void reals_are_shortest(void **state)
{
    static const struct {
        double real;
        const char *text;
    } rows[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-42, "-42.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333"},
        {1e-5, "1e-05"},
        {0.0001, "0.0001"},
        {123456, "123456.0"},
        {1e15, "1e+15"},
        {1e300, "1e+300"},
        {9007199254740993.0, "9007199254740992.0"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {0x1p-1074, "5e-324"},
        {3 * 0x1p-1074, "1.5e-323"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf buf = {0};
        buf_put_real(&buf, rows[i].real);
        assert_string_equal(buf.data, rows[i].text);
        buf_free(&buf);
    }
}

/* Bit patterns from a fixed walk, so every run sees the same. */
static void reals_read_back(void **state)
{
    uint64_t bits = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct buf buf = {0};
        double real, back;

        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&real, &bits, sizeof real);
        if (isnan(real))
            continue;
        buf_put_real(&buf, real);
        back = strtod(buf.data, NULL);
        assert_memory_equal(&back, &real, sizeof real);
        buf_free(&buf);
    }
}

/* What printf and strtod find by trying, in no hurry. */
static void write_by_trying(double real, char *text, size_t size)
{
    for (int digits = isnormal(real) ? 15 : 1; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    if (!strpbrk(text, ".e"))
        strncat(text, ".0", size - strlen(text) - 1);
}

/* Numbers as people write them, neighbours of those, and numbers of every size. */
static void reals_are_as_printf_has_them(void **state)
{
    uint64_t bits = 7;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        struct buf buf = {0};
        char text[40];
        double real;

        bits = bits * 6364136223846793005u + 1442695040888963407u;
        real = (double)(bits >> 33 >> (bits % 31)) / pow(10, (double)(bits >> 20 & 15));
        if (i % 4 == 1)
            real = nextafter(real, 1e9);
        if (i % 4 == 2)
            real = ldexp(real, -(int)(bits >> 40 & 63));
        if (i % 3 == 0)
            real = -real;
        buf_put_real(&buf, real);
        write_by_trying(real, text, sizeof text);
        assert_string_equal(buf.data, text);
        buf_free(&buf);
    }
}

static void integers_are_as_printf_has_them(void **state)
{
    static const int64_t NUMBERS[] = {0, 7, -7, 10, 999, -1000, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        struct buf buf = {0};
        char text[40];

        buf_put_int(&buf, NUMBERS[i]);
        snprintf(text, sizeof text, "%lld", (long long)NUMBERS[i]);
        assert_string_equal(buf.data, text);
        buf_free(&buf);
    }
}

static void slices_compare(void **state)
{
    char *copy;

    (void)state;
    assert_true(slice_is((struct slice){"abc", 2}, "ab"));
    assert_false(slice_is((struct slice){"abc", 3}, "ab"));
    assert_true(slice_equal((struct slice){NULL, 0}, slice_of("")));
    copy = slice_dup((struct slice){"abc", 2});
    assert_string_equal(copy, "ab");
    free(copy);
    copy = slice_dup((struct slice){NULL, 0});
    assert_string_equal(copy, "");
    free(copy);
}

static void utf8_is_checked(void **state)
{
    static const struct {
        const char *bytes;
        size_t length; /* of the first sequence; 0: malformed */
    } rows[] = {
        {"a", 1},
        {"\x7F", 1},
        {"\xC2\x80", 2},
        {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3},
        {"\xED\x9F\xBF", 3},
        {"\xEF\xBF\xBF", 3},
        {"\xF0\x90\x80\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4},
        {"\x80", 0}, /* a continuation alone */
        {"\xC2", 0}, /* cut off */
        {"\xE2\x82", 0},
        {"\xF0\x9F\x98", 0},
        {"\xC0\x80", 0}, /* overlong */
        {"\xC1\xBF", 0},
        {"\xE0\x9F\xBF", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xED\xA0\x80", 0},     /* a surrogate */
        {"\xF4\x90\x80\x80", 0}, /* beyond U+10FFFF */
        {"\xF5\x80\x80\x80", 0},
        {"\xFF", 0},
        {"\xC2g", 0},
        {"\xE2\x82g", 0},
        {"\xF0\x9F\x98g", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = strlen(rows[i].bytes);
        assert_int_equal(utf8_length(rows[i].bytes, size), rows[i].length);
        assert_int_equal(slice_is_utf8(slice_of(rows[i].bytes)), rows[i].length > 0);
    }
    assert_int_equal(utf8_length("\0", 1), 1);
    assert_true(slice_is_utf8(slice_of("na\xC3\xAFve \xF0\x9F\x98\x80")));
    assert_false(slice_is_utf8(slice_of("na\xC3\xAFve \xF0\x9F\x98")));
    assert_true(slice_is_utf8((struct slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_is_empty_and_valid),
        cmocka_unit_test(appends_are_terminated),
        cmocka_unit_test(printf_fits_every_length),
        cmocka_unit_test(reserved_room_is_the_callers),
        cmocka_unit_test(no_room_fails_once_and_stays),
        cmocka_unit_test(shift_removes_the_front),
        cmocka_unit_test(reals_are_shortest),
        cmocka_unit_test(reals_read_back),
        cmocka_unit_test(reals_are_as_printf_has_them),
        cmocka_unit_test(integers_are_as_printf_has_them),
        cmocka_unit_test(slices_compare),
        cmocka_unit_test(utf8_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
