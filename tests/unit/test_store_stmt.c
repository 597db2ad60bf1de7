/* Whatever a coordinator does takes as long after a million jobs as after ten: none of
 * its statements reads a table through that grows with what has ended. */

#include "storekit.h"

#include "coordinator/store_internal.h"

/* Tables that hold a row or more for each job there ever was. */
static const char *const GROWS[] = {
    "job",         "attempt",     "event",        "result",     "sweep_job",
    "dep",         "checkpoint",  "artifact",     "evaluation", "point",
    "path",        "rise",        "place",        "distance",   "plane",
    "plane_point", "class_point", "option_value", "job_param",  "report",
};

/* What an edited grid may ask for once (runs whose options vary by more than before, jobs
 * that get another priority), and 'coord db gc', while no coordinator runs. */
static bool may_scan(enum stmt id)
{
    return id == STMT_SWEEP_RUNS || id == STMT_NEEDS_PRIORITY || id == STMT_GC_NAMED;
}

/* A table that it does not name is one that refers to what it writes, and is looked
 * through only where a batch has broken such a reference before. */
static bool is_scan(const char *step, const char *sql)
{
    char name[64] = "", alias[80];

    if (sscanf(step, "SCAN %63s", name) != 1 || strstr(step, "USING"))
        return false;
    for (size_t i = 0; i < sizeof GROWS / sizeof *GROWS; i++) {
        snprintf(alias, sizeof alias, " %s %s", GROWS[i], name); /* "FROM job j" */
        if (strstr(sql, name) && (strcmp(name, GROWS[i]) == 0 || strstr(sql, alias)))
            return true;
    }
    return false;
}

static void no_statement_reads_what_has_ended(void **state)
{
    struct kit kit;
    int asked = 0;

    (void)state;
    kit_open(&kit);
    for (int id = 0; id < STMT_COUNT_ALL; id++) {
        const char *sql = sqlite3_sql(kit.store->stmt[id]);
        struct buf plan = {0};
        sqlite3_stmt *stmt;

        buf_printf(&plan, "EXPLAIN QUERY PLAN %s", sql);
        if (sqlite3_prepare_v2(kit.store->db, plan.data, -1, &stmt, NULL) != SQLITE_OK)
            fail_msg("%s: %s", sql, sqlite3_errmsg(kit.store->db));
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(stmt, 3);
            asked++;
            if (is_scan(step, sql) && !may_scan((enum stmt)id))
                fail_msg("%s\n%s", sql, step);
        }
        sqlite3_finalize(stmt);
        buf_free(&plan);
    }
    assert_true(asked > STMT_COUNT_ALL / 2);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_reads_what_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
