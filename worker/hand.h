#ifndef COORD_HAND_H
#define COORD_HAND_H

/* The jobs that this worker has in hand: from ASSIGN through the fetching of
 * what they need, and a trial in a slot, to a result in the outbox. It knows
 * nothing of the connection; it does what the loop (daemon.c) tells it when
 * something has happened, and logs what became of jobs, as part of that loop.
 *
 * Times: milliseconds, monotonic.
 */

#include "proto/msg.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;
struct error;
struct fetch;
struct hand;
struct kept;
struct outbox;
struct scratch;

/* All pointers are borrowed and outlive the hand. */
struct hand_setup {
    uint32_t slots;         /* trials at once, 1..HAND_SLOTS_MAX */
    uint32_t threads;       /* per trial */
    uint32_t checkpoint_ms; /* how often runs save themselves; 0: when asked to end */
    const char *data_dir;   /* for trials; "" : the data sets' own folders */
    char *const *trial;     /* the trial program's argv */
    struct cache *cache;
    struct scratch *scratch;
    struct fetch *fetch;
    struct outbox *outbox;
};

/* With as many queued again and their results, one HELLO can list them all. */
enum { HAND_SLOTS_MAX = 256 };

struct hand *hand_new(const struct hand_setup *setup, struct error *err);
void hand_free(struct hand **hand); /* kills what runs */

/* A job was assigned. One that is in hand already, or whose result waits in the
 * outbox, is ignored; an older attempt of the same job is stopped. */
void hand_take(struct hand *hand, const struct msg_job *job, int64_t now_ms);

/* Another worker has nothing to do: hand an attempt back that waits here. Returns
 * whether it did. */
bool hand_retract(struct hand *hand, int64_t job, uint32_t attempt, int64_t now_ms);

/* Stop an attempt without a result; or, save, have it save itself and end as preempted
 * with one. Returns whether it was in hand; save: and its trial under way. */
bool hand_kill(struct hand *hand, int64_t job, uint32_t attempt, bool save,
               int64_t now_ms);

/* The oldest REPORT of a trial that was not taken yet, the caller's to free; false: there
 * is none. */
bool hand_report(struct hand *hand, struct kept *ret);

/* Whether the coordinator takes what runs save; before this is said, it does not.
 * It goes for trials that start later. */
void hand_checkpoints(struct hand *hand, bool wanted);

/* This worker leaves: runs are asked to save themselves and end, what waits and what
 * still comes is handed back, and nothing is started any more. */
void hand_leave(struct hand *hand, int64_t now_ms);

/* Stop everything without results. */
void hand_stop(struct hand *hand, int64_t now_ms);

/* See to the running trials, put the results of those that ended into the
 * outbox, start what can start. Returns whether credit or list changed. */
bool hand_turn(struct hand *hand, int64_t now_ms);

/* When hand_turn is next due by time alone; INT64_MAX: never. */
int64_t hand_deadline(const struct hand *hand);

/* Append the descriptors to watch, at most 2 per slot; returns how many. */
size_t hand_watch(const struct hand *hand, struct wire_poll *items);

/* In slots, the jobs it would take now: free ones, and as many again when trials are so
 * short that the way to the coordinator and back matters. */
uint32_t hand_credit(const struct hand *hand);

/* Jobs in hand, those being stopped included. */
size_t hand_count(const struct hand *hand);

/* The OUTPUT that answers a TAIL, borrowed until the next call of anything here; false:
 * the attempt does not run here. */
bool hand_output(const struct hand *hand, const struct msg_tail *tail, struct msg *ret);

/* Write the wanted attempts, at most max, for HELLO and BEAT; returns how many. */
uint32_t hand_list(const struct hand *hand, struct msg_running *rows, uint32_t max);

#endif
