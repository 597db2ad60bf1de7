#ifndef COORD_PROTO_FIELDS_H
#define COORD_PROTO_FIELDS_H

/* The messages of PROTOCOL.md as C structs. fields.c holds one table row per
 * field (number, type, bound, place in the struct), and msg.c encodes and
 * decodes any of them by walking that table, so this list, the table and the
 * document are all there is to a message.
 *
 * Slices and arrays of a decoded message borrow from the received bytes and
 * from the message's arena: they live until msg_free.
 */

#include "common/buf.h"
#include "common/tally.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers are on the wire: append, never renumber. */
enum msg_kind {
    MSG_NONE = 0,
    /* worker -> coordinator */
    MSG_HELLO = 1,
    MSG_BEAT = 2,
    MSG_RESULT = 3,
    MSG_PUT = 4,
    MSG_GET = 5,
    MSG_BYE = 6,
    MSG_CHECKPOINT = 7, /* and trial -> daemon */
    MSG_REPORT = 8,     /* and trial -> daemon */
    /* coordinator -> worker */
    MSG_WELCOME = 16,
    MSG_WHO = 17,
    MSG_ASSIGN = 18,
    MSG_ACK = 19,
    MSG_PUT_OK = 20,
    MSG_CHUNK = 21,
    MSG_KILL = 22,
    MSG_DRAIN = 23,
    MSG_RETRACT = 24,
    /* client -> coordinator, and answers */
    MSG_SUBMIT = 32,
    MSG_SUBMITTED = 33,
    MSG_PING = 34,
    MSG_PONG = 35,
    MSG_CONTROL = 36,
    MSG_CONTROLLED = 37,
    MSG_TAIL = 38,   /* and coordinator -> worker */
    MSG_OUTPUT = 39, /* worker -> coordinator -> client */
    /* any direction */
    MSG_ERROR = 48,
    /* daemon <-> trial, over a pipe only */
    MSG_START = 64,
    MSG_PROGRESS = 65,
};

/* One attempt that a worker has in hand. */
struct msg_running {
    int64_t job;
    uint32_t attempt;
    uint32_t done, total; /* progress in epochs or points; total 0: unknown */
    bool waits;           /* it was not started: RETRACT may have it back */
};

struct msg_hello {
    uint32_t version;    /* PROTO_VERSION */
    struct slice worker; /* 32 hex digits, new in every process: a clone or a
                             restarted daemon is another worker */
    uint64_t epoch;      /* of the coordinator it last knew; 0: none */
    struct slice host;
    uint32_t pid;
    uint32_t slots;              /* trials at once */
    uint32_t threads;            /* per trial */
    uint32_t cores;              /* of the machine */
    struct slice provenance;     /* JSON: version, cpu, kernels, blas core type */
    struct msg_running *running; /* attempts it still has, results not yet */
    uint32_t running_count;      /* acknowledged included */
    struct slice labels;         /* common/labels.h; empty: none */
    uint64_t memory;             /* bytes for all its jobs; 0: not said */
    uint32_t time_left_s;        /* until it leaves; 0: it has no limit */
    uint32_t time_limit_s;       /* of which that is left */
    bool retracts;               /* it knows RETRACT */
    bool tails;                  /* it answers TAIL */
};

struct msg_beat {
    uint32_t credit; /* jobs it would take now: free slots + prefetch - queued */
    struct msg_running *running;
    uint32_t running_count;
};

struct msg_welcome {
    uint32_t version;
    uint64_t epoch;    /* of this coordinator process; random, not 0 */
    int64_t worker;    /* the row in table `worker` */
    uint32_t beat_ms;  /* send a beat at least this often */
    uint32_t lease_ms; /* silence this long loses the attempts */
    bool checkpoints;  /* it takes CHECKPOINT */
    bool reports;      /* it takes REPORT */
};

/* "I do not know you: say HELLO" */
struct msg_who {
    bool unused;
};

