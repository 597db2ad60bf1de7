#include "worker/nn/avgpool.h"
#include "worker/nn/lanes.h"

#include "tests/numeric/numkit.h"

#include <string.h>

static const struct avgpool POOLS[] = {
    {.H = 8, .W = 8, .kernel = 2, .stride = 2},
    {.H = 7, .W = 9, .kernel = 2, .stride = 2}, /* a row and a column are left over */
    {.H = 9, .W = 7, .kernel = 3, .stride = 2, .pad = 1},
    {.H = 6, .W = 5, .kernel = 3, .stride = 1, .pad = 1},
    {.H = 4, .W = 4, .kernel = 4, .stride = 4},
    {.H = 5, .W = 3, .kernel = 1, .stride = 2},
    {.H = 4, .W = 4, .OH = 1, .OW = 1, .adaptive = true},
    {.H = 7, .W = 7, .OH = 1, .OW = 1, .adaptive = true},
    {.H = 1, .W = 1, .OH = 1, .OW = 1, .adaptive = true},
    {.H = 7, .W = 10, .OH = 3, .OW = 4, .adaptive = true}, /* windows overlap */
    {.H = 1, .W = 2, .OH = 7, .OW = 7, .adaptive = true},  /* vgg11 of 32 pixels */
    {.H = 14, .W = 14, .OH = 7, .OW = 7, .adaptive = true},
};
enum { POOL_COUNT = sizeof POOLS / sizeof POOLS[0], PLANES = 3 };

static struct avgpool pool_at(int i)
{
    struct avgpool v = POOLS[i];

    if (!v.adaptive) {
        v.OH = (v.H + 2 * v.pad - v.kernel) / v.stride + 1;
        v.OW = (v.W + 2 * v.pad - v.kernel) / v.stride + 1;
    }
    return v;
}

/* The share of pixel (h,w) in output (oh,ow): PyTorch's definition. */
static double share(const struct avgpool *v, int oh, int ow, int h, int w)
{
    if (v->adaptive) {
        const int h0 = (int)floor((double)oh * v->H / v->OH);
        const int h1 = (int)ceil((double)(oh + 1) * v->H / v->OH);
        const int w0 = (int)floor((double)ow * v->W / v->OW);
        const int w1 = (int)ceil((double)(ow + 1) * v->W / v->OW);
        return h >= h0 && h < h1 && w >= w0 && w < w1 ? 1.0 / ((h1 - h0) * (w1 - w0)) : 0;
    }
    const int dh = h - (oh * v->stride - v->pad), dw = w - (ow * v->stride - v->pad);
    return dh >= 0 && dh < v->kernel && dw >= 0 && dw < v->kernel
               ? 1.0 / (v->kernel * v->kernel)
               : 0;
}

static void check_pool(const struct avgpool *v)
{
    const size_t L = (size_t)lanes_round(1);
    const size_t n = (size_t)(v->H * v->W), m = (size_t)(v->OH * v->OW);
    real *in = num_random(PLANES * n * L, 1), *out = num_filled(PLANES * m * L, NAN);
    real *dout = num_random(PLANES * m * L, 2), *din = num_filled(PLANES * n * L, NAN);
    struct num *want = num_zeros(PLANES * m * L), *dwant = num_zeros(PLANES * n * L);

    for (size_t p = 0; p < PLANES; p++)
        for (size_t o = 0; o < m; o++)
            for (size_t i = 0; i < n; i++)
                for (size_t l = 0; l < L; l++) {
                    const size_t to = (p * m + o) * L + l, from = (p * n + i) * L + l;
                    const double part = share(v, (int)o / v->OW, (int)o % v->OW,
                                              (int)i / v->W, (int)i % v->W);
                    num_add(&want[to], part * (double)in[from]);
                    num_add(&dwant[from], part * (double)dout[to]);
                }
    avgpool_forward(v, out, in, PLANES);
    avgpool_backward(v, din, dout, PLANES);
    num_check("out", out, want, PLANES * m * L);
    num_check("din", din, dwant, PLANES * n * L);
    free(in);
    free(out);
    free(dout);
    free(din);
    free(want);
    free(dwant);
}

static void windows_are_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < POOL_COUNT; i++) {
        const struct avgpool v = pool_at(i);
        check_pool(&v);
    }
}

static void nan_stays_in_its_lane_and_plane(void **state)
{
    const size_t L = (size_t)lanes_round(1);
    (void)state;

    for (int i = 0; i < POOL_COUNT; i++) {
        const struct avgpool v = pool_at(i);
        const size_t n = (size_t)(v.H * v.W) * L, m = (size_t)(v.OH * v.OW) * L;
        real *in = num_random(PLANES * n, 1), *out = num_filled(PLANES * m, 0);
        in[n + 3] = NAN; /* plane 1, pixel 0, lane 3 */
        avgpool_forward(&v, out, in, PLANES);
        for (size_t k = 0; k < PLANES * m; k++)
            if (k / m != 1 || k % L != 3)
                assert_true(out[k] == out[k]);
        assert_true(isnan(out[m + 3]));
        free(in);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_pytorchs),
        cmocka_unit_test(nan_stays_in_its_lane_and_plane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
