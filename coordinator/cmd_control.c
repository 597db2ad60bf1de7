/* coord cancel, retry, pause, resume, set: change what a coordinator does. Which
 * jobs are meant is read from the database; the change is the coordinator's. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/selector.h"
#include "proto/limits.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

/* What of `what` was changed, for people and for scripts. */
static int answer(struct cli *cli, const struct msg_controlled *did, const char *done,
                  const char *what)
{
    if (cli->form == FORM_JSON)
        printf("{\"changed\": %" PRIu64 ", \"unchanged\": %" PRIu64 "}\n", did->changed,
               did->unchanged);
    else if (did->unchanged > 0)
        fprintf(stderr, "%s %" PRIu64 " %s%s, %" PRIu64 " needed no change\n", done,
                did->changed, what, did->changed == 1 ? "" : "s", did->unchanged);
    else
        fprintf(stderr, "%s %" PRIu64 " %s%s\n", done, did->changed, what,
                did->changed == 1 ? "" : "s");
    return EXIT_OK;
}

static int send(struct cli *cli, const struct msg_control *control, const char *done,
                const char *what)
{
    struct msg_controlled did;
    struct error err = {0};

    if (cli_control(cli, control, &did, &err) == 0)
        return answer(cli, &did, done, what);
    int code = cli_fail(cli, &err);
    return err.code == ERR_NOT_FOUND ? EXIT_UNREACHABLE : code;
}

struct options {
    const char *where, *reason;
    const char *priority, *max_running; /* of set */
    bool force;                         /* of retry */
};

/* Returns an exit code, or -1 to go on. */
static int read_options(struct cli *cli, int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {{"where", required_argument, NULL, 'w'},
                                          {"reason", required_argument, NULL, 'r'},
                                          {"priority", required_argument, NULL, 'p'},
                                          {"max-running", required_argument, NULL, 'm'},
                                          {"force", no_argument, NULL, 'f'},
                                          {NULL, 0, NULL, 0}};
    bool sets = strcmp(cli->verb, "set") == 0;
    bool retries = strcmp(cli->verb, "retry") == 0;
    int option;

    while ((option = cli_option(cli, argc, argv, "", longs)) != -1) {
        if (option == 'w')
            ret->where = optarg;
        else if (option == 'r')
            ret->reason = optarg;
        else if (option == 'p' && sets)
            ret->priority = optarg;
        else if (option == 'm' && sets)
            ret->max_running = optarg;
        else if (option == 'f' && retries)
            ret->force = true;
        else
            return option == '?' ? EXIT_USAGE
                                 : cli_usage(cli, "this option is for 'coord %s'",
                                             option == 'f' ? "retry" : "set");
    }
    if (ret->reason && strlen(ret->reason) > PROTO_REASON_MAX)
        return cli_usage(cli, "a reason has at most %d bytes", PROTO_REASON_MAX);
    if (argc - optind > 1)
        return cli_usage(cli, "unexpected '%s'", argv[optind + 1]);
    return -1;
}

/* ---- jobs ------------------------------------------------------------------- */

static int control_jobs(struct cli *cli, const char *text, const struct options *options,
                        const char *states, struct msg_control control, const char *done)
{
    struct selection selection = {0};
    struct error err = {0};
    int code;

    if (!text && !options->where)
        return cli_usage(cli,
                         "name jobs: 12, 1-10:2, all, last, a sweep, or --where SQL");
    struct store *store = cli_store(cli, &err);
    int rc =
        store ? selector_find(store, text, options->where, states, &selection, &err) : -1;
    store_close(&store);
    control.reason = slice_of(options->reason ? options->reason : "");
    control.jobs = selection.ranges;
    control.job_count = selection.count;
    if (rc != 0)
        code = cli_fail(cli, &err);
    else if (selection.jobs == 0)
        code = answer(cli, &(struct msg_controlled){0}, done, "job");
    else
        code = send(cli, &control, done, "job");
    selection_free(&selection);
    return code;
}

/* Jobs by their numbers, not by their sweep. */
static bool is_numbers(const char *text)
{
    return text && text[strspn(text, "0123456789_-:,")] == '\0';
}

/* A job is one, however many sweeps ask for it: who cancels a sweep is told what
 * others lose by that. */
