#include "coordinator/cli.h"

#include "common/error.h"
#include "common/file.h"
#include "proto/keyfile.h"

#include <stdlib.h>
#include <string.h>

/* DIR/endpoint, one line. */
static int read_endpoint(const struct cli *cli, char ret[WIRE_ENDPOINT_MAX],
                         struct error *err)
{
    char path[sizeof cli->dir + 16];
    struct buf line = {0};
    int rc = -1;

    cli_path(cli, "endpoint", path, sizeof path);
    if (file_read(path, WIRE_ENDPOINT_MAX - 1, &line, err) == 0) {
        snprintf(ret, WIRE_ENDPOINT_MAX, "%.*s", (int)strcspn(line.data, "\n"),
                 line.data);
        rc = 0;
    } else if (err->code == ERR_NOT_FOUND) {
        err_set(err, ERR_NOT_FOUND,
                "no coordinator serves %s: start one with 'coord serve', or do all on "
                "this machine with 'coord run GRID'",
                cli->dir);
    }
    buf_free(&line);
    return rc;
}

static int read_keys(const struct cli *cli, struct cli_link *link, struct error *err)
{
    const char *named = getenv("COORD_KEY");
    char path[sizeof cli->dir + 32];
    struct keyfile file;

    cli_path(cli, "keys/client.key", path, sizeof path);
    if (keyfile_read(named && named[0] ? named : path, &file, err) != 0) {
        if (err->code == ERR_NOT_FOUND)
            err_set(err, ERR_REFUSED,
                    "there is no key in %s: 'coord keygen --client NAME' on the "
                    "coordinator's machine makes one, and $COORD_KEY names its file",
                    named && named[0] ? named : path);
        return -1;
    }
    link->keys = file.keys;
    link->keyed = true;
    return 0;
}

int cli_link(const struct cli *cli, struct cli_link *ret, struct error *err)
{
    *ret = (struct cli_link){.keyed = false};
    if (read_endpoint(cli, ret->endpoint, err) != 0)
        return -1;
    return wire_needs_keys(ret->endpoint) ? read_keys(cli, ret, err) : 0;
}
