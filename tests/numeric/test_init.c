#include "common/rng.h"
#include "tests/numeric/netkit.h"
#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/init.h"
#include "worker/nn/orthogonal.h"

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

/* ---- orthogonal ----------------------------------------------------------------- */

/* The rows of a wide matrix (or the columns of a tall one) have length `scale` and
 * are at right angles. */
static void check_orthogonal(const real *w, size_t rows, size_t cols, double scale)
{
    size_t n = rows < cols ? rows : cols, m = rows < cols ? cols : rows;
    size_t across = rows < cols ? cols : 1, along = rows < cols ? 1 : cols;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < m; k++)
                sum +=
                    (double)w[i * across + k * along] * (double)w[j * across + k * along];
            assert_true(fabs(sum / (scale * scale) - (i == j)) < 1e-6);
        }
}

static void orthogonal_is_orthogonal(void **state)
{
    struct spec one = scheme("orthogonal", NULL);
    struct spec two = speckit("seed.init", "7", "init.scheme", "\"orthogonal\"",
                              "init.scale", "2.0", NULL);
    struct netkit kit;
    (void)state;

    test_net(&kit);
    real *a = drawn(&kit, &one), *b = drawn(&kit, &two);
    check_orthogonal(a + kit.tensors[CONV_W].offset, 20, 75, 1);
    check_orthogonal(a + kit.tensors[FC_W].offset, 200, 500, 1);
    check_orthogonal(b + kit.tensors[FC_W].offset, 200, 500, 2);
    check_zero(&kit.tensors[CONV_B], a);
    check_zero(&kit.tensors[FC_B], a);
    spec_free(&one);
    spec_free(&two);
    free(a);
    free(b);
}

/* Gram and Schmidt, twice for accuracy: the same Q, since the one with a positive
 * diagonal of R is unique. */
static void gram_schmidt(double *a, size_t n, size_t m)
{
    for (size_t k = 0; k < n; k++) {
        for (size_t j = 0; j < 2 * k; j++) {
            double sum = 0;
            for (size_t i = 0; i < m; i++)
                sum += a[k * m + i] * a[j % k * m + i];
            for (size_t i = 0; i < m; i++)
                a[k * m + i] -= sum * a[j % k * m + i];
        }
        double square = 0;
        for (size_t i = 0; i < m; i++)
            square += a[k * m + i] * a[k * m + i];
        for (size_t i = 0; i < m; i++)
            a[k * m + i] /= sqrt(square);
    }
}

static void orthogonal_is_gram_schmidts(void **state)
{
    static const size_t SIZES[][2] = {{1, 1}, {1, 7}, {2, 2}, {3, 8}, {30, 30}, {17, 64}};
    double a[30 * 64], twin[30 * 64], work[60];
    struct rng rng = rng_at(1, RNG_INIT, 0, 0);
    (void)state;

    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
        size_t n = SIZES[s][0], m = SIZES[s][1];
        for (size_t i = 0; i < n * m; i++)
            a[i] = twin[i] = rng_normal(&rng);
        orthogonal_columns(a, n, m, work);
        gram_schmidt(twin, n, m);
        for (size_t i = 0; i < n * m; i++)
            assert_true(fabs(a[i] - twin[i]) < 1e-11);
    }
}

/* The 3x2 matrix ((1,2),(3,4),(5,7)) by hand; this is torch.linalg.qr's Q times
 * sign(diag R). */
static void orthogonal_of_known_matrices(void **state)
{
    double a[] = {1, 3, 5, 2, 4, 7}, work[4], zero[4] = {0};
    /* a2 - q1 (q1.a2), q1.a2 = 49/sqrt(35): (2 - 1.4, 4 - 4.2, 7 - 7) */
    const double wanted[] = {1 / sqrt(35),  3 / sqrt(35),   5 / sqrt(35),
                             .6 / sqrt(.4), -.2 / sqrt(.4), 0};
    (void)state;

    orthogonal_columns(a, 2, 3, work);
    for (int i = 0; i < 6; i++)
        assert_true(fabs(a[i] - wanted[i]) < 1e-14);
    orthogonal_columns(zero, 2, 2, work); /* of rank 0: still orthonormal */
    assert_true(zero[0] == 1 && zero[1] == 0 && zero[2] == 0 && zero[3] == 1);
}

/* A tall tensor's vectors are its columns, but it is drawn row by row, as
 * PyTorch's is. */
