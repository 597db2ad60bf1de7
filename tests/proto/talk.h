#ifndef COORD_TESTS_PROTO_TALK_H
#define COORD_TESTS_PROTO_TALK_H

/* Wires that fail the test instead of returning errors, and PINGs with numbers
 * that go over them. Every wait has a deadline. Part of the test program; to be
 * included after cmocka.h. */

#include "common/clock.h"
#include "common/error.h"
#include "proto/wire.h"

#include <stdint.h>

enum { DEADLINE_MS = 10000 };

static inline struct wire *listen_at(const char *endpoint, char real[WIRE_ENDPOINT_MAX])
{
    struct error err = {0};
    struct wire *wire = wire_listen(endpoint, real, &err);

    if (!wire)
        fail_msg("%s", err.text);
    return wire;
}

static inline struct wire *connect_to(const char *endpoint)
{
    struct error err = {0};
    struct wire *wire = wire_connect(endpoint, &err);

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

/* Send PING version, waiting while the DEALER has no connection yet. */
static inline void send_ping(struct wire *wire, const struct wire_peer *to,
                             uint32_t version)
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

#endif
