#include "worker/cache.h"

#include "common/crash.h"
#include "common/error.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char SUFFIX[] = ".safetensors";

struct pin {
    char hash[HASH_TEXT];
    int fd; /* holds a shared flock */
    unsigned count;
};

struct cache {
    char *dir;
    uint64_t size_max;
    uint64_t size; /* at the last scan, and what we have added since */
    struct pin *pins;
    size_t pin_count, pin_room;
    struct crash *crash; /* where tests have it die, or NULL */
};

/* A file that could be evicted. */
struct victim {
    char hash[HASH_TEXT];
    struct timespec used;
    uint64_t size;
};

int cache_make_dir(const char *dir, struct error *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
        return err_set(err, ERR_INVALID, "folder name is too long: %.100s...", dir);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0777); /* the last one tells */
        *slash = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "cannot create folder %s", dir);

    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s is not a folder", dir);
    /* Whoever owns it, or may rename in it, can put other files in the place of those
     * that were looked at. */
    if ((st.st_uid != geteuid() && st.st_uid != 0) ||
        ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX)))
        return err_set(err, ERR_INVALID,
                       "the folder %s is another user's, or everybody may write to it: "
                       "name one of your own with --cache",
                       dir);
    return 0;
}

struct cache *cache_open(const char *dir, uint64_t size_max, struct error *err)
{
    struct cache *cache = NULL;

    if (cache_make_dir(dir, err) != 0)
        return NULL;
    cache = calloc(1, sizeof *cache);
    if (!cache || !(cache->dir = strdup(dir))) {
        free(cache);
        err_set(err, ERR_NO_MEMORY, "no memory for the cache");
        return NULL;
    }
    cache->size_max = size_max;
    if (cache_trim(cache, err) != 0)
        cache_free(&cache);
    return cache;
}

void cache_free(struct cache **cache)
{
    if (!*cache)
        return;
    for (size_t i = 0; i < (*cache)->pin_count; i++)
        close((*cache)->pins[i].fd);
    free((*cache)->pins);
    free((*cache)->dir);
    free(*cache);
    *cache = NULL;
}

const char *cache_dir(const struct cache *cache)
{
    return cache->dir;
}

char *cache_path(const struct cache *cache, const char *hash, char out[PATH_MAX])
{
    int size = snprintf(out, PATH_MAX, "%s/%s%s", cache->dir, hash, SUFFIX);

    assert(size < PATH_MAX);
    (void)size;
    return out;
}

static struct pin *find_pin(const struct cache *cache, const char *hash)
{
    for (size_t i = 0; i < cache->pin_count; i++)
        if (strcmp(cache->pins[i].hash, hash) == 0)
            return &cache->pins[i];
    return NULL;
}

/* Takes ownership of fd, also on failure. */
static int add_pin(struct cache *cache, const char *hash, int fd, struct error *err)
{
    if (cache->pin_count == cache->pin_room) {
        size_t room = cache->pin_room ? 2 * cache->pin_room : 16;
        struct pin *pins = realloc(cache->pins, room * sizeof *pins);
        if (!pins) {
            close(fd);
            return err_set(err, ERR_NO_MEMORY, "no memory to pin %s", hash);
        }
        cache->pins = pins;
        cache->pin_room = room;
    }
    struct pin *pin = &cache->pins[cache->pin_count++];
    snprintf(pin->hash, sizeof pin->hash, "%s", hash);
    pin->fd = fd;
    pin->count = 1;
    return 0;
}

/* Open and lock a file. It may be evicted between the two calls, so its name
 * must still be there once the lock is held. */
static int open_locked(const char *path, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        enum err_code code = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        return err_errno(err, code, "cannot open %s", path);
    }
    if (flock(fd, LOCK_SH) != 0 || fstat(fd, &st) != 0) {
        err_errno(err, ERR_IO, "cannot lock %s", path);
        goto fail;
    }
    if (st.st_nlink == 0) {
        err_set(err, ERR_NOT_FOUND, "%s was just evicted", path);
        goto fail;
    }
    return fd;

fail:
    close(fd);
    return -1;
}

int cache_pin(struct cache *cache, const char *hash, struct error *err)
{
    struct pin *pin = find_pin(cache, hash);
    char path[PATH_MAX];

    if (pin) {
        pin->count++;
        return 0;
    }
    int fd = open_locked(cache_path(cache, hash, path), err);
    if (fd < 0)
        return -1;
    (void)futimens(fd, NULL); /* "used now"; a read-only file system has no LRU */
    return add_pin(cache, hash, fd, err);
}

static void remove_pin(struct cache *cache, struct pin *pin)
{
    close(pin->fd);
    *pin = cache->pins[--cache->pin_count];
}

void cache_unpin(struct cache *cache, const char *hash)
{
    struct pin *pin = find_pin(cache, hash);

    if (!pin || --pin->count > 0)
        return;
    (void)futimens(pin->fd, NULL);
    remove_pin(cache, pin);
    if (cache->size > cache->size_max)
        (void)cache_trim(cache, NULL);
}

/* Give `from` its name in the cache. A hard link never replaces a file that
 * another daemon has pinned; where there are none, a rename must do. */
