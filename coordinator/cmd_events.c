/* coord events [SWEEP]: what happened, as it was committed; -f goes on. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/json.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { FOLLOW_MS = 250 };

/* As many as a screen or two; --limit 0 prints all. */
static const char LIMIT[] = "100";

/* The jobs' events, and what people asked for beside them, in the order of their
 * times. ?1 a sweep or NULL, ?2 a job or NULL; ?3 and ?4: only what comes after these
 * numbers, of either. */
static const char EVENTS[] =
    "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at_utc,"
    " job, attempt, event, cause, detail, event_id, control_id FROM ("
    " SELECT e.at_ms, e.job, e.attempt, e.event, e.cause, e.detail,"
    " e.id AS event_id, 0 AS control_id FROM event e"
    " WHERE e.id > CAST(?3 AS INTEGER) AND (?2 IS NULL OR e.job = CAST(?2 AS INTEGER))"
    " AND (?1 IS NULL OR e.job IN (SELECT job FROM sweep_job WHERE sweep = ?1))"
    " UNION ALL"
    " SELECT at_ms, NULL, NULL, verb, NULL, target || iif(reason = '', '', ': ')"
    " || reason, 0, id FROM control"
    " WHERE id > CAST(?4 AS INTEGER) AND ?1 IS NULL AND ?2 IS NULL)";

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

/* What has come since the last call; the newest `limit`, "0" for all. */
static int print_new(struct feed *feed, const char *limit, struct error *err)
{
    char event_id[24], control_id[24], sql[sizeof EVENTS + 256];
    const char *args[] = {feed->sweep, feed->job, event_id, control_id};
    struct buf out = {0};

    snprintf(event_id, sizeof event_id, "%" PRId64, feed->event_id);
    snprintf(control_id, sizeof control_id, "%" PRId64, feed->control_id);
    snprintf(sql, sizeof sql,
             "SELECT * FROM (%s ORDER BY at_ms DESC, event_id DESC LIMIT %s)"
             " ORDER BY at_utc, event_id",
             EVENTS, strcmp(limit, "0") == 0 ? "-1" : limit);
    struct query *query = query_open(feed->store, sql, args, 4, err);
    int got = -1;
    print_header(feed);
    while (query && (got = query_next(query, err)) > 0) {
        buf_clear(&out);
        put_row(query, feed->cli->form, &out);
        if (feed->cli->form == FORM_TABLE || isatty(STDOUT_FILENO))
            cli_write(stdout, out.data, out.size);
        else
            fwrite(out.data, 1, out.size, stdout);
        if (query_int(query, 6) > feed->event_id)
            feed->event_id = query_int(query, 6);
        if (query_int(query, 7) > feed->control_id)
            feed->control_id = query_int(query, 7);
    }
    query_close(&query);
    buf_free(&out);
    return got;
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
