/* What terminals obey becomes blanks, and nothing else does. */

#include "common/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, size_t size, const char *keep, const char *masked)
{
    char room[64];

    assert_true(size < sizeof room);
    memcpy(room, text, size);
    mask_controls(room, size, keep);
    assert_memory_equal(room, masked, size);
    assert_int_equal(strlen(masked), size);
}

#define EXPECT(text, keep, masked) expect(text, sizeof(text) - 1, keep, masked)

static void controls_become_blanks(void **state)
{
    (void)state;
    EXPECT("a\x1B[2Jb", "", "a [2Jb");
    EXPECT("\r\b\x7F\0x", "", "    x");
    EXPECT("a\nb\tc\r", "\n\t", "a\nb\tc ");
    EXPECT("csi \xC2\x9B"
           "31m",
           "", "csi   31m");
}

static void writing_is_not_turned(void **state)
{
    (void)state;
    EXPECT("a\xE2\x80\xAE"
           "b\xE2\x81\xA6"
           "c\xE2\x80\x8F",
           "", "a   b   c   ");
    EXPECT("\xE2\x80\xA6 \xE2\x81\xA5", "", "\xE2\x80\xA6 \xE2\x81\xA5");
}

static void bad_bytes_become_blanks(void **state)
{
    (void)state;
    EXPECT("a\x9B"
           "b\xFF\xC3",
           "", "a b  ");
    EXPECT("\xE2\x80", "", "  ");
}

static void text_stays(void **state)
{
    (void)state;
    EXPECT("plain ~ \xC3\xA9 \xC2\xA0 \xE2\x96\x88 \xF0\x9F\x98\x80", "",
           "plain ~ \xC3\xA9 \xC2\xA0 \xE2\x96\x88 \xF0\x9F\x98\x80");
    mask_controls(NULL, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_become_blanks),
        cmocka_unit_test(writing_is_not_turned),
        cmocka_unit_test(bad_bytes_become_blanks),
        cmocka_unit_test(text_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
