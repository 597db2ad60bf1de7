#include "coordinator/control.h"

#include "common/error.h"
#include "coordinator/core.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct order {
    struct core *core;
    const struct msg_control *control;
    const struct verb *verb;
    char reason[PROTO_REASON_MAX + 1];
    uint64_t changed, unchanged;
    bool refused; /* err says why, and nothing is wrong with the database */
};

/* ---- jobs ------------------------------------------------------------------- */

/* The worker that has the attempt stops it, after the COMMIT. */
static int send_kill(struct order *order, int64_t job, uint32_t attempt,
                     struct error *err)
{
    struct core *core = order->core;
    struct msg kill = {.kind = MSG_KILL,
                       .kill = {.job = job,
                                .attempt = attempt,
                                .text = slice_of("the job was cancelled")}};

    for (size_t i = 0; i < roster_count(core->roster); i++) {
        struct worker *worker = roster_at(core->roster, i);
        if (!lease_drop(&worker->leases, job, attempt))
            continue;
        if (worker->peer.size == 0)
            return 0; /* when it is back its list is answered with KILL */
        return commit_hold(core->commit, &worker->peer, &kill, err);
    }
    return 0;
}

static int cancel(struct order *order, int64_t job, bool *ret_changed, struct error *err)
{
    uint32_t attempt;

    if (store_cancel(order->core->setup.store, job, order->reason, order->core->wall_ms,
                     ret_changed, &attempt, err) != 0)
        return -1;
    return attempt > 0 ? send_kill(order, job, attempt, err) : 0;
}

/* The queue is read anew when all is done. */
static int retry(struct order *order, int64_t job, bool *ret_changed, struct error *err)
{
    return store_retry(order->core->setup.store, job, order->control->force,
                       order->reason, order->core->wall_ms, NULL, NULL, ret_changed, err);
}

static int set_priority(struct order *order, int64_t job, bool *ret_changed,
                        struct error *err)
{
    int32_t priority = (int32_t)order->control->priority - PROTO_PRIORITY_ZERO;

    return store_set_priority(order->core->setup.store, job, priority, ret_changed, err);
}

/* ---- sweeps ----------------------------------------------------------------- */

static int pause_sweep(struct order *order, bool *ret_changed, struct error *err)
{
    return store_pause(order->core->setup.store, order->control->sweep, order->reason,
                       order->core->wall_ms, ret_changed, err);
}

static int resume_sweep(struct order *order, bool *ret_changed, struct error *err)
{
    return store_unpause(order->core->setup.store, order->control->sweep, ret_changed,
                         err);
}

static int set_limit(struct order *order, bool *ret_changed, struct error *err)
{
    return store_set_limit(order->core->setup.store, order->control->sweep,
                           (int64_t)order->control->max_running, ret_changed, err);
}

/* ---- workers ---------------------------------------------------------------- */

static struct worker *find_worker(struct order *order, struct error *err)
{
    struct worker *worker = roster_by_row(order->core->roster, order->control->worker);

    if (worker && worker->peer.size > 0)
        return worker;
    err_set(err, ERR_NOT_FOUND, "worker %" PRId64 " is not connected",
            order->control->worker);
    return NULL;
}

static int drain(struct order *order, bool *ret_changed, struct error *err)
{
    struct worker *worker = find_worker(order, err);
    struct msg msg = {.kind = MSG_DRAIN};

    if (!worker)
        return -1;
    *ret_changed = !worker->draining;
    worker->draining = true;
    worker->credit = 0;
    return commit_hold(order->core->commit, &worker->peer, &msg, err);
}

/* What it runs is queued again, for others. */
static int stop(struct order *order, bool *ret_changed, struct error *err)
{
    struct core *core = order->core;
    struct worker *worker = find_worker(order, err);
    struct lease lease;

    if (!worker || drain(order, ret_changed, err) != 0)
        return -1;
    while (lease_take(&worker->leases, &lease)) {
        struct msg kill = {.kind = MSG_KILL,
                           .kill = {.job = lease.job,
                                    .attempt = lease.attempt,
                                    .text = slice_of("the worker is stopped")}};
        if (core_lose(core, &lease, CAUSE_PREEMPTED, order->reason, err) != 0 ||
            commit_hold(core->commit, &worker->peer, &kill, err) != 0)
            return -1;
        *ret_changed = true;
    }
    return 0;
}

/* Its machine is well again, somebody says. */
static int trust(struct order *order, bool *ret_changed, struct error *err)
{
    struct worker *worker = find_worker(order, err);

    if (!worker)
        return -1;
    worker->quarantined = false;
    worker->suspicion = (struct suspicion){0};
    return store_trust(order->core->setup.store, worker->row, ret_changed, err);
}

/* ---- the table --------------------------------------------------------------- */

struct verb {
    const char *name, *reason; /* the latter where none is given */
    /* One of the two. */
    int (*job)(struct order *order, int64_t job, bool *ret_changed, struct error *err);
    int (*one)(struct order *order, bool *ret_changed, struct error *err);
    const char *what; /* one: "sweep" or "worker" */
    bool requeues;    /* the queue is to be read anew */
};

