/* Messages over real sockets: one ROUTER and its DEALERs. */

#include "proto/wire.h"

#include "common/clock.h"
#include "common/error.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/proto/talk.h"

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

static void exchange(const char *endpoint)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(endpoint, real);
    struct wire *a = connect_to(real), *b = connect_to(real);
    struct wire_peer from_a, from_b;

    send_ping_by(a, NULL, 1, router);
    next_ping(router, &from_a, 1);
    send_ping_by(b, NULL, 2, router);
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

/* Until it says that a connection has ended. */
static void next_lost(struct wire *wire, struct wire_peer *ret)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll item = {.wire = wire};
    struct error err;
    struct msg msg;

    for (;;) {
        assert_int_equal(wire_recv(wire, NULL, &msg, &err), 0);
        if (wire_lost(wire, ret))
            return;
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0 || wire_poll(&item, 1, left, &err) < 0)
            fail_msg("no connection has ended");
    }
}

static void lose(const char *endpoint)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(endpoint, real);
    struct wire *workers[4], *last;
    struct wire_peer from[4], from_last, lost;

    for (int i = 0; i < 4; i++) {
        workers[i] = connect_to(real);
        send_ping_by(workers[i], NULL, 1, router);
        next_ping(router, &from[i], 1);
    }
    assert_false(wire_lost(router, &lost));
    for (int i = 0; i < 4; i += 2) {
        wire_free(&workers[i]);
        next_lost(router, &lost);
        assert_true(wire_peer_equal(&lost, &from[i]));
        assert_false(wire_lost(router, &lost));
    }
    last = connect_to(real); /* with a descriptor of those */
    send_ping_by(last, NULL, 2, router);
    next_ping(router, &from_last, 2);
    assert_false(wire_lost(router, &lost));
    wire_free(&last);
    next_lost(router, &lost);
    assert_true(wire_peer_equal(&lost, &from_last));
    wire_free(&router);
    next_lost(workers[1], &lost);
    assert_int_equal(lost.size, 0);
    wire_free(&workers[1]);
    wire_free(&workers[3]);
}

static void test_the_end_of_a_connection_is_told(void **state)
{
    struct place *place = *state;

    lose(place->ipc);
    lose("tcp://127.0.0.1:*");
}

static void test_large_messages_keep_their_order(void **state)
{
    struct place *place = *state;
    char real[WIRE_ENDPOINT_MAX], hash[33] = "0123456789abcdef0123456789abcdef";
    struct wire *router = listen_at(place->ipc, real), *dealer = connect_to(real);
    char *data = calloc(1, PROTO_CHUNK_MAX);
    struct error err = {0};
    struct msg msg;

    send_ping_by(dealer, NULL, 1, router);
    next_ping(router, NULL, 1);
    for (uint64_t i = 0; i < 40; i++) {
        memset(data, (int)i, PROTO_CHUNK_MAX);
        msg = (struct msg){.kind = MSG_PUT,
                           .put = {.hash = slice_of(hash),
                                   .size = PROTO_ARTIFACT_MAX,
                                   .offset = i,
                                   .data = {data, PROTO_CHUNK_MAX}}};
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
        {"ipc://@abstract", "expected a path"},
        {"ipc:///no/such/folder/sock", "No such file"},
    };
    char real[WIRE_ENDPOINT_MAX], path[WIRE_ENDPOINT_MAX];
    struct error err;

    (void)state;
    talk_draw();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err = (struct error){0};
        assert_null(wire_listen(cases[i].endpoint, &talk_gate, real, &err));
        if (!strstr(err.text, cases[i].part))
            fail_msg("'%s' lacks '%s'", err.text, cases[i].part);
        assert_true(err.code == ERR_INVALID || err.code == ERR_IO);
    }
    snprintf(path, sizeof path, "ipc:///%0107d", 1);
    assert_null(wire_listen(path, NULL, real, &err));
    assert_non_null(strstr(err.text, "at most 107 bytes, this one has 108"));
    assert_null(wire_connect(path, &talk_keys, &err));
    assert_null(wire_connect("tcp://127.0.0.1:*", &talk_keys, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_endpoint_in_use(void **state)
{
    struct place *place = *state;
    char real[WIRE_ENDPOINT_MAX], other[WIRE_ENDPOINT_MAX];
    struct wire *ipc = listen_at(place->ipc, real);
    struct error err = {0};

    assert_null(wire_listen(place->ipc, NULL, other, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "somebody else listens"));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(real, sizeof real, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    assert_null(wire_listen(real, &talk_gate, other, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "in use"));
    close(fd);
    wire_free(&ipc);
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
    assert_null(wire_listen(place->ipc, NULL, real, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(access(place->ipc + 6, F_OK), 0);
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

    send_ping_by(dealer, NULL, 1, router);
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

    send_ping_by(dealer, NULL, 1, router);
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

/* Nobody listens any more once wire_free has returned: the next coordinator of
 * the same process, or another one, may begin at once. */
static void test_endpoint_is_free_at_once(void **state)
{
    struct place *place = *state;
    char ipc[WIRE_ENDPOINT_MAX], tcp[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at("tcp://127.0.0.1:*", tcp), *dealer;

    wire_free(&router);
    for (uint32_t i = 1; i < 50; i++) {
        router = listen_at(i % 2 ? tcp : place->ipc, ipc);
        dealer = connect_to(ipc);
        send_ping_by(dealer, NULL, i, router);
        next_ping(router, NULL, i);
        wire_free(&router); /* a connection is still open */
        wire_free(&dealer);
    }
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
    send_ping_by(dealer, NULL, 1, router);
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

    send_ping_by(dealer, NULL, 1, router);
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
    send_ping_by(dealer, NULL, 1, router);
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
    send_ping_by(a, NULL, 1, tcp);
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
        IN_PLACE(test_the_end_of_a_connection_is_told),
        IN_PLACE(test_large_messages_keep_their_order),
        cmocka_unit_test(test_bad_endpoints),
        IN_PLACE(test_endpoint_in_use),
        IN_PLACE(test_stale_socket_is_replaced_a_file_is_not),
        IN_PLACE(test_lost_peer_is_reported),
        IN_PLACE(test_reconnects_after_restart),
        IN_PLACE(test_endpoint_is_free_at_once),
        IN_PLACE(test_unconnected_dealer_is_busy),
        cmocka_unit_test(test_last_words_arrive),
        IN_PLACE(test_broken_bound_sends_nothing),
        cmocka_unit_test(test_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
