/* CONTROL, as transcripts: what a person asks for, what the workers hear, what the
 * database holds then. */

#include "tests/sim/corekit.h"

#include "common/hash.h"
#include "proto/limits.h"

#define ALPHA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BRAVO   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define REQUEST "cccccccccccccccccccccccccccccccc"

enum { USER = 99 };

static const char GRID[] = CK_RUNS(4);

/* Four runs, jobs 1 to 4. */
static void submit(struct ck *ck)
{
    ck_say(ck, USER, ck_submit(REQUEST, GRID));
    ck_expect(ck, USER, MSG_SUBMITTED);
}

static void beat(struct ck *ck, int peer, uint32_t credit, struct msg_running *running,
                 uint32_t count)
{
    ck_say(ck, peer, ck_beat(credit, running, count));
}

/* The next job that the worker is given, or 0. */
static int64_t assigned(struct ck *ck, int peer)
{
    const struct msg *msg = ck_next(ck, peer);

    return msg && msg->kind == MSG_ASSIGN ? msg->assign.jobs[0].job : 0;
}

static int64_t ask(struct ck *ck, int peer)
{
    beat(ck, peer, 1, NULL, 0);
    ck_expect(ck, peer, MSG_PONG);
    return assigned(ck, peer);
}

static struct msg control(uint32_t verb, const char *reason)
{
    static char request[HASH_TEXT];

    hash_random(request);
    return (struct msg){.kind = MSG_CONTROL,
                        .control = {.version = PROTO_VERSION,
                                    .request = slice_of(request),
                                    .verb = verb,
                                    .sweep = 1,
                                    .reason = slice_of(reason)}};
}

static void expect_controlled(struct ck *ck, uint64_t changed, uint64_t unchanged)
{
    const struct msg *msg = ck_expect(ck, USER, MSG_CONTROLLED);

    assert_int_equal(msg->controlled.changed, changed);
    assert_int_equal(msg->controlled.unchanged, unchanged);
}

static void say_jobs(struct ck *ck, struct msg msg, int64_t first, int64_t last)
{
    struct msg_range range = {first, last};

    msg.control.jobs = &range;
    msg.control.job_count = 1;
    ck_say(ck, USER, msg);
}

static int64_t in_state(struct ck *ck, const char *state)
{
    char sql[96];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM job WHERE state = '%s'", state);
    return kit_int(ck->kit.store, sql);
}

static void cancel_kills_what_runs(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    assert_int_equal(ask(ck, 1), 1);
    say_jobs(ck, control(CONTROL_CANCEL, "a slip"), 1, 2);
    const struct msg *kill = ck_expect(ck, 1, MSG_KILL);
    assert_int_equal(kill->kill.job, 1);
    assert_int_equal(kill->kill.attempt, 1);
    expect_controlled(ck, 2, 0);
    assert_int_equal(in_state(ck, "cancelled"), 2);
    assert_string_equal(kit_text(ck->kit.store, "SELECT reason FROM job WHERE id = 1"),
                        "a slip");
    assert_int_equal(ask(ck, 1), 3); /* 2 is not handed out any more */
    ck_pass(ck, 10 * CK_LEASE_MS);   /* and no lease of 1 is left to run out */
    assert_int_equal(in_state(ck, "cancelled"), 2);
}

/* It is stopped when it is back: its list has what nobody leases to it. */
static void cancel_of_what_an_absent_worker_runs(void **state)
{
    struct ck *ck = *state;
    struct msg_running mine = {.job = 1, .attempt = 1};

    submit(ck);
    ck_join(ck, 1, ALPHA);
    assert_int_equal(ask(ck, 1), 1);
    ck->gone = 1;
    say_jobs(ck, control(CONTROL_CANCEL, ""), 1, 1);
    expect_controlled(ck, 1, 0);
    ck->gone = 0;
    ck_say(ck, 2, ck_hello(ALPHA, &mine, 1));
    ck_expect(ck, 2, MSG_KILL);
    ck_expect(ck, 2, MSG_WELCOME);
}

