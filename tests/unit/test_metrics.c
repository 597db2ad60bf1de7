/* Metrics of curves drawn by hand. */

#include "coordinator/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CHANCE       2.302585092994046 /* ln 10 */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void assert_near(double got, double expected)
{
    assert_true(fabs(got - expected) < 1e-12);
}

static struct curve_metrics of(const double *values, size_t count)
{
    double alphas[16];

    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        alphas[i] = count > 1 ? (double)i / (double)(count - 1) : 0;
    return curve_metrics_of(alphas, values, count, CHANCE, 0.02);
}

static void test_monotone(void **state)
{
    const double values[] = {4, 3, 2, 1, 0};
    struct curve_metrics m = of(values, COUNT(values));

    (void)state;
    assert_near(m.start, 4);
    assert_near(m.end, 0);
    assert_near(m.max, 4);
    assert_near(m.alpha_max, 0);
    assert_near(m.bump, 0);
    assert_true(m.monotone);
    assert_near(m.barrier_linear, 0);
    assert_near(m.barrier_mean, 2);
    assert_near(m.barrier_init, 0);
    assert_near(m.interior_bump, 0);
    assert_true(isnan(m.alpha_star));
    assert_true(isnan(m.plateau));
    assert_near(m.chance_share, 0);
}

static void test_bump(void **state)
{
    const double values[] = {1.0, 0.5, 1.75, 0.25, 0.0};
    struct curve_metrics m = of(values, COUNT(values));

    (void)state;
    assert_near(m.bump, 1.25);
    assert_false(m.monotone);
    assert_near(m.max, 1.75);
    assert_near(m.alpha_max, 0.5);
    assert_near(m.barrier_init, 0.75);
    assert_near(m.barrier_mean, 1.25);
    assert_near(m.barrier_linear, 1.75 - 0.5);
    assert_near(m.interior_bump, 1.25);
    assert_near(m.alpha_star, 0.5);
}

/* Where it is: the first of equals, and what is not finite is the top. */
static void test_place_of_the_bump(void **state)
{
    const double twice[] = {3, 1, 2, 1, 2, 0};
    const double lost[] = {3, 1, NAN, 0, INFINITY};
    const double falling[] = {3, 2, 2, 1};
    const double beyond[] = {0, 9, 1, 2, 9};
    const double alphas[] = {-0.5, 0, 0.5, 1, 1.5};
    struct curve_metrics m = of(twice, COUNT(twice));

    (void)state;
    assert_near(m.bump_from, 0.2);
    assert_near(m.bump_to, 0.4);
    m = of(lost, COUNT(lost));
    assert_true(isinf(m.bump));
    assert_near(m.bump_from, 0.25);
    assert_near(m.bump_to, 0.5);
    m = of(falling, COUNT(falling));
    assert_near(m.bump, 0);
    assert_true(isnan(m.bump_from) && isnan(m.bump_to));
    m = curve_metrics_of(alphas, beyond, 5, CHANCE, 0.02);
    assert_near(m.bump, 1);
    assert_near(m.bump_from, 0.5);
    assert_near(m.bump_to, 1);
}

/* The high start and a ripple on it do not hide the barrier further on. */
static void test_highest_is_by_height(void **state)
{
    const double values[] = {5.0, 4.0, 4.1, 1.0, 2.0, 0.5, 0.6};
    struct curve_metrics m = of(values, COUNT(values));

    (void)state;
    assert_near(m.max, 5);
    assert_near(m.interior_bump, 1.0);
    assert_near(m.alpha_star, 4.0 / 6);
    assert_near(m.bump, 1.0);
}

/* A rise to the very end is a bump but no interior maximum; a flat top is one. */
static void test_ends_and_tops(void **state)
{
    const double rise[] = {1, 0.5, 0.75, 1.5};
    const double flat[] = {1, 0.5, 0.75, 0.75, 0.5};
    const double shelf[] = {1, 0.5, 0.75, 0.75, 1.5};
    struct curve_metrics m = of(rise, COUNT(rise));

    (void)state;
    assert_near(m.bump, 1);
    assert_near(m.interior_bump, 0);
    assert_true(isnan(m.alpha_star));
    m = of(flat, COUNT(flat));
    assert_near(m.interior_bump, 0.25);
    assert_near(m.alpha_star, 0.5);
    m = of(shelf, COUNT(shelf));
    assert_near(m.interior_bump, 0);
}

static void test_tolerance(void **state)
{
    const double values[] = {1.0, 0.5, 0.515625, 0.25};
    struct curve_metrics m = of(values, COUNT(values));

    (void)state;
    assert_near(m.bump, 0.015625);
    assert_true(m.monotone);
    assert_near(m.interior_bump, 0.015625);
}

static void test_plateau(void **state)
{
    const double values[] = {2.3, 2.31, 2.35, 2.2, 1.0, 2.3};
    struct curve_metrics m = of(values, COUNT(values));

    (void)state;
    assert_near(m.plateau, 0.6);
    assert_near(m.chance_share, 5.0 / 6);
}

