/* A backup takes the place of a database. It is copied and looked through beside it
 * first; the old one keeps a second name; and whenever the process dies, PATH is the
 * old database, whole, or the new one.
 */

#include "coordinator/store_internal.h"

#include "common/crash.h"
#include "common/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* PATH and what SQLite and we put beside it. */
static const char *const BESIDE[] = {"", "-wal", "-shm", "-lock"};
enum { FILE_DB, FILE_WAL, FILE_SHM, FILE_LOCK, FILE_COUNT };

static char *beside(const char *path, int which, char out[4096])
{
    snprintf(out, 4096, "%.4080s%s", path, BESIDE[which]);
    return out;
}

static void remove_copy(const char *path)
{
    char name[4096];

    for (int i = 0; i < FILE_COUNT; i++)
        unlink(beside(path, i, name));
}

/* Also from a file that has a write-ahead log of its own beside it. */
static int copy_backup(const char *from, const char *to, struct error *err)
{
    struct store source = {.path = (char *)from, .lock = -1};
    int rc = -1;

    if (access(from, R_OK) != 0)
        return err_errno(err, ERR_NOT_FOUND, "%s", from);
    int code = sqlite3_open_v2(from, &source.db, SQLITE_OPEN_READONLY, NULL);
    if (code != SQLITE_OK)
        err_set(err, ERR_IO, "cannot open %s: %s", from, sqlite3_errstr(code));
    else
        rc = store_copy(&source, to, err);
    sqlite3_close(source.db);
    return rc;
}

struct counting {
    const struct store_restoring *what;
    size_t faults;
};

static void count_fault(void *user, const char *line)
{
    struct counting *counting = user;

    counting->faults++;
    if (counting->what->tell)
        counting->what->tell(counting->what->user, line);
}

/* Opening it migrates it, if it is of an older schema; closing it leaves no log. */
static int check_copy(const struct store_restoring *what, const char *copy,
                      struct error *err)
{
    struct counting counting = {.what = what};
    struct store *store = store_open(copy, true, err);
    int rc = store ? store_check(store, count_fault, &counting, err) : -1;

    store_close(&store);
    if (rc == 0 && counting.faults > 0)
        return err_set(err, ERR_DATA, "%s has %zu faults; nothing was changed",
                       what->backup, counting.faults);
    return rc;
}

/* Into the database, so that its file alone is all of it; one that is too damaged for
 * that keeps its log beside it, under the second name too. */
static void fold_log(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
        (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(db);
}

static int keep_old(const char *path, const char *aside, struct error *err)
{
    char from[4096], to[4096];

    for (int i = FILE_DB; i <= FILE_WAL; i++)
        if (link(beside(path, i, from), beside(aside, i, to)) != 0 && errno != ENOENT)
            return err_errno(err, ERR_IO, "cannot keep %s as %s", from, to);
    return 0;
}

static int sync_folder(const char *path, struct error *err)
{
    char folder[4096];
    char *slash;

    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc =
        fd < 0 || fsync(fd) != 0 ? err_errno(err, ERR_IO, "cannot sync %s", folder) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int replace(const struct store_restoring *what, const char *copy,
                   struct error *err)
{
    char name[4096];

    if (access(what->path, F_OK) == 0) {
        fold_log(what->path);
        if (keep_old(what->path, what->aside, err) != 0)
            return -1;
    }
    crash_at(what->crash, CRASH_RESTORE_BEFORE);
    /* A log of the old one would be taken for the new one's. */
    unlink(beside(what->path, FILE_WAL, name));
    unlink(beside(what->path, FILE_SHM, name));
    crash_at(what->crash, CRASH_RESTORE_BETWEEN);
    if (rename(copy, what->path) != 0)
        return err_errno(err, ERR_IO, "cannot rename %s", copy);
    crash_at(what->crash, CRASH_RESTORE_AFTER);
    return sync_folder(what->path, err);
}

int store_restore(const struct store_restoring *what, struct error *err)
{
    char copy[4096];
    int rc = -1;
    int lock = store_lock(what->path, err);

    if (lock < 0)
        return -1;
    snprintf(copy, sizeof copy, "%.4000s-restored", what->path);
    remove_copy(copy); /* of one that was interrupted */
    if (copy_backup(what->backup, copy, err) == 0 && check_copy(what, copy, err) == 0)
        rc = replace(what, copy, err);
    remove_copy(copy);
    close(lock);
    return rc;
}
