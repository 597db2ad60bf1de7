#include "worker/fetch.h"

#include "common/error.h"
#include "common/hash.h"
#include "proto/limits.h"
#include "worker/cache.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RESEND_MS = 10000,
    TRIES_MAX = 2, /* content that does not match its hash twice is not chance */
};

static const uint64_t WINDOW_BYTES = (uint64_t)PROTO_CHUNK_WINDOW * PROTO_CHUNK_MAX;

struct item {
    char hash[HASH_TEXT];
    enum fetch_state state;
    unsigned users;
    unsigned tries;
    struct error why; /* when FETCH_FAILED */
};

/* The download under way: always the first pending item's. */
struct download {
    int fd;         /* -1: none has begun */
    uint64_t size;  /* 0: not known yet */
    uint64_t got;   /* bytes written */
    uint64_t asked; /* bytes asked for */
    int64_t resend_ms;
    struct hash_state *check;
};

struct fetch {
    struct cache *cache;
    char path[PATH_MAX]; /* of the unfinished file */
    struct item *items;  /* in the order they were wanted */
    size_t count, room;
    struct download load;
};

struct fetch *fetch_new(struct cache *cache, const char *dir, struct error *err)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);

    if (!fetch) {
        err_set(err, ERR_NO_MEMORY, "no memory to fetch states");
        return NULL;
    }
    fetch->cache = cache;
    fetch->load.fd = -1;
    if (snprintf(fetch->path, sizeof fetch->path, "%s/download", dir) >=
        (int)sizeof fetch->path) {
        err_set(err, ERR_INVALID, "folder name is too long: %.100s...", dir);
        free(fetch);
        return NULL;
    }
    return fetch;
}

/* Forget the download under way and its bytes. */
static void abandon(struct fetch *fetch)
{
    char unused[HASH_TEXT];

    if (fetch->load.fd >= 0) {
        close(fetch->load.fd);
        (void)unlink(fetch->path);
    }
    if (fetch->load.check)
        hash_end(&fetch->load.check, unused);
    fetch->load = (struct download){.fd = -1};
}

void fetch_free(struct fetch **fetch)
{
    if (!*fetch)
        return;
    abandon(*fetch);
    for (size_t i = 0; i < (*fetch)->count; i++)
        if ((*fetch)->items[i].state == FETCH_READY)
            cache_unpin((*fetch)->cache, (*fetch)->items[i].hash);
    free((*fetch)->items);
    free(*fetch);
    *fetch = NULL;
}

static struct item *find(const struct fetch *fetch, const char *hash)
{
    for (size_t i = 0; i < fetch->count; i++)
        if (strcmp(fetch->items[i].hash, hash) == 0)
            return &fetch->items[i];
    return NULL;
}

/* The item whose download is under way, or comes next. */
static struct item *current(const struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++)
        if (fetch->items[i].state == FETCH_PENDING)
            return &fetch->items[i];
    return NULL;
}

/* Whether the cache has the state, undamaged; then it is pinned. */
static bool pin_cached(struct fetch *fetch, const char *hash)
{
    char path[PATH_MAX], content[HASH_TEXT];

    if (cache_pin(fetch->cache, hash, NULL) != 0)
        return false;
    if (hash_file(cache_path(fetch->cache, hash, path), content, NULL, NULL) == 0 &&
        strcmp(content, hash) == 0)
        return true;
    cache_drop(fetch->cache, hash);
    return false;
}

int fetch_want(struct fetch *fetch, const char *hash, struct error *err)
{
    struct item *item = find(fetch, hash);

    if (item) {
        item->users++;
        return 0;
    }
    if (!hash_is_hex(hash, strlen(hash)))
        return err_set(err, ERR_INVALID, "'%s' is not a hash", hash);
    if (fetch->count == fetch->room) {
        size_t room = fetch->room ? 2 * fetch->room : 16;
        struct item *items = realloc(fetch->items, room * sizeof *items);
        if (!items)
            return err_set(err, ERR_NO_MEMORY, "no memory to fetch states");
        fetch->items = items;
        fetch->room = room;
    }
    item = &fetch->items[fetch->count++];
    *item = (struct item){.users = 1};
    snprintf(item->hash, sizeof item->hash, "%s", hash);
    item->state = pin_cached(fetch, hash) ? FETCH_READY : FETCH_PENDING;
    return 0;
}

void fetch_drop(struct fetch *fetch, const char *hash)
{
    struct item *item = find(fetch, hash);

    if (!item || --item->users > 0)
        return;
    if (item == current(fetch))
        abandon(fetch);
    if (item->state == FETCH_READY)
        cache_unpin(fetch->cache, hash);
    size_t after = (size_t)(fetch->items + fetch->count - item - 1);
    memmove(item, item + 1, after * sizeof *item);
    fetch->count--;
}

enum fetch_state fetch_state_of(const struct fetch *fetch, const char *hash,
                                struct error *err)
{
    const struct item *item = find(fetch, hash);

