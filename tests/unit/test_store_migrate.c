/* T28: databases of every earlier schema, made from the very files that made them, with
 * rows in every table: opened by this program they say the same, break no rule, and go
 * on. */

#include "storekit.h"

#include "coordinator/store_internal.h"

static const char *const SCHEMAS[] = {store_schema_1_sql, store_schema_2_sql,
                                      store_schema_3_sql, store_schema_4_sql,
                                      store_schema_5_sql, store_schema_6_sql};
enum { OLDER_COUNT = STORE_SCHEMA - 1 };
_Static_assert(OLDER_COUNT == 6, "a schema that is superseded is opened here");

/* A run that is done and its path; a run that was lost once, has saved itself, and runs.
 * What each schema added. */
static const char *const ROWS[] = {
    "INSERT INTO sweep (id, name, file, grid, time_limit_s, max_running, created_ms,"
    " submitted_ms) VALUES (1, 'old', 'old.toml', '[sweep]', 60, 2, 100, 200);"
    "INSERT INTO request VALUES ('r1', 'old', 3, 3, 200);"
    "INSERT INTO worker (id, uuid, host, pid, slots, threads, cores, provenance, state,"
    " done, failed, first_ms, seen_ms) VALUES (1, '0a', 'node7', 7, 2, 1, 4, '{}',"
    " 'connected', 2, 1, 100, 300);"
    "INSERT INTO job (id, key, kind, state, sweep, shared, spec, classes, tolerance,"
    " priority, time_limit_s, attempt, cause, reason, created_ms, ended_ms) VALUES"
    " (1, 'k1', 'train', 'done', 'old', 0, 'spec1', 10, NULL, 0, 60, 1, NULL, NULL, 200,"
    " 400),"
    " (2, 'k2', 'probe', 'done', 'old', 0, 'spec2', NULL, 0.01, 0, 60, 1, NULL, NULL,"
    " 200, 500),"
    " (3, 'k3', 'train', 'running', 'old', 0, 'spec3', 10, NULL, 5, 60, 2, NULL, NULL,"
    " 200, NULL);"
    "INSERT INTO sweep_job VALUES (1, 'old', 1, 'baseline', '', '', 0, 'lr=0.1'),"
    " (2, 'old', 2, 'baseline', '', 'path', 0, 'lr=0.1'),"
    " (3, 'old', 3, 'noise', 'data', '', 1, 'lr=0.2');"
    "INSERT INTO sweep_count VALUES ('old', 'waiting', 0), ('old', 'ready', 0),"
    " ('old', 'running', 1), ('old', 'done', 2), ('old', 'failed', 0),"
    " ('old', 'cancelled', 0), ('old', 'skipped', 0);"
    "INSERT INTO sweep_param VALUES ('old', 'optimizer.lr');"
    "INSERT INTO job_param VALUES (1, 'optimizer.lr', 0.1), (3, 'optimizer.lr', 0.2);"
    "INSERT INTO dep VALUES (2, 'a', 1, 'init'), (2, 'b', 1, 'final');"
    "INSERT INTO attempt VALUES"
    " (1, 1, 1, 'done', NULL, NULL, 210, 400, 1.5, 1.25, 1000, '{}', 'log'),"
    " (2, 1, 1, 'done', NULL, NULL, 410, 500, 0.5, 0.25, 1000, '{}', ''),"
    " (3, 1, 1, 'lost', 'worker-lost', 'gone', 220, 300, NULL, NULL, NULL, NULL, NULL),"
    " (3, 2, 1, 'running', NULL, NULL, 310, NULL, NULL, NULL, NULL, NULL, NULL);"
    "INSERT INTO event (at_ms, job, attempt, event, cause, detail) VALUES"
    " (200, 1, 0, 'submit', NULL, NULL), (200, 1, 0, 'ready', NULL, NULL),"
    " (200, 2, 0, 'submit', NULL, NULL), (200, 3, 0, 'submit', NULL, NULL),"
    " (200, 3, 0, 'ready', NULL, NULL), (210, 1, 1, 'start', NULL, NULL),"
    " (220, 3, 1, 'start', NULL, NULL), (300, 3, 1, 'requeue', 'worker-lost', 'gone'),"
    " (310, 3, 2, 'start', NULL, NULL), (400, 1, 1, 'finish', NULL, NULL),"
    " (400, 2, 0, 'ready', NULL, NULL), (410, 2, 1, 'start', NULL, NULL),"
    " (500, 2, 1, 'finish', NULL, NULL);"
    "INSERT INTO artifact VALUES ('aa', 8, 400), ('bb', 9, 320);"
    "INSERT INTO result VALUES (1, 1, 2, 20, 1.5, 0, 400), (2, 1, 0, 0, 0.5, 0, 500);"
    "INSERT INTO checkpoint VALUES (1, 'init', 'cc', 0, 0, 8, 0),"
    " (1, 'final', 'aa', 2, 20, 8, 1);"
    "INSERT INTO evaluation VALUES (1, 'train', 0, 4, 1, 0, 0, 9.2, 21.5, 0, 0.1),"
    " (1, 'test', 0, 4, 1, 0, 0, 9.2, 21.5, 0, 0.1),"
    " (1, 'test', 2, 4, 3, 0, 0, 1.2, 0.5, 0.1, 1.4);"
    "INSERT INTO point (job, grp, bn, split, alpha_index, alpha, n, correct, nan_count,"
    " inf_count, sum, sum_sq) VALUES"
    " (2, 'all', 'none', 'test', 0, 0.0, 4, 1, 0, 0, 9.2, 21.5),"
    " (2, 'all', 'none', 'test', 1, 0.5, 4, 2, 0, 1, 5.0, 10.5),"
    " (2, 'all', 'none', 'test', 2, 1.0, 4, 3, 0, 0, 1.2, 0.5);"
    "INSERT INTO distance VALUES (2, 'all', 3.5, 0.5, NULL);"
    "INSERT INTO path (job, grp, bn, split, points, nonfinite_points, tolerance,"
    " loss_chance, loss_start, loss_end, loss_bump, loss_monotone, err_chance) VALUES"
    " (2, 'all', 'none', 'test', 3, 1, 0.01, 2.3, 2.3, 0.3, 0.0, 1, 0.9)",

    "INSERT INTO resume VALUES (3, 2, 'bb', 9, 1, 10, 320)",

    "INSERT INTO pause VALUES (1, 'a look at it', 450);"
    "INSERT INTO control VALUES (1, 'c1', 450, 'pause', 'sweep 1', 'a look at it', 1, 0)",

    "INSERT INTO rise VALUES (2, 'all', 'none', 'test', 0.0, 0.5, 4, 0.1, 0.2);"
    "INSERT INTO class_point VALUES (2, 'all', 'none', 'test', 0, 3, 2, 1, 0, 0, 4.6, 9);"
    "INSERT INTO place VALUES (2, 'all', 'epoch:1', 0.5, 0.1, 0.02, 3.0, 170.0);"
    "INSERT INTO plane VALUES (2, 'all', 3.5, 2.5, 0.25);"
    "INSERT INTO plane_point VALUES (2, 'all', 'none', 'test', 0, 0.0, 0, 0.0, 4, 1, 0,"
    " 0, 9.2, 21.5)",

    "UPDATE sweep SET cores = 2, labels = '[\"big\"]';"
    "INSERT INTO backoff VALUES (3, 600);"
    "INSERT INTO quarantine VALUES (1, 'jobs fail here', 450);"
    "INSERT INTO coordinator VALUES (1, 'node1', 7, 'full', 100, 480);"
    "INSERT INTO import VALUES ('aa', 'old.safetensors', 400);"
    "INSERT INTO derived VALUES (2, 0.25)",

    "INSERT INTO option_set VALUES (1, 'cc');"
    "INSERT INTO option_value VALUES (1, 'train.epochs', 7);"
    "UPDATE job SET options = 1 WHERE id = 3",
};

