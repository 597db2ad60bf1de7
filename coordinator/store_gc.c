/* Artifacts that no result needs, by the database; the files are the caller's.
 *
 * Needed are: what jobs go on from, states that results name, files that people handed
 * over and those that a run's spec names. Of the states of results, those of parts go
 * when every probe that is made of them is done. A state that was removed keeps its row,
 * with its hash: stored = 0.
 */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdio.h>

/* A state whose every reader is done; a part always has one. ?1: of runs too. */
#define SPENT                                                                            \
    "c.stored AND j.state = 'done'"                                                      \
    " AND ((c.name = 'part' AND EXISTS (SELECT 1 FROM dep d WHERE d.needs = c.job))"     \
    "  OR (?1 <> '' AND j.kind = 'train'))"                                              \
    " AND NOT EXISTS (SELECT 1 FROM dep d JOIN job n ON n.id = d.job"                    \
    "  WHERE d.needs = c.job AND d.state = c.name AND n.state <> 'done')"

static const char GARBAGE[] =
    "WITH spent AS (SELECT c.job AS job, c.name AS name, c.hash AS hash FROM checkpoint c"
    " JOIN job j ON j.id = c.job WHERE " SPENT "), needed AS ("
    " SELECT hash FROM checkpoint c WHERE c.stored AND NOT EXISTS (SELECT 1 FROM spent s"
    "  WHERE s.job = c.job AND s.name = c.name)"
    " UNION SELECT r.hash FROM resume r JOIN job j ON j.id = r.job"
    "  WHERE j.state NOT IN ('done', 'skipped')"
    " UNION SELECT hash FROM import"
    " UNION SELECT substr(value, 6) FROM job_param WHERE name = 'init.from'"
    "  AND value GLOB 'file:*'"
    " UNION SELECT substr(value, 6) FROM option_value WHERE name = 'init.from'"
    "  AND value GLOB 'file:*')"
    " SELECT a.hash, a.size, coalesce((SELECT iif(s.name = 'part',"
    "  'part of a probe that is whole', 'state ''' || s.name || ''' of run ' || s.job)"
    "  FROM spent s WHERE s.hash = a.hash LIMIT 1), 'of an attempt without a result')"
    " FROM artifact a WHERE a.hash NOT IN needed ORDER BY a.hash";

int store_each_garbage(struct store *store, bool states,
                       int (*visit)(void *user, const struct store_garbage *garbage,
                                    struct error *err),
                       void *user, struct error *err)
{
    const char *arg = states ? "states" : "";
    struct query *query = query_open(store, GARBAGE, &arg, 1, err);
    int got = query ? 0 : -1;

    while (got == 0 && (got = query_next(query, err)) > 0) {
        const struct store_garbage garbage = {
            .hash = query_text(query, 0, NULL),
            .size = (uint64_t)query_int(query, 1),
            .why = query_text(query, 2, NULL),
        };

        got = visit(user, &garbage, err);
    }
    query_close(&query);
    return got;
}

int store_drop_artifact(struct store *store, const char *hash, struct error *err)
{
    static const enum stmt stmts[] = {STMT_GC_STATES, STMT_GC_RESUME, STMT_GC_ARTIFACT};

    for (size_t i = 0; i < sizeof stmts / sizeof stmts[0]; i++)
        if (stmt_run(store, stmts[i], ARGS(arg_text(hash)), err) != 0)
            return -1;
    return 0;
}

bool store_needs_file(struct store *store, const char *hash)
{
    char value[HASH_TEXT + 8];
    bool needs;

    snprintf(value, sizeof value, "file:%s", hash);
    needs = stmt_row(store, STMT_GC_NAMED, ARGS(arg_text(value)), NULL) != 0;
    stmt_end(store, STMT_GC_NAMED);
    return needs;
}
