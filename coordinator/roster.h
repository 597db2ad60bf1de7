#ifndef COORD_ROSTER_H
#define COORD_ROSTER_H

/* The workers that the coordinator believes in: who they are (uuid), where a
 * message reaches them (peer), what they would take (credit), what they hold
 * (leases) and when they were last heard. It knows nothing of sockets or SQL,
 * and the clock is passed in.
 *
 * A worker process is its uuid; connections come and go. A worker without a
 * peer is one whose attempts are still waited for: after a coordinator's
 * restart, or when its connection was lost.
 *
 * Pointers to workers stay valid until roster_remove of that worker.
 */

#include "common/hash.h"
#include "common/labels.h"
#include "coordinator/lease.h"
#include "coordinator/suspicion.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct roster;

struct worker {
    char uuid[HASH_TEXT];
    char host[64];         /* for messages to people; cut if longer */
    int64_t row;           /* in table `worker` */
    struct wire_peer peer; /* size 0: not connected */
    uint32_t credit;       /* jobs it would take now */
    uint64_t given;        /* jobs assigned to it since its last HELLO */
    int64_t seen_ms;       /* monotonic */
    int64_t cut_ms;        /* its connection ended: it may come back until then; or 0 */
    bool gone;             /* a message to it failed, over this connection */
    bool draining;         /* it is to take no more: DRAIN was sent */
    bool tails;            /* it answers TAIL */
    struct lease_list leases;
    /* What its HELLO said. */
    uint32_t place; /* of its host, as store_place */
    uint32_t slots, threads;
    uint64_t memory; /* bytes for all its jobs; 0: not said */
    char labels[LABELS_TEXT];
    int64_t leaves_ms;     /* monotonic; INT64_MAX: it has no limit */
    uint32_t time_limit_s; /* of which that is left */
    bool retracts;         /* it knows RETRACT */
    /* Jobs fail there that succeed elsewhere: it gets none. */
    bool quarantined;
    struct suspicion suspicion;
    bool reserved; /* during dispatch_run: room is being made for a large job */
};

/* Workers at most: one a node of a large cluster. Finding one is a scan of up to this
 * many, 40 microseconds at the very worst. */
enum { ROSTER_MAX = 8192 };

struct roster *roster_new(struct error *err);
void roster_free(struct roster **roster);

/* The worker called uuid, added (unconnected, without credit) when it is new.
 * ERR_BUSY when the roster is full, ERR_NO_MEMORY. */
struct worker *roster_add(struct roster *roster, const char *uuid, int64_t row,
                          int64_t now_ms, struct error *err);

/* What it says of itself; it has no credit until its first BEAT. */
void roster_describe(struct worker *worker, const struct msg_hello *hello,
                     int64_t now_ms);

/* Frees the worker and its leases. */
void roster_remove(struct roster *roster, struct worker *worker);

struct worker *roster_by_uuid(struct roster *roster, const char *uuid);
struct worker *roster_by_row(struct roster *roster, int64_t row);
struct worker *roster_by_peer(struct roster *roster, const struct wire_peer *peer);

/* A worker spoke from this connection, which is its only one now; whoever had
 * the connection before is unconnected. */
void roster_connect(struct roster *roster, struct worker *worker,
                    const struct wire_peer *peer);

/* The connection is gone: no credit, but the leases run on, for the worker may
 * come back over another one. */
void roster_disconnect(struct worker *worker);

/* Whether a job could go to a worker, now that it has credit. */
typedef bool roster_takes(void *user, struct worker *worker);

/* The next connected worker with credit and room for a lease that takes it, in turn, so
 * that equal workers get equal shares; NULL when nobody would. takes may be NULL:
 * anybody. The caller takes what it hands out off its credit. */
struct worker *roster_turn(struct roster *roster, roster_takes *takes, void *user);

/* All workers, by position: roster_at(0) .. roster_at(roster_count - 1). Removing
 * one moves the last into its place, so walk backwards when removing. */
size_t roster_count(const struct roster *roster);
struct worker *roster_at(struct roster *roster, size_t index);

#endif
