/* Curves of four networks against PyTorch's, whole and layer by layer, for every way to
 * get the running statistics of a point: golden/make_probes.py computed them in double
 * precision. */

#include "tests/numeric/goldenkit.h"
#include "tests/numeric/idxkit.h"
#include "tests/numeric/numberkit.h"
#include "tests/unit/fixture.h"
#include "worker/nn/blas.h"
#include "worker/probe/curve.h"

/* Losses relative to PyTorch's. Found: 3e-7 exact, 6e-7 fast. What is wrong in a
 * formula shows as a thousandth or more. */
#define EXACT_BOUND 2e-6
#define FAST_BOUND  1e-5

enum { PIXELS = 28 * 28, TRAIN = 72, TEST = 64, ALPHAS = 6 };

/* As curve_run takes them; a network without norms has one. */
static const enum curve_bn NORMED[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_END,
                                       CURVE_START,  CURVE_BATCH,     CURVE_BN_COUNT};
static const enum curve_bn PLAIN[] = {CURVE_NONE, CURVE_BN_COUNT};

/* ---- what PyTorch saw, as files ------------------------------------------------ */

/* The first count of either split: an order of their own is a data set's affair. */
static void write_data(const struct fixture *fix, const int train, const int test)
{
    const size_t count = TRAIN + TEST;
    uint8_t *images = num_alloc(count * PIXELS, 1), *labels = num_alloc(count, 1);
    const uint64_t pixel = numberkit_base("images", 0),
                   label = numberkit_base("labels", 0);

    for (size_t i = 0; i < count * PIXELS; i++)
        images[i] = (uint8_t)(numberkit_hash(pixel, i) >> 56);
    for (size_t i = 0; i < count; i++)
        labels[i] = (uint8_t)((numberkit_hash(label, i) >> 33) % 10);
    idxkit_write(fix, "train-images-idx3-ubyte", images, train, PIXELS);
    idxkit_write(fix, "train-labels-idx1-ubyte", labels, train, 1);
    idxkit_write(fix, "t10k-images-idx3-ubyte", images + TRAIN * PIXELS, test, PIXELS);
    idxkit_write(fix, "t10k-labels-idx1-ubyte", labels + TRAIN, test, 1);
    free(images);
    free(labels);
}

/* ---- curves --------------------------------------------------------------------- */

struct subject {
    const char *name;
    struct spec spec;
    struct arch *arch;
    struct dataset *data;
    real *a, *b;
    int64_t count[2]; /* examples that PyTorch saw of each split */
    struct st_file *golden;
};

static real *make_state(const struct arch *arch, uint64_t seed)
{
    real *state = num_alloc(arch->state_count, sizeof *state);

    numberkit_state(arch, seed, 1, state);
    return state;
}

static double golden_at(const struct subject *s, const char *group, enum curve_bn bn,
                        const char *what, int split, size_t i)
{
    char name[160];

    snprintf(name, sizeof name, "%s.%s.%s.%s", s->name, group, curve_bn_name(bn), what);
    return golden_number(s->golden, name, (size_t)split * ALPHAS + i);
}

static void check_point(const struct subject *s, const char *group, enum curve_bn bn,
                        int split, size_t i, const struct tally *tally, double bound,
                        double *worst)
{
    const double want = golden_at(s, group, bn, "loss", split, i);
    const double off = fabs(tally_loss(tally) / want - 1);
    const double correct = golden_at(s, group, bn, "correct", split, i);
    const double ties = golden_at(s, group, bn, "ties", split, i);

    *worst = fmax(*worst, off);
    if (!(off <= bound))
        fail_msg("%s, %s, %s, point %zu: %.9g, PyTorch's %.9g", s->name, group,
                 curve_bn_name(bn), i, tally_loss(tally), want);
    if (fabs((double)tally->correct - correct) > ties)
        fail_msg("%s, %s, %s, point %zu: %lld right, PyTorch's %g", s->name, group,
                 curve_bn_name(bn), i, (long long)tally->correct, correct);
}

