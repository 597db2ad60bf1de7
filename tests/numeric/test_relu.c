#include "worker/nn/relu.h"

#include "tests/numeric/numkit.h"

#include <string.h>

/* Every length around the width of a vector, so each loop and its rest run. */
enum { LENGTH_MAX = 70 };

static void forward_is_the_positive_part(void **state)
{
    (void)state;
    for (size_t n = 0; n <= LENGTH_MAX; n++) {
        real *in = num_random(n + 1, (uint32_t)n), *out = num_filled(n + 1, -7);
        if (n > 2)
            in[n / 2] = 0;
        relu_forward(out, in, n);
        for (size_t i = 0; i < n; i++)
            assert_true(out[i] == (in[i] > 0 ? in[i] : 0));
        assert_true(out[n] == -7);
        relu_forward(in, in, n); /* in place */
        assert_memory_equal(in, out, n * sizeof *in);
        free(in);
        free(out);
    }
}

static void backward_passes_where_positive(void **state)
{
    (void)state;
    for (size_t n = 0; n <= LENGTH_MAX; n++) {
        real *in = num_random(n + 1, (uint32_t)n), *out = num_filled(n + 1, 0);
        real *dout = num_random(n + 1, (uint32_t)n + 99), *din = num_filled(n + 1, -7);
        if (n > 2)
            in[n / 2] = 0; /* the derivative at 0 is 0 */
        relu_forward(out, in, n);
        relu_backward(din, dout, out, n);
        for (size_t i = 0; i < n; i++)
            assert_true(din[i] == (in[i] > 0 ? dout[i] : 0));
        assert_true(din[n] == -7);
        relu_backward(dout, dout, out, n); /* in place */
        assert_memory_equal(din, dout, n * sizeof *din);
        free(in);
        free(out);
        free(dout);
        free(din);
    }
}

static void nonfinite_numbers_flow(void **state)
{
    (void)state;
    for (size_t at = 0; at < 13; at++) {
        real x[13] = {0}, d[13];
        for (size_t i = 0; i < 13; i++)
            d[i] = 3;
        x[at] = NAN;
        relu_forward(x, x, 13);
        assert_true(isnan(x[at]));
        relu_backward(d, d, x, 13);
        assert_true(d[at] == 3);
        d[at] = NAN; /* a NaN gradient, too, where it passes */
        relu_backward(d, d, x, 13);
        assert_true(isnan(d[at]));
        x[at] = INFINITY;
        relu_forward(x, x, 13);
        assert_true(isinf(x[at]));
        x[at] = -INFINITY;
        relu_forward(x, x, 13);
        assert_true(x[at] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_the_positive_part),
        cmocka_unit_test(backward_passes_where_positive),
        cmocka_unit_test(nonfinite_numbers_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
