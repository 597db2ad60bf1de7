#include "coordinator/core.h"

#include "common/clock.h"
#include "common/error.h"
#include "coordinator/cut.h"
#include "coordinator/judge.h"
#include "coordinator/retract.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Jobs started in one turn: about 10 ms of database work, so that a message
     * never waits long behind a burst of credit. */
    START_MAX = 256,
    /* Jobs in one ASSIGN: 4 with all their inputs, at 64 KiB a spec, fit a
     * message. */
    ASSIGN_MAX = 4,
};
_Static_assert((size_t)ASSIGN_MAX *(PROTO_INPUTS_MAX + 1) * PROTO_SPEC_MAX <
                   PROTO_MESSAGE_MAX,
               "an ASSIGN fits a message");

void core_note(struct core *core, enum log_level level, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    core->setup.note(core->setup.user, level, text);
}

int64_t core_deadline(const struct core *core)
{
    return core->now_ms + core->setup.lease_ms;
}

/* ---- reading the database -------------------------------------------------- */

struct loading {
    struct core *core;
    struct error *err;
    size_t running;
    bool failed;
};

/* What its sweep needs is read when it is first met. */
static int learn_needs(struct core *core, size_t sweep, struct error *err)
{
    struct needs needs;

    if (dispatch_knows(core->dispatch, sweep))
        return 0;
    if (store_needs(core->setup.store, sweep, &needs, err) != 0)
        return -1;
    return dispatch_needs(core->dispatch, sweep, &needs, err);
}

int core_enqueue(struct core *core, const struct store_ready *ready, struct error *err)
{
    struct store_ready item = *ready;

    if (item.after_ms > 0) { /* whatever a clock that jumped says */
        int64_t wait_ms = item.after_ms - core->wall_ms;
        if (wait_ms > NEEDS_BACKOFF_MAX_MS)
            wait_ms = NEEDS_BACKOFF_MAX_MS;
        item.after_ms = wait_ms > 0 ? core->now_ms + wait_ms : 0;
    }
    if (learn_needs(core, item.sweep, err) != 0)
        return -1;
    return dispatch_add(core->dispatch, &item, err);
}

static bool load_ready(void *user, const struct store_ready *ready)
{
    struct loading *loading = user;

    loading->failed = core_enqueue(loading->core, ready, loading->err) != 0;
    return !loading->failed;
}

/* An attempt that the database says is running is its worker's for one lease;
 * by then the worker has said HELLO and listed it, or it is lost. */
static bool load_running(void *user, const struct store_running *running)
{
    struct loading *loading = user;
    struct core *core = loading->core;
    struct lease lease = {.job = running->job,
                          .attempt = running->attempt,
                          .priority = running->priority,
                          .sweep = running->sweep,
                          .inherited = true,
                          .deadline_ms = core_deadline(core)};

    if (learn_needs(core, running->sweep, loading->err) != 0) {
        loading->failed = true;
        return false;
    }
    const struct needs *needs = dispatch_needs_of(core->dispatch, running->sweep);
    lease.slots = needs->cores;
    lease.memory = needs->memory;
    struct worker *worker = roster_add(core->roster, running->uuid, running->worker,
                                       core->now_ms, loading->err);

    loading->failed = !worker || lease_grant(&worker->leases, lease, loading->err) != 0;
    loading->running += !loading->failed;
    return !loading->failed;
}

/* A worker that was connected is waited for too, so that the database does not
 * say so for ever. */
static bool load_worker(void *user, const struct store_worker *known)
{
    struct loading *loading = user;
    struct core *core = loading->core;
    struct worker *worker =
        roster_add(core->roster, known->uuid, known->worker, core->now_ms, loading->err);

    loading->failed = !worker;
    if (worker)
        snprintf(worker->host, sizeof worker->host, "%s", known->host);
    return worker != NULL;
}

int core_load_queue(struct core *core, struct error *err)
{
    struct loading loading = {.core = core, .err = err};

    dispatch_clear(core->dispatch);
    if (store_each_ready(core->setup.store, 0, load_ready, &loading, err) != 0)
        return -1;
    return loading.failed ? -1 : 0;
}

static void forget(struct core *core)
{
    while (roster_count(core->roster) > 0)
        roster_remove(core->roster, roster_at(core->roster, 0));
    dispatch_clear(core->dispatch);
    commit_drop(core->commit);
    core->loaded = false;
}

