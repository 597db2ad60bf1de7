/* Exact sums against 128-bit integers and by hand: any order, any cut, the same bits;
 * rounded once and to even; signs that cancel. */

#include "common/exact.h"

#include "common/rng.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

__extension__ typedef __int128 wide;

enum { COUNT = 300, ROUNDS = 300 };

static struct exact sum_of(const double *x, int count)
{
    struct exact sum = {{0}};

    for (int i = 0; i < count; i++)
        exact_add(&sum, x[i]);
    return sum;
}

static double value_of(const double *x, int count)
{
    const struct exact sum = sum_of(x, count);
    return exact_value(&sum);
}

/* Either sign, magnitudes over 2 * reach powers of two. */
static double draw(struct rng *rng, int reach)
{
    const int power = (int)rng_below(rng, (uint32_t)(2 * reach)) - reach;
    const double u =
        ldexp((double)rng_u32(rng) + 0.5, -32) + ldexp(rng_uniform(rng), -29);

    return ldexp(rng_below(rng, 2) ? u : -u, power);
}

/* One number is itself, down to where units end. */
static void test_one_number(void **state)
{
    const double kept[] = {0,
                           1,
                           -1,
                           0.1,
                           -0.7,
                           1e-42,
                           0x1p-192,
                           0x1p64,
                           0x1p63,
                           1e300 * 1e-250,
                           DBL_EPSILON,
                           0x1.fffffffffffffp269,
                           -0x1.fffffffffffffp269};
    struct rng rng = rng_at(1, RNG_DATA, 0, 0);

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_true(value_of(&kept[i], 1) == kept[i]);
    for (int i = 0; i < 10000; i++) {
        const double x = draw(&rng, 130);
        assert_true(value_of(&x, 1) == x);
    }
    /* Half a unit and more becomes one, less becomes nothing. */
    assert_true(value_of((double[]){0x1p-193}, 1) == 0x1p-192);
    assert_true(value_of((double[]){-0x1.8p-193}, 1) == -0x1p-192);
    assert_true(value_of((double[]){0x1.fp-194}, 1) == 0);
    assert_true(value_of((double[]){DBL_TRUE_MIN}, 1) == 0);
    assert_true(value_of((double[]){-0.0}, 1) == 0);
}

/* Ties go to even, and what lies far below decides. */
static void test_rounding(void **state)
{
    (void)state;
    assert_true(value_of((double[]){0x1p53, 1}, 2) == 0x1p53);
    assert_true(value_of((double[]){0x1p53, 3}, 2) == 0x1p53 + 4);
    assert_true(value_of((double[]){0x1p53, 1, 0x1p-190}, 3) == 0x1p53 + 2);
    assert_true(value_of((double[]){0x1p53, 1, -0x1p-190}, 3) == 0x1p53);
    assert_true(value_of((double[]){-0x1p53, -1, -0x1p-190}, 3) == -0x1p53 - 2);
    assert_true(value_of((double[]){0x1p54 - 2, 1}, 2) == 0x1p54);
    assert_true(value_of((double[]){0x1p200, 1, -0x1p200}, 3) == 1);
    assert_true(value_of((double[]){1, -1}, 2) == 0);
    assert_true(value_of((double[]){0x1p-192, -1}, 2) == -1);
}

/* Carries and borrows run through all limbs and back. */
static void test_signs_that_cancel(void **state)
{
    struct exact sum = {{0}}, zero = {{0}};

    (void)state;
    exact_add(&sum, -0x1p-192);
    for (int i = 0; i < EXACT_LIMBS; i++)
        assert_true(sum.limb[i] == UINT64_MAX);
    assert_true(exact_value(&sum) == -0x1p-192);
    exact_add(&sum, 0x1p-192);
    assert_memory_equal(&sum, &zero, sizeof sum);
    for (int power = -192; power < 270; power++)
        exact_add(&sum, -ldexp(1, power));
    for (int power = 269; power >= -192; power--)
        exact_add(&sum, ldexp(1, power));
    assert_memory_equal(&sum, &zero, sizeof sum);
}

/* The twin: multiples of 2^-40 as integers of 128 bits. */
static void test_against_integers(void **state)
{
    struct rng rng = rng_at(2, RNG_DATA, 0, 0);

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct exact sum = {{0}};
        wide twin = 0;

        for (int i = 0; i < COUNT; i++) {
            const double x = ldexp(rint(ldexp(draw(&rng, 60), 40)), -40);
            exact_add(&sum, x);
            twin += (wide)ldexp(x, 40);
        }
        /* The conversion of an integer rounds to nearest, ties to even. */
        assert_true(exact_value(&sum) == ldexp((double)twin, -40));
    }
}

/* Over all magnitudes a long double is not exact, but near. */
static void test_against_long_double(void **state)
{
    struct rng rng = rng_at(3, RNG_DATA, 0, 0);

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct exact sum = {{0}};
        long double twin = 0;

        for (int i = 0; i < COUNT; i++) {
            const double x = fabs(draw(&rng, 130));
            exact_add(&sum, x);
            twin += (long double)x;
        }
        assert_true(fabs((double)((long double)exact_value(&sum) / twin - 1)) < 1e-15);
    }
}

static void test_any_order_and_cut(void **state)
{
    struct rng rng = rng_at(4, RNG_DATA, 0, 0);
    double x[COUNT], shuffled[COUNT];
    uint32_t order[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        x[i] = draw(&rng, 250);
    const struct exact whole = sum_of(x, COUNT);
    for (int round = 0; round < ROUNDS; round++) {
        const int cut = (int)rng_below(&rng, COUNT + 1);

        rng_permutation(&rng, order, COUNT);
        for (int i = 0; i < COUNT; i++)
            shuffled[i] = x[order[i]];
        struct exact first = sum_of(shuffled, cut);
        const struct exact second = sum_of(shuffled + cut, COUNT - cut);
        exact_merge(&first, &second);
        assert_memory_equal(&first, &whole, sizeof whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_number),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_signs_that_cancel),
        cmocka_unit_test(test_against_integers),
        cmocka_unit_test(test_against_long_double),
        cmocka_unit_test(test_any_order_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
