/* coord worker list, drain, stop, resume: the daemons and what they have in hand. */

#include "coordinator/cli.h"

#include "common/error.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static const char WORKERS[] =
    "SELECT v.id, v.host, v.pid, v.state, v.slots, v.running, v.done, v.failed,"
    " iif(v.memory = 0, '', v.memory / 1000000 || ' MB') AS memory,"
    " trim(replace(replace(v.labels, '\"', ''), ',', ' '), '[]') AS labels,"
    " json_extract(w.provenance, '$.cpu') AS cpu,"
    " json_extract(w.provenance, '$.blas') AS blas,"
    " datetime(v.seen_ms / 1000, 'unixepoch') AS seen_utc,"
    " iif(v.leaves_ms IS NULL, '', datetime(v.leaves_ms / 1000, 'unixepoch'))"
    " AS leaves_utc, ifnull(v.quarantine, '') AS quarantine"
    " FROM workers v JOIN worker w USING (id) ORDER BY v.id";

static int list(struct cli *cli, struct error *err)
{
    struct store *store = cli_store(cli, err);
    int rc = store ? cli_print_sql(cli, store, WORKERS, NULL, 0, NULL, err) : -1;

    store_close(&store);
    return rc;
}

static int control_one(struct cli *cli, uint32_t verb, int64_t id, const char *reason,
                       struct error *err)
{
    const struct msg_control control = {
        .verb = verb, .worker = id, .reason = slice_of(reason ? reason : "")};
    struct msg_controlled did;

    if (cli_control(cli, &control, &did, err) != 0)
        return -1;
    fprintf(stderr, "worker %" PRId64 " %s\n", id,
            verb == CONTROL_TRUST
                ? (did.changed ? "gets jobs again" : "was in no quarantine")
            : did.changed == 0      ? "was told before"
            : verb == CONTROL_DRAIN ? "finishes what it has, and leaves"
                                    : "leaves; what it had is queued again");
    return 0;
}

/* The daemons that are connected, by number or host. */
static int control(struct cli *cli, uint32_t verb, const char *name, const char *reason,
                   struct error *err)
{
    struct store *store = cli_store(cli, err);
    struct query *query =
        store ? query_open(store,
                           "SELECT id FROM worker WHERE state = 'connected' AND"
                           " (CAST(id AS TEXT) = ?1 OR host = ?1) ORDER BY id",
                           &name, 1, err)
              : NULL;
    int got = -1, count = 0, rc = 0;

    while (query && rc == 0 && (got = query_next(query, err)) > 0) {
        count++;
        rc = control_one(cli, verb, query_int(query, 0), reason, err);
    }
    query_close(&query);
    store_close(&store);
    if (got < 0 || rc != 0)
        return -1;
    if (count > 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "no worker '%s' is connected: 'coord worker list' has them", name);
}

int cmd_worker(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"reason", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *reason = NULL;
    struct error err = {0};
    int option, rc;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        reason = optarg;
    }
    const char *what = argc > optind ? argv[optind] : "";
    int named = argc - optind - 1;
    if (strcmp(what, "list") == 0 && named == 0)
        rc = list(cli, &err);
    else if (strcmp(what, "drain") == 0 && named == 1)
        rc = control(cli, CONTROL_DRAIN, argv[optind + 1], reason, &err);
    else if (strcmp(what, "stop") == 0 && named == 1)
        rc = control(cli, CONTROL_STOP, argv[optind + 1], reason, &err);
    else if (strcmp(what, "resume") == 0 && named == 1)
        rc = control(cli, CONTROL_TRUST, argv[optind + 1], reason, &err);
    else
        return cli_usage(cli,
                         "expected 'list', 'drain NAME', 'stop NAME' or 'resume NAME'");
    if (rc == 0)
        return EXIT_OK;
    int code = cli_fail(cli, &err);
    return err.code == ERR_NOT_FOUND && named == 1 ? EXIT_UNREACHABLE : code;
}
