/* Who has the database, and how the one before left it. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Larger ones take seconds to read whole: 'coord db check' does. */
enum { QUICK_SIZE_MAX = 64 << 20 };

/* A reader's word for it: an empty table says nothing. */
static int was_stopped(struct store *store, bool *ret, struct error *err)
{
    int got = stmt_row(store, STMT_SERVICE, NULL, 0, err);

    *ret = got <= 0 || stmt_int(store, STMT_SERVICE, 0) != 0;
    stmt_end(store, STMT_SERVICE);
    return got < 0 ? -1 : 0;
}

/* Bytes that a process left behind are SQLite's to sort out; what the disk or the
 * machine did to them shows here, before anything is built on them. */
static int check_quickly(struct store *store, struct error *err)
{
    struct stat st;
    int rc = -1;

    if (stat(store->path, &st) != 0 || st.st_size > QUICK_SIZE_MAX)
        return 0;
    struct query *query = query_open(store, "PRAGMA quick_check(1)", NULL, 0, err);
    int got = query ? query_next(query, err) : -1;
    const char *text = got > 0 ? query_text(query, 0, NULL) : "";

    if (got > 0 && !slice_is(slice_of(text), "ok"))
        err_set(err, ERR_DATA,
                "%s is damaged (%.200s): 'coord db check' says more, 'coord db restore"
                " FILE' puts a backup in its place",
                store->path, text);
    else if (got > 0)
        rc = 0;
    query_close(&query);
    return rc;
}

int store_started(struct store *store, const char *durability, int64_t now_ms,
                  bool *ret_unclean, struct error *err)
{
    char host[256] = "";
    bool stopped;

    (void)gethostname(host, sizeof host - 1);
    if (was_stopped(store, &stopped, err) != 0)
        return -1;
    *ret_unclean = !stopped;
    if (!stopped && check_quickly(store, err) != 0)
        return -1;
    if (store_begin(store, err) != 0 ||
        stmt_run(store, STMT_SERVICE_SET,
                 ARGS(arg_text(host), arg_int(getpid()), arg_text(durability),
                      arg_int(now_ms)),
                 err) != 0 ||
        store_commit(store, err) != 0) {
        store_rollback(store);
        return -1;
    }
    return 0;
}

int store_stopped(struct store *store, int64_t now_ms, struct error *err)
{
    store_rollback(store); /* what was under way was told to nobody */
    if (store_begin(store, err) != 0 ||
        stmt_run(store, STMT_SERVICE_END, ARGS(arg_int(now_ms)), err) != 0 ||
        store_commit(store, err) != 0) {
        store_rollback(store);
        return -1;
    }
    return 0;
}
