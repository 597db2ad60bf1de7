/* Whether a database is sound is found out, and copies of it are. */

#include "tests/unit/storekit.h"

#include <sqlite3.h>

static const double ONE_LR[] = {0.1, 0};

/* Two runs, of which one is done, and their probes. */
static int open_kit(void **state)
{
    struct plan *plan = kit_plan("s", ONE_LR, 2, "final");
    struct kit *kit = calloc(1, sizeof *kit);

    assert_non_null(kit);
    kit_open(kit);
    kit_submit(kit, plan, "r1");
    kit_plan_free(plan);
    kit_begin(kit);
    kit_artifact(kit);
    kit_finish(kit, 1, false);
    kit_commit(kit);
    *state = kit;
    return 0;
}

static int close_kit(void **state)
{
    struct kit *kit = *state;

    kit_close(kit);
    free(kit);
    return 0;
}

struct told {
    char text[4096];
    int count;
};

static void tell(void *user, const char *line)
{
    struct told *told = user;

    told->count++;
    strncat(told->text, line, sizeof told->text - strlen(told->text) - 2);
    strcat(told->text, "\n");
}

static struct told check(const char *path)
{
    struct told told = {.count = 0};
    struct store *store;

    MUST((store = store_open(path, false, err)) != NULL);
    MUST(store_check(store, tell, &told, err) == 0);
    store_close(&store);
    return told;
}

/* As a person with sqlite3 would, behind the coordinator's back. */
static void meddle(struct kit *kit, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;

    assert_int_equal(sqlite3_open(kit->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
}

static void a_sound_database_has_no_faults(void **state)
{
    struct kit *kit = *state;
    struct told told = check(kit->path);

    assert_string_equal(told.text, "");
}

static void broken_rules_are_named(void **state)
{
    static const struct {
        const char *sql, *part;
    } cases[] = {
        {"DELETE FROM result", "'lost_or_early'"},
        {"UPDATE job SET state = 'failed' WHERE id = 2", "'replay'"},
        {"INSERT INTO event VALUES (99, 1, 2, 0, 'finish', NULL, NULL)", "'illegal'"},
        {"UPDATE sweep_count SET n = 7 WHERE state = 'done'", "'counters'"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM artifact", "'missing'"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM worker",
         "a row of attempt refers to one of worker that is not there"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_kit(state);
        struct kit *kit = *state;
        meddle(kit, cases[i].sql);
        struct told told = check(kit->path);
        assert_true(told.count > 0);
        if (!strstr(told.text, cases[i].part))
            fail_msg("'%s' lacks '%s'", told.text, cases[i].part);
        close_kit(state);
    }
}

static void a_copy_is_as_of_its_moment(void **state)
{
    struct kit *kit = *state;
    struct error why;
    struct store *copy;
    char path[128];

    snprintf(path, sizeof path, "%s/copy.db", kit->dir);
    kit_begin(kit);
    kit_start(kit, 2); /* not committed: not in it */
    struct store *reader;
    MUST((reader = store_open(kit->path, false, err)) != NULL);
    MUST(store_backup(reader, path, err) == 0);
    assert_int_equal(store_backup(reader, path, &why), -1); /* never over a file */
    assert_int_equal(why.code, ERR_INVALID);
    store_close(&reader);
    kit_commit(kit);
    assert_string_equal(check(path).text, "");
    MUST((copy = store_open(path, true, err)) != NULL);
    assert_string_equal(kit_text(copy, "SELECT state FROM job WHERE id = 2"), "ready");
    assert_string_equal(kit_text(copy, "SELECT state FROM job WHERE id = 1"), "done");
    store_close(&copy);
}

#define KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT(a_sound_database_has_no_faults),
        cmocka_unit_test(broken_rules_are_named),
        KIT(a_copy_is_as_of_its_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
