#include "proto/fields.h"

#include "proto/limits.h"
#include "proto/table.h"

/* The rows. PROTOCOL.md has the same ones in words, and a test compares the
 * two. Append fields with the next number and MAY, so that older peers, who
 * skip what they do not know, and newer ones understand each other. */

enum { MAY = 0, MUST = 1 };

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))
#define MEMBER(s, m) (((struct s *)0)->m)

/* The wire type follows from the member's type, so the two cannot differ. */
/* clang-format off */
#define PLAIN_TYPE(s, m)                                                                 \
    _Generic(MEMBER(s, m), bool: FIELD_BOOL, uint32_t: FIELD_U32, uint64_t: FIELD_U64,   \
             int64_t: FIELD_I64, double: FIELD_REAL)
/* clang-format on */
#define PLAIN(no, need, s, m, lo, hi)                                                    \
    {                                                                                    \
        no, PLAIN_TYPE(s, m), need, lo, hi, offsetof(struct s, m), 0, NULL, #m           \
    }
#define SLICE_TYPE(s, m, type) _Generic(MEMBER(s, m), struct slice : (type))
#define SLICE_OF(no, type, need, s, m, lo, hi)                                           \
    {                                                                                    \
        no, SLICE_TYPE(s, m, type), need, lo, hi, offsetof(struct s, m), 0, NULL, #m     \
    }

#define NUM(no, need, s, m, lo, hi)   PLAIN(no, need, s, m, lo, hi)
#define REAL(no, need, s, m)          PLAIN(no, need, s, m, 0, 0)
#define FLAG(no, need, s, m)          PLAIN(no, need, s, m, 0, 1)
#define TEXT(no, need, s, m, lo, hi)  SLICE_OF(no, FIELD_TEXT, need, s, m, lo, hi)
#define BYTES(no, need, s, m, lo, hi) SLICE_OF(no, FIELD_BYTES, need, s, m, lo, hi)
#define HEX(no, need, s, m)           SLICE_OF(no, FIELD_HEX, need, s, m, 32, 32)
#define ONE(no, s, m, form)                                                              \
    {                                                                                    \
        no, FIELD_ONE, MUST, 0, 0, offsetof(struct s, m), 0, &(form), #m                 \
    }
#define MANY(no, need, s, m, n, lo, hi, form)                                            \
    {                                                                                    \
        no, FIELD_MANY, need, lo, hi, offsetof(struct s, m), offsetof(struct s, n),      \
            &(form), #m                                                                  \
    }
#define FORM(title, s, rows, is_row)                                                     \
    {                                                                                    \
        title, rows, COUNT(rows), sizeof(struct s), is_row                               \
    }

#define MAP   false
#define ROW   true
#define U32   UINT32_MAX
#define U64   UINT64_MAX
#define I64   INT64_MAX
#define NAME  PROTO_NAME_MAX
#define WORDS PROTO_TEXT_MAX
#define SLOTS PROTO_RUNNING_MAX

/* ---- inside messages ------------------------------------------------------- */

static const struct field RUNNING_FIELDS[] = {
    NUM(1, MUST, msg_running, job, 1, I64), NUM(2, MUST, msg_running, attempt, 1, U32),
    NUM(3, MAY, msg_running, done, 0, U32), NUM(4, MAY, msg_running, total, 0, U32),
    FLAG(5, MAY, msg_running, waits),
};
static const struct form RUNNING = FORM("running", msg_running, RUNNING_FIELDS, MAP);

static const struct field INPUT_FIELDS[] = {
    TEXT(1, MUST, msg_input, role, 1, NAME),
    TEXT(2, MUST, msg_input, state, 1, NAME),
    TEXT(3, MUST, msg_input, spec, 1, PROTO_SPEC_MAX),
    HEX(4, MAY, msg_input, hash),
    FLAG(5, MAY, msg_input, stored),
    TEXT(6, MAY, msg_input, path, 0, WORDS),
};
static const struct form INPUT = FORM("input", msg_input, INPUT_FIELDS, MAP);

