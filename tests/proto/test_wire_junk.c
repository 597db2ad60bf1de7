/* Peers that speak ZMTP by hand, badly, or not at all: what is wrong is reported,
 * and nobody else notices. */

#include "proto/wire.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/proto/talk.h"

#include "tests/proto/rawpeer.h"

/* A ROUTER in the clear, over ipc, at a path of the test's own. */
static char ipc[64];

static int make_path(void **state)
{
    char dir[] = "/tmp/coord-junk-XXXXXX";

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(ipc, sizeof ipc, "ipc://%s/sock", dir);
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(ipc + 6);
    *strrchr(ipc, '/') = '\0';
    return rmdir(ipc + 6);
}

static void expect_malformed(struct wire *router, const char *part)
{
    struct wire_peer from;
    struct error err = {0};
    struct msg msg;

    assert_int_equal(next_any(router, &from, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(from.size, 5);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
}

static void test_malformed_messages_are_reported(void **state)
{
    static const char ping[] = "\x92\x22\x81\x01\x07";
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ipc, real);
    int fd = raw_dealer(real);

    (void)state;
    raw_frame(fd, false, "hello", 5);
    raw_frame(fd, false, "", 0);
    raw_frame(fd, false, "\xdd\xff\xff\xff\xff", 5);
    raw_frame(fd, false, ping, 4);
    raw_frame(fd, true, ping, 5);
    raw_frame(fd, true, "x", 1);
    raw_frame(fd, false, "y", 1);
    raw_frame(fd, false, ping, 5);
    expect_malformed(router, "not a message: expected an array");
    expect_malformed(router, "not a message: the message ends too early");
    expect_malformed(router, "not a message: the message ends too early");
    expect_malformed(router, "PING: ");
    expect_malformed(router, "a message of 3 frames, expected one");
    next_ping(router, NULL, 7);
    close(fd);
    wire_free(&router);
}

static void test_long_routing_id_is_refused(void **state)
{
    static const char ready[] = "\x04\x41\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER\x08Identity\0\0\0\x18"
                                "abcdefghijklmnopqrstuvwx";
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ipc, real);
    int fd = raw_connect(real);
    struct error err = {0};
    struct wire_peer from;
    struct msg msg;

    (void)state;
    raw_greet(fd, ready, sizeof ready - 1);
    raw_frame(fd, false, "x", 1);
    assert_int_equal(next_any(router, &from, &msg, &err), -1);
    assert_non_null(strstr(err.text, "routing id of 24 bytes"));
    assert_int_equal(from.size, 0);
    close(fd);
    wire_free(&router);
}

static void test_junk_connections_disturb_nobody(void **state)
{
    char real[WIRE_ENDPOINT_MAX], junk[4096];
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
    struct wire *dealer = connect_to(real);
    int silent[20], fd;

    (void)state;
    send_ping_by(dealer, NULL, 1, router);
    next_ping(router, NULL, 1);
    for (int i = 0; i < 20; i++) { /* half a greeting, or nothing at all */
        silent[i] = raw_connect(real);
        raw_send(silent[i], "\xff\0\0\0\0\0\0\0\0\x7f\x03", (size_t)(i % 12));
    }
    for (unsigned i = 0; i < 10; i++) {
        memset(junk, (int)(i * 37 + 1), sizeof junk);
        fd = raw_connect(real);
        send(fd, junk, sizeof junk, MSG_NOSIGNAL);
        close(fd);
    }
    fd = raw_connect(real);
    raw_send(fd,
             "GET / HTTP/1.1\r\nHost: coord\r\nAccept: */*\r\nUser-Agent: "
             "curl/8\r\nPadding: 0123456789\r\n\r\n",
             82);
    for (uint32_t i = 2; i < 50; i++) {
        struct msg msg = {0};
        send_ping(dealer, NULL, i);
        while (next_any(router, NULL, &msg, NULL) != 1)
            ;
        assert_int_equal(msg.ping.version, i);
        msg_free(&msg);
    }
    close(fd);
    for (int i = 0; i < 20; i++)
        close(silent[i]);
    wire_free(&dealer);
    wire_free(&router);
}

