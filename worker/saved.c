#include "worker/saved.h"

#include "common/error.h"
#include "proto/limits.h"
#include "worker/cache.h"
#include "worker/outbox.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_ours(const struct msg_state *state)
{
    return state->stored && !state->earlier;
}

static bool is_resume(const struct msg_state *state)
{
    return slice_is(state->name, PROTO_RESUME);
}

static const char *hash_text(struct slice hash, char out[HASH_TEXT])
{
    snprintf(out, HASH_TEXT, "%.*s", (int)hash.size, hash.data ? hash.data : "");
    return out;
}

static void unpin(struct cache *cache, const struct msg_checkpoint *checkpoint,
                  uint32_t count)
{
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < count; i++)
        if (is_ours(&checkpoint->states[i]))
            cache_unpin(cache, hash_text(checkpoint->states[i].hash, hash));
}

/* The hash of what to go on from; "" when there is none. */
static void resume_hash(const struct kept *kept, char ret[HASH_TEXT])
{
    const struct msg_checkpoint *checkpoint = &kept->msg.checkpoint;

    ret[0] = '\0';
    for (uint32_t i = 0; kept->msg.kind != MSG_NONE && i < checkpoint->state_count; i++)
        if (is_ours(&checkpoint->states[i]) && is_resume(&checkpoint->states[i]))
            hash_text(checkpoint->states[i].hash, ret);
}

/* Take one file into the cache. The trial's result will name the run's states once
 * more, so those stay in its folder under another name. */
static int add_file(struct cache *cache, const struct msg_state *state, const char *dir,
                    struct error *err)
{
    char hash[HASH_TEXT], path[2 * PATH_MAX], twin[2 * PATH_MAX + 8];

    hash_text(state->hash, hash);
    snprintf(path, sizeof path, "%s/%s.safetensors", dir, hash);
    if (is_resume(state))
        return cache_add(cache, hash, path, err);
    snprintf(twin, sizeof twin, "%s.twin", path);
    if (link(path, twin) != 0)
        return err_errno(err, ERR_IO, "cannot link %s", path);
    if (cache_add(cache, hash, twin, err) == 0)
        return 0;
    (void)unlink(twin);
    return -1;
}

static int add_files(struct cache *cache, const struct msg_checkpoint *checkpoint,
                     const char *dir, struct error *err)
{
    for (uint32_t i = 0; i < checkpoint->state_count; i++) {
        if (!is_ours(&checkpoint->states[i]) ||
            add_file(cache, &checkpoint->states[i], dir, err) == 0)
            continue;
        unpin(cache, checkpoint, i);
        return -1;
    }
    return 0;
}

/* The outbox has sent it, or never will: its file is of no use to anybody. */
static void drop_older(struct saved *saved, struct cache *cache)
{
    char newest[HASH_TEXT];

    resume_hash(&saved->kept, newest);
    if (saved->older[0] && strcmp(saved->older, newest) != 0)
        cache_drop(cache, saved->older);
    saved->older[0] = '\0';
}

/* Let go of the newest. While the outbox may read its file, that stays. */
static void let_go(struct saved *saved, bool useless, struct cache *cache,
                   const struct outbox *outbox)
{
    char hash[HASH_TEXT];

    if (saved->kept.msg.kind == MSG_NONE)
        return;
    resume_hash(&saved->kept, hash);
    unpin(cache, &saved->kept.msg.checkpoint, saved->kept.msg.checkpoint.state_count);
    if (useless && hash[0]) {
        if (!saved->offered ||
            !outbox_has_checkpoint(outbox, saved->kept.msg.checkpoint.job))
            cache_drop(cache, hash);
        else
            memcpy(saved->older, hash, sizeof hash);
    }
    kept_free(&saved->kept);
    saved->offered = false;
}

int saved_take(struct saved *saved, struct kept *kept, const char *dir,
               struct cache *cache, struct outbox *outbox, struct error *err)
{
    char before[HASH_TEXT], now[HASH_TEXT];

    if (add_files(cache, &kept->msg.checkpoint, dir, err) != 0) {
        kept_free(kept);
        return -1;
    }
    /* A job that was asked to save itself before it came further saves the same. */
    resume_hash(&saved->kept, before);
    resume_hash(kept, now);
    let_go(saved, strcmp(before, now) != 0, cache, outbox);
    saved->kept = *kept;
    *kept = (struct kept){0};
    return 0;
}

static int pin(struct cache *cache, const struct msg_checkpoint *checkpoint)
{
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < checkpoint->state_count; i++) {
        if (!is_ours(&checkpoint->states[i]) ||
            cache_pin(cache, hash_text(checkpoint->states[i].hash, hash), NULL) == 0)
            continue;
        unpin(cache, checkpoint, i);
        return -1;
    }
    return 0;
}

void saved_offer(struct saved *saved, struct cache *cache, struct outbox *outbox,
                 int64_t now_ms)
{
    const struct msg_checkpoint *checkpoint = &saved->kept.msg.checkpoint;

    if (saved->kept.msg.kind == MSG_NONE || saved->offered ||
        outbox_has_checkpoint(outbox, checkpoint->job))
        return;
    drop_older(saved, cache);
    saved->offered = true; /* also when that fails: the next one may go */
    if (pin(cache, checkpoint) == 0 &&
        outbox_add_checkpoint(outbox, checkpoint, now_ms, NULL) != 0)
        unpin(cache, checkpoint, checkpoint->state_count);
}

void saved_release(struct saved *saved, bool useless, struct cache *cache,
                   struct outbox *outbox)
{
    if (saved->kept.msg.kind != MSG_NONE && useless)
        outbox_drop_checkpoint(outbox, saved->kept.msg.checkpoint.job);
    let_go(saved, useless, cache, outbox);
    *saved = (struct saved){0};
}

void saved_pass(struct saved *saved)
{
    kept_free(&saved->kept);
    *saved = (struct saved){0};
}

/* ---- states of a result ---------------------------------------------------------- */

void saved_unpin_states(struct cache *cache, const struct msg_result *result,
                        uint32_t count)
{
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < count; i++)
        if (is_ours(&result->states[i]))
            cache_unpin(cache, hash_text(result->states[i].hash, hash));
}

int saved_keep_states(struct cache *cache, const struct msg_result *result,
                      const char *dir, struct error *err)
{
    char hash[HASH_TEXT], path[2 * PATH_MAX];

    for (uint32_t i = 0; i < result->state_count; i++) {
        if (!is_ours(&result->states[i]))
            continue;
        hash_text(result->states[i].hash, hash);
        snprintf(path, sizeof path, "%s/%s.safetensors", dir, hash);
        if (cache_add(cache, hash, path, err) == 0)
            continue;
        saved_unpin_states(cache, result, i);
        return -1;
    }
    return 0;
}