static void note_shared(struct cli *cli, const char *text)
{
    static const char SHARED[] =
        "SELECT count(DISTINCT o.job), group_concat(DISTINCT o.sweep) FROM sweep_job m"
        " JOIN job j ON j.id = m.job JOIN sweep_job o ON o.job = m.job"
        " AND o.sweep <> m.sweep WHERE m.sweep = ?1 AND j.state = 'cancelled'";
    char name[CLI_NAME_MAX];
    const char *args[] = {name};
    struct store *store = cli_store(cli, NULL);
    struct query *query = NULL;
    int64_t id;

    if (store && cli_sweep(store, text, &id, name, NULL) == 0)
        query = query_open(store, SHARED, args, 1, NULL);
    if (query && query_next(query, NULL) == 1 && query_int(query, 0) > 0)
        fprintf(
            stderr,
            "%s of the cancelled jobs are asked for by %s as well; --where \"shared = "
            "0\" spares such jobs\n",
            query_text(query, 0, NULL), query_text(query, 1, NULL));
    query_close(&query);
    store_close(&store);
}

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
    struct options options = {0};
    int code = read_options(cli, argc, argv, &options);

    if (code >= 0)
        return code;
    code = control_jobs(cli, argv[optind], &options, "'waiting', 'ready', 'running'",
                        (struct msg_control){.verb = CONTROL_CANCEL}, "cancelled");
    const char *text = argv[optind];
    if (code == EXIT_OK && text && strcmp(text, "all") != 0 && !is_numbers(text))
        note_shared(cli, text);
    return code;
}

/* Runs that were stopped early go on if somebody means them: not because others of their
 * sweep failed. */
int cmd_retry(struct cli *cli, int argc, char **argv)
{
    struct options options = {0};
    int code = read_options(cli, argc, argv, &options);
    const char *states = "'failed', 'cancelled'";

    if (code >= 0)
        return code;
    if (options.force)
        states = "'failed', 'cancelled', 'stopped', 'done'";
    else if (options.where || is_numbers(argv[optind]))
        states = "'failed', 'cancelled', 'stopped'";
    return control_jobs(
        cli, argv[optind], &options, states,
        (struct msg_control){.verb = CONTROL_RETRY, .force = options.force},
        "trying again:");
}

/* ---- sweeps ----------------------------------------------------------------- */

static int control_sweep(struct cli *cli, const char *text, const struct options *options,
                         struct msg_control control, const char *done)
{
    char name[CLI_NAME_MAX];
    struct error err = {0};

    if (!text || options->where)
        return cli_usage(cli, "expected one sweep: its name or number, or last");
    struct store *store = cli_store(cli, &err);
    int rc = store ? cli_sweep(store, text, &control.sweep, name, &err) : -1;
    store_close(&store);
    if (rc != 0)
        return cli_fail(cli, &err);
    control.reason = slice_of(options->reason ? options->reason : "");
    return send(cli, &control, done, "sweep");
}

int cmd_pause(struct cli *cli, int argc, char **argv)
{
    struct options options = {0};
    int code = read_options(cli, argc, argv, &options);

    return code >= 0
               ? code
               : control_sweep(cli, argv[optind], &options,
                               (struct msg_control){.verb = CONTROL_PAUSE}, "paused");
}

int cmd_resume(struct cli *cli, int argc, char **argv)
{
    struct options options = {0};
    int code = read_options(cli, argc, argv, &options);

    return code >= 0
               ? code
               : control_sweep(cli, argv[optind], &options,
                               (struct msg_control){.verb = CONTROL_RESUME}, "resumed");
}

int cmd_set(struct cli *cli, int argc, char **argv)
{
    struct options options = {0};
    int64_t number;
    struct error err = {0};
    int code = read_options(cli, argc, argv, &options);

    if (code >= 0)
        return code;
    if (!options.priority == !options.max_running)
        return cli_usage(cli, "expected one of --priority and --max-running");
    if (options.priority) {
        if (cli_integer("--priority", options.priority, -PROTO_PRIORITY_MAX,
                        PROTO_PRIORITY_MAX, &number, &err) != 0)
            return cli_fail(cli, &err);
        return control_jobs(
            cli, argv[optind], &options, "'waiting', 'ready', 'running'",
            (struct msg_control){.verb = CONTROL_PRIORITY,
                                 .priority = (uint32_t)(number + PROTO_PRIORITY_ZERO)},
            "changed");
    }
    if (cli_integer("--max-running", options.max_running, 0, PROTO_PRIORITY_MAX, &number,
                    &err) != 0)
        return cli_fail(cli, &err);
    return control_sweep(
        cli, argv[optind], &options,
        (struct msg_control){.verb = CONTROL_LIMIT, .max_running = (uint64_t)number},
        "changed");
}
