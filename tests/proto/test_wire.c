/* Messages over real sockets: ROUTER and DEALERs, and peers that speak ZMTP by
 * hand, badly, or not at all. Every wait has a deadline. */

#include "proto/wire.h"

#include "common/clock.h"
#include "common/error.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 10000 };

struct place {
    char dir[64];
    char ipc[128];
};

static int place_make(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    snprintf(place->dir, sizeof place->dir, "/tmp/coord-wire-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->ipc, sizeof place->ipc, "ipc://%s/sock", place->dir);
    *state = place;
    return 0;
}

static int place_remove(void **state)
{
    struct place *place = *state;

    unlink(place->ipc + 6);
    assert_int_equal(rmdir(place->dir), 0);
    free(place);
    return 0;
}

static struct wire *listen_at(const char *endpoint, char real[WIRE_ENDPOINT_MAX])
{
    struct error err = {0};
    struct wire *wire = wire_listen(endpoint, real, &err);

    if (!wire)
        fail_msg("%s", err.text);
    return wire;
}

static struct wire *connect_to(const char *endpoint)
{
    struct error err = {0};
    struct wire *wire = wire_connect(endpoint, &err);

    if (!wire)
        fail_msg("%s", err.text);
    return wire;
}

/* Wait for whatever comes next: a message (1) or something malformed (-1). */
static int next_any(struct wire *wire, struct wire_peer *from, struct msg *ret,
                    struct error *err)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll item = {.wire = wire};

    for (;;) {
        int rc = wire_recv(wire, from, ret, err);
        if (rc != 0)
            return rc;
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0 || wire_poll(&item, 1, left, err) < 0)
            fail_msg("nothing arrived");
    }
}

static void next_ping(struct wire *wire, struct wire_peer *from, uint32_t version)
{
    struct error err = {0};
    struct msg msg;

    if (next_any(wire, from, &msg, &err) != 1)
        fail_msg("%s", err.text);
    assert_int_equal(msg.kind, MSG_PING);
    assert_int_equal(msg.ping.version, version);
    msg_free(&msg);
}

/* Send PING version, waiting while the DEALER has no connection yet. */
static void send_ping(struct wire *wire, const struct wire_peer *to, uint32_t version)
{
    struct msg msg = {.kind = MSG_PING, .ping = {version}};
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll item = {.wire = wire};
    struct error err = {0};

    while (wire_send(wire, to, &msg, &err)) {
        if (err.code != ERR_BUSY || clock_mono_ms() > deadline)
            fail_msg("%s", err.text);
        wire_poll(&item, 1, 5, &err);
    }
}

static void exchange(const char *endpoint)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(endpoint, real);
    struct wire *a = connect_to(real), *b = connect_to(real);
    struct wire_peer from_a, from_b;

    send_ping(a, NULL, 1);
    next_ping(router, &from_a, 1);
    send_ping(b, NULL, 2);
    next_ping(router, &from_b, 2);
    assert_false(wire_peer_equal(&from_a, &from_b));
    send_ping(router, &from_b, 4);
    send_ping(router, &from_a, 3);
    next_ping(a, NULL, 3);
    next_ping(b, &from_b, 4);
    assert_int_equal(from_b.size, 0);
    wire_free(&a);
    wire_free(&b);
    wire_free(&router);
}

static void test_exchange_over_ipc(void **state)
{
    struct place *place = *state;

    exchange(place->ipc);
    exchange(place->ipc); /* the path is free again at once */
}

static void test_exchange_over_tcp(void **state)
{
    (void)state;
    exchange("tcp://127.0.0.1:*");
}

