/* Probes against PyTorch: the same two states and images, the same lines between
 * them. golden/make_curves.py wrote PyTorch's losses, in double precision. */

#include "tests/numeric/goldenkit.h"
#include "tests/numeric/idxkit.h"
#include "tests/unit/fixture.h"
#include "worker/ckpt/ckpt.h"
#include "worker/nn/blas.h"
#include "worker/probe/probe.h"
#include "worker/sink.h"

/* Found: 3e-7. What is wrong in a formula (another subset, a group that does not
 * move, n for n - 1) shows as a thousandth or more. */
#define CURVE_BOUND 1e-5

enum { PIXELS = 28 * 28, TRAIN = 160, TEST = 80, ALPHAS = 6 };

#define KEY      "00000000000000000000000000000000"
#define KEY_TEXT "\"" KEY "\""

/* ---- what PyTorch saw, as files ------------------------------------------------ */

static void write_data(const struct fixture *fix)
{
    struct st_file *data = golden_open("data");
    const uint8_t *images = golden_find(data, "images")->data;
    const uint8_t *labels = golden_find(data, "labels")->data;

    idxkit_write(fix, "train-images-idx3-ubyte", images, TRAIN, PIXELS);
    idxkit_write(fix, "train-labels-idx1-ubyte", labels, TRAIN, 1);
    idxkit_write(fix, "t10k-images-idx3-ubyte", images + TRAIN * PIXELS, TEST, PIXELS);
    idxkit_write(fix, "t10k-labels-idx1-ubyte", labels + TRAIN, TEST, 1);
    st_close(&data);
}

/* A state that a run would have stored, as an input of a probe. */
struct state_file {
    char hash[HASH_TEXT], path[256];
};

static struct msg_input store_state(const struct fixture *fix, const struct arch *arch,
                                    const real *theta, const char *role,
                                    const struct buf *spec, struct state_file *file)
{
    const struct ckpt_meta meta = {.key = KEY, .state = role};
    char name[64];
    uint64_t size;

    assert_int_equal(ckpt_store(fix->dir, arch, theta, &meta, file->hash, &size, NULL),
                     0);
    snprintf(name, sizeof name, "%s.safetensors", file->hash);
    fixture_path(fix, name, file->path, sizeof file->path);
    return (struct msg_input){.role = slice_of(role),
                              .state = slice_of("final"),
                              .spec = {spec->data, spec->size},
                              .hash = slice_of(file->hash),
                              .stored = true,
                              .path = slice_of(file->path)};
}

/* b = a - step grad, in float as the script does it. */
static void make_states(const struct arch *arch, const char *net, real **ret_a,
                        real **ret_b)
{
    struct st_file *file = golden_open(net), *curves = golden_open("curves");
    real *grad = golden_params(file, "grad", arch);
    char name[32];

    snprintf(name, sizeof name, "%s.step", net);
    const real step = (real)golden_number(curves, name, 0);
    *ret_a = golden_params(file, "init", arch);
    *ret_b = num_alloc(arch->param_count, sizeof **ret_b);
    for (size_t i = 0; i < arch->param_count; i++)
        (*ret_b)[i] = (*ret_a)[i] - step * grad[i];
    free(grad);
    st_close(&file);
    st_close(&curves);
}

/* ---- the probe ------------------------------------------------------------------ */

static struct spec probe_spec(const char *groups)
{
    struct spec spec = fixture_spec(
        JOB_PROBE, "a.run", KEY_TEXT, "a.state", "\"final\"", "b.run", KEY_TEXT,
        "b.state", "\"final\"", "probe.splits.train", "\"all\"", "probe.splits.test",
        "\"all\"", "probe.alphas", "[-0.25,0.0,0.3,0.75,1.0,1.5]", NULL);

    fixture_set(&spec, "probe.kind", groups ? "\"layers\"" : "\"path\"");
    if (groups)
        fixture_set(&spec, "probe.groups", groups);
    return spec;
}

static void check_near(double got, double want, const char *what, double alpha,
                       double *worst)
{
    const double off = fabs(got / want - 1);

    *worst = fmax(*worst, off);
    if (!(off <= CURVE_BOUND))
        fail_msg("%s at alpha %g: %.9g, PyTorch's %.9g", what, alpha, got, want);
}

