#ifndef COORD_STORE_INTERNAL_H
#define COORD_STORE_INTERNAL_H

/* What the store*.c files share, and nobody else sees: the connection, its
 * prepared statements, and the one way to bind, step and read them.
 *
 * Every statement is prepared on open and lives until close (this SQLite is
 * built without lookaside memory, so preparing is dear). A statement is reset
 * before each use and, where it returns rows, by stmt_end: one left open would
 * pin the write-ahead log.
 */

#include "common/buf.h"
#include "common/jobstate.h"
#include "coordinator/store.h"

#include <sqlite3.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* coordinator/sql/, embedded: what each version adds, and the views as they are now. */
extern const char store_schema_1_sql[], store_schema_2_sql[], store_schema_3_sql[],
    store_schema_4_sql[], store_schema_5_sql[], store_schema_6_sql[],
    store_schema_7_sql[];
extern const char store_views_sql[], store_invariants_sql[];

enum { STORE_BUSY_MS = 5000 }; /* a reader waits so long for a checkpoint in progress */

/* One per row of the table in store_stmt.c. */
enum stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_MARK,
    STMT_MARK_RELEASE,
    STMT_MARK_UNDO,
    /* jobs */
    STMT_JOB,
    STMT_JOB_BY_KEY,
    STMT_JOB_ADD,
    STMT_JOB_SET,
    STMT_JOB_SPEC,
    STMT_EVENT_ADD,
    STMT_READY,
    STMT_RUNNING,
    STMT_DEPENDANTS,
    STMT_UNMET,
    STMT_INPUTS,
    /* attempts and results */
    STMT_ATTEMPT_ADD,
    STMT_ATTEMPT_STATE,
    STMT_ATTEMPT_END,
    STMT_ATTEMPT_LATE,
    STMT_ATTEMPT_OUTDATED,
    STMT_ATTEMPT_CAUSES,
    STMT_ELSEWHERE,
    STMT_RETRIES,
    STMT_BACKOFF,
    STMT_BACKOFF_SET,
    STMT_BACKOFF_DROP,
    STMT_WORKER_DONE,
    STMT_WORKER_FAILED,
    STMT_STOP_RULE,
    STMT_TREND,
    STMT_SCORE_SET,
    STMT_SCORE_COUNT,
    STMT_SCORE_AT,
    STMT_STOP,
    STMT_STOP_ANY,
    STMT_STOP_ADD,
    STMT_STOP_DROP,
    STMT_STOP_OVERRULE,
    STMT_STOP_SET,
    STMT_SCORE_DROP,
    STMT_COMPARED,
    STMT_HISTORY,
    STMT_REPORT_ADD,
    STMT_REPORT_DROP,
    STMT_FORGET_CHECKPOINT,
    STMT_FORGET_EVALUATION,
    STMT_FORGET_POINT,
    STMT_FORGET_DISTANCE,
    STMT_FORGET_PATH,
    STMT_FORGET_RISE,
    STMT_FORGET_CLASS,
    STMT_FORGET_PLACE,
    STMT_FORGET_PLANE,
    STMT_FORGET_PLANE_POINT,
    STMT_FORGET_RESULT,
    STMT_RESULT_ADD,
    STMT_CHECKPOINT_ADD,
    STMT_EVALUATION_ADD,
    STMT_POINT_ADD,
    STMT_DISTANCE_ADD,
    STMT_PLANE_ADD,
    STMT_PLANE_POINT_ADD,
    STMT_CLASS_ADD,
    STMT_PLACE_ADD,
    STMT_RISE_ADD,
    STMT_PATH_ADD,
    STMT_CURVES,
    STMT_PROBE,
    STMT_DERIVED,
    STMT_DERIVED_SET,
    STMT_DERIVED_CURVE,
    /* sweeps */
    STMT_REQUEST,
    STMT_REQUEST_ADD,
    STMT_SWEEP,
    STMT_SWEEP_ADD,
    STMT_SWEEP_SET,
    STMT_NEEDS,
    STMT_NEEDS_SET,
    STMT_NEEDS_PRIORITY,
    STMT_COUNT_INIT,
    STMT_COUNT_ADD,
    STMT_SWEEPS_OF,
    STMT_JOB_SHARE,
    STMT_MEMBER_COUNT,
    STMT_MEMBER_ADD,
    STMT_DEP_ADD,
    STMT_PARAM_ADD,
    STMT_OPTION_SET,
    STMT_OPTION_SET_ADD,
    STMT_OPTION_ADD,
    STMT_VARIED_ADD,
    STMT_VARIED,
    STMT_SWEEP_RUNS,
    /* workers and artifacts */
    STMT_WORKER_ADD,
    STMT_WORKERS,
    STMT_QUARANTINE,
    STMT_QUARANTINE_ADD,
    STMT_QUARANTINE_DROP,
    STMT_WORKER_SET,
    STMT_ARTIFACT_ADD,
    STMT_ARTIFACT,
    STMT_ARTIFACT_DROP,
    STMT_RESUME,
    STMT_RESUME_SET,
    STMT_RESUME_DROP,
    /* what people change */
    STMT_JOBS_BETWEEN,
    STMT_PRIORITY_SET,
    STMT_SWEEP_MAY,
    STMT_PAUSE_ADD,
    STMT_PAUSE_DROP,
    STMT_SWEEP_LIMIT,
    STMT_SWEEP_BY_ID,
    STMT_CONTROL,
    STMT_CONTROL_ADD,
    /* the file */
    STMT_SERVICE,
    STMT_SERVICE_SET,
    STMT_SERVICE_END,
    STMT_IMPORT_ADD,
    STMT_GC_STATES,
    STMT_GC_RESUME,
    STMT_GC_ARTIFACT,
    STMT_GC_NAMED,
    STMT_COUNT_ALL,
};

