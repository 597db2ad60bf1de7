/* coord explain JOB: why a job is in the state that it is in, and what can be done. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/json.h"
#include "coordinator/lock.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

struct subject {
    struct cli *cli;
    struct store *store;
    int64_t id;
    enum job_state state;
    char id_text[24], kind[16], key[16], sweep[CLI_NAME_MAX], cause[32];
    char reason[512];
    int64_t attempt, priority;
    struct buf why; /* sentences, one a line */
};

/* One value of a statement about the job (?1 its number, ?2 its sweep), "" for
 * none. */
static const char *value(struct subject *s, const char *sql, char *out, size_t size)
{
    const char *args[] = {s->id_text, s->sweep};
    struct query *query =
        query_open(s->store, sql, args, strstr(sql, "?2") ? 2 : 1, NULL);

    out[0] = '\0';
    if (query && query_next(query, NULL) == 1)
        snprintf(out, size, "%s", query_text(query, 0, NULL));
    query_close(&query);
    return out;
}

/* Each row of a statement about the job as a line. */
static int lines(struct subject *s, const char *sql, struct error *err)
{
    const char *args[] = {s->id_text};
    struct query *query = query_open(s->store, sql, args, 1, err);
    int got = -1;

    while (query && (got = query_next(query, err)) > 0)
        buf_printf(&s->why, "%s\n", query_text(query, 0, NULL));
    query_close(&query);
    return got;
}

/* ---- by state --------------------------------------------------------------- */

static int why_waiting(struct subject *s, struct error *err)
{
    return lines(s,
                 "SELECT 'it needs ''' || d.state || ''' of job ' || n.id ||"
                 " ', which is ' || n.state FROM dep d JOIN job n ON n.id = d.needs"
                 " WHERE d.job = ?1 AND n.state <> 'done' GROUP BY n.id, d.state",
                 err);
}

static int why_ready(struct subject *s, struct error *err)
{
    char path[sizeof s->cli->dir + 16], text[256];

    (void)err;
    if (lock_holder(cli_path(s->cli, "lock", path, sizeof path)) == 0)
        buf_puts(&s->why, "no coordinator runs: start one with 'coord serve'\n");
    if (value(s,
              "SELECT p.reason FROM pause p JOIN sweep s ON s.id = p.sweep"
              " WHERE s.name = ?2 AND ?1 <> ''",
              text, sizeof text)[0])
        buf_printf(&s->why,
                   "sweep %s, which asked for it first, is paused (%s): 'coord resume "
                   "%s'\n",
                   s->sweep, text, s->sweep);
    if (value(s,
              "SELECT s.max_running FROM sweep s JOIN sweep_count c ON c.sweep = s.name"
              " AND c.state = 'running' WHERE s.name = ?2 AND ?1 <> ''"
              " AND s.max_running > 0 AND c.n >= s.max_running",
              text, sizeof text)[0])
        buf_printf(&s->why,
                   "%s jobs of sweep %s run, and no more may: 'coord set %s "
                   "--max-running N'\n",
                   text, s->sweep, s->sweep);
    if (value(s,
              "SELECT 'it is tried again at ' || datetime((until_ms + 999) / 1000,"
              " 'unixepoch') || ' UTC, in ' || max(0, (until_ms + 999) / 1000 -"
              " CAST(strftime('%s', 'now') AS INTEGER)) || ' s: attempt ' || j.attempt ||"
              " ' ended by ' || ifnull(j.cause, 'nothing') FROM backoff b"
              " JOIN job j ON j.id = b.job WHERE b.job = ?1"
              " AND until_ms > 1000 * CAST(strftime('%s', 'now') AS INTEGER)",
              text, sizeof text)[0])
        buf_printf(&s->why, "%s\n", text);
    if (value(s, "SELECT text FROM troubles WHERE sweep = ?2 AND ?1 <> ''", text,
              sizeof text)[0])
        buf_printf(&s->why, "%s\n", text);
    value(s,
          "SELECT iif(count(*) = 0, 'no worker is connected: start coord-worker',"
          " count(*) || ' workers are connected, ' || sum(running) || ' of ' ||"
          " sum(slots) || ' slots are busy') FROM workers"
          " WHERE state = 'connected' AND ?1 <> ''",
          text, sizeof text);
    buf_printf(&s->why, "%s\n", text);
    value(s,
          "SELECT count(*) || ' ready jobs go first, by priority and age' FROM job j,"
          " (SELECT priority, id FROM job WHERE id = ?1) me WHERE j.state = 'ready'"
          " AND (j.priority > me.priority OR (j.priority = me.priority"
          " AND j.id < me.id))",
          text, sizeof text);
    buf_printf(&s->why, "%s\n", text);
    return 0;
}

