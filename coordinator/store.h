#ifndef COORD_STORE_H
#define COORD_STORE_H

/* The database: what is known, asked for, running and found. Only store*.c know
 * sqlite3. One connection writes and checkpoints (the coordinator's); all others
 * are read-only. Every change happens inside a batch, and the caller says
 * nothing to anybody about a change before store_commit has returned 0.
 *
 * Job states change only through this file, by common/jobstate.h, each with its
 * row in `event`. Times are wall-clock milliseconds, given by the caller.
 *
 * All functions that can fail return 0 / -1 with err; after a failure inside a
 * batch the caller rolls back (store_rollback) and treats the batch's requests
 * as not done.
 */

#include "common/hash.h"
#include "common/jobstate.h"
#include "coordinator/needs.h"
#include "coordinator/plan.h"
#include "proto/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash;
struct error;
struct store;

enum { STORE_SCHEMA = 7, STORE_APPLICATION_ID = 0x436f7264 }; /* "Cord" */

/* Open (and create, and migrate forward) the database for writing, or read-only.
 * ERR_IO; ERR_REFUSED if the file is not ours, of a newer schema, or on a network
 * file system; ERR_BUSY if another process has it open for writing (a lock on
 * PATH-lock, which ends with the process); ERR_NOT_FOUND if there is no such
 * directory or, read-only, no file (or one still empty). */
struct store *store_open(const char *path, bool writing, struct error *err);
void store_close(struct store **store);

/* What a COMMIT survives from now on. Either way no commit is torn, and SIGKILL of
 * this process loses none. full: each is flushed to the disk, so that none is lost to
 * a power cut either; else the last ones may be, those since the last checkpoint. */
int store_set_full(struct store *store, bool full, struct error *err);

/* Where to die, for tests (common/crash.h); borrowed. */
void store_set_crash(struct store *store, struct crash *crash);

int store_begin(struct store *store, struct error *err); /* no-op if begun */
int store_commit(struct store *store, struct error *err);
void store_rollback(struct store *store);
bool store_in_batch(const struct store *store);

/* Truncate the write-ahead log when it has grown past size_bytes_max; at quiet
 * times, outside a batch. It never waits: while somebody reads who began before, the
 * log stays as long as it is. */
int store_checkpoint(struct store *store, int64_t size_bytes_max, struct error *err);

/* Bytes of the write-ahead log; and a process that reads, and so keeps it from being
 * cut, or 0. */
int64_t store_log_size(const struct store *store);
int64_t store_log_reader(const struct store *store);

/* --- submit ------------------------------------------------------------- */

struct store_ready;

struct store_submitted {
    int64_t sweep;
    uint64_t jobs;  /* of the plan */
    uint64_t added; /* that did not exist before */
    uint64_t rerun; /* that there were, and run again */
    bool known;     /* this request was carried out before; the figures are its */
    bool changes;   /* jobs that there were: what they need, or their state */
    char name[128]; /* of the sweep: more than a grid may have */
};

/* What a request came to that was carried out before: 1; 0 for another; -1. */
int store_submitted(struct store *store, const char *request, struct store_submitted *ret,
                    struct error *err);

/* Write a plan: the sweep (one per name; the latest grid text is kept), its new
 * jobs, parameters, needs, and the view runs_<name>. request makes it idempotent.
 * ready, unless NULL, is told of each new job that is; where changes comes back true the
 * caller reads the whole queue anew. force: jobs that have ended run again, as
 * store_retry says. */
int store_submit(struct store *store, const struct plan *plan, const char *request,
                 bool force, int64_t now_ms,
                 void (*ready)(void *user, const struct store_ready *ready), void *user,
                 struct store_submitted *ret, struct error *err);

/* --- dispatch ----------------------------------------------------------- */

/* A job that is ready, for the dispatcher's queue: order is priority
 * descending, then id. */
