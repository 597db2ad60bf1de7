#include "coordinator/roster.h"

#include "common/error.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct roster {
    size_t count;
    size_t turn; /* where roster_turn looks first */
    struct worker *workers[ROSTER_MAX];
};

struct roster *roster_new(struct error *err)
{
    struct roster *roster = calloc(1, sizeof *roster);

    if (!roster)
        err_set(err, ERR_NO_MEMORY, "no memory for the list of workers");
    return roster;
}

void roster_free(struct roster **roster)
{
    if (!*roster)
        return;
    while ((*roster)->count > 0)
        roster_remove(*roster, (*roster)->workers[0]);
    free(*roster);
    *roster = NULL;
}

struct worker *roster_add(struct roster *roster, const char *uuid, int64_t row,
                          int64_t now_ms, struct error *err)
{
    struct worker *worker = roster_by_uuid(roster, uuid);

    if (worker)
        return worker;
    if (roster->count == ROSTER_MAX) {
        err_set(err, ERR_BUSY, "%d workers are connected, and no more can be",
                ROSTER_MAX);
        return NULL;
    }
    worker = calloc(1, sizeof *worker);
    if (!worker) {
        err_set(err, ERR_NO_MEMORY, "no memory for another worker");
        return NULL;
    }
    snprintf(worker->uuid, sizeof worker->uuid, "%s", uuid);
    worker->row = row;
    worker->seen_ms = now_ms;
    worker->slots = worker->threads = 1;
    worker->leaves_ms = INT64_MAX;
    roster->workers[roster->count++] = worker;
    return worker;
}

void roster_describe(struct worker *worker, const struct msg_hello *hello, int64_t now_ms)
{
    snprintf(worker->host, sizeof worker->host, "%.*s", (int)hello->host.size,
             hello->host.data);
    snprintf(worker->labels, sizeof worker->labels, "%.*s", (int)hello->labels.size,
             hello->labels.size ? hello->labels.data : "");
    worker->slots = hello->slots;
    worker->threads = hello->threads;
    worker->memory = hello->memory;
    worker->leaves_ms =
        hello->time_left_s > 0 ? now_ms + 1000 * (int64_t)hello->time_left_s : INT64_MAX;
    worker->time_limit_s = hello->time_limit_s;
    worker->retracts = hello->retracts;
    worker->tails = hello->tails;
    worker->credit = 0;
    worker->seen_ms = now_ms;
}

void roster_remove(struct roster *roster, struct worker *worker)
{
    for (size_t i = 0; i < roster->count; i++) {
        if (roster->workers[i] != worker)
            continue;
        roster->workers[i] = roster->workers[--roster->count];
        lease_free(&worker->leases);
        free(worker);
        return;
    }
    assert(false && "the worker is in the roster");
}

struct worker *roster_by_uuid(struct roster *roster, const char *uuid)
{
    for (size_t i = 0; i < roster->count; i++)
        if (strcmp(roster->workers[i]->uuid, uuid) == 0)
            return roster->workers[i];
    return NULL;
}

struct worker *roster_by_row(struct roster *roster, int64_t row)
{
    for (size_t i = 0; i < roster_count(roster); i++)
        if (roster_at(roster, i)->row == row)
            return roster_at(roster, i);
    return NULL;
}

struct worker *roster_by_peer(struct roster *roster, const struct wire_peer *peer)
{
    if (peer->size == 0)
        return NULL;
    for (size_t i = 0; i < roster->count; i++)
        if (wire_peer_equal(&roster->workers[i]->peer, peer))
            return roster->workers[i];
    return NULL;
}

void roster_connect(struct roster *roster, struct worker *worker,
                    const struct wire_peer *peer)
{
    struct worker *before = roster_by_peer(roster, peer);

    if (before == worker)
        return;
    if (before)
        roster_disconnect(before);
    worker->peer = *peer;
    worker->credit = 0;
    worker->cut_ms = 0;
    worker->gone = false;
}

void roster_disconnect(struct worker *worker)
{
    worker->peer = (struct wire_peer){0};
    worker->credit = 0;
    worker->cut_ms = 0;
}

struct worker *roster_turn(struct roster *roster, roster_takes *takes, void *user)
{
    for (size_t i = 0; i < roster->count; i++) {
        size_t at = (roster->turn + i) % roster->count;
        struct worker *worker = roster->workers[at];
        if (worker->peer.size > 0 && worker->credit > 0 &&
            worker->leases.count < PROTO_RUNNING_MAX && (!takes || takes(user, worker))) {
            roster->turn = at + 1;
            return worker;
        }
    }
    return NULL;
}

size_t roster_count(const struct roster *roster)
{
    return roster->count;
}

struct worker *roster_at(struct roster *roster, size_t index)
{
    assert(index < roster->count);
    return roster->workers[index];
}
