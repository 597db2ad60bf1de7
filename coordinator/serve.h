#ifndef COORD_SERVE_H
#define COORD_SERVE_H

/* The coordinator's process: the core (core.h) with a socket, a database, a
 * clock and signals. */

#include <stdbool.h>
#include <stdint.h>

struct crash;
struct error;

enum {
    SERVE_LEASE_MS = 6000, /* three beats: one may be lost, one may be late */
    SERVE_BEAT_MS = 2000,
    SERVE_LOG_MB = 16,
};

struct serve_setup {
    const char *dir;  /* the state directory, which exists */
    const char *bind; /* endpoint; "tcp://127.0.0.1:*" takes a free port */
    uint32_t lease_ms, beat_ms;
    bool full;            /* commits survive a power cut (store_set_full) */
    int64_t log_size_max; /* bytes of write-ahead log that are not copied back yet */
    struct crash *crash;  /* where tests have it die, or NULL */
};

/* Over tcp only those may connect who have a key on the list in DIR/keys
 * (keyring.h); at the first start the keys are made, with one for workers and one
 * for clients, and stderr says how to use them.
 *
 * Serve until SIGTERM or SIGINT; then nothing more is handed out, what is done
 * is committed, and workers are told nothing: they keep computing and deliver to
 * the next coordinator. Logs to stderr, one line when ready.
 *
 * DIR/lock is held, DIR/endpoint has the endpoint while it serves. */
int serve_run(const struct serve_setup *setup, struct error *err);

#endif