static const struct field JOB_FIELDS[] = {
    NUM(1, MUST, msg_job, job, 1, I64),
    NUM(2, MUST, msg_job, attempt, 1, U32),
    TEXT(3, MUST, msg_job, spec, 1, PROTO_SPEC_MAX),
    NUM(4, MAY, msg_job, time_limit_s, 0, U32),
    MANY(5, MAY, msg_job, inputs, input_count, 0, PROTO_INPUTS_MAX, INPUT),
    REAL(6, MAY, msg_job, alpha),
    NUM(7, MAY, msg_job, cores, 0, PROTO_THREADS_MAX),
    NUM(8, MAY, msg_job, memory, 0, U64),
};
static const struct form JOB = FORM("job", msg_job, JOB_FIELDS, MAP);

/* A run of a thousand epochs has thousands of these, so they travel as rows:
 * 60 bytes each instead of 80. */
static const struct field HISTORY_FIELDS[] = {
    NUM(1, MUST, msg_history, epoch, 0, U32),
    TEXT(2, MUST, msg_history, split, 1, NAME),
    NUM(3, MUST, msg_history, tally.count, 0, I64),
    NUM(4, MUST, msg_history, tally.correct, 0, I64),
    NUM(5, MUST, msg_history, tally.nan_count, 0, I64),
    NUM(6, MUST, msg_history, tally.inf_count, 0, I64),
    REAL(7, MUST, msg_history, tally.sum),
    REAL(8, MUST, msg_history, tally.sum_sq),
    REAL(9, MUST, msg_history, lr),
    REAL(10, MUST, msg_history, seconds),
};
static const struct form HISTORY = FORM("history", msg_history, HISTORY_FIELDS, ROW);

static const struct field STATE_FIELDS[] = {
    TEXT(1, MUST, msg_state, name, 1, NAME),
    HEX(2, MUST, msg_state, hash),
    NUM(3, MAY, msg_state, size, 0, PROTO_ARTIFACT_MAX),
    NUM(4, MAY, msg_state, epoch, 0, U32),
    NUM(5, MAY, msg_state, step, 0, U64),
    FLAG(6, MAY, msg_state, stored),
    FLAG(7, MAY, msg_state, earlier),
};
static const struct form STATE = FORM("state", msg_state, STATE_FIELDS, MAP);

static const struct field POINT_FIELDS[] = {
    TEXT(1, MUST, msg_point, grp, 1, WORDS),
    TEXT(2, MUST, msg_point, bn, 1, NAME),
    TEXT(3, MUST, msg_point, split, 1, NAME),
    NUM(4, MUST, msg_point, alpha_index, 0, U32),
    REAL(5, MUST, msg_point, alpha),
    NUM(6, MUST, msg_point, tally.count, 0, I64),
    NUM(7, MUST, msg_point, tally.correct, 0, I64),
    NUM(8, MUST, msg_point, tally.nan_count, 0, I64),
    NUM(9, MUST, msg_point, tally.inf_count, 0, I64),
    REAL(10, MUST, msg_point, tally.sum),
    REAL(11, MUST, msg_point, tally.sum_sq),
    TEXT(12, MAY, msg_point, origin, 0, NAME),
    NUM(13, MAY, msg_point, paired, 0, MSG_PAIRED_START | MSG_PAIRED_END),
    REAL(14, MAY, msg_point, start_sum),
    REAL(15, MAY, msg_point, start_sq),
    REAL(16, MAY, msg_point, end_sum),
    REAL(17, MAY, msg_point, end_sq),
};
static const struct form POINT = FORM("point", msg_point, POINT_FIELDS, ROW);

static const struct field DISTANCE_FIELDS[] = {
    TEXT(1, MUST, msg_distance, grp, 1, WORDS),
    REAL(2, MUST, msg_distance, l2),
    REAL(3, MUST, msg_distance, rel),
};
static const struct form DISTANCE = FORM("distance", msg_distance, DISTANCE_FIELDS, ROW);

static const struct field RISE_FIELDS[] = {
    TEXT(1, MUST, msg_rise, grp, 1, WORDS),
    TEXT(2, MUST, msg_rise, bn, 1, NAME),
    TEXT(3, MUST, msg_rise, split, 1, NAME),
    REAL(4, MUST, msg_rise, alpha_from),
    REAL(5, MUST, msg_rise, alpha_to),
    NUM(6, MUST, msg_rise, n, 1, I64),
    REAL(7, MUST, msg_rise, sum),
    REAL(8, MUST, msg_rise, sum_sq),
};
static const struct form RISE = FORM("rise", msg_rise, RISE_FIELDS, ROW);

