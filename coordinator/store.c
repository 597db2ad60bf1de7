#include "coordinator/store_internal.h"

#include "common/crash.h"
#include "common/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Forward only, one row per version: `to`. */
static const struct migration {
    int to;
    const char *sql;
} MIGRATIONS[] = {
    {1, store_schema_1_sql}, {2, store_schema_2_sql}, {3, store_schema_3_sql},
    {4, store_schema_4_sql}, {5, store_schema_5_sql}, {6, store_schema_6_sql},
    {7, store_schema_7_sql},
};
enum { MIGRATION_COUNT = sizeof MIGRATIONS / sizeof MIGRATIONS[0] };

/* File systems without the shared memory and locks that a write-ahead log
 * needs. Numbers of statfs(2) and of the file systems' own headers. */
static const struct {
    unsigned long magic;
    const char *name;
} NETWORK_FS[] = {
    {0x6969, "NFS"},        {0x517b, "SMB"},        {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"},   {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},
    {0x65735546, "FUSE"},   {0x5346414f, "AFS"},    {0x00c36400, "Ceph"},
    {0x19830326, "BeeGFS"}, {0x7461636f, "OCFS2"},  {0x01161970, "GFS2"},
};

const char *store_network_fs(unsigned long magic)
{
    for (size_t i = 0; i < sizeof NETWORK_FS / sizeof NETWORK_FS[0]; i++)
        if (NETWORK_FS[i].magic == (magic & 0xffffffff))
            return NETWORK_FS[i].name;
    return NULL;
}

/* The directory's file system, since the file may not be there yet. */
static int check_place(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char dir[4096];
    struct statfs fs;
    const char *name;
    size_t size = slash ? (size_t)(slash - path) : 0;

    if (size >= sizeof dir)
        return err_set(err, ERR_INVALID, "%.64s...: the path is too long", path);
    if (size == 0)
        snprintf(dir, sizeof dir, "%s", slash ? "/" : ".");
    else
        snprintf(dir, sizeof dir, "%.*s", (int)size, path);
    if (statfs(dir, &fs) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", dir);
    name = store_network_fs((unsigned long)fs.f_type);
    if (name)
        return err_set(err, ERR_REFUSED,
                       "%s: the database cannot be on a network file system, and this"
                       " is %s: name a directory on a local disk (--dir, $COORD_DIR)",
                       path, name);
    return 0;
}

/* One writer: the lock goes with the process, however it ends. */
int store_lock(const char *path, struct error *err)
{
    char lock[4096];

    if (snprintf(lock, sizeof lock, "%s-lock", path) >= (int)sizeof lock)
        return err_set(err, ERR_INVALID, "%.64s...: the path is too long", path);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, ERR_IO, "%s", lock);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno == EWOULDBLOCK)
        err_set(err, ERR_BUSY, "%s: another coordinator has it open", path);
    else
        err_errno(err, ERR_IO, "%s", lock);
    close(fd);
    return -1;
}

static int take_lock(struct store *store, struct error *err)
{
    store->lock = store_lock(store->path, err);
    return store->lock < 0 ? -1 : 0;
}