struct store_ready {
    int64_t job;
    int32_t priority;
    size_t sweep; /* the job's, as the store numbers them: for store_sweep_may */
    bool probe;
    /* Not to be tried before, after a failure; 0: at once. */
    int64_t after_ms;
    uint32_t avoid; /* store_place of the host it failed on; 0: none */
    uint32_t near;  /* of one that has states it needs; 0: not known */
};

/* A host as a number other than 0, to be compared: two may have the same, rarely. */
uint32_t store_place(struct slice host);

/* Call visit for every ready job whose id is above after, in dispatch order;
 * stops when visit returns false. after = 0: all. */
int store_each_ready(struct store *store, int64_t after,
                     bool (*visit)(void *user, const struct store_ready *ready),
                     void *user, struct error *err);

struct store_running {
    int64_t job;
    uint32_t attempt;
    int64_t worker;       /* row in table worker */
    char uuid[HASH_TEXT]; /* that worker's name */
    int32_t priority;     /* of the job */
    size_t sweep;         /* as in store_ready */
};

int store_each_running(struct store *store,
                       bool (*visit)(void *user, const struct store_running *),
                       void *user, struct error *err);

/* Start the next attempt of a ready job for a worker: event start, attempt row.
 * *ret is a message part that borrows from *arena, which the caller frees after
 * sending; an empty arena for every job, since a shared one would move. The hash
 * of an initial state that the run did not report is empty. What the job saved to
 * go on from is the last input, with the role PROTO_RESUME.
 * ERR_NOT_FOUND when the job is not ready (any more). */
int store_start(struct store *store, int64_t job, int64_t worker, int64_t now_ms,
                struct msg_job *ret, struct buf *arena, struct error *err);

/* How many jobs of a sweep may start now: 0 while it is paused or has as many
 * running as its max_running; INT64_MAX without a limit. */
int store_sweep_may(struct store *store, size_t sweep, int64_t *ret, struct error *err);

/* What the jobs of a sweep need. ERR_NOT_FOUND. */
int store_needs(struct store *store, size_t sweep, struct needs *ret, struct error *err);

/* When a ready job may be tried again; 0: at once. */
int64_t store_backoff(struct store *store, int64_t job);

/* An attempt ended without a result: requeue the job, or fail it when the cause
 * has no retries left (then what needs it is skipped). A no-op when the attempt
 * is not the job's current one. *ret_state: what the job became. */
int store_attempt_lost(struct store *store, int64_t job, uint32_t attempt,
                       enum job_cause cause, const char *message, int64_t now_ms,
                       enum job_state *ret_state, struct error *err);

/* Judge and write a result. ACCEPTED: the job is done, failed, or (a failure
 * with retries left) ready again; all rows are written; jobs that waited for
 * it become ready, or skipped: also when the run is done but has not kept the
 * state they need ("init" can always be derived). unblocked is called for each
 * job that became ready, this one included when it is retried. DUPLICATE,
 * SUPERSEDED, MISSING: nothing was written but, for SUPERSEDED, the attempt's end.
 * REFUSED: none of its rows were written; when it was the running attempt's, that
 * has ended with cause exit, since the worker will not send it again. A failure's
 * state PROTO_RESUME is kept as by store_resume. *ret_text,
 * of at least 256 bytes, explains a verdict that is not ACCEPTED. */
int store_result(struct store *store, int64_t worker, const struct msg_result *result,
                 int64_t now_ms,
                 void (*unblocked)(void *user, const struct store_ready *ready),
                 void *user, enum msg_verdict *ret, char ret_text[256],
                 struct error *err);

/* The running attempt has saved its run: the next one goes on from there, until
 * another is saved or the job has ended. *ret_taken is false, and the artifact is
 * dropped, when the attempt is not the job's current one; when an artifact is
 * missing it is false as well. */
int store_resume(struct store *store, const struct msg_checkpoint *checkpoint,
                 int64_t now_ms, bool *ret_taken, struct error *err);

/* A run that goes on tells of its evaluations. They are kept until its result has them;
 * those of an attempt that is not the job's current one are not, nor rows that break a
 * rule. ret_stop is why the rule of its sweep (early.h) stops it, or "": whoever has the
 * attempt is to be told, and however it then ends, the job is stopped. */