static void tall_tensors_are_drawn_by_rows(void **state)
{
    struct spec spec = scheme("orthogonal", NULL);
    double twin[3 * 50];
    struct netkit kit;
    (void)state;

    netkit_mlp(&kit, (struct shape){3, 1, 1}, (const int[]){50, 0});
    real *theta = drawn(&kit, &spec);
    struct rng rng = rng_at(7, RNG_INIT, 0, 0);
    for (size_t o = 0; o < 50; o++)
        for (size_t i = 0; i < 3; i++)
            twin[i * 50 + o] = rng_normal(&rng);
    gram_schmidt(twin, 3, 50);
    check_orthogonal(theta, 50, 3, 1);
    for (size_t o = 0; o < 50; o++)
        for (size_t i = 0; i < 3; i++)
            assert_true(fabs((double)theta[o * 3 + i] - twin[i * 50 + o]) < 1e-7);
    spec_free(&spec);
    free(theta);
}

/* ---- sparse --------------------------------------------------------------------- */

/* Every column has ceil(sparsity rows) zeros; the rest are normal. */
static void check_sparse(const struct tensor *tensor, const real *theta, size_t zeros,
                         double std)
{
    const real *w = theta + tensor->offset;
    size_t rows = (size_t)tensor->dim[0], cols = tensor->count / rows;
    double n = (double)((rows - zeros) * cols), square = 0;

    for (size_t j = 0; j < cols; j++) {
        size_t found = 0;
        for (size_t i = 0; i < rows; i++) {
            found += w[i * cols + j] == 0;
            square += (double)w[i * cols + j] * (double)w[i * cols + j];
        }
        assert_int_equal(found, zeros);
    }
    assert_true(fabs(sqrt(square / n) / std - 1) < 5 / sqrt(2 * n));
}

