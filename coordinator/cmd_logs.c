/* coord logs JOB [--attempt N] [-f]: the last lines that a trial printed. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/live.h"
#include "proto/limits.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A trial's output: a terminal gets none of what it would obey. */
static void write_output(const char *data, size_t size)
{
    struct buf copy = {0};

    if (!isatty(STDOUT_FILENO)) {
        fwrite(data, 1, size, stdout);
        return;
    }
    buf_add(&copy, data, size);
    cli_write(stdout, copy.data, copy.size);
    buf_free(&copy);
}

/* ---- what is in the database -------------------------------------------------- */

/* What was shown of an attempt while it ran: so many bytes of its output, the last of
 * which are in `end`. */
struct shown {
    uint64_t bytes;
    struct buf end;
};

enum { END_MAX = 4096 };

/* Where the log that was kept goes on from there. It has the whole output when it is
 * shorter than what is kept at most; else the last bytes that were shown are looked
 * for in it. */
static size_t known_part(const struct shown *shown, const char *log, size_t size)
{
    const char *at = NULL, *next = log;

    if (shown->bytes == 0)
        return 0;
    if (size < PROTO_LOG_MAX)
        return shown->bytes < size ? (size_t)shown->bytes : size;
    while (shown->end.size > 0 && (next = memmem(next, size - (size_t)(next - log),
                                                 shown->end.data, shown->end.size)))
        at = next++;
    return at ? (size_t)(at - log) + shown->end.size : 0;
}

static int print_log(struct store *store, int64_t job, const char *attempt,
                     const struct shown *shown, struct error *err)
{
    char id[24];
    const char *args[] = {id, attempt};
    size_t size, known;

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
        known = shown ? known_part(shown, log, size) : 0;
        write_output(log + known, size - known);
        fflush(stdout);
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

/* ---- what runs ------------------------------------------------------------------ */

/* How soon more is asked for, and the database looked at. */
enum { FOLLOW_MS = 500 };

struct where {
    int64_t ended;   /* the first attempt after a given one that has ended, or 0 */
    int64_t running; /* the one that runs, or 0 */
    bool over;       /* the job itself has ended */
};

static int look(struct store *store, int64_t job, int64_t after, struct where *ret,
                struct error *err)
{
    char id[24], number[24];
    const char *args[] = {id, number};

    snprintf(id, sizeof id, "%lld", (long long)job);
    snprintf(number, sizeof number, "%lld", (long long)after);
    struct query *query =
        query_open(store,
                   "SELECT (SELECT min(attempt) FROM attempt WHERE job = j.id"
                   " AND attempt > CAST(?2 AS INTEGER) AND state <> 'running'),"
                   " (SELECT max(attempt) FROM attempt WHERE job = j.id"
                   " AND attempt > CAST(?2 AS INTEGER) AND state = 'running'),"
                   " state IN ('done', 'failed', 'cancelled', 'skipped', 'stopped')"
                   " FROM job j WHERE id = CAST(?1 AS INTEGER)",
                   args, 2, err);
    int got = query ? query_next(query, err) : -1;
    if (got > 0)
        *ret = (struct where){query_int(query, 0), query_int(query, 1),
                              query_int(query, 2) != 0};
    query_close(&query);
    return got > 0 ? 0 : -1;
}

static void show(struct shown *shown, uint64_t from, struct slice data)
{
    if (from > shown->bytes && shown->bytes > 0)
        fprintf(stderr, "-- %" PRIu64 " bytes went by too fast\n", from - shown->bytes);
    if (data.size > 0)
        write_output(data.data, data.size);
    shown->bytes = from + data.size;
    buf_add(&shown->end, data.data, data.size);
    if (shown->end.size > END_MAX)
        buf_shift(&shown->end, shown->end.size - END_MAX);
}

static void forget(struct shown *shown)
{
    buf_free(&shown->end);
    *shown = (struct shown){0};
}

/* Every attempt as it runs, or where nobody can be asked as it ends, until the job has
 * ended. */
static int follow_log(const struct cli *cli, struct store *store, int64_t job,
                      struct error *err)
{
    struct live *live = live_open(cli, NULL);
    struct shown shown = {0};
    struct where where;
    struct slice data;
    int64_t after = 0;
    uint64_t from;
    char attempt[24];
    int rc = -1;

    while (look(store, job, after, &where, err) == 0) {
        if (where.ended != 0) {
            snprintf(attempt, sizeof attempt, "%lld", (long long)where.ended);
            if (print_log(store, job, attempt, &shown, err) != 0)
                break;
            forget(&shown);
            after = where.ended;
        } else if (where.over) {
            rc = 0;
            break;
        } else if (where.running != 0 && live_ask(live, job, (uint32_t)where.running,
                                                  shown.bytes, FOLLOW_MS, &from, &data)) {
            show(&shown, from, data);
            live_ask(NULL, 0, 0, 0, FOLLOW_MS, NULL, NULL);
        } else if (where.running == 0) {
            live_ask(NULL, 0, 0, 0, FOLLOW_MS, NULL, NULL);
        }
        if (fflush(stdout) != 0) {
            rc = 0; /* nobody reads any more; main says so */
            break;
        }
    }
    forget(&shown);
    live_close(&live);
    return rc;
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
        rc = follow ? follow_log(cli, store, job, &err)
                    : print_log(store, job, attempt, NULL, &err);
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
