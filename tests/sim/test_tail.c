/* What a running attempt prints: from its worker to whoever asked, and from nobody
 * else, at the coordinator's core. */

#include "tests/sim/corekit.h"

#include "proto/limits.h"

#define ALPHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BETA  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HASH  "cccccccccccccccccccccccccccccccc"

static const char GRID[] = CK_RUNS(2);

enum { CLIENT = 9, OTHER = 8 };

static struct msg tail(uint64_t from)
{
    return (struct msg){.kind = MSG_TAIL, .tail = {1, 1, from}};
}

static struct msg output(uint64_t wanted)
{
    return (struct msg){.kind = MSG_OUTPUT,
                        .output = {1, 1, wanted, wanted, slice_of("epoch 1\n")}};
}

/* Worker 1 has job 1, worker 2 nothing. */
static void begin(struct ck *ck, bool tails)
{
    struct msg one = ck_hello(ALPHA, NULL, 0), two = ck_hello(BETA, NULL, 0);

    one.hello.tails = tails;
    two.hello.tails = true;
    ck_say(ck, CLIENT, ck_submit(HASH, GRID));
    ck_expect(ck, CLIENT, MSG_SUBMITTED);
    ck_say(ck, 1, one);
    ck_expect(ck, 1, MSG_WELCOME);
    ck_say(ck, 2, two);
    ck_expect(ck, 2, MSG_WELCOME);
    ck_say(ck, 1, ck_beat(1, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
    ck_expect(ck, 1, MSG_ASSIGN);
}

static void expect_tail(struct ck *ck, int peer, uint64_t from)
{
    const struct msg *msg = ck_expect(ck, peer, MSG_TAIL);

    assert_int_equal(msg->tail.job, 1);
    assert_int_equal(msg->tail.attempt, 1);
    assert_int_equal(msg->tail.from, from);
}

static void a_question_finds_its_worker_and_the_answer_who_asked(void **state)
{
    struct ck *ck = *state;

    begin(ck, true);
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(0));
    ck_say_as(ck, OTHER, WIRE_CLIENT, tail(70));
    expect_tail(ck, 1, 0);
    expect_tail(ck, 1, 70);
    ck_silent(ck, 2);
    ck_say_as(ck, 1, WIRE_WORKER, output(70));
    ck_silent(ck, CLIENT);
    assert_int_equal(ck_expect(ck, OTHER, MSG_OUTPUT)->output.from, 70);
    ck_say_as(ck, 1, WIRE_WORKER, output(0));
    assert_true(slice_is(ck_expect(ck, CLIENT, MSG_OUTPUT)->output.data, "epoch 1\n"));
    ck_say_as(ck, 1, WIRE_WORKER, output(0)); /* once */
    ck_silent(ck, CLIENT);
    ck_silent(ck, OTHER);
}

static void only_the_worker_that_has_the_attempt_speaks_for_it(void **state)
{
    struct ck *ck = *state;

    begin(ck, true);
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(0));
    expect_tail(ck, 1, 0);
    ck_say_as(ck, 2, WIRE_WORKER, output(0));
    ck_silent(ck, CLIENT);
    ck_say_as(ck, 1, WIRE_WORKER, output(0));
    ck_expect(ck, CLIENT, MSG_OUTPUT);
    ck_say_as(ck, 2, WIRE_WORKER, tail(0)); /* a worker does not ask */
    ck_expect(ck, 2, MSG_ERROR);
    ck_silent(ck, 1);
}

static void who_waits_does_not_ask_again(void **state)
{
    struct ck *ck = *state;

    begin(ck, true);
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(0));
    expect_tail(ck, 1, 0);
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(0));
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(5));
    ck_silent(ck, 1);
    ck_pass(ck, TAIL_WAIT_MS);
    ck_say_as(ck, 1, WIRE_WORKER, output(0)); /* too late */
    ck_silent(ck, CLIENT);
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(5));
    expect_tail(ck, 1, 5);
}

static void questions_are_bounded(void **state)
{
    struct ck *ck = *state;

    begin(ck, true);
    for (int i = 0; i < TAIL_MAX + 5; i++)
        ck_say_as(ck, 100 + i, WIRE_CLIENT, tail(0));
    for (int i = 0; i < TAIL_MAX; i++)
        expect_tail(ck, 1, 0);
    ck_silent(ck, 1);
    ck_say_as(ck, 1, WIRE_WORKER, output(0));
    for (int i = 0; i < TAIL_MAX; i++)
        ck_expect(ck, 100 + i, MSG_OUTPUT);
    ck_silent(ck, 100 + TAIL_MAX);
}

static void who_cannot_answer_is_not_asked(void **state)
{
    struct ck *ck = *state;
    struct msg nobodys = tail(0);

    begin(ck, false); /* an older worker */
    ck_say_as(ck, CLIENT, WIRE_CLIENT, tail(0));
    nobodys.tail.job = 77;
    ck_say_as(ck, CLIENT, WIRE_CLIENT, nobodys);
    ck_silent(ck, 1);
    ck_silent(ck, 2);
    ck_silent(ck, CLIENT);
}

#define CK(test) cmocka_unit_test_setup_teardown(test, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CK(a_question_finds_its_worker_and_the_answer_who_asked),
        CK(only_the_worker_that_has_the_attempt_speaks_for_it),
        CK(who_waits_does_not_ask_again),
        CK(questions_are_bounded),
        CK(who_cannot_answer_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
