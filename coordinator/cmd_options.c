/* coord options [PREFIX]: everything that a grid can say about a run, from the
 * one table that the grid reader itself uses. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/opts.h"
#include "coordinator/print.h"

#include <getopt.h>
#include <string.h>

enum { COLUMN_NAME, COLUMN_DEFAULT, COLUMN_VALUES, COLUMN_WHEN, COLUMN_HELP, COLUMNS };

static const char *const NAMES[COLUMNS] = {"option", "default", "values", "when", "help"};

/* What each type takes, in words; names and ranges are added. */
static const char *const TYPES[] = {
    [OPT_BOOL] = "true, false",
    [OPT_INT] = "integer",
    [OPT_REAL] = "number",
    [OPT_NAME] = "",
    [OPT_STRING] = "string",
    [OPT_INTS] = "list of integers",
    [OPT_STRINGS] = "list of",
    [OPT_PAIRS] = "list of \"GROUP=NUMBER\", numbers",
    [OPT_SIZE] = "\"all\", a count, or a share in (0,1]",
    [OPT_ALPHAS] = "a count or a list",
    [OPT_NEAR] = "list of [near, n, width]",
    [OPT_STATES] = "list of init, final, best, step:k, epoch:k",
    [OPT_STATE] = "init, final, best, step:k, epoch:k",
};

/* Bounds beyond this mean "any": nobody needs to read 1e300. */
static const double ANY = 1e9;

static void values_text(const struct opt *opt, struct buf *out)
{
    bool bounded = opt->type == OPT_INT || opt->type == OPT_REAL ||
                   opt->type == OPT_INTS || opt->type == OPT_PAIRS;

    buf_puts(out, TYPES[opt->type]);
    if (opt->type == OPT_STRINGS && !opt->names)
        buf_puts(out, " strings");
    for (size_t i = 0; opt->names && opt->names[i]; i++)
        buf_printf(out, "%s%s", i ? ", " : out->size ? " " : "", opt->names[i]);
    if (!bounded)
        return;
    if (opt->max < ANY)
        buf_printf(out, " in %c%g, %g%c", opt->above_min ? '(' : '[', opt->min, opt->max,
                   opt->below_max ? ')' : ']');
    else
        buf_printf(out, " %s %g", opt->above_min ? ">" : ">=", opt->min);
}

/* "1.0 or 16.0": what says when is the help. */
static void default_text(const struct opt *opt, struct buf *out)
{
    buf_puts(out, opt->fallback ? opt->fallback : "");
    for (const struct opt_case *c = opt->cases; c && c->needs; c++)
        buf_printf(out, " or %s", c->fallback);
}

static struct cell text_cell(const char *text)
{
    if (!text || !*text)
        return (struct cell){.type = CELL_NONE};
    return (struct cell){.type = CELL_TEXT, .text = text, .text_size = strlen(text)};
}

static void add_option(const struct cli *cli, const struct opt *opt, struct table *table,
                       struct buf *out, bool first)
{
    struct cell cells[COLUMNS];
    struct buf values = {0}, fallback = {0};

    values_text(opt, &values);
    default_text(opt, &fallback);
    cells[COLUMN_NAME] = text_cell(opt->name);
    cells[COLUMN_DEFAULT] = text_cell(fallback.data);
    cells[COLUMN_VALUES] = text_cell(values.data);
    cells[COLUMN_WHEN] = text_cell(opt->needs);
    cells[COLUMN_HELP] = text_cell(opt->help);
    if (cli->form == FORM_TABLE) {
        table_add(table, cells);
    } else if (cli->form == FORM_CSV) {
        csv_row(out, cells, COLUMNS);
    } else {
        buf_puts(out, first ? "\n" : ",\n");
        json_row(out, NAMES, cells, COLUMNS);
    }
    buf_free(&values);
    buf_free(&fallback);
}

static size_t add_options(const struct cli *cli, const char *prefix, struct table *table,
                          struct buf *out)
{
    size_t count, shown = 0;
    const struct opt *opts = opt_table(&count);

    for (size_t i = 0; i < count; i++) {
        if (opts[i].kind != JOB_TRAIN || strcmp(opts[i].name, "numerics") == 0 ||
            strncmp(opts[i].name, prefix, strlen(prefix)) != 0)
            continue;
        add_option(cli, &opts[i], table, out, shown++ == 0);
    }
    return shown;
}

static int no_option(const struct cli *cli, const char *prefix)
{
    const char *nearest = opt_nearest(JOB_TRAIN, prefix);
    struct error err;

    err_set(&err, ERR_NOT_FOUND, "no option begins with '%s'%s%s%s", prefix,
            nearest ? " (did you mean '" : "", nearest ? nearest : "",
            nearest ? "'?)" : "");
    return cli_fail(cli, &err);
}

int cmd_options(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{NULL, 0, NULL, 0}};
    struct buf out = {0};
    struct error err = {0};

    if (cli_option(cli, argc, argv, "", options) != -1)
        return EXIT_USAGE;
    if (argc - optind > 1)
        return cli_usage(cli, "expected at most one prefix");
    const char *prefix = optind < argc ? argv[optind] : "";
    struct table *table = table_new(NAMES, COLUMNS);
    if (!table) {
        err_set(&err, ERR_NO_MEMORY, "no memory for a table");
        return cli_fail(cli, &err);
    }
    if (cli->form == FORM_JSON)
        buf_puts(&out, "[");
    if (cli->form == FORM_CSV)
        buf_puts(&out, "option,default,values,when,help\n");
    size_t shown = add_options(cli, prefix, table, &out);
    if (cli->form == FORM_JSON)
        buf_puts(&out, "\n]\n");
    if (cli->form == FORM_TABLE)
        table_write(table, 56, cli->color, &out);
    if (shown > 0)
        fwrite(out.data, 1, out.size, stdout);
    table_free(&table);
    buf_free(&out);
    return shown > 0 ? EXIT_OK : no_option(cli, prefix);
}
