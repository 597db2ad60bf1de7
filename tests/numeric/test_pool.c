#include "worker/nn/pool.h"

#include "tests/numeric/numkit.h"

#include <string.h>

struct size {
    int P, H, W, kernel, stride, pad;
};

static const struct size SIZES[] = {
    {1, 28, 28, 2, 2, 0},  {37, 10, 10, 2, 2, 0}, {5, 7, 9, 2, 2, 0},  {3, 2, 2, 2, 2, 0},
    {4, 34, 36, 2, 2, 0},  {3, 9, 11, 3, 2, 1},   {2, 8, 8, 3, 1, 1},  {2, 7, 5, 3, 3, 0},
    {1, 16, 16, 16, 1, 0}, {2, 6, 6, 2, 1, 0},    {2, 5, 7, 1, 1, 0},  {2, 6, 7, 2, 2, 1},
    {3, 4, 16, 2, 2, 0},   {3, 4, 18, 2, 2, 0},   {3, 4, 14, 2, 2, 0},
};

static struct pool pool_of(struct size s)
{
    return (struct pool){
        .H = s.H,
        .W = s.W,
        .OH = (s.H + 2 * s.pad - s.kernel) / s.stride + 1,
        .OW = (s.W + 2 * s.pad - s.kernel) / s.stride + 1,
        .kernel = s.kernel,
        .stride = s.stride,
        .pad = s.pad,
    };
}

/* Where the winner of one window lies in its plane: the definition, as in
 * PyTorch's max_pool2d: start at -Inf, take what is greater or NaN. */
static int winner(const struct pool *v, const real *plane, int oh, int ow)
{
    int at = -1;
    double best = -INFINITY;

    for (int h = oh * v->stride - v->pad; h < oh * v->stride - v->pad + v->kernel; h++) {
        for (int w = ow * v->stride - v->pad; w < ow * v->stride - v->pad + v->kernel;
             w++) {
            if (h < 0 || h >= v->H || w < 0 || w >= v->W)
                continue;
            double x = (double)plane[h * v->W + w];
            if (at < 0)
                at = h * v->W + w;
            if (x > best || isnan(x)) {
                best = x;
                at = h * v->W + w;
            }
        }
    }
    return at;
}

static int same(real a, real b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Exact: pooling copies and (where windows overlap) adds few numbers. */
static void check_pool(struct size s, const real *in)
{
    const struct pool v = pool_of(s);
    const size_t in_plane = (size_t)(v.H * v.W), out_plane = (size_t)(v.OH * v.OW);
    const size_t in_n = (size_t)s.P * in_plane, out_n = (size_t)s.P * out_plane;
    real *out = num_filled(out_n, -7), *din = num_filled(in_n, NAN);
    real *again = num_filled(out_n, -7), *dout = num_random(out_n, 8);
    uint8_t *which = num_alloc(out_n, 1);
    struct num *want = num_zeros(in_n);

    pool_forward(&v, out, which, in, (size_t)s.P);
    pool_forward(&v, again, NULL, in, (size_t)s.P);
    pool_backward(&v, din, dout, which, (size_t)s.P);
    for (size_t i = 0; i < out_n; i++) {
        const size_t p = i / out_plane;
        const int oh = (int)(i % out_plane) / v.OW, ow = (int)(i % out_plane) % v.OW;
        const int at = winner(&v, in + p * in_plane, oh, ow);
        const int kh = which[i] / v.kernel, kw = which[i] % v.kernel;

        assert_true(same(out[i], in[p * in_plane + (size_t)at]));
        assert_true(same(out[i], again[i]));
        assert_int_equal(at,
                         (oh * v.stride - v.pad + kh) * v.W + ow * v.stride - v.pad + kw);
        num_add(&want[p * in_plane + (size_t)at], (double)dout[i]);
    }
    num_check("din", din, want, in_n);
    free(out);
    free(din);
    free(again);
    free(dout);
    free(which);
    free(want);
}

static size_t input_count(struct size s)
{
    return (size_t)(s.P * s.H * s.W);
}

static void matches_naive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        real *in = num_random(input_count(SIZES[i]), (uint32_t)i);
        check_pool(SIZES[i], in);
        free(in);
    }
}

/* Three values only: nearly every window has ties, as after a ReLU. */
static void first_of_equals_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        size_t n = input_count(SIZES[i]);
        real *in = num_random(n, (uint32_t)i + 50);
        for (size_t k = 0; k < n; k++)
            in[k] = (real)floor((double)in[k] * 1.5);
        check_pool(SIZES[i], in);
        free(in);
    }
}

static void nonfinite_numbers_flow(void **state)
{
    const real bad[3] = {NAN, INFINITY, -INFINITY};
    (void)state;

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        size_t n = input_count(SIZES[i]);
        real *in = num_random(n, (uint32_t)i + 70);
        for (size_t k = 0; k < n; k++)
            if (in[k] > (real)0.4)
                in[k] = bad[k % 3];
        check_pool(SIZES[i], in);
        for (size_t k = 0; k < n; k++)
            in[k] = -INFINITY;
        check_pool(SIZES[i], in);
        free(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_naive),
        cmocka_unit_test(first_of_equals_wins),
        cmocka_unit_test(nonfinite_numbers_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
