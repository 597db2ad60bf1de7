#include "tests/numeric/netkit.h"
#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/init.h"

#include <string.h>

/* conv1 (20,3,5,5), fc1 (200,500): large enough for moments. */
static void test_net(struct netkit *kit)
{
    netkit_start(kit, (struct shape){3, 9, 9});
    netkit_conv(kit, 20, 5, 1, 0);
    netkit_flatten(kit);
    netkit_dense(kit, 200);
}

enum { CONV_W, CONV_B, FC_W, FC_B };

static real *drawn(const struct netkit *kit, const struct spec *spec)
{
    real *theta = num_filled(kit->arch.param_count, NAN);
    struct error err;

    if (init_params(spec, &kit->arch, theta, &err))
        fail_msg("%s", err.text);
    return theta;
}

static struct spec scheme(const char *name, const char *mode)
{
    char quoted[40], quoted_mode[16];

    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    if (!mode)
        return speckit("seed.init", "7", "init.scheme", quoted, NULL);
    snprintf(quoted_mode, sizeof quoted_mode, "\"%s\"", mode);
    return speckit("seed.init", "7", "init.scheme", quoted, "init.mode", quoted_mode,
                   NULL);
}

/* n draws of standard deviation s: the mean is within 5 s / sqrt(n) of 0, and
 * s is found to 5 / sqrt(2 n) relative (both five standard errors; the seed is
 * fixed). A uniform fills its bounds to 1 % and never leaves them. */
static void check_tensor(const struct tensor *tensor, const real *theta, bool normal,
                         double width)
{
    const real *x = theta + tensor->offset;
    const double n = (double)tensor->count, std = normal ? width : width / sqrt(3);
    double sum = 0, square = 0, most = 0;

    for (size_t i = 0; i < tensor->count; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
        most = fmax(most, fabs((double)x[i]));
    }
    assert_true(fabs(sum / n) < 5 * std / sqrt(n));
    assert_true(fabs(sqrt(square / n) / std - 1) < 5 / sqrt(2 * n));
    if (normal)
        assert_true(most > 2.5 * std);
    else
        assert_true(most <= width * (1 + 1e-7) && most > (n < 500 ? 0.9 : 0.99) * width);
}

static void check_zero(const struct tensor *tensor, const real *theta)
{
    for (size_t i = 0; i < tensor->count; i++)
        assert_true(theta[tensor->offset + i] == 0);
}

/* fans: conv 75 in, 500 out; fc 500 in, 200 out */
static const struct {
    const char *name, *mode;
    bool normal, biases;
    double conv, fc; /* bound or standard deviation, squared */
} SCHEMES[] = {
    {"default", NULL, false, true, 1.0 / 75, 1.0 / 500},
    {"kaiming_normal", NULL, true, false, 2.0 / 75, 2.0 / 500},
    {"kaiming_normal", "fan_out", true, false, 2.0 / 500, 2.0 / 200},
    {"kaiming_uniform", NULL, false, false, 6.0 / 75, 6.0 / 500},
    {"kaiming_uniform", "fan_out", false, false, 6.0 / 500, 6.0 / 200},
    {"xavier_normal", NULL, true, false, 2.0 / 575, 2.0 / 700},
    {"xavier_uniform", NULL, false, false, 6.0 / 575, 6.0 / 700},
};

static void schemes_have_their_moments(void **state)
{
    struct netkit kit;
    (void)state;

    test_net(&kit);
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
        struct spec spec = scheme(SCHEMES[i].name, SCHEMES[i].mode);
        real *theta = drawn(&kit, &spec);
        check_tensor(&kit.tensors[CONV_W], theta, SCHEMES[i].normal,
                     sqrt(SCHEMES[i].conv));
        check_tensor(&kit.tensors[FC_W], theta, SCHEMES[i].normal, sqrt(SCHEMES[i].fc));
        if (SCHEMES[i].biases) {
            check_tensor(&kit.tensors[FC_B], theta, false, sqrt(SCHEMES[i].fc));
        } else {
            check_zero(&kit.tensors[CONV_B], theta);
            check_zero(&kit.tensors[FC_B], theta);
        }
        spec_free(&spec);
        free(theta);
    }
}

