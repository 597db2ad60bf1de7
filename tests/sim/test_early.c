/* Runs that report, and the rule of their sweep that stops one: at the coordinator. */

#include "tests/sim/corekit.h"

#define ALPHA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define REQUEST "cccccccccccccccccccccccccccccccc"

static const char GRID[] =
    "[sweep]\n"
    "name = \"unit\"\n"
    "seeds = 3\n"
    "stop = { rule = \"asha\", metric = \"test_loss\", factor = 2 }\n"
    "[base]\n"
    "data = { name = \"spiral\" }\n"
    "model = { name = \"mlp\", widths = [4] }\n"
    "train = { epochs = 8 }\n";

/* Jobs 1 to 3 run on alpha. */
static void begin(struct ck *ck)
{
    ck_say(ck, 1, ck_hello(ALPHA, NULL, 0));
    assert_true(ck_expect(ck, 1, MSG_WELCOME)->welcome.reports);
    ck_say(ck, 99, ck_submit(REQUEST, GRID));
    ck_expect(ck, 99, MSG_SUBMITTED);
    ck_say(ck, 1, ck_beat(3, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
    assert_int_equal(ck_expect(ck, 1, MSG_ASSIGN)->assign.job_count, 3);
}

static void report(struct ck *ck, int64_t job, uint32_t epoch, double loss)
{
    struct msg_history row = {
        .epoch = epoch, .split = slice_of("test"), .tally = kit_tally(loss, 2)};

    ck_say(ck, 1, (struct msg){.kind = MSG_REPORT, .report = {job, 1, &row, 1}});
}

static void expect_stop(struct ck *ck, int64_t job)
{
    const struct msg_kill *kill = &ck_expect(ck, 1, MSG_KILL)->kill;

    assert_int_equal(kill->job, job);
    assert_int_equal(kill->attempt, 1);
    assert_true(kill->save);
    assert_true(slice_is(kill->text, "its test_loss at epoch 1 is 1.5; the best 1 of 2"
                                     " runs have 1 or better"));
}

static void end_saved(struct ck *ck, int64_t job)
{
    ck_say(ck, 1,
           (struct msg){.kind = MSG_RESULT,
                        .result = {.job = job,
                                   .attempt = 1,
                                   .outcome = OUTCOME_FAILED,
                                   .cause = slice_of("preempted")}});
    assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
}

static void who_does_worse_is_told_to_end(void **state)
{
    struct ck *ck = *state;
    const struct msg_running left[] = {{.job = 1, .attempt = 1},
                                       {.job = 3, .attempt = 1}};

    begin(ck);
    report(ck, 1, 1, 1.0);
    ck_silent(ck, 1);
    report(ck, 2, 1, 1.5);
    expect_stop(ck, 2);
    end_saved(ck, 2);
    assert_int_equal(kit_state(&ck->kit, 2), JOB_STOPPED);
    /* Nobody gets it again. */
    ck_say(ck, 1, ck_beat(1, (struct msg_running *)left, 2));
    ck_expect(ck, 1, MSG_PONG);
    ck_silent(ck, 1);
    /* Once it was asked to go on, somebody does. */
    ck_say(ck, 99,
           (struct msg){.kind = MSG_CONTROL,
                        .control = {.version = PROTO_VERSION,
                                    .request = slice_of(ALPHA),
                                    .verb = CONTROL_RETRY,
                                    .jobs = &(struct msg_range){2, 2},
                                    .job_count = 1}});
    assert_int_equal(ck_expect(ck, 99, MSG_CONTROLLED)->controlled.changed, 1);
    assert_int_equal(ck_expect(ck, 1, MSG_ASSIGN)->assign.jobs[0].attempt, 2);
}

/* The judgement was committed with the report: it holds whatever became of the message
 * that told of it. */
static void a_coordinator_that_dies_still_means_it(void **state)
{
    struct ck *ck = *state;
    const struct msg_running running[] = {
        {.job = 1, .attempt = 1}, {.job = 2, .attempt = 1}, {.job = 3, .attempt = 1}};

    begin(ck);
    report(ck, 1, 1, 1.0);
    report(ck, 2, 1, 1.5);
    expect_stop(ck, 2);
    ck_crash(ck);
    ck_start(ck);
    ck_say(ck, 1, ck_hello(ALPHA, (struct msg_running *)running, 3));
    ck_expect(ck, 1, MSG_WELCOME);
    report(ck, 2, 2, 0.5);
    expect_stop(ck, 2);
    end_saved(ck, 2);
    assert_int_equal(kit_state(&ck->kit, 2), JOB_STOPPED);
}

#define CK_TEST(f) cmocka_unit_test_setup_teardown(f, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CK_TEST(who_does_worse_is_told_to_end),
        CK_TEST(a_coordinator_that_dies_still_means_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
