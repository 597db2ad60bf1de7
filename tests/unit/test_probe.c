/* A probe ends where its runs did, to the bit; between the ends it is what the
 * formula says, and states that are not what they claim to be are refused. */

#include "tests/unit/probekit.h"

#include "worker/probe/path.h"

#include <math.h>

static const char *const SPLITS[] = {"train", "test"};

/* ---- ends ----------------------------------------------------------------------- */

static void test_ends_are_the_run(void **state)
{
    struct fixture *fix = *state;
    struct spec noisy = run_spec(), probe = probe_spec("\"path\"");
    struct subject run;
    char paths[2][256];
    struct msg_input inputs[2];
    struct outcome out;

    fixture_set(&noisy, "data.labels.random", "0.5"); /* the probe sees those, too */
    run = make_subject(fix, noisy);
    inputs[0] = input_of(fix, &run, "a", "init", paths[0]);
    inputs[1] = input_of(fix, &run, "b", "final", paths[1]);
    assert_false(inputs[0].stored);
    out = run_probe(&probe, inputs, 2);
    assert_int_equal(out.result.point_count, 5 * 2);
    for (int s = 0; s < 2; s++) {
        assert_tally_equal(point(&out, "all", 0, SPLITS[s]),
                           &outcome_history(&run.out, 0, SPLITS[s])->tally);
        assert_tally_equal(point(&out, "all", 4, SPLITS[s]),
                           &outcome_history(&run.out, 3, SPLITS[s])->tally);
    }
    for (uint32_t i = 0; i < 10; i++) {
        const struct msg_point *row = &out.result.points[i];

        assert_true(slice_is(row->bn, "none"));
        assert_int_equal(row->alpha_index, i / 2);
        assert_true(row->alpha == 0.25 * (i / 2));
        assert_true(slice_is(row->split, SPLITS[i % 2]));
    }
    assert_string_equal(sink_data_hash_get(out.sink), sink_data_hash_get(run.out.sink));
    outcome_free(&out);
    subject_free(&run);
    spec_free(&probe);
}

static void test_layers_end_at_b(void **state)
{
    static const char *const groups[] = {"fc1", "fc2", "fc1+fc3"};
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec layers = probe_spec("\"layers\""), whole = probe_spec("\"path\"");
    char paths[2][256];
    struct msg_input inputs[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                  input_of(fix, &run, "b", "final", paths[1])};
    struct outcome out, all;

    fixture_set(&layers, "probe.groups", "[\"all\",\"fc1\",\"fc2\",\"fc1+fc3\"]");
    out = run_probe(&layers, inputs, 2);
    all = run_probe(&whole, inputs, 2);
    assert_int_equal(out.result.point_count, 4 * 5 * 2);
    for (int s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < 5; i++)
            assert_tally_equal(point(&out, "all", i, SPLITS[s]),
                               point(&all, "all", i, SPLITS[s]));
        for (int g = 0; g < 3; g++) {
            assert_tally_equal(point(&out, groups[g], 4, SPLITS[s]),
                               &outcome_history(&run.out, 3, SPLITS[s])->tally);
            assert_true(point(&out, groups[g], 0, SPLITS[s])->sum !=
                        point(&out, "all", 0, SPLITS[s])->sum);
            assert_true(point(&out, groups[g], 0, SPLITS[s])->sum !=
                        point(&out, groups[g], 4, SPLITS[s])->sum);
        }
    }
    outcome_free(&out);
    outcome_free(&all);
    subject_free(&run);
    spec_free(&layers);
    spec_free(&whole);
}

static void test_self_is_constant(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec spec = probe_spec("\"path\"");
    char paths[2][256];
    struct msg_input inputs[2] = {input_of(fix, &run, "a", "final", paths[0]),
                                  input_of(fix, &run, "b", "final", paths[1])};
    struct outcome out;

    fixture_set(&spec, "probe.alphas", "[-0.7,0.0,0.3,0.777,1.0,1.9]");
    out = run_probe(&spec, inputs, 2);
    for (uint32_t i = 0; i < 6; i++)
        for (int s = 0; s < 2; s++)
            assert_tally_equal(point(&out, "all", i, SPLITS[s]),
                               &outcome_history(&run.out, 3, SPLITS[s])->tally);
    assert_true(distance(&out, "all")->l2 == 0 && distance(&out, "all")->rel == 0);
    outcome_free(&out);
    subject_free(&run);
    spec_free(&spec);
}

