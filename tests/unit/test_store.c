/* The file itself: opening, refusing, reading beside the writer, dying. */

#include "storekit.h"

#include "coordinator/store_internal.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void exec_sql(const char *path, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void assert_refused(const char *path, bool writing, enum err_code code,
                           const char *word)
{
    struct error err = {0};
    struct store *store = store_open(path, writing, &err);

    assert_null(store);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, word))
        fail_msg("no '%s' in: %s", word, err.text);
}

static int64_t wal_size(const struct kit *kit)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, "%s-wal", kit->path);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void test_fresh(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit);
    assert_int_equal(kit_int(kit.store, "PRAGMA application_id"), 0x436f7264);
    assert_int_equal(kit_int(kit.store, "PRAGMA user_version"), STORE_SCHEMA);
    assert_true(wal_size(&kit) > 0); /* in WAL mode */
    assert_int_equal(kit_int(kit.store, "PRAGMA synchronous"), 1);
    assert_int_equal(kit_int(kit.store, "PRAGMA auto_vacuum"), 2);
    assert_int_equal(kit_int(kit.store, "PRAGMA wal_autocheckpoint"), 0);
    assert_int_equal(kit_int(kit.store, "PRAGMA foreign_keys"), 1);
    assert_int_equal(kit_int(kit.store, "PRAGMA secure_delete"), 0);
    assert_string_equal(kit_text(kit.store, "PRAGMA integrity_check"), "ok");
    /* Closed and opened again, all is there and nothing is made anew. */
    store_close(&kit.store);
    MUST((kit.store = store_open(kit.path, true, err)) != NULL);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM worker"), 1);
    kit_close(&kit);
}

/* `coord sql "SELECT sql FROM sqlite_schema"` is the manual of the schema. */
static void test_every_column_has_a_comment(void **state)
{
    struct kit kit;
    struct query *query;
    int tables = 0;

    (void)state;
    kit_open(&kit);
    MUST((query = query_open(kit.store,
                             "SELECT sql FROM sqlite_schema WHERE type = 'table'"
                             " AND name NOT LIKE 'sqlite_%'",
                             NULL, 0, err)) != NULL);
    while (query_next(query, NULL) == 1) {
        char *sql = strdup(query_text(query, 0, NULL)), *save;

        for (char *line = strtok_r(sql, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
            bool rule = strstr(line, "    PRIMARY KEY (") == line ||
                        strstr(line, "    UNIQUE (") == line ||
                        strstr(line, "    DEFAULT ") == line || line[0] == ')';
            if (!rule && !strstr(line, " -- "))
                fail_msg("no comment: %s", line);
        }
        free(sql);
        tables++;
    }
    query_close(&query);
    assert_true(tables >= 17);
    kit_close(&kit);
}

static void test_refuses_foreign_files(void **state)
{
    struct kit kit;
    char path[128];
    FILE *file;

    (void)state;
    kit_open(&kit);
    snprintf(path, sizeof path, "%s/other.db", kit.dir);
    exec_sql(path, "PRAGMA application_id = 99; CREATE TABLE t (x)");
    assert_refused(path, true, ERR_REFUSED, "another program");
    assert_refused(path, false, ERR_REFUSED, "another program");
    /* Ours never lacks its number, so a plain SQLite file is another's too. */
    snprintf(path, sizeof path, "%s/plain.db", kit.dir);
    exec_sql(path, "CREATE TABLE t (x)");
    assert_refused(path, true, ERR_REFUSED, "another program");

    snprintf(path, sizeof path, "%s/text.db", kit.dir);
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("not a database at all\n", file);
    fclose(file);
    assert_refused(path, true, ERR_REFUSED, "not a database of coord");
    kit_close(&kit);
}

static void test_migrates_an_older_one(void **state)
{
    struct kit kit;
    struct store *old;
    struct buf sql = {0};
    char path[128];

    (void)state;
    kit_open(&kit);
    snprintf(path, sizeof path, "%s/old.db", kit.dir);
    buf_puts(&sql, store_schema_1_sql);
    buf_puts(&sql, "PRAGMA application_id = 0x436f7264; PRAGMA user_version = 1;"
                   "CREATE VIEW progress AS SELECT 1 AS jobs;"
                   "INSERT INTO sweep VALUES (1, 's', 'f', 'g', 0, 0, 1, 1)");
    exec_sql(path, sql.data);
    buf_free(&sql);
    assert_refused(path, false, ERR_REFUSED, "is older");
    MUST((old = store_open(path, true, err)) != NULL);
    assert_int_equal(kit_int(old, "PRAGMA user_version"), STORE_SCHEMA);
    assert_int_equal(kit_int(old, "SELECT count(*) FROM resume"), 0);
    assert_int_equal(kit_int(old, "SELECT count(*) FROM sweep"), 1);
    assert_int_equal(kit_int(old, "SELECT count(paused) FROM progress"), 0);
    assert_int_equal(kit_int(old, "SELECT count(origin) FROM curves"), 0);
    store_close(&old);
    kit_close(&kit);
}

static void test_refuses_a_newer_schema(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit);
    store_close(&kit.store);
    exec_sql(kit.path, "PRAGMA user_version = 1000");
    assert_refused(kit.path, true, ERR_REFUSED, "newer");
    assert_refused(kit.path, false, ERR_REFUSED, "newer");
    kit_close(&kit);
}

