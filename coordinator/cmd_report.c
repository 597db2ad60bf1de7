/* coord report SWEEP: what a sweep found, on one or two screens. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/report.h"

#include <getopt.h>

/* `point` is empty unless the sweep has axes, and shows what tells runs apart. */
static const char RUNS[] =
    "SELECT intervention, point, seed, state, epochs, train_loss, train_acc, test_loss,"
    " test_acc, coalesce(test_nonfinite, train_nonfinite) AS nonfinite, seconds, job"
    " FROM runs WHERE sweep = ?1"
    " ORDER BY intervention <> 'baseline', intervention, point, seed";

static const char PATHS[] =
    "SELECT intervention, point, seed, grp, bn, loss_start AS start, loss_end AS 'end',"
    " loss_max AS max, bump, CASE monotone WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END AS"
    " monotone, barrier_linear AS barrier, interior_bump AS interior, alpha_star,"
    " plateau, dist_rel FROM paths WHERE sweep = ?1 AND split = 'test'"
    " ORDER BY grp <> 'all', intervention <> 'baseline', intervention, point, seed,"
    " job, bn, grp";

static void heading(const struct cli *cli, FILE *out, const char *text)
{
    fprintf(out, cli->color ? "\n\033[1;4m%s\033[0m\n" : "\n%s\n", text);
}

int cli_report(struct cli *cli, const char *sweep, FILE *out, struct error *err)
{
    char name[CLI_NAME_MAX];
    struct buf pictures = {0};
    int64_t id;
    int rc = -1;
    struct store *store = cli_store(cli, err);
    const char *args[] = {name};

    if (!store || cli_sweep(store, sweep, &id, name, err) != 0)
        goto done;
    if (cli->form == FORM_TABLE)
        heading(cli, out, "Runs: loss in nats, accuracy as a fraction");
    if (cli_print_sql(cli, store, RUNS, args, 1, NULL, err) != 0)
        goto done;
    rc = 0;
    if (cli->form != FORM_TABLE)
        goto done;
    rc = -1;
    heading(cli, out, "Paths: test loss from `start` (alpha 0) to `end` (alpha 1)");
    if (cli_print_sql(cli, store, PATHS, args, 1, NULL, err) != 0 ||
        report_curves(store, name, "test", &pictures, err) != 0)
        goto done;
    heading(cli, out, "Curves: test loss over alpha, 0 to 1");
    fwrite(pictures.data, 1, pictures.size, out);
    rc = 0;

done:
    buf_free(&pictures);
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
