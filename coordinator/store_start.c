/* Handing a job out: the next attempt, and the message that carries it. */

#include "coordinator/store_internal.h"

#include "common/error.h"
#include "proto/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a text went in the arena. The arena may move while it grows, so places
 * become pointers only when everything is in. */
struct place {
    size_t offset, size;
};

struct input_places {
    struct place role, state, spec, hash;
    bool stored;
};

static struct place put(struct buf *arena, struct slice text)
{
    struct place place = {arena->size, text.size};

    buf_add(arena, text.data, text.size);
    return place;
}

static struct slice get(const struct buf *arena, struct place place)
{
    return (struct slice){arena->data + place.offset, place.size};
}

/* What an earlier attempt saved, if anything: one more input. */
static int read_resume(struct store *store, const struct job_row *job, struct place spec,
                       struct buf *arena, struct input_places *place, uint32_t *count,
                       struct error *err)
{
    int got = stmt_row(store, STMT_RESUME, ARGS(arg_int(job->id)), err);

    if (got <= 0)
        return got;
    *place = (struct input_places){
        .role = put(arena, slice_of(PROTO_RESUME)),
        .state = put(arena, slice_of(PROTO_RESUME)),
        .spec = spec,
        .hash = put(arena, stmt_text(store, STMT_RESUME, 0)),
        .stored = true,
    };
    (*count)++;
    stmt_end(store, STMT_RESUME);
    return 0;
}

/* What the event says of it. */
static int describe_resume(struct store *store, const struct job_row *job, char *text,
                           size_t size, struct error *err)
{
    int got = stmt_row(store, STMT_RESUME, ARGS(arg_int(job->id)), err);

    if (got <= 0)
        return got;
    if (job->probe)
        snprintf(text, size, "goes on from curve %" PRId64 ", saved by attempt %" PRId64,
                 stmt_int(store, STMT_RESUME, 3) + 1, stmt_int(store, STMT_RESUME, 2));
    else
        snprintf(text, size,
                 "goes on from step %" PRId64 ", in epoch %" PRId64
                 ", saved by attempt %" PRId64,
                 stmt_int(store, STMT_RESUME, 4), stmt_int(store, STMT_RESUME, 3) + 1,
                 stmt_int(store, STMT_RESUME, 2));
    stmt_end(store, STMT_RESUME);
    return 0;
}

static int read_inputs(struct store *store, int64_t job, struct buf *arena,
                       struct input_places places[PROTO_INPUTS_MAX], uint32_t *ret_count,
                       struct error *err)
{
    uint32_t count = 0;
    int got = stmt_row(store, STMT_INPUTS, ARGS(arg_int(job)), err);

    while (got > 0) {
        if (count == PROTO_INPUTS_MAX - 1) { /* one may be what it goes on from */
            stmt_end(store, STMT_INPUTS);
            return err_set(err, ERR_INVALID, "job %lld needs more than %d states",
                           (long long)job, PROTO_INPUTS_MAX - 1);
        }
        places[count++] = (struct input_places){
            .role = put(arena, stmt_text(store, STMT_INPUTS, 0)),
            .state = put(arena, stmt_text(store, STMT_INPUTS, 1)),
            .spec = put(arena, stmt_text(store, STMT_INPUTS, 2)),
            .hash = put(arena, stmt_text(store, STMT_INPUTS, 3)),
            .stored = stmt_int(store, STMT_INPUTS, 4) != 0,
        };
        got = stmt_next(store, STMT_INPUTS, err);
    }
    *ret_count = count;
    return got;
}

/* The inputs lie at the arena's start, which malloc has aligned. */
static int fill_message(struct store *store, const struct job_row *job,
                        struct msg_job *ret, struct buf *arena, struct error *err)
{
    struct input_places places[PROTO_INPUTS_MAX];
    struct msg_input inputs[PROTO_INPUTS_MAX] = {0};
    struct place spec;
    uint32_t count = 0, limit_s;
    double alpha = 0;

    assert(arena->size == 0);
    buf_add(arena, inputs, sizeof inputs);
    if ((job->has_needs &&
         read_inputs(store, job->id, arena, places, &count, err) != 0) ||
        stmt_row(store, STMT_JOB_SPEC, ARGS(arg_int(job->id)), err) < 0)
        return -1;
    spec = put(arena, stmt_text(store, STMT_JOB_SPEC, 0));
    limit_s = (uint32_t)stmt_int(store, STMT_JOB_SPEC, 1);
    stmt_end(store, STMT_JOB_SPEC);
    if (job->has_resume &&
        read_resume(store, job, spec, arena, &places[count], &count, err) != 0)
        return -1;
    if (arena->failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for job %lld", (long long)job->id);
    for (uint32_t i = 0; i < count; i++) {
        inputs[i].role = get(arena, places[i].role);
        inputs[i].state = get(arena, places[i].state);
        inputs[i].spec = get(arena, places[i].spec);
        inputs[i].hash = get(arena, places[i].hash);
        inputs[i].stored = places[i].stored;
    }
    if (job->derive && derive_alpha(store, job->id, &alpha, err) != 0)
        return -1;
    memcpy(arena->data, inputs, sizeof inputs);
    *ret = (struct msg_job){
        .job = job->id,
        .attempt = job->attempt,
        .spec = get(arena, spec),
        .time_limit_s = limit_s,
        .inputs = (struct msg_input *)(void *)arena->data,
        .input_count = count,
        .alpha = alpha,
    };
    return 0;
}

int store_start(struct store *store, int64_t job, int64_t worker, int64_t now_ms,
                struct msg_job *ret, struct buf *arena, struct error *err)
{
    struct job_note note = {.now_ms = now_ms};
    struct job_row row;
    char from[128] = "";

    if (job_load(store, job, &row, err) != 0)
        return -1;
    if (row.state != JOB_READY)
        return err_set(err, ERR_NOT_FOUND, "job %lld is %s, not ready", (long long)job,
                       job_state_name(row.state));
    row.attempt++;
    note.detail = from;
    if ((row.has_resume && describe_resume(store, &row, from, sizeof from, err) != 0) ||
        job_move(store, &row, EVENT_START, note, err) != 0 ||
        (row.attempt > 1 &&
         stmt_run(store, STMT_BACKOFF_DROP, ARGS(arg_int(job)), err) != 0) ||
        stmt_run(
            store, STMT_ATTEMPT_ADD,
            ARGS(arg_int(job), arg_int(row.attempt), arg_int(worker), arg_int(now_ms)),
            err) != 0)
        return -1;
    return fill_message(store, &row, ret, arena, err);
}