static void test_missing(void **state)
{
    struct kit kit;
    char path[128];

    (void)state;
    kit_open(&kit);
    snprintf(path, sizeof path, "%s/none.db", kit.dir);
    assert_refused(path, false, ERR_NOT_FOUND, "none.db");
    snprintf(path, sizeof path, "%s/no/dir/coord.db", kit.dir);
    assert_refused(path, true, ERR_NOT_FOUND, "no/dir");
    snprintf(path, sizeof path, "%s/empty.db", kit.dir);
    fclose(fopen(path, "w"));
    assert_refused(path, false, ERR_NOT_FOUND, "empty");
    kit_close(&kit);
}

static void test_one_writer(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit);
    assert_refused(kit.path, true, ERR_BUSY, "another coordinator");
    kit_close(&kit);
}

static void test_network_file_systems(void **state)
{
    (void)state;
    assert_string_equal(store_network_fs(0x6969), "NFS");
    assert_string_equal(store_network_fs(0x0bd00bd0), "Lustre");
    /* f_type is signed on some machines: the high bit must not matter. */
    assert_string_equal(store_network_fs((unsigned long)(long)(int)0xff534d42), "CIFS");
    assert_null(store_network_fs(0xef53));     /* ext4 */
    assert_null(store_network_fs(0x01021994)); /* tmpfs */
}

