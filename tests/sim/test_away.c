/* A coordinator that is gone for long, clocks that jump, and workers of other versions:
 * transcripts under a clock that the test moves. What takes minutes with real processes
 * is in tests/crash. */

#include "tests/sim/corekit.h"

#include "common/hash.h"
#include "proto/limits.h"

#define ALPHA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BRAVO   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define REQUEST "cccccccccccccccccccccccccccccccc"

enum { HOUR_MS = 3600 * 1000, SEEDS = 4 };

static const char GRID[] = CK_RUNS(4);

static void submit(struct ck *ck, const char *request)
{
    ck_say(ck, 99, ck_submit(request, GRID));
    assert_int_equal(ck_expect(ck, 99, MSG_SUBMITTED)->submitted.jobs, SEEDS);
}

/* One job more than the worker has. */
static struct msg_running take(struct ck *ck, int peer, struct msg_running *has,
                               uint32_t count)
{
    ck_say(ck, peer, ck_beat(1, has, count));
    ck_expect(ck, peer, MSG_PONG);
    const struct msg *msg = ck_expect(ck, peer, MSG_ASSIGN);
    return (struct msg_running){.job = msg->assign.jobs[0].job,
                                .attempt = msg->assign.jobs[0].attempt};
}

static void deliver(struct ck *ck, int peer, struct msg_running what)
{
    struct kit_rows rows;

    ck_say(ck, peer,
           (struct msg){.kind = MSG_RESULT,
                        .result = kit_run_result(what.job, what.attempt, &rows)});
    assert_int_equal(ck_expect(ck, peer, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
}

static void artifact_there(struct ck *ck)
{
    kit_begin(&ck->kit);
    kit_artifact(&ck->kit);
    kit_commit(&ck->kit);
}

/* Nobody was blamed, and nothing began twice. */
static void assert_undisturbed(struct ck *ck)
{
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM job WHERE attempt > 1"),
                     0);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM attempt WHERE state IN"
                                            " ('lost', 'failed', 'superseded')"),
                     0);
}

static void fault(void *user, const char *line)
{
    (void)user;
    fail_msg("%s", line);
}

/* Jobs end while nobody hears it; their workers come back with them, one of them with a
 * result that went out just before. */
static void t7_ten_minutes_without_a_coordinator(void **state)
{
    struct ck *ck = *state;

    submit(ck, REQUEST);
    artifact_there(ck);
    ck_say(ck, 1, ck_hello(ALPHA, NULL, 0));
    ck_expect(ck, 1, MSG_WELCOME);
    ck_say(ck, 2, ck_hello(BRAVO, NULL, 0));
    ck_expect(ck, 2, MSG_WELCOME);
    struct msg_running one = take(ck, 1, NULL, 0), two = take(ck, 2, NULL, 0),
                       three = take(ck, 2, &two, 1);
    ck_crash(ck);
    ck->now_ms += 10 * 60 * 1000;
    ck_start(ck);
    ck_pass(ck, CK_LEASE_MS - 2000); /* they need not be there at once */
    struct msg_running both[] = {two, three};
    ck_say(ck, 11, ck_hello(ALPHA, &one, 1));
    ck_expect(ck, 11, MSG_WELCOME);
    ck_say(ck, 12, ck_hello(BRAVO, both, 2));
    ck_expect(ck, 12, MSG_WELCOME);
    deliver(ck, 11, one);
    deliver(ck, 12, two);
    deliver(ck, 12, three);
    assert_undisturbed(ck);
    deliver(ck, 11, take(ck, 11, NULL, 0));
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM result"), SEEDS);
    assert_undisturbed(ck);
    MUST(store_check(ck->kit.store, fault, NULL, err) == 0);
}

/* Only the monotonic clock decides; what is written down may be off by an hour, and
 * that is all. */
