#include "worker/nn/act.h"
#include "worker/nn/point.h"

#include "tests/numeric/numkit.h"

#include <string.h>

/* Every length around the width of a vector, so each loop and its rest run. */
enum { LENGTH_MAX = 70 };

static const enum act_kind KINDS[] = {ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_GELU};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

/* The definitions, in double. */
static double value_of(enum act_kind kind, double x)
{
    switch (kind) {
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_TANH:
        return tanh(x);
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_GELU:
        return x * 0.5 * erfc(-x / sqrt(2));
    }
    return NAN;
}

static double slope_of(enum act_kind kind, double x)
{
    const double y = value_of(kind, x);

    switch (kind) {
    case ACT_RELU:
        return x > 0;
    case ACT_TANH:
        return 1 - y * y;
    case ACT_SIGMOID:
        return y * (1 - y);
    case ACT_GELU:
        return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
    }
    return NAN;
}

static void check_length(enum act_kind kind, size_t n)
{
    real *in = num_random(n + 1, (uint32_t)n), *out = num_filled(n + 1, -7);
    real *dout = num_random(n + 1, (uint32_t)n + 99), *din = num_filled(n + 1, -7);
    const real *needed = act_needs_input(kind) ? in : NULL;

    for (size_t i = 0; i < n; i++)
        in[i] *= 8; /* far into the flat parts */
    if (n > 2)
        in[n / 2] = 0;
    act_forward(kind, out, in, n);
    act_backward(kind, din, dout, needed, out, n);
    for (size_t i = 0; i < n; i++) {
        const double x = (double)in[i], d = (double)dout[i];
        assert_true(fabs((double)out[i] - value_of(kind, x)) <= 1e-6 * (1 + fabs(x)));
        assert_true(fabs((double)din[i] - d * slope_of(kind, x)) <= 2e-6);
    }
    assert_true(out[n] == -7 && din[n] == -7);
    if (kind == ACT_RELU)
        for (size_t i = 0; i < n; i++)
            assert_true(out[i] == (in[i] > 0 ? in[i] : 0) &&
                        din[i] == (in[i] > 0 ? dout[i] : 0));

    act_backward(kind, dout, dout, needed, out, n); /* in place */
    assert_memory_equal(din, dout, n * sizeof *din);
    act_forward(kind, in, in, n);
    assert_memory_equal(in, out, n * sizeof *in);
    free(in);
    free(out);
    free(dout);
    free(din);
}

static void values_and_slopes(void **state)
{
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++)
        for (size_t n = 0; n <= LENGTH_MAX; n++)
            check_length(KINDS[k], n);
}

static void only_gelu_needs_its_input(void **state)
{
    (void)state;
    for (int k = 0; k < KIND_COUNT; k++)
        assert_int_equal(act_needs_input(KINDS[k]), KINDS[k] == ACT_GELU);
}

enum { FEW = 13 };

static void nan_stays_and_lets_gradients_through(void **state)
{
    (void)state;
    for (size_t at = 0; at < FEW; at++) {
        for (int k = 0; k < KIND_COUNT; k++) {
            real x[FEW] = {0}, y[FEW], d[FEW];
            x[at] = NAN;
            act_forward(KINDS[k], y, x, FEW);
            for (size_t i = 0; i < FEW; i++) {
                assert_true((isnan(y[i]) != 0) == (i == at));
                d[i] = 3;
            }
            act_backward(KINDS[k], d, d, x, y, FEW);
            assert_true(KINDS[k] == ACT_RELU ? d[at] == 3 : isnan(d[at]));
            d[at] = NAN; /* a NaN gradient, too, where it passes */
            act_backward(KINDS[k], d, d, x, y, FEW);
            assert_true(isnan(d[at]));
        }
    }
}

static void infinities_saturate(void **state)
{
    (void)state;
    for (size_t at = 0; at < FEW; at++) {
        real up[FEW] = {0}, down[FEW] = {0}, y[FEW];
        up[at] = INFINITY;
        down[at] = -INFINITY;
        act_forward(ACT_RELU, y, up, FEW);
        assert_true(isinf(y[at]));
        act_forward(ACT_RELU, y, down, FEW);
        assert_true(y[at] == 0);
        act_forward(ACT_TANH, y, down, FEW);
        assert_true(y[at] == -1);
        act_forward(ACT_SIGMOID, y, up, FEW);
        assert_true(y[at] == 1);
        act_forward(ACT_SIGMOID, y, down, FEW);
        assert_true(y[at] == 0);
        act_forward(ACT_GELU, y, up, FEW);
        assert_true(isinf(y[at]));
    }
}

static void sums_element_by_element(void **state)
{
    (void)state;
    for (size_t n = 0; n <= LENGTH_MAX; n++) {
        real *a = num_random(n + 1, 1), *b = num_random(n + 1, 2);
        real *sum = num_filled(n + 1, -7);
        point_add(sum, a, b, n);
        for (size_t i = 0; i < n; i++)
            assert_true(sum[i] == a[i] + b[i]);
        assert_true(sum[n] == -7);
        point_add(a, a, b, n); /* in place */
        assert_memory_equal(a, sum, n * sizeof *a);
        free(a);
        free(b);
        free(sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_slopes),
        cmocka_unit_test(only_gelu_needs_its_input),
        cmocka_unit_test(nan_stays_and_lets_gradients_through),
        cmocka_unit_test(infinities_saturate),
        cmocka_unit_test(sums_element_by_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