static int place(const char *from, const char *path, struct error *err)
{
    if (link(from, path) == 0 || errno == EEXIST) {
        (void)unlink(from);
        return 0;
    }
    if (rename(from, path) != 0)
        return err_errno(err, ERR_IO, "cannot move %s to %s", from, path);
    return 0;
}

void cache_set_crash(struct cache *cache, struct crash *crash)
{
    cache->crash = crash;
}

int cache_add(struct cache *cache, const char *hash, const char *from, struct error *err)
{
    char path[PATH_MAX];
    struct stat st;

    if (cache_pin(cache, hash, NULL) == 0) {
        (void)unlink(from);
        return 0;
    }
    cache_path(cache, hash, path);
    /* Locked under its old name, the file is pinned from its first moment. */
    int fd = open_locked(from, err);
    if (fd < 0)
        return -1;
    crash_at(cache->crash, CRASH_CACHE_BEFORE);
    if (place(from, path, err) != 0) {
        close(fd);
        return -1;
    }
    crash_at(cache->crash, CRASH_CACHE_AFTER);
    if (fstat(fd, &st) == 0 && st.st_nlink == 0) { /* somebody else's is there */
        close(fd);
        return cache_pin(cache, hash, err);
    }
    (void)futimens(fd, NULL);
    if (add_pin(cache, hash, fd, err) != 0)
        return -1;
    cache->size += (uint64_t)st.st_size;
    if (cache->size > cache->size_max)
        (void)cache_trim(cache, NULL); /* too large is not a failure to add */
    return 0;
}

void cache_drop(struct cache *cache, const char *hash)
{
    struct pin *pin = find_pin(cache, hash);
    char path[PATH_MAX];

    (void)unlink(cache_path(cache, hash, path));
    if (pin)
        remove_pin(cache, pin);
}

int cache_read(const struct cache *cache, const char *hash, uint64_t offset, void *data,
               size_t size, struct error *err)
{
    const struct pin *pin = find_pin(cache, hash);
    size_t done = 0;

    if (!pin)
        return err_set(err, ERR_NOT_FOUND, "state %s is not pinned", hash);
    while (done < size) {
        ssize_t got =
            pread(pin->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_IO, "cannot read state %s", hash);
        if (got == 0)
            return err_set(err, ERR_DATA, "state %s ends too early", hash);
        done += (size_t)got;
    }
    return 0;
}

/* --- eviction --------------------------------------------------------------- */

static bool is_state_file(const char *name)
{
    return strlen(name) == HASH_HEX + sizeof SUFFIX - 1 && hash_is_hex(name, HASH_HEX) &&
           strcmp(name + HASH_HEX, SUFFIX) == 0;
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct victim *)a)->used;
    const struct timespec *y = &((const struct victim *)b)->used;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* All state files of the folder; *ret_files is the caller's to free. */
static int scan(DIR *dir, struct victim **ret_files, size_t *ret_count, struct error *err)
{
    struct victim *files = NULL;
    size_t count = 0, room = 0;
    struct dirent *entry;
    struct stat st;

    while ((entry = readdir(dir))) {
        if (!is_state_file(entry->d_name) ||
            fstatat(dirfd(dir), entry->d_name, &st, 0) != 0)
            continue;
        if (count == room) {
            room = room ? 2 * room : 64;
            struct victim *more = realloc(files, room * sizeof *files);
            if (!more) {
                free(files);
                return err_set(err, ERR_NO_MEMORY, "no memory for %zu files", room);
            }
            files = more;
        }
        struct victim *file = &files[count++];
        memcpy(file->hash, entry->d_name, HASH_HEX);
        file->hash[HASH_HEX] = '\0';
        file->used = st.st_mtim;
        file->size = (uint64_t)st.st_size;
    }
    *ret_files = files;
    *ret_count = count;
    return 0;
}

/* Remove one file unless somebody holds it. */
static bool evict(const struct cache *cache, const char *hash)
{
    char path[PATH_MAX];
    int fd = open(cache_path(cache, hash, path), O_RDONLY | O_CLOEXEC);
    bool gone;

    if (fd < 0)
        return errno == ENOENT;
    gone = flock(fd, LOCK_EX | LOCK_NB) == 0 && unlink(path) == 0;
    close(fd);
    return gone;
}

int cache_trim(struct cache *cache, struct error *err)
{
    struct victim *files = NULL;
    size_t count = 0;
    int rc = -1;
    DIR *dir = opendir(cache->dir);

    if (!dir)
        return err_errno(err, ERR_IO, "cannot read folder %s", cache->dir);
    if (scan(dir, &files, &count, err) != 0)
        goto done;
    cache->size = 0;
    for (size_t i = 0; i < count; i++)
        cache->size += files[i].size;
    if (cache->size > cache->size_max)
        qsort(files, count, sizeof *files, by_use);
    for (size_t i = 0; i < count && cache->size > cache->size_max; i++)
        if (evict(cache, files[i].hash))
            cache->size -= files[i].size;
    free(files);
    rc = 0;

done:
    closedir(dir);
    return rc;
}