static void t18_wall_clocks_that_jump_expire_nothing(void **state)
{
    static const int64_t jumps_ms[] = {HOUR_MS, -HOUR_MS, 24 * HOUR_MS, 0};
    struct ck *ck = *state;

    submit(ck, REQUEST);
    artifact_there(ck);
    ck_say(ck, 1, ck_hello(ALPHA, NULL, 0));
    ck_expect(ck, 1, MSG_WELCOME);
    struct msg_running job = take(ck, 1, NULL, 0);
    for (size_t i = 0; i < 4 * 5; i++) {
        ck->now_ms += CK_BEAT_MS;
        core_turn(ck->core, ck->now_ms, ck_wall(ck) + jumps_ms[i % 4]);
        core_settle(ck->core, true);
        ck_say(ck, 1, ck_beat(0, &job, 1));
        ck_expect(ck, 1, MSG_PONG);
    }
    assert_undisturbed(ck);
    /* A restart under a wrong clock adopts as ever. */
    ck_crash(ck);
    ck_start(ck);
    core_turn(ck->core, ck->now_ms, ck_wall(ck) - HOUR_MS);
    core_settle(ck->core, true);
    ck_say(ck, 2, ck_hello(ALPHA, &job, 1));
    ck_expect(ck, 2, MSG_WELCOME);
    deliver(ck, 2, job);
    assert_undisturbed(ck);
    MUST(store_check(ck->kit.store, fault, NULL, err) == 0);
}

/* A worker that is silent for its lease loses its jobs whatever the wall clock says. */
static void t18_a_clock_that_stands_keeps_no_lease(void **state)
{
    struct ck *ck = *state;
    int64_t wall_ms = ck_wall(ck);

    submit(ck, REQUEST);
    ck_say(ck, 1, ck_hello(ALPHA, NULL, 0));
    ck_expect(ck, 1, MSG_WELCOME);
    struct msg_running job = take(ck, 1, NULL, 0);
    for (int i = 0; i < CK_LEASE_MS / 1000 + 1; i++) {
        ck->now_ms += 1000;
        core_turn(ck->core, ck->now_ms, wall_ms);
        core_settle(ck->core, true);
    }
    assert_string_equal(job_state_name(kit_state(&ck->kit, job.job)), "ready");
}

/* T28: only what the first version of the protocol asks of a worker. What a newer one
 * says besides is skipped (test_msg_faults.c). */
static void t28_a_worker_that_says_the_least_works(void **state)
{
    struct ck *ck = *state;
    struct msg hello = {.kind = MSG_HELLO,
                        .hello = {.version = PROTO_VERSION,
                                  .worker = slice_of(ALPHA),
                                  .slots = 1,
                                  .threads = 1}};

    submit(ck, REQUEST);
    artifact_there(ck);
    ck_say(ck, 1, hello);
    ck_expect(ck, 1, MSG_WELCOME);
    for (int i = 0; i < SEEDS; i++)
        deliver(ck, 1, take(ck, 1, NULL, 0));
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM result"), SEEDS);
    MUST(store_check(ck->kit.store, fault, NULL, err) == 0);
}

/* T22: a client that heard nothing asks again, of another process even. */
static void t22_a_submission_that_is_repeated_is_one(void **state)
{
    struct ck *ck = *state;

    submit(ck, REQUEST);
    submit(ck, REQUEST);
    ck_crash(ck);
    ck_start(ck);
    submit(ck, REQUEST);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM request"), 1);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM sweep"), 1);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM job"), SEEDS);
    MUST(store_check(ck->kit.store, fault, NULL, err) == 0);
}

#define CORE_TEST(test) cmocka_unit_test_setup_teardown(test, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(t7_ten_minutes_without_a_coordinator),
        CORE_TEST(t18_wall_clocks_that_jump_expire_nothing),
        CORE_TEST(t18_a_clock_that_stands_keeps_no_lease),
        CORE_TEST(t28_a_worker_that_says_the_least_works),
        CORE_TEST(t22_a_submission_that_is_repeated_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
