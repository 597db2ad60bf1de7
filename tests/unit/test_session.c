/* The session against a clock that the test turns. */

#include "common/error.h"
#include "proto/limits.h"
#include "worker/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct msg_welcome WELCOME = {.version = PROTO_VERSION,
                                           .epoch = 77,
                                           .worker = 5,
                                           .beat_ms = 1000,
                                           .lease_ms = 10000};

/* A session that is up at time 0, its first beat sent. */
static struct session up(void)
{
    struct session session;
    struct error err;

    session_init(&session, 42, 0);
    assert_int_equal(session_next(&session, 0), SESSION_CONNECT);
    assert_int_equal(session_next(&session, 0), SESSION_HELLO);
    session_sent(&session, 0);
    assert_int_equal(session_next(&session, 0), SESSION_WAIT);
    session_heard(&session, 0);
    assert_int_equal(session_welcome(&session, &WELCOME, 0, &err), 0);
    assert_int_equal(session.state, SESSION_UP);
    assert_int_equal(session_next(&session, 0), SESSION_BEAT);
    session_sent(&session, 0);
    return session;
}

static void test_beats(void **state)
{
    (void)state;
    struct session session = up();

    assert_int_equal(session.epoch, 77);
    assert_int_equal(session.worker, 5);
    for (int64_t now = 1000; now < 100000; now += 1000) {
        assert_int_equal(session_deadline(&session), now);
        assert_int_equal(session_next(&session, now - 1), SESSION_WAIT);
        assert_int_equal(session_next(&session, now), SESSION_BEAT);
        session_sent(&session, now);
        session_heard(&session, now + 1);
    }
}

static void test_silence_opens_a_new_socket(void **state)
{
    (void)state;
    struct session session = up();

    for (int64_t now = 1000; now < 3000; now += 1000) {
        assert_int_equal(session_next(&session, now), SESSION_BEAT);
        session_sent(&session, now);
    }
    assert_int_equal(session_next(&session, 2999), SESSION_WAIT);
    assert_int_equal(session_next(&session, 3000), SESSION_CONNECT);
    assert_int_equal(session.state, SESSION_GREETING);
    assert_int_equal(session_next(&session, 3000), SESSION_HELLO);
    assert_int_equal(session.epoch, 77); /* HELLO says whom it knew */
}

static void test_backoff_doubles_with_jitter(void **state)
{
    (void)state;
    struct session session;
    int64_t now = 0, base = 1000;

    session_init(&session, 7, now);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(session_next(&session, now), SESSION_CONNECT);
        assert_int_equal(session_next(&session, now), SESSION_HELLO);
        session_sent(&session, now);
        int64_t wait = session_deadline(&session) - now;
        assert_in_range(wait, base, base + base / 2);
        now += wait;
        base = base < 32000 ? 2 * base : 32000;
    }
}

static void test_two_seeds_do_not_come_back_together(void **state)
{
    (void)state;
    struct session a, b;

    session_init(&a, 1, 0);
    session_init(&b, 2, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(session_next(&a, a.give_up_ms), SESSION_CONNECT);
        assert_int_equal(session_next(&b, b.give_up_ms), SESSION_CONNECT);
    }
    assert_int_not_equal(a.give_up_ms, b.give_up_ms);
}

static void test_busy_is_tried_again(void **state)
{
    (void)state;
    struct session session;

    session_init(&session, 7, 0);
    assert_int_equal(session_next(&session, 0), SESSION_CONNECT);
    assert_int_equal(session_next(&session, 0), SESSION_HELLO);
    session_busy(&session, 0);
    assert_int_equal(session_next(&session, 0), SESSION_WAIT);
    assert_int_equal(session_deadline(&session), 25);
    assert_int_equal(session_next(&session, 25), SESSION_HELLO);
}

static void test_a_connection_that_ended_is_made_anew(void **state)
{
    (void)state;
    struct session session = up();

    session_heard(&session, 500);
    session_cut(&session, 500);
    assert_int_equal(session.state, SESSION_GREETING);
    assert_int_equal(session_next(&session, 500), SESSION_WAIT);
    assert_int_equal(session_next(&session, 575), SESSION_HELLO);
    session_busy(&session, 575);
    session_cut(&session, 580); /* a handshake that failed: nothing new */
    assert_int_equal(session_next(&session, 600), SESSION_HELLO);
    session_sent(&session, 600);
    assert_int_equal(session_next(&session, 1499), SESSION_WAIT);
    assert_int_equal(session_next(&session, 2000), SESSION_CONNECT);
}

