#ifndef COORD_PROTO_WIRE_H
#define COORD_PROTO_WIRE_H

/* Messages over ZeroMQ: one ROUTER at the coordinator, DEALERs elsewhere. The
 * only file that knows czmq is wire.c. It knows the codec (msg.h) and nothing
 * of what messages mean.
 *
 * Nothing here blocks but wire_poll. "Sent" means handed to ZeroMQ, never
 * delivered: only an answer is proof. What was under way when a connection broke
 * is lost, at a DEALER also what had arrived and was not read yet. A ROUTER
 * reports peers that are gone (ROUTER_MANDATORY). Routing ids are ZeroMQ's own
 * and change with every connection; who a peer is, it says in HELLO. Not
 * thread-safe.
 */

#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct wire;

/* A ROUTER's name for a connection. libzmq's own ids have 5 bytes. */
struct wire_peer {
    uint8_t size; /* 0 at a DEALER */
    uint8_t id[15];
};

bool wire_peer_equal(const struct wire_peer *a, const struct wire_peer *b);

enum { WIRE_ENDPOINT_MAX = 256 };

/* Bind a ROUTER. "tcp://127.0.0.1:*" takes a free port; the real endpoint is
 * written to ret_endpoint. A socket file that nobody answers at is replaced.
 * ERR_INVALID for a bad endpoint (an ipc path has at most 107 bytes), ERR_IO
 * when it is in use or cannot be had. */
struct wire *wire_listen(const char *endpoint, char ret_endpoint[WIRE_ENDPOINT_MAX],
                         struct error *err);

/* Connect a DEALER; returns at once, the connection is made (and made again) in
 * the background. */
struct wire *wire_connect(const char *endpoint, struct error *err);

/* Returns at once at a DEALER, and when nobody listens any more at a ROUTER.
 * What was sent has one more second to leave, also while the process exits; so
 * leave by exit(), not by _exit(). A child of fork() must exec or _exit: all
 * sockets are closed on exec. */
void wire_free(struct wire **wire);

/* Hand one message over. `to` is NULL at a DEALER. ERR_NOT_FOUND: the peer is
 * gone; ERR_BUSY: no room (or a DEALER that is not connected); ERR_INVALID: the
 * message breaks a bound. On failure nothing was sent. */
int wire_send(struct wire *wire, const struct wire_peer *to, const struct msg *msg,
              struct error *err);

/* The same for a message that msg_encode has made already. */
int wire_send_bytes(struct wire *wire, const struct wire_peer *to, const void *bytes,
                    size_t size, struct error *err);

/* Take one message if there is one: 1 and *ret filled (the caller calls
 * msg_free before the next wire_recv), 0 nothing there, -1 something malformed
 * arrived from *ret_from and was dropped (err says what). */
int wire_recv(struct wire *wire, struct wire_peer *ret_from, struct msg *ret,
              struct error *err);

/* Wait until something is readable. Each item is a wire or a file descriptor. */
struct wire_poll {
    struct wire *wire; /* or NULL */
    int fd;            /* used when wire is NULL */
    bool readable;     /* set by wire_poll */
};

/* timeout_ms < 0: for ever. Returns how many are readable, 0 at the timeout or
 * when a signal came, -1 with ERR_IO. */
int wire_poll(struct wire_poll *items, size_t count, int64_t timeout_ms,
              struct error *err);

#endif
