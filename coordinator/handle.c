#include "coordinator/handle.h"

#include "common/error.h"
#include "common/version.h"
#include "coordinator/control.h"
#include "coordinator/core.h"
#include "coordinator/files.h"
#include "coordinator/judge.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* While the database fails, how often it is tried. */
enum { STALL_RETRY_MS = 1000 };

struct call {
    const struct wire_peer *from;
    struct worker *worker; /* NULL: this connection has not said HELLO */
    const struct msg *msg;
};

/* ---- answers --------------------------------------------------------------- */

static int hold(struct core *core, const struct call *call, struct msg reply,
                struct error *err)
{
    return commit_hold(core->commit, call->from, &reply, err);
}

static int answer(struct core *core, const struct call *call, struct msg reply,
                  struct error *err)
{
    return commit_send(core->commit, call->from, &reply, err);
}

static int answer_error(struct core *core, const struct call *call, struct slice request,
                        const struct error *why, struct error *err)
{
    struct msg reply = {.kind = MSG_ERROR,
                        .error = {.code = (uint32_t)why->code,
                                  .request = request,
                                  .text = slice_of(why->text)}};
    return answer(core, call, reply, err);
}

static struct msg pong(const struct core *core)
{
    return (struct msg){.kind = MSG_PONG,
                        .pong = {.version = PROTO_VERSION, .epoch = core->setup.epoch}};
}

/* Whether the peer speaks our version; if not, it is told so. */
static bool version_fits(struct core *core, const struct call *call, uint32_t version,
                         struct slice request)
{
    struct error why;

    if (version == PROTO_VERSION)
        return true;
    err_set(&why, ERR_REFUSED,
            "this coordinator speaks protocol version %d, not %" PRIu32, PROTO_VERSION,
            version);
    core_note(core, LOG_WARN, "refused a %s: %s", msg_kind_name(call->msg->kind),
              why.text);
    core_refused(core, why.text);
    (void)answer_error(core, call, request, &why, NULL);
    return false;
}

static void text_of_hash(struct slice hash, char ret[HASH_TEXT])
{
    snprintf(ret, HASH_TEXT, "%.*s", (int)hash.size, hash.data);
}

/* ---- workers --------------------------------------------------------------- */

/* The worker said what it has in hand: that renews the leases it names, puts
 * the others in doubt, and what it holds without a lease it is to stop. Returns
 * how many are in doubt, -1 on failure. */
static int take_list(struct core *core, const struct call *call,
                     const struct msg_running *running, uint32_t count, struct error *err)
{
    struct lease_list *leases = &call->worker->leases;

    for (uint32_t i = 0; i < count; i++) {
        core->waiting = core->waiting || running[i].waits;
        if (lease_find(leases, running[i].job, running[i].attempt))
            continue;
        struct msg kill = {
            .kind = MSG_KILL,
            .kill = {.job = running[i].job,
                     .attempt = running[i].attempt,
                     .text = slice_of("this attempt is not the job's current one")}};
        if (hold(core, call, kill, err) != 0)
            return -1;
    }
    return (int)lease_listed(leases, running, count, core_deadline(core));
}

static void hello_failed(struct core *core, const struct call *call,
                         const struct error *why)
{
    struct error busy;

    (void)why; /* was logged; it may name our files */
    err_set(&busy, ERR_BUSY, "the coordinator cannot write its database now");
    (void)answer_error(core, call, (struct slice){0}, &busy, NULL);
}

