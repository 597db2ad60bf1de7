/* Whether a database is sound, and copies of it. */

#include "coordinator/store_internal.h"

#include "common/crash.h"
#include "common/error.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- checking --------------------------------------------------------------- */

/* Every row's first columns as a line. */
static int tell_rows(struct store *store, const char *sql, const char *good,
                     void (*tell)(void *user, const char *line), void *user,
                     struct error *err)
{
    struct query *query = query_open(store, sql, NULL, 0, err);
    char line[512];
    int got = -1;

    while (query && (got = query_next(query, err)) > 0) {
        const char *text = query_text(query, 0, NULL);
        if (good && strcmp(text, good) == 0)
            continue;
        snprintf(line, sizeof line, "%.480s", text);
        tell(user, line);
    }
    query_close(&query);
    return got;
}

/* One row of counts; those that are not 0 are told by their names. */
static int tell_counts(struct store *store, void (*tell)(void *user, const char *line),
                       void *user, struct error *err)
{
    struct query *query = query_open(store, store_invariants_sql, NULL, 0, err);
    int got = query ? query_next(query, err) : -1;
    char line[128];

    for (int i = 0; got > 0 && i < query_columns(query); i++) {
        if (query_int(query, i) == 0)
            continue;
        snprintf(line, sizeof line, "%lld rows break the rule '%.64s'",
                 (long long)query_int(query, i), query_name(query, i));
        tell(user, line);
    }
    query_close(&query);
    return got > 0 ? 0 : -1;
}

const char *store_invariants(void)
{
    return store_invariants_sql;
}

int store_check(struct store *store, void (*tell)(void *user, const char *line),
                void *user, struct error *err)
{
    if (tell_rows(store, "PRAGMA integrity_check", "ok", tell, user, err) != 0 ||
        tell_rows(store,
                  "SELECT 'a row of ' || \"table\" || ' refers to one of ' || parent ||"
                  " ' that is not there' FROM pragma_foreign_key_check",
                  NULL, tell, user, err) != 0)
        return -1;
    return tell_counts(store, tell, user, err);
}

/* ---- copying ---------------------------------------------------------------- */

/* All pages in one step: a snapshot, whatever the coordinator commits meanwhile. */
static int copy_pages(struct store *store, sqlite3 *to, struct error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", store->db, "main");

    if (!backup)
        return err_set(err, ERR_IO, "cannot begin a copy: %s", sqlite3_errmsg(to));
    int code = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE)
        return 0;
    return err_set(err, ERR_IO, "cannot copy %s: %s", store->path, sqlite3_errstr(code));
}

/* A file alone, without a write-ahead log beside it, flushed. */
int store_copy(struct store *store, const char *path, struct error *err)
{
    sqlite3 *to = NULL;
    int rc = -1;

    if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK)
        err_set(err, ERR_IO, "cannot create %s: %s", path, to ? sqlite3_errmsg(to) : "");
    else if (copy_pages(store, to, err) == 0 &&
             (sqlite3_exec(to, "PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE",
                           NULL, NULL, NULL) == SQLITE_OK ||
              err_set(err, ERR_IO, "cannot finish %s: %s", path, sqlite3_errmsg(to))))
        rc = 0;
    sqlite3_close(to);
    return rc;
}

int store_backup(struct store *store, const char *path, struct error *err)
{
    char aside[4096];

    if (access(path, F_OK) == 0)
        return err_set(err, ERR_INVALID, "there is a file %s already", path);
    if (snprintf(aside, sizeof aside, "%s.part", path) >= (int)sizeof aside)
        return err_set(err, ERR_INVALID, "%.64s...: the path is too long", path);
    unlink(aside); /* of a copy that was interrupted */
    if (store_copy(store, aside, err) != 0) {
        unlink(aside);
        return -1;
    }
    crash_at(store->crash, CRASH_BACKUP_BEFORE);
    if (rename(aside, path) != 0)
        return err_errno(err, ERR_IO, "cannot rename %s", aside);
    crash_at(store->crash, CRASH_BACKUP_AFTER);
    return 0;
}
