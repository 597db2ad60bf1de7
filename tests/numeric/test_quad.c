#include "worker/nn/quad.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* In units of the last place of a double. */
static double units_off(double got, long double want)
{
    int exponent;

    frexpl(want, &exponent);
    return (double)(fabsl((long double)got - want) / ldexpl(1, exponent - 53));
}

/* Uniform in [0, 1). */
static double next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static void exp_and_log_are_exact_to_units(void **state)
{
    static const double EXP_RANGES[] = {1e-9, 1, 40, 708}, LOG_RANGES[] = {1e-9, 1, 300};
    uint64_t seed = 1;
    (void)state;

    for (int i = 0; i < 400000; i++) {
        const double x = -next(&seed) * EXP_RANGES[i % 4];
        const double y = 1 + next(&seed) * LOG_RANGES[i % 3];
        const quad up = quad_exp(quad_all(x)), down = quad_log(quad_all(y));
        assert_true(units_off(up[i % QUAD], expl((long double)x)) <= 1);
        assert_true(units_off(down[i % QUAD], logl((long double)y)) <= 2);
    }
}

static void ends_and_nonfinite_numbers(void **state)
{
    const quad up = quad_exp((quad){0, -INFINITY, NAN, -709});
    const quad down = quad_log((quad){1, 2, NAN, 0x1p1000});
    (void)state;

    assert_true(up[0] == 1 && up[1] == 0 && isnan(up[2]) && up[3] == 0);
    assert_true(quad_exp(quad_all(-708))[0] > 0);
    assert_true(down[0] == 0 && isnan(down[2]));
    assert_true(units_off(down[1], logl(2)) <= 1);
    assert_true(units_off(down[3], 1000 * logl(2)) <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_and_log_are_exact_to_units),
        cmocka_unit_test(ends_and_nonfinite_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