static int load(struct core *core, struct error *err)
{
    struct loading loading = {.core = core, .err = err};

    forget(core);
    if (core_load_queue(core, err) != 0)
        return -1;
    if (store_each_worker(core->setup.store, load_worker, &loading, err) != 0 ||
        loading.failed ||
        store_each_running(core->setup.store, load_running, &loading, err) != 0 ||
        loading.failed)
        return -1;
    core->loaded = true;
    if (loading.running > 0 && !core->stalled)
        core_note(core, LOG_INFO, "waiting for the workers of %zu running jobs",
                  loading.running);
    return 0;
}

void core_fail(struct core *core, const struct error *err)
{
    struct error again;

    if (!core->stalled)
        core_note(core, LOG_ERROR,
                  "the database failed, no job is handed out until it works: %s",
                  err->text);
    core->stalled = true;
    snprintf(core->trouble, sizeof core->trouble, "%.250s", err->text);
    core->failed_ms = core->now_ms;
    store_rollback(core->setup.store);
    if (load(core, &again) != 0)
        forget(core); /* core_turn tries again */
}

/* ---- life ------------------------------------------------------------------ */

/* Everybody has one lease to come back. */
static void resume(struct core *core)
{
    core_note(core, LOG_WARN, "the database works again");
    core->stalled = false;
    core->trouble[0] = '\0';
    for (size_t i = 0; i < roster_count(core->roster); i++) {
        struct worker *worker = roster_at(core->roster, i);
        worker->seen_ms = core->now_ms;
        lease_renew(&worker->leases, core_deadline(core));
    }
    cut_forgive(core);
}

/* Now that no row names them. */
static void remove_dropped(struct core *core)
{
    char hash[HASH_TEXT];
    struct error err;

    while (store_dropped(core->setup.store, hash))
        if (artifact_remove(core->setup.artifacts, hash, &err) != 0)
            core_note(core, LOG_WARN, "%s", err.text);
}

static int sink_commit(void *user, struct error *err)
{
    struct core *core = user;

    if (!store_in_batch(core->setup.store))
        return 0;
    if (store_commit(core->setup.store, err) != 0)
        return -1;
    remove_dropped(core);
    if (core->stalled)
        resume(core);
    return 0;
}

static void sink_send(void *user, const struct wire_peer *to, const void *bytes,
                      size_t size)
{
    struct core *core = user;

    core->setup.send(core->setup.user, to, bytes, size);
}

struct core *core_new(const struct core_setup *setup, int64_t now_ms, int64_t wall_ms,
                      struct error *err)
{
    struct core *core = calloc(1, sizeof *core);

    if (!core) {
        err_set(err, ERR_NO_MEMORY, "no memory for the coordinator");
        return NULL;
    }
    core->setup = *setup;
    core->now_ms = core->drained_ms = now_ms;
    core->wall_ms = wall_ms;
    core->roster = roster_new(err);
    core->dispatch = dispatch_new(err);
    core->commit = commit_new((struct commit_sink){sink_commit, sink_send, core}, err);
    if (!core->roster || !core->dispatch || !core->commit || load(core, err) != 0)
        core_free(&core);
    return core;
}

void core_free(struct core **core)
{
    if (!*core)
        return;
    commit_free(&(*core)->commit);
    dispatch_free(&(*core)->dispatch);
    roster_free(&(*core)->roster);
    free(*core);
    *core = NULL;
}

/* ---- a turn ---------------------------------------------------------------- */

void core_turn(struct core *core, int64_t now_ms, int64_t wall_ms)
{
    int64_t gap_ms = now_ms - core->now_ms;
    struct error err;

    core->now_ms = now_ms;
    core->wall_ms = wall_ms;
    if (gap_ms > core->setup.lease_ms / 2) {
        core_note(core, LOG_WARN,
                  "the coordinator was away for %" PRId64 " ms; leases are extended",
                  gap_ms);
        core->drained_ms += gap_ms;
        cut_forgive(core);
        for (size_t i = 0; i < roster_count(core->roster); i++) {
            struct worker *worker = roster_at(core->roster, i);
            worker->seen_ms += gap_ms;
            lease_extend(&worker->leases, gap_ms);
        }
    }
    if (!core->loaded && load(core, &err) != 0)
        forget(core);
}

