#ifndef COORD_SLOT_H
#define COORD_SLOT_H

/* One trial in a child process, from its start to its result. The child gets
 * START on one descriptor and answers on another, its output is kept up to a
 * bound (the newest), its time is limited, and whatever way it ends there is a
 * result: its own, or one that says how it died.
 *
 * The child is a process group of its own, dies with this process, and holds no
 * descriptor but its own five. SIGTERM asks it to save its run and end; one that
 * is to go gets SIGKILL.
 *
 * It knows nothing of sockets, and waits for nothing: the caller's loop calls
 * slot_turn when a descriptor of slot_fds is readable, when SIGCHLD came, and at
 * slot_deadline. Times: milliseconds, monotonic.
 */

#include "proto/msg.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct kept;
struct slot;

enum {
    /* From the end of its messages to its own: nothing is left to do. */
    SLOT_GRACE_MS = 5000,
    /* To end the step, or the path, that it is at: a step of a large network takes
     * half a minute. */
    SLOT_SAVE_MS = 60 * 1000,
};

/* Why a slot is stopped, the later ones overruling the earlier: asked to save itself
 * and end, which makes its end preempted; out of time; or nobody wants a result. */
enum slot_stop {
    SLOT_STOP_NONE,
    SLOT_STOP_SAVE,
    SLOT_STOP_TIMEOUT,
    SLOT_STOP_UNWANTED,
};

/* Start program argv[0] (a path) with a START message, of which all is copied.
 * start->job.time_limit_s counts from now_ms. NULL with ERR_IO, ERR_NO_MEMORY,
 * ERR_INVALID (the message breaks a bound). */
struct slot *slot_start(char *const argv[], const struct msg_start *start, int64_t now_ms,
                        struct error *err);

/* Kills the child (SIGKILL, and waits for its end) if it is still there. */
void slot_free(struct slot **slot);

int64_t slot_job(const struct slot *slot);
uint32_t slot_attempt(const struct slot *slot);

/* Descriptors to watch: at most two; -1 where one is closed. */
void slot_fds(const struct slot *slot, int ret_fds[2]);

/* Read what there is, enforce deadlines, notice the end. Returns true once the
 * child is gone: then slot_result is the result. */
bool slot_turn(struct slot *slot, int64_t now_ms);

/* When slot_turn is next due by time alone; INT64_MAX: never. */
int64_t slot_deadline(const struct slot *slot);

/* Progress as last heard; 0 of 0 before. */
struct msg_progress slot_progress(const struct slot *slot);

/* What the child has printed, at most PROTO_LOG_MAX bytes from a place of its output on;
 * *ret_from is larger when that is not kept any more. Borrowed until the next call of
 * anything here. */
struct slice slot_output(const struct slot *slot, uint64_t from, uint64_t *ret_from);

/* The newest CHECKPOINT since the last call, the caller's to free with kept_free;
 * false: none. Its files lie in the trial's folder. */
bool slot_take_checkpoint(struct slot *slot, struct kept *ret);

/* The oldest REPORT that was not taken yet, as slot_take_checkpoint. Those of a caller
 * that takes none for long are lost. */
bool slot_take_report(struct slot *slot, struct kept *ret);

/* Make the child end. */
void slot_stop(struct slot *slot, enum slot_stop why, int64_t now_ms);

/* Whether it was stopped because nobody wants its result. */
bool slot_unwanted(const struct slot *slot);

/* After slot_turn returned true: borrowed from the slot, until slot_free. */
const struct msg_result *slot_result(const struct slot *slot);

#endif
