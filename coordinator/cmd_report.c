/* coord report SWEEP: what a sweep found, on one or two screens. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/report.h"

#include <getopt.h>

#define RUNS_ORDER                                                                       \
    " FROM runs WHERE sweep = ?1"                                                        \
    " ORDER BY intervention <> 'baseline', intervention, point, seed"

/* For programs. */
static const char RUNS[] =
    "SELECT intervention, point, seed, state, cause, epochs, train_loss, train_acc,"
    " test_loss, test_acc, coalesce(test_nonfinite, train_nonfinite) AS nonfinite,"
    " seconds, job" RUNS_ORDER;

/* For people: a loss that is not finite says so where it would stand. */
static const char RUNS_TABLE[] =
    "SELECT intervention, point, seed,"
    " state || coalesce(' (' || cause || ')', '') AS state, epochs,"
    " coalesce(train_loss, train_nonfinite) AS train_loss, train_acc,"
    " coalesce(test_loss, test_nonfinite) AS test_loss, test_acc, seconds, "
    "job" RUNS_ORDER;

/* The word for a loss that is not finite, at one end of a path. */
#define END(loss, alpha_)                                                                \
    "coalesce(" loss ", (SELECT nonfinite FROM curves c WHERE c.sweep = p.sweep AND"     \
    " c.job = p.job AND c.grp = p.grp AND c.bn = p.bn AND c.split = p.split AND"         \
    " c.probe = p.probe AND c.alpha = " alpha_ "))"

/* The same for a metric that such a loss leaves without a value. */
#define METRIC(name) "coalesce(" name ", iif(nonfinite_points > 0, 'nan', NULL))"

static const char PATHS[] =
    "SELECT intervention, point, seed, probe, grp, nullif(bn, 'none') AS bn,"
    " " END("loss_start", "0") " AS start, " END(
        "loss_end",
        "1") " AS 'end',"
             " " METRIC("loss_max") " AS max, " METRIC(
                 "bump") " AS bump,"
                         " CASE monotone WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END AS "
                         "monotone,"
                         " " METRIC(
                             "barrier_linear") " AS barrier, interior_bump AS interior, "
                                               "alpha_star,"
                                               " plateau, dist_rel FROM paths p WHERE "
                                               "sweep = ?1 AND split = 'test'"
                                               " ORDER BY grp <> 'all', intervention <> "
                                               "'baseline', intervention, point, seed,"
                                               " probe, job, bn, grp";

static void heading(const struct cli *cli, FILE *out, const char *text)
{
    fprintf(out, cli->color ? "\n\033[1;4m%s\033[0m\n" : "\n%s\n", text);
}

static int print_tables(const struct cli *cli, struct store *store, const char *sweep,
                        FILE *out, struct error *err)
{
    struct cli brief = *cli;
    struct buf pictures = {0};
    int rc = -1;

    brief.brief = true;
    heading(cli, out, "Runs: loss in nats, accuracy as a fraction");
    if (cli_print_sql(&brief, store, RUNS_TABLE, &sweep, 1, NULL, err) != 0)
        goto done;
    if (report_curves(store, sweep, "test", &pictures, err) != 0)
        goto done;
    if (pictures.size > 0) {
        heading(cli, out, "Paths: test loss from `start` (alpha 0) to `end` (alpha 1)");
        if (cli_print_sql(&brief, store, PATHS, &sweep, 1, NULL, err) != 0)
            goto done;
        heading(cli, out, "Curves: test loss over alpha, 0 to 1 (x: not finite)");
        fwrite(pictures.data, 1, pictures.size, out);
    }
    rc = cli_failures(&brief, store, sweep, "\nNot done, and why", err);

done:
    buf_free(&pictures);
    return rc;
}

int cli_report(struct cli *cli, const char *sweep, FILE *out, struct error *err)
{
    char name[CLI_NAME_MAX];
    int64_t id;
    int rc = -1;
    struct store *store = cli_store(cli, err);
    const char *args[] = {name};

    if (store && cli_sweep(store, sweep, &id, name, err) == 0)
        rc = cli->form == FORM_TABLE
                 ? print_tables(cli, store, name, out, err)
                 : cli_print_sql(cli, store, RUNS, args, 1, NULL, err);
    store_close(&store);
    return rc;
}

int cmd_report(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    struct error err = {0};
    int option;

    while ((option = cli_option(cli, argc, argv, "o:", options)) != -1) {
        if (option != 'o')
            return EXIT_USAGE;
        err_set(&err, ERR_UNSUPPORTED, "-o: a report as HTML is not supported yet");
        return cli_fail(cli, &err);
    }
    if (argc - optind > 1)
        return cli_usage(cli, "expected at most one sweep");
    return cli_report(cli, argv[optind], stdout, &err) == 0 ? EXIT_OK
                                                            : cli_fail(cli, &err);
}
