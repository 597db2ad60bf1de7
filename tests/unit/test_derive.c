/* Making states from others: each kind against its definition, from the files of a small
 * run with batch norms, and starts that are altered. */

#include "tests/unit/probekit.h"

#include "common/derived.h"
#include "worker/derive.h"
#include "worker/endpoint.h"
#include "worker/nn/init.h"
#include "worker/nn/noise.h"
#include "worker/nn/permute.h"
#include "worker/probe/path.h"

#include <math.h>
#include <stdlib.h>

/* A run, its init and final state, and the derive job of it that is tried. */
struct bench {
    const struct fixture *fix;
    struct subject run;
    struct endpoint a, b;
    struct msg_input inputs[3];
    char paths[3][256];
};

static void open_bench(const struct fixture *fix, struct bench *bench)
{
    struct spec spec = run_spec();
    struct error err = {0};

    fixture_set(&spec, "model.norm", "\"batch\"");
    *bench = (struct bench){.fix = fix, .run = make_subject(fix, spec)};
    bench->inputs[0] = input_of(fix, &bench->run, "a", "init", bench->paths[0]);
    bench->inputs[1] = input_of(fix, &bench->run, "b", "final", bench->paths[1]);
    bench->inputs[2] = input_of(fix, &bench->run, "m01", "final", bench->paths[2]);
    assert_int_equal(endpoint_load(bench->inputs, 3, "a", &bench->a, &err), 0);
    assert_int_equal(endpoint_load(bench->inputs, 3, "b", &bench->b, &err), 0);
}

static void close_bench(struct bench *bench)
{
    endpoint_free(&bench->a);
    endpoint_free(&bench->b);
    subject_free(&bench->run);
}

static struct spec derive_spec(const char *kind)
{
    struct spec spec = fixture_spec(
        JOB_DERIVE, "a.run", "\"00000000000000000000000000000000\"", "a.state",
        "\"init\"", "data.name", "\"spiral\"", "data.train", "500", "model.name",
        "\"mlp\"", "model.norm", "\"batch\"", "model.widths", "[16,16]", "seed.augment",
        "1", "seed.labels", "1", NULL);

    fixture_set(&spec, "derive.kind", kind);
    return spec;
}

static struct spec point_spec(void)
{
    struct spec spec = derive_spec("\"point\"");

    fixture_set(&spec, "b.run", "\"00000000000000000000000000000000\"");
    fixture_set(&spec, "derive.probe", "\"00000000000000000000000000000000\"");
    return spec;
}

/* Run the job; its state, read back from its file, goes to ret. */
static void derive(const struct bench *bench, struct spec *spec, double alpha, real *ret)
{
    const struct msg_job job = {
        .inputs = (struct msg_input *)bench->inputs, .input_count = 3, .alpha = alpha};
    struct outcome out = {.sink = sink_new(NULL, NULL)};
    const struct msg_state *row;
    struct error err = {0};
    char path[256], name[64];

    if (spec_check(spec, &(const char *){NULL}, &err) ||
        derive_run(spec, &job, bench->fix->dir, out.sink, &err))
        fail_msg("%s", err.text);
    sink_fill(out.sink, &out.result);
    row = outcome_state(&out, DERIVED_STATE);
    assert_non_null(row);
    assert_true(row->stored);
    snprintf(name, sizeof name, "%.*s.safetensors", (int)row->hash.size, row->hash.data);
    fixture_path(bench->fix, name, path, sizeof path);
    if (ckpt_read(path, bench->a.arch, ret, &err))
        fail_msg("%s", err.text);
    outcome_free(&out);
    spec_free(spec);
}

static real *room(const struct bench *bench)
{
    real *room = calloc(bench->a.arch->state_count, sizeof *room);

    assert_non_null(room);
    return room;
}

static void assert_tensor(const struct bench *bench, int t, const real *is,
                          const real *expected)
{
    const struct tensor *tensor = &bench->a.arch->tensors[t];

    if (memcmp(is + tensor->offset, expected + tensor->offset,
               tensor->count * sizeof *is) != 0)
        fail_msg("%s differs", tensor->name);
}

/* ---- a point ---------------------------------- */

