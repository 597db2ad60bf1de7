#include "worker/probe/keeper.h"

#include "common/error.h"
#include "proto/limits.h"
#include "worker/sink.h"

#include <string.h>

static int store(struct keeper *keeper, char ret_hash[HASH_TEXT], uint64_t *ret_size,
                 struct error *err)
{
    struct progress *progress = &keeper->progress;

    buf_clear(&progress->kept);
    if (progress->keeps && detail_save(keeper->detail, &progress->kept, err))
        return -1;
    return progress_store(progress, keeper->env->dir, keeper->rows, ret_hash, ret_size,
                          err);
}

/* Not being able to is no reason to stop. */
static void save(struct keeper *keeper)
{
    const struct progress *progress = &keeper->progress;
    char hash[HASH_TEXT];
    struct msg_state file = {.name = slice_of(PROTO_RESUME),
                             .hash = {hash, HASH_HEX},
                             .epoch = (uint32_t)progress->done,
                             .step = progress->done,
                             .stored = true};
    struct error err;

    keeper->due = false;
    if (store(keeper, hash, &file.size, &err))
        sink_log(keeper->sink, "the probe could not be saved: %s", err.text);
    else if (keeper->env->saved)
        keeper->env->saved(keeper->env->user, &file);
}

bool keeper_stops(struct keeper *keeper)
{
    const struct probe_env *env = keeper->env;

    if (env->wish && !keeper->stopping) {
        const enum wish wish = env->wish(env->user);
        keeper->due = keeper->due || wish == WISH_SAVE;
        keeper->stopping = wish == WISH_STOP;
    }
    return keeper->stopping;
}

static bool heed(struct keeper *keeper)
{
    const bool stops = keeper_stops(keeper);

    if (keeper->due && !stops)
        save(keeper);
    return stops;
}

void keeper_keep(struct keeper *keeper, const struct trace_point *points)
{
    const struct progress *progress = &keeper->progress;

    memcpy(progress_points(progress, progress->done), points,
           progress->alphas * sizeof *points);
}

bool keeper_points(struct keeper *keeper, const struct trace_point *points)
{
    if (!keeper->whole) {
        keeper_keep(keeper, points);
        keeper->progress.begun = true;
    }
    return heed(keeper);
}

void keeper_skip(struct keeper *keeper)
{
    progress_next(&keeper->progress);
}

bool keeper_next(struct keeper *keeper)
{
    struct progress *progress = &keeper->progress;

    keeper_skip(keeper);
    return progress->done < progress->curves && heed(keeper);
}

void keeper_leave(struct keeper *keeper)
{
    save(keeper);
    sink_log(keeper->sink, "stopped in curve %zu of %zu", keeper->progress.done + 1,
             keeper->progress.curves);
}

int keeper_begin(struct keeper *keeper, struct error *err)
{
    struct progress *progress = &keeper->progress;
    struct error why;

    progress->keeps = keeper->detail && detail_keeps(keeper->detail);
    if (progress_open(progress, err))
        return -1;
    if (!keeper->env->resume || keeper->anew)
        return 0;
    if (progress_read(progress, keeper->env->resume, keeper->rows, &why) == 0) {
        const struct buf *kept = &progress->kept;
        keeper->goes_on = true;
        if (progress->keeps &&
            detail_load(keeper->detail, kept->data, kept->size, keeper->env->resume, err))
            return -1;
        sink_log(keeper->sink, "the probe goes on: %zu of %zu curves are done",
                 progress->done, progress->curves);
        return 0;
    }
    if (why.code == ERR_NO_MEMORY || why.code == ERR_INVALID)
        return err_set(err, why.code, "%s", why.text);
    sink_log(keeper->sink, "the probe begins anew: %s", why.text);
    return 0;
}

void keeper_end(struct keeper *keeper)
{
    progress_close(&keeper->progress);
}
