/* Connections that end, and attempts that a worker says it does not have: transcripts
 * under a clock that the test moves. */

#include "tests/sim/corekit.h"

#include "coordinator/cut.h"
#include "proto/limits.h"

#define REQUEST "cccccccccccccccccccccccccccccccc"

enum { JOBS = 20, MANY = CUT_FEW + 1 };

static const char GRID[] = CK_RUNS(20);

static void submit(struct ck *ck)
{
    ck_say(ck, 99, ck_submit(REQUEST, GRID));
    assert_int_equal(ck_expect(ck, 99, MSG_SUBMITTED)->submitted.jobs, JOBS);
}

static const char *uuid_of(int worker)
{
    static char uuid[33];

    snprintf(uuid, sizeof uuid, "%032d", worker);
    return uuid;
}

/* Worker n says over connection `peer` what it has. */
static void hello(struct ck *ck, int worker, int peer, struct msg_running *has,
                  uint32_t count)
{
    ck_say(ck, peer, ck_hello(uuid_of(worker), has, count));
    ck_expect(ck, peer, MSG_WELCOME);
}

static struct msg_running take(struct ck *ck, int peer)
{
    ck_say(ck, peer, ck_beat(1, NULL, 0));
    ck_expect(ck, peer, MSG_PONG);
    const struct msg *msg = ck_expect(ck, peer, MSG_ASSIGN);
    struct msg_running job = {.job = msg->assign.jobs[0].job,
                              .attempt = msg->assign.jobs[0].attempt};
    ck_say(ck, peer, ck_beat(0, &job, 1));
    ck_expect(ck, peer, MSG_PONG);
    return job;
}

/* Worker 1, over connection 1, has a job. */
static struct msg_running begin(struct ck *ck)
{
    submit(ck);
    hello(ck, 1, 1, NULL, 0);
    return take(ck, 1);
}

static void end_connection(struct ck *ck, int peer)
{
    const struct wire_peer from = ck_peer(peer);

    core_turn(ck->core, ck->now_ms, ck_wall(ck));
    cut_begin(ck->core, &from);
    core_settle(ck->core, true);
}

static void assert_state(struct ck *ck, struct msg_running job, enum job_state state)
{
    assert_string_equal(job_state_name(kit_state(&ck->kit, job.job)),
                        job_state_name(state));
}

static void assert_worker(struct ck *ck, const char *state)
{
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT state FROM worker WHERE uuid LIKE '%1'"), state);
}

/* ---- connections that end ----------------------------------------------------- */

static void a_killed_worker_is_lost_within_a_second(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    ck->gone = 1;
    end_connection(ck, 1);
    assert_int_equal(core_wait_ms(ck->core, 10000), CUT_GRACE_MS);
    ck_pass(ck, CUT_GRACE_MS - 1);
    assert_state(ck, job, JOB_RUNNING);
    ck_pass(ck, 1);
    assert_state(ck, job, JOB_READY);
    assert_worker(ck, "lost");
}

static void an_idle_one_too(void **state)
{
    struct ck *ck = *state;

    hello(ck, 1, 1, NULL, 0);
    ck->gone = 1;
    end_connection(ck, 1);
    ck_pass(ck, CUT_GRACE_MS);
    assert_worker(ck, "lost");
}

static void who_is_back_in_time_keeps_its_attempts(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    ck->gone = 1;
    end_connection(ck, 1);
    ck_pass(ck, CUT_GRACE_MS - 1);
    hello(ck, 1, 2, &job, 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, job, JOB_RUNNING);
    assert_worker(ck, "connected");
}

/* The old connection is told after the new one has said HELLO. */
static void the_end_of_an_old_connection_is_nothing(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    hello(ck, 1, 2, &job, 1);
    ck->gone = 1;
    end_connection(ck, 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, job, JOB_RUNNING);
}

/* Its connection has the descriptor of one that ended. */
static void a_wrong_one_is_not_believed(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    end_connection(ck, 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, job, JOB_RUNNING);
    ck_pass(ck, 1); /* but nothing more is heard */
    assert_state(ck, job, JOB_READY);
}

