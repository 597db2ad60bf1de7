/* Held until the COMMIT, in order, and not at all when it fails. */

#include "coordinator/commit.h"

#include "common/error.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct world {
    bool full; /* the disk */
    int commits;
    int64_t acked[8];
    uint8_t to[8];
    int sent;
    int commits_at_send;
};

static int do_commit(void *user, struct error *err)
{
    struct world *world = user;
    if (world->full)
        return err_set(err, ERR_IO, "no space left on device");
    world->commits++;
    return 0;
}

static void do_send(void *user, const struct wire_peer *to, const void *bytes,
                    size_t size)
{
    struct world *world = user;
    struct msg msg;

    assert_int_equal(msg_decode(bytes, size, &msg, NULL), 0);
    assert_int_equal(msg.kind, MSG_ACK);
    world->acked[world->sent] = msg.ack.job;
    world->to[world->sent++] = to->id[1];
    world->commits_at_send = world->commits;
    msg_free(&msg);
}

static struct msg ack(int64_t job)
{
    return (struct msg){.kind = MSG_ACK, .ack = {.job = job, .attempt = 1, .verdict = 1}};
}

static struct wire_peer peer(uint8_t n)
{
    return (struct wire_peer){.size = 5, .id = {0, n}};
}

static void replies_wait_for_the_commit(void **state)
{
    struct world world = {0};
    struct commit *commit =
        commit_new((struct commit_sink){do_commit, do_send, &world}, NULL);
    struct wire_peer one = peer(1), two = peer(2);
    struct msg first = ack(11), second = ack(12), now = ack(13);
    (void)state;

    assert_int_equal(commit_hold(commit, &one, &first, NULL), 0);
    assert_int_equal(commit_hold(commit, &two, &second, NULL), 0);
    assert_int_equal(world.sent, 0);
    assert_int_equal(commit_send(commit, &two, &now, NULL), 0);
    assert_int_equal(world.sent, 1);
    assert_int_equal(commit_flush(commit, NULL), 0);
    assert_int_equal(world.sent, 3);
    assert_int_equal(world.commits_at_send, 1);
    assert_int_equal(world.acked[0], 13);
    assert_int_equal(world.acked[1], 11);
    assert_int_equal(world.to[1], 1);
    assert_int_equal(world.acked[2], 12);
    assert_int_equal(world.to[2], 2);
    assert_int_equal(commit_flush(commit, NULL), 0);
    assert_int_equal(world.sent, 3);
    commit_free(&commit);
    commit_free(&commit);
}

static void a_failed_commit_says_nothing(void **state)
{
    struct world world = {.full = true};
    struct commit *commit =
        commit_new((struct commit_sink){do_commit, do_send, &world}, NULL);
    struct wire_peer one = peer(1);
    struct msg first = ack(11), second = ack(12);
    struct error err;
    (void)state;

    commit_hold(commit, &one, &first, NULL);
    assert_int_equal(commit_flush(commit, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(commit_held(commit), 0);
    world.full = false;
    commit_hold(commit, &one, &second, NULL);
    assert_int_equal(commit_flush(commit, &err), 0);
    assert_int_equal(world.sent, 1);
    assert_int_equal(world.acked[0], 12);
    commit_free(&commit);
}

static void a_reply_that_breaks_a_bound_is_not_held(void **state)
{
    struct world world = {0};
    struct commit *commit =
        commit_new((struct commit_sink){do_commit, do_send, &world}, NULL);
    struct wire_peer one = peer(1);
    static char longer[PROTO_TEXT_MAX + 1];
    struct msg bad = ack(1), good = ack(2);
    (void)state;

    bad.ack.text = (struct slice){longer, sizeof longer};
    assert_int_equal(commit_hold(commit, &one, &bad, NULL), -1);
    assert_int_equal(commit_hold(commit, &one, &good, NULL), 0);
    assert_int_equal(commit_flush(commit, NULL), 0);
    assert_int_equal(world.sent, 1);
    assert_int_equal(world.acked[0], 2);
    commit_free(&commit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_wait_for_the_commit),
        cmocka_unit_test(a_failed_commit_says_nothing),
        cmocka_unit_test(a_reply_that_breaks_a_bound_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
