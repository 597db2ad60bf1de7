/* The outbox against a coordinator played by the test: what is sent, in which
 * order, what is sent again, and what is dropped. */

#include "common/error.h"
#include "common/hash.h"
#include "proto/limits.h"
#include "worker/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char A[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char B[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* Byte i of every state is i % 251. */
struct files {
    int released_a, released_b;
    bool broken;
};

static int read_state(void *user, const char *hash, uint64_t offset, void *data,
                      size_t size, struct error *err)
{
    struct files *files = user;

    if (files->broken)
        return err_set(err, ERR_DATA, "state %s ends too early", hash);
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)data)[i] = (unsigned char)((offset + i) % 251);
    return 0;
}

static void release(void *user, const char *hash)
{
    struct files *files = user;

    files->released_a += strcmp(hash, A) == 0;
    files->released_b += strcmp(hash, B) == 0;
}

static struct outbox *open_outbox(struct files *files)
{
    struct error err;
    struct outbox *outbox =
        outbox_new(&(struct outbox_files){files, read_state, release}, &err);

    assert_non_null(outbox);
    return outbox;
}

/* A result of (job, 1); hash NULL: without states; "init" is never stored. */
static void add(struct outbox *outbox, int64_t job, const char *hash, uint64_t size)
{
    struct msg_state states[2] = {
        {.name = slice_of("init"), .hash = slice_of(B), .size = 9},
        {.name = slice_of("final"), .size = size, .stored = true},
    };
    struct msg_result result = {
        .job = job, .attempt = 1, .outcome = OUTCOME_DONE, .provenance = slice_of("{}")};
    struct error err;

    if (hash) {
        states[1].hash = slice_of(hash);
        result.states = states;
        result.state_count = 2;
    }
    assert_int_equal(outbox_add(outbox, &result, 0, &err), 0);
}

static void expect_result(struct outbox *outbox, int64_t now, int64_t job)
{
    struct msg msg;

    assert_true(outbox_next(outbox, now, &msg));
    assert_int_equal(msg.kind, MSG_RESULT);
    assert_int_equal(msg.result.job, job);
    outbox_sent(outbox, now);
}

static void expect_piece(struct outbox *outbox, int64_t now, const char *hash,
                         uint64_t offset, size_t size)
{
    struct msg msg;

    assert_true(outbox_next(outbox, now, &msg));
    assert_int_equal(msg.kind, MSG_PUT);
    assert_true(slice_is(msg.put.hash, hash));
    assert_int_equal(msg.put.offset, offset);
    assert_int_equal(msg.put.data.size, size);
    assert_int_equal((unsigned char)msg.put.data.data[0], offset % 251);
    outbox_sent(outbox, now);
}

static void expect_nothing(struct outbox *outbox, int64_t now)
{
    struct msg msg;

    assert_false(outbox_next(outbox, now, &msg));
}

static void put_ok(struct outbox *outbox, int64_t now, const char *hash, uint64_t offset,
                   bool complete)
{
    outbox_put_ok(outbox,
                  &(struct msg_put_ok){
                      .hash = slice_of(hash), .offset = offset, .complete = complete},
                  now);
}

static enum outbox_verdict ack(struct outbox *outbox, int64_t now, int64_t job,
                               uint32_t verdict)
{
    return outbox_ack(
        outbox, &(struct msg_ack){.job = job, .attempt = 1, .verdict = verdict}, now);
}

static void test_result_is_resent_until_acknowledged(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);
    struct msg msg;

    add(outbox, 1, NULL, 0);
    assert_true(outbox_has(outbox, 1, 1));
    assert_true(outbox_next(outbox, 0, &msg)); /* offered again until sent */
    expect_result(outbox, 0, 1);
    expect_nothing(outbox, 0);
    assert_int_equal(outbox_deadline(outbox), 10000);
    expect_nothing(outbox, 9999);
    expect_result(outbox, 10000, 1);
    expect_nothing(outbox, 10001);
    outbox_reset(outbox); /* a new connection */
    expect_result(outbox, 10002, 1);
    assert_int_equal(ack(outbox, 10003, 2, VERDICT_ACCEPTED), OUTBOX_UNKNOWN);
    assert_int_equal(ack(outbox, 10003, 1, VERDICT_ACCEPTED), OUTBOX_GONE);
    assert_int_equal(ack(outbox, 10004, 1, VERDICT_ACCEPTED), OUTBOX_UNKNOWN);
    assert_int_equal(outbox_count(outbox), 0);
    assert_true(outbox_deadline(outbox) == INT64_MAX);
    expect_nothing(outbox, 99999);
    outbox_free(&outbox);
    outbox_free(&outbox);
}