/* What a batch changes in the counts of one sweep, by state. */
struct sweep_delta {
    char *sweep;
    int64_t n[JOB_STATE_COUNT];
    bool moved;  /* some n may be other than 0; then */
    size_t next; /* the next one that has, 1 + its place; 0: none */
};

/* Results that a batch took from one worker. */
struct worker_delta {
    int64_t worker, done;
};

struct store {
    sqlite3 *db;
    char *path;
    int lock;            /* descriptor that holds the writer's lock; -1: a reader */
    struct crash *crash; /* where tests have it die, or NULL */
    sqlite3_stmt *stmt[STMT_COUNT_ALL];
    struct sweep_delta *deltas; /* one per sweep met so far */
    size_t delta_count;
    struct worker_delta *workers; /* those of this batch */
    size_t worker_count, worker_room;
    size_t moved;               /* the first delta that has, 1 + its place; 0: none */
    char (*dropped)[HASH_TEXT]; /* artifacts whose rows this batch removed */
    size_t dropped_count, dropped_room;
};

/* A value for a place in a statement, ?1 first. */
struct arg {
    enum { ARG_NULL, ARG_INT, ARG_REAL, ARG_TEXT } type;
    int64_t integer;
    double real;
    struct slice text; /* borrowed while the statement runs */
};

static inline struct arg arg_int(int64_t integer)
{
    return (struct arg){.type = ARG_INT, .integer = integer};
}

/* NaN is stored as NULL: the schema says where that is allowed. */
static inline struct arg arg_real(double real)
{
    return (struct arg){.type = ARG_REAL, .real = real};
}

static inline struct arg arg_slice(struct slice text)
{
    return (struct arg){.type = ARG_TEXT, .text = text};
}

static inline struct arg arg_text(const char *text)
{
    return arg_slice(slice_of(text));
}

/* Empty or NULL: SQL's NULL. */
/* NULL for what is not finite. */
static inline struct arg arg_finite(double value)
{
    return isfinite(value) ? arg_real(value) : (struct arg){.type = ARG_NULL};
}

static inline struct arg arg_text_or_null(const char *text)
{
    return text && text[0] ? arg_text(text) : (struct arg){.type = ARG_NULL};
}

/* A list of arguments and its length, as stmt_run and stmt_row take them. */
#define ARGS(...)                                                                        \
    (const struct arg[]){__VA_ARGS__},                                                   \
        sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg)

/* --- store.c --------------------------------------------------------------- */

/* The writer's lock on a database, which ends with the descriptor. ERR_BUSY, ERR_IO. */
int store_lock(const char *path, struct error *err);

/* Copy all of it into a new file, as of one moment, flushed, with no log beside it. */
int store_copy(struct store *store, const char *path, struct error *err);

/* The name of a network file system, by statfs's f_type; NULL: a local one. */
const char *store_network_fs(unsigned long magic);

/* --- store_stmt.c ---------------------------------------------------------- */

