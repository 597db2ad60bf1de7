/* Rows for people: one read-only statement at a time. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { REAL_TEXT = 32 }; /* bytes of a double's longest shortest text */

struct query {
    struct store *store;
    sqlite3_stmt *stmt;
    char (*reals)[REAL_TEXT]; /* one per column: texts live until query_next */
    enum query_type *kinds;   /* asking for a text changes SQLite's own answer */
};

/* What follows the first statement: nothing but blanks, comments and ';'. */
static int check_tail(struct store *store, const char *tail, struct error *err)
{
    while (tail && *tail) {
        sqlite3_stmt *more;

        if (sqlite3_prepare_v2(store->db, tail, -1, &more, &tail) != SQLITE_OK || more) {
            sqlite3_finalize(more);
            return err_set(err, ERR_INVALID, "one statement at a time, please");
        }
    }
    return 0;
}

static int prepare(struct query *query, const char *sql, struct error *err)
{
    sqlite3 *db = query->store->db;
    const char *tail;

    if (sqlite3_prepare_v2(db, sql, -1, &query->stmt, &tail) != SQLITE_OK)
        return err_set(err, ERR_INVALID, "%s", sqlite3_errmsg(db));
    if (!query->stmt)
        return err_set(err, ERR_INVALID, "the statement is empty");
    if (!sqlite3_stmt_readonly(query->stmt))
        return err_set(err, ERR_INVALID,
                       "the statement would change the database,"
                       " and only the coordinator may");
    return check_tail(query->store, tail, err);
}

static int bind_texts(struct query *query, const char *const *args, size_t count,
                      struct error *err)
{
    int places = sqlite3_bind_parameter_count(query->stmt);

    if ((size_t)places > count)
        return err_set(err, ERR_INVALID, "the statement has %d parameters, %zu given",
                       places, count);
    for (size_t i = 0; i < (size_t)places; i++)
        if (sqlite3_bind_text(query->stmt, (int)i + 1, args[i], -1, SQLITE_TRANSIENT) !=
            SQLITE_OK)
            return store_fail(query->store, sqlite3_errcode(query->store->db), NULL, err);
    return 0;
}

struct query *query_open(struct store *store, const char *sql, const char *const *args,
                         size_t arg_count, struct error *err)
{
    struct query *query = calloc(1, sizeof *query);
    size_t columns;

    if (!query)
        goto nomem;
    query->store = store;
    /* Within a batch its own changes are seen, those of the counts as well. */
    if (count_flush(store, err) != 0 || prepare(query, sql, err) != 0 ||
        bind_texts(query, args, arg_count, err) != 0)
        goto fail;
    columns = (size_t)sqlite3_column_count(query->stmt) + 1;
    query->reals = calloc(columns, sizeof *query->reals);
    query->kinds = calloc(columns, sizeof *query->kinds);
    if (query->reals && query->kinds)
        return query;
nomem:
    err_set(err, ERR_NO_MEMORY, "no memory for a query");
fail:
    query_close(&query);
    return NULL;
}

void query_close(struct query **query_p)
{
    struct query *query = *query_p;

    *query_p = NULL;
    if (!query)
        return;
    sqlite3_finalize(query->stmt);
    free(query->reals);
    free(query->kinds);
    free(query);
}

static enum query_type kind_of(int sqlite_type)
{
    switch (sqlite_type) {
    case SQLITE_INTEGER:
        return QUERY_INT;
    case SQLITE_FLOAT:
        return QUERY_REAL;
    case SQLITE_TEXT:
        return QUERY_TEXT;
    case SQLITE_BLOB:
        return QUERY_BLOB;
    default:
        return QUERY_NULL;
    }
}

int query_next(struct query *query, struct error *err)
{
    int code = sqlite3_step(query->stmt);

    if (code == SQLITE_DONE)
        return 0;
    if (code != SQLITE_ROW)
        return store_fail(query->store, code, NULL, err);
    for (int i = 0; i < sqlite3_column_count(query->stmt); i++)
        query->kinds[i] = kind_of(sqlite3_column_type(query->stmt, i));
    return 1;
}

int query_columns(const struct query *query)
{
    return sqlite3_column_count(query->stmt);
}

const char *query_name(const struct query *query, int column)
{
    const char *name = sqlite3_column_name(query->stmt, column);

    return name ? name : "";
}

enum query_type query_kind(const struct query *query, int column)
{
    return query->kinds[column];
}

int64_t query_int(const struct query *query, int column)
{
    return sqlite3_column_int64(query->stmt, column);
}

double query_real(const struct query *query, int column)
{
    return sqlite3_column_double(query->stmt, column);
}

/* The fewest digits that read back to the same double; SQLite's own text stops
 * at 15, which is enough wherever fewer would be (%g drops zeros). */
static void real_text(double value, char out[REAL_TEXT])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, REAL_TEXT, "%.*g", digits, value);
        if (isnan(value) || strtod(out, NULL) == value)
            return;
    }
}

const char *query_text(const struct query *query, int column, size_t *ret_size)
{
    const char *text;
    size_t size;

    if (query->kinds[column] == QUERY_REAL) {
        text = query->reals[column];
        size = 0;
        real_text(query_real(query, column), query->reals[column]);
        while (text[size])
            size++;
    } else {
        text = (const char *)sqlite3_column_text(query->stmt, column);
        size = (size_t)sqlite3_column_bytes(query->stmt, column);
    }
    if (ret_size)
        *ret_size = text ? size : 0;
    return text ? text : "";
}
