/* Rows of a query on stdout, in the form that was asked for. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/print.h"

#include <stdlib.h>
#include <string.h>

/* Wider text is cut in tables (never in CSV or JSON): a sentence of an error
 * fits a terminal with the other columns. */
enum { CELL_WIDTH_MAX = 60 };

/* Flush what has been formatted when it is this large. */
enum { FLUSH_BYTES = 1 << 16 };

static struct cell cell_of(const struct query *query, int column)
{
    struct cell cell = {.type = CELL_NONE};

    switch (query_kind(query, column)) {
    case QUERY_NULL:
        break;
    case QUERY_INT:
        cell.type = CELL_INT;
        cell.integer = query_int(query, column);
        break;
    case QUERY_REAL:
        cell.type = CELL_REAL;
        cell.real = query_real(query, column);
        break;
    case QUERY_TEXT:
    case QUERY_BLOB:
        cell.type = CELL_TEXT;
        cell.text = query_text(query, column, &cell.text_size);
        break;
    }
    return cell;
}

/* What the three forms do with the start, one row, and the end. */
struct printer {
    const char *const *names;
    struct cell *cells;
    size_t columns;
    struct table *table;
    struct buf out;
};

static void print_start(const struct cli *cli, struct printer *p)
{
    if (cli->form == FORM_JSON)
        buf_puts(&p->out, "[");
    if (cli->form != FORM_CSV)
        return;
    for (size_t i = 0; i < p->columns; i++)
        p->cells[i] = (struct cell){
            .type = CELL_TEXT, .text = p->names[i], .text_size = strlen(p->names[i])};
    csv_row(&p->out, p->cells, p->columns);
}

static void print_row(const struct cli *cli, struct printer *p, size_t row)
{
    switch (cli->form) {
    case FORM_TABLE:
        table_add(p->table, p->cells);
        break;
    case FORM_CSV:
        csv_row(&p->out, p->cells, p->columns);
        break;
    case FORM_JSON:
        buf_puts(&p->out, row == 0 ? "\n" : ",\n");
        json_row(&p->out, p->names, p->cells, p->columns);
        break;
    }
}

static void print_end(const struct cli *cli, struct printer *p, size_t rows)
{
    if (cli->form == FORM_JSON)
        buf_puts(&p->out, rows == 0 ? "]\n" : "\n]\n");
    if (cli->form == FORM_TABLE && p->columns > 0)
        table_write(p->table, CELL_WIDTH_MAX, cli->color, &p->out);
}

static int flush(struct printer *p, struct error *err)
{
    if (p->out.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for the rows");
    if (fwrite(p->out.data, 1, p->out.size, stdout) != p->out.size || fflush(stdout) != 0)
        return err_errno(err, ERR_IO, "cannot write to stdout");
    buf_clear(&p->out);
    return 0;
}

static int print_rows(const struct cli *cli, struct query *query, struct printer *p,
                      size_t *ret_rows, struct error *err)
{
    size_t rows = 0;
    int got;

    print_start(cli, p);
    while ((got = query_next(query, err)) == 1) {
        for (size_t i = 0; i < p->columns; i++)
            p->cells[i] = cell_of(query, (int)i);
        print_row(cli, p, rows++);
        if (p->out.size > FLUSH_BYTES && flush(p, err) != 0)
            return -1;
    }
    if (got < 0)
        return -1;
    print_end(cli, p, rows);
    if (ret_rows)
        *ret_rows = rows;
    return flush(p, err);
}

int cli_print(const struct cli *cli, struct query *query, size_t *ret_rows,
              struct error *err)
{
    int columns = query_columns(query);
    struct printer p = {.columns = (size_t)columns};
    const char **names = calloc((size_t)columns + 1, sizeof *names);
    int rc = -1;

    p.cells = calloc((size_t)columns + 1, sizeof *p.cells);
    if (!names || !p.cells)
        goto done;
    for (int i = 0; i < columns; i++)
        names[i] = query_name(query, i);
    p.names = names;
    p.table = table_new(names, p.columns);
    if (!p.table)
        goto done;
    if (cli->brief)
        table_hide_empty(p.table);
    rc = print_rows(cli, query, &p, ret_rows, err);

done:
    if (!p.table)
        err_set(err, ERR_NO_MEMORY, "no memory for a table of %d columns", columns);
    table_free(&p.table);
    free(p.cells);
    free(names);
    buf_free(&p.out);
    return rc;
}

int cli_print_sql(const struct cli *cli, struct store *store, const char *sql,
                  const char *const *args, size_t arg_count, size_t *ret_rows,
                  struct error *err)
{
    struct query *query = query_open(store, sql, args, arg_count, err);

    if (!query)
        return -1;
    int rc = cli_print(cli, query, ret_rows, err);
    query_close(&query);
    return rc;
}