int core_lose(struct core *core, const struct lease *lease, enum job_cause cause,
              const char *message, struct error *err)
{
    struct store_ready ready = {.job = lease->job,
                                .priority = lease->priority,
                                .sweep = lease->sweep,
                                .probe = lease->probe};
    enum job_state became;

    if (store_begin(core->setup.store, err) != 0 ||
        store_attempt_lost(core->setup.store, lease->job, lease->attempt, cause, message,
                           core->wall_ms, &became, err) != 0)
        return -1;
    core_note(core, LOG_WARN, "job %" PRId64 " attempt %" PRIu32 " is %s: %s", lease->job,
              lease->attempt, job_state_name(became), message);
    if (became != JOB_READY)
        return 0;
    ready.after_ms = store_backoff(core->setup.store, lease->job);
    return core_enqueue(core, &ready, err);
}

int core_lose_missing(struct core *core, struct worker *worker, uint32_t listed,
                      struct error *err)
{
    struct lease lease;
    char text[128];

    snprintf(text, sizeof text, "worker %" PRId64 " on %s does not have it", worker->row,
             worker->host);
    while (listed < PROTO_RUNNING_MAX && lease_take_missing(&worker->leases, &lease))
        if (core_lose(core, &lease, CAUSE_WORKER_LOST, text, err) != 0)
            return -1;
    return 0;
}

static void say_why(const struct core *core, const struct worker *worker, bool cut,
                    bool silent, char *text, size_t size)
{
    if (cut)
        snprintf(text, size,
                 "the connection to worker %" PRId64 " on %s has ended, and it did not"
                 " come back",
                 worker->row, worker->host);
    else if (silent)
        snprintf(text, size, "no sign of life from worker %" PRId64 " on %s for %.1f s",
                 worker->row, worker->host,
                 (double)(core->now_ms - worker->seen_ms) / 1000);
    else
        snprintf(text, size, "worker %" PRId64 " on %s does not have it", worker->row,
                 worker->host);
}

static int expire_worker(struct core *core, struct worker *worker, struct error *err)
{
    const bool cut = cut_is_over(core, worker);
    const bool silent = worker->seen_ms + core->setup.lease_ms <= core->now_ms;
    struct lease lease;
    char text[256];

    while (cut ? lease_take(&worker->leases, &lease)
               : lease_take_expired(&worker->leases, core->now_ms, &lease)) {
        say_why(core, worker, cut, silent, text, sizeof text);
        if (core_lose(core, &lease, CAUSE_WORKER_LOST, text, err) != 0)
            return -1;
    }
    if ((!silent && !cut) || worker->leases.count > 0)
        return 0;
    say_why(core, worker, cut, silent, text, sizeof text);
    core_note(core, LOG_WARN, "lost a worker: %s", text);
    if (store_begin(core->setup.store, err) != 0 ||
        store_worker_state(core->setup.store, worker->row, "lost", core->wall_ms, err) !=
            0)
        return -1;
    roster_remove(core->roster, worker);
    return 0;
}

/* When there may be something to expire of this worker, if it stays silent. */
static int64_t due_ms(const struct core *core, const struct worker *worker)
{
    int64_t due_ms = worker->seen_ms + core->setup.lease_ms;

    if (worker->leases.count > 0)
        due_ms = lease_first_end(&worker->leases);
    return worker->cut_ms > 0 ? clock_earlier(due_ms, worker->cut_ms) : due_ms;
}

/* A message that waits may be the sign of life that is missed, so leases end
 * only when none waits; but not later than one lease after they should. A look at all
 * workers is not for every turn: what is due only moves away, but for cut_begin. */
static int expire(struct core *core, bool drained, struct error *err)
{
    if (core->stalled ||
        (!drained && core->now_ms - core->drained_ms < core->setup.lease_ms))
        return 0;
    core->drained_ms = core->now_ms;
    if (core->now_ms < core->expire_ms)
        return 0;
    for (size_t i = roster_count(core->roster); i-- > 0;)
        if (expire_worker(core, roster_at(core->roster, i), err) != 0)
            return -1;
    core->expire_ms = core_deadline(core);
    for (size_t i = 0; i < roster_count(core->roster); i++)
        core->expire_ms =
            clock_earlier(core->expire_ms, due_ms(core, roster_at(core->roster, i)));
    return 0;
}

int64_t core_wait_ms(const struct core *core, int64_t most_ms)
{
    const int64_t left_ms = core->expire_ms - core->now_ms;

    if (!core->loaded || core->stalled || left_ms > most_ms)
        return most_ms;
    return left_ms > 0 ? left_ms : 0;
}

struct assignment {
    struct worker *worker; /* NULL: said */
    struct msg_job job;
    struct buf arena;
};

struct starting {
    struct core *core;
    struct assignment items[START_MAX];
    int count;
};

