/* coord events [SWEEP]: what happened, as it was committed; -f goes on. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/json.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
    FOLLOW_MS = 250,
    /* Events of one read of the database. What is read is printed when the read is
     * over: whoever does not take it must not keep the coordinator's log from being
     * copied into the database, which it cannot while somebody reads. */
    PAGE = 1000,
};

/* As many as a screen or two; --limit 0 prints all. */
static const char LIMIT[] = "100";

/* The jobs' events, and what people asked for beside them, in the order of their
 * times. ?1 a sweep or NULL, ?2 a job or NULL; ?3 and ?4: only what comes after these
 * numbers, of either, and ?5, ?6: not beyond these. */
static const char EVENTS[] =
    "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at_utc,"
    " job, attempt, event, cause, detail, event_id, control_id FROM ("
    " SELECT e.at_ms, e.job, e.attempt, e.event, e.cause, e.detail,"
    " e.id AS event_id, 0 AS control_id FROM event e"
    " WHERE e.id > CAST(?3 AS INTEGER) AND e.id <= CAST(?5 AS INTEGER) AND (?2 IS NULL "
    "OR e.job = CAST(?2 AS INTEGER))"
    " AND (?1 IS NULL OR e.job IN (SELECT job FROM sweep_job WHERE sweep = ?1))"
    " UNION ALL"
    " SELECT at_ms, NULL, NULL, verb, NULL, target || iif(reason = '', '', ': ')"
    " || reason, 0, id FROM control"
    " WHERE id > CAST(?4 AS INTEGER) AND id <= CAST(?6 AS INTEGER)"
    " AND ?1 IS NULL AND ?2 IS NULL)";

static const char NEWEST[] = "SELECT coalesce(max(id), 0) FROM event";

/* The requests up to the time of an event, by number: a clock that was set back
 * leaves none out. */
static const char UNTIL[] = "SELECT coalesce(max(id), 0) FROM control WHERE at_ms <="
                            " (SELECT at_ms FROM event WHERE id = CAST(?1 AS INTEGER))";

struct feed {
    const struct cli *cli;
    struct store *store;
    const char *sweep, *job;      /* or NULL */
    int64_t event_id, control_id; /* printed so far */
    bool header;                  /* was printed */
};

static void put_json(struct query *query, struct buf *out)
{
    for (int i = 0; i < 6; i++) {
        size_t size;
        const char *text = query_text(query, i, &size);
        enum query_type kind = query_kind(query, i);

        buf_printf(out, "%s\"%s\": ", i ? ", " : "{", query_name(query, i));
        if (kind == QUERY_NULL)
            buf_puts(out, "null");
        else if (kind == QUERY_INT)
            buf_add(out, text, size);
        else
            json_put_text(out, text, size);
    }
    buf_puts(out, "}\n");
}

/* A field of CSV (RFC 4180). */
static void put_csv(const char *text, struct buf *out)
{
    if (!strpbrk(text, ",\"\n\r")) {
        buf_puts(out, text);
        return;
    }
    buf_puts(out, "\"");
    for (; *text; text++) {
        if (*text == '"')
            buf_puts(out, "\"");
        buf_add(out, text, 1);
    }
    buf_puts(out, "\"");
}

static void put_row(struct query *query, enum cli_form form, struct buf *out)
{
    static const int width[] = {24, 6, 3, 8, 12, 0};

    if (form == FORM_JSON) {
        put_json(query, out);
        return;
    }
    for (int i = 0; i < 6; i++) {
        const char *text = query_text(query, i, NULL);

        if (form == FORM_CSV) {
            buf_puts(out, i ? "," : "");
            put_csv(text, out);
        } else {
            bool number = i == 1 || i == 2;
            buf_printf(out, number ? "%s%*s" : "%s%-*s", i ? "  " : "", width[i],
                       text[0] || i == 5 ? text : "-");
        }
    }
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->size--;
    buf_puts(out, "\n");
}

static void print_header(struct feed *feed)
{
    if (!feed->header && feed->cli->form == FORM_TABLE)
        printf("%-24s  %6s  %3s  %-8s  %-12s  %s\n", "at_utc", "job", "try", "event",
               "cause", "detail");
    else if (!feed->header && feed->cli->form == FORM_CSV)
        puts("at_utc,job,attempt,event,cause,detail");
    feed->header = true;
}

