/* What runs save goes to the coordinator, with a CHECKPOINT or with the failure that
 * ends them; and what it hands out reaches the next attempt. */

#include "tests/sim/daemon_sim.h"

/* The next artifact, of one piece: it is what a trial saves at this step. */
static void expect_saved(struct sim *sim, int step, char hash[HASH_TEXT])
{
    char bytes[64];
    int size = snprintf(bytes, sizeof bytes, "saved at step %d\n", step);

    hash_bytes(bytes, (size_t)size, hash);
    const struct msg_put *put = &expect(sim, MSG_PUT)->put;
    assert_true(slice_is(put->hash, hash));
    assert_true(slice_equal(put->data, (struct slice){bytes, (size_t)size}));
    reply(sim, (struct msg){.kind = MSG_PUT_OK,
                            .put_ok = {.hash = slice_of(hash),
                                       .offset = (uint64_t)size,
                                       .complete = true}});
}

static void assert_names(const struct msg_state *states, uint32_t count, const char *hash,
                         uint64_t step)
{
    assert_int_equal(count, 1);
    assert_true(slice_is(states[0].name, PROTO_RESUME));
    assert_true(slice_is(states[0].hash, hash));
    assert_int_equal(states[0].step, step);
    assert_true(states[0].stored);
}

static void expect_checkpoint(struct sim *sim, int64_t job, const char *hash)
{
    const struct msg_checkpoint *checkpoint = &expect(sim, MSG_CHECKPOINT)->checkpoint;

    assert_int_equal(checkpoint->job, job);
    assert_int_equal(checkpoint->attempt, 1);
    assert_names(checkpoint->states, checkpoint->state_count, hash, 1);
}

/* The result; when what was saved came before it, that was sent by itself, and now is
 * offered once more. */
static const struct msg_result *expect_end(struct sim *sim, const char *hash)
{
    const struct msg *msg;

    while ((msg = next(sim))->kind != MSG_RESULT) {
        assert_true(msg->kind == MSG_BEAT || msg->kind == MSG_CHECKPOINT ||
                    msg->kind == MSG_PUT);
        if (msg->kind == MSG_PUT)
            reply(sim, (struct msg){.kind = MSG_PUT_OK,
                                    .put_ok = {.hash = slice_of(hash),
                                               .offset = msg->put.size,
                                               .complete = true}});
    }
    return &msg->result;
}

static void test_sent_while_it_runs(void **state)
{
    struct sim *sim = *state;
    char hash[HASH_TEXT];

    join(sim);
    assign(sim, 7, "save", NULL);
    expect_saved(sim, 1, hash);
    expect_checkpoint(sim, 7, hash);

    /* Asked to leave: the newest goes with its end, and then the worker does. */
    kill(sim->pid, SIGTERM);
    expect_saved(sim, 2, hash);
    const struct msg_result *result = expect_end(sim, hash);
    assert_int_equal(result->outcome, OUTCOME_FAILED);
    assert_true(slice_is(result->cause, "preempted"));
    assert_names(result->states, result->state_count, hash, 2);
    ack(sim, 7, VERDICT_ACCEPTED);
    assert_true(slice_is(expect(sim, MSG_BYE)->bye.text, "drained"));
    expect_exit(sim, 0);
}

/* What a run tells while it goes on is passed on, as that of its attempt. One that has
 * been seen enough of saves itself, and has a result. */
static void test_reports_and_is_stopped_early(void **state)
{
    struct sim *sim = *state;
    char hash[HASH_TEXT];

    join(sim);
    assign(sim, 7, "report", NULL);
    const struct msg_report *report = &expect(sim, MSG_REPORT)->report;
    assert_int_equal(report->job, 7);
    assert_int_equal(report->attempt, 1);
    assert_int_equal(report->history_count, 1);
    assert_true(report->history[0].tally.sum == 6.0);
    expect_saved(sim, 1, hash);
    expect_checkpoint(sim, 7, hash);

    reply(sim, (struct msg){.kind = MSG_KILL, .kill = {8, 1, slice_of("other"), true}});
    reply(sim, (struct msg){.kind = MSG_KILL, .kill = {7, 1, slice_of("enough"), true}});
    expect_saved(sim, 2, hash);
    const struct msg_result *result = expect_end(sim, hash);
    assert_true(slice_is(result->cause, "preempted"));
    assert_names(result->states, result->state_count, hash, 2);
    /* A result on its way is not to be stopped. */
    reply(sim, (struct msg){.kind = MSG_KILL, .kill = {7, 1, slice_of("enough"), true}});
    ack(sim, 7, VERDICT_MISSING);
    expect_end(sim, hash);
    ack(sim, 7, VERDICT_ACCEPTED);
    assign(sim, 9, "quick", NULL);
    assert_int_equal(expect_result(sim, 9)->outcome, OUTCOME_DONE);
}

