#ifndef COORD_LEASE_H
#define COORD_LEASE_H

/* A lease is a worker's claim on one attempt until a deadline. A list holds the
 * leases of one worker and answers a single question, "whose time is up?". It
 * knows nothing of sockets or SQL: the caller decides what expiry means and
 * passes the clock in, so a test can make an hour pass in a microsecond.
 *
 * A sign of life renews every lease that the worker has not left out of its
 * last list. One that it left out is in doubt: it may be an assignment still
 * under way, so it keeps its deadline, but only being listed renews it.
 *
 * Times are milliseconds on the monotonic clock. A zeroed list is empty.
 */

#include "proto/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct lease {
    int64_t job;
    uint32_t attempt;
    int32_t priority; /* of the job and */
    size_t sweep;     /* its sweep: for its way back into the queue */
    int64_t deadline_ms;
    bool doubted;    /* the worker's last list did not have it */
    bool inherited;  /* of the coordinator before, and not listed since */
    uint32_t slots;  /* of the worker that it takes; 0 is 1 */
    uint64_t memory; /* bytes that it may have */
    bool probe;
    /* The worker listed it as not started: the deadline that this gave it, so that it is
     * known for how long; 0: it runs, or was not listed yet. */
    int64_t waits_ms;
    bool asked; /* for its return: RETRACT was sent */
};

/* Unordered. A worker has PROTO_RUNNING_MAX (1024) at most and a few dozen in
 * practice, so a scan costs less than an index we would have to keep true. */
struct lease_list {
    struct lease *items;
    size_t count, room;
};

void lease_free(struct lease_list *list);

/* Add a lease; the pair (job, attempt) is not in the list. ERR_BUSY when the
 * list is full, ERR_NO_MEMORY; the list is then unchanged. */
int lease_grant(struct lease_list *list, struct lease lease, struct error *err);

/* NULL when there is none; valid until the list changes. */
struct lease *lease_find(struct lease_list *list, int64_t job, uint32_t attempt);

/* Forget one, as when its result is committed. Returns whether it was there. */
bool lease_drop(struct lease_list *list, int64_t job, uint32_t attempt);

/* A sign of life: leases not in doubt now end at deadline_ms. */
void lease_renew(struct lease_list *list, int64_t deadline_ms);

/* The worker said what it has in hand: those leases end at deadline_ms, all
 * others are in doubt. Returns how many slots those take. */
size_t lease_listed(struct lease_list *list, const struct msg_running *running,
                    size_t count, int64_t deadline_ms);

/* Take out one that the coordinator before had handed out, and that the worker's first
 * list here did not have: it is on no way. Call until false. */
bool lease_take_missing(struct lease_list *list, struct lease *ret);

/* The coordinator itself was away for gap_ms: nobody's time passed. */
void lease_extend(struct lease_list *list, int64_t gap_ms);

/* Take out one lease whose deadline is at or before now_ms. Returns false,
 * leaving *ret alone, when none has expired. Call until false. */
bool lease_take_expired(struct lease_list *list, int64_t now_ms, struct lease *ret);

/* The earliest deadline; INT64_MAX without a lease. */
int64_t lease_first_end(const struct lease_list *list);

/* Take out any lease; false when there is none. */
bool lease_take(struct lease_list *list, struct lease *ret);

#endif