static int open_file(struct store *store, bool writing, struct error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    int code;

    flags |= writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    /* Counting SQLite's memory takes a lock at every allocation, a fifth of all
     * its time. It can be set before first use only; later it does nothing. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (!writing && access(store->path, F_OK) != 0)
        return err_errno(err, ERR_NOT_FOUND, "%s", store->path);
    code = sqlite3_open_v2(store->path, &store->db, flags, NULL);
    if (code != SQLITE_OK)
        return store_fail(store, code, "cannot open", err);
    sqlite3_extended_result_codes(store->db, 1);
    /* A mistyped column in double quotes, as names with dots need, is an error
     * and not a string. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    /* A file that somebody else made ('coord db check FILE') runs nothing of its own. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* Else a value that is compared with a column of a partial index's condition
     * prepares its statement anew whenever it is bound. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
    sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    return 0;
}

static int read_pragma(struct store *store, const char *sql, int64_t *ret,
                       struct error *err)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    if (code == SQLITE_ROW)
        return 0;
    if ((code & 0xff) == SQLITE_NOTADB)
        return err_set(err, ERR_REFUSED, "%s: not a database of coord", store->path);
    return store_fail(store, code, "cannot read", err);
}

/* Refuse what is not ours, or is newer than this program. *ret_version 0: an
 * empty file. */
static int check_identity(struct store *store, int64_t *ret_version, struct error *err)
{
    int64_t id, objects;

    if (read_pragma(store, "PRAGMA application_id", &id, err) != 0 ||
        read_pragma(store, "PRAGMA user_version", ret_version, err) != 0 ||
        read_pragma(store, "SELECT count(*) FROM sqlite_schema", &objects, err) != 0)
        return -1;
    if (id == 0 && *ret_version == 0 && objects == 0)
        return 0;
    if (id != STORE_APPLICATION_ID)
        return err_set(err, ERR_REFUSED,
                       "%s: a database of another program (application_id %#llx)",
                       store->path, (long long)id);
    if (*ret_version > STORE_SCHEMA)
        return err_set(err, ERR_REFUSED,
                       "%s: schema %lld is newer than this program knows (%d):"
                       " use the newer coord",
                       store->path, (long long)*ret_version, STORE_SCHEMA);
    return 0;
}

/* All in one transaction. Views hold nothing, so they are made anew whatever they
 * were. Only these files may write the schema's own table. */
static int migrate(struct store *store, int64_t from, struct error *err)
{
    char pragma[96];

    if (from == STORE_SCHEMA)
        return 0;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    snprintf(pragma, sizeof pragma,
             "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             STORE_APPLICATION_ID, STORE_SCHEMA);
    if (store_exec(store, "BEGIN IMMEDIATE", "migrate", err) != 0)
        goto fail;
    for (int i = 0; i < MIGRATION_COUNT; i++)
        if (MIGRATIONS[i].to > from &&
            store_exec(store, MIGRATIONS[i].sql, "migrate", err) != 0)
            goto fail;
    if (store_exec(store, store_views_sql, "migrate", err) == 0 &&
        store_exec(store, pragma, "migrate", err) == 0) {
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        return 0;
    }

fail:
    store_rollback(store);
    return -1;
}

/* auto_vacuum and the journal mode are kept in the file; the first must be set
 * before anything is written. The log is checkpointed by store_checkpoint only,
 * never within a commit; readers of other processes cannot, being read-only.
 * secure_delete is on in Debian's build and would write zeros over old pages.
 * Memory-mapping is off: an I/O error would arrive as SIGBUS. */
static int set_up_writer(struct store *store, int64_t version, struct error *err)
{
    if (version == 0 &&
        store_exec(store, "PRAGMA auto_vacuum = INCREMENTAL", "set up", err) != 0)
        return -1;
    return store_exec(store,
                      "PRAGMA journal_mode = WAL;"
                      "PRAGMA synchronous = NORMAL;"
                      "PRAGMA wal_autocheckpoint = 0;"
                      "PRAGMA journal_size_limit = 67108864;"
                      "PRAGMA secure_delete = OFF;"
                      "PRAGMA cache_size = -65536;"
                      "PRAGMA temp_store = MEMORY;"
                      "PRAGMA mmap_size = 0;"
                      "PRAGMA foreign_keys = ON",
                      "set up", err);
}

static int set_up_reader(struct store *store, int64_t version, struct error *err)
{
    if (version == 0)
        return err_set(err, ERR_NOT_FOUND, "%s: the database is still empty",
                       store->path);
    if (version < STORE_SCHEMA)
        return err_set(err, ERR_REFUSED,
                       "%s: schema %lld is older than this program's (%d): start"
                       " its coordinator once, which migrates it",
                       store->path, (long long)version, STORE_SCHEMA);
    return store_exec(store,
                      "PRAGMA query_only = ON;"
                      "PRAGMA cache_size = -65536;"
                      "PRAGMA temp_store = MEMORY;"
                      "PRAGMA mmap_size = 0",
                      "set up", err);
}

struct store *store_open(const char *path, bool writing, struct error *err)
{
    struct store *store = calloc(1, sizeof *store);
    int64_t version;

    if (!store || !(store->path = strdup(path))) {
        free(store);
        err_set(err, ERR_NO_MEMORY, "no memory for a database");
        return NULL;
    }
    store->lock = -1;
    if (check_place(path, err) != 0 || (writing && take_lock(store, err) != 0) ||
        open_file(store, writing, err) != 0 || check_identity(store, &version, err) != 0)
        goto fail;
    if (writing) {
        if (set_up_writer(store, version, err) != 0 || migrate(store, version, err) != 0)
            goto fail;
    } else if (set_up_reader(store, version, err) != 0) {
        goto fail;
    }
    if (stmt_prepare_all(store, err) != 0)
        goto fail;
    return store;

fail:
    store_close(&store);
    return NULL;
}

void store_close(struct store **store_p)
{
    struct store *store = *store_p;

    *store_p = NULL;
    if (!store)
        return;
    if (store->db)
        store_rollback(store);
    stmt_finalize_all(store);
    count_free(store);
    free(store->dropped);
    sqlite3_close(store->db);
    if (store->lock >= 0)
        close(store->lock);
    free(store->path);
    free(store);
}

int store_set_full(struct store *store, bool full, struct error *err)
{
    return store_exec(store,
                      full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                      "set up", err);
}

void store_set_crash(struct store *store, struct crash *crash)
{
    store->crash = crash;
}

bool store_in_batch(const struct store *store)
{
    return !sqlite3_get_autocommit(store->db);
}

int store_begin(struct store *store, struct error *err)
{
    if (store_in_batch(store))
        return 0;
    return stmt_run(store, STMT_BEGIN, NULL, 0, err);
}

/* A deleted file takes commits as before, and the next coordinator sees none. */
static int check_there(struct store *store, struct error *err)
{
    int moved = 0;

    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
            SQLITE_OK ||
        !moved)
        return 0;
    return err_set(err, ERR_IO,
                   "%s was deleted or replaced; nothing is written until it is back",
                   store->path);
}

int store_commit(struct store *store, struct error *err)
{
    if (!store_in_batch(store))
        return 0;
    if (check_there(store, err) != 0)
        return -1;
    stmt_reset_all(store);
    if (count_flush(store, err) != 0)
        return -1;
    crash_at(store->crash, CRASH_COMMIT_BEFORE);
    if (stmt_run(store, STMT_COMMIT, NULL, 0, err) != 0)
        return -1;
    crash_at(store->crash, CRASH_COMMIT_AFTER);
    return 0;
}

/* A full disk makes SQLite roll back by itself, so there may be nothing to do.
 * Without the statement (a half-opened store) plain SQL does. */
void store_rollback(struct store *store)
{
    stmt_reset_all(store);
    count_forget(store);
    store->dropped_count = 0;
    if (store_in_batch(store))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}