static void test_reversal_mirrors(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec spec = probe_spec("\"path\"");
    char paths[2][256];
    struct msg_input there[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                 input_of(fix, &run, "b", "final", paths[1])};
    struct msg_input back[2] = {input_of(fix, &run, "a", "final", paths[1]),
                                input_of(fix, &run, "b", "init", paths[0])};
    struct outcome a, b;

    fixture_set(&spec, "probe.alphas", "8");
    a = run_probe(&spec, there, 2);
    b = run_probe(&spec, back, 2);
    for (uint32_t i = 0; i < 8; i++)
        for (int s = 0; s < 2; s++) {
            const struct tally *x = point(&a, "all", i, SPLITS[s]);
            const struct tally *y = point(&b, "all", 7 - i, SPLITS[s]);

            assert_true(fabs(tally_loss(x) - tally_loss(y)) < 1e-6);
        }
    outcome_free(&a);
    outcome_free(&b);
    subject_free(&run);
    spec_free(&spec);
}

/* ---- points beyond the grid ------------------------------------------------------ */

/* The grid's points first, then the refined, then those that the curve asked for: each
 * says so, and what it differs from both ends by. */
static void test_more_points(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec spec = probe_spec("\"path\""), plain = probe_spec("\"path\"");
    char paths[2][256];
    struct msg_input inputs[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                  input_of(fix, &run, "b", "final", paths[1])};
    struct outcome out, base;
    uint32_t count;

    fixture_set(&spec, "probe.refine", "[[1.0,3,0.0]]");
    fixture_set(&spec, "probe.adapt.most", "6");
    fixture_set(&spec, "probe.adapt.tolerance", "0.0001");
    out = run_probe(&spec, inputs, 2);
    base = run_probe(&plain, inputs, 2);
    count = out.result.point_count / 2;
    assert_in_range(count, 5 + 3 + 1, 5 + 3 + 6);
    for (uint32_t i = 0; i < 2 * count; i++) {
        const struct msg_point *row = &out.result.points[i];
        const struct tally *start = point(&out, "all", 0, SPLITS[i % 2]);
        const struct tally *end = point(&out, "all", 4, SPLITS[i % 2]);

        assert_int_equal(row->alpha_index, i / 2);
        assert_true(slice_is(row->origin, i < 10 ? "grid" : i < 16 ? "refine" : "adapt"));
        assert_int_equal(row->paired, MSG_PAIRED_START | MSG_PAIRED_END);
        assert_true(fabs(row->start_sum - (row->tally.sum - start->sum)) < 1e-9);
        assert_true(fabs(row->end_sum - (row->tally.sum - end->sum)) < 1e-9);
        assert_true(row->start_sq * (double)start->count >=
                    row->start_sum * row->start_sum * (1 - 1e-12));
        if (i < 10)
            assert_tally_equal(&row->tally, &base.result.points[i].tally);
    }
    assert_true(out.result.points[10].alpha == 0.875);
    assert_true(out.result.points[14].alpha == 0.96875);
    for (uint32_t i = 0; i < out.result.rise_count; i++) {
        const struct msg_rise *rise = &out.result.rises[i];

        assert_true(rise->alpha_from < rise->alpha_to && rise->sum > 0);
        assert_int_equal(rise->n, slice_is(rise->split, "train") ? 300 : 400);
    }
    outcome_free(&out);
    outcome_free(&base);
    subject_free(&run);
    spec_free(&spec);
    spec_free(&plain);
}

/* ---- NaN -------------------------------------------------------------------------- */

static void test_nan_is_a_result(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec spec = probe_spec("\"path\"");
    struct ckpt_meta meta = {.key = "00000000000000000000000000000000", .state = "final"};
    char paths[2][256], hash[HASH_TEXT];
    struct msg_input inputs[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                  input_of(fix, &run, "b", "final", paths[1])};
    struct error err = {0};
    struct arch *arch = arch_build(&run.spec, &err);
    real *theta = calloc(arch->param_count, sizeof *theta);
    struct outcome out;
    uint64_t size;

    assert_non_null(theta);
    for (size_t i = 0; i < arch->param_count; i++)
        theta[i] = NAN;
    fixture_path(fix, "lost", paths[0], sizeof paths[0]);
    assert_int_equal(ckpt_write(paths[0], arch, theta, &meta, hash, &size, &err), 0);
    inputs[0].hash = slice_of(hash);
    inputs[0].stored = true;
    inputs[0].path = slice_of(paths[0]);
    out = run_probe(&spec, inputs, 2);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(point(&out, "all", i, "test")->nan_count, 400);
        assert_int_equal(point(&out, "all", i, "test")->correct, 0);
    }
    assert_tally_equal(point(&out, "all", 4, "test"),
                       &outcome_history(&run.out, 3, "test")->tally);
    assert_true(isnan(distance(&out, "all")->l2));
    outcome_free(&out);
    free(theta);
    arch_free(&arch);
    subject_free(&run);
    spec_free(&spec);
}

/* ---- refusals ------------------------------------------------------------------- */

