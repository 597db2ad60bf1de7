/* Probes that start where no run has been: zeros, noise, another draw, permuted units. */

#include "tests/unit/probekit.h"

#include "worker/nn/init.h"
#include "worker/nn/permute.h"
#include "worker/probe/control.h"

#include <math.h>

static const char *const SPLITS[] = {"train", "test"};

/* A run with batch norms, so that statistics have to come from somewhere. */
static struct spec norm_spec(void)
{
    struct spec spec = run_spec();

    fixture_set(&spec, "model.norm", "\"batch\"");
    return spec;
}

struct made {
    struct endpoint a, b;
};

static struct made make(const struct fixture *fix, const char *start, const char *seed)
{
    struct subject run = make_subject(fix, norm_spec());
    struct spec spec = probe_spec("\"path\"");
    char paths[2][256];
    const struct msg_input inputs[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                        input_of(fix, &run, "b", "final", paths[1])};
    struct error err = {0};
    struct made made;

    fixture_set(&spec, "probe.start", start);
    fixture_set(&spec, "probe.start_seed", seed);
    if (endpoint_load(inputs, 2, "a", &made.a, &err) ||
        endpoint_load(inputs, 2, "b", &made.b, &err) ||
        control_apply(&spec, &made.a, &made.b, &err))
        fail_msg("%s", err.text);
    spec_free(&spec);
    subject_free(&run);
    return made;
}

static void made_free(struct made *made)
{
    endpoint_free(&made->a);
    endpoint_free(&made->b);
}

static void check_statistics(const struct endpoint *end)
{
    for (int t = end->arch->param_tensors; t < end->arch->tensor_count; t++) {
        const struct tensor *tensor = &end->arch->tensors[t];
        for (size_t i = 0; i < tensor->count; i++)
            assert_true(end->theta[tensor->offset + i] ==
                        (tensor->class == TENSOR_VAR ? 1 : 0));
    }
}

static double norm_of(const struct endpoint *end, int t)
{
    const struct tensor *tensor = &end->arch->tensors[t];
    double sum = 0;

    for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
        sum += (double)end->theta[i] * (double)end->theta[i];
    return sqrt(sum);
}

static void test_zeros(void **state)
{
    struct made made = make(*state, "\"zeros\"", "0");

    for (size_t i = 0; i < made.a.arch->param_count; i++)
        assert_true(made.a.theta[i] == 0);
    check_statistics(&made.a);
    made_free(&made);
}

/* As long as the tensors of `from`, here of the init, and otherwise unlike them. */
static void test_noise(void **state)
{
    struct made was = make(*state, "\"state\"", "0");
    struct made made = make(*state, "\"noise\"", "0");
    struct made other = make(*state, "\"noise\"", "1");

    for (int t = 0; t < was.a.arch->param_tensors; t++) {
        const struct tensor *tensor = &was.a.arch->tensors[t];
        const double norm = norm_of(&was.a, t);
        assert_true(fabs(norm_of(&made.a, t) - norm) <= 1e-6 * norm);
        if (norm > 0 && tensor->count > 1)
            assert_memory_not_equal(made.a.theta + tensor->offset,
                                    other.a.theta + tensor->offset,
                                    tensor->count * sizeof(real));
    }
    check_statistics(&made.a);
    made_free(&was);
    made_free(&made);
    made_free(&other);
}

/* What the run would have drawn with that seed. */
static void test_seed(void **state)
{
    struct made made = make(*state, "\"seed\"", "3");
    struct arch *arch = made.b.arch;
    real *drawn = calloc(arch->state_count, sizeof *drawn);
    struct spec spec = norm_spec();
    char text[32];

    assert_non_null(drawn);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)control_seed(1, 3));
    fixture_set(&spec, "seed.init", text);
    assert_int_equal(init_params(&spec, arch, drawn, NULL), 0);
    assert_memory_equal(made.a.theta, drawn, arch->state_count * sizeof *drawn);
    assert_true(control_seed(1, 3) != control_seed(1, 4));
    assert_true(control_seed(1, 3) != control_seed(3, 1));
    assert_true(control_seed(1, 3) < (uint64_t)1 << 53);
    spec_free(&spec);
    free(drawn);
    made_free(&made);
}

static void test_permuted(void **state)
{
    struct made made = make(*state, "\"permuted\"", "7");
    struct arch *arch = made.b.arch;
    real *permuted = calloc(arch->state_count, sizeof *permuted);

    assert_non_null(permuted);
    assert_int_equal(permute_units(arch, 7, made.b.theta, permuted, NULL), 0);
    assert_memory_equal(made.a.theta, permuted, arch->state_count * sizeof *permuted);
    free(permuted);
    made_free(&made);
}

/* A line from a permuted copy begins and ends at the same loss, and is higher between:
 * the whole probe, from inputs that are both `to`. */
static void test_probe_of_permuted(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, norm_spec());
    struct spec spec = probe_spec("\"path\"");
    char paths[2][256];
    const struct msg_input inputs[2] = {input_of(fix, &run, "a", "final", paths[0]),
                                        input_of(fix, &run, "b", "final", paths[1])};
    struct outcome out;

    fixture_set(&spec, "probe.start", "\"permuted\"");
    fixture_set(&spec, "probe.bn", "[\"interp\"]");
    out = run_probe(&spec, inputs, 2);
    for (int s = 0; s < 2; s++) {
        const double first = tally_loss(point(&out, "all", 0, SPLITS[s]));
        const double last = tally_loss(point(&out, "all", 4, SPLITS[s]));
        assert_true(fabs(first / last - 1) < 1e-5);
        assert_true(tally_loss(point(&out, "all", 2, SPLITS[s])) > 1.05 * last);
        assert_tally_equal(point(&out, "all", 4, SPLITS[s]),
                           &outcome_history(&run.out, 3, SPLITS[s])->tally);
    }
    assert_true(distance(&out, "all")->l2 > 0);
    outcome_free(&out);
    subject_free(&run);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_zeros, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_noise, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_seed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_permuted, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_probe_of_permuted, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
