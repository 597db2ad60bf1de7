#ifndef COORD_TESTS_PROTO_TALK_H
#define COORD_TESTS_PROTO_TALK_H

/* Wires that fail the test instead of returning errors, and PINGs with numbers
 * that go over them. Every wait has a deadline. Part of the test program; to be
 * included after cmocka.h. */

#include "common/clock.h"
#include "common/error.h"
#include "proto/wire.h"

#include <stdint.h>
#include <string.h>

enum { DEADLINE_MS = 10000 };

/* One pair for every coordinator of the program, one for every peer; whoever has
 * the latter may say what talk_role says. */
static struct wire_gate talk_gate;
static struct wire_keys talk_keys;
static enum wire_role talk_role = WIRE_ANYBODY;
static int talk_refused; /* how often a key was */

static inline enum wire_role talk_judge(void *user, const char *key)
{
    (void)user;
    return strcmp(key, talk_keys.public_key) == 0 ? talk_role : WIRE_NOBODY;
}

static inline void talk_refuse(void *user, const char *key, const char *address)
{
    (void)user;
    assert_int_equal(strlen(key), WIRE_KEY_TEXT - 1);
    assert_string_equal(address, "127.0.0.1");
    talk_refused++;
}

static inline void talk_draw(void)
{
    if (talk_keys.public_key[0])
        return;
    talk_gate = (struct wire_gate){.role = talk_judge, .refused = talk_refuse};
    assert_int_equal(wire_draw_keys(&talk_gate.keys, NULL), 0);
    assert_int_equal(wire_draw_keys(&talk_keys, NULL), 0);
    memcpy(talk_keys.server_key, talk_gate.keys.public_key, WIRE_KEY_TEXT);
}

static inline struct wire *listen_at(const char *endpoint, char real[WIRE_ENDPOINT_MAX])
{
    struct error err = {0};

    talk_draw();
    struct wire *wire = wire_listen(endpoint, &talk_gate, real, &err);
    if (!wire)
        fail_msg("%s", err.text);
    return wire;
}

static inline struct wire *connect_to(const char *endpoint)
{
    struct error err = {0};

    talk_draw();
    struct wire *wire = wire_connect(endpoint, &talk_keys, &err);

    if (!wire)
        fail_msg("%s", err.text);
    return wire;
}

/* Wait for whatever comes next: a message (1) or something malformed (-1). */
static inline int next_any(struct wire *wire, struct wire_peer *from, struct msg *ret,
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

static inline void next_ping(struct wire *wire, struct wire_peer *from, uint32_t version)
{
    struct error err = {0};
    struct msg msg;

    if (next_any(wire, from, &msg, &err) != 1)
        fail_msg("%s", err.text);
    assert_int_equal(msg.kind, MSG_PING);
    assert_int_equal(msg.ping.version, version);
    msg_free(&msg);
}

/* Send PING version, waiting while the DEALER has no connection yet: over tcp it
 * has none before the ROUTER, which other is, has looked at its key. */
static inline void send_ping_by(struct wire *wire, const struct wire_peer *to,
                                uint32_t version, struct wire *other)
{
    struct msg msg = {.kind = MSG_PING, .ping = {version}};
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll items[] = {{.wire = wire}, {.wire = other}};
    struct error err = {0};

    while (wire_send(wire, to, &msg, &err)) {
        if (err.code != ERR_BUSY || clock_mono_ms() > deadline)
            fail_msg("%s", err.text);
        wire_poll(items, other ? 2 : 1, 5, &err);
    }
}

static inline void send_ping(struct wire *wire, const struct wire_peer *to,
                             uint32_t version)
{
    send_ping_by(wire, to, version, NULL);
}

#endif