/* The bits of the path's own arithmetic, statistics with the group. */
static void test_point(void **state)
{
    static const struct {
        const char *group, *bn;
        double alpha, statistics;
    } CASES[] = {
        {"", "interp", 0.3, 0.3},
        {"", "start", 0.3, 0},
        {"", "end", 0.3, 1},
        {"fc2", "recompute", 0.7, 0.7},
        {"fc1:weights", "interp", -0.5, 1},
        {"", "interp", 0, 0},
    };
    struct bench bench;

    open_bench(*state, &bench);
    const struct arch *arch = bench.a.arch;
    real *is = room(&bench), *expected = room(&bench);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *group = *CASES[i].group ? CASES[i].group : "all";
        struct spec spec = point_spec();
        char text[40];

        snprintf(text, sizeof text, "\"%s\"", CASES[i].group);
        fixture_set(&spec, "derive.group", text);
        snprintf(text, sizeof text, "\"%s\"", CASES[i].bn);
        fixture_set(&spec, "derive.bn", text);
        derive(&bench, &spec, CASES[i].alpha, is);
        for (int t = 0; t < arch->tensor_count; t++) {
            const size_t at = arch->tensors[t].offset;
            const bool moves = arch_in_group(arch, t, group);
            path_lerp(expected + at, bench.a.theta + at, bench.b.theta + at,
                      !moves                    ? 1
                      : t < arch->param_tensors ? CASES[i].alpha
                                                : CASES[i].statistics,
                      arch->tensors[t].count);
            assert_tensor(&bench, t, is, expected);
        }
    }
    free(is);
    free(expected);
    close_bench(&bench);
}

/* An alpha that the grid gives, not the coordinator. */
static void test_point_given(void **state)
{
    struct spec spec = point_spec();
    struct bench bench;

    open_bench(*state, &bench);
    real *is = room(&bench), *expected = room(&bench);
    fixture_set(&spec, "derive.probe", "\"\"");
    fixture_set(&spec, "derive.at", "\"value\"");
    fixture_set(&spec, "derive.alpha", "0.25");
    derive(&bench, &spec, 0.75, is);
    path_lerp(expected, bench.a.theta, bench.b.theta, 0.25, bench.a.arch->state_count);
    assert_memory_equal(is, expected, bench.a.arch->state_count * sizeof *is);
    free(is);
    free(expected);
    close_bench(&bench);
}

/* ---- the others ---------------------------------- */

static void test_mix(void **state)
{
    struct spec spec = derive_spec("\"mix\"");
    struct bench bench;

    open_bench(*state, &bench);
    real *is = room(&bench);
    fixture_set(&spec, "derive.sources",
                "[\"fc2=00000000000000000000000000000000:final\"]");
    derive(&bench, &spec, 0, is);
    for (int t = 0; t < bench.a.arch->tensor_count; t++)
        assert_tensor(&bench, t, is,
                      arch_in_group(bench.a.arch, t, "fc2") ? bench.b.theta
                                                            : bench.a.theta);
    free(is);
    close_bench(&bench);
}

/* With the run's own seed a reset final is the init again; some classes of tensors. */
static void test_reset(void **state)
{
    static const struct {
        const char *groups, *only;
    } * c, CASES[] = {{"[]", "[]"},
                      {"[\"fc1\"]", "[]"},
                      {"[]", "[\"weights\"]"},
                      {"[]", "[\"norms\"]"},
                      {"[\"fc2\"]", "[\"statistics\"]"},
                      {"[]", "[\"norms\",\"statistics\"]"}};
    static const enum tensor_class LAST[] = {TENSOR_BIAS, TENSOR_NORM_BIAS, TENSOR_VAR};
    struct bench bench;

    open_bench(*state, &bench);
    const struct arch *arch = bench.a.arch;
    real *is = room(&bench);
    bench.inputs[0] = input_of(*state, &bench.run, "a", "final", bench.paths[0]);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct spec spec = derive_spec("\"reset\"");
        c = &CASES[i];
        fixture_set(&spec, "derive.seed", "1");
        fixture_set(&spec, "derive.groups", c->groups);
        fixture_set(&spec, "derive.only", c->only);
        derive(&bench, &spec, 0, is);
        for (int t = 0; t < arch->tensor_count; t++) {
            static const char *const WORDS[] = {"weights", "norms", "statistics"};
            int class = 0;
            while (arch->tensors[t].class > LAST[class])
                class ++;
            const bool grouped = strcmp(c->groups, "[]") == 0 ||
                                 strncmp(c->groups + 2, arch->tensors[t].unit, 3) == 0;
            const bool classed =
                strcmp(c->only, "[]") == 0 || strstr(c->only, WORDS[class]);
            assert_tensor(&bench, t, is,
                          grouped && classed ? bench.a.theta : bench.b.theta);
        }
    }
    free(is);
    close_bench(&bench);
}

