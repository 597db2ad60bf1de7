/* Who is let in over tcp, and what those hear who are not. Loopback only. */

#include "proto/wire.h"

#include "common/error.h"
#include "common/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/proto/talk.h"

#include "tests/proto/rawpeer.h"

static const char ANY_PORT[] = "tcp://127.0.0.1:*";

static struct wire *connect_with(const char *endpoint, const struct wire_keys *keys)
{
    struct error err = {0};
    struct wire *wire = wire_connect(endpoint, keys, &err);

    if (!wire)
        fail_msg("%s", err.text);
    return wire;
}

/* Keys of somebody whom the list does not have. */
static struct wire_keys strangers_keys(void)
{
    struct wire_keys keys = talk_keys;

    assert_int_equal(wire_draw_keys(&keys, NULL), 0);
    return keys;
}

/* Until the dealer is told that it is refused: a sentence with `part` in it. The
 * router, if any, does its business meanwhile and hears nothing. */
static void expect_refusal(struct wire *dealer, struct wire *router, const char *part)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll items[] = {{.wire = dealer}, {.wire = router}};
    struct error err = {0};
    struct msg msg;
    int rc = 0;

    while (rc == 0 && clock_mono_ms() < deadline) {
        assert_true(wire_poll(items, router ? 2 : 1, 100, &err) >= 0);
        if (router)
            assert_int_equal(wire_recv(router, NULL, &msg, &err), 0);
        rc = wire_recv(dealer, NULL, &msg, &err);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_REFUSED);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
}

static void still_works(struct wire *dealer, struct wire *router, uint32_t number)
{
    send_ping_by(dealer, NULL, number, router);
    next_ping(router, NULL, number);
}

static void a_listed_key_is_let_in_with_its_role(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ANY_PORT, real);
    struct wire *dealer = connect_to(real);
    struct wire_peer from;

    (void)state;
    talk_role = WIRE_WORKER;
    send_ping_by(dealer, NULL, 1, router);
    next_ping(router, &from, 1);
    assert_int_equal(from.role, WIRE_WORKER);
    /* The list decides, at every message. */
    talk_role = WIRE_CLIENT;
    send_ping(dealer, NULL, 2);
    next_ping(router, &from, 2);
    assert_int_equal(from.role, WIRE_CLIENT);
    talk_role = WIRE_NOBODY; /* revoked while it is connected */
    send_ping(dealer, NULL, 3);
    next_ping(router, &from, 3);
    assert_int_equal(from.role, WIRE_NOBODY);
    talk_role = WIRE_ANYBODY;
    wire_free(&dealer);
    wire_free(&router);
}

static void t10_wrong_key_is_told_so(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ANY_PORT, real);
    struct wire *friend = connect_to(real);
    struct wire_keys keys = strangers_keys();
    struct wire *dealer = connect_with(real, &keys);

    (void)state;
    talk_refused = 0;
    still_works(friend, router, 1);
    expect_refusal(dealer, router, "refuses this key");
    assert_true(talk_refused > 0);
    still_works(friend, router, 2);
    wire_free(&dealer);
    wire_free(&friend);
    wire_free(&router);
}

static void revoked_key_cannot_come_back(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ANY_PORT, real);
    struct wire *dealer = connect_to(real);

    (void)state;
    still_works(dealer, router, 1);
    wire_free(&dealer);
    talk_role = WIRE_NOBODY;
    dealer = connect_to(real);
    expect_refusal(dealer, router, "was revoked");
    wire_free(&dealer);
    talk_role = WIRE_ANYBODY; /* and added again, it can */
    dealer = connect_to(real);
    still_works(dealer, router, 2);
    wire_free(&dealer);
    wire_free(&router);
}

static void t10_wrong_server_key_is_told_so(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ANY_PORT, real);
    struct wire_keys keys = talk_keys, other = strangers_keys();

    (void)state;
    memcpy(keys.server_key, other.public_key, WIRE_KEY_TEXT);
    struct wire *dealer = connect_with(real, &keys);
    expect_refusal(dealer, router, "does not have the coordinator key");
    wire_free(&dealer);
    wire_free(&router);
}

static void t10_plain_peer_is_put_out(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ANY_PORT, real);
    struct wire *friend = connect_to(real);
    struct msg msg;
    int fd;

    (void)state;
    still_works(friend, router, 1);
    fd = raw_connect(real);
    raw_say_null(fd);
    raw_expect_end(fd);
    close(fd);
    assert_int_equal(wire_recv(router, NULL, &msg, NULL), 0);
    still_works(friend, router, 2);
    wire_free(&friend);
    wire_free(&router);
}