/* A state that a job starts from. A role "resume" is no state: it is what an
 * earlier attempt of the job saved, to go on from; nor is the state "part": the file
 * that a part of a probe left, its role "p01", .... */
struct msg_input {
    struct slice role;  /* "a", "b", "c", "init"; "s1", "m01", ...; "resume" */
    struct slice state; /* "init", "final", "epoch:3", "resume" */
    struct slice spec;  /* canonical text of the run that has the state */
    struct slice hash;  /* content hash of the state */
    bool stored;        /* an artifact; else derived anew from the spec (init) */
    struct slice path;  /* MSG_START only: the local file, if stored */
};

struct msg_job {
    int64_t job;
    uint32_t attempt;      /* counts from 1; fences results */
    struct slice spec;     /* canonical text */
    uint32_t time_limit_s; /* 0: none */
    struct msg_input *inputs;
    uint32_t input_count;
    double alpha;    /* of a derive job: the point of the line that a probe told */
    uint32_t cores;  /* that it may use; 0: a slot's */
    uint64_t memory; /* bytes that it may have; 0: no limit */
};

struct msg_assign {
    struct msg_job *jobs;
    uint32_t job_count;
};

enum msg_outcome { OUTCOME_DONE = 1, OUTCOME_FAILED = 2 };

struct msg_history {
    uint32_t epoch;     /* 0: before the first step */
    struct slice split; /* "batch" (mean over the epoch's minibatches as they
                             were trained on), "train", "test" */
    struct tally tally;
    double lr;      /* at the epoch's last step; 0 at epoch 0 */
    double seconds; /* since the run began */
};

struct msg_state { /* a state that the run kept, or whose hash it reports */
    struct slice name;
    struct slice hash; /* of the safetensors file's bytes */
    uint64_t size;     /* bytes */
    uint32_t epoch;
    uint64_t step;
    bool stored;  /* sent as an artifact */
    bool earlier; /* by an earlier attempt: it is not here to be sent again */
};

/* What a run saved so that another attempt goes on from there. The state named
 * PROTO_RESUME is that; the others are those that the run has stored so far. */
struct msg_checkpoint {
    int64_t job;
    uint32_t attempt;
    struct msg_state *states;
    uint32_t state_count;
};

/* Evaluations of a run that goes on: its RESULT will have them too. */
struct msg_report {
    int64_t job;
    uint32_t attempt;
    struct msg_history *history;
    uint32_t history_count;
};

struct msg_point {
    struct slice grp; /* "all", "conv1", ... */
    struct slice bn;  /* "interp", "recompute", ..., "none" */
    struct slice split;
    uint32_t alpha_index;
    double alpha;
    struct tally tally;
    struct slice origin; /* "grid", "refine", "adapt"; empty: "grid" */
    uint32_t paired;     /* MSG_PAIRED_START, MSG_PAIRED_END: which of these there are */
    /* Of the differences, image by image, to the losses at alpha 0 and at alpha 1. */
    double start_sum, start_sq, end_sum, end_sq;
};

enum { MSG_PAIRED_START = 1, MSG_PAIRED_END = 2 };

struct msg_rise { /* the largest of a curve, between alpha 0 and 1 */
    struct slice grp, bn, split;
    double alpha_from, alpha_to;
    int64_t n;
    double sum, sum_sq; /* of the differences, image by image */
};

struct msg_class {  /* the examples of one class, at one point */
    uint32_t point; /* its place in points, from 0 */
    uint32_t class;
    struct tally tally; /* of at least one example */
};

/* Where a state s of run b lies, seen from the line between the two. */
struct msg_place {
    struct slice grp, state;
    double alpha;  /* of the nearest point of the line */
    double dist;   /* to it */
    double rel;    /* that over ||b - a|| */
    double angle;  /* between s - a and b - a, degrees */
    double corner; /* between s - a and b - s, degrees */
};

struct msg_distance {
    struct slice grp;
    double l2, rel; /* ||b - a||, and over ||a||; parameters only */
};