static void scale_is_a_factor(void **state)
{
    struct netkit kit;
    struct spec one = speckit("seed.init", "7", NULL);
    struct spec four = speckit("seed.init", "7", "init.scale", "4.0", NULL);
    (void)state;

    test_net(&kit);
    real *a = drawn(&kit, &one), *b = drawn(&kit, &four);
    for (size_t i = 0; i < kit.arch.param_count; i++)
        assert_true(b[i] == 4 * a[i]); /* a power of two rounds nothing */
    spec_free(&one);
    spec_free(&four);
    free(a);
    free(b);
}

static double correlation(const real *a, const real *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Tensors, and seeds, have streams of their own: five standard errors. */
static void draws_are_independent(void **state)
{
    struct netkit kit;
    struct spec seven = speckit("seed.init", "7", NULL);
    struct spec eight = speckit("seed.init", "8", NULL);
    (void)state;

    test_net(&kit);
    const struct tensor *t = kit.tensors;
    real *a = drawn(&kit, &seven), *b = drawn(&kit, &eight);
    assert_true(fabs(correlation(a + t[CONV_W].offset, a + t[FC_W].offset, 1500)) < 0.13);
    assert_true(fabs(correlation(a + t[FC_W].offset, a + t[FC_B].offset, 200)) < 0.35);
    assert_true(fabs(correlation(a + t[FC_W].offset, b + t[FC_W].offset, 100000)) <
                0.016);
    spec_free(&seven);
    spec_free(&eight);
    free(a);
    free(b);
}

/* A tensor's numbers depend on the seed and its index only: what stands in front
 * of it may change its size. */
static void tensors_are_drawn_alone(void **state)
{
    struct spec spec = speckit("seed.init", "7", NULL);
    struct netkit narrow, wide;
    (void)state;

    netkit_mlp(&narrow, (struct shape){1, 4, 4}, (const int[]){50, 20, 10, 0});
    netkit_mlp(&wide, (struct shape){1, 9, 9}, (const int[]){50, 20, 10, 0});
    real *a = drawn(&narrow, &spec), *b = drawn(&wide, &spec);
    for (int t = 2; t < 6; t++)
        assert_memory_equal(a + narrow.tensors[t].offset, b + wide.tensors[t].offset,
                            narrow.tensors[t].count * sizeof *a);
    spec_free(&spec);
    free(a);
    free(b);
}

/* Results are identified by their spec: the same seed must give these bits on
 * every machine and in every later version. */
static void values_are_pinned(void **state)
{
    static const struct {
        const char *scheme;
        real first[3];
    } PINNED[] = {
        {"default", {-0x1.074fa4p-5f, 0x1.191546p-6f, 0x1.33c43p-5f}},
        {"kaiming_normal", {-0x1.97f2bcp-7f, 0x1.494cd2p-6f, 0x1.98d608p-7f}},
        {"xavier_uniform", {-0x1.108d8ap-4f, 0x1.22f2dap-5f, 0x1.3e9186p-4f}},
    };
    struct netkit kit;
    (void)state;

    test_net(&kit);
    for (size_t i = 0; i < sizeof PINNED / sizeof PINNED[0]; i++) {
        struct spec spec = scheme(PINNED[i].scheme, NULL);
        real *theta = drawn(&kit, &spec), *again = drawn(&kit, &spec);
        const real *fc = theta + kit.tensors[FC_W].offset;
        assert_memory_equal(theta, again, kit.arch.param_count * sizeof *theta);
        for (int k = 0; k < 3; k++)
            assert_true(fc[k] == PINNED[i].first[k]);
        spec_free(&spec);
        free(theta);
        free(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_have_their_moments),
        cmocka_unit_test(scale_is_a_factor),
        cmocka_unit_test(draws_are_independent),
        cmocka_unit_test(tensors_are_drawn_alone),
        cmocka_unit_test(values_are_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