static int why_running(struct subject *s, struct error *err)
{
    return lines(s,
                 "SELECT 'attempt ' || t.attempt || ' runs on ' || w.host || ' (worker '"
                 " || w.id || ', ' || w.state || ') since ' ||"
                 " datetime(t.started_ms / 1000, 'unixepoch') || ' UTC'"
                 " FROM attempt t JOIN worker w ON w.id = t.worker"
                 " WHERE t.job = ?1 AND t.state = 'running'",
                 err);
}

static int why_done(struct subject *s, struct error *err)
{
    return lines(s,
                 "SELECT 'its result is of attempt ' || attempt || ', ' ||"
                 " datetime(at_ms / 1000, 'unixepoch') || ' UTC' ||"
                 " iif(diverged, '; it diverged, which is a result', '')"
                 " FROM result WHERE job = ?1 UNION ALL"
                 " SELECT 'sweep ' || sweep || ' asks for it' FROM sweep_job"
                 " WHERE job = ?1 GROUP BY sweep",
                 err);
}

static int why_failed(struct subject *s, struct error *err)
{
    enum job_cause cause = CAUSE_NONE;

    (void)err;
    (void)job_cause_parse(s->cause, &cause);
    buf_printf(&s->why, "%s: %s\n", s->cause[0] ? s->cause : "failed", s->reason);
    char counts[NEEDS_RETRIES_TEXT];
    int retries =
        needs_retries(value(s,
                            "SELECT s.retries FROM job j JOIN sweep s ON s.name = j.sweep"
                            " WHERE j.id = ?1",
                            counts, sizeof counts),
                      cause);
    if (retries == 0)
        buf_printf(&s->why, "this cause is not tried again by itself\n");
    else
        buf_printf(&s->why, "this cause is tried again %d times by itself\n", retries);
    buf_printf(&s->why,
               "'coord logs %s' has its output, 'coord retry %s' runs it again\n",
               s->id_text, s->id_text);
    return 0;
}

static int why_cancelled(struct subject *s, struct error *err)
{
    (void)err;
    buf_printf(&s->why, "somebody did: %s\n'coord retry %s' runs it again\n", s->reason,
               s->id_text);
    return 0;
}

static int why_skipped(struct subject *s, struct error *err)
{
    buf_printf(&s->why, "it %s\n", s->reason);
    return lines(s,
                 "SELECT DISTINCT '''coord retry ' || n.id || ''' revives it as well'"
                 " FROM dep d JOIN job n ON n.id = d.needs WHERE d.job = ?1"
                 " AND n.state IN ('failed', 'cancelled', 'stopped')",
                 err);
}

static int why_stopped(struct subject *s, struct error *err)
{
    (void)err;
    buf_printf(&s->why,
               "the rule of sweep %s stopped it early: %s\n"
               "'coord retry %s' has it go on from there, to its end\n",
               s->sweep, s->reason, s->id_text);
    return 0;
}

static int (*const WHY[JOB_STATE_COUNT])(struct subject *s, struct error *err) = {
    [JOB_WAITING] = why_waiting, [JOB_READY] = why_ready,
    [JOB_RUNNING] = why_running, [JOB_DONE] = why_done,
    [JOB_FAILED] = why_failed,   [JOB_CANCELLED] = why_cancelled,
    [JOB_SKIPPED] = why_skipped, [JOB_STOPPED] = why_stopped,
};

