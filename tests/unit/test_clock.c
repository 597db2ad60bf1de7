/* The clocks run forward, and durations read well at every boundary. */

#include "common/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void clocks_run_forward(void **state)
{
    int64_t first = clock_mono_us();
    int64_t ms = clock_mono_ms();
    int64_t second = clock_mono_us();

    (void)state;
    assert_true(first <= second);
    assert_true(first / 1000 <= ms && ms <= second / 1000);
    assert_true(clock_wall_ms() > INT64_C(1700000000000)); /* November 2023 */
}

static void durations_read_well(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        {0, "0 ms"},
        {0.085, "85 ms"},
        {0.9994, "999 ms"},
        {0.9996, "1.0 s"},
        {12.34, "12.3 s"},
        {59.94, "59.9 s"},
        {59.96, "1m 00s"},
        {125, "2m 05s"},
        {3599.4, "59m 59s"},
        {3599.6, "1h 00m 00s"},
        {3723, "1h 02m 03s"},
        {360000, "100h 00m 00s"},
        {1e12, "277777777h 46m 40s"},
        {2e12, "-"},
        {-1, "-"},
        {NAN, "-"},
        {INFINITY, "-"},
    };
    char text[24];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *out = clock_duration_text(rows[i].seconds, text, sizeof text);
        assert_ptr_equal(out, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_run_forward),
        cmocka_unit_test(durations_read_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