enum { STORE_STOP_TEXT = 192 };
int store_report(struct store *store, const struct msg_report *report, int64_t now_ms,
                 char ret_stop[STORE_STOP_TEXT], struct error *err);

/* The state of a job and its current attempt. ERR_NOT_FOUND. */
int store_job_state(struct store *store, int64_t job, enum job_state *ret_state,
                    uint32_t *ret_attempt, struct error *err);

/* --- what people change ----------------------------------------------------- */

/* Call visit for the id of every job from first to last, in order; visit may
 * change jobs. Stops with -1 when visit does. */
int store_each_job(struct store *store, int64_t first, int64_t last,
                   int (*visit)(void *user, int64_t job, struct error *err), void *user,
                   struct error *err);

/* Each of these sets *ret_changed: false when there is nothing to change, as for a
 * job that is not in a state for it. reason is a sentence, kept with the event. */

/* The job ends as cancelled, and what needs it is skipped. *ret_attempt is the
 * attempt that was running and is given up, or 0. */
int store_cancel(struct store *store, int64_t job, const char *reason, int64_t now_ms,
                 bool *ret_changed, uint32_t *ret_attempt, struct error *err);

/* A failed, cancelled or stopped job waits again, with all its retries; what was skipped
 * because of it is revived. A stopped one goes on from where it was, to the end. ready is
 * called for each job that became ready. force: a job that is done waits again, too,
 * unless another runs from what it has left; its result is forgotten, and what was ready
 * for it waits with it: the caller reads the queue anew. */
int store_retry(struct store *store, int64_t job, bool force, const char *reason,
                int64_t now_ms,
                void (*ready)(void *user, const struct store_ready *ready), void *user,
                bool *ret_changed, struct error *err);

/* Of a job that has not ended; the caller reads the queue anew. */
int store_set_priority(struct store *store, int64_t job, int32_t priority,
                       bool *ret_changed, struct error *err);

/* ERR_NOT_FOUND when there is no such sweep (row). max_running 0: no limit. */
int store_pause(struct store *store, int64_t sweep, const char *reason, int64_t now_ms,
                bool *ret_changed, struct error *err);
int store_unpause(struct store *store, int64_t sweep, bool *ret_changed,
                  struct error *err);
int store_set_limit(struct store *store, int64_t sweep, int64_t max_running,
                    bool *ret_changed, struct error *err);

/* What somebody asked for and what came of it, for ever: so that a request that is
 * sent twice is carried out once, and that reasons are kept. */
struct store_control {
    const char *verb, *target, *reason;
    uint64_t changed, unchanged;
};

/* *ret_known, and then the figures in *ret. */
int store_control_find(struct store *store, const char *request, bool *ret_known,
                       struct store_control *ret, struct error *err);
int store_control_add(struct store *store, const char *request,
                      const struct store_control *control, int64_t now_ms,
                      struct error *err);

/* --- workers and artifacts ------------------------------------------------ */

/* A worker said hello: a new row, or the same one again (same uuid). */
int store_worker_seen(struct store *store, const struct msg_hello *hello, int64_t now_ms,
                      int64_t *ret_worker, struct error *err);

/* A worker that was connected when it was last written about. */
struct store_worker {
    int64_t worker;
    char uuid[HASH_TEXT];
    char host[64]; /* cut if longer */
};

int store_each_worker(struct store *store,
                      bool (*visit)(void *user, const struct store_worker *), void *user,
                      struct error *err);

/* A worker gets no more jobs, and why; or does again. *ret_changed: it was not so. */
int store_quarantine(struct store *store, int64_t worker, const char *reason,
                     int64_t now_ms, bool *ret_changed, struct error *err);
int store_trust(struct store *store, int64_t worker, bool *ret_changed,
                struct error *err);
bool store_quarantined(struct store *store, int64_t worker);

/* state: "connected", "lost", "left". */
int store_worker_state(struct store *store, int64_t worker, const char *state,
                       int64_t now_ms, struct error *err);