static const struct field CLASS_FIELDS[] = {
    NUM(1, MUST, msg_class, point, 0, PROTO_POINTS_MAX - 1),
    NUM(2, MUST, msg_class, class, 0, U32),
    NUM(3, MUST, msg_class, tally.count, 1, I64),
    NUM(4, MUST, msg_class, tally.correct, 0, I64),
    NUM(5, MUST, msg_class, tally.nan_count, 0, I64),
    NUM(6, MUST, msg_class, tally.inf_count, 0, I64),
    REAL(7, MUST, msg_class, tally.sum),
    REAL(8, MUST, msg_class, tally.sum_sq),
};
static const struct form CLASS = FORM("class", msg_class, CLASS_FIELDS, ROW);

static const struct field PLACE_FIELDS[] = {
    TEXT(1, MUST, msg_place, grp, 1, WORDS), TEXT(2, MUST, msg_place, state, 1, NAME),
    REAL(3, MUST, msg_place, alpha),         REAL(4, MUST, msg_place, dist),
    REAL(5, MUST, msg_place, rel),           REAL(6, MUST, msg_place, angle),
    REAL(7, MUST, msg_place, corner),
};
static const struct form PLACE = FORM("place", msg_place, PLACE_FIELDS, ROW);

static const struct field PLANE_POINT_FIELDS[] = {
    TEXT(1, MUST, msg_plane_point, grp, 1, WORDS),
    TEXT(2, MUST, msg_plane_point, bn, 1, NAME),
    TEXT(3, MUST, msg_plane_point, split, 1, NAME),
    NUM(4, MUST, msg_plane_point, x_index, 0, U32),
    REAL(5, MUST, msg_plane_point, x),
    NUM(6, MUST, msg_plane_point, y_index, 0, U32),
    REAL(7, MUST, msg_plane_point, y),
    NUM(8, MUST, msg_plane_point, tally.count, 1, I64),
    NUM(9, MUST, msg_plane_point, tally.correct, 0, I64),
    NUM(10, MUST, msg_plane_point, tally.nan_count, 0, I64),
    NUM(11, MUST, msg_plane_point, tally.inf_count, 0, I64),
    REAL(12, MUST, msg_plane_point, tally.sum),
    REAL(13, MUST, msg_plane_point, tally.sum_sq),
};
static const struct form PLANE_POINT =
    FORM("plane_point", msg_plane_point, PLANE_POINT_FIELDS, ROW);

static const struct field PLANE_FIELDS[] = {
    TEXT(1, MUST, msg_plane, grp, 1, WORDS),
    REAL(2, MUST, msg_plane, x_l2),
    REAL(3, MUST, msg_plane, y_l2),
    REAL(4, MUST, msg_plane, cosine),
};
static const struct form PLANE = FORM("plane", msg_plane, PLANE_FIELDS, ROW);

/* ---- worker -> coordinator ------------------------------------------------- */

static const struct field HELLO_FIELDS[] = {
    NUM(1, MUST, msg_hello, version, 1, U32),
    HEX(2, MUST, msg_hello, worker),
    NUM(3, MAY, msg_hello, epoch, 0, U64),
    TEXT(4, MAY, msg_hello, host, 0, NAME),
    NUM(5, MAY, msg_hello, pid, 0, U32),
    NUM(6, MUST, msg_hello, slots, 1, SLOTS),
    NUM(7, MUST, msg_hello, threads, 1, PROTO_THREADS_MAX),
    NUM(8, MAY, msg_hello, cores, 0, U32),
    TEXT(9, MAY, msg_hello, provenance, 0, WORDS),
    MANY(10, MAY, msg_hello, running, running_count, 0, SLOTS, RUNNING),
    TEXT(11, MAY, msg_hello, labels, 0, PROTO_LABELS_MAX),
    NUM(12, MAY, msg_hello, memory, 0, U64),
    NUM(13, MAY, msg_hello, time_left_s, 0, U32),
    NUM(14, MAY, msg_hello, time_limit_s, 0, U32),
    FLAG(15, MAY, msg_hello, retracts),
    FLAG(16, MAY, msg_hello, tails),
};
static const struct form HELLO = FORM("HELLO", msg_hello, HELLO_FIELDS, MAP);

