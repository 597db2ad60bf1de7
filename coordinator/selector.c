#include "coordinator/selector.h"

#include "common/error.h"
#include "coordinator/cli.h"
#include "proto/limits.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---------------------------------------------------------------- */

/* Digits, with '_' between them; false when there are none, or too many. */
static bool take_number(const char **text, int64_t *ret)
{
    const char *at = *text;
    int digits = 0;

    *ret = 0;
    for (; isdigit((unsigned char)*at) || (*at == '_' && digits > 0); at++) {
        if (*at == '_')
            continue;
        if (++digits > 15)
            return false;
        *ret = 10 * *ret + (*at - '0');
    }
    *text = at;
    return digits > 0 && at[-1] != '_';
}

/* "A", "A-B" or "A-B:STEP" as a condition. */
static bool take_range(const char **text, struct buf *sql)
{
    int64_t first, last, step = 1;

    if (!take_number(text, &first))
        return false;
    last = first;
    if (**text == '-') {
        ++*text;
        if (!take_number(text, &last) || last < first)
            return false;
    }
    if (**text == ':') {
        ++*text;
        if (!take_number(text, &step) || step == 0)
            return false;
    }
    buf_printf(sql,
               "(j.id BETWEEN %" PRId64 " AND %" PRId64 " AND (j.id - %" PRId64
               ") %% %" PRId64 " = 0)",
               first, last, first, step);
    return true;
}

static bool is_numbers(const char *text)
{
    return text[strspn(text, "0123456789_-:,")] == '\0' && isdigit((unsigned char)*text);
}

static int put_numbers(const char *text, struct buf *sql, struct error *err)
{
    const char *at = text;

    buf_puts(sql, "(");
    while (take_range(&at, sql)) {
        if (*at == '\0') {
            buf_puts(sql, ")");
            return 0;
        }
        if (*at++ != ',')
            break;
        buf_puts(sql, " OR ");
    }
    return err_set(err, ERR_INVALID,
                   "'%s': expected numbers of jobs, such as 12, 1-10, 1-10:2 or 3,5-8",
                   text);
}

/* ---- names ------------------------------------------------------------------ */

static bool is_key(const char *text)
{
    size_t size = strlen(text);

    return size >= 4 && size <= 32 && strspn(text, "0123456789abcdef") == size;
}

/* A sweep's name, or the beginning of a key. *ret_name is what ?1 is. */
static int put_name(struct store *store, const char *text, struct buf *sql,
                    char ret_name[CLI_NAME_MAX], struct error *err)
{
    struct error why;
    int64_t id;

    if (cli_sweep(store, text, &id, ret_name, &why) == 0) {
        buf_puts(sql, "j.id IN (SELECT job FROM sweep_job WHERE sweep = ?1)");
        return 0;
    }
    if (is_key(text) && cli_job(store, text, &id, NULL) == 0) {
        buf_printf(sql, "j.id = %" PRId64, id);
        return 0;
    }
    *err = why;
    return -1;
}

/* ---- finding ---------------------------------------------------------------- */

static int put_range(struct selection *selection, size_t *room, int64_t id,
                     struct error *err)
{
    if (selection->count > 0 && selection->ranges[selection->count - 1].last == id - 1) {
        selection->ranges[selection->count - 1].last = id;
        return 0;
    }
    if (selection->count == PROTO_RANGES_MAX)
        return err_set(err, ERR_INVALID,
                       "these jobs lie in more than %d separate ranges: do it in parts",
                       PROTO_RANGES_MAX);
    if (selection->count == *room) {
        *room = *room ? 2 * *room : 64;
        struct msg_range *ranges =
            realloc(selection->ranges, *room * sizeof *selection->ranges);
        if (!ranges)
            return err_set(err, ERR_NO_MEMORY, "no memory for %zu ranges", *room);
        selection->ranges = ranges;
    }
    selection->ranges[selection->count++] = (struct msg_range){id, id};
    return 0;
}

static int run(struct store *store, const char *sql, const char *name,
               struct selection *ret, struct error *err)
{
    struct query *query = query_open(store, sql, &name, name ? 1 : 0, err);
    size_t room = 0;
    int got = -1;

    while (query && (got = query_next(query, err)) > 0) {
        ret->jobs++;
        if (put_range(ret, &room, query_int(query, 0), err) != 0) {
            got = -1;
            break;
        }
    }
    query_close(&query);
    return got;
}

int selector_find(struct store *store, const char *text, const char *where,
                  const char *states, struct selection *ret, struct error *err)
{
    char name[CLI_NAME_MAX] = "";
    struct buf sql = {0};
    int rc = 0;

    *ret = (struct selection){0};
    buf_puts(&sql, "SELECT j.id FROM job j WHERE ");
    if (!text || strcmp(text, "all") == 0)
        buf_puts(&sql, "1");
    else if (is_numbers(text))
        rc = put_numbers(text, &sql, err);
    else
        rc = put_name(store, text, &sql, name, err);
    if (states)
        buf_printf(&sql, " AND j.state IN (%s)", states);
    if (where) /* the line's end ends a comment */
        buf_printf(&sql, " AND (%s\n)", where);
    buf_puts(&sql, " ORDER BY j.id");
    if (rc == 0 && sql.failed)
        rc = err_set(err, ERR_NO_MEMORY, "no memory for a selection");
    if (rc == 0)
        rc = run(store, sql.data, name[0] ? name : NULL, ret, err);
    if (rc != 0)
        selection_free(ret);
    buf_free(&sql);
    return rc;
}

void selection_free(struct selection *selection)
{
    free(selection->ranges);
    *selection = (struct selection){0};
}
