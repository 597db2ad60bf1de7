/* A network whose hidden units have changed places computes the same: every family,
 * every norm, both shortcuts. And what cannot be permuted is refused. */

#include "common/arch_units.h"
#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/init.h"
#include "worker/nn/net.h"
#include "worker/nn/permute.h"

/* Of the largest logit. Found: 1e-6. A unit that is in a wrong place shows in the
 * first digits. */
#define LOGIT_BOUND 1e-5

enum { BATCH = 5 };

/* Every number another, variances positive. */
static real *make_state(const struct spec *spec, const struct arch *arch)
{
    real *state = num_alloc(arch->state_count, sizeof *state);
    real *noise = num_random(arch->state_count, 5);

    assert_int_equal(init_params(spec, arch, state, NULL), 0);
    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        const real size = tensor->class == TENSOR_WEIGHT ? (real)0.02 : (real)0.4;
        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
            state[i] += size * noise[i];
    }
    free(noise);
    return state;
}

static double largest(const real *x, size_t n)
{
    double max = 0;

    for (size_t i = 0; i < n; i++)
        max = fmax(max, fabs((double)x[i]));
    return max;
}

/* Every weight has moved, and is made of the same numbers. */
static void check_moved(const struct arch *arch, const real *from, const real *to)
{
    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        const real *a = from + tensor->offset, *b = to + tensor->offset;
        double sum = 0, was = 0;
        if (tensor->class == TENSOR_WEIGHT)
            assert_memory_not_equal(a, b, tensor->count * sizeof *a);
        for (size_t i = 0; i < tensor->count; i++) {
            sum += (double)b[i] * (double)b[i];
            was += (double)a[i] * (double)a[i];
        }
        assert_true(fabs(sum - was) <= 1e-12 * was);
    }
}

static void check(const char *what, struct spec spec)
{
    struct error err = {0};
    struct arch *arch = arch_build(&spec, &err);
    const struct net_options options = {.batch_max = BATCH, .isa = isa_choose()};
    struct net *net = arch ? net_new(arch, &options, &err) : NULL;

    if (!net)
        fail_msg("%s: %s", what, err.text);
    const size_t pixels =
        (size_t)arch->input.C * (size_t)arch->input.H * (size_t)arch->input.W;
    const size_t logits = (size_t)arch->classes * BATCH;
    real *x = num_random(BATCH * pixels, 3), *was = num_alloc(logits, sizeof *was);
    real *from = make_state(&spec, arch);
    real *to = num_alloc(arch->state_count, sizeof *to);
    double worst = 0;

    memcpy(was, net_forward(net, from, x, BATCH), logits * sizeof *was);
    for (uint64_t seed = 0; seed < 3; seed++) {
        if (permute_units(arch, seed, from, to, &err))
            fail_msg("%s: %s", what, err.text);
        check_moved(arch, from, to);
        const real *is = net_forward(net, to, x, BATCH);
        for (size_t i = 0; i < logits; i++)
            worst = fmax(worst, fabs((double)(is[i] - was[i])));
    }
    worst /= largest(was, logits);
    if (!(worst <= LOGIT_BOUND))
        fail_msg("%s: logits are off by %.3g of the largest", what, worst);
    print_message("%s: %.2g\n", what, worst);
    free(x);
    free(was);
    free(from);
    free(to);
    net_free(&net);
    arch_free(&arch);
    spec_free(&spec);
}

#define BLOBS "data.name", "\"blobs\"", "seed.init", "3"

static void test_chains(void **state)
{
    static const char *const NORMS[] = {"\"none\"", "\"batch\"", "\"group\"",
                                        "\"layer\""};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        check("mlp", speckit("model.name", "\"mlp\"", "model.widths", "[24,16,32]",
                             "model.norm", NORMS[i], BLOBS, NULL));
        check("vgg11", speckit("model.name", "\"vgg11\"", "model.width", "0.25",
                               "model.norm", NORMS[i], BLOBS, NULL));
        check("vgg11, 64 pixels",
              speckit("model.name", "\"vgg11\"", "model.width", "0.25", "model.norm",
                      NORMS[i], "data.shape", "[2,64,64]", BLOBS, NULL));
    }
    for (size_t i = 0; i < 2; i++)
        check("lenet5", speckit("model.name", "\"lenet5\"", "model.norm", NORMS[i],
                                "seed.init", "3", NULL));
    check("lenet-300-100",
          speckit("model.name", "\"lenet-300-100\"", "seed.init", "3", NULL));
}