int stmt_prepare_all(struct store *store, struct error *err);
void stmt_finalize_all(struct store *store);
void stmt_reset_all(struct store *store);

/* Run a statement that returns no rows. ERR_INVALID when a constraint of the
 * schema is broken, ERR_BUSY, ERR_IO (the disk), ERR_NO_MEMORY. */
int stmt_run(struct store *store, enum stmt id, const struct arg *args, size_t arg_count,
             struct error *err);

/* Bind and fetch the first row: 1 there is one (read it with stmt_int and the
 * others, fetch more with stmt_next, then stmt_end), 0 none, -1. */
int stmt_row(struct store *store, enum stmt id, const struct arg *args, size_t arg_count,
             struct error *err);
int stmt_next(struct store *store, enum stmt id, struct error *err);
void stmt_end(struct store *store, enum stmt id);

int64_t stmt_int(struct store *store, enum stmt id, int column);
bool stmt_is_null(struct store *store, enum stmt id, int column);
double stmt_real(struct store *store, enum stmt id, int column);
/* Valid until the statement moves; "" for NULL. */
struct slice stmt_text(struct store *store, enum stmt id, int column);

/* Rows changed by the last stmt_run. */
int stmt_changes(struct store *store);

/* The row that the last insert made. */
int64_t stmt_rowid(struct store *store);

/* Put a failure of SQLite into err; returns -1. what may be NULL. */
int store_fail(struct store *store, int code, const char *what, struct error *err);
#ifdef __clang_analyzer__ /* as in common/error.h */
#define store_fail(...) ((void)(store_fail)(__VA_ARGS__), -1)
#endif

/* Run SQL text, several statements at once. */
int store_exec(struct store *store, const char *sql, const char *what, struct error *err);

/* --- store_job.c ------------------------------------------------------------ */

struct job_row {
    int64_t id;
    enum job_state state;
    uint32_t attempt; /* the latest */
    int32_t priority;
    bool probe, derive;
    int64_t after_ms; /* it waits until then before it is tried again; 0: it does not */
    uint32_t avoid;   /* the host it failed on, as store_place; 0: none */
    bool shared;      /* more than one sweep lists it */
    /* What most jobs have not, so that nothing is asked of those: */
    bool has_needs, has_dependants;
    bool has_resume; /* when it was loaded */
    size_t sweep;    /* the first one's place in store->deltas */
};

/* ERR_NOT_FOUND. */
int job_load(struct store *store, int64_t id, struct job_row *ret, struct error *err);

/* What a job's move is about; zeroed: nothing to say. */
struct job_note {
    enum job_cause cause;
    const char *detail; /* a sentence, or NULL */
    int64_t now_ms;
};

/* Apply an event: the row, its line in `event`, the counts of its sweeps. It is
 * a bug (and an error) if common/jobstate.h does not allow it. */
int job_move(struct store *store, struct job_row *job, enum job_event event,
             struct job_note note, struct error *err);

/* Told of every job that became ready; visit may be NULL. */
struct job_watch {
    void (*visit)(void *user, const struct store_ready *ready);
    void *user;
};

/* A waiting job: make it ready if all it needs is there, skip it (and what
 * needs it) if that will never be. */
int job_settle(struct store *store, int64_t id, int64_t now_ms, struct job_watch watch,
               struct error *err);

/* A job has ended: settle everything that waits for it. */
int job_settle_dependants(struct store *store, int64_t id, int64_t now_ms,
                          struct job_watch watch, struct error *err);

/* A job waits again: so does what was skipped because of it, unless it needs
 * something else that will never be. */
/* Forget the result of a done job, which waits again; jobs that are ready for what it
 * has left wait with it. *ret_changed: false where one of those runs, since its next
 * attempt would look for what is gone; or where the job is not done. */
int job_rerun(struct store *store, struct job_row *job, struct job_note note,
              bool *ret_changed, struct error *err);

int job_revive_dependants(struct store *store, int64_t id, int64_t now_ms,
                          struct job_watch watch, struct error *err);

/* A running attempt ended without a result: requeue or fail by the policy of
 * common/jobstate.h. The attempt's row must already carry the cause. */
int job_give_up(struct store *store, struct job_row *job, struct job_note note,
                struct job_watch watch, struct error *err);

/* --- store_resume.c --------------------------------------------------------- */

/* Keep the state named PROTO_RESUME, if there is one among a running job's states,
 * in place of what was kept before. All of them are artifacts. */
