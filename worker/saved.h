#ifndef COORD_SAVED_H
#define COORD_SAVED_H

/* What a run in a slot has saved to go on from: the newest only, its files pinned in
 * the cache, and put into the outbox as soon as that has none of the job. So one file
 * of a job is kept here, two while one of them is sent. It knows no clock and no
 * socket. A zeroed one is empty. */

#include "common/hash.h"
#include "worker/kept.h"

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct error;
struct outbox;

struct saved {
    struct kept kept;      /* the CHECKPOINT; kind MSG_NONE: none */
    bool offered;          /* it was put into the outbox */
    char older[HASH_TEXT]; /* what the outbox got before: removed when it is sent */
};

/* A newer one, of which the files lie in the trial's folder: they are taken into the
 * cache, and it takes the place of the one before. *kept is freed or taken over.
 * ERR_IO, ERR_NO_MEMORY: the one before stays. */
int saved_take(struct saved *saved, struct kept *kept, const char *dir,
               struct cache *cache, struct outbox *outbox, struct error *err);

/* Put it into the outbox if it is not there yet and nothing of the job is. */
void saved_offer(struct saved *saved, struct cache *cache, struct outbox *outbox,
                 int64_t now_ms);

/* Let go of it; useless: its file is not worth keeping in the cache either. */
void saved_release(struct saved *saved, bool useless, struct cache *cache,
                   struct outbox *outbox);

/* Let go of it, its pins being somebody else's now. */
void saved_pass(struct saved *saved);

/* The states of a result that its trial has stored in its folder `dir` go into the cache,
 * where they are pinned until the outbox lets them go; all of them or, with err, none. */
int saved_keep_states(struct cache *cache, const struct msg_result *result,
                      const char *dir, struct error *err);

/* Undo that for the first `count`. */
void saved_unpin_states(struct cache *cache, const struct msg_result *result,
                        uint32_t count);

#endif