static void exec(sqlite3 *db, const char *sql)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
}

static int append_row(void *user, int columns, char **values, char **names)
{
    struct buf *out = user;

    (void)names;
    for (int i = 0; i < columns; i++)
        buf_printf(out, "%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    buf_puts(out, "\n");
    return 0;
}

/* What a statement gives, as text. */
static void dump(sqlite3 *db, const char *sql, struct buf *out)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, append_row, out, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

/* For each table there is now, a statement that reads the columns it has now, a line
 * each: after a migration they must give what they gave before; and a count of what no
 * sweep had. */
static void list_reads(sqlite3 *db, struct buf *out)
{
    dump(db,
         "SELECT 'SELECT ' || (SELECT group_concat('quote(' || name || ')', '||'',''||')"
         "   FROM pragma_table_info(t.name)) || ' FROM ' || t.name ||"
         " iif(t.name = 'sweep_count', ' WHERE state <> ''stopped''', '') ||"
         " ' ORDER BY 1'"
         " FROM sqlite_schema t WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
         " ORDER BY t.name",
         out);
}

/* Run each line of reads; every one must give a row or more. */
static void read_all(sqlite3 *db, const char *reads, struct buf *out)
{
    char *copy = strdup(reads), *rest = copy;

    assert_non_null(copy);
    for (char *sql; (sql = strsep(&rest, "\n")) && *sql;) {
        size_t before = out->size;
        dump(db, sql, out);
        if (out->size == before)
            fail_msg("no rows: %s", sql);
    }
    free(copy);
}

/* The answers that people see, of what the first schema holds. */
static const char ANSWERS[] =
    "SELECT sweep, job, alpha, loss, loss_se, nonfinite, accuracy, origin FROM curves;"
    "SELECT job, loss_start, loss_end, bump, monotone, dist_l2, points FROM paths;"
    "SELECT * FROM history;"
    "SELECT jobs, running, done FROM progress;"
    "SELECT * FROM summary;"
    "SELECT host, state, running, done, failed FROM workers";

static void fault(void *user, const char *line)
{
    (void)user;
    fail_msg("%s", line);
}

static sqlite3 *open_raw(const char *path)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

/* The first schema, as it was until its checks were written another way. */
static char *first_words(void)
{
    static const char CHECK
        [] = "CHECK (state = 'waiting' OR",
   OLD[] =
        "CHECK (state IN ('waiting', 'ready', 'running', 'done', 'failed', 'cancelled',"
        " 'skipped'))";
    const char *sql = store_schema_1_sql, *check = strstr(sql, CHECK);
    struct buf out = {0};

    assert_non_null(check);
    buf_add(&out, sql, (size_t)(check - sql));
    buf_puts(&out, OLD);
    buf_puts(&out, strchr(check, ')') + 1);
    assert_false(out.failed);
    return out.data;
}

static void make_old(const char *path, int version, struct buf *reads, struct buf *rows)
{
    sqlite3 *db = open_raw(path);
    char pragma[96];

    for (int i = 0; i < version; i++) {
        char *words = i == 0 && version % 2 ? first_words() : NULL;
        exec(db, words ? words : SCHEMAS[i]);
        free(words);
        exec(db, ROWS[i]);
    }
    snprintf(pragma, sizeof pragma,
             "PRAGMA application_id = %d; PRAGMA user_version = %d", STORE_APPLICATION_ID,
             version);
    exec(db, pragma);
    list_reads(db, reads);
    read_all(db, reads->data, rows);
    sqlite3_close(db);
}

/* The run that runs is finished, and a new grid too. */
static void go_on(struct kit *kit)
{
    static const double lrs[] = {0.1, 0};
    struct plan *plan = kit_plan("new", lrs, 1, "final");
    struct kit_rows rows;
    struct msg_result result = kit_run_result(3, 2, &rows);
    char text[256];

    kit_worker(kit, "00000000000000000000000000000001", &kit->worker);
    kit_begin(kit);
    kit_artifact(kit);
    if (kit_judge(kit, &result, text) != VERDICT_ACCEPTED)
        fail_msg("%s", text);
    kit_commit(kit);
    assert_int_equal(kit_submit(kit, plan, "r2").added, 2);
    kit_begin(kit);
    kit_finish(kit, 4, false);
    kit_finish(kit, 5, true);
    kit_commit(kit);
    assert_int_equal(kit_int(kit->store, "SELECT count(*) FROM result"), 5);
    MUST(store_check(kit->store, fault, NULL, err) == 0);
    sqlite3 *db = open_raw(kit->path);
    exec(db, "BEGIN; UPDATE job SET state = 'stopped'; ROLLBACK");
    assert_int_equal(sqlite3_exec(db, "UPDATE job SET state = 'idle'", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    sqlite3_close(db);
    kit_plan_free(plan);
}

static void open_older(int version, struct buf *answers)
{
    struct buf reads = {0}, before = {0}, after = {0};
    struct kit kit;

    kit_open(&kit);
    store_close(&kit.store);
    snprintf(kit.path, sizeof kit.path, "%s/old.db", kit.dir);
    make_old(kit.path, version, &reads, &before);
    MUST((kit.store = store_open(kit.path, true, err)) != NULL);
    assert_int_equal(kit_int(kit.store, "PRAGMA user_version"), STORE_SCHEMA);
    sqlite3 *db = open_raw(kit.path);
    read_all(db, reads.data, &after);
    assert_string_equal(before.data, after.data);
    dump(db, ANSWERS, answers);
    sqlite3_close(db);
    MUST(store_check(kit.store, fault, NULL, err) == 0);
    go_on(&kit);
    buf_free(&reads);
    buf_free(&before);
    buf_free(&after);
    kit_close(&kit);
}

static void every_older_schema_says_the_same(void **state)
{
    struct buf first = {0};

    (void)state;
    for (int version = 1; version <= OLDER_COUNT; version++) {
        struct buf answers = {0};

        open_older(version, version == 1 ? &first : &answers);
        if (version > 1)
            assert_string_equal(first.data, answers.data);
        buf_free(&answers);
    }
    assert_true(strstr(first.data, "old") != NULL);
    buf_free(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_older_schema_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