static void a_request_is_carried_out_once(void **state)
{
    struct ck *ck = *state;
    struct msg retry;

    submit(ck);
    say_jobs(ck, control(CONTROL_CANCEL, ""), 1, INT64_MAX);
    expect_controlled(ck, 4, 0);
    retry = control(CONTROL_RETRY, "");
    say_jobs(ck, retry, 1, 1);
    expect_controlled(ck, 1, 0);
    assert_int_equal(in_state(ck, "ready"), 1);
    say_jobs(ck, retry, 1, 1); /* the answer was lost */
    expect_controlled(ck, 1, 0);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM control"), 2);
    assert_int_equal(
        kit_int(ck->kit.store, "SELECT count(*) FROM event WHERE event = 'retry'"), 1);
}

static void a_retried_job_is_handed_out(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    say_jobs(ck, control(CONTROL_CANCEL, ""), 1, 4);
    expect_controlled(ck, 4, 0);
    assert_int_equal(ask(ck, 1), 0);
    say_jobs(ck, control(CONTROL_RETRY, "meant otherwise"), 3, 3);
    expect_controlled(ck, 1, 0);
    assert_int_equal(assigned(ck, 1), 3); /* its credit was waiting */
}

static void a_paused_sweep_hands_out_nothing(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    assert_int_equal(ask(ck, 1), 1);
    ck_say(ck, USER, control(CONTROL_PAUSE, "a look at the results"));
    expect_controlled(ck, 1, 0);
    assert_int_equal(ask(ck, 1), 0);
    assert_int_equal(in_state(ck, "running"), 1); /* what runs goes on */
    ck_say(ck, USER, control(CONTROL_PAUSE, ""));
    expect_controlled(ck, 0, 1);
    ck_crash(ck); /* it stays paused */
    ck_start(ck);
    ck_join(ck, 2, BRAVO);
    assert_int_equal(ask(ck, 2), 0);
    ck_say(ck, USER, control(CONTROL_RESUME, ""));
    expect_controlled(ck, 1, 0);
    assert_int_equal(assigned(ck, 2), 2);
}

static void no_more_run_than_max_running(void **state)
{
    struct msg limit = control(CONTROL_LIMIT, "");
    struct ck *ck = *state;
    struct msg_running two[] = {{.job = 1, .attempt = 1}, {.job = 2, .attempt = 1}};

    submit(ck);
    ck_join(ck, 1, ALPHA);
    limit.control.max_running = 2;
    ck_say(ck, USER, limit);
    expect_controlled(ck, 1, 0);
    beat(ck, 1, 4, NULL, 0);
    ck_expect(ck, 1, MSG_PONG);
    assert_int_equal(ck_expect(ck, 1, MSG_ASSIGN)->assign.job_count, 2);
    beat(ck, 1, 2, two, 2);
    ck_expect(ck, 1, MSG_PONG);
    ck_silent(ck, 1);
    say_jobs(ck, control(CONTROL_CANCEL, ""), 1, 1); /* makes room for one */
    ck_expect(ck, 1, MSG_KILL);
    assert_int_equal(ck_expect(ck, 1, MSG_ASSIGN)->assign.job_count, 1);
    assert_int_equal(in_state(ck, "running"), 2);
}

static void priorities_go_first(void **state)
{
    struct msg urgent = control(CONTROL_PRIORITY, "");
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    urgent.control.priority = PROTO_PRIORITY_ZERO + 7;
    say_jobs(ck, urgent, 3, 3);
    expect_controlled(ck, 1, 0);
    struct msg later = control(CONTROL_PRIORITY, "");
    later.control.priority = PROTO_PRIORITY_ZERO - 7;
    say_jobs(ck, later, 1, 1);
    expect_controlled(ck, 1, 0);
    beat(ck, 1, 4, NULL, 0);
    ck_expect(ck, 1, MSG_PONG);
    const struct msg *msg = ck_expect(ck, 1, MSG_ASSIGN);
    static const int64_t want[] = {3, 2, 4, 1};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(msg->assign.jobs[i].job, want[i]);
}