static const struct field BEAT_FIELDS[] = {
    NUM(1, MUST, msg_beat, credit, 0, SLOTS),
    MANY(2, MAY, msg_beat, running, running_count, 0, SLOTS, RUNNING),
};
static const struct form BEAT = FORM("BEAT", msg_beat, BEAT_FIELDS, MAP);

static const struct field RESULT_FIELDS[] = {
    NUM(1, MUST, msg_result, job, 1, I64),
    NUM(2, MUST, msg_result, attempt, 1, U32),
    NUM(3, MUST, msg_result, outcome, OUTCOME_DONE, OUTCOME_FAILED),
    TEXT(4, MAY, msg_result, cause, 0, NAME),
    TEXT(5, MAY, msg_result, message, 0, WORDS),
    REAL(6, MAY, msg_result, seconds),
    REAL(7, MAY, msg_result, cpu_seconds),
    NUM(8, MAY, msg_result, rss_bytes, 0, U64),
    NUM(9, MAY, msg_result, epochs, 0, U32),
    NUM(10, MAY, msg_result, steps, 0, U64),
    BYTES(11, MAY, msg_result, log, 0, PROTO_LOG_MAX),
    TEXT(12, MAY, msg_result, provenance, 0, WORDS),
    MANY(13, MAY, msg_result, history, history_count, 0, PROTO_HISTORY_MAX, HISTORY),
    MANY(14, MAY, msg_result, states, state_count, 0, PROTO_STATES_MAX, STATE),
    MANY(15, MAY, msg_result, points, point_count, 0, PROTO_POINTS_MAX, POINT),
    MANY(16, MAY, msg_result, distances, distance_count, 0, PROTO_DISTANCES_MAX,
         DISTANCE),
    MANY(17, MAY, msg_result, rises, rise_count, 0, PROTO_POINTS_MAX, RISE),
    MANY(18, MAY, msg_result, classes, class_count, 0, PROTO_CLASSES_MAX, CLASS),
    MANY(19, MAY, msg_result, places, place_count, 0, PROTO_PLACES_MAX, PLACE),
    MANY(20, MAY, msg_result, plane_points, plane_point_count, 0, PROTO_POINTS_MAX,
         PLANE_POINT),
    MANY(21, MAY, msg_result, planes, plane_count, 0, PROTO_DISTANCES_MAX, PLANE),
    NUM(22, MAY, msg_result, room, 0, U64),
};
static const struct form RESULT = FORM("RESULT", msg_result, RESULT_FIELDS, MAP);

static const struct field PUT_FIELDS[] = {
    HEX(1, MUST, msg_put, hash),
    NUM(2, MUST, msg_put, size, 1, PROTO_ARTIFACT_MAX),
    NUM(3, MUST, msg_put, offset, 0, PROTO_ARTIFACT_MAX),
    BYTES(4, MAY, msg_put, data, 0, PROTO_CHUNK_MAX),
};
static const struct form PUT = FORM("PUT", msg_put, PUT_FIELDS, MAP);

static const struct field GET_FIELDS[] = {
    HEX(1, MUST, msg_get, hash),
    NUM(2, MUST, msg_get, offset, 0, PROTO_ARTIFACT_MAX),
    NUM(3, MUST, msg_get, count, 1, PROTO_CHUNK_MAX),
};
static const struct form GET = FORM("GET", msg_get, GET_FIELDS, MAP);

static const struct field BYE_FIELDS[] = {
    TEXT(1, MAY, msg_bye, text, 0, WORDS),
};
static const struct form BYE = FORM("BYE", msg_bye, BYE_FIELDS, MAP);

static const struct field CHECKPOINT_FIELDS[] = {
    NUM(1, MUST, msg_checkpoint, job, 1, I64),
    NUM(2, MUST, msg_checkpoint, attempt, 1, U32),
    MANY(3, MUST, msg_checkpoint, states, state_count, 1, PROTO_STATES_MAX, STATE),
};
static const struct form CHECKPOINT =
    FORM("CHECKPOINT", msg_checkpoint, CHECKPOINT_FIELDS, MAP);