static void check_point(const struct st_file *curves, const char *net,
                        const struct msg_point *point, double *worst)
{
    const size_t i = point->alpha_index;
    char name[160], column[192];
    int64_t correct;

    snprintf(name, sizeof name, "%s.%.*s.%.*s", net, (int)point->grp.size,
             point->grp.data, (int)point->split.size, point->split.data);
    assert_true(point->alpha == golden_number(curves, "alphas", i));
    snprintf(column, sizeof column, "%s.loss", name);
    check_near(tally_loss(&point->tally), golden_number(curves, column, i), column,
               point->alpha, worst);
    snprintf(column, sizeof column, "%s.se", name);
    check_near(tally_loss_se(&point->tally), golden_number(curves, column, i), column,
               point->alpha, worst);
    snprintf(column, sizeof column, "%s.correct", name);
    memcpy(&correct,
           (const uint8_t *)golden_find(curves, column)->data + i * sizeof correct,
           sizeof correct);
    assert_int_equal(point->tally.correct, correct);
}

static void check_probe(const struct msg_input inputs[2], const char *net,
                        const char *groups, uint32_t group_count)
{
    struct st_file *curves = golden_open("curves");
    struct spec spec = probe_spec(groups);
    struct sink *sink = sink_new(NULL, NULL);
    const struct probe_env env = {0};
    struct msg_result result = {0};
    struct error err = {0};
    double worst = 0;

    assert_non_null(sink);
    if (probe_run(&spec, inputs, 2, &env, sink, &err))
        fail_msg("%s", err.text);
    sink_fill(sink, &result);
    assert_int_equal(result.point_count, group_count * 2 * ALPHAS);
    for (uint32_t i = 0; i < result.point_count; i++)
        check_point(curves, net, &result.points[i], &worst);
    for (uint32_t i = 0; i < result.distance_count; i++) {
        const struct msg_distance *row = &result.distances[i];
        char name[160];

        snprintf(name, sizeof name, "%s.%.*s.distance", net, (int)row->grp.size,
                 row->grp.data);
        check_near(row->l2, golden_number(curves, name, 0), name, 0, &worst);
        check_near(row->rel, golden_number(curves, name, 1), name, 0, &worst);
    }
    print_message("%s: %u points within %.2g of PyTorch's\n", net, result.point_count,
                  worst);
    sink_free(&sink);
    spec_free(&spec);
    st_close(&curves);
}

static void check_net(const struct fixture *fix, struct spec *run, const char *net,
                      const char *groups, uint32_t group_count)
{
    struct arch *arch = arch_build(run, NULL);
    struct state_file files[2];
    struct buf text = {0};
    char quoted[80];
    real *a, *b;

    write_data(fix);
    snprintf(quoted, sizeof quoted, "\"%s\"", fix->dir);
    fixture_set(run, "data.dir", quoted);
    fixture_seeds(run, "0");
    spec_text(run, &text);
    assert_non_null(arch);
    make_states(arch, net, &a, &b);

    const struct msg_input inputs[2] = {
        store_state(fix, arch, a, "a", &text, &files[0]),
        store_state(fix, arch, b, "b", &text, &files[1]),
    };
    check_probe(inputs, net, NULL, 1);
    check_probe(inputs, net, groups, group_count);
    free(a);
    free(b);
    buf_free(&text);
    arch_free(&arch);
    spec_free(run);
}

static void mlp_curves_are_pytorchs(void **state)
{
    struct spec run =
        fixture_spec(JOB_TRAIN, "model.name", "\"mlp\"", "model.widths", "[32,16]", NULL);

    check_net(*state, &run, "mlp", "[\"layers\",\"fc1+fc3\"]", 4);
}

static void lenet5_curves_are_pytorchs(void **state)
{
    struct spec run = fixture_spec(JOB_TRAIN, "model.name", "\"lenet5\"", NULL);

    check_net(*state, &run, "lenet5", "[\"layers\",\"fc1+fc3\"]", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mlp_curves_are_pytorchs, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(lenet5_curves_are_pytorchs, fixture_setup,
                                        fixture_teardown),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
