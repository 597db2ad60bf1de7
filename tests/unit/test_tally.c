/* Tallies: means and standard errors by hand, losses that are not finite, and the same
 * bits in any order and any cut. */

#include "common/tally.h"

#include "common/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void mean_error_and_accuracy(void **state)
{
    static const double losses[] = {1, 2, 3, 6};
    struct tally_sum sum = {0};
    struct tally tally;

    (void)state;
    for (int i = 0; i < 4; i++)
        tally_add(&sum, losses[i], i == 2 ? 5 : 0);
    tally = tally_round(&sum);
    assert_true(tally.count == 4 && tally.correct == 1);
    assert_true(tally.sum == 12 && tally.sum_sq == 50);
    assert_true(tally_loss(&tally) == 3);
    /* Variance (4 + 1 + 0 + 9) / 3, divided by n = 4. */
    assert_true(fabs(tally_loss_se(&tally) - sqrt(14.0 / 12.0)) < 1e-15);
    assert_true(tally_accuracy(&tally) == 0.25);
}

static void few_examples(void **state)
{
    struct tally_sum sum = {0};
    struct tally tally;

    (void)state;
    tally = tally_round(&sum);
    assert_true(isnan(tally_loss(&tally)));
    assert_true(isnan(tally_loss_se(&tally)));
    assert_true(isnan(tally_accuracy(&tally)));
    tally_add(&sum, 0.7, 1);
    tally = tally_round(&sum);
    assert_true(tally_loss(&tally) == 0.7);
    assert_true(tally_loss_se(&tally) == 0);
    assert_true(tally_accuracy(&tally) == 1);
}

/* 0.1 squared is rounded: the sums alone would give a negative variance. */
static void equal_losses_have_no_error(void **state)
{
    struct tally_sum sum = {0};
    struct tally tally;

    (void)state;
    for (int i = 0; i < 1000; i++)
        tally_add(&sum, 0.1, 0);
    tally = tally_round(&sum);
    assert_true(tally_loss_se(&tally) >= 0);
    assert_true(tally_loss_se(&tally) < 1e-9);
}

static void nonfinite_losses_are_results(void **state)
{
    struct tally_sum sum = {0};
    struct tally tally;

    (void)state;
    tally_add(&sum, 1, 1);
    tally_add(&sum, INFINITY, 0);
    tally = tally_round(&sum);
    assert_true(tally_loss(&tally) == INFINITY);
    assert_true(isnan(tally_loss_se(&tally)));
    tally_add(&sum, NAN, 0);
    tally = tally_round(&sum);
    assert_true(isnan(tally_loss(&tally)));
    assert_true(isnan(tally_loss_se(&tally)));
    tally_add(&sum, -INFINITY, 1);
    tally = tally_round(&sum);
    assert_true(tally.count == 4 && tally.nan_count == 1 && tally.inf_count == 2);
    assert_true(tally.sum == 1 && tally.sum_sq == 1);
    assert_true(tally_accuracy(&tally) == 0.5);
}

/* ---- order and cuts ---------------------------------------------------------------- */

enum { EXAMPLES = 1000, ROUNDS = 200 };

/* Losses as networks have them, some that overflow and some that are no numbers. */
static void draw_losses(struct rng *rng, double losses[EXAMPLES])
{
    for (int i = 0; i < EXAMPLES; i++) {
        const double u = rng_uniform(rng);
        const int kind = (int)(100 * rng_uniform(rng));

        losses[i] = kind == 0   ? 0x1p130 * u
                    : kind == 1 ? 1e-30 * u
                    : kind == 2 ? INFINITY
                    : kind == 3 ? NAN
                                : -log(u + 1e-300) * u;
    }
}

static void test_any_order_and_cut(void **state)
{
    double losses[EXAMPLES];
    uint32_t order[EXAMPLES];
    struct tally_sum whole = {0};
    struct rng rng = rng_at(1, RNG_ORDER, 0, 0);

    (void)state;
    draw_losses(&rng, losses);
    for (int i = 0; i < EXAMPLES; i++)
        tally_add(&whole, losses[i], i % 3 == 0);
    for (int round = 0; round < ROUNDS; round++) {
        const uint32_t cut = rng_below(&rng, EXAMPLES);
        struct tally_sum parts[2] = {{0}}, all = {0};

        rng_permutation(&rng, order, EXAMPLES);
        for (uint32_t i = 0; i < EXAMPLES; i++)
            tally_add(&parts[i >= cut], losses[order[i]], order[i] % 3 == 0);
        tally_merge(&all, &parts[round % 2]);
        tally_merge(&all, &parts[1 - round % 2]);
        assert_memory_equal(&all, &whole, sizeof all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_error_and_accuracy),
        cmocka_unit_test(few_examples),
        cmocka_unit_test(equal_losses_have_no_error),
        cmocka_unit_test(nonfinite_losses_are_results),
        cmocka_unit_test(test_any_order_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