static void test_large_messages_keep_their_order(void **state)
{
    struct place *place = *state;
    char real[WIRE_ENDPOINT_MAX], hash[33] = "0123456789abcdef0123456789abcdef";
    struct wire *router = listen_at(place->ipc, real), *dealer = connect_to(real);
    char *data = calloc(1, PROTO_CHUNK_MAX);
    struct error err = {0};
    struct msg msg;

    send_ping(dealer, NULL, 1);
    next_ping(router, NULL, 1);
    for (uint64_t i = 0; i < 40; i++) {
        memset(data, (int)i, PROTO_CHUNK_MAX);
        msg = (struct msg){.kind = MSG_PUT,
                           .put = {.hash = slice_of(hash), .size = PROTO_ARTIFACT_MAX,
                                   .offset = i, .data = {data, PROTO_CHUNK_MAX}}};
        assert_int_equal(wire_send(dealer, NULL, &msg, &err), 0);
    }
    for (uint64_t i = 0; i < 40; i++) {
        assert_int_equal(next_any(router, NULL, &msg, &err), 1);
        assert_int_equal(msg.put.offset, i);
        assert_int_equal(msg.put.data.size, PROTO_CHUNK_MAX);
        assert_int_equal(msg.put.data.data[PROTO_CHUNK_MAX - 1], (int)i);
        msg_free(&msg);
    }
    free(data);
    wire_free(&dealer);
    wire_free(&router);
}

/* ---- endpoints ------------------------------------------------------------- */