    if (!item) {
        err_set(err, ERR_NOT_FOUND, "state %s was not asked for", hash);
        return FETCH_FAILED;
    }
    if (item->state == FETCH_FAILED && err)
        *err = item->why;
    return item->state;
}

static void fail(struct fetch *fetch, struct item *item, const struct error *err)
{
    item->why = *err;
    item->state = FETCH_FAILED;
    abandon(fetch);
}

/* --- asking ----------------------------------------------------------------- */

bool fetch_next(struct fetch *fetch, int64_t now_ms, struct msg *ret)
{
    const struct item *item = current(fetch);
    struct download *load = &fetch->load;

    if (!item)
        return false;
    if (load->asked > load->got && now_ms >= load->resend_ms)
        load->asked = load->got; /* the answers are lost: ask again */
    /* The first piece goes alone; its answer tells the size. */
    if (load->size == 0
            ? load->asked > 0
            : load->asked >= load->size || load->asked - load->got >= WINDOW_BYTES)
        return false;
    *ret = (struct msg){
        .kind = MSG_GET,
        .get = {.hash = slice_of(item->hash),
                .offset = load->asked,
                .count = PROTO_CHUNK_MAX},
    };
    return true;
}

void fetch_sent(struct fetch *fetch, int64_t now_ms)
{
    assert(current(fetch));
    fetch->load.asked += PROTO_CHUNK_MAX;
    fetch->load.resend_ms = now_ms + RESEND_MS;
}

/* --- receiving -------------------------------------------------------------- */

static int begin(struct fetch *fetch, const struct item *item, uint64_t size,
                 struct error *err)
{
    struct download *load = &fetch->load;

    if (size == 0 || size > PROTO_ARTIFACT_MAX)
        return err_set(err, ERR_DATA, "state %s has %" PRIu64 " bytes", item->hash, size);
    load->fd = open(fetch->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (load->fd < 0)
        return err_errno(err, ERR_IO, "cannot create %s", fetch->path);
    load->check = hash_new();
    if (!load->check)
        return err_set(err, ERR_NO_MEMORY, "no memory to check state %s", item->hash);
    load->size = size;
    return 0;
}

static int write_piece(struct fetch *fetch, struct slice data, struct error *err)
{
    for (size_t done = 0; done < data.size;) {
        ssize_t wrote = write(fetch->load.fd, data.data + done, data.size - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_errno(err, ERR_IO, "cannot write %s", fetch->path);
        done += (size_t)wrote;
    }
    hash_add(fetch->load.check, data.data, data.size);
    fetch->load.got += data.size;
    return 0;
}

/* All bytes are there: are they the right ones? */
static int finish(struct fetch *fetch, struct item *item, struct error *err)
{
    char content[HASH_TEXT];
    int closed = close(fetch->load.fd);

    fetch->load.fd = -1;
    hash_end(&fetch->load.check, content);
    if (closed != 0)
        return err_errno(err, ERR_IO, "cannot write %s", fetch->path);
    if (strcmp(content, item->hash) == 0) {
        if (cache_add(fetch->cache, item->hash, fetch->path, err) != 0)
            return -1;
        item->state = FETCH_READY;
        abandon(fetch);
        return 0;
    }
    (void)unlink(fetch->path);
    abandon(fetch);
    if (++item->tries < TRIES_MAX)
        return 0;
    return err_set(err, ERR_DATA, "state %s came with the content of %s", item->hash,
                   content);
}

void fetch_chunk(struct fetch *fetch, const struct msg_chunk *chunk, int64_t now_ms)
{
    struct item *item = current(fetch);
    struct download *load = &fetch->load;
    struct error err;

    if (!item || !slice_is(chunk->hash, item->hash) || load->asked == 0)
        return; /* of a download that nobody wants any more */
    if (chunk->text.size > 0) {
        err_set(&err, ERR_DATA, "state %s cannot be fetched: %.*s", item->hash,
                (int)(chunk->text.size < 200 ? chunk->text.size : 200), chunk->text.data);
        fail(fetch, item, &err);
        return;
    }
    if (chunk->offset != load->got)
        return; /* asked for twice, or after a lost one */
    if (load->size == 0 && begin(fetch, item, chunk->size, &err) != 0) {
        fail(fetch, item, &err);
        return;
    }
    if (chunk->data.size > load->size - load->got || chunk->size != load->size)
        return;
    load->resend_ms = now_ms + RESEND_MS;
    if (write_piece(fetch, chunk->data, &err) != 0 ||
        (load->got == load->size && finish(fetch, item, &err) != 0))
        fail(fetch, item, &err);
}

void fetch_reset(struct fetch *fetch)
{
    fetch->load.asked = fetch->load.got;
    fetch->load.resend_ms = 0;
}

int64_t fetch_deadline(const struct fetch *fetch)
{
    if (!current(fetch))
        return INT64_MAX;
    return fetch->load.asked > fetch->load.got ? fetch->load.resend_ms : 0;
}
