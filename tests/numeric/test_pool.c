#include "worker/nn/lanes.h"
#include "worker/nn/pool_lanes.h"

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

/* Lane i of plane p in lanes holds plane (p + i) % P: all lanes differ. */
static real *to_lanes(const real *planes, size_t P, size_t plane)
{
    const size_t L = (size_t)lanes_round(1);
    real *x = num_alloc(P * plane * L, sizeof *x);

    for (size_t p = 0; p < P; p++)
        for (size_t k = 0; k < plane; k++)
            for (size_t i = 0; i < L; i++)
                x[(p * plane + k) * L + i] = planes[(p + i) % P * plane + k];
    return x;
}

/* What the definition gives: exact, but where windows overlap din adds a few. */
static void naive(const struct pool *v, size_t P, const real *in, const real *dout,
                  real *out, struct num *din)
{
    const size_t in_plane = (size_t)(v->H * v->W), out_plane = (size_t)(v->OH * v->OW);

    for (size_t i = 0; i < P * out_plane; i++) {
        const size_t p = i / out_plane;
        const int oh = (int)(i % out_plane) / v->OW, ow = (int)(i % out_plane) % v->OW;
        const size_t at = p * in_plane + (size_t)winner(v, in + p * in_plane, oh, ow);
        out[i] = in[at];
        num_add(&din[at], (double)dout[i]);
    }
}

static void check_pool(struct size s, const real *in)
{
    const struct pool v = pool_of(s);
    const size_t P = (size_t)s.P, L = (size_t)lanes_round(1);
    const size_t in_plane = (size_t)(v.H * v.W), out_plane = (size_t)(v.OH * v.OW);
    real *want_out = num_filled(P * out_plane, 0), *dout = num_random(P * out_plane, 8);
    struct num *want_din = num_zeros(P * in_plane);
    real *in_l = to_lanes(in, P, in_plane), *dout_l = to_lanes(dout, P, out_plane);
    real *out_l = num_filled(P * out_plane * L, -7);
    real *din_l = num_filled(P * in_plane * L, NAN);

    naive(&v, P, in, dout, want_out, want_din);
    pool_lanes_forward(&v, out_l, in_l, P);
    pool_lanes_backward(&v, din_l, dout_l, in_l, P);
    for (size_t p = 0; p < P; p++) {
        for (size_t i = 0; i < L; i++) {
            const size_t plane = (p + i) % P;
            for (size_t k = 0; k < out_plane; k++)
                assert_true(same(out_l[(p * out_plane + k) * L + i],
                                 want_out[plane * out_plane + k]));
            for (size_t k = 0; k < in_plane; k++)
                num_check("din", &din_l[(p * in_plane + k) * L + i],
                          &want_din[plane * in_plane + k], 1);
        }
    }
    real *all[] = {want_out, dout, in_l, dout_l, out_l, din_l};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    free(want_din);
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
