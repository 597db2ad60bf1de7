/* Rows of a query on stdout, in the form that was asked for. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/mask.h"
#include "coordinator/print.h"
#include "coordinator/sheet.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    case FORM_MARKDOWN:
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
    if (cli->form == FORM_MARKDOWN && p->columns > 0)
        table_write_markdown(p->table, &p->out);
}

/* A table's cells are masked already. Files and pipes get every byte as it is. */
static int flush(const struct cli *cli, struct printer *p, struct error *err)
{
    if (p->out.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for the rows");
    if ((cli->form == FORM_CSV || cli->form == FORM_JSON) && p->out.size > 0 &&
        isatty(STDOUT_FILENO))
        mask_controls(p->out.data, p->out.size, "\n\t");
    if ((p->out.size > 0 && fwrite(p->out.data, 1, p->out.size, stdout) != p->out.size) ||
        fflush(stdout) != 0)
        return err_errno(err, ERR_IO, "cannot write to stdout");
    buf_clear(&p->out);
    return 0;
}

/* More rows were added: hand them on if there are many. */
static int went_on(const struct cli *cli, struct printer *p, struct error *err)
{
    return p->out.size > FLUSH_BYTES ? flush(cli, p, err) : 0;
}

static int print_query(const struct cli *cli, struct query *query, struct printer *p,
                       size_t *ret_rows, struct error *err)
{
    int got;

    while ((got = query_next(query, err)) == 1) {
        for (size_t i = 0; i < p->columns; i++)
            p->cells[i] = cell_of(query, (int)i);
        print_row(cli, p, (*ret_rows)++);
        if (went_on(cli, p, err) != 0)
            return -1;
    }
    return got;
}

static int print_cells(const struct cli *cli, const struct sheet *sheet,
                       struct printer *p, size_t *ret_rows, struct error *err)
{
    for (; *ret_rows < sheet_rows(sheet); (*ret_rows)++) {
        memcpy(p->cells, &sheet->cells[*ret_rows * p->columns],
               p->columns * sizeof *p->cells);
        print_row(cli, p, *ret_rows);
        if (went_on(cli, p, err) != 0)
            return -1;
    }
    return 0;
}

/* From one of the two. */
static int print_rows(const struct cli *cli, struct query *query,
                      const struct sheet *sheet, const char *const *names, size_t columns,
                      size_t *ret_rows, struct error *err)
{
    struct printer p = {.names = names, .columns = columns};
    size_t rows = 0;
    int rc = -1;

    p.cells = calloc(columns + 1, sizeof *p.cells);
    p.table = table_new(names, columns);
    if (!p.cells || !p.table) {
        err_set(err, ERR_NO_MEMORY, "no memory for a table of %zu columns", columns);
        goto done;
    }
    if (cli->brief)
        table_hide_empty(p.table);
    print_start(cli, &p);
    rc = query ? print_query(cli, query, &p, &rows, err)
               : print_cells(cli, sheet, &p, &rows, err);
    if (rc == 0) {
        print_end(cli, &p, rows);
        rc = flush(cli, &p, err);
    }
    if (ret_rows)
        *ret_rows = rows;

done:
    table_free(&p.table);
    free(p.cells);
    buf_free(&p.out);
    return rc;
}

int cli_print(const struct cli *cli, struct query *query, size_t *ret_rows,
              struct error *err)
{
    size_t columns = (size_t)query_columns(query);
    const char **names = calloc(columns + 1, sizeof *names);
    int rc;

    if (!names)
        return err_set(err, ERR_NO_MEMORY, "no memory for a table of %zu columns",
                       columns);
    for (size_t i = 0; i < columns; i++)
        names[i] = query_name(query, (int)i);
    rc = print_rows(cli, query, NULL, names, columns, ret_rows, err);
    free(names);
    return rc;
}

int cli_print_sheet(const struct cli *cli, const struct sheet *sheet, struct error *err)
{
    return print_rows(cli, NULL, sheet, sheet->names, sheet->columns, NULL, err);
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