static void test_verdicts_that_drop(void **state)
{
    (void)state;
    static const uint32_t verdicts[] = {VERDICT_DUPLICATE, VERDICT_SUPERSEDED,
                                        VERDICT_REFUSED};
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    for (int i = 0; i < 3; i++) {
        add(outbox, i + 1, A, 10);
        assert_int_equal(ack(outbox, 0, i + 1, verdicts[i]), OUTBOX_GONE);
        assert_int_equal(files.released_a, i + 1);
    }
    add(outbox, 7, A, 10);
    assert_false(outbox_forget(outbox, 7, 2));
    assert_true(outbox_forget(outbox, 7, 1));
    assert_int_equal(files.released_a, 4);
    assert_int_equal(files.released_b, 0); /* never stored */
    outbox_free(&outbox);
}

static void test_states_go_first_in_a_window(void **state)
{
    (void)state;
    enum { C = PROTO_CHUNK_MAX };
    const uint64_t size = 20 * (uint64_t)C + 5;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    add(outbox, 1, A, size);
    add(outbox, 2, NULL, 0);
    expect_piece(outbox, 0, A, 0, C); /* alone: how much is there? */
    expect_result(outbox, 0, 2);      /* which holds nobody else up */
    expect_nothing(outbox, 0);
    put_ok(outbox, 1, A, 3 * C, false); /* three pieces were there */
    for (uint64_t i = 3; i < 3 + PROTO_CHUNK_WINDOW; i++)
        expect_piece(outbox, 1, A, i * C, C);
    expect_nothing(outbox, 1);
    put_ok(outbox, 2, A, 4 * C, false);
    expect_piece(outbox, 2, A, 11 * C, C);
    expect_nothing(outbox, 2);
    put_ok(outbox, 2, B, 4 * C, false); /* not ours: ignored */
    expect_nothing(outbox, 2);
    for (uint64_t i = 12; i < 20; i++) {
        put_ok(outbox, 3, A, (i - 7) * C, false);
        expect_piece(outbox, 3, A, i * C, C);
    }
    put_ok(outbox, 3, A, 13 * C, false);
    expect_piece(outbox, 3, A, 20 * C, 5);
    expect_nothing(outbox, 3);
    put_ok(outbox, 4, A, size, true);
    expect_result(outbox, 4, 1);
    assert_int_equal(ack(outbox, 5, 1, VERDICT_ACCEPTED), OUTBOX_GONE);
    assert_int_equal(files.released_a, 1);
    outbox_free(&outbox);
}

static void test_known_state_costs_one_piece(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    add(outbox, 1, A, 10 * (uint64_t)PROTO_CHUNK_MAX);
    expect_piece(outbox, 0, A, 0, PROTO_CHUNK_MAX);
    put_ok(outbox, 1, A, 10 * (uint64_t)PROTO_CHUNK_MAX, true);
    expect_result(outbox, 1, 1);
    outbox_free(&outbox);
}

static void test_lost_pieces_and_new_connections(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    add(outbox, 1, A, 100);
    expect_piece(outbox, 0, A, 0, 100);
    expect_nothing(outbox, 9999);
    assert_int_equal(outbox_deadline(outbox), 10000);
    expect_piece(outbox, 10000, A, 0, 100); /* no answer */
    outbox_reset(outbox);
    put_ok(outbox, 10001, A, 100, true); /* of the old connection: ignored */
    expect_piece(outbox, 10001, A, 0, 100);
    put_ok(outbox, 10002, A, 100, true);
    expect_result(outbox, 10002, 1);
    outbox_free(&outbox);
}

static void test_missing_uploads_again(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    add(outbox, 1, A, 100);
    expect_piece(outbox, 0, A, 0, 100);
    put_ok(outbox, 1, A, 100, true);
    expect_result(outbox, 1, 1);
    assert_int_equal(ack(outbox, 2, 1, VERDICT_MISSING), OUTBOX_AGAIN);
    assert_int_equal(files.released_a, 0);
    expect_nothing(outbox, 3); /* after a pause */
    assert_int_equal(outbox_deadline(outbox), 1002);
    expect_piece(outbox, 1002, A, 0, 100);
    put_ok(outbox, 1003, A, 100, true);
    expect_result(outbox, 1003, 1);
    outbox_free(&outbox);
}