static void what_was_under_way_still_counts(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    ck->gone = 1;
    end_connection(ck, 1);
    ck_say(ck, 1, (struct msg){.kind = MSG_BYE, .bye = {slice_of("drained")}});
    assert_state(ck, job, JOB_READY);
    assert_worker(ck, "left");
    ck_pass(ck, 2 * CUT_GRACE_MS);
    assert_worker(ck, "left");
}

static void many_together_have_their_leases(void **state)
{
    struct ck *ck = *state;
    struct msg_running jobs[MANY];

    submit(ck);
    for (int i = 0; i < MANY; i++) {
        hello(ck, i + 1, i + 1, NULL, 0);
        jobs[i] = take(ck, i + 1);
    }
    ck->gone = 1;
    for (int i = 0; i < MANY; i++)
        end_connection(ck, i + 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    for (int i = 0; i < MANY; i++)
        assert_state(ck, jobs[i], JOB_RUNNING);
    ck_pass(ck, 1);
    for (int i = 0; i < MANY; i++)
        assert_state(ck, jobs[i], JOB_READY);
}

/* Its workers gave it up meanwhile, and come one after another. */
static void after_an_absence_nobody_is_blamed(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    ck->gone = 1;
    ck->now_ms += 60 * 1000;
    end_connection(ck, 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, job, JOB_RUNNING);
    hello(ck, 1, 2, &job, 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, job, JOB_RUNNING);
}

/* ---- what a worker does not have ------------------------------------------------ */

static void what_is_missing_after_a_restart_is_lost_at_once(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    hello(ck, 1, 1, NULL, 0);
    struct msg_running kept = take(ck, 1), missing;
    ck_say(ck, 1, ck_beat(1, &kept, 1));
    ck_expect(ck, 1, MSG_PONG);
    const struct msg *msg = ck_expect(ck, 1, MSG_ASSIGN);
    missing = (struct msg_running){.job = msg->assign.jobs[0].job, .attempt = 1};
    ck_crash(ck); /* and the assignment is lost with the connection */
    ck_start(ck);
    hello(ck, 1, 2, &kept, 1);
    assert_state(ck, kept, JOB_RUNNING);
    assert_state(ck, missing, JOB_READY);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, kept, JOB_RUNNING);
}

/* What this coordinator handed out may be on its way. */
static void without_a_restart_it_is_in_doubt(void **state)
{
    struct ck *ck = *state;
    struct msg_running job = begin(ck);

    hello(ck, 1, 2, NULL, 0);
    assert_state(ck, job, JOB_RUNNING);
    ck_pass(ck, CK_LEASE_MS);
    assert_state(ck, job, JOB_READY);
}

static void of_a_full_list_nothing_is_missing(void **state)
{
    static struct msg_running many[PROTO_RUNNING_MAX];
    struct ck *ck = *state;
    struct msg_running first = begin(ck);

    ck_say(ck, 1, ck_beat(1, &first, 1));
    ck_expect(ck, 1, MSG_PONG);
    const struct msg *msg = ck_expect(ck, 1, MSG_ASSIGN);
    struct msg_running second = {.job = msg->assign.jobs[0].job, .attempt = 1};
    for (uint32_t i = 0; i < PROTO_RUNNING_MAX; i++)
        many[i] = first;
    ck_crash(ck);
    ck_start(ck);
    hello(ck, 1, 2, many, PROTO_RUNNING_MAX);
    assert_state(ck, second, JOB_RUNNING);
}

#define CORE_TEST(test) cmocka_unit_test_setup_teardown(test, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(a_killed_worker_is_lost_within_a_second),
        CORE_TEST(an_idle_one_too),
        CORE_TEST(who_is_back_in_time_keeps_its_attempts),
        CORE_TEST(the_end_of_an_old_connection_is_nothing),
        CORE_TEST(a_wrong_one_is_not_believed),
        CORE_TEST(what_was_under_way_still_counts),
        CORE_TEST(many_together_have_their_leases),
        CORE_TEST(after_an_absence_nobody_is_blamed),
        CORE_TEST(what_is_missing_after_a_restart_is_lost_at_once),
        CORE_TEST(without_a_restart_it_is_in_doubt),
        CORE_TEST(of_a_full_list_nothing_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