int store_artifact_add(struct store *store, const char *hash, uint64_t size,
                       int64_t now_ms, struct error *err);
bool store_artifact_has(struct store *store, const char *hash);

/* After a COMMIT: one artifact that nobody needs any more, its row being gone; call
 * until false. A rollback forgets them. */
bool store_dropped(struct store *store, char ret_hash[HASH_TEXT]);

/* A file that somebody handed over, for runs to start from; name may be "". Its
 * artifact is added too. */
int store_import(struct store *store, const char *hash, uint64_t size, const char *name,
                 int64_t now_ms, struct error *err);

/* --- the file ---------------------------------------------------------------- */

/* Whoever serves says so, in a batch of its own; durability is kept for those who
 * read. *ret_unclean: the one before was killed, or the machine went down; then a small
 * database is looked through first (ERR_DATA). */
int store_started(struct store *store, const char *durability, int64_t now_ms,
                  bool *ret_unclean, struct error *err);
int store_stopped(struct store *store, int64_t now_ms, struct error *err);

/* Read all of it: what SQLite finds wrong, references to what is not there, and the
 * rules of sql/invariants.sql. tell is called with a sentence for each fault; 0 also
 * when there are some. -1 when it cannot be read. */
int store_check(struct store *store, void (*tell)(void *user, const char *line),
                void *user, struct error *err);

/* Each artifact that no result needs: of attempts that gave none, parts of probes that
 * are whole, and with `states` every stored state of a run that nobody waits for.
 * Nothing is changed. visit returns 0, or -1 with err to stop; strings are valid
 * during the call. */
struct store_garbage {
    const char *hash;
    uint64_t size;
    const char *why;
};

int store_each_garbage(struct store *store, bool states,
                       int (*visit)(void *user, const struct store_garbage *garbage,
                                    struct error *err),
                       void *user, struct error *err);

/* Forget one of them: its file is the caller's to remove after the COMMIT. */
int store_drop_artifact(struct store *store, const char *hash, struct error *err);

/* Whether a run's spec names a file of this hash; true also when that is not known. */
bool store_needs_file(struct store *store, const char *hash);

/* A backup takes the place of a database that nobody writes. It is copied, migrated and
 * looked through beside it first: ERR_DATA when it has faults, of which tell (may be
 * NULL) is told, and then nothing has changed; ERR_REFUSED as store_open; ERR_BUSY. What
 * is at `path` stays as `aside`, which must not be there. */
struct store_restoring {
    const char *backup, *path, *aside;
    void (*tell)(void *user, const char *line);
    void *user;
    struct crash *crash;
};

int store_restore(const struct store_restoring *what, struct error *err);

/* The text of sql/invariants.sql. */
const char *store_invariants(void);

/* A copy in a new file, as of one moment, also while a coordinator writes.
 * ERR_INVALID when there is such a file, ERR_IO. */
int store_backup(struct store *store, const char *path, struct error *err);

/* --- reading -------------------------------------------------------------- */

/* One statement's rows, for the command line. Read-only: a statement that would
 * write is refused (ERR_INVALID). */
struct query;

enum query_type { QUERY_NULL, QUERY_INT, QUERY_REAL, QUERY_TEXT, QUERY_BLOB };

/* args are texts bound to ?1, ?2, ... (NULL binds NULL). sql may hold one
 * statement only. */
struct query *query_open(struct store *store, const char *sql, const char *const *args,
                         size_t arg_count, struct error *err);
void query_close(struct query **query);
int query_next(struct query *query, struct error *err); /* 1 row, 0 end, -1 */
int query_columns(const struct query *query);
const char *query_name(const struct query *query, int column);
enum query_type query_kind(const struct query *query, int column);
int64_t query_int(const struct query *query, int column);
double query_real(const struct query *query, int column);
/* Text of any kind, valid until query_next; "" for NULL. Never NULL. */
const char *query_text(const struct query *query, int column, size_t *ret_size);

#endif
