#ifndef COORD_TESTS_NULL_WORKER_H
#define COORD_TESTS_NULL_WORKER_H

/* A worker that computes nothing: it speaks to a real coordinator over a real socket,
 * with the sessions and outboxes of the real daemon, and makes its results up. Many of
 * them live in one process and one thread: each is a value that the caller's loop
 * turns, so that a few hundred kB stand for a node of a cluster.
 *
 * What it says of a job is a function of the job's number: four history rows and the
 * hash of a state that is not kept. It GETs and PUTs nothing, so its sweeps have runs
 * and no probes.
 *
 * A process has at most 1,023 ZeroMQ sockets, three of them a worker's over tcp, unless
 * null_worker_many was called first.
 */

#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct null_worker;

struct null_setup {
    const char *endpoint;         /* borrowed */
    const struct wire_keys *keys; /* borrowed; NULL over ipc */
    const char *uuid;             /* 32 hex digits; NULL draws them */
    uint32_t slots;               /* jobs at once, 1 .. 1024 */
    uint32_t ahead;               /* jobs that it likes to have ready besides */
    int64_t run_ms;               /* the mean length of a job, from 0 to twice that */
    bool fails;                   /* all of them, with the cause `exit` */
    bool deaf;                    /* takes jobs and never ends one */
    uint64_t seed;                /* of all chance here; 0 is 1 */
    /* A result was acknowledged, so many microseconds after it was first sent; NULL:
     * nobody wants to know. */
    void (*acked)(void *user, const struct msg_ack *ack, int64_t took_us);
    void *user;
};

/* What it has seen so far. */
struct null_count {
    uint64_t assigned, accepted, duplicate, superseded, refused;
    uint64_t killed, welcomes, whos, connects;
    bool up; /* it has been welcomed, and hears of the coordinator still */
};

/* Let this process have as many sockets as libzmq allows, before its first. */
void null_worker_many(void);

/* It connects at its first turn. NULL: ERR_NO_MEMORY. */
struct null_worker *null_worker_new(const struct null_setup *setup, struct error *err);

/* Without a word, as by SIGKILL. */
void null_worker_free(struct null_worker **worker);

/* Read what came, end jobs, send what is due. -1: ERR_REFUSED when the coordinator
 * does not take it, ERR_INVALID for a bad endpoint, ERR_IO. */
int null_worker_turn(struct null_worker *worker, struct error *err);

/* Wait at most timeout_ms until one of them has something to do, and turn those that
 * have; of a crowd each has its turn every 50 ms. -1 with the error of the first that
 * failed. */
int null_worker_turn_all(struct null_worker *const *workers, size_t count,
                         int64_t timeout_ms, struct error *err);

/* When it wants its next turn, if nothing arrives (monotonic). */
int64_t null_worker_deadline(const struct null_worker *worker);

/* NULL while it has none. */
struct wire *null_worker_wire(const struct null_worker *worker);

const struct null_count *null_worker_count(const struct null_worker *worker);
const char *null_worker_uuid(const struct null_worker *worker);

/* Jobs in hand, results that wait included. */
size_t null_worker_hand(const struct null_worker *worker);

/* "Told to leave": BYE, and its jobs are queued again. */
void null_worker_bye(struct null_worker *worker);

#endif
