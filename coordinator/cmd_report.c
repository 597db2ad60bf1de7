/* coord report SWEEP: what a sweep found, on one or two screens. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/findings.h"
#include "coordinator/report.h"

#include <getopt.h>
#include <string.h>

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
    " state || iif(state <> 'stopped', coalesce(' (' || cause || ')', ''), '') AS state,"
    " epochs,"
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

/* Over seeds. Runs that others start from are no points of the grid. */
static const char INTERVENTIONS[] =
    "WITH run AS (SELECT * FROM runs WHERE sweep = ?1 AND intervention NOT LIKE 'run:%'),"
    " mean AS (SELECT intervention, point, min(job) AS first, count(test_acc) AS n,"
    "  avg(test_acc) AS acc FROM run GROUP BY intervention, point),"
    " spread AS (SELECT intervention, point,"
    "  sqrt(sum((test_acc - acc) * (test_acc - acc)) / (n - 1)) AS sd"
    "  FROM run JOIN mean USING (intervention, point) GROUP BY intervention, point),"
    " path AS (SELECT intervention, point, probe, bn, count(*) AS n,"
    "  1 - avg(monotone) AS rising, avg(bump) AS bump, avg(barrier_linear) AS barrier,"
    "  avg(plateau) AS plateau, avg(dist_rel) AS dist_rel,"
    "  nullif(sum(nonfinite_points > 0), 0) AS nonfinite"
    "  FROM paths WHERE sweep = ?1 AND grp = 'all' AND split = 'test'"
    "  GROUP BY intervention, point, probe, bn)"
    " SELECT m.intervention AS intervention, m.point AS point, m.n AS runs,"
    " acc AS test_acc, sd AS acc_sd, probe, nullif(bn, 'none') AS bn, path.n AS paths,"
    " rising, bump, barrier, plateau, dist_rel, nonfinite"
    " FROM mean m JOIN spread USING (intervention, point)"
    " LEFT JOIN path USING (intervention, point)"
    " ORDER BY m.intervention <> 'baseline', min(first) OVER (PARTITION BY "
    "m.intervention),"
    " first, m.point, probe, bn";

/* The tables of a report: rows of a query, or computed. */
static const struct part {
    const char *name, *sql; /* sql is for programs */
    const char *sql_people;
    int (*compute)(struct store *store, const char *sweep, struct sheet *ret,
                   struct error *err);
    const char *heading;
} PARTS[] = {
    {"runs", RUNS, RUNS_TABLE, NULL, "Runs: loss in nats, accuracy as a fraction"},
    {"paths", PATHS, PATHS, NULL,
     "Paths: test loss from `start` (alpha 0) to `end` (alpha 1)"},
    {"interventions", INTERVENTIONS, INTERVENTIONS, NULL,
     "Interventions: means over runs; of whole paths, the share that rises and test "
     "loss"},
    {"differences", NULL, NULL, findings_differences,
     "Differences of test accuracy, by paired seeds (95 %, Student's t)"},
    {"correlations", NULL, NULL, findings_correlations,
     "Rank correlations over runs, of whole paths (95 %, Spearman)"},
};
enum { PART_RUNS, PART_PATHS, PART_ANSWERS, PART_COUNT = 5 };

static void heading(const struct cli *cli, FILE *out, const char *text)
{
    if (cli->form == FORM_MARKDOWN)
        fprintf(out, "\n## %s\n\n", text);
    else
        fprintf(out, cli->color ? "\n\033[1;4m%s\033[0m\n" : "\n%s\n", text);
}

static int print_part(const struct cli *cli, struct store *store, const char *sweep,
                      const struct part *part, struct error *err)
{
    bool people = cli->form == FORM_TABLE || cli->form == FORM_MARKDOWN;
    struct sheet sheet = {0};
    int rc;

    if (!part->compute) {
        if (people)
            heading(cli, stdout, part->heading);
        return cli_print_sql(cli, store, people ? part->sql_people : part->sql, &sweep, 1,
                             NULL, err);
    }
    rc = part->compute(store, sweep, &sheet, err);
    if (rc == 0 && people && sheet_rows(&sheet) > 0)
        heading(cli, stdout, part->heading);
    if (rc == 0 && (!people || sheet_rows(&sheet) > 0))
        rc = cli_print_sheet(cli, &sheet, err);
    sheet_free(&sheet);
    return rc;
}

static void print_pictures(const struct cli *cli, struct buf *pictures)
{
    const char *fence = cli->form == FORM_MARKDOWN ? "```\n" : "";

    heading(cli, stdout, "Curves: test loss over alpha, 0 to 1 (x: not finite)");
    fputs(fence, stdout);
    cli_write(stdout, pictures->data, pictures->size);
    fputs(fence, stdout);
}

static int print_all(const struct cli *cli, struct store *store, const char *sweep,
                     struct error *err)
{
    struct cli brief = *cli;
    struct buf pictures = {0};
    int rc;

    brief.brief = true;
    if (cli->form == FORM_MARKDOWN)
        printf("# %s\n", sweep);
    rc = print_part(&brief, store, sweep, &PARTS[PART_RUNS], err);
    if (rc == 0)
        rc = report_curves(store, sweep, "test", &pictures, err);
    if (rc == 0 && pictures.size > 0) {
        rc = print_part(&brief, store, sweep, &PARTS[PART_PATHS], err);
        print_pictures(cli, &pictures);
    }
    for (int i = PART_ANSWERS; rc == 0 && i < PART_COUNT; i++)
        rc = print_part(&brief, store, sweep, &PARTS[i], err);
    buf_free(&pictures);
    return rc == 0 ? cli_failures(&brief, store, sweep, "\nNot done, and why", err) : -1;
}

/* part: NULL for all of it, which programs get the runs of. */
static int report(struct cli *cli, const char *sweep, const struct part *part,
                  struct error *err)
{
    bool people = cli->form == FORM_TABLE || cli->form == FORM_MARKDOWN;
    struct store *store = cli_store(cli, err);
    char name[CLI_NAME_MAX];
    int64_t id;
    int rc = -1;

    if (store && cli_sweep(store, sweep, &id, name, err) == 0)
        rc = people && !part
                 ? print_all(cli, store, name, err)
                 : print_part(cli, store, name, part ? part : &PARTS[PART_RUNS], err);
    store_close(&store);
    return rc;
}

int cli_report(struct cli *cli, const char *sweep, struct error *err)
{
    return report(cli, sweep, NULL, err);
}

static const struct part *find_part(const char *name, struct error *err)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (strcmp(PARTS[i].name, name) == 0)
            return &PARTS[i];
    err_set(err, ERR_INVALID,
            "--table: expected one of runs, paths, interventions, differences,"
            " correlations, got '%s'",
            name);
    return NULL;
}

int cmd_report(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"markdown", no_argument, NULL, 'm'},
                                            {"table", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    const struct part *part = NULL;
    struct error err = {0};
    int option;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option != 'm' && option != 't')
            return EXIT_USAGE;
        if (option == 'm')
            cli->form = FORM_MARKDOWN;
        else if (!(part = find_part(optarg, &err)))
            return cli_fail(cli, &err);
    }
    if (argc - optind > 1)
        return cli_usage(cli, "expected at most one sweep");
    return report(cli, argv[optind], part, &err) == 0 ? EXIT_OK : cli_fail(cli, &err);
}