/* Put the newest `limit` of what is not beyond these numbers into out. */
static int read_page(struct feed *feed, const char *limit, int64_t event_max,
                     int64_t control_max, struct buf *out, struct error *err)
{
    char numbers[4][24], sql[sizeof EVENTS + 256];
    const int64_t values[] = {feed->event_id, feed->control_id, event_max, control_max};
    const char *args[6] = {feed->sweep, feed->job};
    struct buf row = {0};
    int got = -1;

    for (int i = 0; i < 4; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%" PRId64, values[i]);
        args[2 + i] = numbers[i];
    }
    snprintf(sql, sizeof sql,
             "SELECT * FROM (%s ORDER BY at_ms DESC, event_id DESC LIMIT %s)"
             " ORDER BY at_utc, event_id",
             EVENTS, limit);
    struct query *query = query_open(feed->store, sql, args, 6, err);
    while (query && (got = query_next(query, err)) > 0) {
        buf_clear(&row);
        put_row(query, feed->cli->form, &row);
        buf_add(out, row.data, row.size);
        if (query_int(query, 6) > feed->event_id)
            feed->event_id = query_int(query, 6);
        if (query_int(query, 7) > feed->control_id)
            feed->control_id = query_int(query, 7);
    }
    query_close(&query);
    buf_free(&row);
    if (got == 0 && out->failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for a page of events");
    return got;
}

static int print_page(struct feed *feed, const char *limit, int64_t event_max,
                      int64_t control_max, struct error *err)
{
    struct buf out = {0};
    int rc = read_page(feed, limit, event_max, control_max, &out, err);

    if (rc == 0 && (feed->cli->form == FORM_TABLE || isatty(STDOUT_FILENO)))
        cli_write(stdout, out.data, out.size);
    else if (rc == 0 && out.size > 0)
        fwrite(out.data, 1, out.size, stdout);
    buf_free(&out);
    return rc;
}

/* All that has come since the last call. */
static int print_all(struct feed *feed, struct error *err)
{
    int64_t newest = 0, control_max = INT64_MAX;

    if (cli_int(feed->store, NEWEST, NULL, &newest, err) != 0)
        return -1;
    while (newest - feed->event_id > PAGE && !ferror(stdout)) {
        int64_t last = feed->event_id + PAGE;
        char number[24];
        snprintf(number, sizeof number, "%" PRId64, last);
        if (cli_int(feed->store, UNTIL, number, &control_max, err) != 0 ||
            print_page(feed, "-1", last, control_max, err) != 0)
            return -1;
        feed->event_id = last; /* also when no row of it was asked for */
    }
    return print_page(feed, "-1", INT64_MAX, INT64_MAX, err);
}

/* What has come since the last call; the newest `limit`, "0" for all. */
static int print_new(struct feed *feed, const char *limit, struct error *err)
{
    print_header(feed);
    return strcmp(limit, "0") == 0 ? print_all(feed, err)
                                   : print_page(feed, limit, INT64_MAX, INT64_MAX, err);
}

static int run(struct feed *feed, const char *sweep, const char *job, const char *limit,
               bool follow, struct error *err)
{
    char name[CLI_NAME_MAX], number[24];
    int64_t id;

    if (sweep) {
        if (cli_sweep(feed->store, sweep, &id, name, err) != 0)
            return -1;
        feed->sweep = name;
    }
    if (job) {
        if (cli_job(feed->store, job, &id, err) != 0)
            return -1;
        snprintf(number, sizeof number, "%" PRId64, id);
        feed->job = number;
    }
    if (print_new(feed, limit, err) != 0)
        return -1;
    while (follow && fflush(stdout) == 0 && !ferror(stdout) &&
           poll(NULL, 0, FOLLOW_MS) == 0)
        if (print_new(feed, "0", err) != 0)
            return -1;
    return 0;
}

int cmd_events(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"follow", no_argument, NULL, 'f'},
                                            {"job", required_argument, NULL, 'j'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    struct feed feed = {.cli = cli};
    const char *job = NULL, *limit = LIMIT;
    struct error err = {0};
    int64_t rows_max;
    bool follow = false;
    int option;

    while ((option = cli_option(cli, argc, argv, "f", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'f')
            follow = true;
        else if (option == 'j')
            job = optarg;
        else
            limit = optarg;
    }
    if (cli_integer("--limit", limit, 0, INT32_MAX, &rows_max, &err) != 0)
        return cli_fail(cli, &err);
    if (argc - optind > 1)
        return cli_usage(cli, "expected at most one sweep");
    feed.store = cli_store(cli, &err);
    int rc = feed.store ? run(&feed, argv[optind], job, limit, follow, &err) : -1;
    store_close(&feed.store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
