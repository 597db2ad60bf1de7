/* Probes of kind plane, from their inputs to their rows. */

#include "tests/unit/probekit.h"

#include <math.h>

static const char *const SPLITS[] = {"train", "test"};

static struct spec plane_spec(void)
{
    struct spec spec = probe_spec("\"plane\"");

    fixture_set(&spec, "probe.alphas", "50");
    fixture_set(&spec, "probe.xs", "[0.0,0.5,1.0]");
    fixture_set(&spec, "probe.ys", "[0.0,1.0]");
    return spec;
}

static const struct tally *at(const struct outcome *out, const char *group, uint32_t x,
                              uint32_t y, const char *split)
{
    for (uint32_t i = 0; i < out->result.plane_point_count; i++) {
        const struct msg_plane_point *row = &out->result.plane_points[i];
        if (slice_is(row->grp, group) && slice_is(row->split, split) &&
            row->x_index == x && row->y_index == y)
            return &row->tally;
    }
    fail_msg("no point %u, %u of %s on %s", x, y, group, split);
    return NULL;
}

static struct subject make_kept(const struct fixture *fix)
{
    struct spec spec = run_spec();

    fixture_set(&spec, "train.keep", "[\"final\",\"epoch:2\"]");
    return make_subject(fix, spec);
}

/* At the corners are what the run saw at those epochs. */
static void test_corners_are_the_run(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_kept(fix);
    struct spec spec = plane_spec();
    char paths[3][256];
    const struct msg_input inputs[3] = {input_of(fix, &run, "a", "init", paths[0]),
                                        input_of(fix, &run, "b", "final", paths[1]),
                                        input_of(fix, &run, "c", "epoch:2", paths[2])};
    struct outcome out = run_probe(&spec, inputs, 3);
    const struct msg_plane *plane = out.result.planes;

    assert_int_equal(out.result.point_count, 0);
    assert_int_equal(out.result.distance_count, 0);
    assert_int_equal(out.result.plane_point_count, 3 * 2 * 2);
    for (int s = 0; s < 2; s++) {
        assert_tally_equal(at(&out, "all", 0, 0, SPLITS[s]),
                           &outcome_history(&run.out, 0, SPLITS[s])->tally);
        assert_tally_equal(at(&out, "all", 2, 0, SPLITS[s]),
                           &outcome_history(&run.out, 3, SPLITS[s])->tally);
        assert_tally_equal(at(&out, "all", 0, 1, SPLITS[s]),
                           &outcome_history(&run.out, 2, SPLITS[s])->tally);
    }
    assert_true(out.result.plane_points[2].x == 0.5 && out.result.plane_points[2].y == 0);
    assert_true(slice_is(out.result.plane_points[2].bn, "none"));
    assert_int_equal(out.result.plane_count, 1);
    assert_true(plane->x_l2 > plane->y_l2 && plane->y_l2 > 0);
    assert_true(plane->cosine > 0.5 && plane->cosine < 1);
    assert_string_equal(sink_data_hash_get(out.sink), sink_data_hash_get(run.out.sink));
    outcome_free(&out);
    subject_free(&run);
    spec_free(&spec);
}

/* Groups: one plane each; at (1,0) nothing has moved. */
static void test_groups(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_kept(fix);
    struct spec spec = plane_spec();
    char paths[3][256];
    const struct msg_input inputs[3] = {input_of(fix, &run, "a", "init", paths[0]),
                                        input_of(fix, &run, "b", "final", paths[1]),
                                        input_of(fix, &run, "c", "epoch:2", paths[2])};
    struct outcome out;

    fixture_set(&spec, "probe.groups", "[\"fc1\",\"fc2+fc3\"]");
    out = run_probe(&spec, inputs, 3);
    assert_int_equal(out.result.plane_point_count, 2 * 3 * 2 * 2);
    assert_int_equal(out.result.plane_count, 2);
    for (int s = 0; s < 2; s++) {
        assert_tally_equal(at(&out, "fc1", 2, 0, SPLITS[s]),
                           &outcome_history(&run.out, 3, SPLITS[s])->tally);
        assert_tally_equal(at(&out, "fc2+fc3", 2, 0, SPLITS[s]),
                           &outcome_history(&run.out, 3, SPLITS[s])->tally);
        assert_true(at(&out, "fc1", 0, 0, SPLITS[s])->sum !=
                    at(&out, "fc2+fc3", 0, 0, SPLITS[s])->sum);
    }
    outcome_free(&out);
    subject_free(&run);
    spec_free(&spec);
}

