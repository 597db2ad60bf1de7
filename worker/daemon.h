#ifndef COORD_DAEMON_H
#define COORD_DAEMON_H

/* The worker daemon: one loop over the socket to the coordinator, signals, and
 * the pipes of its trials. It never computes, so that a beat is never late.
 *
 *   session  when to connect, say hello, beat, give up   (pure)
 *   hand     jobs in hand: fetch, slots, results
 *   outbox   results until they are acknowledged         (pure)
 *   fetch    states that jobs need
 *
 * Trials go on while the coordinator is away, and results wait. SIGTERM or
 * SIGINT once: take nothing more, let runs save themselves and end, deliver, leave.
 * Twice: stop the trials and leave. When its time limit is near it does the same, early
 * enough to be gone by then. */

#include <stdint.h>

struct crash;
struct error;
struct wire_keys;

struct daemon_setup {
    /* Of the coordinator, "tcp://host:port". */
    const char *endpoint;
    const struct wire_keys *keys; /* NULL: an ipc endpoint */
    uint32_t slots;               /* 1..HAND_SLOTS_MAX */
    uint32_t threads;             /* per trial */
    uint32_t checkpoint_ms; /* how often runs save themselves; 0: when asked to end */
    const char *cache_dir;
    uint64_t cache_size_max; /* bytes */
    const char *data_dir;    /* "": the data sets' own folders */
    char *const *trial;      /* the trial program's argv */
    struct crash *crash;     /* where tests have it die, or NULL */
    const char *name;        /* that lists call this machine by; NULL: its host name */
    const char *labels;      /* common/labels.h; NULL: none */
    uint64_t memory;         /* bytes for all jobs; 0: not said */
    uint32_t time_limit_s;   /* until this worker must be gone; 0: no limit */
};

/* Run until told to leave: 0. -1: ERR_INVALID for a bad endpoint, ERR_REFUSED
 * when the coordinator does not take this worker or its key, ERR_IO. Blocks
 * SIGTERM, SIGINT and SIGCHLD for the whole process. */
int daemon_run(const struct daemon_setup *setup, struct error *err);

#endif
