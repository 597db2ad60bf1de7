#include "coordinator/live.h"

#include "common/clock.h"
#include "common/error.h"
#include "coordinator/cli.h"
#include "proto/limits.h"

#include <poll.h>
#include <stdlib.h>

/* An answer comes within a turn of both loops; what is lost is asked for again. */
enum { ASK_MS = 1000 };

struct live {
    struct wire *wire;
    struct msg msg; /* the last answer, which a slice was borrowed from */
    bool takes;     /* the coordinator knows TAIL */
    int64_t ask_ms; /* when to ask next */
};

struct live *live_open(const struct cli *cli, struct error *err)
{
    struct live *live = calloc(1, sizeof *live);
    struct cli_link link;

    if (!live) {
        err_set(err, ERR_NO_MEMORY, "no memory to ask the coordinator");
        return NULL;
    }
    if (cli_link(cli, &link, err) == 0)
        live->wire = wire_connect(link.endpoint, link.keyed ? &link.keys : NULL, err);
    if (!live->wire)
        live_close(&live);
    return live;
}

void live_close(struct live **live)
{
    if (!*live)
        return;
    msg_free(&(*live)->msg);
    wire_free(&(*live)->wire);
    free(*live);
    *live = NULL;
}

/* A coordinator that has not shown that it knows TAIL is asked whether it does. */
static void ask(struct live *live, int64_t job, uint32_t attempt, uint64_t from,
                int64_t now_ms)
{
    const struct msg ping = {.kind = MSG_PING, .ping = {.version = PROTO_VERSION}};
    const struct msg tail = {.kind = MSG_TAIL,
                             .tail = {.job = job, .attempt = attempt, .from = from}};

    if (now_ms >= live->ask_ms &&
        wire_send(live->wire, NULL, live->takes ? &tail : &ping, NULL) == 0)
        live->ask_ms = now_ms + ASK_MS;
}

/* Whether the message is the answer. */
static bool take(struct live *live, int64_t job, uint32_t attempt, uint64_t from)
{
    const struct msg_output *output = &live->msg.output;

    if (live->msg.kind == MSG_PONG && live->msg.pong.tails && !live->takes) {
        live->takes = true;
        live->ask_ms = 0;
    }
    return live->msg.kind == MSG_OUTPUT && output->job == job &&
           output->attempt == attempt && output->wanted == from;
}

bool live_ask(struct live *live, int64_t job, uint32_t attempt, uint64_t from,
              int64_t wait_ms, uint64_t *ret_from, struct slice *ret)
{
    int64_t now_ms = clock_mono_ms(), end_ms = now_ms + wait_ms;
    int got;

    if (!live) {
        poll(NULL, 0, (int)wait_ms);
        return false;
    }
    msg_free(&live->msg);
    for (; now_ms < end_ms; now_ms = clock_mono_ms()) {
        struct wire_poll item = {.wire = live->wire};

        ask(live, job, attempt, from, now_ms);
        while ((got = wire_recv(live->wire, NULL, &live->msg, NULL)) != 0) {
            if (got > 0 && take(live, job, attempt, from)) {
                live->ask_ms = 0;
                *ret_from = live->msg.output.from;
                *ret = live->msg.output.data;
                return true;
            }
            if (got > 0)
                msg_free(&live->msg);
        }
        enum { STEP_MS = 50 }; /* not connected yet: then it is tried again */
        int64_t left_ms = end_ms - now_ms;
        if (wire_poll(&item, 1, left_ms < STEP_MS ? left_ms : STEP_MS, NULL) < 0)
            poll(NULL, 0, STEP_MS);
    }
    return false;
}
