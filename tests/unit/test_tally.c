/* Tallies: means and standard errors by hand, and losses that are not finite. */

#include "common/tally.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void mean_error_and_accuracy(void **state)
{
    static const double losses[] = {1, 2, 3, 6};
    struct tally tally = {0};

    (void)state;
    for (int i = 0; i < 4; i++)
        tally_add(&tally, losses[i], i == 2 ? 5 : 0);
    assert_true(tally.count == 4 && tally.correct == 1);
    assert_true(tally.sum == 12 && tally.sum_sq == 50);
    assert_true(tally_loss(&tally) == 3);
    /* Variance (4 + 1 + 0 + 9) / 3, divided by n = 4. */
    assert_true(fabs(tally_loss_se(&tally) - sqrt(14.0 / 12.0)) < 1e-15);
    assert_true(tally_accuracy(&tally) == 0.25);
}

static void few_examples(void **state)
{
    struct tally tally = {0};

    (void)state;
    assert_true(isnan(tally_loss(&tally)));
    assert_true(isnan(tally_loss_se(&tally)));
    assert_true(isnan(tally_accuracy(&tally)));
    tally_add(&tally, 0.7, 1);
    assert_true(tally_loss(&tally) == 0.7);
    assert_true(tally_loss_se(&tally) == 0);
    assert_true(tally_accuracy(&tally) == 1);
}

/* 0.1 squared is rounded: the sums alone would give a negative variance. */
static void equal_losses_have_no_error(void **state)
{
    struct tally tally = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        tally_add(&tally, 0.1, 0);
    assert_true(tally_loss_se(&tally) >= 0);
    assert_true(tally_loss_se(&tally) < 1e-9);
}

static void nonfinite_losses_are_results(void **state)
{
    struct tally tally = {0};

    (void)state;
    tally_add(&tally, 1, 1);
    tally_add(&tally, INFINITY, 0);
    assert_true(tally_loss(&tally) == INFINITY);
    assert_true(isnan(tally_loss_se(&tally)));
    tally_add(&tally, NAN, 0);
    assert_true(isnan(tally_loss(&tally)));
    assert_true(isnan(tally_loss_se(&tally)));
    tally_add(&tally, -INFINITY, 1);
    assert_true(tally.count == 4 && tally.nan_count == 1 && tally.inf_count == 2);
    assert_true(tally.sum == 1 && tally.sum_sq == 1);
    assert_true(tally_accuracy(&tally) == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_error_and_accuracy),
        cmocka_unit_test(few_examples),
        cmocka_unit_test(equal_losses_have_no_error),
        cmocka_unit_test(nonfinite_losses_are_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