static const struct field REPORT_FIELDS[] = {
    NUM(1, MUST, msg_report, job, 1, I64),
    NUM(2, MUST, msg_report, attempt, 1, U32),
    MANY(3, MUST, msg_report, history, history_count, 1, PROTO_HISTORY_MAX, HISTORY),
};
static const struct form REPORT = FORM("REPORT", msg_report, REPORT_FIELDS, MAP);

/* ---- coordinator -> worker ------------------------------------------------- */

static const struct field WELCOME_FIELDS[] = {
    NUM(1, MUST, msg_welcome, version, 1, U32),
    NUM(2, MUST, msg_welcome, epoch, 1, U64),
    NUM(3, MUST, msg_welcome, worker, 1, I64),
    NUM(4, MUST, msg_welcome, beat_ms, 1, U32),
    NUM(5, MUST, msg_welcome, lease_ms, 1, U32),
    FLAG(6, MAY, msg_welcome, checkpoints),
    FLAG(7, MAY, msg_welcome, reports),
};
static const struct form WELCOME = FORM("WELCOME", msg_welcome, WELCOME_FIELDS, MAP);

static const struct form WHO = {"WHO", NULL, 0, sizeof(struct msg_who), MAP};

static const struct field ASSIGN_FIELDS[] = {
    MANY(1, MUST, msg_assign, jobs, job_count, 1, PROTO_JOBS_MAX, JOB),
};
static const struct form ASSIGN = FORM("ASSIGN", msg_assign, ASSIGN_FIELDS, MAP);

static const struct field ACK_FIELDS[] = {
    NUM(1, MUST, msg_ack, job, 1, I64),
    NUM(2, MUST, msg_ack, attempt, 1, U32),
    NUM(3, MUST, msg_ack, verdict, VERDICT_ACCEPTED, VERDICT_REFUSED),
    TEXT(4, MAY, msg_ack, text, 0, WORDS),
};
static const struct form ACK = FORM("ACK", msg_ack, ACK_FIELDS, MAP);

static const struct field PUT_OK_FIELDS[] = {
    HEX(1, MUST, msg_put_ok, hash),
    NUM(2, MUST, msg_put_ok, offset, 0, PROTO_ARTIFACT_MAX),
    FLAG(3, MAY, msg_put_ok, complete),
    TEXT(4, MAY, msg_put_ok, text, 0, WORDS),
};
static const struct form PUT_OK = FORM("PUT_OK", msg_put_ok, PUT_OK_FIELDS, MAP);

static const struct field CHUNK_FIELDS[] = {
    HEX(1, MUST, msg_chunk, hash),
    NUM(2, MAY, msg_chunk, size, 0, PROTO_ARTIFACT_MAX),
    NUM(3, MUST, msg_chunk, offset, 0, PROTO_ARTIFACT_MAX),
    BYTES(4, MAY, msg_chunk, data, 0, PROTO_CHUNK_MAX),
    TEXT(5, MAY, msg_chunk, text, 0, WORDS),
};
static const struct form CHUNK = FORM("CHUNK", msg_chunk, CHUNK_FIELDS, MAP);

static const struct field KILL_FIELDS[] = {
    NUM(1, MUST, msg_kill, job, 1, I64),
    NUM(2, MUST, msg_kill, attempt, 1, U32),
    TEXT(3, MAY, msg_kill, text, 0, WORDS),
    FLAG(4, MAY, msg_kill, save),
};
static const struct form KILL = FORM("KILL", msg_kill, KILL_FIELDS, MAP);

static const struct field RETRACT_FIELDS[] = {
    NUM(1, MUST, msg_retract, job, 1, I64),
    NUM(2, MUST, msg_retract, attempt, 1, U32),
};
static const struct form RETRACT = FORM("RETRACT", msg_retract, RETRACT_FIELDS, MAP);

static const struct form DRAIN = {"DRAIN", NULL, 0, sizeof(struct msg_drain), MAP};

/* ---- client -> coordinator, and answers ------------------------------------ */