static void test_two_points(void **state)
{
    const double values[] = {1, 3};
    struct curve_metrics m = of(values, COUNT(values));

    (void)state;
    assert_int_equal(m.points, 2);
    assert_near(m.bump, 2);
    assert_false(m.monotone);
    assert_near(m.barrier_linear, 0);
    assert_near(m.barrier_mean, 1);
    assert_near(m.interior_bump, 0);
}

/* A path that overflows on its way is not monotone, however it looks elsewhere. */
static void test_nonfinite(void **state)
{
    const double inside[] = {4, 3, INFINITY, NAN, 1, 0};
    const double after[] = {2.3, 2.2, NAN, NAN};
    const double before[] = {INFINITY, NAN, 3, 1, 2, 0};
    struct curve_metrics m = of(inside, COUNT(inside));

    (void)state;
    assert_int_equal(m.points, 6);
    assert_int_equal(m.nonfinite, 2);
    assert_near(m.start, 4);
    assert_near(m.end, 0);
    assert_true(isinf(m.max) && isinf(m.bump) && isinf(m.barrier_linear));
    assert_true(isinf(m.barrier_mean) && isinf(m.barrier_init));
    assert_true(isinf(m.interior_bump));
    assert_false(m.monotone);
    assert_near(m.alpha_max, 0.4);
    assert_near(m.alpha_star, 0.4);

    m = of(after, COUNT(after)); /* as of a run that diverged */
    assert_near(m.start, 2.3);
    assert_true(isinf(m.end) && isinf(m.bump) && isnan(m.barrier_linear));
    assert_false(m.monotone);
    assert_near(m.interior_bump, 0);
    assert_near(m.plateau, 1.0 / 3);
    assert_near(m.chance_share, 0.5);

    m = of(before, COUNT(before)); /* an initial state that overflows is no rise */
    assert_near(m.bump, 1);
    assert_near(m.interior_bump, 1);
    assert_near(m.alpha_star, 0.8);
    assert_true(isinf(m.start) && isnan(m.barrier_linear) && isnan(m.barrier_init));
}

static void test_too_few(void **state)
{
    const double one[] = {2}, none[] = {NAN, INFINITY};
    struct curve_metrics m = of(one, 1);

    (void)state;
    assert_near(m.start, 2);
    assert_near(m.max, 2);
    assert_true(isnan(m.end) && isnan(m.bump) && isnan(m.plateau));
    assert_false(m.monotone);
    m = of(none, 2);
    assert_int_equal(m.nonfinite, 2);
    assert_true(isnan(m.bump) && isnan(m.interior_bump) && isnan(m.chance_share));
    assert_false(m.monotone);
}

/* The line follows alpha, not the index. */
static void test_uneven_alphas(void **state)
{
    const double alphas[] = {0, 0.125, 0.5, 1}, values[] = {4, 4, 3, 0};
    struct curve_metrics m = curve_metrics_of(alphas, values, 4, CHANCE, 0.02);

    (void)state;
    assert_near(m.barrier_linear, 1);
    assert_near(m.alpha_max, 0);
}

/* What rises beyond the two states is no barrier between them. */
static void test_beyond_the_states(void **state)
{
    const double alphas[] = {-0.5, 0, 0.5, 1, 1.5, 2}, values[] = {9, 2.3, 2, 1, 7, NAN};
    struct curve_metrics m = curve_metrics_of(alphas, values, 6, CHANCE, 0.02);

    (void)state;
    assert_int_equal(m.points, 3);
    assert_int_equal(m.nonfinite, 0);
    assert_near(m.start, 2.3);
    assert_near(m.end, 1);
    assert_near(m.max, 2.3);
    assert_near(m.bump, 0);
    assert_true(m.monotone);
    assert_near(m.barrier_linear, 2 - 1.65);
    assert_near(m.barrier_init, 0);
    assert_near(m.plateau, 0);
    assert_near(m.chance_share, 1.0 / 3);
}

/* L(0) and L(1) are these and not their neighbours. */
static void test_without_ends(void **state)
{
    const double alphas[] = {0.25, 0.5, 0.75}, values[] = {2.3, 1, 2};
    struct curve_metrics m = curve_metrics_of(alphas, values, 3, CHANCE, 0.02);

    (void)state;
    assert_true(isnan(m.start) && isnan(m.end) && isnan(m.plateau));
    assert_true(isnan(m.barrier_linear) && isnan(m.barrier_mean));
    assert_true(isnan(m.barrier_init));
    assert_near(m.max, 2.3);
    assert_near(m.bump, 1);
    m = curve_metrics_of(alphas + 3, values, 0, CHANCE, 0.02);
    assert_int_equal(m.points, 0);
    assert_true(isnan(m.max) && isnan(m.bump));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_bump),
        cmocka_unit_test(test_place_of_the_bump),
        cmocka_unit_test(test_highest_is_by_height),
        cmocka_unit_test(test_ends_and_tops),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_two_points),
        cmocka_unit_test(test_nonfinite),
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_uneven_alphas),
        cmocka_unit_test(test_beyond_the_states),
        cmocka_unit_test(test_without_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