struct msg_plane_point {
    struct slice grp, bn, split;
    uint32_t x_index;
    double x;
    uint32_t y_index;
    double y;
    struct tally tally;
};

struct msg_plane { /* its two directions, from (0,0) to (1,0) and to (0,1) */
    struct slice grp;
    double x_l2, y_l2; /* how long they are; parameters only */
    double cosine;     /* of the angle between them; NaN where one is 0 long */
};

struct msg_result {
    int64_t job;
    uint32_t attempt;
    uint32_t outcome;     /* enum msg_outcome */
    struct slice cause;   /* job_cause_name; empty: none */
    struct slice message; /* a sentence; empty when all is well */
    double seconds;       /* wall time of the trial */
    double cpu_seconds;
    uint64_t rss_bytes; /* peak */
    uint32_t epochs;    /* completed */
    uint64_t steps;
    struct slice log;        /* tail of the trial's output */
    struct slice provenance; /* JSON */
    struct msg_history *history;
    uint32_t history_count;
    struct msg_state *states;
    uint32_t state_count;
    struct msg_point *points;
    uint32_t point_count;
    struct msg_distance *distances;
    uint32_t distance_count;
    struct msg_rise *rises;
    uint32_t rise_count;
    struct msg_class *classes;
    uint32_t class_count;
    struct msg_place *places;
    uint32_t place_count;
    struct msg_plane_point *plane_points;
    uint32_t plane_point_count;
    struct msg_plane *planes;
    uint32_t plane_count;
    uint64_t room; /* ASSIGNed since WELCOME, plus credit; 0: not said */
};

enum msg_verdict {
    VERDICT_ACCEPTED = 1,   /* committed */
    VERDICT_DUPLICATE = 2,  /* this very result was committed before */
    VERDICT_SUPERSEDED = 3, /* the attempt is no longer the job's: dropped */
    VERDICT_MISSING = 4,    /* an artifact it names has not arrived: send again */
    VERDICT_REFUSED = 5,    /* malformed; text says why; do not send again */
};

struct msg_ack { /* sent after the COMMIT that covers it */
    int64_t job;
    uint32_t attempt;
    uint32_t verdict;
    struct slice text;
};

struct msg_put { /* a piece of an artifact, in order from offset 0 */
    struct slice hash;
    uint64_t size; /* of the whole */
    uint64_t offset;
    struct slice data;
};

struct msg_put_ok {
    struct slice hash;
    uint64_t offset; /* bytes held; = size: complete and verified */
    bool complete;
    struct slice text; /* not empty: failed, start again from offset */
};

struct msg_get {
    struct slice hash;
    uint64_t offset;
    uint32_t count; /* bytes wanted, <= PROTO_CHUNK_MAX */
};

struct msg_chunk {
    struct slice hash;
    uint64_t size;
    uint64_t offset;
    struct slice data;
    struct slice text; /* not empty: there is no such artifact */
};

struct msg_kill { /* stop this attempt, no result wanted */
    int64_t job;
    uint32_t attempt;
    struct slice text;
    bool save; /* let it save itself, and end as preempted */
};

struct msg_retract { /* hand this attempt back if it was not started */
    int64_t job;
    uint32_t attempt;
};

/* Finish what runs, take nothing, leave. */
struct msg_drain {
    bool unused;
};

/* The worker leaves; its attempts are requeued as preempted. */
struct msg_bye {
    struct slice text;
};

struct msg_submit {
    uint32_t version;
    struct slice request; /* 32 hex digits: the same request is done once */
    struct slice file;    /* as the user named it, for messages */
    struct slice grid;    /* the file's text */
    bool force;           /* what has ended runs again */
};

struct msg_submitted {
    struct slice request;
    int64_t sweep;
    struct slice name;
    uint64_t jobs;  /* of this grid */
    uint64_t added; /* that did not exist before */
    uint64_t rerun; /* that did, and run again */
};

