#include "coordinator/retract.h"

#include "coordinator/core.h"

#include <stdbool.h>

/* How many slots of a worker that takes jobs have none. Its credit may be more: that is
 * for jobs to come. */
static uint32_t idle_slots(const struct worker *worker)
{
    uint32_t idle = worker->slots;

    if (worker->peer.size == 0 || worker->quarantined || worker->draining ||
        suspicion_doubts(&worker->suspicion))
        return 0;
    for (size_t i = 0; i < worker->leases.count; i++) {
        const uint32_t slots = worker->leases.items[i].slots;
        if (idle <= slots)
            return 0;
        idle -= slots > 0 ? slots : 1;
    }
    return idle < worker->credit ? idle : worker->credit;
}

/* Not several times over: a lease is asked for once. */
static struct lease *find_waiting(struct core *core, struct worker *busy,
                                  const struct worker *idle, uint32_t room)
{
    for (size_t i = 0; i < busy->leases.count; i++) {
        struct lease *lease = &busy->leases.items[i];
        const struct needs *needs = dispatch_needs_of(core->dispatch, lease->sweep);

        if (lease->waits_ms > 0 && !lease->asked &&
            core_deadline(core) - lease->waits_ms >= RETRACT_AFTER_MS &&
            dispatch_fits(needs, idle) && dispatch_slots(needs, idle) <= room)
            return lease;
    }
    return NULL;
}

static int retract_for(struct core *core, const struct worker *idle, uint32_t room,
                       struct error *err)
{
    for (size_t i = 0; room > 0 && i < roster_count(core->roster); i++) {
        struct worker *busy = roster_at(core->roster, i);
        struct lease *lease;

        if (busy == idle || busy->peer.size == 0 || !busy->retracts)
            continue;
        while (room > 0 && (lease = find_waiting(core, busy, idle, room)) != NULL) {
            const struct msg msg = {
                .kind = MSG_RETRACT,
                .retract = {.job = lease->job, .attempt = lease->attempt}};
            lease->asked = true;
            room -= dispatch_slots(dispatch_needs_of(core->dispatch, lease->sweep), idle);
            if (commit_hold(core->commit, &busy->peer, &msg, err) != 0)
                return -1;
        }
    }
    return 0;
}

int retract_turn(struct core *core, struct error *err)
{
    bool waiting = false;

    if (!core->waiting)
        return 0;
    for (size_t i = 0; i < roster_count(core->roster) && !waiting; i++) {
        const struct lease_list *leases = &roster_at(core->roster, i)->leases;
        for (size_t k = 0; k < leases->count && !waiting; k++)
            waiting = leases->items[k].waits_ms > 0 && !leases->items[k].asked;
    }
    core->waiting = waiting; /* until a list says otherwise */
    for (size_t i = 0; waiting && i < roster_count(core->roster); i++) {
        const struct worker *worker = roster_at(core->roster, i);
        const uint32_t idle = idle_slots(worker);
        if (idle > 0 && retract_for(core, worker, idle, err) != 0)
            return -1;
    }
    return 0;
}
