/* coord jobs [SWEEP]: the jobs of a sweep, one row each. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/opts.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

/* As many as a screen or two; --limit 0 prints all. */
static const char LIMIT[] = "100";

static const char JOBS[] =
    "SELECT j.id AS job, substr(j.key, 1, 10) AS key, j.kind, j.state,"
    " m.intervention, m.seed, m.probe || iif(m.role = 'part', ' (part)', '') AS probe,"
    " m.point, j.attempt AS attempts, t.seconds,"
    " w.host, j.cause, j.reason"
    " FROM sweep_job m JOIN job j ON j.id = m.job"
    " LEFT JOIN attempt t ON t.job = j.id AND t.attempt = j.attempt"
    " LEFT JOIN worker w ON w.id = t.worker"
    " WHERE m.sweep = ?1 AND (?2 IS NULL OR j.state = ?2)"
    " AND (?3 IS NULL OR j.kind = ?3)"
    " ORDER BY m.id LIMIT CASE WHEN ?4 = '0' THEN -1 ELSE CAST(?4 AS INTEGER) END";

static int print_jobs(const struct cli *cli, struct store *store, const char *sweep,
                      const char *state, const char *kind, const char *limit,
                      struct error *err)
{
    char name[CLI_NAME_MAX];
    int64_t id, total;
    size_t rows;

    if (cli_sweep(store, sweep, &id, name, err) != 0)
        return -1;
    const char *args[] = {name, state, kind, limit};
    struct cli brief = *cli;
    brief.brief = true;
    if (cli_print_sql(&brief, store, JOBS, args, 4, &rows, err) != 0 ||
        cli_int(store, "SELECT count(*) FROM sweep_job WHERE sweep = ?1", name, &total,
                err) != 0)
        return -1;
    if (!state && !kind && (int64_t)rows < total)
        fprintf(stderr, "%zu of %" PRId64 " jobs; --limit 0 prints all\n", rows, total);
    return 0;
}

static bool is_kind(const char *text)
{
    for (enum job_kind kind = JOB_TRAIN; kind <= JOB_DERIVE; kind++)
        if (strcmp(job_kind_name(kind), text) == 0)
            return true;
    return false;
}

int cmd_jobs(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"state", required_argument, NULL, 's'},
                                            {"kind", required_argument, NULL, 'k'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    const char *state = NULL, *kind = NULL, *limit = LIMIT;
    enum job_state known;
    struct error err = {0};
    int64_t rows_max;
    int option;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        switch (option) {
        case 's':
            state = optarg;
            break;
        case 'k':
            kind = optarg;
            break;
        case 'l':
            limit = optarg;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (state && !job_state_parse(state, &known))
        return cli_usage(cli,
                         "no state '%s': expected waiting, ready, running, done, "
                         "failed, cancelled, skipped or stopped",
                         state);
    if (kind && !is_kind(kind))
        return cli_usage(cli, "no kind '%s': expected train, probe or derive", kind);
    if (cli_integer("--limit", limit, 0, INT32_MAX, &rows_max, &err) != 0)
        return cli_fail(cli, &err);
    if (argc - optind > 1)
        return cli_usage(cli, "expected at most one sweep");
    struct store *store = cli_store(cli, &err);
    int rc = store ? print_jobs(cli, store, argv[optind], state, kind, limit, &err) : -1;
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
