#include "coordinator/cli.h"

#include "common/error.h"

#include <inttypes.h>

/* A screen; the first ones tell most. */
enum { FAILURES_MAX = 10 };

/* By the jobs that a sweep has, also those that another one brought. */
#define OF_SWEEP                                                                         \
    " FROM failures WHERE ?1 IS NULL"                                                    \
    " OR job IN (SELECT job FROM sweep_job WHERE sweep = ?1)"

static const char COUNT[] = "SELECT count(*)" OF_SWEEP;

static const char FAILURES[] =
    "SELECT job, kind, state, cause, message, attempts, host" OF_SWEEP
    " ORDER BY state = 'skipped', job LIMIT 10";

int cli_failures(const struct cli *cli, struct store *store, const char *sweep,
                 const char *heading, struct error *err)
{
    struct query *query = query_open(store, COUNT, &sweep, 1, err);
    int64_t count = 0;
    int got = query ? query_next(query, err) : -1;

    if (got == 1)
        count = query_int(query, 0);
    query_close(&query);
    if (got != 1 || count == 0)
        return got == 1 ? 0 : -1;
    puts(heading);
    if (cli_print_sql(cli, store, FAILURES, &sweep, 1, NULL, err) != 0)
        return -1;
    if (count > FAILURES_MAX)
        fprintf(stderr, "%d of %" PRId64 "; all: coord sql 'SELECT * FROM failures'\n",
                FAILURES_MAX, count);
    return 0;
}