static struct msg worker_control(struct ck *ck, uint32_t verb, const char *uuid)
{
    struct msg msg = control(verb, "the node is needed");
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT id FROM worker WHERE uuid = '%s'", uuid);
    msg.control.worker = kit_int(ck->kit.store, sql);
    return msg;
}

static void a_drained_worker_gets_no_more(void **state)
{
    struct ck *ck = *state;
    struct msg_running mine = {.job = 1, .attempt = 1};

    submit(ck);
    ck_join(ck, 1, ALPHA);
    assert_int_equal(ask(ck, 1), 1);
    ck_say(ck, USER, worker_control(ck, CONTROL_DRAIN, ALPHA));
    ck_expect(ck, 1, MSG_DRAIN);
    expect_controlled(ck, 1, 0);
    beat(ck, 1, 1, &mine, 1); /* said before it heard */
    ck_expect(ck, 1, MSG_DRAIN);
    ck_expect(ck, 1, MSG_PONG);
    ck_silent(ck, 1);
    assert_int_equal(in_state(ck, "running"), 1);
    ck_say(ck, USER, worker_control(ck, CONTROL_DRAIN, ALPHA));
    expect_controlled(ck, 0, 1);
}

static void a_stopped_worker_gives_up_what_it_has(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    assert_int_equal(ask(ck, 1), 1);
    ck_say(ck, USER, worker_control(ck, CONTROL_STOP, ALPHA));
    ck_expect(ck, 1, MSG_DRAIN);
    ck_expect(ck, 1, MSG_KILL);
    expect_controlled(ck, 1, 0);
    assert_int_equal(in_state(ck, "ready"), 4);
    assert_string_equal(kit_text(ck->kit.store, "SELECT cause FROM attempt"),
                        "preempted");
    ck_join(ck, 2, BRAVO);
    assert_int_equal(ask(ck, 2), 1);
}

static void what_is_not_there_is_said(void **state)
{
    struct msg msg = control(CONTROL_PAUSE, "");
    struct ck *ck = *state;

    msg.control.sweep = 8;
    ck_say(ck, USER, msg);
    const struct msg *error = ck_expect(ck, USER, MSG_ERROR);
    assert_int_equal(error->error.code, ERR_INVALID);
    assert_true(slice_is(error->error.text, "there is no sweep 8"));
    msg = control(CONTROL_DRAIN, "");
    msg.control.worker = 8;
    ck_say(ck, USER, msg);
    error = ck_expect(ck, USER, MSG_ERROR);
    assert_true(slice_is(error->error.text, "worker 8 is not connected"));
    say_jobs(ck, control(CONTROL_CANCEL, ""), 100, 200);
    expect_controlled(ck, 0, 0);
    msg = control(CONTROL_CANCEL, "");
    msg.control.version = PROTO_VERSION + 1;
    ck_say(ck, USER, msg);
    assert_int_equal(ck_expect(ck, USER, MSG_ERROR)->error.code, ERR_REFUSED);
}

static void a_workers_key_changes_nothing(void **state)
{
    struct ck *ck = *state;
    struct msg_range all = {1, 4};
    struct msg msg = control(CONTROL_CANCEL, "");

    submit(ck);
    msg.control.jobs = &all;
    msg.control.job_count = 1;
    ck_say_as(ck, USER, WIRE_WORKER, msg);
    assert_int_equal(ck_expect(ck, USER, MSG_ERROR)->error.code, ERR_REFUSED);
    assert_int_equal(in_state(ck, "ready"), 4);
}

#define CORE_TEST(test) cmocka_unit_test_setup_teardown(test, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(cancel_kills_what_runs),
        CORE_TEST(cancel_of_what_an_absent_worker_runs),
        CORE_TEST(a_request_is_carried_out_once),
        CORE_TEST(a_retried_job_is_handed_out),
        CORE_TEST(a_paused_sweep_hands_out_nothing),
        CORE_TEST(no_more_run_than_max_running),
        CORE_TEST(priorities_go_first),
        CORE_TEST(a_drained_worker_gets_no_more),
        CORE_TEST(a_stopped_worker_gives_up_what_it_has),
        CORE_TEST(what_is_not_there_is_said),
        CORE_TEST(a_workers_key_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
