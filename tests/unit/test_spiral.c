/* The spiral set is the same every time, balanced, of unit scale, and lies on
 * its two arms. */

#include "tests/unit/fixture.h"

#include "worker/data/spiral.h"

#include <math.h>

enum { COUNT = 2000 };

static void test_same_every_time(void **state)
{
    static real a[2 * COUNT], b[2 * COUNT];
    static uint8_t y[COUNT], z[COUNT];

    (void)state;
    spiral_make(0, COUNT, a, y);
    spiral_make(0, COUNT, b, z);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(y, z, sizeof y);

    /* The first n do not depend on how many; the splits differ. */
    spiral_make(0, 10, b, z);
    assert_memory_equal(a, b, 20 * sizeof *a);
    spiral_make(1, COUNT, b, z);
    assert_memory_not_equal(a, b, sizeof a);
}

static void test_scale_and_balance(void **state)
{
    static real x[2 * COUNT];
    static uint8_t y[COUNT];
    double sum[2] = {0}, square[2] = {0};
    int ones = 0;

    (void)state;
    spiral_make(0, COUNT, x, y);
    for (int i = 0; i < COUNT; i++) {
        assert_true(y[i] < 2);
        ones += y[i];
        for (int d = 0; d < 2; d++) {
            sum[d] += (double)x[2 * i + d];
            square[d] += (double)x[2 * i + d] * (double)x[2 * i + d];
        }
    }
    assert_int_equal(ones, COUNT / 2);
    for (int d = 0; d < 2; d++) {
        assert_true(fabs(sum[d] / COUNT) < 0.15);
        assert_true(fabs(square[d] / COUNT - 1) < 0.15);
    }
}

/* Unwind each point by the formula of the header: the angle that remains must be
 * that of its arm, up to the noise. */
static void test_lies_on_arms(void **state)
{
    static real x[2 * COUNT];
    static uint8_t y[COUNT];

    (void)state;
    spiral_make(0, COUNT, x, y);
    for (int i = 0; i < COUNT; i++) {
        double radius = hypot((double)x[2 * i], (double)x[2 * i + 1]);
        double turn = 2 * M_PI * 1.75 * radius / 2;
        double angle = atan2((double)x[2 * i + 1], (double)x[2 * i]) - turn - M_PI * y[i];
        double off = remainder(angle, 2 * M_PI);

        /* A step of noise e across is e/radius of angle, along it 5.5 e. */
        if (radius > 0.5)
            assert_true(fabs(off) < 5 * 0.05 * (1 / radius + 5.5));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_every_time),
        cmocka_unit_test(test_scale_and_balance),
        cmocka_unit_test(test_lies_on_arms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
