#include "coordinator/store_internal.h"

#include "common/derived.h"
#include "common/error.h"

#include <assert.h>
#include <limits.h>

#define FORGET(table)   "DELETE FROM " table " WHERE job = ?1"
#define SCORE(accuracy) "iif(" accuracy ", -accuracy, ifnull(loss, 9e999))"
#define LOCAL_CAUSES    "'exit', 'signal', 'oom', 'data'"

/* Every statement that changes or follows the database. What only people read
 * is asked for through query_open. */
static const char *const SQL[STMT_COUNT_ALL] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    /* One result within a batch: undone alone when its rows break a rule. */
    [STMT_MARK] = "SAVEPOINT mark",
    [STMT_MARK_RELEASE] = "RELEASE mark",
    [STMT_MARK_UNDO] = "ROLLBACK TO mark",

    [STMT_JOB] = "SELECT state, attempt, priority, kind, sweep, shared,"
                 " EXISTS (SELECT 1 FROM dep WHERE job = ?1),"
                 " EXISTS (SELECT 1 FROM dep WHERE needs = ?1),"
                 " EXISTS (SELECT 1 FROM resume WHERE job = ?1)"
                 " FROM job WHERE id = ?1",
    [STMT_JOB_BY_KEY] = "SELECT id FROM job WHERE key = ?1",
    [STMT_JOB_ADD] = "INSERT INTO job (key, kind, state, sweep, shared, spec, classes,"
                     " tolerance, priority, time_limit_s, attempt, created_ms, options,"
                     " seeds) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?10, ?8, 0, ?9, ?11,"
                     " nullif(?12, 0))"
                     " ON CONFLICT (key) DO NOTHING",
    [STMT_JOB_SET] = "UPDATE job SET state = ?2, attempt = ?3, cause = ?4, reason = ?5,"
                     " ended_ms = ?6 WHERE id = ?1",
    [STMT_JOB_SPEC] = "SELECT spec, time_limit_s FROM job WHERE id = ?1",
    [STMT_EVENT_ADD] = "INSERT INTO event (at_ms, job, attempt, event, cause, detail)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    /* The host is that of the last attempt, if the machine may have been why it failed:
     * see job_cause_local. */
    [STMT_READY] =
        "SELECT j.id, j.priority, j.sweep, j.kind, ifnull(b.until_ms, 0),"
        " iif(j.attempt = 0, '', (SELECT w.host FROM attempt t"
        " JOIN worker w ON w.id = t.worker WHERE t.job = j.id AND t.attempt = j.attempt"
        " AND t.cause IN (" LOCAL_CAUSES "))) FROM job j"
        " LEFT JOIN backoff b ON b.job = j.id WHERE j.state = 'ready' AND j.id > ?1"
        " ORDER BY j.priority DESC, j.id",
    /* To spare a sort it would read every attempt that ever was. */
    [STMT_RUNNING] = "SELECT t.job, t.attempt, t.worker, w.uuid, j.priority,"
                     " j.sweep FROM attempt t INDEXED BY attempt_running"
                     " JOIN worker w ON w.id = t.worker"
                     " JOIN job j ON j.id = t.job WHERE t.state = 'running'"
                     " ORDER BY t.job",
    [STMT_DEPENDANTS] = "SELECT DISTINCT d.job FROM dep d JOIN job j ON j.id = d.job"
                        " WHERE d.needs = ?1 AND j.state = ?2 ORDER BY d.job",
    /* The initial state can always be derived anew, so no row is asked of it; another
     * that is not stored was removed (store_gc.c). States of the roles s1, s2, ... are
     * those that a run may have left: one that ended early has not all of them. */
    [STMT_UNMET] =
        "SELECT d.needs, d.state, n.state, EXISTS (SELECT 1 FROM checkpoint c"
        " WHERE c.job = d.needs AND c.name = d.state), ifnull(n.cause, '') FROM dep d"
        " JOIN job n ON n.id = d.needs WHERE d.job = ?1 AND NOT ("
        " n.state = 'done' AND (d.state = 'init' OR d.role GLOB 's[0-9]*'"
        " OR d.role = '" DERIVED_PROBE "'"
        " OR EXISTS (SELECT 1 FROM checkpoint c"
        " WHERE c.job = d.needs AND c.name = d.state AND c.stored)))",
    [STMT_INPUTS] =
        "SELECT d.role, d.state, n.spec, ifnull(c.hash, ''),"
        " ifnull(c.stored, 0) FROM dep d JOIN job n ON n.id = d.needs"
        " LEFT JOIN checkpoint c ON c.job = d.needs AND c.name = d.state"
        " AND (c.stored OR c.name = 'init')"
        " WHERE d.job = ?1 AND (c.hash IS NOT NULL OR d.role NOT GLOB 's[0-9]*')"
        " AND d.role <> '" DERIVED_PROBE "'"
        " ORDER BY d.role",

    [STMT_ATTEMPT_ADD] = "INSERT INTO attempt (job, attempt, worker, state, started_ms)"
                         " VALUES (?1, ?2, ?3, 'running', ?4)",
    [STMT_ATTEMPT_STATE] = "SELECT state FROM attempt WHERE job = ?1 AND attempt = ?2",
    [STMT_ATTEMPT_END] = "UPDATE attempt SET state = ?3, cause = ?4, message = ?5,"
                         " ended_ms = ?6, seconds = ?7, cpu_seconds = ?8, rss_bytes = ?9,"
                         " provenance = ?10, log = ?11 WHERE job = ?1 AND attempt = ?2",
    /* The cause stays: it is what the job's retries are counted by. */
    [STMT_ATTEMPT_LATE] = "UPDATE attempt SET state = 'superseded', seconds = ?3,"
                          " cpu_seconds = ?4, rss_bytes = ?5, provenance = ?6, log = ?7"
                          " WHERE job = ?1 AND attempt = ?2",
    [STMT_ATTEMPT_OUTDATED] = "UPDATE attempt SET state = 'superseded'"
                              " WHERE job = ?1 AND state = 'done'",
    [STMT_ATTEMPT_CAUSES] = "SELECT count(*) FROM attempt WHERE job = ?1 AND cause = ?2"
                            " AND attempt > (SELECT ifnull(max(attempt), 0) FROM event"
                            " WHERE job = ?1 AND event IN ('retry', 'rerun'))",
    /* Whether the job may be tried on another host, for the first time: one that fits is
     * connected, and all of the failures that may be a machine's were on this one. */
    [STMT_ELSEWHERE] =
        "SELECT w.host, EXISTS (SELECT 1 FROM fits f JOIN job j ON j.sweep = f.sweep"
        " WHERE j.id = ?1 AND f.host <> w.host) AND NOT EXISTS"
        " (SELECT 1 FROM attempt a JOIN worker v ON v.id = a.worker WHERE a.job = ?1"
        " AND v.host <> w.host AND a.cause IN (" LOCAL_CAUSES ") AND a.attempt >"
        " (SELECT ifnull(max(attempt), 0) FROM event WHERE job = ?1"
        " AND event IN ('retry', 'rerun')))"
        " FROM attempt t JOIN worker w ON w.id = t.worker"
        " WHERE t.job = ?1 AND t.attempt = ?2",
    [STMT_RETRIES] = "SELECT s.retries FROM job j JOIN sweep s ON s.name = j.sweep"
                     " WHERE j.id = ?1",
    [STMT_BACKOFF] = "SELECT until_ms FROM backoff WHERE job = ?1",
    [STMT_BACKOFF_SET] = "INSERT OR REPLACE INTO backoff VALUES (?1, ?2)",
    [STMT_BACKOFF_DROP] = FORGET("backoff"),
    [STMT_WORKER_DONE] = "UPDATE worker SET done = done + ?2 WHERE id = ?1",
    [STMT_WORKER_FAILED] =
        "UPDATE worker SET failed = failed + 1 WHERE id ="
        " (SELECT worker FROM attempt WHERE job = ?1 AND attempt = ?2)",
    /* Of points of the sweep: those of upstream runs are listed as 'run:NAME'. */
    [STMT_STOP_RULE] =
        "SELECT s.name, s.stop_rule, s.stop_metric, s.stop_grace, s.stop_factor"
        " FROM job j JOIN sweep s ON s.name = j.sweep WHERE j.id = ?1"
        " AND j.kind = 'train' AND s.stop_rule <> '' AND EXISTS (SELECT 1 FROM sweep_job "
        "m"
        " WHERE m.job = j.id AND m.sweep = j.sweep AND m.intervention NOT GLOB '*:*')",
    [STMT_TREND] = "SELECT min(value), avg(value) FROM (SELECT " SCORE(
        "?5") " AS value FROM history WHERE job = ?1 AND split = ?2 AND epoch "
              "BETWEEN ?3 AND ?4)",
    [STMT_SCORE_SET] = "INSERT OR IGNORE INTO score VALUES (?1, ?2, ?3, ?4)",
    [STMT_SCORE_COUNT] = "SELECT count(*) FROM score WHERE sweep = ?1 AND epoch = ?2"
                         " AND job <> ?3",
    [STMT_SCORE_AT] = "SELECT value FROM score WHERE sweep = ?1 AND epoch = ?2"
                      " AND job <> ?3 ORDER BY value LIMIT 1 OFFSET ?4",
    [STMT_STOP] = "SELECT reason, overruled FROM early_stop WHERE job = ?1",
    [STMT_STOP_ANY] = "SELECT EXISTS (SELECT 1 FROM early_stop WHERE NOT overruled)",
    [STMT_STOP_ADD] = "INSERT INTO early_stop VALUES (?1, ?2, ?3, ?4, 0)",
    [STMT_STOP_DROP] = FORGET("early_stop"),
    [STMT_STOP_OVERRULE] = "UPDATE early_stop SET overruled = 1 WHERE job = ?1",
    [STMT_STOP_SET] =
        "UPDATE sweep SET stop_rule = ?2, stop_metric = ?3, stop_grace = ?4,"
        " stop_factor = ?5 WHERE name = ?1 AND (stop_rule, stop_metric,"
        " stop_grace, stop_factor) IS NOT (?2, ?3, ?4, ?5)",
    [STMT_SCORE_DROP] = "DELETE FROM score WHERE sweep = ?1",
    /* As STMT_STOP_RULE, of all runs of the sweep. */
    [STMT_COMPARED] =
        "SELECT m.job FROM sweep_job m JOIN job j ON j.id = m.job AND j.sweep = m.sweep"
        " AND j.kind = 'train' WHERE m.sweep = ?1 AND m.intervention NOT GLOB '*:*'",
    [STMT_HISTORY] =
        "SELECT epoch, " SCORE("?3") " FROM history WHERE job = ?1"
                                     " AND split = ?2 AND epoch > 0 ORDER BY epoch",
    [STMT_REPORT_ADD] = "INSERT OR REPLACE INTO report VALUES"
                        " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STMT_REPORT_DROP] = FORGET("report"),
    [STMT_FORGET_CHECKPOINT] = FORGET("checkpoint"),
    [STMT_FORGET_EVALUATION] = FORGET("evaluation"),
    [STMT_FORGET_POINT] = FORGET("point"),
    [STMT_FORGET_DISTANCE] = FORGET("distance"),
    [STMT_FORGET_PATH] = FORGET("path"),
    [STMT_FORGET_RISE] = FORGET("rise"),
    [STMT_FORGET_CLASS] = FORGET("class_point"),
    [STMT_FORGET_PLACE] = FORGET("place"),
    [STMT_FORGET_PLANE] = FORGET("plane"),
    [STMT_FORGET_PLANE_POINT] = FORGET("plane_point"),
    [STMT_FORGET_RESULT] = FORGET("result"),
    [STMT_RESULT_ADD] = "INSERT INTO result VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STMT_CHECKPOINT_ADD] = "INSERT INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STMT_EVALUATION_ADD] = "INSERT INTO evaluation VALUES"
                            " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STMT_POINT_ADD] = "INSERT INTO point (job, grp, bn, split, alpha_index, alpha, n,"
                       " correct, nan_count, inf_count, sum, sum_sq, origin, start_sum,"
                       " start_sq, end_sum, end_sq) VALUES"
                       " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
                       " ?15, ?16, ?17)",
    [STMT_DISTANCE_ADD] = "INSERT INTO distance VALUES (?1, ?2, ?3, ?4, ?5)",
    [STMT_PLANE_ADD] = "INSERT INTO plane VALUES (?1, ?2, ?3, ?4, ?5)",
    [STMT_PLANE_POINT_ADD] = "INSERT INTO plane_point VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
                             " ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [STMT_CLASS_ADD] = "INSERT INTO class_point VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
                       " ?9, ?10, ?11, ?12)",
    [STMT_PLACE_ADD] = "INSERT INTO place VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_RISE_ADD] = "INSERT INTO rise VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STMT_PATH_ADD] =
        "INSERT INTO path VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
        " ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,"
        " ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36)",
    [STMT_CURVES] = "SELECT grp, bn, split, alpha, n, correct, nan_count, inf_count, sum"
                    " FROM point WHERE job = ?1 ORDER BY grp, bn, split, alpha",
    /* The data that a probe evaluates on are those of run b. */
    [STMT_PROBE] = "SELECT n.classes, j.tolerance FROM dep d"
                   " JOIN job n ON n.id = d.needs JOIN job j ON j.id = d.job"
                   " WHERE d.job = ?1 AND n.classes IS NOT NULL ORDER BY d.role DESC",

    [STMT_DERIVED] = "SELECT alpha FROM derived WHERE job = ?1",
    [STMT_DERIVED_SET] = "INSERT OR REPLACE INTO derived VALUES (?1, ?2)",
    /* In the order of condition_metrics(). */
    [STMT_DERIVED_CURVE] =
        "SELECT loss_bump, loss_monotone, loss_barrier_linear, loss_barrier_mean,"
        " loss_barrier_init, loss_interior_bump, loss_alpha_star, loss_plateau,"
        " loss_start, loss_end, loss_max, loss_alpha_max, loss_bump_from, loss_bump_to"
        " FROM dep d JOIN path p ON p.job = d.needs WHERE d.job = ?1"
        " AND d.role = '" DERIVED_PROBE "' AND p.grp = ?2 AND p.bn = ?3"
        " AND p.split = ?4",

    [STMT_REQUEST] = "SELECT s.id, r.jobs, r.added, r.sweep, r.rerun FROM request r"
                     " JOIN sweep s ON s.name = r.sweep WHERE r.id = ?1",
    [STMT_REQUEST_ADD] = "INSERT INTO request VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STMT_SWEEP] = "SELECT id FROM sweep WHERE name = ?1",
    [STMT_SWEEP_ADD] = "INSERT INTO sweep (name, file, grid, time_limit_s, max_running,"
                       " created_ms, submitted_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    [STMT_SWEEP_SET] = "UPDATE sweep SET file = ?2, grid = ?3, time_limit_s = ?4,"
                       " max_running = ?5, submitted_ms = ?6 WHERE name = ?1",
    [STMT_NEEDS] = "SELECT priority, cores, memory, labels, retries FROM sweep"
                   " WHERE name = ?1",
    [STMT_NEEDS_SET] = "UPDATE sweep SET priority = ?2, cores = ?3, memory = ?4,"
                       " labels = ?5, retries = ?6 WHERE name = ?1",
    /* Those that somebody gave another one keep it. */
    [STMT_NEEDS_PRIORITY] = "UPDATE job SET priority = ?3 WHERE sweep = ?1"
                            " AND priority = ?2 AND state IN"
                            " ('waiting', 'ready', 'running')",
    [STMT_COUNT_INIT] = "INSERT INTO sweep_count VALUES (?1, ?2, 0)"
                        " ON CONFLICT DO NOTHING",
    [STMT_COUNT_ADD] = "UPDATE sweep_count SET n = n + ?3"
                       " WHERE sweep = ?1 AND state = ?2",
    [STMT_SWEEPS_OF] = "SELECT DISTINCT sweep FROM sweep_job WHERE job = ?1",
    [STMT_JOB_SHARE] = "UPDATE job SET shared = 1"
                       " WHERE id = ?1 AND sweep <> ?2 AND NOT shared",
    [STMT_MEMBER_COUNT] = "SELECT count(*) FROM sweep_job WHERE sweep = ?1 AND job = ?2",
    [STMT_MEMBER_ADD] = "INSERT INTO sweep_job"
                        " (sweep, job, intervention, role, probe, seed, point)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    [STMT_DEP_ADD] = "INSERT INTO dep VALUES (?1, ?2, ?3, ?4)",
    [STMT_PARAM_ADD] = "INSERT INTO job_param VALUES (?1, ?2, ?3)"
                       " ON CONFLICT DO NOTHING",
    [STMT_OPTION_SET] = "SELECT id FROM option_set WHERE hash = ?1",
    [STMT_OPTION_SET_ADD] = "INSERT INTO option_set (hash) VALUES (?1)",
    [STMT_OPTION_ADD] = "INSERT INTO option_value VALUES (?1, ?2, ?3)",
    [STMT_VARIED_ADD] = "INSERT INTO sweep_param VALUES (?1, ?2)"
                        " ON CONFLICT DO NOTHING",
    [STMT_VARIED] = "SELECT name FROM sweep_param WHERE sweep = ?1 ORDER BY name",
    [STMT_SWEEP_RUNS] = "SELECT id, spec FROM job WHERE kind = 'train' AND id IN"
                        " (SELECT job FROM sweep_job WHERE sweep = ?1)",

    [STMT_WORKER_ADD] =
        "INSERT INTO worker (uuid, host, pid, slots, threads, cores,"
        " provenance, state, done, failed, first_ms, seen_ms, labels, memory, leaves_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'connected', 0, 0, ?8, ?8, ?9, ?10, ?11)"
        " ON CONFLICT (uuid) DO UPDATE SET host = ?2, pid = ?3, slots = ?4,"
        " threads = ?5, cores = ?6, provenance = ?7, state = 'connected',"
        " seen_ms = ?8, labels = ?9, memory = ?10, leaves_ms = ?11 RETURNING id",
    [STMT_WORKERS] = "SELECT id, uuid, host FROM worker WHERE state = 'connected'"
                     " ORDER BY id",
    [STMT_QUARANTINE] = "SELECT 1 FROM quarantine WHERE worker = ?1",
    [STMT_QUARANTINE_ADD] = "INSERT INTO quarantine VALUES (?1, ?2, ?3)"
                            " ON CONFLICT DO NOTHING",
    [STMT_QUARANTINE_DROP] = "DELETE FROM quarantine WHERE worker = ?1",
    [STMT_WORKER_SET] = "UPDATE worker SET state = ?2, seen_ms = ?3 WHERE id = ?1",
    [STMT_ARTIFACT_ADD] = "INSERT INTO artifact VALUES (?1, ?2, ?3)"
                          " ON CONFLICT DO NOTHING",
    [STMT_ARTIFACT] = "SELECT size FROM artifact WHERE hash = ?1",
    [STMT_ARTIFACT_DROP] = "DELETE FROM artifact WHERE hash = ?1"
                           " AND NOT EXISTS (SELECT 1 FROM resume WHERE hash = ?1)"
                           " AND NOT EXISTS (SELECT 1 FROM import WHERE hash = ?1)"
                           " AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE hash = ?1)",
    [STMT_RESUME] = "SELECT hash, size, attempt, epoch, step FROM resume WHERE job = ?1",
    [STMT_RESUME_SET] = "INSERT OR REPLACE INTO resume"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STMT_SERVICE] = "SELECT stopped_ms IS NOT NULL FROM coordinator",
    [STMT_SERVICE_SET] = "INSERT OR REPLACE INTO coordinator"
                         " VALUES (1, ?1, ?2, ?3, ?4, NULL)",
    [STMT_SERVICE_END] = "UPDATE coordinator SET stopped_ms = ?1",
    [STMT_GC_STATES] = "UPDATE checkpoint SET stored = 0 WHERE hash = ?1 AND stored",
    [STMT_GC_RESUME] = "DELETE FROM resume WHERE hash = ?1",
    [STMT_GC_ARTIFACT] = "DELETE FROM artifact WHERE hash = ?1",
    [STMT_GC_NAMED] = "SELECT 1 FROM job_param WHERE name = 'init.from' AND value = ?1"
                      " UNION ALL SELECT 1 FROM option_value WHERE name = 'init.from'"
                      " AND value = ?1",
    [STMT_IMPORT_ADD] = "INSERT INTO import VALUES (?1, ?2, ?3)"
                        " ON CONFLICT (hash) DO UPDATE SET name = ?2 WHERE ?2 <> ''",
    [STMT_RESUME_DROP] = FORGET("resume"),

    [STMT_JOBS_BETWEEN] = "SELECT id FROM job WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    [STMT_PRIORITY_SET] = "UPDATE job SET priority = ?2 WHERE id = ?1 AND priority <> ?2"
                          " AND state IN ('waiting', 'ready', 'running')",
    [STMT_SWEEP_MAY] = "SELECT EXISTS (SELECT 1 FROM pause p WHERE p.sweep = s.id),"
                       " s.max_running, c.n FROM sweep s"
                       " JOIN sweep_count c ON c.sweep = s.name AND c.state = 'running'"
                       " WHERE s.name = ?1",
    [STMT_PAUSE_ADD] = "INSERT INTO pause VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [STMT_PAUSE_DROP] = "DELETE FROM pause WHERE sweep = ?1",
    [STMT_SWEEP_LIMIT] = "UPDATE sweep SET max_running = ?2 WHERE id = ?1"
                         " AND max_running <> ?2",
    [STMT_SWEEP_BY_ID] = "SELECT name FROM sweep WHERE id = ?1",
    [STMT_CONTROL] = "SELECT changed, unchanged FROM control WHERE request = ?1",
    [STMT_CONTROL_ADD] = "INSERT INTO control (request, at_ms, verb, target, reason,"
                         " changed, unchanged) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};

