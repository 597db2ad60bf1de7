/* Which sweep or job an argument means. */

#include "coordinator/cli.h"

#include "common/error.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

int cli_int(struct store *store, const char *sql, const char *arg, int64_t *ret,
            struct error *err)
{
    struct query *query = query_open(store, sql, &arg, arg ? 1 : 0, err);

    if (!query)
        return -1;
    int got = query_next(query, err);
    if (got == 1 && query_kind(query, 0) != QUERY_NULL)
        *ret = query_int(query, 0);
    else if (got >= 0)
        got = err_set(err, ERR_NOT_FOUND, "nothing there");
    query_close(&query);
    return got == 1 ? 0 : -1;
}

/* "a, b, c": the sweeps there are, newest first; for error messages. */
static void sweep_names(struct store *store, char *out, size_t size)
{
    struct query *query = query_open(
        store, "SELECT name FROM sweep ORDER BY id DESC LIMIT 8", NULL, 0, NULL);
    size_t used = 0;

    out[0] = '\0';
    while (query && used < size && query_next(query, NULL) == 1)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
                                 query_text(query, 0, NULL));
    query_close(&query);
}

int cli_sweep(struct store *store, const char *text, int64_t *ret_id,
              char ret_name[CLI_NAME_MAX], struct error *err)
{
    bool last = !text || strcmp(text, "last") == 0;
    const char *sql =
        last ? "SELECT id, name FROM sweep ORDER BY submitted_ms DESC, id DESC LIMIT 1"
             : "SELECT id, name FROM sweep WHERE name = ?1 OR CAST(id AS TEXT) = ?1"
               " ORDER BY name = ?1 DESC LIMIT 1";
    struct query *query = query_open(store, sql, &text, last ? 0 : 1, err);
    char names[200];

    if (!query)
        return -1;
    int got = query_next(query, err);
    if (got == 1) {
        *ret_id = query_int(query, 0);
        snprintf(ret_name, CLI_NAME_MAX, "%s", query_text(query, 1, NULL));
    }
    query_close(&query);
    if (got != 0)
        return got == 1 ? 0 : -1;
    sweep_names(store, names, sizeof names);
    if (names[0] == '\0')
        return err_set(err, ERR_NOT_FOUND, "no sweep has been submitted yet");
    return err_set(err, ERR_NOT_FOUND, "no sweep '%s'; there are: %s", text, names);
}

static bool all_digits(const char *text, int (*is)(int))
{
    size_t n = 0;

    while (text[n] && is((unsigned char)text[n]))
        n++;
    return n > 0 && text[n] == '\0';
}

int cli_job(struct store *store, const char *text, int64_t *ret_id, struct error *err)
{
    /* A short run of digits is an id; longer ones can only be a key. */
    bool id = all_digits(text, isdigit) && strlen(text) < 16;
    const char *by_id = "SELECT id FROM job WHERE id = CAST(?1 AS INTEGER)";
    const char *by_key = "SELECT id FROM job WHERE key >= ?1 AND key < ?1 || 'g'";

    if (!id && (strlen(text) < 4 || !all_digits(text, isxdigit)))
        return err_set(err, ERR_INVALID,
                       "'%s' is not a job: expected its number, or 4 or more digits of "
                       "its key",
                       text);
    struct query *query = query_open(store, id ? by_id : by_key, &text, 1, err);
    if (!query)
        return -1;
    int got = query_next(query, err);
    int64_t found = got == 1 ? query_int(query, 0) : 0;
    int more = got == 1 ? query_next(query, err) : 0;
    query_close(&query);
    if (got < 0 || more < 0)
        return -1;
    if (got == 0)
        return err_set(err, ERR_NOT_FOUND, "no job '%s'", text);
    if (more == 1)
        return err_set(err, ERR_INVALID, "several keys begin with '%s'; give more digits",
                       text);
    *ret_id = found;
    return 0;
}
