#include "coordinator/cut.h"

#include "coordinator/core.h"
#include "proto/limits.h"

static int64_t grace_ms(const struct core *core)
{
    const int64_t lease_ms = core->setup.lease_ms;

    return lease_ms < CUT_GRACE_MS ? lease_ms : CUT_GRACE_MS;
}

void cut_begin(struct core *core, const struct wire_peer *peer)
{
    struct worker *worker = roster_by_peer(core->roster, peer);

    if (!worker)
        return;
    worker->credit = 0;
    if (core->now_ms < core->forgiving_ms || worker->cut_ms > 0)
        return;
    worker->cut_ms = core->now_ms + grace_ms(core);
    if (worker->cut_ms < core->expire_ms)
        core->expire_ms = worker->cut_ms;
}

static void clear(struct core *core)
{
    for (size_t i = 0; i < roster_count(core->roster); i++)
        roster_at(core->roster, i)->cut_ms = 0;
}

static size_t count(const struct core *core)
{
    size_t count = 0;

    for (size_t i = 0; i < roster_count(core->roster); i++)
        count += roster_at(core->roster, i)->cut_ms > 0;
    return count;
}

/* What ended may have been the connection before, that had the same descriptor. */
static bool is_gone(struct core *core, struct worker *worker)
{
    const struct msg pong = {
        .kind = MSG_PONG, .pong = {.version = PROTO_VERSION, .epoch = core->setup.epoch}};

    worker->gone = false;
    return commit_send(core->commit, &worker->peer, &pong, NULL) == 0 && worker->gone;
}

bool cut_is_over(struct core *core, struct worker *worker)
{
    if (worker->cut_ms == 0 || core->now_ms < worker->cut_ms)
        return false;
    if (count(core) > CUT_FEW) {
        core_note(core, LOG_WARN,
                  "many connections ended together: their workers have"
                  " a lease to come back");
        clear(core);
        return false;
    }
    worker->cut_ms = 0;
    return is_gone(core, worker);
}

void cut_forgive(struct core *core)
{
    core->forgiving_ms = core_deadline(core);
    clear(core);
}
