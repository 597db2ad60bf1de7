/* A log takes a burst, and then a line now and then, and counts what it did not. */

#include "coordinator/trickle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int64_t take(struct trickle *trickle, int64_t now_ms, int64_t tries,
                    uint64_t *ret_left_out)
{
    int64_t taken = 0;

    *ret_left_out = 0;
    for (int64_t i = 0; i < tries; i++) {
        uint64_t left_out;
        taken += trickle_take(trickle, now_ms, &left_out);
        *ret_left_out += left_out;
    }
    return taken;
}

static void a_burst_and_then_a_rate(void **state)
{
    struct trickle trickle = {0};
    uint64_t left_out;

    (void)state;
    assert_int_equal(take(&trickle, 70000, 2 * TRICKLE_BURST, &left_out), TRICKLE_BURST);
    assert_int_equal(left_out, 0);
    assert_int_equal(take(&trickle, 70001, 10, &left_out), 0);
    assert_int_equal(take(&trickle, 71000, TRICKLE_BURST, &left_out), TRICKLE_RATE);
    assert_int_equal(left_out, TRICKLE_BURST + 10); /* said once, with the first */
    assert_int_equal(take(&trickle, 72000, 2 * TRICKLE_RATE, &left_out), TRICKLE_RATE);
    assert_int_equal(left_out, TRICKLE_BURST - TRICKLE_RATE);
}

static void quiet_fills_it_again(void **state)
{
    struct trickle trickle = {0};
    uint64_t left_out;

    (void)state;
    take(&trickle, 0, 2 * TRICKLE_BURST, &left_out);
    assert_int_equal(take(&trickle, 1000000000, 2 * TRICKLE_BURST, &left_out),
                     TRICKLE_BURST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_a_rate),
        cmocka_unit_test(quiet_fills_it_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