static enum dispatch_start start(void *user, struct worker *worker,
                                 const struct store_ready *ready, struct error *err)
{
    struct starting *starting = user;
    struct core *core = starting->core;
    struct assignment *item = &starting->items[starting->count];
    struct error why;

    *item = (struct assignment){.worker = worker};
    if (store_begin(core->setup.store, err) != 0)
        return DISPATCH_FAILED;
    if (store_start(core->setup.store, ready->job, worker->row, core->wall_ms, &item->job,
                    &item->arena, &why) != 0) {
        buf_free(&item->arena);
        if (why.code == ERR_NOT_FOUND)
            return DISPATCH_STALE;
        if (err)
            *err = why;
        return DISPATCH_FAILED;
    }
    starting->count++;
    worker->given++;
    const struct needs *needs = dispatch_needs_of(core->dispatch, ready->sweep);
    item->job.cores = needs->cores;
    item->job.memory = needs->memory;
    struct lease lease = {.job = item->job.job,
                          .attempt = item->job.attempt,
                          .priority = ready->priority,
                          .sweep = ready->sweep,
                          .slots = dispatch_slots(needs, worker),
                          .memory = needs->memory,
                          .probe = ready->probe,
                          .deadline_ms = core_deadline(core)};
    return lease_grant(&worker->leases, lease, err) == 0 ? DISPATCH_STARTED
                                                         : DISPATCH_FAILED;
}

/* One ASSIGN for the worker of item `first` with its jobs, in order. */
static int assign(struct starting *starting, int first, struct error *err)
{
    struct worker *worker = starting->items[first].worker;
    struct msg_job jobs[ASSIGN_MAX];
    struct msg msg = {.kind = MSG_ASSIGN, .assign = {.jobs = jobs}};

    for (int i = first; i < starting->count; i++) {
        struct assignment *item = &starting->items[i];
        if (item->worker != worker || msg.assign.job_count == ASSIGN_MAX)
            continue;
        jobs[msg.assign.job_count++] = item->job;
        item->worker = NULL;
    }
    return commit_hold(starting->core->commit, &worker->peer, &msg, err);
}

static int sweep_may(void *user, size_t sweep, int64_t *ret, struct error *err)
{
    struct core *core = user;

    return store_sweep_may(core->setup.store, sweep, ret, err);
}

static int hand_out(struct core *core, struct error *err)
{
    struct starting starting = {.core = core};
    int rc = -1;

    if (core->stalled || core->stopping)
        return 0;
    if (dispatch_limit(core->dispatch, sweep_may, core, err) != 0)
        return -1;
    if (judge_turn(core, err) != 0)
        return -1;
    int started = dispatch_run(core->dispatch, core->roster, core->now_ms, START_MAX,
                               start, &starting, err);
    if (started < 0)
        goto done;
    for (int i = 0; i < starting.count; i++)
        if (starting.items[i].worker && assign(&starting, i, err) != 0)
            goto done;
    if (started < START_MAX && retract_turn(core, err) != 0)
        goto done;
    rc = 0;
done:
    for (int i = 0; i < starting.count; i++)
        buf_free(&starting.items[i].arena);
    return rc;
}

void core_settle(struct core *core, bool drained)
{
    struct error err = {0};

    if (!core->loaded)
        return;
    if (expire(core, drained, &err) != 0 || hand_out(core, &err) != 0 ||
        commit_flush(core->commit, &err) != 0)
        core_fail(core, &err);
}

void core_gone(struct core *core, const struct wire_peer *peer)
{
    struct worker *worker = roster_by_peer(core->roster, peer);

    /* It stays known by this peer: what it said last, its BYE say, may be still
     * on the way. */
    if (worker) {
        worker->credit = 0;
        worker->gone = true;
    }
}

void core_refused(struct core *core, const char *text)
{
    core->refused++;
    snprintf(core->refusal, sizeof core->refusal, "%.250s", text);
}

bool core_mention(struct core *core, const struct wire_peer *peer, enum log_level level,
                  const char *text)
{
    for (size_t i = 0; i < CORE_BAD_PEERS; i++)
        if (wire_peer_equal(&core->bad_peers[i], peer))
            return false;
    core->bad_peers[core->bad_count++ % CORE_BAD_PEERS] = *peer;
    if (text)
        core_note(core, level, "%s", text);
    return true;
}

void core_malformed(struct core *core, const struct wire_peer *from, const char *text)
{
    core->malformed++;
    if (core_mention(core, from, LOG_WARN, NULL))
        core_note(core, LOG_WARN,
                  "dropped a malformed message (%" PRIu64
                  " so far; each peer is mentioned once): %s",
                  core->malformed, text);
}