static const struct field SUBMIT_FIELDS[] = {
    NUM(1, MUST, msg_submit, version, 1, U32),
    HEX(2, MUST, msg_submit, request),
    TEXT(3, MAY, msg_submit, file, 0, WORDS),
    TEXT(4, MUST, msg_submit, grid, 1, PROTO_GRID_MAX),
    FLAG(5, MAY, msg_submit, force),
};
static const struct form SUBMIT = FORM("SUBMIT", msg_submit, SUBMIT_FIELDS, MAP);

static const struct field SUBMITTED_FIELDS[] = {
    HEX(1, MUST, msg_submitted, request),
    NUM(2, MUST, msg_submitted, sweep, 1, I64),
    TEXT(3, MAY, msg_submitted, name, 0, WORDS),
    NUM(4, MUST, msg_submitted, jobs, 0, U64),
    NUM(5, MUST, msg_submitted, added, 0, U64),
    NUM(6, MAY, msg_submitted, rerun, 0, U64),
};
static const struct form SUBMITTED =
    FORM("SUBMITTED", msg_submitted, SUBMITTED_FIELDS, MAP);

static const struct field RANGE_FIELDS[] = {
    NUM(1, MUST, msg_range, first, 1, I64),
    NUM(2, MUST, msg_range, last, 1, I64),
};
static const struct form RANGE = FORM("range", msg_range, RANGE_FIELDS, ROW);

static const struct field CONTROL_FIELDS[] = {
    NUM(1, MUST, msg_control, version, 1, U32),
    HEX(2, MUST, msg_control, request),
    NUM(3, MUST, msg_control, verb, CONTROL_CANCEL, CONTROL_TRUST),
    MANY(4, MAY, msg_control, jobs, job_count, 0, PROTO_RANGES_MAX, RANGE),
    NUM(5, MAY, msg_control, sweep, 0, I64),
    NUM(6, MAY, msg_control, worker, 0, I64),
    TEXT(7, MAY, msg_control, reason, 0, PROTO_REASON_MAX),
    NUM(8, MAY, msg_control, priority, 0, PROTO_PRIORITY_ZERO + PROTO_PRIORITY_MAX),
    NUM(9, MAY, msg_control, max_running, 0, PROTO_PRIORITY_MAX),
    FLAG(10, MAY, msg_control, force),
};
static const struct form CONTROL = FORM("CONTROL", msg_control, CONTROL_FIELDS, MAP);

static const struct field CONTROLLED_FIELDS[] = {
    HEX(1, MUST, msg_controlled, request),
    NUM(2, MUST, msg_controlled, changed, 0, U64),
    NUM(3, MUST, msg_controlled, unchanged, 0, U64),
};
static const struct form CONTROLLED =
    FORM("CONTROLLED", msg_controlled, CONTROLLED_FIELDS, MAP);

static const struct field PING_FIELDS[] = {
    NUM(1, MUST, msg_ping, version, 1, U32),
};
static const struct form PING = FORM("PING", msg_ping, PING_FIELDS, MAP);

static const struct field PONG_FIELDS[] = {
    NUM(1, MUST, msg_pong, version, 1, U32), NUM(2, MUST, msg_pong, epoch, 1, U64),
    NUM(3, MAY, msg_pong, clock_ms, 0, U64), TEXT(4, MAY, msg_pong, release, 0, NAME),
    FLAG(5, MAY, msg_pong, tails),           TEXT(6, MAY, msg_pong, trouble, 0, WORDS),
    NUM(7, MAY, msg_pong, refused, 0, U64),  TEXT(8, MAY, msg_pong, refusal, 0, WORDS),
};
static const struct form PONG = FORM("PONG", msg_pong, PONG_FIELDS, MAP);

static const struct field TAIL_FIELDS[] = {
    NUM(1, MUST, msg_tail, job, 1, I64),
    NUM(2, MUST, msg_tail, attempt, 1, U32),
    NUM(3, MAY, msg_tail, from, 0, U64),
};
static const struct form TAIL = FORM("TAIL", msg_tail, TAIL_FIELDS, MAP);

