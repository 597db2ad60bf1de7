/* coord status [SWEEP] [--watch]: how far the sweeps are, and what went wrong. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/mask.h"
#include "common/version.h"
#include "coordinator/lock.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <poll.h>

enum {
    WATCH_MS = 1000,
    /* A busy coordinator answers between two turns. */
    UNHEARD_MS = 1000,
};

static const char SWEEPS[] =
    "SELECT sweep, jobs, waiting, ready, running, done, failed, cancelled, skipped,"
    " stopped"
    " FROM progress WHERE ?1 IS NULL OR sweep = ?1 ORDER BY submitted_ms";

static const char CONNECTED[] =
    "SELECT count(*) AS workers, coalesce(sum(slots), 0) AS slots,"
    " coalesce(sum(running), 0) AS running FROM workers WHERE state = 'connected'";

/* What its acknowledgements survive, as who has the database, or had it last, says. */
static const char DURABILITY[] =
    "SELECT iif(durability = 'full',"
    " 'durability full: what is acknowledged survives a power cut',"
    " 'durability normal: what is acknowledged survives the end of any process')"
    " FROM coordinator";

/* --json: one value, so one statement that nests them. */
static const char AS_JSON[] =
    "SELECT json_object("
    "'sweeps', (SELECT json_group_array(json_object('sweep', sweep, 'jobs', jobs,"
    " 'waiting', waiting, 'ready', ready, 'running', running, 'done', done,"
    " 'failed', failed, 'cancelled', cancelled, 'skipped', skipped, 'stopped', stopped,"
    " 'paused', json(iif(paused, 'true', 'false')), 'max_running', max_running))"
    " FROM progress WHERE ?1 IS NULL OR sweep = ?1),"
    "'durability', (SELECT durability FROM coordinator),"
    "'troubles', (SELECT json_group_array(text) FROM (SELECT text FROM troubles"
    " WHERE ?1 IS NULL OR sweep IS NULL OR sweep = ?1"
    " UNION ALL SELECT ?2 WHERE ?2 IS NOT NULL)),"
    "'workers', (SELECT json_group_array(json_object('id', id, 'host', host,"
    " 'state', state, 'slots', slots, 'running', running))"
    " FROM workers WHERE state = 'connected'),"
    "'failures', (SELECT json_group_array(json_object('job', job, 'state', state,"
    " 'cause', cause, 'message', message))"
    " FROM failures WHERE ?1 IS NULL"
    " OR job IN (SELECT job FROM sweep_job WHERE sweep = ?1)))";

/* ---- what the coordinator says ------------------------------------------------ */

struct word {
    char text[512]; /* "": all is well */
};

static int take_pong(void *user, const struct msg *msg, struct error *err)
{
    struct word *word = user;
    const struct msg_pong *pong = &msg->pong;

    (void)err;
    if (msg->kind != MSG_PONG)
        return 0;
    if (pong->trouble.size > 0)
        snprintf(word->text, sizeof word->text,
                 "the coordinator hands out no jobs, since its database fails: %.*s",
                 (int)pong->trouble.size, pong->trouble.data);
    else if (pong->release.size > 0 && !slice_is(pong->release, COORD_VERSION))
        snprintf(word->text, sizeof word->text,
                 "the coordinator is version %.*s, this is " COORD_VERSION,
                 (int)pong->release.size, pong->release.data);
    else if (pong->refused > 0)
        snprintf(word->text, sizeof word->text,
                 "the coordinator has refused somebody, %" PRIu64
                 " times; the last: %.*s",
                 pong->refused, (int)pong->refusal.size,
                 pong->refusal.size ? pong->refusal.data : "");
    return 1;
}

/* What only the running coordinator knows: a full disk, say, is not in its database. */
static void ask_coordinator(struct cli *cli, struct word *word)
{
    char path[sizeof cli->dir + 16];
    struct cli_link link;
    struct error err;

    word->text[0] = '\0';
    if (lock_holder(cli_path(cli, "lock", path, sizeof path)) == 0 ||
        cli_link(cli, &link, &err) != 0)
        return;
    if (cli_ping(&link, UNHEARD_MS, take_pong, word, &err) != 0)
        snprintf(word->text, sizeof word->text, "the coordinator %.400s",
                 err.code == ERR_NOT_FOUND ? "runs, and does not answer" : err.text);
    mask_controls(word->text, strlen(word->text), "");
}

