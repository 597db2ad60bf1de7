/* The whole daemon and its jobs: results of every sort, states that go and come.
 */

#include "tests/sim/daemon_sim.h"

static void test_newer_attempt_replaces_older(void **state)
{
    struct sim *sim = *state;
    struct msg_job again = {.job = 9, .attempt = 2, .spec = slice_of("quick")};
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    reply(sim, (struct msg){.kind = MSG_ASSIGN, .assign = {&again, 1}});
    assert_int_equal(expect(sim, MSG_RESULT)->result.attempt, 2);
    expect_beat(sim, 2, 1); /* the first was stopped, without a result */
}

static void test_superseded_is_dropped(void **state)
{
    struct sim *sim = *state;

    join(sim);
    assign(sim, 7, "quick", NULL);
    expect_result(sim, 7);
    ack(sim, 7, VERDICT_SUPERSEDED);
    expect_beat(sim, 2, 0);
}

static void test_failures_are_results(void **state)
{
    struct sim *sim = *state;

    join(sim);
    assign(sim, 8, "exit", NULL);
    const struct msg_result *result = expect_result(sim, 8);
    assert_int_equal(result->outcome, OUTCOME_FAILED);
    assert_true(slice_is(result->cause, "exit"));
    assert_true(result->seconds < 100);
    ack(sim, 8, VERDICT_ACCEPTED);
    expect_beat(sim, 4, 0); /* it was short: as many again are asked for */
}

static void test_kill(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    reply(sim, (struct msg){.kind = MSG_KILL, .kill = {.job = 9, .attempt = 1}});
    expect_beat(sim, 2, 0);
    assign(sim, 10, "quick", NULL); /* it goes on working */
    expect_result(sim, 10);
}

static void test_states_are_uploaded_first(void **state)
{
    struct sim *sim = *state;
    static char bytes[STATE_SIZE];
    char hash[HASH_TEXT];
    uint64_t held = 0;

    fill_state(bytes);
    hash_bytes(bytes, sizeof bytes, hash);
    join(sim);
    assign(sim, 7, "state", NULL);
    while (held < STATE_SIZE) {
        const struct msg_put *put = &expect(sim, MSG_PUT)->put;
        assert_true(slice_is(put->hash, hash));
        assert_int_equal(put->size, STATE_SIZE);
        assert_int_equal(put->offset, held);
        assert_memory_equal(put->data.data, bytes + held, put->data.size);
        held += put->data.size;
        reply(sim, (struct msg){.kind = MSG_PUT_OK,
                                .put_ok = {.hash = slice_of(hash),
                                           .offset = held,
                                           .complete = held == STATE_SIZE}});
    }
    assert_int_equal(expect_result(sim, 7)->state_count, 1);
    ack(sim, 7, VERDICT_ACCEPTED);
    expect_beat(sim, 2, 0);
}

/* Answer GETs from the state until the result of a job comes. */

static const struct msg_result *serve_state(struct sim *sim, int64_t job)
{
    static char bytes[STATE_SIZE];
    const struct msg *msg;

    fill_state(bytes);
    while ((msg = next(sim))->kind != MSG_RESULT) {
        if (msg->kind == MSG_BEAT) {
            reply(sim,
                  (struct msg){.kind = MSG_PONG,
                               .pong = {.version = PROTO_VERSION, .epoch = sim->epoch}});
            continue;
        }
        assert_int_equal(msg->kind, MSG_GET);
        uint64_t offset = msg->get.offset, left = STATE_SIZE - offset;
        size_t size = left < msg->get.count ? (size_t)left : msg->get.count;
        reply(sim, (struct msg){.kind = MSG_CHUNK,
                                .chunk = {.hash = msg->get.hash,
                                          .size = STATE_SIZE,
                                          .offset = offset,
                                          .data = {bytes + offset, size}}});
    }
    assert_int_equal(msg->result.job, job);
    return &msg->result;
}

static void test_inputs_are_fetched_once(void **state)
{
    struct sim *sim = *state;
    static char bytes[STATE_SIZE];
    char hash[HASH_TEXT];
    struct msg_input input = {.role = slice_of("a"),
                              .state = slice_of("final"),
                              .spec = slice_of("spec of the run"),
                              .stored = true};

    fill_state(bytes);
    hash_bytes(bytes, sizeof bytes, hash);
    input.hash = slice_of(hash);
    join(sim);
    assign(sim, 7, "input", &input);
    assert_true(slice_is(serve_state(sim, 7)->message, "good"));
    ack(sim, 7, VERDICT_ACCEPTED);
    assign(sim, 8, "input", &input); /* from the cache: no GET */
    assert_true(slice_is(expect_result(sim, 8)->message, "good"));
}

static void test_missing_input_fails_the_job(void **state)
{
    struct sim *sim = *state;
    struct msg_input input = {.role = slice_of("a"),
                              .state = slice_of("final"),
                              .spec = slice_of("spec of the run"),
                              .hash = slice_of("00112233445566778899aabbccddeeff"),
                              .stored = true};

    join(sim);
    assign(sim, 7, "input", &input);
    expect(sim, MSG_GET);
    reply(sim, (struct msg){.kind = MSG_CHUNK,
                            .chunk = {.hash = input.hash, .text = slice_of("no such")}});
    const struct msg_result *result = expect_result(sim, 7);
    assert_int_equal(result->outcome, OUTCOME_FAILED);
    assert_true(slice_is(result->cause, "data"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SIM_TEST(test_newer_attempt_replaces_older),
        SIM_TEST(test_superseded_is_dropped),
        SIM_TEST(test_failures_are_results),
        SIM_TEST(test_kill),
        SIM_TEST(test_states_are_uploaded_first),
        SIM_TEST(test_inputs_are_fetched_once),
        SIM_TEST(test_missing_input_fails_the_job),
    };
    int status = sim_other_main(argc, argv);

    return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
