#ifndef COORD_OUTBOX_H
#define COORD_OUTBOX_H

/* Results until the coordinator has acknowledged them. Each goes through
 *
 *     upload its stored states (PUT / PUT_OK)  ->  RESULT  ->  wait for ACK
 *
 * and back to the start when the connection is new, or an answer stays out too
 * long. Sending anything twice does no harm: artifacts are named by content, and
 * results are fenced by (job, attempt).
 *
 * A checkpoint goes the same way, but is not acknowledged: once sent it is gone,
 * since the next one makes up for it. There is at most one of a job here.
 *
 * One upload at a time, results before checkpoints. Its first piece goes alone: the
 * answer says how much the coordinator has already, all of it if another job made the
 * same state. Then up to PROTO_CHUNK_WINDOW pieces are under way.
 *
 * It owns no socket, file or clock: the caller sends what outbox_next hands out,
 * and gives the files through outbox_files. Times: milliseconds, monotonic.
 */

#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct outbox;

/* Where the bytes of states come from. release is called once for every stored
 * state of a result or checkpoint that leaves the outbox, but for those that an
 * earlier attempt sent. */
struct outbox_files {
    void *user;
    int (*read)(void *user, const char *hash, uint64_t offset, void *data, size_t size,
                struct error *err);
    void (*release)(void *user, const char *hash);
};

enum outbox_verdict {
    OUTBOX_UNKNOWN, /* no such result here: nothing happened */
    OUTBOX_GONE,    /* delivered, or not wanted: dropped */
    OUTBOX_AGAIN,   /* states are missing: they go again, then the result */
};

struct outbox *outbox_new(const struct outbox_files *files, struct error *err);
void outbox_free(struct outbox **outbox); /* does not call release */

/* Keep a copy. -1 with ERR_INVALID when it breaks a bound of the protocol,
 * ERR_NO_MEMORY; the states then stay the caller's. A checkpoint of the job that
 * has not begun to go is dropped: the result tells more. */
int outbox_add(struct outbox *outbox, const struct msg_result *result, int64_t now_ms,
               struct error *err);

/* The same for a checkpoint, the job having none here. */
int outbox_add_checkpoint(struct outbox *outbox, const struct msg_checkpoint *checkpoint,
                          int64_t now_ms, struct error *err);
bool outbox_has_checkpoint(const struct outbox *outbox, int64_t job);

/* Nobody wants the job's checkpoint. One that has begun to go still does, so that
 * the coordinator is not left with a part of it. */
void outbox_drop_checkpoint(struct outbox *outbox, int64_t job);

/* The next message to send, if any: valid until the next call of any function.
 * Nothing is marked as sent before outbox_sent is called. */
bool outbox_next(struct outbox *outbox, int64_t now_ms, struct msg *ret);
void outbox_sent(struct outbox *outbox, int64_t now_ms);

/* What came back. */
enum outbox_verdict outbox_ack(struct outbox *outbox, const struct msg_ack *ack,
                               int64_t now_ms);
void outbox_put_ok(struct outbox *outbox, const struct msg_put_ok *put_ok,
                   int64_t now_ms);

/* The connection is new: all that is not acknowledged goes again. */
void outbox_reset(struct outbox *outbox);

/* Nobody wants this result any more. Returns whether it was here. */
bool outbox_forget(struct outbox *outbox, int64_t job, uint32_t attempt);

bool outbox_has(const struct outbox *outbox, int64_t job, uint32_t attempt);

/* Results and checkpoints; and results alone. */
size_t outbox_count(const struct outbox *outbox);
size_t outbox_results(const struct outbox *outbox);

/* Write the attempts that have results here, at most max, for HELLO and BEAT; returns
 * how many. */
uint32_t outbox_list(const struct outbox *outbox, struct msg_running *rows, uint32_t max);

/* When outbox_next may have something new by time alone; INT64_MAX: never. */
int64_t outbox_deadline(const struct outbox *outbox);

#endif
