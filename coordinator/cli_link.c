#include "coordinator/cli.h"

#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "coordinator/client.h"
#include "proto/keyfile.h"
#include "proto/limits.h"

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

struct asking {
    const char *request;
    struct msg_controlled *ret;
};

static int take_controlled(void *user, const struct msg *msg, struct error *err)
{
    const struct asking *asking = user;

    (void)err;
    if (msg->kind != MSG_CONTROLLED ||
        !slice_is(msg->controlled.request, asking->request))
        return 0;
    *asking->ret = msg->controlled;
    asking->ret->request = (struct slice){0}; /* it goes with the message */
    return 1;
}

int cli_ping(const struct cli_link *link, int64_t unheard_ms,
             int (*take)(void *user, const struct msg *msg, struct error *err),
             void *user, struct error *err)
{
    const struct msg msg = {.kind = MSG_PING, .ping = {.version = PROTO_VERSION}};
    const struct client_call call = {.endpoint = link->endpoint,
                                     .keys = link->keyed ? &link->keys : NULL,
                                     .request = &msg,
                                     .name = "",
                                     .unheard_ms = unheard_ms,
                                     .take = take,
                                     .user = user};
    return client_ask(&call, err);
}

int cli_control(const struct cli *cli, const struct msg_control *control,
                struct msg_controlled *ret, struct error *err)
{
    char request[HASH_TEXT];
    struct cli_link link;
    struct asking asking = {request, ret};
    struct msg msg = {.kind = MSG_CONTROL, .control = *control};

    if (cli_link(cli, &link, err) != 0)
        return -1;
    hash_random(request);
    msg.control.version = PROTO_VERSION;
    msg.control.request = slice_of(request);
    const struct client_call call = {.endpoint = link.endpoint,
                                     .keys = link.keyed ? &link.keys : NULL,
                                     .request = &msg,
                                     .name = request,
                                     .unheard_ms = CLIENT_UNHEARD_MS,
                                     .take = take_controlled,
                                     .user = &asking};
    return client_ask(&call, err);
}