/* What a person wants changed. */
enum control_verb {
    CONTROL_CANCEL = 1,   /* jobs */
    CONTROL_RETRY = 2,    /* jobs */
    CONTROL_PRIORITY = 3, /* jobs */
    CONTROL_PAUSE = 4,    /* a sweep */
    CONTROL_RESUME = 5,   /* a sweep */
    CONTROL_LIMIT = 6,    /* a sweep */
    CONTROL_DRAIN = 7,    /* a worker */
    CONTROL_STOP = 8,     /* a worker */
    CONTROL_TRUST = 9,    /* a worker */
};

struct msg_range { /* jobs by number, both ends included */
    int64_t first, last;
};

struct msg_control {
    uint32_t version;
    struct slice request; /* 32 hex digits: the same request is done once */
    uint32_t verb;        /* enum control_verb */
    struct msg_range *jobs;
    uint32_t job_count;
    int64_t sweep, worker; /* rows */
    struct slice reason;   /* a sentence, kept */
    uint32_t priority;     /* plus PROTO_PRIORITY_ZERO; CONTROL_PRIORITY */
    uint64_t max_running;  /* CONTROL_LIMIT; 0: no limit */
    bool force;            /* CONTROL_RETRY: what is done, too */
};

struct msg_controlled { /* after the COMMIT that covers it */
    struct slice request;
    uint64_t changed;   /* jobs, sweeps or workers */
    uint64_t unchanged; /* that were in no state for it */
};

struct msg_ping {
    uint32_t version;
};
struct msg_pong {
    uint32_t version;
    uint64_t epoch;
    uint64_t clock_ms;    /* the coordinator's, since 1970-01-01 UTC; 0: not said */
    struct slice release; /* of its program */
    bool tails;           /* it takes TAIL */
    struct slice trouble; /* why it hands out no jobs; empty: it does */
    uint64_t refused;     /* messages and keys that it did not take */
    struct slice refusal; /* the last of them */
};

/* What has an attempt printed, from that byte of its output on? */
struct msg_tail {
    int64_t job;
    uint32_t attempt;
    uint64_t from;
};

struct msg_output {
    int64_t job;
    uint32_t attempt;
    uint64_t wanted;   /* from, of the TAIL that it answers */
    uint64_t from;     /* of data; larger than wanted: what was before is gone */
    struct slice data; /* empty: nothing more yet */
};

struct msg_error {
    uint32_t code;        /* enum err_code */
    struct slice request; /* of a SUBMIT; else empty */
    struct slice text;
};

struct msg_start { /* daemon -> trial, its only input */
    struct msg_job job;
    struct slice dir;      /* scratch and finished states go here */
    struct slice data_dir; /* where data sets lie; empty: their own default */
    uint32_t threads;
    uint32_t checkpoint_ms; /* save this often; 0: only when asked to end */
};

struct msg_progress { /* trial -> daemon */
    uint32_t done, total;
};

/* A decoded message, or one to be encoded. */
struct msg {
    enum msg_kind kind;
    union {
        struct msg_hello hello;
        struct msg_beat beat;
        struct msg_result result;
        struct msg_put put;
        struct msg_get get;
        struct msg_bye bye;
        struct msg_checkpoint checkpoint;
        struct msg_report report;
        struct msg_welcome welcome;
        struct msg_who who;
        struct msg_assign assign;
        struct msg_ack ack;
        struct msg_put_ok put_ok;
        struct msg_chunk chunk;
        struct msg_kill kill;
        struct msg_drain drain;
        struct msg_retract retract;
        struct msg_submit submit;
        struct msg_submitted submitted;
        struct msg_control control;
        struct msg_controlled controlled;
        struct msg_tail tail;
        struct msg_output output;
        struct msg_ping ping;
        struct msg_pong pong;
        struct msg_error error;
        struct msg_start start;
        struct msg_progress progress;
    };
    void *arena; /* owned by msg.c; NULL for messages that are to be encoded */
};

#endif