/* A reader sees what is committed, while the writer writes; and cannot write. */
static void test_reader(void **state)
{
    const double lrs[] = {0.1, 0};
    struct plan *plan = kit_plan("read", lrs, 2, "final");
    struct store_submitted did;
    struct store *reader;
    struct error why = {0};
    struct kit kit;

    (void)state;
    kit_open(&kit);
    MUST((reader = store_open(kit.path, false, err)) != NULL);
    kit_begin(&kit);
    MUST(store_submit(kit.store, plan, "r1", false, NOW, NULL, NULL, &did, err) == 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM job"), 4);
    assert_int_equal(kit_int(reader, "SELECT count(*) FROM job"), 0);
    kit_commit(&kit);
    assert_int_equal(kit_int(reader, "SELECT count(*) FROM job"), 4);
    assert_int_equal(kit_int(reader, "SELECT count(*) FROM runs_read"), 2);

    assert_null(query_open(reader, "DELETE FROM job", NULL, 0, &why));
    assert_int_equal(why.code, ERR_INVALID);
    assert_int_equal(store_begin(reader, &why), -1);
    assert_int_equal(store_artifact_add(reader, KIT_HASH, 8, NOW, &why), -1);
    store_close(&reader);
    kit_plan_free(plan);
    kit_close(&kit);
}

static void test_query(void **state)
{
    const char *const args[] = {"x", NULL};
    struct error why = {0};
    struct query *query;
    struct kit kit;
    size_t size;

    (void)state;
    kit_open(&kit);
    MUST((query = query_open(kit.store,
                             "SELECT ?1 AS a, ?2, 0.1, 7, x'00ff', 1e999; -- end\n", args,
                             2, err)) != NULL);
    assert_int_equal(query_columns(query), 6);
    assert_string_equal(query_name(query, 0), "a");
    assert_int_equal(query_next(query, NULL), 1);
    assert_string_equal(query_text(query, 0, &size), "x");
    assert_int_equal(size, 1);
    assert_int_equal(query_kind(query, 1), QUERY_NULL);
    assert_string_equal(query_text(query, 1, &size), "");
    assert_string_equal(query_text(query, 2, NULL), "0.1");
    assert_int_equal(query_kind(query, 2), QUERY_REAL);
    assert_string_equal(query_text(query, 3, NULL), "7");
    assert_int_equal(query_int(query, 3), 7);
    assert_int_equal(query_kind(query, 3), QUERY_INT);
    query_text(query, 4, &size);
    assert_int_equal(query_kind(query, 4), QUERY_BLOB);
    assert_int_equal(size, 2);
    assert_string_equal(query_text(query, 5, NULL), "inf");
    assert_int_equal(query_next(query, NULL), 0);
    query_close(&query);

    assert_null(query_open(kit.store, "SELECT 1; SELECT 2", NULL, 0, &why));
    assert_non_null(strstr(why.text, "one statement"));
    assert_null(query_open(kit.store, " -- nothing", NULL, 0, &why));
    assert_null(query_open(kit.store, "SELEC 1", NULL, 0, &why));
    assert_non_null(strstr(why.text, "SELEC"));
    assert_null(query_open(kit.store, "SELECT ?3", NULL, 0, &why));
    assert_int_equal(why.code, ERR_INVALID);
    kit_close(&kit);
}

static void test_checkpoint(void **state)
{
    struct store *reader;
    struct query *query;
    struct error why = {0};
    struct kit kit;
    char hash[40];

    (void)state;
    kit_open(&kit);
    kit_begin(&kit);
    for (int i = 0; i < 2000; i++) {
        snprintf(hash, sizeof hash, "%032x", i);
        MUST(store_artifact_add(kit.store, hash, 1, NOW, err) == 0);
    }
    assert_int_equal(store_checkpoint(kit.store, 0, &why), -1);
    kit_commit(&kit);
    assert_true(wal_size(&kit) > 0);
    MUST(store_checkpoint(kit.store, 1 << 30, err) == 0);
    assert_true(wal_size(&kit) > 0); /* not grown past that */

    /* A reader in the middle of a query holds it up, and nobody waits. */
    MUST((reader = store_open(kit.path, false, err)) != NULL);
    MUST((query = query_open(reader, "SELECT * FROM artifact", NULL, 0, err)) != NULL);
    assert_int_equal(query_next(query, NULL), 1);
    kit_begin(&kit);
    MUST(store_artifact_add(kit.store, KIT_HASH, 1, NOW, err) == 0);
    kit_commit(&kit);
    MUST(store_checkpoint(kit.store, 0, err) == 0);
    assert_true(wal_size(&kit) > 0);
    query_close(&query);
    MUST(store_checkpoint(kit.store, 0, err) == 0);
    assert_int_equal(wal_size(&kit), 0);
    assert_int_equal(kit_int(reader, "SELECT count(*) FROM artifact"), 2001);
    store_close(&reader);
    kit_close(&kit);
}

/* The child commits one batch, begins another, says so and is killed. */
static void die_in_a_batch(const char *path, int tell)
{
    struct store *store = store_open(path, true, NULL);
    char hash[40];

    if (!store || store_begin(store, NULL) != 0)
        _exit(1);
    for (int i = 0; i < 100; i++) {
        snprintf(hash, sizeof hash, "%032x", i);
        if (store_artifact_add(store, hash, 1, NOW, NULL) != 0)
            _exit(1);
    }
    if (store_commit(store, NULL) != 0 || store_begin(store, NULL) != 0 ||
        store_artifact_add(store, KIT_HASH, 1, NOW, NULL) != 0 ||
        write(tell, "x", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void test_kill_loses_only_the_batch(void **state)
{
    struct kit kit;
    int tell[2], status;
    char byte;
    pid_t child;

    (void)state;
    kit_open(&kit);
    store_close(&kit.store);
    assert_int_equal(pipe(tell), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        die_in_a_batch(kit.path, tell[1]);
    close(tell[1]);
    assert_int_equal(read(tell[0], &byte, 1), 1);
    close(tell[0]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));

    MUST((kit.store = store_open(kit.path, true, err)) != NULL);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM artifact"), 100);
    assert_false(store_artifact_has(kit.store, KIT_HASH));
    assert_string_equal(kit_text(kit.store, "PRAGMA integrity_check"), "ok");
    kit_close(&kit);
}

static void test_workers(void **state)
{
    struct error why = {0};
    struct kit kit;
    int64_t again, other;

    (void)state;
    kit_open(&kit);
    MUST(store_worker_state(kit.store, kit.worker, "lost", NOW + 5, err) == 0);
    assert_string_equal(kit_text(kit.store, "SELECT state FROM workers"), "lost");
    kit_worker(&kit, "00000000000000000000000000000001", &again);
    assert_int_equal(again, kit.worker);
    assert_string_equal(kit_text(kit.store, "SELECT state FROM workers"), "connected");
    kit_worker(&kit, "00000000000000000000000000000002", &other);
    assert_true(other != kit.worker);
    assert_int_equal(store_worker_state(kit.store, 99, "left", NOW, &why), -1);
    assert_int_equal(why.code, ERR_NOT_FOUND);
    assert_int_equal(store_worker_state(kit.store, other, "asleep", NOW, &why), -1);
    assert_int_equal(why.code, ERR_INVALID);
    kit_close(&kit);
}

/* Nothing is acknowledged that only a nameless file holds. */
static void test_a_deleted_file_takes_nothing(void **state)
{
    struct kit kit;
    char aside[128];
    struct error why;
    int64_t worker;

    (void)state;
    kit_open(&kit);
    MUST(store_commit(kit.store, err) == 0);
    snprintf(aside, sizeof aside, "%s-aside", kit.path);
    assert_int_equal(rename(kit.path, aside), 0);
    MUST(store_begin(kit.store, err) == 0);
    kit_worker(&kit, "00000000000000000000000000000002", &worker);
    assert_int_equal(store_commit(kit.store, &why), -1);
    assert_int_equal(why.code, ERR_IO);
    assert_non_null(strstr(why.text, "deleted"));
    store_rollback(kit.store);
    assert_int_equal(rename(aside, kit.path), 0);
    MUST(store_begin(kit.store, err) == 0);
    kit_worker(&kit, "00000000000000000000000000000002", &worker);
    MUST(store_commit(kit.store, err) == 0);
    assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM worker"), 2);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_every_column_has_a_comment),
        cmocka_unit_test(test_refuses_foreign_files),
        cmocka_unit_test(test_migrates_an_older_one),
        cmocka_unit_test(test_refuses_a_newer_schema),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_network_file_systems),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_kill_loses_only_the_batch),
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_a_deleted_file_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
