#ifndef COORD_TESTS_PROTO_RAWPEER_H
#define COORD_TESTS_PROTO_RAWPEER_H

/* Peers that speak ZMTP by hand over a plain socket. Part of the test program; to be
 * included after talk.h. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static inline int raw_connect(const char *endpoint)
{
    struct sockaddr_in tcp = {.sin_family = AF_INET};
    struct sockaddr_un ipc = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = DEADLINE_MS / 1000};
    bool local = !wire_needs_keys(endpoint);
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    tcp.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(ipc.sun_path, sizeof ipc.sun_path, "%.100s", endpoint + 6);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (local)
        assert_int_equal(connect(fd, (struct sockaddr *)&ipc, sizeof ipc), 0);
    else
        assert_int_equal(connect(fd, (struct sockaddr *)&tcp, sizeof tcp), 0);
    return fd;
}

static inline void raw_send(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* The greeting of ZMTP 3.0 with the NULL mechanism, that is in the clear. */
static inline void raw_say_null(int fd)
{
    char greeting[64] = {0};

    greeting[0] = (char)0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    memcpy(greeting + 12, "NULL", 4);
    raw_send(fd, greeting, sizeof greeting);
}

/* The handshake of that (rfc.zeromq.org/spec/23): greetings, then
 * READY both ways. Only then may messages follow: what comes with the READY can
 * lie in libzmq's buffer until more arrives. */
static inline void raw_greet(int fd, const char *ready, size_t size)
{
    char theirs[255];

    raw_say_null(fd);
    assert_int_equal(recv(fd, theirs, 64, MSG_WAITALL), 64);
    raw_send(fd, ready, size);
    assert_int_equal(recv(fd, theirs, 2, MSG_WAITALL), 2);
    size_t left = (unsigned char)theirs[1];
    assert_int_equal(recv(fd, theirs, left, MSG_WAITALL), left);
}

/* A connection that has greeted as a DEALER without a routing id. */
static inline int raw_dealer(const char *endpoint)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    int fd = raw_connect(endpoint);

    raw_greet(fd, ready, sizeof ready - 1);
    return fd;
}

static inline void raw_frame(int fd, bool more, const void *bytes, size_t size)
{
    char head[2] = {(char)more, (char)size};

    assert_true(size < 256);
    raw_send(fd, head, sizeof head);
    raw_send(fd, bytes, size);
}

/* The other side has hung up: reading meets the end within the deadline. */
static inline void raw_expect_end(int fd)
{
    char bytes[256];
    ssize_t count;

    do
        count = recv(fd, bytes, sizeof bytes, 0);
    while (count > 0);
    assert_true(count == 0 || errno == ECONNRESET);
}

#endif
