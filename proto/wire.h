#ifndef COORD_PROTO_WIRE_H
#define COORD_PROTO_WIRE_H

/* Messages over ZeroMQ: one ROUTER at the coordinator, DEALERs elsewhere. Only
 * wire*.c know czmq. They know the codec (msg.h) and nothing of what messages
 * mean.
 *
 * Over tcp everything is encrypted and both sides are authenticated (CURVE, with
 * a key pair each): there is no other tcp, loopback included. An ipc socket is
 * its owner's alone, by the file's permissions, and needs no keys.
 *
 * Nothing here blocks but wire_poll. "Sent" means handed to ZeroMQ, never
 * delivered: only an answer is proof. What was under way when a connection broke
 * is lost, at a DEALER also what had arrived and was not read yet. A ROUTER
 * reports peers that are gone (ROUTER_MANDATORY), and both sides connections that have
 * ended, where somebody closed them. Routing ids are ZeroMQ's own
 * and change with every connection; who a peer is, it says in HELLO. Not
 * thread-safe.
 */

#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct wire;

/* What a peer may say, by the key that it proved to have; bits. */
enum wire_role {
    WIRE_NOBODY = 0, /* the key is not on the list, or not any more */
    WIRE_WORKER = 1,
    WIRE_CLIENT = 2,
    WIRE_ANYBODY = 3, /* over ipc */
};

/* A ROUTER's name for a connection, by which two are compared. libzmq's own ids
 * have 5 bytes. */
struct wire_peer {
    uint8_t size; /* 0 at a DEALER */
    uint8_t id[15];
    uint8_t role; /* enum wire_role, when the message came; never in the message */
};

bool wire_peer_equal(const struct wire_peer *a, const struct wire_peer *b);

/* Keys are written in Z85: 40 characters, and a NUL. */
enum { WIRE_ENDPOINT_MAX = 256, WIRE_KEY_TEXT = 41 };

/* Whether the endpoint is one that needs keys. */
bool wire_needs_keys(const char *endpoint);

struct wire_keys {
    char public_key[WIRE_KEY_TEXT], secret_key[WIRE_KEY_TEXT];
    char server_key[WIRE_KEY_TEXT]; /* to connect: the coordinator's public key */
    /* A coordinator of that key was met before. Then a handshake that fails for
     * another reason than our key (a tunnel, another program at its port) is a
     * passing trouble, and not reported. */
    bool met;
};

/* Draw a pair into public_key and secret_key. ERR_IO. */
int wire_draw_keys(struct wire_keys *ret, struct error *err);

/* Whether secret_key is that of public_key, and server_key ("" is none) a key. */
bool wire_keys_fit(const struct wire_keys *keys);

/* Who may connect over tcp. Called from wire_poll and wire_recv only. */
struct wire_gate {
    struct wire_keys keys; /* the pair of the coordinator itself */
    enum wire_role (*role)(void *user, const char *public_key);
    /* Somebody came with a key that has no role; address is for people. */
    void (*refused)(void *user, const char *public_key, const char *address);
    void *user;
};

/* Bind a ROUTER. "tcp://127.0.0.1:*" takes a free port; the real endpoint is
 * written to ret_endpoint. A socket file that nobody answers at is replaced.
 * gate is borrowed; NULL is for ipc only. A process has one ROUTER with a gate.
 * ERR_INVALID for a bad endpoint (an ipc path has at most 107 bytes), ERR_IO
 * when it is in use or cannot be had, ERR_REFUSED for tcp without a gate. */
struct wire *wire_listen(const char *endpoint, const struct wire_gate *gate,
                         char ret_endpoint[WIRE_ENDPOINT_MAX], struct error *err);

/* Connect a DEALER; returns at once, the connection is made (and made again) in
 * the background. keys are copied; NULL is for ipc only (ERR_REFUSED). */
struct wire *wire_connect(const char *endpoint, const struct wire_keys *keys,
                          struct error *err);

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
 * arrived from *ret_from and was dropped (err says what). At a DEALER -1 with
 * ERR_REFUSED: the other side does not take our key, or is not the coordinator of
 * the server key; err says what to do. This wire will not connect any more. */
int wire_recv(struct wire *wire, struct wire_peer *ret_from, struct msg *ret,
              struct error *err);

/* Whether a connection has ended of which this was not said yet. At a ROUTER *ret is
 * the peer, what it sent last may still be there to be received, and once in a very
 * long while it is the wrong one: a message to it fails if it is gone. A DEALER, which
 * hears of it in wire_recv, connects again by itself. Call until false. */
bool wire_lost(struct wire *wire, struct wire_peer *ret);

/* Wait until something is readable, or a connection has ended. Each item is a wire or a
 * file descriptor. */
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