static void test_resnets(void **state)
{
    static const char *const NORMS[] = {"\"batch\"", "\"group\"", "\"layer\"", "\"none\"",
                                        "\"fixup\""};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (int pad = 0; pad < 2; pad++)
            check(pad ? "resnet20, pad" : "resnet20",
                  speckit("model.name", "\"resnet20\"", "model.width", "16.0",
                          "model.norm", NORMS[i], "data.shape", "[3,16,16]",
                          "model.shortcut", pad ? "\"pad\"" : "\"conv\"", BLOBS, NULL));
    check("resnet18", speckit("model.name", "\"resnet18\"", "model.width", "0.25",
                              "data.shape", "[3,16,16]", BLOBS, NULL));
    check("resnet50", speckit("model.name", "\"resnet50\"", "model.width", "0.125",
                              "data.shape", "[3,16,16]", BLOBS, NULL));
    check("resnet50, pad",
          speckit("model.name", "\"resnet50\"", "model.width", "0.125", "data.shape",
                  "[3,16,16]", "model.shortcut", "\"pad\"", BLOBS, NULL));
    check("resnet18, imagenet stem",
          speckit("model.name", "\"resnet18\"", "model.width", "0.25", "model.stem",
                  "\"imagenet\"", BLOBS, NULL));
    check("resnet20, no shortcuts",
          speckit("model.name", "\"resnet20\"", "model.residual", "false", "data.shape",
                  "[3,16,16]", BLOBS, NULL));
}

/* One seed is one permutation, another seed another. */
static void test_seeds(void **state)
{
    struct spec spec = speckit("model.name", "\"lenet-300-100\"", "seed.init", "3", NULL);
    struct arch *arch = arch_build(&spec, NULL);
    const size_t bytes = arch->state_count * sizeof(real);
    real *from = make_state(&spec, arch), *to[3];

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        to[i] = num_alloc(1, bytes);
        assert_int_equal(permute_units(arch, i / 2, from, to[i], NULL), 0);
    }
    assert_memory_equal(to[0], to[1], bytes);
    assert_memory_not_equal(to[0], to[2], bytes);
    for (int i = 0; i < 3; i++)
        free(to[i]);
    free(from);
    arch_free(&arch);
    spec_free(&spec);
}

/* ---- sets ------------------------------------------------------------------------ */

static int set_of(const struct arch *arch, const struct arch_units *units,
                  const char *layer)
{
    for (int i = 0; i < arch->layer_count; i++)
        if (strcmp(arch->layers[i].name, layer) == 0)
            return units->of[i];
    fail_msg("no layer %s", layer);
    return -1;
}

/* The skip path of a stage is one set, the inside of a block its own. */
static void test_sets_of_a_resnet(void **state)
{
    struct spec spec = speckit("model.name", "\"resnet20\"", BLOBS, NULL);
    struct arch *arch = arch_build(&spec, NULL);
    struct arch_units units;

    (void)state;
    assert_int_equal(arch_units_find(arch, &units, NULL), 0);
    const int skip = set_of(arch, &units, "conv1");
    assert_int_equal(set_of(arch, &units, "layer1.0.bn2"), skip);
    assert_int_equal(set_of(arch, &units, "layer1.2.conv2"), skip);
    assert_int_not_equal(set_of(arch, &units, "layer1.0.conv1"), skip);
    assert_int_not_equal(set_of(arch, &units, "layer1.0.conv1"),
                         set_of(arch, &units, "layer1.1.conv1"));
    assert_int_equal(set_of(arch, &units, "layer2.0.downsample.0"),
                     set_of(arch, &units, "layer2.1.conv2"));
    assert_int_not_equal(set_of(arch, &units, "layer2.0.conv2"), skip);
    assert_int_equal(units.sets[skip].count, 16);
    arch_units_free(&units);
    arch_free(&arch);
    spec_free(&spec);
}

/* Whether a group norm's units stay in their group. */
static void test_groups_stay(void **state)
{
    struct spec spec = speckit("model.name", "\"mlp\"", "model.widths", "[24]",
                               "model.norm", "\"group\"", BLOBS, NULL);
    struct arch *arch = arch_build(&spec, NULL);
    const struct tensor *bias = arch_tensor(arch, "bn1.bias");
    real *from = num_random(arch->state_count, 1);
    real *to = num_alloc(arch->state_count, sizeof *to);

    (void)state;
    for (size_t i = 0; i < 24; i++)
        from[bias->offset + i] = (real)(i / 3);
    assert_int_equal(permute_units(arch, 9, from, to, NULL), 0);
    assert_memory_equal(from + bias->offset, to + bias->offset, 24 * sizeof *to);
    free(from);
    free(to);
    arch_free(&arch);
    spec_free(&spec);
}

static void check_refused(struct spec spec)
{
    struct error err = {0};
    struct arch *arch = arch_build(&spec, &err);
    real *from = num_random(arch->state_count, 1);
    real *to = num_alloc(arch->state_count, sizeof *to);

    assert_int_equal(permute_units(arch, 0, from, to, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text,
                        "the network has no hidden units that can change places");
    free(from);
    free(to);
    arch_free(&arch);
    spec_free(&spec);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused(speckit("model.name", "\"mlp\"", "model.widths", "[]", BLOBS, NULL));
    check_refused(speckit("model.name", "\"mlp\"", "model.widths", "[8,8]", "model.norm",
                          "\"group\"", "model.norm_groups", "8", BLOBS, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),      cmocka_unit_test(test_resnets),
        cmocka_unit_test(test_seeds),       cmocka_unit_test(test_sets_of_a_resnet),
        cmocka_unit_test(test_groups_stay), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