/* ---- printing ------------------------------------------------------------------ */

static int print_json(struct store *store, const char *sweep, const struct word *word,
                      struct error *err)
{
    const char *args[] = {sweep, word->text[0] ? word->text : NULL};
    struct query *query = query_open(store, AS_JSON, args, 2, err);

    if (!query)
        return -1;
    int got = query_next(query, err);
    if (got == 1)
        puts(query_text(query, 0, NULL));
    query_close(&query);
    return got == 1 ? 0 : -1;
}

/* A line each, before all else that went wrong. */
static int print_troubles(struct store *store, const char *sweep, const struct word *word,
                          struct error *err)
{
    struct query *query =
        query_open(store,
                   "SELECT text FROM troubles WHERE ?1 IS NULL OR sweep IS NULL"
                   " OR sweep = ?1",
                   &sweep, 1, err);
    int got = -1;

    if (word->text[0])
        cli_say(stdout, "%s\n", word->text);
    while (query && (got = query_next(query, err)) > 0)
        cli_say(stdout, "%s\n", query_text(query, 0, NULL));
    query_close(&query);
    return got;
}

/* "quickstart is paused: a look at the results", a line each. */
static int print_paused(struct store *store, const char *sweep, struct error *err)
{
    struct query *query =
        query_open(store,
                   "SELECT s.name, p.reason FROM pause p JOIN sweep s ON s.id = p.sweep"
                   " WHERE ?1 IS NULL OR s.name = ?1 ORDER BY s.id",
                   &sweep, 1, err);
    int got = -1;

    while (query && (got = query_next(query, err)) > 0)
        cli_say(stdout, "%s is paused: %s\n", query_text(query, 0, NULL),
                query_text(query, 1, NULL));
    query_close(&query);
    return got;
}

static int print_durability(struct store *store, struct error *err)
{
    struct query *query = query_open(store, DURABILITY, NULL, 0, err);
    int got = query ? query_next(query, err) : -1;

    if (got > 0)
        printf("\n%s\n", query_text(query, 0, NULL));
    query_close(&query);
    return got < 0 ? -1 : 0;
}

static int print_tables(struct cli *cli, struct store *store, const char *sweep,
                        const struct word *word, struct error *err)
{
    if (cli_print_sql(cli, store, SWEEPS, &sweep, 1, NULL, err) != 0)
        return -1;
    if (cli->form != FORM_TABLE)
        return 0;
    if (print_paused(store, sweep, err) != 0 ||
        print_troubles(store, sweep, word, err) != 0)
        return -1;
    puts("");
    if (cli_print_sql(cli, store, CONNECTED, NULL, 0, NULL, err) != 0 ||
        print_durability(store, err) != 0)
        return -1;
    return cli_failures(cli, store, sweep, "", err);
}

static int print_status(struct cli *cli, struct store *store, const char *text,
                        struct error *err)
{
    char name[CLI_NAME_MAX];
    struct word word = {""};
    int64_t id;

    if (text && cli_sweep(store, text, &id, name, err) != 0)
        return -1;
    if (cli->form != FORM_CSV)
        ask_coordinator(cli, &word);
    if (cli->form == FORM_JSON)
        return print_json(store, text ? name : NULL, &word, err);
    return print_tables(cli, store, text ? name : NULL, &word, err);
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"watch", no_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    struct error err = {0};
    bool watch = false;
    int option, rc = -1;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option != 'w')
            return EXIT_USAGE;
        watch = true;
    }
    if (argc - optind > 1)
        return cli_usage(cli, "expected at most one sweep");
    struct store *store = cli_store(cli, &err);
    if (!store)
        return cli_fail(cli, &err);
    do {
        if (watch && cli->color)
            fputs("\033[H\033[2J", stdout); /* home, and clear the screen */
        rc = print_status(cli, store, argv[optind], &err);
    } while (rc == 0 && watch && fflush(stdout) == 0 && !ferror(stdout) &&
             poll(NULL, 0, WATCH_MS) == 0);
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
