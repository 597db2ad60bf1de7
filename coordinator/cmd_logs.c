/* coord logs JOB [--attempt N] [-f]: the last lines that a trial printed. */

#include "coordinator/cli.h"

#include "common/error.h"

#include <getopt.h>
#include <poll.h>

static int print_log(struct store *store, int64_t job, const char *attempt,
                     struct error *err)
{
    char id[24];
    const char *args[] = {id, attempt};
    size_t size;

    snprintf(id, sizeof id, "%lld", (long long)job);
    struct query *query =
        query_open(store,
                   "SELECT log, attempt, state, cause, message FROM attempt"
                   " WHERE job = CAST(?1 AS INTEGER)"
                   " AND (?2 IS NULL OR attempt = CAST(?2 AS INTEGER))"
                   " ORDER BY attempt DESC LIMIT 1",
                   args, 2, err);
    if (!query)
        return -1;
    int got = query_next(query, err);
    if (got == 1) {
        const char *log = query_text(query, 0, &size);
        fwrite(log, 1, size, stdout);
        cli_say(stderr, "-- attempt %s: %s%s%s%s%s\n", query_text(query, 1, NULL),
                query_text(query, 2, NULL), query_text(query, 3, NULL)[0] ? ", " : "",
                query_text(query, 3, NULL), query_text(query, 4, NULL)[0] ? ": " : "",
                query_text(query, 4, NULL));
    } else if (got == 0) {
        got = err_set(err, ERR_NOT_FOUND, "job %s has no %s", id,
                      attempt ? "such attempt" : "attempt yet");
    }
    query_close(&query);
    return got == 1 ? 0 : -1;
}

/* A trial's output comes with its end. */
enum { FOLLOW_MS = 500 };

/* The first attempt after `after` that has ended, 0 for none, and whether the job
 * itself has. */
static int next_ended(struct store *store, int64_t job, int64_t after, int64_t *ret,
                      bool *ret_over, struct error *err)
{
    char id[24], number[24];
    const char *args[] = {id, number};

    snprintf(id, sizeof id, "%lld", (long long)job);
    snprintf(number, sizeof number, "%lld", (long long)after);
    struct query *query =
        query_open(store,
                   "SELECT (SELECT min(attempt) FROM attempt WHERE job = j.id"
                   " AND attempt > CAST(?2 AS INTEGER) AND state <> 'running'),"
                   " state IN ('done', 'failed', 'cancelled', 'skipped')"
                   " FROM job j WHERE id = CAST(?1 AS INTEGER)",
                   args, 2, err);
    int got = query ? query_next(query, err) : -1;
    if (got > 0) {
        *ret = query_int(query, 0);
        *ret_over = query_int(query, 1) != 0;
    }
    query_close(&query);
    return got > 0 ? 0 : -1;
}

/* Every attempt as it ends, until the job has ended. */
static int follow_log(struct store *store, int64_t job, struct error *err)
{
    int64_t shown = 0, next;
    char attempt[24];
    bool over;

    for (;;) {
        if (next_ended(store, job, shown, &next, &over, err) != 0)
            return -1;
        if (next == 0 && over)
            return 0;
        if (next == 0) {
            poll(NULL, 0, FOLLOW_MS);
            continue;
        }
        snprintf(attempt, sizeof attempt, "%lld", (long long)next);
        if (print_log(store, job, attempt, err) != 0)
            return -1;
        if (fflush(stdout) != 0)
            return 0; /* nobody reads any more; main says so */
        shown = next;
    }
}

int cmd_logs(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"attempt", required_argument, NULL, 'a'},
                                            {"follow", no_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    const char *attempt = NULL;
    struct error err = {0};
    int64_t job, number = 1;
    bool follow = false;
    int option;

    while ((option = cli_option(cli, argc, argv, "f", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'f')
            follow = true;
        else
            attempt = optarg;
    }
    if (follow && attempt)
        return cli_usage(cli, "-f follows all attempts: leave --attempt out");
    if (attempt && cli_integer("--attempt", attempt, 1, INT32_MAX, &number, &err) != 0)
        return cli_fail(cli, &err);
    if (argc - optind != 1)
        return cli_usage(cli, "expected one job");
    struct store *store = cli_store(cli, &err);
    int rc = store ? cli_job(store, argv[optind], &job, &err) : -1;
    if (rc == 0)
        rc = follow ? follow_log(store, job, &err) : print_log(store, job, attempt, &err);
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