static int on_hello(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_hello *hello = &call->msg->hello;
    struct call known = *call;
    char uuid[HASH_TEXT];
    int64_t row;

    if (!version_fits(core, call, hello->version, (struct slice){0}))
        return 0;
    if (core->stalled && core->now_ms - core->failed_ms < STALL_RETRY_MS) {
        hello_failed(core, call, NULL);
        return 0;
    }
    if (!labels_are(hello->labels.data, hello->labels.size)) {
        struct error bad;
        err_set(&bad, ERR_REFUSED, "its labels are not a list of labels");
        return answer_error(core, call, (struct slice){0}, &bad, err);
    }
    text_of_hash(hello->worker, uuid);
    bool is_new = !roster_by_uuid(core->roster, uuid);
    if (is_new && roster_count(core->roster) == ROSTER_MAX) {
        struct error full;
        err_set(&full, ERR_BUSY, "%d workers are connected, and no more can be",
                ROSTER_MAX);
        return answer_error(core, call, (struct slice){0}, &full, err);
    }
    if (store_begin(core->setup.store, err) != 0 ||
        store_worker_seen(core->setup.store, hello, core->wall_ms, &row, err) != 0)
        return -1;
    known.worker = roster_add(core->roster, uuid, row, core->now_ms, err);
    if (!known.worker)
        return -1;
    roster_connect(core->roster, known.worker, call->from);
    roster_describe(known.worker, hello, core->now_ms);
    known.worker->place = store_place(hello->host);
    known.worker->quarantined = store_quarantined(core->setup.store, row);
    if (take_list(core, &known, hello->running, hello->running_count, err) < 0 ||
        core_lose_missing(core, known.worker, hello->running_count, err) != 0)
        return -1;
    core_note(core, LOG_INFO,
              "worker %" PRId64 " %s: %s, %" PRIu32 " slots, %" PRIu32
              " attempts in hand",
              row, is_new ? "joined" : "came back", known.worker->host, hello->slots,
              hello->running_count);
    struct msg welcome = {.kind = MSG_WELCOME,
                          .welcome = {.version = PROTO_VERSION,
                                      .epoch = core->setup.epoch,
                                      .worker = row,
                                      .beat_ms = core->setup.beat_ms,
                                      .lease_ms = core->setup.lease_ms,
                                      .checkpoints = true,
                                      .reports = true}};
    if (hold(core, call, welcome, err) != 0)
        return -1;
    /* Known to be in doubt, the COMMIT is not left to the end of the turn, where
     * nobody is told of its failure. */
    return core->stalled ? commit_flush(core->commit, err) : 0;
}

/* The credit counts what the worker knew when it spoke: assignments still under
 * way to it take their part. Every beat is answered, so that a worker can tell
 * a quiet coordinator from a dead one. */
static int on_beat(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_beat *beat = &call->msg->beat;
    int doubted = take_list(core, call, beat->running, beat->running_count, err);

    if (doubted < 0)
        return -1;
    call->worker->credit =
        beat->credit > (uint32_t)doubted ? beat->credit - (uint32_t)doubted : 0;
    if (call->worker->draining && beat->credit > 0) { /* it has not heard */
        struct msg drain = {.kind = MSG_DRAIN};
        call->worker->credit = 0;
        if (answer(core, call, drain, err) != 0)
            return -1;
    }
    return answer(core, call, pong(core), err);
}

/* The credit as a result tells it: of all jobs that the worker takes over this
 * connection, those it was not given yet. */
static void take_room(struct worker *worker, uint64_t room)
{
    uint64_t credit = room > worker->given ? room - worker->given : 0;

    if (room == 0 || worker->draining)
        return;
    worker->credit = credit < PROTO_RUNNING_MAX ? (uint32_t)credit : PROTO_RUNNING_MAX;
}

struct unblocking {
    struct core *core;
    struct error *err;
    const struct call *call;
    bool requeued; /* the job itself: it failed */
    bool failed;
};

/* What waited for a state is best run where that was made. */
static void unblocked(void *user, const struct store_ready *ready)
{
    struct unblocking *unblocking = user;
    struct store_ready item = *ready;

    if (ready->job == unblocking->call->msg->result.job)
        unblocking->requeued = true;
    else
        item.near = unblocking->call->worker->place;
    if (!unblocking->failed)
        unblocking->failed = core_enqueue(unblocking->core, &item, unblocking->err) != 0;
}

static int on_result(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_result *result = &call->msg->result;
    struct unblocking unblocking = {.core = core, .err = err, .call = call};
    enum msg_verdict verdict;
    char text[256] = "";

    if (store_begin(core->setup.store, err) != 0 ||
        store_result(core->setup.store, call->worker->row, result, core->wall_ms,
                     unblocked, &unblocking, &verdict, text, err) != 0 ||
        unblocking.failed ||
        (verdict == VERDICT_ACCEPTED &&
         judge_result(core, call->worker, result, unblocking.requeued, err) != 0))
        return -1;
    if (verdict != VERDICT_MISSING)
        lease_drop(&call->worker->leases, result->job, result->attempt);
    take_room(call->worker, result->room);
    struct msg ack = {.kind = MSG_ACK,
                      .ack = {.job = result->job,
                              .attempt = result->attempt,
                              .verdict = verdict,
                              .text = slice_of(text)}};
    return hold(core, call, ack, err);
}

/* A result that the database cannot take will not get better by being sent
 * again, and would take every batch it is in down with it. */