/* A server in the clear, by hand: the peer must not speak to it. */
static void plain_server_is_refused(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
    char real[WIRE_ENDPOINT_MAX];

    (void)state;
    talk_draw();
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(real, sizeof real, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    struct wire *dealer = connect_to(real);
    peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    raw_say_null(peer);
    expect_refusal(dealer, NULL, "does not encrypt");
    wire_free(&dealer);
    close(peer);
    close(fd);
}

static void tcp_without_keys_is_refused(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct error err = {0};

    (void)state;
    assert_null(wire_listen(ANY_PORT, NULL, real, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_null(wire_connect("tcp://127.0.0.1:9", NULL, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "needs keys"));
}

/* Twice as much as has a place in libzmq's backlog would be no test of us. */
enum { HALF_OPEN = 1000 };

static void t10_junk_and_1000_half_open_handshakes(void **state)
{
    static int fds[HALF_OPEN];
    char real[WIRE_ENDPOINT_MAX], junk[4096];
    struct wire *router, *friend, *late;
    struct msg msg;

    (void)state;
    file_raise_limit();
    router = listen_at(ANY_PORT, real);
    friend = connect_to(real);
    still_works(friend, router, 1);
    for (int i = 0; i < HALF_OPEN; i++) { /* from nothing to half a greeting */
        fds[i] = raw_connect(real);
        raw_send(fds[i], "\xff\0\0\0\0\0\0\0\0\x7f\x03", (size_t)(i % 12));
    }
    for (unsigned i = 0; i < 20; i++) {
        int fd = raw_connect(real);
        memset(junk, (int)(i * 37 + 1), sizeof junk);
        send(fd, junk, sizeof junk, MSG_NOSIGNAL);
        close(fd);
    }
    int http = raw_connect(real);
    raw_send(http, "GET / HTTP/1.1\r\nHost: coord\r\nAccept: */*\r\n\r\n", 44);
    raw_expect_end(http);
    close(http);
    for (uint32_t i = 2; i < 20; i++)
        still_works(friend, router, i);
    late = connect_to(real); /* newcomers are let in all the while */
    still_works(late, router, 20);
    assert_int_equal(wire_recv(router, NULL, &msg, NULL), 0);
    for (int i = 0; i < HALF_OPEN; i++)
        close(fds[i]);
    wire_free(&late);
    wire_free(&friend);
    wire_free(&router);
}

static void one_gate_in_a_process(void **state)
{
    char real[WIRE_ENDPOINT_MAX];
    struct wire *router = listen_at(ANY_PORT, real);
    struct error err = {0};

    (void)state;
    assert_null(wire_listen(ANY_PORT, &talk_gate, real, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "one listener a process"));
    wire_free(&router);
}

static void an_ipc_socket_is_its_owners_alone(void **state)
{
    char dir[] = "/tmp/coord-keys-XXXXXX", ipc[64], real[WIRE_ENDPOINT_MAX];
    struct wire_peer from;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(ipc, sizeof ipc, "ipc://%s/sock", dir);
    struct wire *router = listen_at(ipc, real), *dealer = connect_to(ipc);
    assert_int_equal(stat(ipc + 6, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    send_ping(dealer, NULL, 1);
    next_ping(router, &from, 1);
    assert_int_equal(from.role, WIRE_ANYBODY);
    wire_free(&dealer);
    wire_free(&router);
    assert_int_equal(rmdir(dir), 0);
}

static void keys_that_do_not_fit_are_noticed(void **state)
{
    struct wire_keys keys = {0}, other;

    (void)state;
    assert_false(wire_keys_fit(&keys));
    assert_int_equal(wire_draw_keys(&keys, NULL), 0);
    assert_true(wire_keys_fit(&keys));
    assert_int_equal(wire_draw_keys(&other, NULL), 0);
    memcpy(keys.server_key, other.public_key, WIRE_KEY_TEXT);
    assert_true(wire_keys_fit(&keys));
    keys.server_key[3] = '\0';
    assert_false(wire_keys_fit(&keys));
    keys = other;
    keys.public_key[0] = keys.public_key[0] == 'a' ? 'b' : 'a';
    assert_false(wire_keys_fit(&keys));
    keys = other;
    memset(keys.secret_key, '#', WIRE_KEY_TEXT - 1); /* too large a number */
    assert_false(wire_keys_fit(&keys));
    keys = other;
    keys.secret_key[5] = ' ';
    assert_false(wire_keys_fit(&keys));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listed_key_is_let_in_with_its_role),
        cmocka_unit_test(t10_wrong_key_is_told_so),
        cmocka_unit_test(revoked_key_cannot_come_back),
        cmocka_unit_test(t10_wrong_server_key_is_told_so),
        cmocka_unit_test(t10_plain_peer_is_put_out),
        cmocka_unit_test(plain_server_is_refused),
        cmocka_unit_test(tcp_without_keys_is_refused),
        cmocka_unit_test(t10_junk_and_1000_half_open_handshakes),
        cmocka_unit_test(one_gate_in_a_process),
        cmocka_unit_test(an_ipc_socket_is_its_owners_alone),
        cmocka_unit_test(keys_that_do_not_fit_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
