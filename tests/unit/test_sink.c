/* The sink: rows survive the caller's buffers, bounds are errors, and a result
 * is filled with exactly what was given. */

#include "common/error.h"
#include "proto/limits.h"
#include "worker/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void on_progress(void *user, uint32_t done, uint32_t total)
{
    uint32_t *seen = user;

    seen[0] = done;
    seen[1] = total;
}

static void fill_one_of_each(struct sink *sink)
{
    char split[8] = "train", grp[8] = "conv1", bn[8] = "none", hash[8] = "abcd";
    struct msg_history history = {.epoch = 3, .split = slice_of(split), .lr = 0.1};
    struct msg_state kept = {.name = slice_of("final"), .hash = slice_of(hash)};
    struct msg_point point = {.grp = slice_of(grp),
                              .bn = slice_of(bn),
                              .split = slice_of(split),
                              .alpha_index = 49};
    struct msg_distance distance = {.grp = slice_of(grp), .l2 = 2};
    struct msg_plane_point corner = {
        .grp = slice_of(grp), .bn = slice_of(bn), .split = slice_of(split), .y = 0.5};
    struct msg_plane plane = {.grp = slice_of(grp), .cosine = -1};
    struct error err;

    assert_int_equal(sink_history(sink, &history, &err), 0);
    assert_int_equal(sink_state(sink, &kept, &err), 0);
    assert_int_equal(sink_point(sink, &point, &err), 0);
    assert_int_equal(sink_distance(sink, &distance, &err), 0);
    assert_int_equal(sink_plane_point(sink, &corner, &err), 0);
    assert_int_equal(sink_plane(sink, &plane, &err), 0);
    memset(split, 'x', 5);
    memset(grp, 'x', 5);
    memset(bn, 'x', 4);
    memset(hash, 'x', 4);
}

static void test_rows_are_copied(void **state)
{
    (void)state;
    struct sink *sink = sink_new(NULL, NULL);
    struct msg_result result = {0};

    assert_non_null(sink);
    sink_progress(sink, 1, 2); /* nobody listens: fine */
    fill_one_of_each(sink);
    sink_summary(sink, 3, 42, false, NULL);
    sink_fill(sink, &result);
    assert_int_equal(result.epochs, 3);
    assert_int_equal(result.steps, 42);
    assert_int_equal(result.cause.size, 0);
    assert_int_equal(result.history_count, 1);
    assert_true(slice_is(result.history[0].split, "train"));
    assert_true(result.history[0].lr == 0.1);
    assert_int_equal(result.state_count, 1);
    assert_true(slice_is(result.states[0].name, "final"));
    assert_true(slice_is(result.states[0].hash, "abcd"));
    assert_int_equal(result.point_count, 1);
    assert_true(slice_is(result.points[0].grp, "conv1"));
    assert_true(slice_is(result.points[0].bn, "none"));
    assert_int_equal(result.points[0].alpha_index, 49);
    assert_int_equal(result.distance_count, 1);
    assert_true(slice_is(result.distances[0].grp, "conv1"));
    assert_int_equal(result.plane_point_count, 1);
    assert_true(slice_is(result.plane_points[0].grp, "conv1"));
    assert_true(slice_is(result.plane_points[0].split, "train"));
    assert_true(result.plane_points[0].y == 0.5);
    assert_int_equal(result.plane_count, 1);
    assert_true(slice_is(result.planes[0].grp, "conv1"));
    assert_true(result.planes[0].cosine == -1);
    sink_free(&sink);
    assert_null(sink);
    sink_free(&sink);
}

static void test_many_rows_keep_their_text(void **state)
{
    (void)state;
    struct error err;
    struct sink *sink = sink_new(NULL, NULL);
    struct msg_result result = {0};
    char grp[32];

    for (unsigned i = 0; i < PROTO_POINTS_MAX; i++) {
        snprintf(grp, sizeof grp, "layer%u", i);
        struct msg_point row = {.grp = slice_of(grp), .alpha_index = i};
        assert_int_equal(sink_point(sink, &row, &err), 0);
    }
    assert_int_equal(sink_point(sink, &(struct msg_point){0}, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);

    sink_fill(sink, &result);
    assert_int_equal(result.point_count, PROTO_POINTS_MAX);
    assert_true(slice_is(result.points[0].grp, "layer0"));
    assert_true(slice_is(result.points[65535].grp, "layer65535"));
    sink_free(&sink);
}

static void test_progress_goes_out_at_once(void **state)
{
    (void)state;
    uint32_t seen[2] = {0, 0};
    struct sink *sink = sink_new(on_progress, seen);

    sink_progress(sink, 4, 10);
    assert_int_equal(seen[0], 4);
    assert_int_equal(seen[1], 10);
    sink_free(&sink);
}

static void test_divergence_is_a_result(void **state)
{
    (void)state;
    struct sink *sink = sink_new(NULL, NULL);
    struct msg_result result = {.outcome = OUTCOME_DONE};

    sink_summary(sink, 1, 7, true, "loss is nan at step 7");
    sink_fill(sink, &result);
    assert_int_equal(result.outcome, OUTCOME_DONE);
    assert_true(slice_is(result.cause, "diverged"));
    assert_true(slice_is(result.message, "loss is nan at step 7"));
    sink_free(&sink);
}

static void test_data_hash(void **state)
{
    (void)state;
    struct sink *sink = sink_new(NULL, NULL);

    assert_string_equal(sink_data_hash_get(sink), "");
    sink_data_hash(sink, "00112233445566778899aabbccddeeff");
    assert_string_equal(sink_data_hash_get(sink), "00112233445566778899aabbccddeeff");
    sink_free(&sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_copied),
        cmocka_unit_test(test_many_rows_keep_their_text),
        cmocka_unit_test(test_progress_goes_out_at_once),
        cmocka_unit_test(test_divergence_is_a_result),
        cmocka_unit_test(test_data_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