static void check_refused(const struct spec *spec, const struct msg_input *inputs,
                          size_t count, const char *rule)
{
    struct error err;

    if (!strstr(probe_refusal(spec, inputs, count, &err), rule))
        fail_msg("'%s' should hold '%s'", err.text, rule);
}

static void test_refusals(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec()), wide;
    struct spec spec = probe_spec("\"path\""), wider = run_spec();
    char paths[2][256];
    const struct msg_input good[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                      input_of(fix, &run, "b", "final", paths[1])};
    struct msg_input bad[2];

    check_refused(&spec, good, 1, "'b'");
    memcpy(bad, good, sizeof bad);
    bad[0].hash = good[1].hash;
    check_refused(&spec, bad, 2, "has the hash");
    memcpy(bad, good, sizeof bad);
    bad[1].hash = good[0].hash;
    check_refused(&spec, bad, 2, "has the hash");
    memcpy(bad, good, sizeof bad);
    bad[1].stored = false;
    check_refused(&spec, bad, 2, "not stored");

    fixture_set(&wider, "model.widths", "[16,17]");
    wide = make_subject(fix, wider);
    bad[1] = input_of(fix, &wide, "b", "final", paths[1]);
    check_refused(&spec, bad, 2, "differ in 'fc2.weight'");
    subject_free(&wide);
    wider = run_spec();
    fixture_set(&wider, "model.widths", "[16]");
    wide = make_subject(fix, wider);
    bad[1] = input_of(fix, &wide, "b", "final", paths[1]);
    check_refused(&spec, bad, 2, "differ");
    subject_free(&wide);
    subject_free(&run);
    spec_free(&spec);
}

/* ---- arithmetic ------------------------------------------------------------------- */

static void test_lerp(void **state)
{
    const real a[] = {1, INFINITY, NAN, 0.1f, -3, 1e30f, 7};
    const real b[] = {2, 1, 5, 0.1f, 3, -1e30f, INFINITY};
    real theta[7];

    (void)state;
    path_lerp(theta, a, b, 0, 7);
    assert_memory_equal(theta, a, sizeof a);
    path_lerp(theta, a, b, 1, 7);
    assert_memory_equal(theta, b, sizeof b);
    path_lerp(theta, a, b, 0.25, 7);
    assert_true(theta[0] == 1.25f && theta[3] == 0.1f && theta[4] == -1.5f);
    assert_true(theta[5] == 0.5e30f && isnan(theta[2]));
    path_lerp(theta, a, b, 2, 7);
    assert_true(theta[0] == 3 && theta[3] == 0.1f && theta[4] == 9);
}

static void test_distances(void **state)
{
    static const char *const groups[] = {"fc1", "fc2", "fc3"};
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec spec = probe_spec("\"layers\"");
    char paths[2][256];
    struct msg_input inputs[2] = {input_of(fix, &run, "a", "init", paths[0]),
                                  input_of(fix, &run, "b", "final", paths[1])};
    double squares = 0, norms = 0;
    struct outcome out;

    fixture_set(&spec, "probe.groups", "[\"fc1\",\"fc2\",\"fc3\"]");
    fixture_set(&spec, "probe.alphas", "2");
    out = run_probe(&spec, inputs, 2);
    assert_int_equal(out.result.distance_count, 4);
    for (int g = 0; g < 3; g++) {
        const struct msg_distance *row = distance(&out, groups[g]);

        assert_true(row->l2 > 0 && row->rel > 0);
        squares += row->l2 * row->l2;
        norms += row->l2 / row->rel * (row->l2 / row->rel);
    }
    assert_true(fabs(distance(&out, "all")->l2 / sqrt(squares) - 1) < 1e-12);
    assert_true(fabs(distance(&out, "all")->rel / sqrt(squares / norms) - 1) < 1e-12);
    outcome_free(&out);
    subject_free(&run);
    spec_free(&spec);
}

/* From zeros: nothing divides by ||a||. */
static void test_distance_from_zero(void **state)
{
    struct spec spec = run_spec();
    struct error err;
    struct arch *arch = arch_build(&spec, &err);
    real *a = calloc(arch->param_count, sizeof *a),
         *b = calloc(arch->param_count, sizeof *b);
    double l2, rel;

    (void)state;
    assert_true(a && b);
    b[0] = 3;
    b[1] = 4;
    path_distance(arch, "all", a, b, &l2, &rel);
    assert_true(l2 == 5 && isinf(rel));
    path_distance(arch, "fc2", a, b, &l2, &rel);
    assert_true(l2 == 0 && rel == 0);
    free(a);
    free(b);
    arch_free(&arch);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ends_are_the_run, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_layers_end_at_b, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_self_is_constant, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reversal_mirrors, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_more_points, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_nan_is_a_result, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_lerp),
        cmocka_unit_test_setup_teardown(test_distances, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_distance_from_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