static void result_failed(struct core *core, const struct call *call,
                          const struct error *why)
{
    struct msg ack = {.kind = MSG_ACK,
                      .ack = {.job = call->msg->result.job,
                              .attempt = call->msg->result.attempt,
                              .verdict = VERDICT_REFUSED,
                              .text = slice_of(why->text)}};

    if (why->code == ERR_INVALID)
        (void)answer(core, call, ack, NULL);
}

/* The worker is out, why says how: what it holds is queued again. */
static int part_with(struct core *core, struct worker *worker, enum log_level level,
                     struct slice why, struct error *err)
{
    struct lease lease;
    char text[256];

    snprintf(text, sizeof text, "worker %" PRId64 " on %s left: %.*s", worker->row,
             worker->host, (int)why.size, why.data);
    core_note(core, level, "%s", text);
    while (lease_take(&worker->leases, &lease))
        if (core_lose(core, &lease, CAUSE_PREEMPTED, text, err) != 0)
            return -1;
    if (store_begin(core->setup.store, err) != 0 ||
        store_worker_state(core->setup.store, worker->row, "left", core->wall_ms, err) !=
            0)
        return -1;
    roster_remove(core->roster, worker);
    return 0;
}

static int on_bye(struct core *core, const struct call *call, struct error *err)
{
    return part_with(core, call->worker, LOG_INFO, call->msg->bye.text, err);
}

/* Not answered: a checkpoint that is not taken is made up for by the next one. */
static int on_checkpoint(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_checkpoint *checkpoint = &call->msg->checkpoint;
    bool taken;

    if (store_begin(core->setup.store, err) != 0 ||
        store_resume(core->setup.store, checkpoint, core->wall_ms, &taken, err) != 0)
        return -1;
    core_note(core, LOG_DEBUG, "job %" PRId64 " attempt %" PRIu32 " %s", checkpoint->job,
              checkpoint->attempt,
              taken ? "saved itself" : "saved itself, and that is not wanted");
    return 0;
}

/* A run that goes on tells how well it does: a rule of its sweep may have seen enough. */
static int on_report(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_report *report = &call->msg->report;
    char stop[STORE_STOP_TEXT];

    if (store_begin(core->setup.store, err) != 0 ||
        store_report(core->setup.store, report, core->wall_ms, stop, err) != 0)
        return -1;
    if (!stop[0])
        return 0;
    core_note(core, LOG_INFO, "job %" PRId64 " is stopped early: %s", report->job, stop);
    const struct msg_kill kill = {report->job, report->attempt, slice_of(stop), true};
    return hold(core, call, (struct msg){.kind = MSG_KILL, .kill = kill}, err);
}

/* ---- artifacts ------------------------------------------------------------- */

static int on_put(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_put *put = &call->msg->put;
    struct error why = {0};
    char hash[HASH_TEXT];
    uint64_t held;

    text_of_hash(put->hash, hash);
    int rc = artifact_put(core->setup.artifacts, hash, put->size, put->offset, put->data,
                          &held, &why);
    struct msg reply = {.kind = MSG_PUT_OK,
                        .put_ok = {.hash = put->hash,
                                   .offset = held,
                                   .complete = rc == 0 && held == put->size,
                                   .text = slice_of(why.text)}};
    if (rc != 0)
        core_note(core, LOG_WARN, "%s", why.text);
    /* Our own trouble, a full disk say, is not the state's: without an answer
     * the worker keeps it and asks again. */
    if (rc != 0 && why.code != ERR_INVALID)
        return 0;
    if (!reply.put_ok.complete)
        return answer(core, call, reply, err);
    if (!store_artifact_has(core->setup.store, hash) &&
        (store_begin(core->setup.store, err) != 0 ||
         store_artifact_add(core->setup.store, hash, put->size, core->wall_ms, err) != 0))
        return -1;
    return hold(core, call, reply, err);
}

static int on_get(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_get *get = &call->msg->get;
    struct msg reply = {.kind = MSG_CHUNK,
                        .chunk = {.hash = get->hash, .offset = get->offset}};
    struct error why = {0};
    struct buf data = {0};
    char hash[HASH_TEXT];

    text_of_hash(get->hash, hash);
    if (artifact_read(core->setup.artifacts, hash, get->offset, get->count, &data,
                      &reply.chunk.size, &why) != 0)
        reply.chunk.text = slice_of(why.text);
    else
        reply.chunk.data = (struct slice){data.data, data.size};
    int rc = answer(core, call, reply, err);
    buf_free(&data);
    return rc;
}

