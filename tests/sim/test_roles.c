/* What a key's role allows, at the coordinator's core: the role comes with the
 * connection, and what the message says of itself does not count. */

#include "tests/sim/corekit.h"

#include "common/hash.h"
#include "common/version.h"
#include "proto/limits.h"

#define ALPHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH  "cccccccccccccccccccccccccccccccc"

static const char GRID[] = CK_RUNS(2);

static void expect_refused(struct ck *ck, int peer, const char *part)
{
    const struct msg *msg = ck_expect(ck, peer, MSG_ERROR);
    char text[256];

    snprintf(text, sizeof text, "%.*s", (int)msg->error.text.size, msg->error.text.data);
    assert_int_equal(msg->error.code, ERR_REFUSED);
    if (!strstr(text, part))
        fail_msg("'%s' lacks '%s'", text, part);
    ck_silent(ck, peer);
}

static int64_t rows(struct ck *ck)
{
    return kit_int(ck->kit.store,
                   "SELECT (SELECT count(*) FROM worker WHERE uuid = '" ALPHA "') +"
                   " (SELECT count(*) FROM sweep)");
}

static void a_clients_key_does_nothing_of_a_worker(void **state)
{
    struct ck *ck = *state;
    const struct msg said[] = {
        ck_hello(ALPHA, NULL, 0),
        ck_beat(2, NULL, 0),
        {.kind = MSG_RESULT, .result = {.job = 1, .attempt = 1, .outcome = OUTCOME_DONE}},
        {.kind = MSG_PUT, .put = {.hash = slice_of(HASH), .size = 1}},
        {.kind = MSG_GET, .get = {.hash = slice_of(HASH), .count = 1}},
        {.kind = MSG_BYE},
    };

    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        ck_say_as(ck, 1, WIRE_CLIENT, said[i]);
        expect_refused(ck, 1, "the key is a client's: it may not ");
    }
    assert_int_equal(rows(ck), 0);
    ck_say_as(ck, 1, WIRE_CLIENT, ck_submit(HASH, GRID));
    ck_expect(ck, 1, MSG_SUBMITTED);
}

static void a_workers_key_submits_nothing(void **state)
{
    struct ck *ck = *state;

    ck_say_as(ck, 1, WIRE_WORKER, ck_submit(HASH, GRID));
    const struct msg *msg = ck_expect(ck, 1, MSG_ERROR);
    assert_int_equal(msg->error.code, ERR_REFUSED);
    assert_true(slice_is(msg->error.request, HASH)); /* so that submit hears it */
    assert_int_equal(rows(ck), 0);
    ck_say_as(ck, 1, WIRE_WORKER, ck_hello(ALPHA, NULL, 0));
    ck_expect(ck, 1, MSG_WELCOME);
}

/* One connection, and the messages of a worker that is known: the role counts. */
static void a_worker_that_is_known_still_submits_nothing(void **state)
{
    struct ck *ck = *state;

    ck_say_as(ck, 1, WIRE_WORKER, ck_hello(ALPHA, NULL, 0));
    ck_expect(ck, 1, MSG_WELCOME);
    ck_say_as(ck, 1, WIRE_WORKER, ck_submit(HASH, GRID));
    expect_refused(ck, 1, "the key is a worker's: it may not SUBMIT");
    ck_say_as(ck, 1, WIRE_WORKER, ck_beat(1, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
}

static void a_revoked_worker_loses_what_it_has_at_once(void **state)
{
    struct ck *ck = *state;

    ck_say_as(ck, 9, WIRE_CLIENT, ck_submit(HASH, GRID));
    ck_expect(ck, 9, MSG_SUBMITTED);
    ck_say_as(ck, 1, WIRE_WORKER, ck_hello(ALPHA, NULL, 0));
    ck_expect(ck, 1, MSG_WELCOME);
    ck_say_as(ck, 1, WIRE_WORKER, ck_beat(1, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
    ck_expect(ck, 1, MSG_ASSIGN);
    struct msg_running mine = {.job = 1, .attempt = 1};
    ck_say_as(ck, 1, WIRE_NOBODY, ck_beat(0, &mine, 1));
    expect_refused(ck, 1, "the key was revoked");
    assert_int_equal(
        kit_int(ck->kit.store, "SELECT count(*) FROM job WHERE state = 'ready'"), 2);
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT state FROM worker WHERE uuid = '" ALPHA "'"),
        "left");
    assert_string_equal(kit_text(ck->kit.store, "SELECT cause FROM attempt"),
                        "preempted");
    ck_say_as(ck, 1, WIRE_NOBODY, (struct msg){.kind = MSG_PING, .ping = {1}});
    expect_refused(ck, 1, "the key was revoked");
}

static void ping_tells_the_clock_and_the_release(void **state)
{
    struct ck *ck = *state;

    ck_say_as(ck, 1, WIRE_CLIENT,
              (struct msg){.kind = MSG_PING, .ping = {PROTO_VERSION}});
    const struct msg *msg = ck_expect(ck, 1, MSG_PONG);
    assert_int_equal(msg->pong.clock_ms, ck_wall(ck));
    assert_true(slice_is(msg->pong.release, COORD_VERSION));
}

#define CORE_TEST(test) cmocka_unit_test_setup_teardown(test, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(a_clients_key_does_nothing_of_a_worker),
        CORE_TEST(a_workers_key_submits_nothing),
        CORE_TEST(a_worker_that_is_known_still_submits_nothing),
        CORE_TEST(ping_tells_the_clock_and_the_release),
        CORE_TEST(a_revoked_worker_loses_what_it_has_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
