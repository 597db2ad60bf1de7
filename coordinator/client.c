#include "coordinator/client.h"

#include "common/clock.h"
#include "common/error.h"
#include "proto/limits.h"

#include <stdio.h>

enum {
    POLL_MS = 100,
    PING_MS = 500,
    /* Sent again this often: what was lost, the coordinator's restart lost. */
    RESEND_MS = 5000,
};

struct exchange {
    const struct client_call *call;
    struct wire *wire;
    int64_t now_ms, start_ms;
    int64_t ping_ms, send_ms; /* when the next is due */
    bool heard;
};

/* ---- sending --------------------------------------------------------------- */

static int say(struct exchange *x, const struct msg *msg, int64_t every_ms,
               int64_t *due_ms, struct error *err)
{
    struct error why;

    if (x->now_ms < *due_ms)
        return 0;
    if (wire_send(x->wire, NULL, msg, &why) == 0) {
        *due_ms = x->now_ms + every_ms;
        return 0;
    }
    if (why.code == ERR_BUSY)
        return 0; /* not connected yet */
    *err = why;
    return -1;
}

/* A PING beside the request tells a coordinator that is busy from none. */
static int speak(struct exchange *x, struct error *err)
{
    struct msg ping = {.kind = MSG_PING, .ping = {.version = PROTO_VERSION}};

    if (say(x, &ping, PING_MS, &x->ping_ms, err) != 0)
        return -1;
    return say(x, x->call->request, RESEND_MS, &x->send_ms, err);
}

/* ---- hearing --------------------------------------------------------------- */

/* A code that is ours to give stays ours. */
static int take_error(const struct exchange *x, const struct msg *msg, struct error *err)
{
    const struct msg_error *error = &msg->error;
    enum err_code code = (enum err_code)error->code;

    if (error->request.size > 0 && !slice_is(error->request, x->call->name))
        return 0;
    if (code != ERR_INVALID && code != ERR_REFUSED && code != ERR_UNSUPPORTED)
        code = ERR_IO;
    return err_set(err, code, "%.*s", (int)error->text.size, error->text.data);
}

/* 1 answered, 0 not yet, -1. */
static int hear(struct exchange *x, struct error *err)
{
    struct msg msg;
    int rc = 0, got;

    while (rc == 0 && (got = wire_recv(x->wire, NULL, &msg, err)) != 0) {
        if (got < 0 && err->code == ERR_REFUSED)
            return -1; /* the key */
        if (got < 0)
            continue; /* not one of ours: dropped */
        x->heard = true;
        rc = msg.kind == MSG_ERROR ? take_error(x, &msg, err)
                                   : x->call->take(x->call->user, &msg, err);
        msg_free(&msg);
    }
    return rc;
}

static int wait_a_little(struct exchange *x, struct error *err)
{
    const struct client_call *call = x->call;
    struct wire_poll item = {.wire = x->wire};
    int64_t waited_ms = x->now_ms - x->start_ms;

    if (call->should_stop && call->should_stop(call->user))
        return err_set(err, ERR_BUSY, "stopped before the coordinator had answered");
    if (!x->heard && waited_ms >= call->unheard_ms)
        return err_set(err, ERR_NOT_FOUND,
                       "no coordinator answers at %s: start one with 'coord serve'",
                       call->endpoint);
    if (waited_ms >= CLIENT_PATIENCE_MS)
        return err_set(err, ERR_TIMEOUT,
                       "the coordinator at %s answers, but has not done this for %d s: "
                       "see its log",
                       call->endpoint, CLIENT_PATIENCE_MS / 1000);
    return wire_poll(&item, 1, POLL_MS, err) < 0 ? -1 : 0;
}

int client_ask(const struct client_call *call, struct error *err)
{
    struct exchange x = {.call = call, .start_ms = clock_mono_ms()};
    int got = -1;

    x.wire = wire_connect(call->endpoint, call->keys, err);
    if (!x.wire)
        return -1;
    do {
        x.now_ms = clock_mono_ms();
        if (speak(&x, err) != 0 || wait_a_little(&x, err) != 0) {
            got = -1;
            break;
        }
        got = hear(&x, err);
    } while (got == 0);
    wire_free(&x.wire);
    return got > 0 ? 0 : -1;
}