/* A thousand who stop in the middle of the handshake, each at another place of it: who
 * is connected goes on, and who comes is let in. */
static void test_half_open_handshakes_cost_others_nothing(void **state)
{
    enum { HALF_OPEN = 1000, GREETING = 64 };
    char real[WIRE_ENDPOINT_MAX], greeting[GREETING] = "\xff\0\0\0\0\0\0\0\0\x7f\x03";
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
    struct wire *before = connect_to(real), *after = NULL;
    int64_t start_ms;
    int *fds = calloc(HALF_OPEN, sizeof *fds);

    (void)state;
    assert_non_null(fds);
    file_raise_limit(); /* both ends are ours */
    memcpy(greeting + 12, "CURVE", 5);
    send_ping_by(before, NULL, 1, router);
    next_ping(router, NULL, 1);
    for (int i = 0; i < HALF_OPEN; i++) {
        fds[i] = raw_connect(real);
        raw_send(fds[i], greeting, (size_t)(i % (GREETING + 1)));
    }
    start_ms = clock_mono_ms();
    after = connect_to(real);
    for (uint32_t i = 2; i < 50; i++) {
        send_ping_by(before, NULL, i, router);
        next_ping(router, NULL, i);
        send_ping_by(after, NULL, 1000 + i, router);
        next_ping(router, NULL, 1000 + i);
    }
    assert_in_range(clock_mono_ms() - start_ms, 0, 5000);
    for (int i = 0; i < HALF_OPEN; i++)
        close(fds[i]);
    free(fds);
    wire_free(&after);
    wire_free(&before);
    wire_free(&router);
}

static void test_oversized_frame_ends_the_connection(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ipc, real);
    struct wire *dealer = connect_to(real);
    int fd = raw_dealer(real);

    (void)state;
    raw_send(fd, "\x02\0\0\0\0\x40\0\0\0abc", 12); /* 1 GiB announced */
    raw_expect_end(fd);
    close(fd);
    send_ping(dealer, NULL, 1);
    next_ping(router, NULL, 1);
    wire_free(&dealer);
    wire_free(&router);
}

/* Somebody who asks and does not read: what waits for them is bounded, and others
 * are answered all the while. */
static void test_slow_reader_is_bounded(void **state)
{
    static const char ping[] = "\x92\x22\x81\x01\x07";
    char real[WIRE_ENDPOINT_MAX], *data = calloc(1, PROTO_CHUNK_MAX);
    struct wire *router = listen_at(ipc, real), *dealer = connect_to(real);
    int fd = raw_dealer(real), sent = 0;
    struct wire_peer slow, quick;
    struct error err = {0};
    struct msg chunk = {.kind = MSG_CHUNK,
                        .chunk = {.hash = slice_of("0123456789abcdef0123456789abcdef"),
                                  .data = {data, PROTO_CHUNK_MAX}}};

    (void)state;
    raw_frame(fd, false, ping, 5);
    next_ping(router, &slow, 7);
    chunk.chunk.data.size = 1000;
    while (sent < 100000 && wire_send(router, &slow, &chunk, &err) == 0)
        sent++;
    assert_int_equal(err.code, ERR_BUSY);
    assert_in_range(sent, 1000, 20000);
    for (uint32_t i = 1; i < 20; i++) {
        send_ping(dealer, NULL, i);
        next_ping(router, &quick, i);
        send_ping(router, &quick, i);
        next_ping(dealer, NULL, i);
    }
    close(fd);
    free(data);
    wire_free(&dealer);
    wire_free(&router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_messages_are_reported),
        cmocka_unit_test(test_long_routing_id_is_refused),
        cmocka_unit_test(test_junk_connections_disturb_nobody),
        cmocka_unit_test(test_half_open_handshakes_cost_others_nothing),
        cmocka_unit_test(test_slow_reader_is_bounded),
        cmocka_unit_test(test_oversized_frame_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
