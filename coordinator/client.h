#ifndef COORD_CLIENT_H
#define COORD_CLIENT_H

/* A client's side of one question to the coordinator: send it, again while no
 * answer comes, and wait. Requests that change something have a random name, so
 * they are carried out once, whatever is lost on the way. */

#include "proto/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

enum {
    CLIENT_UNHEARD_MS = 5000,   /* nobody answered at all: nobody is there */
    CLIENT_PATIENCE_MS = 60000, /* for somebody who answered once: a million
                                   jobs take a while to write */
};

struct client_call {
    const char *endpoint;
    const struct wire_keys *keys; /* NULL: none are needed */
    const struct msg *request;
    const char *name; /* of the request, which an ERROR repeats; "" has none */
    int64_t unheard_ms;
    /* Polled a few times a second; NULL: never. */
    bool (*should_stop)(void *user);
    /* Told of every message but ERROR: 1 that was the answer, 0 it was not, -1 with
     * err. */
    int (*take)(void *user, const struct msg *msg, struct error *err);
    void *user;
};

/* 0 when take had the answer. ERR_NOT_FOUND: nobody answered; ERR_TIMEOUT: somebody
 * did, but did not carry it out; ERR_BUSY: should_stop; else what the coordinator
 * says: ERR_INVALID for a bad request, ERR_REFUSED for another version or a key
 * that it does not take. */
int client_ask(const struct client_call *call, struct error *err);

#endif
