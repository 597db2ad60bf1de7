/* The whole daemon and its connection: hello, silence, coordinators that die and
 * come back, and leaving. */

#include "tests/sim/daemon_sim.h"

static void test_hello(void **state)
{
    struct sim *sim = *state;
    const struct msg_hello *hello = &expect(sim, MSG_HELLO)->hello;

    assert_int_equal(hello->version, PROTO_VERSION);
    assert_true(hash_is_hex(hello->worker.data, hello->worker.size));
    assert_int_equal(hello->epoch, 0);
    assert_int_equal(hello->slots, 2);
    assert_int_equal(hello->threads, 1);
    assert_int_equal(hello->pid, sim->pid);
    assert_true(hello->cores >= 1 && hello->host.size > 0 && hello->provenance.size > 0);
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void test_result_until_acknowledged(void **state)
{
    struct sim *sim = *state;

    join(sim);
    assign(sim, 7, "quick", NULL);
    assert_int_equal(expect_result(sim, 7)->outcome, OUTCOME_DONE);
    expect_beat(sim, 2, 1); /* the slot is free, the result still ours */

    const struct msg *msg = replace_coordinator(sim); /* and the result is lost */
    assert_int_equal(msg->hello.running_count, 1);
    assert_int_equal(msg->hello.running[0].job, 7);
    welcome(sim, 1000);
    expect_result(sim, 7);
    ack(sim, 7, VERDICT_ACCEPTED);
    expect_beat(sim, 2, 0);
}

static void test_trials_outlive_the_coordinator(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    const struct msg *msg = replace_coordinator(sim);
    assert_int_equal(msg->hello.running_count, 1);
    assert_int_equal(msg->hello.running[0].job, 9);
    welcome(sim, 1000);
    expect_beat(sim, 1, 1);
    int fd = release_trial(fifo);
    assert_int_equal(expect_result(sim, 9)->outcome, OUTCOME_DONE);
    close(fd);
}

static void test_who(void **state)
{
    struct sim *sim = *state;

    join(sim);
    reply(sim, (struct msg){.kind = MSG_WHO});
    assert_int_equal(expect(sim, MSG_HELLO)->hello.epoch, 1);
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void test_silence_makes_a_new_connection(void **state)
{
    struct sim *sim = *state;
    struct wire_peer old;

    assert_int_equal(expect(sim, MSG_HELLO)->hello.epoch, 0);
    old = sim->peer;
    welcome(sim, 50);
    while (next(sim)->kind == MSG_BEAT)
        ; /* and no answer */
    assert_int_equal(sim->msg.kind, MSG_HELLO);
    assert_false(wire_peer_equal(&old, &sim->peer));
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void test_sigterm_drains(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    kill(sim->pid, SIGTERM);
    expect_beat(sim, 0, 1);
    int fd = release_trial(fifo);
    expect_result(sim, 9);
    close(fd);
    ack(sim, 9, VERDICT_ACCEPTED);
    assert_true(slice_is(expect(sim, MSG_BYE)->bye.text, "drained"));
    expect_exit(sim, 0);
}

static void test_second_sigterm_stops(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    kill(sim->pid, SIGTERM);
    expect_beat(sim, 0, 1);
    kill(sim->pid, SIGTERM);
    assert_true(slice_is(expect(sim, MSG_BYE)->bye.text, "stopped"));
    expect_exit(sim, 0);
}

static void test_drain_message(void **state)
{
    struct sim *sim = *state;

    join(sim);
    reply(sim, (struct msg){.kind = MSG_DRAIN});
    expect(sim, MSG_BYE);
    expect_exit(sim, 0);
}

static void test_refused(void **state)
{
    struct sim *sim = *state;

    expect(sim, MSG_HELLO);
    reply(sim, (struct msg){.kind = MSG_ERROR,
                            .error = {.code = ERR_REFUSED, .text = slice_of("version")}});
    expect_exit(sim, 4);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SIM_TEST(test_hello),
        SIM_TEST(test_result_until_acknowledged),
        SIM_TEST(test_trials_outlive_the_coordinator),
        SIM_TEST(test_who),
        SIM_TEST(test_silence_makes_a_new_connection),
        SIM_TEST(test_sigterm_drains),
        SIM_TEST(test_second_sigterm_stops),
        SIM_TEST(test_drain_message),
        SIM_TEST(test_refused),
    };
    int status = sim_other_main(argc, argv);

    return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