/* ---- clients --------------------------------------------------------------- */

struct queueing {
    struct core *core;
    struct error *err;
    bool failed;
};

static void submitted(void *user, const struct store_ready *ready)
{
    struct queueing *queueing = user;

    if (!queueing->failed)
        queueing->failed = core_enqueue(queueing->core, ready, queueing->err) != 0;
}

static int carry_out(struct core *core, const char *request, const struct plan *plan,
                     bool force, struct store_submitted *did, struct error *err)
{
    struct queueing queueing = {.core = core, .err = err};

    if (store_begin(core->setup.store, err) != 0 || files_keep(core, plan, err) != 0 ||
        store_submit(core->setup.store, plan, request, force, core->wall_ms, submitted,
                     &queueing, did, err) != 0 ||
        queueing.failed || (did->changes && core_load_queue(core, err) != 0))
        return -1;
    core_note(core, LOG_INFO, "sweep %s: %" PRIu64 " jobs, %" PRIu64 " new", did->name,
              did->jobs, did->added);
    return 0;
}

/* A client that is not heard for long asks again, and a large grid takes long: what was
 * carried out is not planned once more. */
static int on_submit(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_submit *submit = &call->msg->submit;
    struct store_submitted did;
    char request[HASH_TEXT], file[PROTO_TEXT_MAX + 1];
    struct error why;
    int rc;

    if (!version_fits(core, call, submit->version, submit->request))
        return 0;
    text_of_hash(submit->request, request);
    rc = store_submitted(core->setup.store, request, &did, err);
    /* The batch that carries it out may be this one: its COMMIT is waited for. */
    if (rc < 0 || (rc > 0 && store_begin(core->setup.store, err) != 0))
        return -1;
    if (rc == 0) {
        snprintf(file, sizeof file, "%.*s", (int)submit->file.size, submit->file.data);
        struct plan *plan =
            plan_from_grid(submit->grid.data, submit->grid.size, file, &why);
        if (plan && files_check(core, plan, &why) != 0)
            plan_free(&plan);
        if (!plan)
            return answer_error(core, call, submit->request, &why, err);
        rc = carry_out(core, request, plan, submit->force, &did, err);
        plan_free(&plan);
        if (rc != 0)
            return -1;
    }
    struct msg reply = {.kind = MSG_SUBMITTED,
                        .submitted = {.request = submit->request,
                                      .sweep = did.sweep,
                                      .name = slice_of(did.name),
                                      .jobs = did.jobs,
                                      .added = did.added,
                                      .rerun = did.rerun}};
    return hold(core, call, reply, err);
}

static void submit_failed(struct core *core, const struct call *call,
                          const struct error *why)
{
    (void)answer_error(core, call, call->msg->submit.request, why, NULL);
}

static int on_control(struct core *core, const struct call *call, struct error *err)
{
    const struct msg_control *control = &call->msg->control;
    struct msg reply = {.kind = MSG_CONTROLLED,
                        .controlled = {.request = control->request}};
    struct error why = {0};
    bool refused;

    if (!version_fits(core, call, control->version, control->request))
        return 0;
    if (control_run(core, control, &reply.controlled.changed, &reply.controlled.unchanged,
                    &refused, &why) != 0) {
        *err = why;
        return -1;
    }
    if (refused) {
        why.code = ERR_INVALID; /* the client's to give */
        return answer_error(core, call, control->request, &why, err);
    }
    return hold(core, call, reply, err);
}

static void control_failed(struct core *core, const struct call *call,
                           const struct error *why)
{
    (void)answer_error(core, call, call->msg->control.request, why, NULL);
}

static int on_ping(struct core *core, const struct call *call, struct error *err)
{
    struct msg reply = pong(core);

    reply.pong.clock_ms = (uint64_t)core->wall_ms;
    reply.pong.release = slice_of(COORD_VERSION);
    reply.pong.tails = true;
    reply.pong.trouble = slice_of(core->trouble);
    reply.pong.refused = core->refused;
    reply.pong.refusal = slice_of(core->refusal);
    return answer(core, call, reply, err);
}

static int on_tail(struct core *core, const struct call *call, struct error *err)
{
    return tail_pass_on(core, call->from, call->msg, err);
}

static int on_output(struct core *core, const struct call *call, struct error *err)
{
    return tail_pass_back(core, call->worker, call->msg, err);
}

