/* What runs have saved to go on from: the newest of each job, until it has ended. An
 * artifact that nobody needs any more loses its row here and its file after the
 * COMMIT (store_dropped).
 */

#include "coordinator/store_internal.h"

#include "common/error.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Forget an artifact unless something else needs it. */
static int release(struct store *store, const char *hash, struct error *err)
{
    if (stmt_run(store, STMT_ARTIFACT_DROP, ARGS(arg_text(hash)), err) != 0)
        return -1;
    if (stmt_changes(store) == 0)
        return 0;
    if (store->dropped_count == store->dropped_room) {
        size_t room = store->dropped_room ? 2 * store->dropped_room : 16;
        char(*dropped)[HASH_TEXT] = realloc(store->dropped, room * sizeof *dropped);

        if (!dropped)
            return err_set(err, ERR_NO_MEMORY, "no memory for %zu artifacts", room);
        store->dropped = dropped;
        store->dropped_room = room;
    }
    snprintf(store->dropped[store->dropped_count++], HASH_TEXT, "%s", hash);
    return 0;
}

bool store_dropped(struct store *store, char ret_hash[HASH_TEXT])
{
    while (store->dropped_count > 0) {
        memcpy(ret_hash, store->dropped[--store->dropped_count], HASH_TEXT);
        /* The same batch may have taken it in again. */
        if (!store_artifact_has(store, ret_hash))
            return true;
    }
    return false;
}

/* The hash that is kept for a job; "" for none. */
static int read_kept(struct store *store, int64_t job, char ret[HASH_TEXT],
                     struct error *err)
{
    int got = stmt_row(store, STMT_RESUME, ARGS(arg_int(job)), err);

    ret[0] = '\0';
    if (got <= 0)
        return got;
    snprintf(ret, HASH_TEXT, "%s", stmt_text(store, STMT_RESUME, 0).data);
    stmt_end(store, STMT_RESUME);
    return 0;
}

static const struct msg_state *find_resume(const struct msg_state *states, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (states[i].stored && slice_is(states[i].name, PROTO_RESUME))
            return &states[i];
    return NULL;
}

int resume_keep(struct store *store, int64_t job, uint32_t attempt,
                const struct msg_state *states, uint32_t count, int64_t now_ms,
                struct error *err)
{
    const struct msg_state *state = find_resume(states, count);
    char before[HASH_TEXT];

    if (!state)
        return 0;
    if (read_kept(store, job, before, err) != 0 ||
        stmt_run(store, STMT_RESUME_SET,
                 ARGS(arg_int(job), arg_int(attempt), arg_slice(state->hash),
                      arg_int((int64_t)state->size), arg_int(state->epoch),
                      arg_int((int64_t)state->step), arg_int(now_ms)),
                 err) != 0)
        return -1;
    /* Unless it is the same: then it is needed, and stays. */
    return before[0] ? release(store, before, err) : 0;
}

int resume_drop(struct store *store, int64_t job, struct error *err)
{
    char kept[HASH_TEXT];

    if (read_kept(store, job, kept, err) != 0)
        return -1;
    if (!kept[0])
        return 0;
    if (stmt_run(store, STMT_RESUME_DROP, ARGS(arg_int(job)), err) != 0)
        return -1;
    return release(store, kept, err);
}

static int all_are_here(struct store *store, const struct msg_checkpoint *checkpoint,
                        bool *ret, struct error *err)
{
    *ret = true;
    for (uint32_t i = 0; i < checkpoint->state_count && *ret; i++) {
        if (!checkpoint->states[i].stored)
            continue;
        int got = stmt_row(store, STMT_ARTIFACT,
                           ARGS(arg_slice(checkpoint->states[i].hash)), err);
        if (got < 0)
            return -1;
        *ret = got > 0;
        stmt_end(store, STMT_ARTIFACT);
    }
    return 0;
}

/* Of an attempt that is not the job's: nobody will go on from it. */
static int refuse(struct store *store, const struct msg_checkpoint *checkpoint,
                  struct error *err)
{
    const struct msg_state *state =
        find_resume(checkpoint->states, checkpoint->state_count);
    char hash[HASH_TEXT];

    if (!state)
        return 0;
    snprintf(hash, sizeof hash, "%.*s", (int)state->hash.size, state->hash.data);
    return release(store, hash, err);
}

int store_resume(struct store *store, const struct msg_checkpoint *checkpoint,
                 int64_t now_ms, bool *ret_taken, struct error *err)
{
    struct error why;
    struct job_row job;

    *ret_taken = false;
    if (job_load(store, checkpoint->job, &job, &why) != 0) {
        if (why.code != ERR_NOT_FOUND)
            return err_set(err, why.code, "%s", why.text);
        return refuse(store, checkpoint, err);
    }
    if (job.state != JOB_RUNNING || job.attempt != checkpoint->attempt)
        return refuse(store, checkpoint, err);
    if (all_are_here(store, checkpoint, ret_taken, err) != 0)
        return -1;
    if (!*ret_taken)
        return 0;
    return resume_keep(store, job.id, job.attempt, checkpoint->states,
                       checkpoint->state_count, now_ms, err);
}