static void test_bad_endpoints(void **state)
{
    static const struct {
        const char *endpoint;
        const char *part; /* of the sentence */
    } cases[] = {
        {"", "expected tcp://HOST:PORT or ipc://PATH"},
        {"tcp://", "expected tcp://HOST:PORT"},
        {"inproc://x", "expected tcp://HOST:PORT"},
        {"udp://127.0.0.1:1", "expected tcp://HOST:PORT"},
        {"tcp://127.0.0.1", "tcp://127.0.0.1"},
        {"tcp://127.0.0.1:99999", "'99999' is not a port"},
        {"tcp://127.0.0.1:", "'' is not a port"},
        {"tcp://127.0.0.1:-1", "'-1' is not a port"},
        {"tcp://127.0.0.1:12x", "'12x' is not a port"},
        {"ipc:///no/such/folder/sock", "No such file"},
    };
    char real[WIRE_ENDPOINT_MAX], path[WIRE_ENDPOINT_MAX];
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err = (struct error){0};
        assert_null(wire_listen(cases[i].endpoint, real, &err));
        if (!strstr(err.text, cases[i].part))
            fail_msg("'%s' lacks '%s'", err.text, cases[i].part);
        assert_true(err.code == ERR_INVALID || err.code == ERR_IO);
    }
    snprintf(path, sizeof path, "ipc:///%0107d", 1);
    assert_null(wire_listen(path, real, &err));
    assert_non_null(strstr(err.text, "at most 107 bytes, this one has 108"));
    assert_null(wire_connect(path, &err));
    assert_null(wire_connect("tcp://127.0.0.1:*", &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_endpoint_in_use(void **state)
{
    struct place *place = *state;
    char real[WIRE_ENDPOINT_MAX], other[WIRE_ENDPOINT_MAX];
    struct wire *ipc = listen_at(place->ipc, real);
    struct error err = {0};

    assert_null(wire_listen(place->ipc, other, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "somebody else listens"));
    struct wire *tcp = listen_at("tcp://127.0.0.1:*", real);
    assert_null(wire_listen(real, other, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "in use"));
    wire_free(&ipc);
    wire_free(&tcp);
}

static void test_stale_socket_is_replaced_a_file_is_not(void **state)
{
    struct place *place = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct error err = {0};
    char real[WIRE_ENDPOINT_MAX];

    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", place->ipc + 6);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* as after SIGKILL: the path stays, nobody answers */
    exchange(place->ipc);

    fd = open(place->ipc + 6, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_null(wire_listen(place->ipc, real, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(access(place->ipc + 6, F_OK), 0);
}

/* ---- peers that speak by hand ---------------------------------------------- */

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
    raw_send(fd, "GET / HTTP/1.1\r\nHost: coord\r\nAccept: */*\r\nUser-Agent: "
                 "curl/8\r\nPadding: 0123456789\r\n\r\n", 82);
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

/* ---- loss ------------------------------------------------------------------ */

static void test_lost_peer_is_reported(void **state)
{
    struct place *place = *state;
    struct msg msg = {.kind = MSG_WHO};
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(place->ipc, real), *dealer = connect_to(real);
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll item = {.wire = router};
    struct wire_peer from;
    struct error err = {0};

    send_ping(dealer, NULL, 1);
    next_ping(router, &from, 1);
    wire_free(&dealer);
    while (wire_send(router, &from, &msg, &err) == 0 && clock_mono_ms() < deadline)
        wire_poll(&item, 1, 5, &err);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    from.id[0] ^= 0xff;
    assert_int_equal(wire_send(router, &from, &msg, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    wire_free(&router);
}

static void reconnects(const char *endpoint)
{
    char real[WIRE_ENDPOINT_MAX], again[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(endpoint, real), *dealer = connect_to(real);
    struct wire_peer first, second;

    send_ping(dealer, NULL, 1);
    next_ping(router, &first, 1);
    wire_free(&router);
    router = listen_at(real, again);
    assert_string_equal(real, again);

    /* What was handed over before the loss was noticed is gone, so say it until
     * it is heard, as a worker does with HELLO. */
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll item = {.wire = router};
    struct msg msg = {.kind = MSG_PING, .ping = {2}}, got;
    struct error err = {0};
    int rc = 0;
    while (rc == 0 && clock_mono_ms() < deadline) {
        wire_send(dealer, NULL, &msg, &err);
        wire_poll(&item, 1, 20, &err);
        rc = wire_recv(router, &second, &got, &err);
    }
    assert_int_equal(rc, 1);
    assert_int_equal(got.ping.version, 2);
    msg_free(&got);
    send_ping(router, &second, 3);
    next_ping(dealer, NULL, 3);
    wire_free(&dealer);
    wire_free(&router);
}

static void test_reconnects_after_restart(void **state)
{
    struct place *place = *state;

    reconnects(place->ipc);
    reconnects("tcp://127.0.0.1:*");
}

static void test_unconnected_dealer_is_busy(void **state)
{
    struct place *place = *state;
    struct msg msg = {.kind = MSG_PING, .ping = {1}};
    struct wire *dealer = connect_to(place->ipc); /* nobody there yet */
    char real[WIRE_ENDPOINT_MAX];
    struct error err = {0};

    assert_int_equal(wire_send(dealer, NULL, &msg, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    struct wire *router = listen_at(place->ipc, real);
    send_ping(dealer, NULL, 5);
    next_ping(router, NULL, 5);
    wire_free(&dealer);
    wire_free(&router);
}

/* From a DEALER only: what a DEALER has not read yet when its own connection
 * ends is dropped by libzmq (ZMQ_IMMEDIATE), so a ROUTER's last words may go. */
static void test_last_words_arrive(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
    struct wire *dealer = connect_to(real);
    struct wire_peer from;

    (void)state;
    send_ping(dealer, NULL, 1);
    next_ping(router, &from, 1);
    for (uint32_t i = 2; i < 100; i++)
        send_ping(dealer, NULL, i);
    wire_free(&dealer);
    for (uint32_t i = 2; i < 100; i++)
        next_ping(router, NULL, i);
    wire_free(&router);
}

static void test_broken_bound_sends_nothing(void **state)
{
    struct place *place = *state;
    struct msg msg = {.kind = MSG_PING, .ping = {0}};
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(place->ipc, real), *dealer = connect_to(real);
    struct wire_peer from;
    struct error err = {0};

    send_ping(dealer, NULL, 1);
    next_ping(router, &from, 1);
    assert_int_equal(wire_send(router, &from, &msg, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "PING: version: "));
    send_ping(router, &from, 9);
    next_ping(dealer, NULL, 9);
    wire_free(&dealer);
    wire_free(&router);
}

/* ---- waiting and the process ----------------------------------------------- */

static void test_poll(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at("tcp://127.0.0.1:*", real);
    struct wire *dealer = connect_to(real);
    struct wire_poll items[40];
    struct error err = {0};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 40; i++) /* more than fit the stack; -1 is passed over */
        items[i] = (struct wire_poll){.fd = i == 20 ? ends[0] : -1};
    items[39].wire = router;
    assert_int_equal(wire_poll(items, 40, 0, &err), 0);
    assert_int_equal(wire_poll(items, 3, 1, &err), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(wire_poll(items, 39, DEADLINE_MS, &err), 1);
    assert_true(items[20].readable);
    assert_false(items[39].readable);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[1]); /* the end of a pipe is something to read */
    assert_int_equal(wire_poll(items, 39, DEADLINE_MS, &err), 1);
    assert_true(items[20].readable);
    close(ends[0]);
    items[20].fd = -1;
    send_ping(dealer, NULL, 1);
    assert_int_equal(wire_poll(items, 40, DEADLINE_MS, &err), 1);
    assert_true(items[39].readable);
    wire_free(&dealer);
    wire_free(&router);
}

static void handler(int number)
{
    (void)number;
}

static void test_signals_stay_the_programs(void **state)
{
    struct sigaction mine = {.sa_handler = handler}, now;
    char real[WIRE_ENDPOINT_MAX];

    (void)state;
    sigaction(SIGTERM, &mine, NULL);
    for (int i = 0; i < 3; i++) {
        struct wire *router = listen_at("tcp://127.0.0.1:*", real);
        sigaction(SIGTERM, NULL, &now);
        assert_true(now.sa_handler == handler);
        sigaction(SIGINT, NULL, &now);
        assert_true(now.sa_handler == SIG_DFL);
        wire_free(&router);
    }
    sigaction(SIGTERM, NULL, &now);
    assert_true(now.sa_handler == handler);
    signal(SIGTERM, SIG_DFL);
}

/* A trial must not inherit the daemon's sockets: it would keep a dead daemon's
 * connections alive. */
static void test_nothing_survives_exec(void **state)
{
    struct place *place = *state;
    char real[WIRE_ENDPOINT_MAX], there[WIRE_ENDPOINT_MAX];
    bool before[1024] = {false};

    for (int fd = 0; fd < 1024; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    struct wire *ipc = listen_at(place->ipc, there);
    struct wire *tcp = listen_at("tcp://127.0.0.1:*", real);
    struct wire *a = connect_to(real), *b = connect_to(there);
    send_ping(a, NULL, 1);
    send_ping(b, NULL, 2);
    next_ping(tcp, NULL, 1);
    next_ping(ipc, NULL, 2);
    int opened = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || before[fd])
            continue;
        opened++;
        assert_true(flags & FD_CLOEXEC);
    }
    assert_true(opened >= 6);
    wire_free(&a);
    wire_free(&b);
    wire_free(&ipc);
    wire_free(&tcp);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(test_nothing_survives_exec),
        cmocka_unit_test(test_signals_stay_the_programs),
        IN_PLACE(test_exchange_over_ipc),
        cmocka_unit_test(test_exchange_over_tcp),
        IN_PLACE(test_large_messages_keep_their_order),
        cmocka_unit_test(test_bad_endpoints),
        IN_PLACE(test_endpoint_in_use),
        IN_PLACE(test_stale_socket_is_replaced_a_file_is_not),
        cmocka_unit_test(test_malformed_messages_are_reported),
        cmocka_unit_test(test_long_routing_id_is_refused),
        cmocka_unit_test(test_junk_connections_disturb_nobody),
        cmocka_unit_test(test_oversized_frame_ends_the_connection),
        IN_PLACE(test_lost_peer_is_reported),
        IN_PLACE(test_reconnects_after_restart),
        IN_PLACE(test_unconnected_dealer_is_busy),
        cmocka_unit_test(test_last_words_arrive),
        IN_PLACE(test_broken_bound_sends_nothing),
        cmocka_unit_test(test_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