static void test_beats_are_rarer_with_nothing_in_hand(void **state)
{
    (void)state;
    struct session session = up();
    int64_t now = session.next_ms;

    session_idle(&session, true);
    session_sent(&session, now);
    assert_int_equal(session_deadline(&session), now + 2000); /* twice the beat */
    session_heard(&session, now);
    assert_int_equal(session.give_up_ms, now + 6000);
    session_idle(&session, false);
    session_beat_soon(&session, now + 100);
    assert_int_equal(session_next(&session, now + 100), SESSION_BEAT);
    session_sent(&session, now + 100);
    assert_int_equal(session_deadline(&session), now + 1100);
}

/* Waiting longer each time, it would miss the lease that a coordinator gives when
 * it can write again. */
static void test_later_is_a_beat_later_every_time(void **state)
{
    (void)state;
    struct session session = up();

    session_heard(&session, 500);
    session_who(&session, 500);
    assert_int_equal(session_next(&session, 500), SESSION_HELLO);
    session_sent(&session, 500);
    for (int64_t now = 500; now < 60000; now += 1000) {
        session_heard(&session, now);
        session_later(&session, now);
        assert_int_equal(session_next(&session, now + 999), SESSION_WAIT);
        assert_int_equal(session_next(&session, now + 1000), SESSION_HELLO);
        session_sent(&session, now + 1000);
    }
    assert_int_equal(session_next(&session, 70000), SESSION_CONNECT);
}

static void test_who_is_answered_but_not_in_a_loop(void **state)
{
    (void)state;
    struct session session = up();

    session_heard(&session, 500);
    session_who(&session, 500);
    assert_int_equal(session.state, SESSION_GREETING);
    assert_int_equal(session_next(&session, 500), SESSION_HELLO);
    session_sent(&session, 500);
    session_who(&session, 501);
    assert_int_equal(session_next(&session, 501), SESSION_WAIT);
    assert_int_equal(session_next(&session, 600), SESSION_HELLO);
}

static void test_news_makes_a_beat(void **state)
{
    (void)state;
    struct session session = up();

    session_beat_soon(&session, 2);
    assert_int_equal(session_next(&session, 2), SESSION_WAIT);
    assert_int_equal(session_next(&session, 5), SESSION_BEAT);
    session_sent(&session, 5);
    session_beat_soon(&session, 300);
    assert_int_equal(session_next(&session, 300), SESSION_BEAT);
    session_sent(&session, 300);
    assert_int_equal(session_deadline(&session), 1300);

    session_init(&session, 1, 0);
    session_beat_soon(&session, 0); /* nobody to tell yet */
    assert_int_equal(session_next(&session, 0), SESSION_CONNECT);
}

static void test_bad_welcomes(void **state)
{
    (void)state;
    struct session session = up();
    struct error err;
    struct msg_welcome welcome = WELCOME;

    welcome.version = PROTO_VERSION + 1;
    assert_int_equal(session_welcome(&session, &welcome, 0, &err), -1);
    assert_int_equal(err.code, ERR_REFUSED);
    welcome = WELCOME;
    welcome.beat_ms = 0;
    assert_int_equal(session_welcome(&session, &welcome, 0, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    welcome = WELCOME;
    welcome.epoch = 0;
    assert_int_equal(session_welcome(&session, &welcome, 0, &err), -1);
    assert_int_equal(session.epoch, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats),
        cmocka_unit_test(test_silence_opens_a_new_socket),
        cmocka_unit_test(test_backoff_doubles_with_jitter),
        cmocka_unit_test(test_two_seeds_do_not_come_back_together),
        cmocka_unit_test(test_busy_is_tried_again),
        cmocka_unit_test(test_a_connection_that_ended_is_made_anew),
        cmocka_unit_test(test_beats_are_rarer_with_nothing_in_hand),
        cmocka_unit_test(test_later_is_a_beat_later_every_time),
        cmocka_unit_test(test_who_is_answered_but_not_in_a_loop),
        cmocka_unit_test(test_news_makes_a_beat),
        cmocka_unit_test(test_bad_welcomes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