static const struct verb VERBS[] = {
    [CONTROL_CANCEL] = {"cancel", "cancelled", cancel, NULL, NULL, false},
    [CONTROL_RETRY] = {"retry", "tried again", retry, NULL, NULL, true},
    [CONTROL_PRIORITY] = {"priority", "priority set", set_priority, NULL, NULL, true},
    [CONTROL_PAUSE] = {"pause", "paused", NULL, pause_sweep, "sweep", false},
    [CONTROL_RESUME] = {"resume", "resumed", NULL, resume_sweep, "sweep", false},
    [CONTROL_LIMIT] = {"limit", "limit set", NULL, set_limit, "sweep", false},
    [CONTROL_DRAIN] = {"drain", "drained", NULL, drain, "worker", false},
    [CONTROL_STOP] = {"stop", "its worker was stopped", NULL, stop, "worker", false},
    [CONTROL_TRUST] = {"trust", "trusted again", NULL, trust, "worker", false},
};

static int visit_job(void *user, int64_t job, struct error *err)
{
    struct order *order = user;
    bool changed = false;

    if (order->verb->job(order, job, &changed, err) != 0)
        return -1;
    order->changed += changed;
    order->unchanged += !changed;
    return 0;
}

static int run_jobs(struct order *order, struct error *err)
{
    const struct msg_control *control = order->control;

    for (uint32_t i = 0; i < control->job_count; i++)
        if (store_each_job(order->core->setup.store, control->jobs[i].first,
                           control->jobs[i].last, visit_job, order, err) != 0)
            return -1;
    return order->verb->requeues ? core_load_queue(order->core, err) : 0;
}

static int run_one(struct order *order, struct error *err)
{
    bool changed = false;

    if (order->verb->one(order, &changed, err) != 0) {
        order->refused = err->code == ERR_NOT_FOUND;
        return order->refused ? 0 : -1;
    }
    order->changed = changed;
    order->unchanged = !changed;
    return 0;
}

/* "jobs 1-10,12", cut where it is long. */
static void target_text(const struct order *order, char *out, size_t size)
{
    const struct msg_control *control = order->control;
    size_t used = (size_t)snprintf(out, size, "jobs");

    if (order->verb->one) {
        bool sweep = order->verb->what[0] == 's';
        snprintf(out, size, "%s %" PRId64, order->verb->what,
                 sweep ? control->sweep : control->worker);
        return;
    }
    for (uint32_t i = 0; i < control->job_count && used + 64 < size; i++)
        used += (size_t)snprintf(
            out + used, size - used,
            control->jobs[i].first == control->jobs[i].last ? "%s%" PRId64
                                                            : "%s%" PRId64 "-%" PRId64,
            i ? "," : " ", control->jobs[i].first, control->jobs[i].last);
    if (used + 64 >= size)
        snprintf(out + used, size - used, ",...");
}

static int record(struct order *order, const char *request, struct error *err)
{
    char target[512];

    target_text(order, target, sizeof target);
    const struct store_control row = {.verb = order->verb->name,
                                      .target = target,
                                      .reason = order->reason,
                                      .changed = order->changed,
                                      .unchanged = order->unchanged};
    core_note(order->core, LOG_INFO, "%s %s: %" PRIu64 " changed, %" PRIu64 " not%s%s",
              row.verb, target, row.changed, row.unchanged,
              order->control->reason.size ? ": " : "",
              order->control->reason.size ? order->reason : "");
    return store_control_add(order->core->setup.store, request, &row,
                             order->core->wall_ms, err);
}

int control_run(struct core *core, const struct msg_control *control,
                uint64_t *ret_changed, uint64_t *ret_unchanged, bool *ret_refused,
                struct error *err)
{
    struct order order = {
        .core = core, .control = control, .verb = &VERBS[control->verb]};
    struct store_control before = {0};
    char request[HASH_TEXT];
    bool known;

    *ret_refused = false;
    snprintf(request, sizeof request, "%.*s", (int)control->request.size,
             control->request.data);
    snprintf(order.reason, sizeof order.reason, "%.*s",
             control->reason.size ? (int)control->reason.size
                                  : (int)strlen(order.verb->reason),
             control->reason.size ? control->reason.data : order.verb->reason);
    if (store_begin(core->setup.store, err) != 0 ||
        store_control_find(core->setup.store, request, &known, &before, err) != 0)
        return -1;
    if (known) {
        order.changed = before.changed;
        order.unchanged = before.unchanged;
    } else if ((order.verb->job ? run_jobs(&order, err) : run_one(&order, err)) != 0 ||
               (!order.refused && record(&order, request, err) != 0)) {
        return -1;
    }
    *ret_changed = order.changed;
    *ret_unchanged = order.unchanged;
    *ret_refused = order.refused;
    return 0;
}