/* ---- the whole --------------------------------------------------------------- */

static int load(struct subject *s, struct error *err)
{
    const char *args[] = {s->id_text};
    struct query *query =
        query_open(s->store,
                   "SELECT state, kind, substr(key, 1, 10), sweep, ifnull(cause, ''),"
                   " ifnull(reason, ''), attempt, priority FROM job WHERE id = ?1",
                   args, 1, err);
    int got = query ? query_next(query, err) : -1;

    if (got > 0) {
        (void)job_state_parse(query_text(query, 0, NULL), &s->state);
        snprintf(s->kind, sizeof s->kind, "%s", query_text(query, 1, NULL));
        snprintf(s->key, sizeof s->key, "%s", query_text(query, 2, NULL));
        snprintf(s->sweep, sizeof s->sweep, "%s", query_text(query, 3, NULL));
        snprintf(s->cause, sizeof s->cause, "%s", query_text(query, 4, NULL));
        snprintf(s->reason, sizeof s->reason, "%s", query_text(query, 5, NULL));
        s->attempt = query_int(query, 6);
        s->priority = query_int(query, 7);
    }
    query_close(&query);
    return got > 0 ? 0 : -1;
}

static const char ATTEMPTS[] =
    "SELECT t.attempt, t.state, t.cause, w.host, t.seconds, t.message FROM attempt t"
    " JOIN worker w ON w.id = t.worker WHERE t.job = ?1 ORDER BY t.attempt";

static void print_json(const struct subject *s)
{
    struct buf out = {0};
    bool first = true;

    buf_printf(&out,
               "{\"job\": %" PRId64 ", \"kind\": \"%s\", \"key\": \"%s\", \"state\": "
               "\"%s\", \"priority\": %" PRId64 ", \"attempts\": %" PRId64 ", \"why\": [",
               s->id, s->kind, s->key, job_state_name(s->state), s->priority, s->attempt);
    for (const char *at = s->why.data; at && *at; at += strcspn(at, "\n") + 1) {
        buf_puts(&out, first ? "" : ", ");
        json_put_text(&out, at, strcspn(at, "\n"));
        first = false;
    }
    buf_puts(&out, "]}");
    puts(out.data ? out.data : "{}");
    buf_free(&out);
}

static int explain(struct subject *s, const char *text, struct error *err)
{
    const char *args[] = {s->id_text};

    if (cli_job(s->store, text, &s->id, err) != 0)
        return -1;
    snprintf(s->id_text, sizeof s->id_text, "%" PRId64, s->id);
    if (load(s, err) != 0 || WHY[s->state](s, err) != 0)
        return -1;
    if (s->cli->form == FORM_JSON) {
        print_json(s);
        return 0;
    }
    cli_say(stdout, "job %s (%s %s of sweep %s) is %s\n", s->id_text, s->kind, s->key,
            s->sweep, job_state_name(s->state));
    for (const char *at = s->why.data; at && *at; at += strcspn(at, "\n") + 1)
        cli_say(stdout, "  %.*s\n", (int)strcspn(at, "\n"), at);
    if (s->attempt == 0)
        return 0;
    puts("");
    struct cli brief = *s->cli;
    brief.brief = true;
    return cli_print_sql(&brief, s->store, ATTEMPTS, args, 1, NULL, err);
}

int cmd_explain(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{NULL, 0, NULL, 0}};
    struct subject subject = {.cli = cli};
    struct error err = {0};

    if (cli_option(cli, argc, argv, "", options) != -1)
        return EXIT_USAGE;
    if (argc - optind != 1)
        return cli_usage(cli, "expected one job");
    subject.store = cli_store(cli, &err);
    int rc = subject.store ? explain(&subject, argv[optind], &err) : -1;
    store_close(&subject.store);
    buf_free(&subject.why);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