/* Around a state: it is in the middle of the default grid, and a seed is a plane. */
static void test_around(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec());
    struct spec spec = probe_spec("\"plane\"");
    char path[256];
    const struct msg_input input = input_of(fix, &run, "b", "final", path);
    struct outcome out, other;

    fixture_set(&spec, "probe.directions", "\"filter\"");
    fixture_set(&spec, "probe.xs", "5");
    fixture_set(&spec, "probe.ys", "3");
    out = run_probe(&spec, &input, 1);
    assert_int_equal(out.result.plane_point_count, 5 * 3 * 2);
    assert_tally_equal(at(&out, "all", 2, 1, "test"),
                       &outcome_history(&run.out, 3, "test")->tally);
    assert_true(out.result.plane_points[0].x == -1 && out.result.plane_points[0].y == -1);
    fixture_set(&spec, "probe.seed", "1");
    other = run_probe(&spec, &input, 1);
    assert_tally_equal(at(&out, "all", 2, 1, "test"), at(&other, "all", 2, 1, "test"));
    assert_true(at(&out, "all", 4, 2, "test")->sum !=
                at(&other, "all", 4, 2, "test")->sum);
    outcome_free(&out);
    outcome_free(&other);
    subject_free(&run);
    spec_free(&spec);
}

/* ---- stopping ------------------------------------------------------------------- */

/* Its rows, encoded, go to ret. */
static int attempt(const struct spec *spec, const struct msg_input inputs[3],
                   struct stopper *stopper, const char *resume, struct buf *ret)
{
    const struct probe_env env = {.dir = stopper->fix->dir,
                                  .resume = *resume ? resume : NULL,
                                  .wish = stop_at,
                                  .saved = note_file,
                                  .user = stopper};
    struct sink *sink = sink_new(NULL, NULL);
    struct error err = {0};
    int rc;

    assert_non_null(sink);
    rc = probe_run(spec, inputs, 3, &env, sink, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    buf_clear(ret);
    assert_int_equal(sink_encode(sink, ret, &err), 0);
    sink_free(&sink);
    return rc;
}

/* Stopped anywhere, it goes on at the row of the grid, to the same bytes. */
static void test_stops(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_kept(fix);
    struct spec spec = plane_spec();
    char paths[3][256], resume[256] = "";
    const struct msg_input inputs[3] = {input_of(fix, &run, "a", "init", paths[0]),
                                        input_of(fix, &run, "b", "final", paths[1]),
                                        input_of(fix, &run, "c", "epoch:2", paths[2])};
    struct stopper whole = {.fix = fix, .left = -1}, pieces = {.fix = fix};
    struct buf want = {0}, got = {0};
    int stops = 0;

    fixture_set(&spec, "probe.groups", "[\"fc1\",\"fc2+fc3\"]");
    fixture_set(&spec, "probe.ys", "3");
    assert_int_equal(attempt(&spec, inputs, &whole, "", &want), 0);
    for (pieces.left = 9; attempt(&spec, inputs, &pieces, resume, &got) == PROBE_STOPPED;
         pieces.left = 9 + stops++)
        memcpy(resume, pieces.path, sizeof resume);
    assert_true(stops >= 3);
    /* At most the row in hand is computed again. */
    assert_true(pieces.asked <= whole.asked + (stops + 1) * (whole.asked / 6 + 2));
    assert_int_equal(want.size, got.size);
    assert_memory_equal(want.data, got.data, want.size);
    buf_free(&want);
    buf_free(&got);
    subject_free(&run);
    spec_free(&spec);
}

/* ---- refusals ------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    struct fixture *fix = *state;
    struct subject run = make_subject(fix, run_spec()), wide;
    struct spec spec = plane_spec(), wider = run_spec();
    struct error err;
    char paths[3][256];
    struct msg_input inputs[3] = {input_of(fix, &run, "a", "init", paths[0]),
                                  input_of(fix, &run, "b", "final", paths[1])};

    assert_string_equal(probe_refusal(&spec, inputs, 2, &err),
                        "the state for 'c' did not come with the job");
    fixture_set(&wider, "model.widths", "[16,17]");
    wide = make_subject(fix, wider);
    inputs[2] = input_of(fix, &wide, "c", "final", paths[2]);
    assert_string_equal(probe_refusal(&spec, inputs, 3, &err),
                        "the state at (0,1): the networks of 'a' and 'b' differ in"
                        " 'fc2.weight'");
    subject_free(&wide);
    subject_free(&run);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_corners_are_the_run, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_groups, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_around, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_stops, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