static void test_refused_state_fails_the_job_at_last(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);
    struct msg msg;
    int64_t now = 0;

    add(outbox, 1, A, 100);
    for (int i = 0; i < 5; i++, now += 1000) {
        expect_piece(outbox, now, A, 0, 100);
        outbox_put_ok(
            outbox,
            &(struct msg_put_ok){.hash = slice_of(A), .text = slice_of("disk full")},
            now);
        assert_false(i < 4 && outbox_next(outbox, now, &msg));
    }
    assert_true(outbox_next(outbox, now, &msg));
    assert_int_equal(msg.kind, MSG_RESULT);
    assert_int_equal(msg.result.outcome, OUTCOME_FAILED);
    assert_true(
        slice_is(msg.result.message, "the coordinator refused a state: disk full"));
    assert_int_equal(msg.result.state_count, 0);
    assert_int_equal(files.released_a, 1);
    outbox_free(&outbox);
}

static void test_unreadable_state_fails_the_job(void **state)
{
    (void)state;
    struct files files = {.broken = true};
    struct outbox *outbox = open_outbox(&files);
    struct msg msg;

    add(outbox, 1, A, 100);
    assert_true(outbox_next(outbox, 0, &msg));
    assert_int_equal(msg.kind, MSG_RESULT);
    assert_int_equal(msg.result.outcome, OUTCOME_FAILED);
    assert_true(slice_is(msg.result.cause, "data"));
    assert_true(slice_is(msg.result.provenance, "{}"));
    assert_int_equal(files.released_a, 1);
    outbox_free(&outbox);
}

static void test_one_upload_at_a_time(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);
    struct msg_running rows[2];

    add(outbox, 1, A, 100);
    add(outbox, 2, B, 100);
    expect_piece(outbox, 0, A, 0, 100);
    expect_nothing(outbox, 0);
    assert_int_equal(outbox_deadline(outbox), 10000); /* no busy waiting */
    put_ok(outbox, 0, A, 100, true);
    expect_result(outbox, 0, 1);
    expect_piece(outbox, 0, B, 0, 100);
    assert_int_equal(outbox_list(outbox, rows, 1), 1);
    assert_int_equal(outbox_list(outbox, rows, 2), 2);
    assert_int_equal(rows[1].job, 2);
    outbox_free(&outbox);
}

static void test_too_large_is_refused(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);
    struct error err;
    static char log[PROTO_LOG_MAX + 1];
    struct msg_result result = {.job = 1, .attempt = 1, .outcome = OUTCOME_DONE};

    result.log = (struct slice){log, sizeof log};
    assert_int_equal(outbox_add(outbox, &result, 0, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(outbox_count(outbox), 0);
    outbox_free(&outbox);
}

/* A checkpoint of (job, 1): a state of an earlier attempt, and what it saved. */
static void add_checkpoint(struct outbox *outbox, int64_t job, const char *hash,
                           uint64_t size)
{
    struct msg_state states[2] = {
        {.name = slice_of("epoch:1"),
         .hash = slice_of(B),
         .size = 9,
         .stored = true,
         .earlier = true},
        {.name = slice_of(PROTO_RESUME),
         .hash = slice_of(hash),
         .size = size,
         .stored = true},
    };
    const struct msg_checkpoint checkpoint = {job, 1, states, 2};
    struct error err;

    assert_int_equal(outbox_add_checkpoint(outbox, &checkpoint, 0, &err), 0);
}

static void expect_checkpoint(struct outbox *outbox, int64_t now, int64_t job)
{
    struct msg msg;

    assert_true(outbox_next(outbox, now, &msg));
    assert_int_equal(msg.kind, MSG_CHECKPOINT);
    assert_int_equal(msg.checkpoint.job, job);
    assert_int_equal(msg.checkpoint.state_count, 2);
    outbox_sent(outbox, now);
}

static void test_checkpoints_go_and_are_gone(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);
    struct msg_running rows[4];

    add_checkpoint(outbox, 7, A, 10);
    assert_true(outbox_has_checkpoint(outbox, 7));
    /* No attempt is in hand for it, and there is no result. */
    assert_false(outbox_has(outbox, 7, 1));
    assert_int_equal(outbox_list(outbox, rows, 4), 0);
    assert_int_equal(outbox_count(outbox), 1);
    assert_int_equal(outbox_results(outbox), 0);
    expect_piece(outbox, 0, A, 0, 10);
    put_ok(outbox, 1, A, 10, true);
    expect_checkpoint(outbox, 1, 7);
    assert_false(outbox_has_checkpoint(outbox, 7));
    assert_int_equal(files.released_a, 1);
    assert_int_equal(files.released_b, 0); /* was never here */
    expect_nothing(outbox, 1000000);
    outbox_free(&outbox);
}

