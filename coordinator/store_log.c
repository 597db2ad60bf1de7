/* The write-ahead log: copied back into the database at quiet times, and who keeps it
 * from being cut. */

#include "coordinator/store_internal.h"

#include "common/crash.h"
#include "common/error.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* SQLite's locks are bytes of the shared-memory file: from here on those of
     * readers, one for each mark in the log (wal.c, "WAL_READ_LOCK"). */
    READ_LOCK_FIRST = 123,
    READ_LOCK_LAST = 127,
};

static int truncate_log(struct store *store)
{
    int code;

    crash_at(store->crash, CRASH_CHECKPOINT_BETWEEN);
    sqlite3_busy_timeout(store->db, 0);
    code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                     NULL);
    sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    return code;
}

int64_t store_log_size(const struct store *store)
{
    char path[4096];
    struct stat st;

    snprintf(path, sizeof path, "%s-wal", store->path);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

int store_checkpoint(struct store *store, int64_t size_bytes_max, struct error *err)
{
    int frames = 0, copied = 0, code;

    if (store_in_batch(store))
        return err_set(err, ERR_INVALID, "a checkpoint inside a batch");
    if (store_log_size(store) <= size_bytes_max)
        return 0;
    crash_at(store->crash, CRASH_CHECKPOINT_BEFORE);
    code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                     &copied);
    if (code == SQLITE_OK && frames == copied)
        code = truncate_log(store);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        return store_fail(store, code, "checkpoint", err);
    crash_at(store->crash, CRASH_CHECKPOINT_AFTER);
    return 0;
}

/* Asked of the kernel's list: to open the file itself and close it again would drop
 * this process's own locks on it. */
int64_t store_log_reader(const struct store *store)
{
    char path[4096], line[256], kind[16];
    long pid, first, last, found = 0;
    unsigned major_at, minor_at;
    unsigned long inode;
    struct stat st;

    snprintf(path, sizeof path, "%s-shm", store->path);
    FILE *locks = stat(path, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    while (locks && !found && fgets(line, sizeof line, locks))
        if (sscanf(line, "%*d: POSIX %*s %15s %ld %x:%x:%lu %ld %ld", kind, &pid,
                   &major_at, &minor_at, &inode, &first, &last) == 7 &&
            inode == st.st_ino && first >= READ_LOCK_FIRST && last <= READ_LOCK_LAST &&
            pid != (long)getpid() && pid > 0)
            found = pid;
    if (locks)
        fclose(locks);
    return found;
}