int resume_keep(struct store *store, int64_t job, uint32_t attempt,
                const struct msg_state *states, uint32_t count, int64_t now_ms,
                struct error *err);

/* The job has ended: nothing will go on from what it saved. */
int resume_drop(struct store *store, int64_t job, struct error *err);

/* --- store_early.c ---------------------------------------------------------- */

/* A run has its result: what it reported is in it, and the rule of its sweep has it among
 * those that others are compared with. */
int early_finish(struct store *store, const struct msg_result *result, struct error *err);

/* The rule of a sweep is another: its runs so far are compared by that. */
int early_rescore(struct store *store, const char *sweep, const struct early *early,
                  struct error *err);

/* Why a rule is to have stopped the job, whose attempt has ended; "" where none is. */
int early_stopped(struct store *store, const struct job_row *job,
                  char ret[STORE_STOP_TEXT], struct error *err);

/* The job goes on, and no rule stops it again. */
int early_overrule(struct store *store, int64_t job, struct error *err);

/* --- store_derive.c --------------------------------------------------------- */

/* A derive job whose needs are there: whether the curve that it reads, if any, is such
 * that there is a state to be made; and where it lies is written down. reason says why
 * not. */
int derive_judge(struct store *store, int64_t job, bool *ret_fits, char *reason,
                 size_t size, struct error *err);

/* Where it lies; 0 where its spec does not read a curve. */
int derive_alpha(struct store *store, int64_t job, double *ret, struct error *err);

/* --- store_result.c --------------------------------------------------------- */

/* One evaluation of a run, by one of the statements that add such a row. */
int history_write(struct store *store, enum stmt add, int64_t job,
                  const struct msg_history *row, struct error *err);

/* --- store_path.c ----------------------------------------------------------- */

/* Compute and write the rows of `path` from a probe's stored points. */
int path_write(struct store *store, int64_t job, struct error *err);

/* --- store_plane.c ---------------------------------------------------------- */

/* Write the rows of `plane` and `plane_point`. */
int plane_write(struct store *store, const struct msg_result *result, struct error *err);

/* --- store_count.c ---------------------------------------------------------- */

/* The counts of `sweep_count`, gathered over a batch and written once at its end
 * (an UPDATE per event would be a quarter of the cost of a job). */

/* The place of a sweep in store->deltas. */
int count_place(struct store *store, struct slice sweep, size_t *ret, struct error *err);
void count_add(struct store *store, size_t place, enum job_state state, int64_t n);
/* A job moves in every sweep that lists it. */
int count_move(struct store *store, const struct job_row *job, enum job_state next,
               struct error *err);
/* One more result of a worker. */
int count_done(struct store *store, int64_t worker, struct error *err);
int count_flush(struct store *store, struct error *err);
void count_forget(struct store *store); /* a rollback */
void count_free(struct store *store);

/* --- store_param.c ---------------------------------------------------------- */

/* Owned names; zeroed: none. */
struct names {
    char **items;
    size_t count;
};

/* What varies in a sweep. The caller frees, also on failure. */
int param_names(struct store *store, const char *sweep, struct names *ret,
                struct error *err);
void names_free(struct names *names);

/* A row of an owner (a job, a set), the name of an option and its value. */
int param_write(struct store *store, enum stmt add, int64_t owner, const char *name,
                const struct value *value, struct error *err);

/* The effective values of varied options that a spec does not say; the same for every run
 * of a sweep. Rows that are there already stay. */
int param_write_varied(struct store *store, int64_t job, const struct spec *spec,
                       const struct names *varied, struct error *err);
int param_write_sweep(struct store *store, const char *sweep, const struct names *varied,
                      struct error *err);

/* --- store_options.c -------------------------------------------------------- */

/* The sets of options that a plan's jobs have: few jobs have one that none before had. */
struct option_cache {
    struct option_known {
        char hash[HASH_TEXT];
        int64_t id; /* 0: free */
    } known[4096];  /* by hash; a later one takes the place of an earlier */
};

/* The sets of a job, which are added where they are not there. *ret_seeds is 0 for a
 * job without seeds. */
int options_find(struct store *store, struct option_cache *cache,
                 const struct plan_job *job, int64_t *ret_options, int64_t *ret_seeds,
                 struct error *err);

/* --- store_view.c ------------------------------------------------------------ */

/* (Re)create runs_<sweep> from `sweep_param`. */
int view_write(struct store *store, const char *sweep, struct error *err);

#endif