static enum err_code code_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return ERR_INVALID;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_NOTADB:
        return ERR_REFUSED;
    default:
        return ERR_IO;
    }
}

int(store_fail)(struct store *store, int code, const char *what, struct error *err)
{
    return err_set(err, code_of(code), "%s: %s%s%s", store->path, what ? what : "",
                   what ? ": " : "", sqlite3_errmsg(store->db));
}

int store_exec(struct store *store, const char *sql, const char *what, struct error *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : store_fail(store, code, what, err);
}

int stmt_prepare_all(struct store *store, struct error *err)
{
    for (int i = 0; i < STMT_COUNT_ALL; i++) {
        int code;

        assert(SQL[i]);
        code = sqlite3_prepare_v3(store->db, SQL[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &store->stmt[i], NULL);
        if (code != SQLITE_OK)
            return store_fail(store, code, SQL[i], err);
    }
    return 0;
}

void stmt_finalize_all(struct store *store)
{
    for (int i = 0; i < STMT_COUNT_ALL; i++) {
        sqlite3_finalize(store->stmt[i]);
        store->stmt[i] = NULL;
    }
}

void stmt_reset_all(struct store *store)
{
    for (int i = 0; i < STMT_COUNT_ALL; i++)
        if (sqlite3_stmt_busy(store->stmt[i]))
            sqlite3_reset(store->stmt[i]);
}

static int bind_one(sqlite3_stmt *stmt, int place, const struct arg *arg)
{
    switch (arg->type) {
    case ARG_INT:
        return sqlite3_bind_int64(stmt, place, arg->integer);
    case ARG_REAL:
        return sqlite3_bind_double(stmt, place, arg->real);
    case ARG_TEXT:
        if (arg->text.size > INT_MAX)
            return SQLITE_TOOBIG;
        /* A NULL pointer would bind NULL; an empty slice may well have one. */
        return sqlite3_bind_text(stmt, place, arg->text.size ? arg->text.data : "",
                                 (int)arg->text.size, SQLITE_STATIC);
    case ARG_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, place);
}

/* Reset, bind all, step once. Returns SQLite's code. */
static int start(struct store *store, enum stmt id, const struct arg *args,
                 size_t arg_count)
{
    sqlite3_stmt *stmt = store->stmt[id];

    assert((size_t)sqlite3_bind_parameter_count(stmt) == arg_count);
    sqlite3_reset(stmt);
    for (size_t i = 0; i < arg_count; i++) {
        int code = bind_one(stmt, (int)i + 1, &args[i]);
        if (code != SQLITE_OK)
            return code;
    }
    return sqlite3_step(stmt);
}

int stmt_run(struct store *store, enum stmt id, const struct arg *args, size_t arg_count,
             struct error *err)
{
    int code = start(store, id, args, arg_count);
    int rc = 0;

    if (code != SQLITE_DONE && code != SQLITE_ROW)
        rc = store_fail(store, code, NULL, err);
    sqlite3_reset(store->stmt[id]);
    return rc;
}

static int row_or_end(struct store *store, enum stmt id, int code, struct error *err)
{
    if (code == SQLITE_ROW)
        return 1;
    if (code != SQLITE_DONE)
        store_fail(store, code, NULL, err);
    sqlite3_reset(store->stmt[id]);
    return code == SQLITE_DONE ? 0 : -1;
}

int stmt_row(struct store *store, enum stmt id, const struct arg *args, size_t arg_count,
             struct error *err)
{
    return row_or_end(store, id, start(store, id, args, arg_count), err);
}

int stmt_next(struct store *store, enum stmt id, struct error *err)
{
    return row_or_end(store, id, sqlite3_step(store->stmt[id]), err);
}

int64_t stmt_rowid(struct store *store)
{
    return sqlite3_last_insert_rowid(store->db);
}

void stmt_end(struct store *store, enum stmt id)
{
    sqlite3_reset(store->stmt[id]);
}

int64_t stmt_int(struct store *store, enum stmt id, int column)
{
    return sqlite3_column_int64(store->stmt[id], column);
}

bool stmt_is_null(struct store *store, enum stmt id, int column)
{
    return sqlite3_column_type(store->stmt[id], column) == SQLITE_NULL;
}

double stmt_real(struct store *store, enum stmt id, int column)
{
    return sqlite3_column_double(store->stmt[id], column);
}

struct slice stmt_text(struct store *store, enum stmt id, int column)
{
    const char *text = (const char *)sqlite3_column_text(store->stmt[id], column);
    int size = sqlite3_column_bytes(store->stmt[id], column);

    return (struct slice){text ? text : "", text ? (size_t)size : 0};
}

int stmt_changes(struct store *store)
{
    return sqlite3_changes(store->db);
}
