#ifndef COORD_TAIL_H
#define COORD_TAIL_H

/* Who waits for what a running attempt has printed: a client's TAIL goes on to the worker
 * that has the attempt, and the OUTPUT that comes back to those who asked. In memory
 * only, bounded, and nobody waits for it: questions that are not answered are forgotten.
 * A zeroed list is empty. Times: milliseconds, monotonic. */

#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TAIL_MAX = 64,       /* questions under way */
    TAIL_WAIT_MS = 5000, /* an answer that comes later goes nowhere */
};

struct tail_asked {
    struct wire_peer peer; /* size 0: the place is free */
    int64_t job;
    uint32_t attempt;
    uint64_t from;
    int64_t until_ms;
};

struct tail_list {
    struct tail_asked asked[TAIL_MAX];
};

/* Note a question. Returns whether it is to go on to the worker: not when the same peer
 * still waits for an answer about this attempt, or too many wait. */
bool tail_ask(struct tail_list *list, const struct wire_peer *peer,
              const struct msg_tail *tail, int64_t now_ms);

/* Take out one who asked what this answers; false: nobody does any more. */
bool tail_answer(struct tail_list *list, const struct msg_output *output, int64_t now_ms,
                 struct wire_peer *ret);

/* --- for handle.c ----------------------------------------------------------- */

struct core;
struct error;
struct msg;
struct worker;

/* A client's TAIL, to the worker that has the attempt, if it answers such. */
int tail_pass_on(struct core *core, const struct wire_peer *from, const struct msg *msg,
                 struct error *err);

/* A worker's OUTPUT, to those who wait for it; of others' attempts it has nothing to
 * say. */
int tail_pass_back(struct core *core, struct worker *worker, const struct msg *msg,
                   struct error *err);

#endif