static void test_goes_with_a_crash(void **state)
{
    struct sim *sim = *state;
    char hash[HASH_TEXT];

    join(sim);
    assign(sim, 7, "crash", NULL);
    expect_saved(sim, 1, hash);
    const struct msg_result *result = expect_end(sim, hash);
    assert_true(slice_is(result->cause, "signal"));
    assert_names(result->states, result->state_count, hash, 1);
}

static void test_not_sent_to_an_older_coordinator(void **state)
{
    struct sim *sim = *state;

    sim->old = true;
    join(sim);
    assign(sim, 8, "report", NULL);
    expect_beat(sim, 1, 1);
    assign(sim, 7, "crash", NULL);
    assert_int_equal(expect_result(sim, 7)->state_count, 0); /* no REPORT before it */
}

static void test_leaving_hands_back_what_waits(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 7, fifo);
    assign(sim, 8, fifo, NULL);
    assign(sim, 9, "quick", NULL); /* one more than there are slots */
    expect_beat(sim, 0, 3);
    kill(sim->pid, SIGTERM);
    const struct msg_result *result = expect_result(sim, 9);
    assert_true(slice_is(result->cause, "preempted"));
    ack(sim, 9, VERDICT_ACCEPTED);
    assign(sim, 10, "quick", NULL); /* was on its way */
    assert_true(slice_is(expect_result(sim, 10)->cause, "preempted"));
}

static void hand_out(struct sim *sim, struct msg_input *input, const char *content,
                     char hash[HASH_TEXT])
{
    hash_bytes(content, strlen(content), hash);
    *input = (struct msg_input){.role = slice_of(PROTO_RESUME),
                                .state = slice_of(PROTO_RESUME),
                                .spec = slice_of("input"),
                                .hash = slice_of(hash),
                                .stored = true};
    join(sim);
    assign(sim, 7, "input", input);
    expect(sim, MSG_GET);
}

static void test_given_to_the_next_attempt(void **state)
{
    struct sim *sim = *state;
    struct msg_input input;
    char hash[HASH_TEXT];

    hand_out(sim, &input, "saved", hash);
    reply(sim,
          (struct msg){
              .kind = MSG_CHUNK,
              .chunk = {.hash = slice_of(hash), .size = 5, .data = slice_of("saved")}});
    assert_true(slice_is(expect_result(sim, 7)->message, "good"));
}

/* What cannot be had is done without. */
static void test_lost_is_no_failure(void **state)
{
    struct sim *sim = *state;
    struct msg_input input;
    char hash[HASH_TEXT];

    hand_out(sim, &input, "saved", hash);
    reply(sim,
          (struct msg){.kind = MSG_CHUNK,
                       .chunk = {.hash = slice_of(hash), .text = slice_of("no such")}});
    const struct msg_result *result = expect_result(sim, 7);
    assert_int_equal(result->outcome, OUTCOME_DONE);
    assert_true(slice_is(result->message, "bad"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SIM_TEST(test_sent_while_it_runs),
        SIM_TEST(test_reports_and_is_stopped_early),
        SIM_TEST(test_goes_with_a_crash),
        SIM_TEST(test_not_sent_to_an_older_coordinator),
        SIM_TEST(test_leaving_hands_back_what_waits),
        SIM_TEST(test_given_to_the_next_attempt),
        SIM_TEST(test_lost_is_no_failure),
    };
    int status = sim_other_main(argc, argv);

    return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
