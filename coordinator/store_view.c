/* The view of one sweep, with a column for every parameter that varies. */

#include "coordinator/store_internal.h"

#include "common/error.h"

/* Append text between quotes, its own doubled: as SQL wants both names ("") and
 * strings (''). A view cannot have parameters. */
static void put_quoted(struct buf *out, struct slice text, char quote)
{
    buf_add(out, &quote, 1);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == quote)
            buf_add(out, &quote, 1);
        buf_add(out, &text.data[i], 1);
    }
    buf_add(out, &quote, 1);
}

/* runs_<sweep>, dashes as underscores, so that it needs no quotes. */
static void put_name(struct buf *out, const char *sweep)
{
    struct buf name = {0};

    buf_printf(&name, "runs_%s", sweep);
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == '-')
            name.data[i] = '_';
    put_quoted(out, (struct slice){name.data, name.size}, '"');
    out->failed = out->failed || name.failed;
    buf_free(&name);
}

static int put_columns(struct store *store, struct buf *out, const char *sweep,
                       struct error *err)
{
    int got = stmt_row(store, STMT_VARIED, ARGS(arg_text(sweep)), err);

    while (got > 0) {
        struct slice name = stmt_text(store, STMT_VARIED, 0);

        buf_puts(out, ",\n       (SELECT value FROM params"
                      " WHERE job = r.job AND name = ");
        put_quoted(out, name, '\'');
        buf_puts(out, ") AS ");
        put_quoted(out, name, '"');
        got = stmt_next(store, STMT_VARIED, err);
    }
    return got;
}

int view_write(struct store *store, const char *sweep, struct error *err)
{
    struct buf sql = {0};
    int rc = -1;

    buf_puts(&sql, "DROP VIEW IF EXISTS ");
    put_name(&sql, sweep);
    buf_puts(&sql, ";\nCREATE VIEW ");
    put_name(&sql, sweep);
    buf_puts(&sql, " AS -- runs of one sweep, with what varies in it\nSELECT r.*");
    if (put_columns(store, &sql, sweep, err) != 0)
        goto done;
    buf_puts(&sql, "\nFROM runs r WHERE r.sweep = ");
    put_quoted(&sql, slice_of(sweep), '\'');
    if (sql.failed) {
        err_set(err, ERR_NO_MEMORY, "no memory for the view of '%s'", sweep);
        goto done;
    }
    rc = store_exec(store, sql.data, "runs_<sweep>", err);
done:
    buf_free(&sql);
    return rc;
}
