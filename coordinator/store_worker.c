/* Workers and artifacts: who is there, and which bytes are stored. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdio.h>

int store_worker_seen(struct store *store, const struct msg_hello *hello, int64_t now_ms,
                      int64_t *ret_worker, struct error *err)
{
    int got = stmt_row(
        store, STMT_WORKER_ADD,
        ARGS(arg_slice(hello->worker), arg_slice(hello->host), arg_int(hello->pid),
             arg_int(hello->slots), arg_int(hello->threads), arg_int(hello->cores),
             arg_slice(hello->provenance), arg_int(now_ms),
             hello->labels.size ? arg_slice(hello->labels) : arg_text("[]"),
             arg_int((int64_t)hello->memory),
             hello->time_left_s ? arg_int(now_ms + 1000 * (int64_t)hello->time_left_s)
                                : arg_text_or_null(NULL)),
        err);

    if (got < 0)
        return -1;
    *ret_worker = stmt_int(store, STMT_WORKER_ADD, 0);
    stmt_end(store, STMT_WORKER_ADD);
    return 0;
}

int store_each_worker(struct store *store,
                      bool (*visit)(void *user, const struct store_worker *), void *user,
                      struct error *err)
{
    int got = stmt_row(store, STMT_WORKERS, NULL, 0, err);

    while (got > 0) {
        struct store_worker worker = {.worker = stmt_int(store, STMT_WORKERS, 0)};
        struct slice host = stmt_text(store, STMT_WORKERS, 2);

        snprintf(worker.uuid, sizeof worker.uuid, "%s",
                 stmt_text(store, STMT_WORKERS, 1).data);
        snprintf(worker.host, sizeof worker.host, "%.*s", (int)host.size, host.data);
        if (!visit(user, &worker)) {
            stmt_end(store, STMT_WORKERS);
            return 0;
        }
        got = stmt_next(store, STMT_WORKERS, err);
    }
    return got;
}

int store_quarantine(struct store *store, int64_t worker, const char *reason,
                     int64_t now_ms, bool *ret_changed, struct error *err)
{
    if (stmt_run(store, STMT_QUARANTINE_ADD,
                 ARGS(arg_int(worker), arg_text(reason), arg_int(now_ms)), err) != 0)
        return -1;
    *ret_changed = stmt_changes(store) > 0;
    return 0;
}

int store_trust(struct store *store, int64_t worker, bool *ret_changed, struct error *err)
{
    if (stmt_run(store, STMT_QUARANTINE_DROP, ARGS(arg_int(worker)), err) != 0)
        return -1;
    *ret_changed = stmt_changes(store) > 0;
    return 0;
}

bool store_quarantined(struct store *store, int64_t worker)
{
    bool found = stmt_row(store, STMT_QUARANTINE, ARGS(arg_int(worker)), NULL) == 1;

    stmt_end(store, STMT_QUARANTINE);
    return found;
}

int store_worker_state(struct store *store, int64_t worker, const char *state,
                       int64_t now_ms, struct error *err)
{
    if (stmt_run(store, STMT_WORKER_SET,
                 ARGS(arg_int(worker), arg_text(state), arg_int(now_ms)), err) != 0)
        return -1;
    if (stmt_changes(store) == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no worker %lld", (long long)worker);
    return 0;
}

int store_artifact_add(struct store *store, const char *hash, uint64_t size,
                       int64_t now_ms, struct error *err)
{
    return stmt_run(store, STMT_ARTIFACT_ADD,
                    ARGS(arg_text(hash), arg_int((int64_t)size), arg_int(now_ms)), err);
}

int store_import(struct store *store, const char *hash, uint64_t size, const char *name,
                 int64_t now_ms, struct error *err)
{
    if (store_artifact_add(store, hash, size, now_ms, err) != 0)
        return -1;
    return stmt_run(store, STMT_IMPORT_ADD,
                    ARGS(arg_text(hash), arg_text(name), arg_int(now_ms)), err);
}

bool store_artifact_has(struct store *store, const char *hash)
{
    bool has = stmt_row(store, STMT_ARTIFACT, ARGS(arg_text(hash)), NULL) == 1;

    stmt_end(store, STMT_ARTIFACT);
    return has;
}