static void sparse_has_its_zeros(void **state)
{
    struct spec some = scheme("sparse", NULL);
    struct spec most =
        speckit("seed.init", "7", "init.scheme", "\"sparse\"", "init.sparsity", "0.93",
                "init.std", "0.5", "init.scale", "2.0", NULL);
    struct netkit kit;
    size_t row_zeros = 0;
    (void)state;

    test_net(&kit);
    real *a = drawn(&kit, &some), *b = drawn(&kit, &most);
    check_sparse(&kit.tensors[CONV_W], a, 2, .01);
    check_sparse(&kit.tensors[FC_W], a, 20, .01);
    check_sparse(&kit.tensors[CONV_W], b, 19, 1); /* ceil(18.6) */
    check_sparse(&kit.tensors[FC_W], b, 186, 1);
    check_zero(&kit.tensors[FC_B], a);
    /* the rows are not the same in every column: 500 columns, share 0.1 */
    for (size_t j = 0; j < 500; j++)
        row_zeros += a[kit.tensors[FC_W].offset + j] == 0;
    assert_in_range(row_zeros, 17, 83); /* 50 +- 5 sigma */
    spec_free(&some);
    spec_free(&most);
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
        {"orthogonal", {-0x1.1af048p-7f, 0x1.c8c834p-7f, 0x1.1b8decp-7f}},
        {"sparse", {-0x1.020254p-9f, 0x1.a0890ap-9f, 0x1.029214p-9f}},
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

/* ---- networks with more than weights ----------------------------------------- */

/* What a spec's network begins with; the caller frees both. */
static real *begin(const struct spec *spec, struct arch **ret)
{
    struct error err;
    struct arch *arch = arch_build(spec, &err);
    real *theta;

    assert_non_null(arch);
    theta = num_filled(arch->state_count, NAN);
    if (init_params(spec, arch, theta, &err))
        fail_msg("%s", err.text);
    *ret = arch;
    return theta;
}

static const struct tensor *tensor_named(const struct arch *arch, const char *name)
{
    for (int t = 0; t < arch->tensor_count; t++)
        if (strcmp(arch->tensors[t].name, name) == 0)
            return &arch->tensors[t];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void check_all(const struct tensor *tensor, const real *theta, real value)
{
    for (size_t i = 0; i < tensor->count; i++)
        assert_true(theta[tensor->offset + i] == value);
}

static void norms_begin_with_nothing_to_do(void **state)
{
    static const real VALUE[] = {[TENSOR_NORM_WEIGHT] = 1, [TENSOR_VAR] = 1};
    struct spec spec = speckit("seed.init", "7", "model.name", "\"resnet20\"",
                               "init.scale", "3.0", NULL);
    struct arch *arch;
    real *theta = begin(&spec, &arch);
    (void)state;

    for (int t = 0; t < arch->tensor_count; t++)
        if (arch->tensors[t].class > TENSOR_BIAS)
            check_all(&arch->tensors[t], theta, VALUE[arch->tensors[t].class]);
        else if (arch->tensors[t].class == TENSOR_WEIGHT)
            check_tensor(
                &arch->tensors[t], theta, false,
                3 / sqrt((double)arch->tensors[t].count / arch->tensors[t].dim[0]));
    spec_free(&spec);
    arch_free(&arch);
    free(theta);
}

/* Also of a bottleneck, and not of its shortcut. */
static void last_gammas_begin_with_zero(void **state)
{
    struct spec spec = speckit("seed.init", "7", "model.name", "\"resnet50\"",
                               "model.width", "0.125", "init.zero_gamma", "true", NULL);
    struct arch *arch;
    real *theta = begin(&spec, &arch);
    (void)state;

    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        if (tensor->class == TENSOR_NORM_WEIGHT)
            check_all(tensor, theta, strstr(tensor->name, ".bn3.") ? 0 : 1);
    }
    spec_free(&spec);
    arch_free(&arch);
    free(theta);
}

/* 9 branches of 2 convolutions; and 16 of 3. Standard deviations squared. */
static void fixup_begins_as_in_its_paper(void **state)
{
    static const struct {
        const char *model, *width, *tensor;
        double variance;
    } CASES[] = {
        {"\"resnet20\"", "16.0", "conv1.weight", 2.0 / (9 * 16)},
        {"\"resnet20\"", "16.0", "layer1.0.conv1.weight", 2.0 / (9 * 16) / 9},
        {"\"resnet20\"", "16.0", "layer2.0.conv1.weight", 2.0 / (9 * 32) / 9},
        {"\"resnet20\"", "16.0", "layer2.0.downsample.0.weight", 2.0 / 32},
        {"\"resnet20\"", "16.0", "layer2.0.conv2.weight", 0},
        {"\"resnet20\"", "16.0", "fc.weight", 0},
        {"\"resnet20\"", "16.0", "fc.bias", 0},
        {"\"resnet50\"", "0.5", "layer1.0.conv1.weight", 2.0 / 32 / 4},
        {"\"resnet50\"", "0.5", "layer3.1.conv2.weight", 2.0 / (9 * 128) / 4},
        {"\"resnet50\"", "0.5", "layer3.1.conv3.weight", 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct spec spec =
            speckit("seed.init", "7", "model.name", CASES[i].model, "model.width",
                    CASES[i].width, "model.norm", "\"fixup\"", NULL);
        struct arch *arch;
        real *theta = begin(&spec, &arch);
        const struct tensor *tensor = tensor_named(arch, CASES[i].tensor);
        if (CASES[i].variance > 0)
            check_tensor(tensor, theta, true, sqrt(CASES[i].variance));
        else
            check_zero(tensor, theta);
        check_all(tensor_named(arch, "layer1.0.scale"), theta, 1);
        check_all(tensor_named(arch, "layer2.1.bias2a"), theta, 0);
        spec_free(&spec);
        arch_free(&arch);
        free(theta);
    }
}

/* Whatever the shortcut, and under another scheme. */
static void fixup_scales_every_scheme(void **state)
{
    static const char *const SHORTCUTS[] = {"\"conv\"", "\"pad\""};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct spec spec = speckit(
            "seed.init", "7", "model.name", "\"resnet20\"", "model.norm", "\"fixup\"",
            "model.shortcut", SHORTCUTS[i], "init.scheme", "\"xavier_normal\"", NULL);
        struct arch *arch;
        real *theta = begin(&spec, &arch);
        check_tensor(tensor_named(arch, "layer3.0.conv1.weight"), theta, true,
                     sqrt(2.0 / (9 * 96) / 9));
        check_zero(tensor_named(arch, "layer3.0.conv2.weight"), theta);
        spec_free(&spec);
        arch_free(&arch);
        free(theta);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_have_their_moments),
        cmocka_unit_test(scale_is_a_factor),
        cmocka_unit_test(draws_are_independent),
        cmocka_unit_test(tensors_are_drawn_alone),
        cmocka_unit_test(orthogonal_is_orthogonal),
        cmocka_unit_test(orthogonal_is_gram_schmidts),
        cmocka_unit_test(orthogonal_of_known_matrices),
        cmocka_unit_test(tall_tensors_are_drawn_by_rows),
        cmocka_unit_test(sparse_has_its_zeros),
        cmocka_unit_test(values_are_pinned),
        cmocka_unit_test(norms_begin_with_nothing_to_do),
        cmocka_unit_test(last_gammas_begin_with_zero),
        cmocka_unit_test(fixup_begins_as_in_its_paper),
        cmocka_unit_test(fixup_scales_every_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
