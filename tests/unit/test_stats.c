/* Statistics against references: values computed with 30 digits, the examples of
 * textbooks and of SciPy's and R's manuals. */

#include "common/error.h"
#include "coordinator/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(double got, double expected, double relative)
{
    if (isnan(expected) ? !isnan(got)
                        : !(fabs(got - expected) <= relative * fabs(expected)))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

static void test_beta(void **state)
{
    static const struct {
        double x, a, b, expected;
    } CASES[] = {
        {0, 2, 3, 0},
        {1, 2, 3, 1},
        {0.5, 2, 3, 0.6875},
        {0.1, 0.5, 0.5, 0.20483276469913345},
        {0.9, 5, 0.5, 0.31664291502001226},
        {0.999, 50, 0.5, 0.75236901996537679},
        {0.3, 1000, 2000, 4.0738279160507943e-5},
        {0.34, 1000, 2000, 0.78121509116064189},
        {1e-8, 0.5, 0.5, 6.366197734286143e-5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_near(stat_beta(CASES[i].x, CASES[i].a, CASES[i].b), CASES[i].expected,
                    1e-11);
}

static void test_t(void **state)
{
    static const struct {
        double t, degrees, p;
    } CASES[] = {
        {0, 7, 1},
        {2, 10, 0.073388034770740366},
        {-2, 10, 0.073388034770740366},
        {0.5, 1, 0.70483276469913345},
        {5, 3, 0.015392438073302301},
        {1, 1000, 0.31755241808467231},
        {30, 30, 6.251791630608888e-24},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_near(stat_t_p(CASES[i].t, CASES[i].degrees), CASES[i].p, 1e-11);
}

static void test_quantiles(void **state)
{
    static const struct {
        double degrees, t;
    } CASES[] = {
        {1, 12.706204736174705}, {2, 4.3026527297494639},  {4, 2.7764451051977944},
        {9, 2.2621571627982055}, {30, 2.0422724563012383}, {1000, 1.9623390808264085},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_near(stat_t_within(0.95, CASES[i].degrees), CASES[i].t, 1e-10);
    assert_near(stat_normal_within(0.95), 1.9599639845400542, 1e-12);
    assert_near(stat_normal_within(0.99), 2.5758293035489008, 1e-12);
}

static void test_ranks(void **state)
{
    static const double X[] = {3, 1, INFINITY, 1, -5, INFINITY, 1, INFINITY};
    static const double EXPECTED[] = {5, 3, 7, 3, 1, 7, 3, 7};
    struct error err;
    double ranks[8];

    (void)state;
    assert_int_equal(stat_ranks(X, 8, ranks, &err), 0);
    for (size_t i = 0; i < 8; i++)
        assert_near(ranks[i], EXPECTED[i], 0);
}

/* The fifth is intelligence and hours of television, after Wikipedia; the
 * second SciPy's example, where the p of t, 0.0886, has too few runs. */
static void test_spearman(void **state)
{
    static const struct {
        size_t n;
        double x[12], y[12];
        double r, low, high, p;
    } CASES[] = {
        {5, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}, 1, NAN, NAN, 2.0 / 120},
        {5,
         {1, 2, 3, 4, 5},
         {5, 6, 7, 8, 7},
         0.82078268166812328,
         -0.41629081750673865,
         0.99204597111491544,
         0.13333333333333333},
        {5,
         {1, 2, 3, 4, 5},
         {1, 2, 3, 5, 4},
         0.9,
         -0.16889565860999602,
         0.99606859247505131,
         0.083333333333333333},
        {7,
         {3, 1, 4, 1, 5, 9, 2},
         {2, 7, 1, 8, 2, 8, 1},
         -0.083347625989871558,
         -0.78765502139324229,
         0.71539149629007126,
         0.85714285714285714},
        {10,
         {106, 100, 86, 101, 99, 103, 97, 113, 112, 110},
         {7, 27, 2, 50, 28, 29, 20, 12, 6, 17},
         -29.0 / 165,
         -0.72783002823940722,
         0.51454666163295617,
         0.6271883447764844},
        {12,
         {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
         {3, 1, 2, 2, 5, 4, 9, 7, 6, 11, 11, 10},
         0.89825114345280499,
         0.59741922738097092,
         0.97745633535277852,
         7.2242038070744683e-5},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct stat_result got;
        assert_int_equal(stat_spearman(CASES[i].x, CASES[i].y, CASES[i].n, &got, &err),
                         0);
        assert_int_equal(got.verdict, STAT_OK);
        assert_int_equal(got.n, CASES[i].n);
        assert_near(got.value, CASES[i].r, 1e-13);
        assert_near(got.low, CASES[i].low, 1e-11);
        assert_near(got.high, CASES[i].high, 1e-11);
        assert_near(got.p, CASES[i].p, 1e-10);
    }
}

static void test_what_no_correlation_tells(void **state)
{
    static const double X[] = {1, 2, 3, 4, 5}, SAME[] = {0, 0, 0, 0, 0};
    struct stat_result got;
    struct error err;

    (void)state;
    assert_int_equal(stat_spearman(X, X, 4, &got, &err), 0);
    assert_int_equal(got.verdict, STAT_TOO_FEW);
    assert_true(isnan(got.value) && isnan(got.p));
    assert_int_equal(stat_spearman(X, SAME, 5, &got, &err), 0);
    assert_int_equal(got.verdict, STAT_ALL_ALIKE);
    assert_true(isnan(got.value) && isnan(got.p));
}

/* Hours of sleep gained with one drug over the other (Student 1908). */
static void test_mean(void **state)
{
    static const double SLEEP[] = {1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4};
    static const double SAME[] = {0.1, 0.1, 0.1};
    struct stat_result got = stat_mean(SLEEP, 10);

    (void)state;
    assert_int_equal(got.verdict, STAT_OK);
    assert_near(got.value, 1.58, 1e-14);
    assert_near(got.low, 0.7001142367230172, 1e-11);
    assert_near(got.high, 2.4598857632769828, 1e-11);
    assert_near(got.p, 0.0028328901973842727, 1e-11);
    assert_int_equal(stat_mean(SLEEP, 2).verdict, STAT_TOO_FEW);
    assert_true(isnan(stat_mean(SLEEP, 2).value));
    got = stat_mean(SAME, 3);
    assert_int_equal(got.verdict, STAT_ALL_ALIKE);
    assert_near(got.value, 0.1, 1e-14);
    assert_true(isnan(got.low) && isnan(got.p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beta),
        cmocka_unit_test(test_t),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_spearman),
        cmocka_unit_test(test_what_no_correlation_tells),
        cmocka_unit_test(test_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