static int on_error(struct core *core, const struct call *call, struct error *err)
{
    (void)err;
    core_note(core, LOG_WARN, "a peer reports: %.*s", (int)call->msg->error.text.size,
              call->msg->error.text.data);
    return 0;
}

/* ---- the table ------------------------------------------------------------- */

static const struct handler {
    int (*run)(struct core *core, const struct call *call, struct error *err);
    enum wire_role roles; /* who may say it, by the key */
    bool for_workers;     /* strangers are asked who they are */
    /* After recovery from run's failure: tell the peer, if that helps. */
    void (*failed)(struct core *core, const struct call *call, const struct error *why);
} HANDLERS[] = {
    [MSG_HELLO] = {on_hello, WIRE_WORKER, false, hello_failed},
    [MSG_BEAT] = {on_beat, WIRE_WORKER, true, NULL},
    [MSG_RESULT] = {on_result, WIRE_WORKER, true, result_failed},
    [MSG_PUT] = {on_put, WIRE_WORKER, true, NULL},
    [MSG_GET] = {on_get, WIRE_WORKER, true, NULL},
    [MSG_BYE] = {on_bye, WIRE_WORKER, true, NULL},
    [MSG_CHECKPOINT] = {on_checkpoint, WIRE_WORKER, true, NULL},
    [MSG_REPORT] = {on_report, WIRE_WORKER, true, NULL},
    [MSG_SUBMIT] = {on_submit, WIRE_CLIENT, false, submit_failed},
    [MSG_CONTROL] = {on_control, WIRE_CLIENT, false, control_failed},
    [MSG_TAIL] = {on_tail, WIRE_CLIENT, false, NULL},
    [MSG_OUTPUT] = {on_output, WIRE_WORKER, true, NULL},
    [MSG_PING] = {on_ping, WIRE_ANYBODY, false, NULL},
    [MSG_ERROR] = {on_error, WIRE_ANYBODY, false, NULL},
};

enum { HANDLER_COUNT = sizeof HANDLERS / sizeof HANDLERS[0] };

/* The key does not allow this: said to the peer, and once to the log. A worker
 * whose key was revoked holds nothing any more. */
static int refuse(struct core *core, const struct call *call, struct error *err)
{
    static const char REVOKED[] = "its key was revoked";
    struct slice request = {0};
    struct error why;

    if (call->from->role == WIRE_NOBODY)
        err_set(&why, ERR_REFUSED, "the key was revoked");
    else
        err_set(&why, ERR_REFUSED, "the key is a %s's: it may not %s",
                call->from->role == WIRE_WORKER ? "worker" : "client",
                msg_kind_name(call->msg->kind));
    core_mention(core, call->from, LOG_WARN, why.text);
    core_refused(core, why.text);
    if (call->msg->kind == MSG_SUBMIT)
        request = call->msg->submit.request;
    if (call->msg->kind == MSG_CONTROL)
        request = call->msg->control.request;
    if (call->worker && call->from->role == WIRE_NOBODY &&
        part_with(core, call->worker, LOG_WARN, slice_of(REVOKED), err) != 0)
        return -1;
    return answer_error(core, call, request, &why, err);
}

void handle_message(struct core *core, const struct wire_peer *from,
                    const struct msg *msg)
{
    struct call call = {.from = from, .msg = msg};
    struct msg who = {.kind = MSG_WHO};
    struct error err = {0};

    if ((size_t)msg->kind >= HANDLER_COUNT || !HANDLERS[msg->kind].run) {
        err_set(&err, ERR_INVALID, "%s is not for a coordinator",
                msg_kind_name(msg->kind));
        core_malformed(core, from, err.text);
        return;
    }
    if (!core->loaded)
        return;
    const struct handler *handler = &HANDLERS[msg->kind];
    call.worker = roster_by_peer(core->roster, from);
    if ((handler->roles & from->role) == 0) {
        if (refuse(core, &call, &err) != 0)
            core_fail(core, &err);
        return;
    }
    if (handler->for_workers && !call.worker) {
        (void)answer(core, &call, who, NULL);
        return;
    }
    if (call.worker) {
        call.worker->seen_ms = core->now_ms;
        lease_renew(&call.worker->leases, core_deadline(core));
    }
    if (handler->run(core, &call, &err) == 0)
        return;
    call.worker = NULL; /* recovery forgets them */
    core_fail(core, &err);
    if (handler->failed)
        handler->failed(core, &call, &err);
}
