/* coord sql "SELECT ...": one statement over the results, read-only. */

#include "coordinator/cli.h"

#include "common/buf.h"
#include "common/error.h"

#include <string.h>

/* A statement longer than this is not one that somebody wrote. */
enum { STATEMENT_MAX = 1 << 20 };

static int read_stdin(struct buf *out, struct error *err)
{
    char piece[4096];
    size_t got;

    while ((got = fread(piece, 1, sizeof piece, stdin)) > 0) {
        buf_add(out, piece, got);
        if (out->size > STATEMENT_MAX)
            return err_set(err, ERR_INVALID, "the statement has more than %d bytes",
                           STATEMENT_MAX);
    }
    return out->failed ? err_set(err, ERR_NO_MEMORY, "no memory") : 0;
}

int cmd_sql(struct cli *cli, int argc, char **argv)
{
    struct error err = {0};
    struct buf text = {0};
    struct store *store = NULL;
    int rc = -1;

    if (argc != 2)
        return cli_usage(cli, "expected one statement, or - to read it from stdin");
    if (strcmp(argv[1], "-") == 0) {
        if (read_stdin(&text, &err) != 0)
            goto done;
    } else {
        buf_puts(&text, argv[1]);
    }
    store = cli_store(cli, &err);
    if (store)
        rc = cli_print_sql(cli, store, text.data ? text.data : "", NULL, 0, NULL, &err);

done:
    store_close(&store);
    buf_free(&text);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
