/* coord logs JOB [--attempt N]: the last lines that a trial printed. */

#include "coordinator/cli.h"

#include "common/error.h"

#include <getopt.h>

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
        fprintf(stderr, "-- attempt %s: %s%s%s%s%s\n", query_text(query, 1, NULL),
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

int cmd_logs(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"attempt", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    const char *attempt = NULL;
    struct error err = {0};
    int64_t job, number = 1;
    int option;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option != 'a')
            return EXIT_USAGE;
        attempt = optarg;
    }
    if (attempt && cli_integer("--attempt", attempt, 1, INT32_MAX, &number, &err) != 0)
        return cli_fail(cli, &err);
    if (argc - optind != 1)
        return cli_usage(cli, "expected one job");
    struct store *store = cli_store(cli, &err);
    int rc = store && cli_job(store, argv[optind], &job, &err) == 0
                 ? print_log(store, job, attempt, &err)
                 : -1;
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