static const struct field OUTPUT_FIELDS[] = {
    NUM(1, MUST, msg_output, job, 1, I64),
    NUM(2, MUST, msg_output, attempt, 1, U32),
    NUM(3, MAY, msg_output, wanted, 0, U64),
    NUM(4, MAY, msg_output, from, 0, U64),
    BYTES(5, MAY, msg_output, data, 0, PROTO_LOG_MAX),
};
static const struct form OUTPUT = FORM("OUTPUT", msg_output, OUTPUT_FIELDS, MAP);

/* ---- any direction; daemon and trial --------------------------------------- */

static const struct field ERROR_FIELDS[] = {
    NUM(1, MUST, msg_error, code, 1, 255),
    HEX(2, MAY, msg_error, request),
    TEXT(3, MAY, msg_error, text, 0, WORDS),
};
static const struct form ERROR = FORM("ERROR", msg_error, ERROR_FIELDS, MAP);

static const struct field START_FIELDS[] = {
    ONE(1, msg_start, job, JOB),
    TEXT(2, MUST, msg_start, dir, 1, WORDS),
    TEXT(3, MAY, msg_start, data_dir, 0, WORDS),
    NUM(4, MUST, msg_start, threads, 1, PROTO_THREADS_MAX),
    NUM(5, MAY, msg_start, checkpoint_ms, 0, U32),
};
static const struct form START = FORM("START", msg_start, START_FIELDS, MAP);

static const struct field PROGRESS_FIELDS[] = {
    NUM(1, MAY, msg_progress, done, 0, U32),
    NUM(2, MAY, msg_progress, total, 0, U32),
};
static const struct form PROGRESS = FORM("PROGRESS", msg_progress, PROGRESS_FIELDS, MAP);

/* ---- lookup ---------------------------------------------------------------- */

static const struct form *const KINDS[] = {
    [MSG_HELLO] = &HELLO,
    [MSG_BEAT] = &BEAT,
    [MSG_RESULT] = &RESULT,
    [MSG_PUT] = &PUT,
    [MSG_GET] = &GET,
    [MSG_BYE] = &BYE,
    [MSG_WELCOME] = &WELCOME,
    [MSG_WHO] = &WHO,
    [MSG_ASSIGN] = &ASSIGN,
    [MSG_ACK] = &ACK,
    [MSG_PUT_OK] = &PUT_OK,
    [MSG_CHUNK] = &CHUNK,
    [MSG_KILL] = &KILL,
    [MSG_DRAIN] = &DRAIN,
    [MSG_RETRACT] = &RETRACT,
    [MSG_SUBMIT] = &SUBMIT,
    [MSG_SUBMITTED] = &SUBMITTED,
    [MSG_PING] = &PING,
    [MSG_PONG] = &PONG,
    [MSG_CONTROL] = &CONTROL,
    [MSG_CONTROLLED] = &CONTROLLED,
    [MSG_TAIL] = &TAIL,
    [MSG_OUTPUT] = &OUTPUT,
    [MSG_ERROR] = &ERROR,
    [MSG_START] = &START,
    [MSG_PROGRESS] = &PROGRESS,
    [MSG_CHECKPOINT] = &CHECKPOINT,
    [MSG_REPORT] = &REPORT,
};

static const struct form *const PARTS[] = {
    &RUNNING, &INPUT, &JOB,   &HISTORY,     &STATE, &POINT, &DISTANCE,
    &RISE,    &CLASS, &PLACE, &PLANE_POINT, &PLANE, &RANGE, NULL,
};

static const char *const TYPE_NAMES[] = {
    [FIELD_BOOL] = "bool",   [FIELD_U32] = "u32",   [FIELD_U64] = "u64",
    [FIELD_I64] = "i64",     [FIELD_REAL] = "real", [FIELD_TEXT] = "text",
    [FIELD_BYTES] = "bytes", [FIELD_HEX] = "hex",   [FIELD_ONE] = "map",
    [FIELD_MANY] = "list",
};
_Static_assert(COUNT(TYPE_NAMES) == FIELD_TYPE_COUNT, "a type has no name");

const struct form *form_of(uint64_t kind)
{
    return kind < COUNT(KINDS) ? KINDS[kind] : NULL;
}

const struct form *const *form_parts(void)
{
    return PARTS;
}

const char *field_type_name(enum field_type type)
{
    return TYPE_NAMES[type];
}
