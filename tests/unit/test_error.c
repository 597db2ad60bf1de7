/* Errors: a code, a sentence, always terminated, errno untouched. */

#include "common/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_fills_and_fails(void **state)
{
    struct error err = {0};

    (void)state;
    errno = 42;
    assert_int_equal(err_set(&err, ERR_INVALID, "axis '%s' is empty", "lr"), -1);
    assert_int_equal(errno, 42);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "axis 'lr' is empty");
}

static void null_is_ignored(void **state)
{
    (void)state;
    errno = 42;
    assert_int_equal(err_set(NULL, ERR_IO, "%d", 1), -1);
    assert_int_equal(err_errno(NULL, ERR_IO, "%d", 1), -1);
    assert_int_equal(err_prefix(NULL, "%d", 1), -1);
    assert_int_equal(errno, 42);
}

static void errno_is_appended_and_kept(void **state)
{
    struct error err = {0};

    (void)state;
    errno = ENOENT;
    assert_int_equal(err_errno(&err, ERR_IO, "cannot open %s", "x"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.text, "cannot open x: No such file or directory");
}

static void prefix_keeps_the_code(void **state)
{
    struct error err = {0};

    (void)state;
    err_set(&err, ERR_DATA, "too short");
    assert_int_equal(err_prefix(&err, "%s:%d", "f", 3), -1);
    assert_int_equal(err.code, ERR_DATA);
    assert_string_equal(err.text, "f:3: too short");
}

static void arguments_may_be_the_text_itself(void **state)
{
    struct error err = {0};

    (void)state;
    err_set(&err, ERR_DATA, "inner");
    err_set(&err, ERR_IO, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    err_prefix(&err, "<%s>", err.text);
    assert_string_equal(err.text, "<outer (inner)>: outer (inner)");
}

static void long_texts_are_cut(void **state)
{
    char text[2000];
    struct error err = {0};

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&err, ERR_DATA, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_prefix(&err, "name");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "name: xxx", 9);
    err_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    errno = EIO;
    err_errno(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_and_fails),
        cmocka_unit_test(null_is_ignored),
        cmocka_unit_test(errno_is_appended_and_kept),
        cmocka_unit_test(prefix_keeps_the_code),
        cmocka_unit_test(arguments_may_be_the_text_itself),
        cmocka_unit_test(long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