static void test_results_go_before_checkpoints(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    add_checkpoint(outbox, 7, B, 10);
    add(outbox, 8, A, 20);
    expect_piece(outbox, 0, A, 0, 20);
    put_ok(outbox, 1, A, 20, true);
    expect_result(outbox, 1, 8);
    expect_piece(outbox, 1, B, 0, 10);
    outbox_free(&outbox);
}

/* A result tells more; but what has begun to go is not left half there. */
static void test_result_replaces_a_checkpoint(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);

    add_checkpoint(outbox, 7, A, 10);
    add(outbox, 7, NULL, 0);
    assert_false(outbox_has_checkpoint(outbox, 7));
    assert_int_equal(files.released_a, 1);
    expect_result(outbox, 0, 7);

    add_checkpoint(outbox, 8, A, 10);
    expect_piece(outbox, 0, A, 0, 10);
    add(outbox, 8, NULL, 0);
    assert_true(outbox_has_checkpoint(outbox, 8));
    expect_result(outbox, 0, 8);
    put_ok(outbox, 1, A, 10, true);
    expect_checkpoint(outbox, 1, 8);
    outbox_free(&outbox);
}

static void test_unreadable_checkpoint_is_given_up(void **state)
{
    (void)state;
    struct files files = {.broken = true};
    struct outbox *outbox = open_outbox(&files);

    add_checkpoint(outbox, 7, A, 10);
    add(outbox, 8, NULL, 0);
    expect_result(outbox, 0, 8);
    expect_nothing(outbox, 0);
    assert_false(outbox_has_checkpoint(outbox, 7));
    assert_int_equal(files.released_a, 1);
    outbox_free(&outbox);
}

/* What an earlier attempt sent cannot be sent again: that ends in a sentence. */
static void test_lost_earlier_state_fails_the_job(void **state)
{
    (void)state;
    struct files files = {0};
    struct outbox *outbox = open_outbox(&files);
    struct msg_state kept = {.name = slice_of("epoch:1"),
                             .hash = slice_of(A),
                             .size = 9,
                             .stored = true,
                             .earlier = true};
    const struct msg_result result = {.job = 7,
                                      .attempt = 2,
                                      .outcome = OUTCOME_DONE,
                                      .states = &kept,
                                      .state_count = 1};
    struct msg msg;

    assert_int_equal(outbox_add(outbox, &result, 0, NULL), 0);
    expect_result(outbox, 0, 7);
    assert_int_equal(outbox_ack(outbox, &(struct msg_ack){7, 2, VERDICT_MISSING, {0}}, 1),
                     OUTBOX_AGAIN);
    assert_true(outbox_next(outbox, 100000, &msg));
    assert_int_equal(msg.result.outcome, OUTCOME_FAILED);
    assert_true(slice_is(msg.result.cause, "data"));
    assert_int_equal(msg.result.state_count, 0);
    outbox_free(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_is_resent_until_acknowledged),
        cmocka_unit_test(test_verdicts_that_drop),
        cmocka_unit_test(test_states_go_first_in_a_window),
        cmocka_unit_test(test_known_state_costs_one_piece),
        cmocka_unit_test(test_lost_pieces_and_new_connections),
        cmocka_unit_test(test_missing_uploads_again),
        cmocka_unit_test(test_refused_state_fails_the_job_at_last),
        cmocka_unit_test(test_unreadable_state_fails_the_job),
        cmocka_unit_test(test_one_upload_at_a_time),
        cmocka_unit_test(test_too_large_is_refused),
        cmocka_unit_test(test_checkpoints_go_and_are_gone),
        cmocka_unit_test(test_results_go_before_checkpoints),
        cmocka_unit_test(test_result_replaces_a_checkpoint),
        cmocka_unit_test(test_unreadable_checkpoint_is_given_up),
        cmocka_unit_test(test_lost_earlier_state_fails_the_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
