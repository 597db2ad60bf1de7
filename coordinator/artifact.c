#include "coordinator/artifact.h"

#include "common/crash.h"
#include "common/error.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Uploads under way at once. More workers than this may send; the one that was
 * quiet longest is then closed, and read again from its file when it goes on. */
enum { PARTIAL_MAX = 64, READ_BYTES = 1 << 16 };

/* Who sends one this long after its last piece starts over. */
enum { PARTIAL_AGE_S = 24 * 3600 };

/* One file that is still arriving. fd < 0: the place is free. */
struct partial {
    char hash[HASH_TEXT];
    int fd;
    uint64_t size, held;
    struct hash_state *hashing; /* of the bytes held */
    uint64_t used;              /* turn of its last piece */
};

struct artifact_store {
    char dir[PATH_MAX - 64];
    uint64_t turn;
    struct crash *crash; /* where tests have it die, or NULL */
    struct partial partials[PARTIAL_MAX];
};

static int make_dir(const char *path, struct error *err)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "cannot create the folder %s", path);
    return 0;
}

char *artifact_path(const char *dir, const char *hash, char *out, size_t size)
{
    int length = snprintf(out, size, "%s/%.2s/%s", dir, hash, hash);

    assert(length > 0 && (size_t)length < size);
    (void)length;
    return out;
}

/* By hash and size: somebody who begins one with a wrong size is in nobody's way. */
static void partial_path(const struct artifact_store *store, const char *hash,
                         uint64_t size, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/partial/%s-%" PRIu64, store->dir, hash, size);
}

/* Forget the open file, not the file. */
static void partial_close(struct partial *partial)
{
    char ignored[HASH_TEXT];

    if (partial->fd >= 0)
        close(partial->fd);
    if (partial->hashing)
        hash_end(&partial->hashing, ignored);
    partial->fd = -1;
}

