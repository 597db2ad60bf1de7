#include "worker/scratch.h"

#include "common/error.h"
#include "common/hash.h"
#include "worker/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PREFIX[] = "work-";

struct scratch {
    char dir[PATH_MAX];
    int fd; /* of the folder, holding the lock */
};

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    (void)st, (void)type, (void)where;
    (void)remove(path); /* the folder's own removal tells, and nobody asks */
    return 0;
}

void scratch_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Lock a work folder. -1 when somebody else lives in it or it is gone. */
static int lock_dir(const char *path)
{
    struct stat held, named;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    /* Between mkdir and flock another daemon may have taken it for a leftover:
     * then the name is gone, or is another folder's. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
        stat(path, &named) == 0 && held.st_ino == named.st_ino)
        return fd;
    close(fd);
    return -1;
}

static void remove_leftovers(const char *parent)
{
    DIR *dir = opendir(parent);
    struct dirent *entry;
    char path[PATH_MAX];

    while (dir && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0 ||
            snprintf(path, sizeof path, "%s/%s", parent, entry->d_name) >=
                (int)sizeof path)
            continue;
        int fd = lock_dir(path);
        if (fd < 0)
            continue;
        scratch_remove(path);
        close(fd);
    }
    if (dir)
        closedir(dir);
}

struct scratch *scratch_open(const char *parent, struct error *err)
{
    struct scratch *scratch = calloc(1, sizeof *scratch);
    char name[HASH_TEXT];

    if (!scratch) {
        err_set(err, ERR_NO_MEMORY, "no memory for a work folder");
        return NULL;
    }
    if (cache_make_dir(parent, err) != 0)
        goto fail;
    remove_leftovers(parent);
    /* Three tries: losing the race above twice in a row does not happen. */
    for (int i = 0; i < 3; i++) {
        hash_random(name);
        if (snprintf(scratch->dir, sizeof scratch->dir, "%s/%s%s", parent, PREFIX,
                     name) >= (int)sizeof scratch->dir ||
            mkdir(scratch->dir, 0700) != 0)
            break;
        scratch->fd = lock_dir(scratch->dir);
        if (scratch->fd >= 0)
            return scratch;
    }
    err_errno(err, ERR_IO, "cannot make a work folder in %s", parent);

fail:
    free(scratch);
    return NULL;
}

void scratch_free(struct scratch **scratch)
{
    if (!*scratch)
        return;
    scratch_remove((*scratch)->dir);
    close((*scratch)->fd);
    free(*scratch);
    *scratch = NULL;
}

const char *scratch_dir(const struct scratch *scratch)
{
    return scratch->dir;
}

int scratch_make(struct scratch *scratch, int64_t job, uint32_t attempt,
                 char out[PATH_MAX], struct error *err)
{
    if (snprintf(out, PATH_MAX, "%s/%" PRId64 "-%" PRIu32, scratch->dir, job, attempt) >=
        PATH_MAX)
        return err_set(err, ERR_INVALID, "folder name is too long: %.100s...",
                       scratch->dir);
    scratch_remove(out);
    if (mkdir(out, 0700) != 0)
        return err_errno(err, ERR_IO, "cannot create folder %s", out);
    return 0;
}
