/* Peers that speak ZMTP by hand, badly, or not at all: what is wrong is reported,
 * and nobody else notices. */

#include "proto/wire.h"

#include "common/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/proto/talk.h"

static int raw_connect(const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = DEADLINE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void raw_send(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* ZMTP 3.0 with the NULL mechanism (rfc.zeromq.org/spec/23): greetings, then
 * READY both ways. Only then may messages follow: what comes with the READY can
 * lie in libzmq's buffer until more arrives. */
static void raw_greet(int fd, const char *ready, size_t size)
{
    char greeting[64] = {0}, theirs[255];

    greeting[0] = (char)0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    memcpy(greeting + 12, "NULL", 4);
    raw_send(fd, greeting, sizeof greeting);
    assert_int_equal(recv(fd, theirs, sizeof greeting, MSG_WAITALL), 64);
    raw_send(fd, ready, size);
    assert_int_equal(recv(fd, theirs, 2, MSG_WAITALL), 2);
    size_t left = (unsigned char)theirs[1];
    assert_int_equal(recv(fd, theirs, left, MSG_WAITALL), left);
}

/* A connection that has greeted as a DEALER without a routing id. */
static int raw_dealer(const char *endpoint)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    int fd = raw_connect(endpoint);

    raw_greet(fd, ready, sizeof ready - 1);
    return fd;
}

static void raw_frame(int fd, bool more, const void *bytes, size_t size)
{
    char head[2] = {(char)more, (char)size};

    assert_true(size < 256);
    raw_send(fd, head, sizeof head);
    raw_send(fd, bytes, size);
}

/* The other side has hung up: reading meets the end within the deadline. */
static void raw_expect_end(int fd)
{
    char bytes[256];
    ssize_t count;

    do
        count = recv(fd, bytes, sizeof bytes, 0);
    while (count > 0);
    assert_true(count == 0 || errno == ECONNRESET);
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
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
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
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
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
    send_ping(dealer, NULL, 1);
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
    /* Some junk passes for messages of ZMTP 1: reported, then forgotten. */
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

static void test_oversized_frame_ends_the_connection(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_messages_are_reported),
        cmocka_unit_test(test_long_routing_id_is_refused),
        cmocka_unit_test(test_junk_connections_disturb_nobody),
        cmocka_unit_test(test_oversized_frame_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
