#include "worker/nn/net.h"

#include "tests/numeric/numkit.h"

enum { ROWS = 37, CLASSES = 10 };

/* The definition without the trick: sums of exp in long double. */
static long double naive_loss(const real *z, int label, int K)
{
    long double sum = 0;

    for (int k = 0; k < K; k++)
        sum += expl((long double)z[k]);
    return logl(sum) - (long double)z[label];
}

static void check_rows(const real *z, int K)
{
    uint8_t labels[ROWS], right[ROWS];
    double losses[ROWS];
    real *dz = num_filled((size_t)(ROWS * K), NAN);

    for (int i = 0; i < ROWS; i++)
        labels[i] = (uint8_t)(i % K);
    loss_softmax(losses, right, dz, z, labels, ROWS, K);
    for (int i = 0; i < ROWS; i++) {
        const real *row = z + i * K;
        const double loss = (double)naive_loss(row, labels[i], K);
        int best = 0;
        for (int k = 0; k < K; k++) {
            double p = exp(-(double)naive_loss(row, k, K));
            double want = (p - (k == labels[i])) / ROWS;
            /* rounded to real once: 2^-24 of at most 1/ROWS */
            assert_true(fabs((double)dz[i * K + k] - want) < 1e-7 / ROWS);
            best = row[k] > row[best] ? k : best;
        }
        assert_true(fabs(losses[i] - loss) <= 1e-13 * (1 + fabs(loss)));
        assert_int_equal(right[i], best == labels[i]);
    }
    free(dz);
}

static void matches_the_definition(void **state)
{
    const int counts[] = {1, 2, CLASSES, 17};
    (void)state;

    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (int scale = 1; scale <= 100; scale *= 10) {
            real *z = num_random((size_t)(ROWS * counts[c]), 3);
            for (int i = 0; i < ROWS * counts[c]; i++)
                z[i] *= (real)scale;
            check_rows(z, counts[c]);
            free(z);
        }
    }
}

/* Cross-entropy with the targets written out. */
static void smoothed_targets_match_the_definition(void **state)
{
    const double shares[] = {0, 0.1, 1};
    real *z = num_random(ROWS * CLASSES, 3), dz[ROWS * CLASSES], plain_dz[ROWS * CLASSES];
    double losses[ROWS], plain[ROWS];
    uint8_t labels[ROWS], right[ROWS];
    (void)state;

    for (int i = 0; i < ROWS; i++)
        labels[i] = (uint8_t)(i % CLASSES);
    loss_softmax(plain, right, plain_dz, z, labels, ROWS, CLASSES);
    for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
        loss_smoothed(losses, right, dz, z, labels, ROWS, CLASSES, shares[s]);
        for (int i = 0; i < ROWS; i++) {
            double want = 0;
            for (int k = 0; k < CLASSES; k++) {
                const double target =
                    shares[s] / CLASSES + (k == labels[i] ? 1 - shares[s] : 0);
                const double loss = (double)naive_loss(z + i * CLASSES, k, CLASSES);
                const double slope = (exp(-loss) - target) / ROWS;
                want += target * loss;
                assert_true(fabs((double)dz[i * CLASSES + k] - slope) < 1e-7 / ROWS);
            }
            assert_true(fabs(losses[i] - want) <= 1e-13 * (1 + want));
        }
        if (s == 0) { /* not one bit */
            assert_memory_equal(losses, plain, sizeof plain);
            assert_memory_equal(dz, plain_dz, sizeof plain_dz);
        }
    }
    free(z);
}

/* Every instruction set gives the same bits, of any number of examples. */
static void instruction_sets_agree(void **state)
{
    real *z = num_random(ROWS * CLASSES, 5), dz[2][ROWS * CLASSES];
    double losses[2][ROWS];
    uint8_t labels[ROWS], right[2][ROWS];

    (void)state;
    for (int i = 0; i < ROWS; i++)
        labels[i] = (uint8_t)(i % CLASSES);
    z[3] = (real)NAN;
    z[CLASSES] = (real)INFINITY;
    z[2 * CLASSES + 1] = (real)-INFINITY;
    for (int B = 1; B <= ROWS; B++) {
        for (int isa = 0; isa < ISA_COUNT; isa++)
            if (isa_usable((enum isa)isa))
                loss_softmax_on((enum isa)isa, losses[isa], right[isa], dz[isa], z,
                                labels, B, CLASSES);
        if (!isa_usable(ISA_AVX512))
            break;
        assert_memory_equal(losses[0], losses[1], (size_t)B * sizeof losses[0][0]);
        assert_memory_equal(right[0], right[1], (size_t)B);
        assert_memory_equal(dz[0], dz[1], (size_t)(B * CLASSES) * sizeof dz[0][0]);
    }
    free(z);
}

static double loss_of(const real *z, int K, uint8_t label, uint8_t *ret_right)
{
    double loss;

    loss_softmax(&loss, ret_right, NULL, z, &label, 1, K);
    return loss;
}

static void huge_logits_do_not_overflow(void **state)
{
    const real z[3] = {(real)1e30, 0, (real)-1e30};
    uint8_t right;
    (void)state;

    assert_true(loss_of(z, 3, 0, &right) == 0);
    assert_int_equal(right, 1);
    assert_true(fabs(loss_of(z, 3, 1, &right) / 1e30 - 1) < 1e-6);
    assert_int_equal(right, 0);
}

static void first_of_equals_is_the_answer(void **state)
{
    const real z[4] = {1, 5, 5, 0};
    uint8_t right;
    (void)state;

    loss_of(z, 4, 1, &right);
    assert_int_equal(right, 1);
    loss_of(z, 4, 2, &right);
    assert_int_equal(right, 0);
}

static void nonfinite_logits_are_seen(void **state)
{
    uint8_t right;
    (void)state;

    for (int at = 0; at < 3; at++) {
        real z[3] = {1, 2, 3}, dz[3];
        double loss;
        uint8_t label = 2;
        z[at] = NAN;
        loss_softmax(&loss, &right, dz, z, &label, 1, 3);
        assert_true(isnan(loss));
        assert_int_equal(right, 0);
        for (int k = 0; k < 3; k++)
            assert_true(isnan(dz[k]));
    }
    const real up[2] = {INFINITY, 0}, down[2] = {-INFINITY, 0};
    assert_true(isnan(loss_of(up, 2, 1, &right)));
    assert_true(isinf(loss_of(down, 2, 0, &right)));
    assert_true(loss_of(down, 2, 1, &right) == 0);
    assert_int_equal(right, 1);
}

static void predictions_are_the_first_largest(void **state)
{
    const real z[] = {1, 5, 5, 0, -INFINITY, 2, INFINITY, NAN, 3, 3, 3, 3};
    uint8_t predicted[3];
    (void)state;

    loss_predict(predicted, z, 3, 4);
    assert_int_equal(predicted[0], 1);
    assert_int_equal(predicted[1], UINT8_MAX);
    assert_int_equal(predicted[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_the_definition),
        cmocka_unit_test(instruction_sets_agree),
        cmocka_unit_test(smoothed_targets_match_the_definition),
        cmocka_unit_test(huge_logits_do_not_overflow),
        cmocka_unit_test(first_of_equals_is_the_answer),
        cmocka_unit_test(nonfinite_logits_are_seen),
        cmocka_unit_test(predictions_are_the_first_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