static void check_curves(const struct subject *s, const char *const *groups, bool exact)
{
    const struct net_options engine = {.exact = exact, .isa = isa_choose()};
    const struct curve_env env = {.arch = s->arch,
                                  .data = s->data,
                                  .engine = &engine,
                                  .a = s->a,
                                  .b = s->b,
                                  .count = {s->count[0], s->count[1]},
                                  .bn_count = s->count[0]};
    const enum curve_bn *const ways = arch_has_norm(s->arch) ? NORMED : PLAIN;
    struct curve *curve = curve_new(&env, NULL);
    struct tally_sum line[2 * ALPHAS];
    double alphas[ALPHAS], worst = 0;

    assert_non_null(curve);
    for (size_t i = 0; i < ALPHAS; i++)
        alphas[i] = golden_number(s->golden, "alphas", i);
    for (; *groups; groups++)
        for (const enum curve_bn *way = ways; *way != CURVE_BN_COUNT; way++) {
            assert_int_equal(curve_run(curve, *groups, *way, alphas, ALPHAS, line, NULL),
                             0);
            for (int split = 0; split < 2; split++)
                for (size_t i = 0; i < ALPHAS; i++) {
                    const struct tally at = tally_round(&line[2 * i + (size_t)split]);
                    check_point(s, *groups, *way, split, i, &at,
                                exact ? EXACT_BOUND : FAST_BOUND, &worst);
                }
        }
    print_message("%s, %s: within %.2g of PyTorch's\n", s->name, exact ? "exact" : "fast",
                  worst);
    curve_free(&curve);
}

/* Where exact is given, only those groups are looked at in exact numerics. */
static void check_net(const struct fixture *fix, const char *name, struct spec spec,
                      const char *const *groups, const char *const *exact)
{
    struct subject s = {.name = name, .spec = spec, .golden = golden_open("probes")};
    struct error err = {0};
    char quoted[80];

    snprintf(quoted, sizeof quoted, "%s.examples", name);
    for (size_t split = 0; split < 2; split++)
        s.count[split] = (int64_t)golden_number(s.golden, quoted, split);
    write_data(fix, (int)s.count[0], (int)s.count[1]);
    snprintf(quoted, sizeof quoted, "\"%s\"", fix->dir);
    fixture_set(&s.spec, "data.dir", quoted);
    fixture_seeds(&s.spec, "0");
    s.arch = arch_build(&s.spec, &err);
    s.data = s.arch ? dataset_open(&s.spec, NULL, &err) : NULL;
    if (!s.data)
        fail_msg("%s", err.text);
    s.a = make_state(s.arch, 1);
    s.b = make_state(s.arch, 2);
    check_curves(&s, exact ? exact : groups, true);
    check_curves(&s, groups, false);
    free(s.a);
    free(s.b);
    dataset_free(&s.data);
    arch_free(&s.arch);
    spec_free(&s.spec);
    st_close(&s.golden);
}

static void test_mlp(void **state)
{
    static const char *const GROUPS[] = {"all", "fc1", "fc2", "fc3", NULL};
    static const char *const UNIONS[] = {"all", "fc1", "fc2", "fc3", "fc1+fc3", NULL};

    check_net(*state, "mlp",
              fixture_spec(JOB_TRAIN, "model.name", "\"mlp\"", "model.widths", "[32,16]",
                           "model.norm", "\"batch\"", NULL),
              GROUPS, NULL);
    check_net(
        *state, "mlp-plain",
        fixture_spec(JOB_TRAIN, "model.name", "\"mlp\"", "model.widths", "[32,16]", NULL),
        UNIONS, NULL);
}

static void test_lenet5(void **state)
{
    static const char *const GROUPS[] = {"all", "conv1",     "conv2",      "fc1", "fc2",
                                         "fc3", "conv2+fc1", "all:biases", NULL};

    check_net(*state, "lenet5", fixture_spec(JOB_TRAIN, "model.name", "\"lenet5\"", NULL),
              GROUPS, NULL);
}

static void test_resnet20(void **state)
{
    static const char *const GROUPS[] = {"all", "stem",        "B2", "layer3.0.conv1",
                                         "fc",  "all:weights", NULL};
    static const char *const EXACT[] = {"all", "layer3.0.conv1", NULL};

    check_net(
        *state, "resnet20",
        fixture_spec(JOB_TRAIN, "model.name", "\"resnet20\"", "model.width", "8.0", NULL),
        GROUPS, EXACT);
}

static void test_resnet18(void **state)
{
    static const char *const GROUPS[] = {"all", "stem",           "B1", "B2", "B3",
                                         "B4",  "layer4.1.conv2", "fc", NULL};
    static const char *const EXACT[] = {"B3", NULL};

    check_net(*state, "resnet18",
              fixture_spec(JOB_TRAIN, "model.name", "\"resnet18\"", "model.width", "0.25",
                           NULL),
              GROUPS, EXACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mlp, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lenet5, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_resnet20, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_resnet18, fixture_setup, fixture_teardown),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
