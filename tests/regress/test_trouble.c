/* A worker whose machine cannot run jobs: its folder is gone, its disk is full. It
 * failed jobs for good, and as fast as it got them: one such node ate a sweep. */

#include "common/error.h"
#include "common/log.h"
#include "worker/cache.h"
#include "worker/fetch.h"
#include "worker/hand.h"
#include "worker/outbox.h"
#include "worker/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct room {
    char dir[64];
    struct cache *cache;
    struct scratch *scratch;
    struct fetch *fetch;
    struct outbox *outbox;
    struct hand *hand;
};

static int read_state(void *user, const char *hash, uint64_t offset, void *data,
                      size_t size, struct error *err)
{
    return cache_read(user, hash, offset, data, size, err);
}

static void release_state(void *user, const char *hash)
{
    cache_unpin(user, hash);
}

static int setup(void **state)
{
    static char program[] = "/bin/true";
    static char *const trial[] = {program, NULL};
    struct room *room = calloc(1, sizeof *room);
    struct error err;

    log_set_level(LOG_ERROR);
    snprintf(room->dir, sizeof room->dir, "/tmp/coord-trouble-XXXXXX");
    assert_non_null(mkdtemp(room->dir));
    assert_non_null(room->cache = cache_open(room->dir, 1 << 20, &err));
    assert_non_null(room->scratch = scratch_open(room->dir, &err));
    assert_non_null(room->fetch =
                        fetch_new(room->cache, scratch_dir(room->scratch), &err));
    const struct outbox_files files = {room->cache, read_state, release_state};
    assert_non_null(room->outbox = outbox_new(&files, &err));
    const struct hand_setup hand = {.slots = 2,
                                    .threads = 1,
                                    .data_dir = "",
                                    .trial = trial,
                                    .cache = room->cache,
                                    .scratch = room->scratch,
                                    .fetch = room->fetch,
                                    .outbox = room->outbox};
    assert_non_null(room->hand = hand_new(&hand, &err));
    *state = room;
    return 0;
}

static int teardown(void **state)
{
    struct room *room = *state;

    hand_free(&room->hand);
    outbox_free(&room->outbox);
    fetch_free(&room->fetch);
    scratch_free(&room->scratch);
    cache_free(&room->cache);
    scratch_remove(room->dir);
    free(room);
    return 0;
}

static void take(struct room *room, int64_t job, const struct msg_input *input,
                 int64_t now_ms)
{
    struct msg_input copy = input ? *input : (struct msg_input){0};
    const struct msg_job msg = {.job = job,
                                .attempt = 1,
                                .spec = slice_of("spec"),
                                .inputs = &copy,
                                .input_count = input ? 1 : 0};

    hand_take(room->hand, &msg, now_ms);
}

static void assert_given_back(struct room *room, int64_t now_ms)
{
    struct msg msg;

    assert_true(outbox_next(room->outbox, now_ms, &msg));
    assert_int_equal(msg.kind, MSG_RESULT);
    assert_int_equal(msg.result.outcome, OUTCOME_FAILED);
    assert_true(slice_is(msg.result.cause, "worker-lost"));
    assert_true(msg.result.message.size > 0);
    assert_int_equal(hand_count(room->hand), 0);
}

static void jobs_that_cannot_start_are_given_back_slowly(void **state)
{
    struct room *room = *state;

    assert_int_equal(hand_credit(room->hand), 2);
    scratch_remove(scratch_dir(room->scratch));
    take(room, 7, NULL, 1000);
    assert_true(hand_turn(room->hand, 1000));
    assert_given_back(room, 1000);
    assert_int_equal(hand_credit(room->hand), 0);
    assert_int_equal(hand_deadline(room->hand), 31000);
    assert_false(hand_turn(room->hand, 30999));
    assert_int_equal(hand_credit(room->hand), 0);
    assert_true(hand_turn(room->hand, 31000));
    assert_int_equal(hand_credit(room->hand), 2);
    assert_int_equal(hand_deadline(room->hand), INT64_MAX);
}

static void a_state_that_finds_no_room_here_is_no_fault_of_the_job(void **state)
{
    struct room *room = *state;
    char hash[HASH_TEXT] = "0123456789abcdef0123456789abcdef";
    const struct msg_input input = {.role = slice_of("b"),
                                    .state = slice_of("final"),
                                    .spec = slice_of("spec"),
                                    .hash = slice_of(hash),
                                    .stored = true};
    const struct msg_chunk chunk = {
        .hash = slice_of(hash), .size = 7, .data = slice_of("a state")};
    struct msg msg;

    scratch_remove(scratch_dir(room->scratch));
    take(room, 7, &input, 1000);
    assert_true(fetch_next(room->fetch, 1000, &msg));
    fetch_sent(room->fetch, 1000);
    fetch_chunk(room->fetch, &chunk, 1000);
    assert_true(hand_turn(room->hand, 1000));
    assert_given_back(room, 1000);
    assert_int_equal(hand_credit(room->hand), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs_that_cannot_start_are_given_back_slowly,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_state_that_finds_no_room_here_is_no_fault_of_the_job, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