static double norm_of(const real *a, const real *b, const struct tensor *tensor)
{
    double sum = 0;

    for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* Of the length asked for, on the groups asked for; another seed is another noise. */
static void test_noise(void **state)
{
    struct bench bench;

    open_bench(*state, &bench);
    const struct arch *arch = bench.a.arch;
    real *is = room(&bench), *zeros = room(&bench), *other = room(&bench);
    for (int all = 0; all < 2; all++) {
        double own = 0, added = 0;
        for (int seed = 1; seed <= 2; seed++) {
            struct spec spec = derive_spec("\"noise\"");
            fixture_set(&spec, "derive.noise", "0.25");
            fixture_set(&spec, "derive.seed", seed == 1 ? "1" : "2");
            fixture_set(&spec, "derive.groups", all ? "[]" : "[\"fc2\"]");
            derive(&bench, &spec, 0, seed == 1 ? is : other);
        }
        for (int t = 0; t < arch->tensor_count; t++) {
            const struct tensor *tensor = &arch->tensors[t];
            if (t >= arch->param_tensors || (!all && !arch_in_group(arch, t, "fc2"))) {
                assert_tensor(&bench, t, is, bench.a.theta);
                continue;
            }
            own += norm_of(bench.a.theta, zeros, tensor);
            added += norm_of(is, bench.a.theta, tensor);
            assert_true(norm_of(is, other, tensor) > 0);
        }
        assert_true(fabs(sqrt(added) / sqrt(own) - 0.25) < 1e-6);
    }
    free(is);
    free(zeros);
    free(other);
    close_bench(&bench);
}

static void test_permute(void **state)
{
    struct spec spec = derive_spec("\"permute\"");
    struct error err = {0};
    struct bench bench;

    open_bench(*state, &bench);
    real *is = room(&bench), *expected = room(&bench);
    fixture_set(&spec, "derive.seed", "3");
    derive(&bench, &spec, 0, is);
    assert_int_equal(permute_units(bench.a.arch, 3, bench.a.theta, expected, &err), 0);
    assert_memory_equal(is, expected, bench.a.arch->state_count * sizeof *is);
    assert_memory_not_equal(is, bench.a.theta, bench.a.arch->state_count * sizeof *is);
    free(is);
    free(expected);
    close_bench(&bench);
}

/* ---- starts that are altered ---------------------------------- */

/* init.permute, then init.noise, of what is drawn; zero noise draws as ever. */
static void test_altered_start(void **state)
{
    struct spec spec = run_spec();
    struct error err = {0};
    struct arch *arch = arch_build(&spec, &err);
    const size_t size = arch->state_count * sizeof(real);
    real *drawn = malloc(size), *permuted = malloc(size), *is = malloc(size);

    (void)state;
    assert_int_equal(init_draw(&spec, arch, drawn, &err), 0);
    assert_int_equal(init_params(&spec, arch, is, &err), 0);
    assert_memory_equal(is, drawn, size);
    fixture_set(&spec, "init.permute", "true");
    assert_int_equal(init_params(&spec, arch, is, &err), 0);
    assert_int_equal(permute_units(arch, 1, drawn, permuted, &err), 0);
    assert_memory_equal(is, permuted, size);
    fixture_set(&spec, "init.noise", "0.1");
    assert_int_equal(init_params(&spec, arch, is, &err), 0);
    noise_add(arch, 1, 0.1, NULL, permuted);
    assert_memory_equal(is, permuted, size);
    free(drawn);
    free(permuted);
    free(is);
    arch_free(&arch);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_point, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_point_given, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_mix, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reset, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_noise, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_permute, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_altered_start, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