static int write_all(int fd, struct slice data)
{
    while (data.size > 0) {
        ssize_t wrote = write(fd, data.data, data.size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        data.data += wrote;
        data.size -= (size_t)wrote;
    }
    return 0;
}

/* Hash what an earlier connection or process left. Afterwards the file's
 * position is at its end. */
static int read_held(struct partial *partial, struct error *err)
{
    char bytes[READ_BYTES];
    ssize_t got;

    while ((got = read(partial->fd, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_IO, "cannot read the partial artifact %s",
                             partial->hash);
        hash_add(partial->hashing, bytes, (size_t)got);
        partial->held += (uint64_t)got;
    }
    return 0;
}

static struct partial *partial_find(struct artifact_store *store, const char *hash,
                                    uint64_t size)
{
    struct partial *oldest = &store->partials[0];

    for (size_t i = 0; i < PARTIAL_MAX; i++) {
        struct partial *partial = &store->partials[i];
        if (partial->fd >= 0 && partial->size == size && strcmp(partial->hash, hash) == 0)
            return partial;
        if (partial->fd < 0 || (oldest->fd >= 0 && partial->used < oldest->used))
            oldest = partial;
    }
    partial_close(oldest);
    return oldest;
}

static int make_dirs(const struct artifact_store *store, struct error *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/partial", store->dir);
    return make_dir(store->dir, err) != 0 || make_dir(path, err) != 0 ? -1 : 0;
}

/* Somebody may have tidied up meanwhile. */
static int open_partial(const struct artifact_store *store, const char *path,
                        struct error *err)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC;
    int fd = open(path, flags, 0666);

    if (fd < 0 && errno == ENOENT && make_dirs(store, NULL) == 0)
        fd = open(path, flags, 0666);
    return fd < 0 ? err_errno(err, ERR_IO, "cannot create %s", path) : fd;
}

/* The open upload of hash, begun or taken up again. */
static struct partial *partial_get(struct artifact_store *store, const char *hash,
                                   uint64_t size, struct error *err)
{
    struct partial *partial = partial_find(store, hash, size);
    char path[PATH_MAX];

    if (partial->fd >= 0)
        return partial;
    snprintf(partial->hash, sizeof partial->hash, "%s", hash);
    partial->size = size;
    partial->held = 0;
    partial->hashing = hash_new();
    if (!partial->hashing) {
        err_set(err, ERR_NO_MEMORY, "no memory to hash %s", hash);
        return NULL;
    }
    partial_path(store, hash, size, path);
    partial->fd = open_partial(store, path, err);
    if (partial->fd < 0 || read_held(partial, err) != 0)
        goto fail;
    return partial;

fail:
    partial_close(partial);
    return NULL;
}

/* A piece that was written in part is cut off again, so that the file's length
 * stays the number of bytes hashed. If even that fails, the upload is closed
 * and its file read anew at the next piece. */
static int append(struct partial *partial, struct slice data, struct error *err)
{
    if (write_all(partial->fd, data) != 0) {
        err_errno(err, ERR_IO, "cannot write artifact %s", partial->hash);
        if (ftruncate(partial->fd, (off_t)partial->held) != 0 ||
            lseek(partial->fd, 0, SEEK_END) < 0)
            partial_close(partial);
        return -1;
    }
    hash_add(partial->hashing, data.data, data.size);
    partial->held += data.size;
    return 0;
}

/* Make a rename last through a power cut. */
static int sync_dir(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0
                 ? err_errno(err, ERR_IO, "cannot sync the folder %s", path)
                 : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* All bytes are there: verify, sync, move into place. A whole with another hash
 * is thrown away. */
static int finish(struct artifact_store *store, struct partial *partial,
                  uint64_t *ret_held, struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX], folder[PATH_MAX], is[HASH_TEXT];
    int rc = -1;

    partial_path(store, partial->hash, partial->size, from);
    artifact_path(store->dir, partial->hash, to, sizeof to);
    snprintf(folder, sizeof folder, "%s/%.2s", store->dir, partial->hash);
    hash_end(&partial->hashing, is);
    if (strcmp(is, partial->hash) != 0) {
        err_set(err, ERR_INVALID, "artifact %s arrived with the hash %s", partial->hash,
                is);
        unlink(from);
        *ret_held = 0;
        goto done;
    }
    if (fdatasync(partial->fd) != 0) {
        err_errno(err, ERR_IO, "cannot sync %s", from);
        goto done;
    }
    if (make_dir(folder, err) != 0)
        goto done;
    crash_at(store->crash, CRASH_ARTIFACT_BEFORE);
    if (rename(from, to) != 0) {
        err_errno(err, ERR_IO, "cannot rename %s to %s", from, to);
        goto done;
    }
    crash_at(store->crash, CRASH_ARTIFACT_AFTER);
    if (sync_dir(folder, err) != 0)
        goto done;
    *ret_held = partial->size;
    rc = 0;
done:
    partial_close(partial);
    return rc;
}

/* What workers that died left half sent. */
static void remove_old_partials(const struct artifact_store *store)
{
    char path[PATH_MAX];
    time_t now = time(NULL);
    struct dirent *entry;
    struct stat st;

    snprintf(path, sizeof path, "%s/partial", store->dir);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (strlen(entry->d_name) >= HASH_HEX && hash_is_hex(entry->d_name, HASH_HEX) &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            now - st.st_mtime > PARTIAL_AGE_S)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

struct artifact_store *artifact_open(const char *dir, struct error *err)
{
    struct artifact_store *store = calloc(1, sizeof *store);

    if (!store) {
        err_set(err, ERR_NO_MEMORY, "no memory for artifacts");
        return NULL;
    }
    for (size_t i = 0; i < PARTIAL_MAX; i++)
        store->partials[i].fd = -1;
    if ((size_t)snprintf(store->dir, sizeof store->dir, "%s", dir) >= sizeof store->dir) {
        err_set(err, ERR_INVALID, "the path %s is too long", dir);
        goto fail;
    }
    if (make_dirs(store, err) != 0)
        goto fail;
    remove_old_partials(store);
    return store;

fail:
    artifact_close(&store);
    return NULL;
}

void artifact_close(struct artifact_store **store)
{
    if (!*store)
        return;
    for (size_t i = 0; i < PARTIAL_MAX; i++)
        partial_close(&(*store)->partials[i]);
    free(*store);
    *store = NULL;
}

void artifact_set_crash(struct artifact_store *store, struct crash *crash)
{
    store->crash = crash;
}

bool artifact_has(struct artifact_store *store, const char *hash, uint64_t *ret_size)
{
    char path[PATH_MAX];
    struct stat st;

    artifact_path(store->dir, hash, path, sizeof path);
    if (stat(path, &st) != 0)
        return false;
    if (ret_size)
        *ret_size = (uint64_t)st.st_size;
    return true;
}

int artifact_put(struct artifact_store *store, const char *hash, uint64_t size,
                 uint64_t offset, struct slice data, uint64_t *ret_held,
                 struct error *err)
{
    uint64_t whole;

    assert(hash_is_hex(hash, strlen(hash)));
    if (artifact_has(store, hash, &whole)) {
        *ret_held = whole;
        return whole == size ? 0
                             : err_set(err, ERR_INVALID,
                                       "artifact %s has %" PRIu64 " bytes, not %" PRIu64,
                                       hash, whole, size);
    }
    *ret_held = 0;
    struct partial *partial = partial_get(store, hash, size, err);
    if (!partial)
        return -1;
    partial->used = ++store->turn;
    *ret_held = partial->held;
    if (offset > partial->held)
        return err_set(err, ERR_NOT_FOUND,
                       "artifact %s is held up to %" PRIu64 ", not %" PRIu64, hash,
                       partial->held, offset);
    if (offset > size || data.size > size - offset)
        return err_set(err, ERR_INVALID, "artifact %s has only %" PRIu64 " bytes", hash,
                       size);
    if (offset == partial->held && append(partial, data, err) != 0)
        return -1;
    *ret_held = partial->held;
    return partial->held >= size ? finish(store, partial, ret_held, err) : 0;
}

int artifact_read(struct artifact_store *store, const char *hash, uint64_t offset,
                  uint32_t count, struct buf *out, uint64_t *ret_size, struct error *err)
{
    char path[PATH_MAX];
    struct stat st;
    int rc = -1;

    artifact_path(store->dir, hash, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT
                   ? err_set(err, ERR_NOT_FOUND, "there is no artifact %s", hash)
                   : err_errno(err, ERR_IO, "cannot open %s", path);
    if (fstat(fd, &st) != 0) {
        err_errno(err, ERR_IO, "cannot read %s", path);
        goto done;
    }
    uint64_t size = (uint64_t)st.st_size;
    if (offset > size) {
        err_set(err, ERR_INVALID, "artifact %s ends at %" PRIu64, hash, size);
        goto done;
    }
    size_t want = size - offset < count ? (size_t)(size - offset) : count;
    char *to = buf_reserve(out, want);
    if (!to) {
        err_set(err, ERR_NO_MEMORY, "no memory for %zu bytes", want);
        goto done;
    }
    for (size_t got = 0; got < want;) {
        ssize_t n = pread(fd, to + got, want - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err_errno(err, ERR_IO, "cannot read %s", path);
            goto done;
        }
        got += (size_t)n;
    }
    out->size += want;
    *ret_size = size;
    rc = 0;
done:
    close(fd);
    return rc;
}

int artifact_remove(struct artifact_store *store, const char *hash, struct error *err)
{
    char path[PATH_MAX];

    artifact_path(store->dir, hash, path, sizeof path);
    crash_at(store->crash, CRASH_REMOVE_BEFORE);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_errno(err, ERR_IO, "cannot remove %s", path);
    crash_at(store->crash, CRASH_REMOVE_AFTER);
    return 0;
}

/* ---- what there is ------------------------------------------------------------- */

const char *artifact_dir(const struct artifact_store *store)
{
    return store->dir;
}

static int each_in(const char *folder,
                   int (*visit)(void *user, const char *hash, uint64_t size,
                                struct error *err),
                   void *user, struct error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat st;
    int rc = 0;

    if (!dir)
        return err_errno(err, ERR_IO, "cannot read %s", folder);
    while (rc == 0 && (entry = readdir(dir)))
        if (hash_is_hex(entry->d_name, strlen(entry->d_name)) &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            rc = visit(user, entry->d_name, (uint64_t)st.st_size, err);
    closedir(dir);
    return rc;
}

int artifact_each(struct artifact_store *store,
                  int (*visit)(void *user, const char *hash, uint64_t size,
                               struct error *err),
                  void *user, struct error *err)
{
    char folder[PATH_MAX];
    struct stat st;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < 256; i++) {
        snprintf(folder, sizeof folder, "%s/%02x", store->dir, i);
        if (stat(folder, &st) == 0)
            rc = each_in(folder, visit, user, err);
    }
    return rc;
}
