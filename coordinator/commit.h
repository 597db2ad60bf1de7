#ifndef COORD_COMMIT_H
#define COORD_COMMIT_H

/* Nothing is said before it is true: replies that promise something are held
 * until the COMMIT of the batch that makes them true, and then sent. When the
 * COMMIT fails they are dropped, and whoever waits for one asks again.
 *
 * It knows neither database nor sockets: both are callbacks.
 */

#include "proto/wire.h"

#include <stddef.h>

struct commit;
struct error;

struct commit_sink {
    int (*commit)(void *user, struct error *err);
    /* One encoded message for a peer. What a failure to send means is the
     * callback's business: a reply is never proof of anything anyway. */
    void (*send)(void *user, const struct wire_peer *to, const void *bytes, size_t size);
    void *user;
};

struct commit *commit_new(struct commit_sink sink, struct error *err);
void commit_free(struct commit **commit);

/* Keep a reply until commit_flush. The message is copied (as its encoding).
 * ERR_INVALID when it breaks a bound, ERR_NO_MEMORY. */
int commit_hold(struct commit *commit, const struct wire_peer *to, const struct msg *msg,
                struct error *err);

/* Send a reply that promises nothing about the database, at once. */
int commit_send(struct commit *commit, const struct wire_peer *to, const struct msg *msg,
                struct error *err);

/* COMMIT, then send what was held, in order. -1 when the COMMIT failed: the
 * replies are dropped and the caller rolls back. */
int commit_flush(struct commit *commit, struct error *err);

/* Drop what is held. */
void commit_drop(struct commit *commit);

size_t commit_held(const struct commit *commit);

#endif
