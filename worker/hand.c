#include "worker/hand.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/jobstate.h"
#include "common/log.h"
#include "proto/limits.h"
#include "worker/cache.h"
#include "worker/fetch.h"
#include "worker/inputs.h"
#include "worker/kept.h"
#include "worker/outbox.h"
#include "worker/saved.h"
#include "worker/scratch.h"
#include "worker/slot.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One job in hand. */
struct held {
    struct kept kept;   /* an ASSIGN of this one job */
    struct slot *slot;  /* NULL: queued */
    char dir[PATH_MAX]; /* of the attempt, while it runs */
    struct saved saved;
};

struct hand {
    struct hand_setup setup;
    struct held **jobs; /* in order of arrival */
    size_t count, room;
    size_t busy;        /* slots */
    double mean_s;      /* of recent trials' durations; < 0: none yet */
    int64_t trouble_ms; /* no credit before this; 0: all is well */
    bool checkpoints;   /* the coordinator takes them */
    bool leaving;
};

/* A machine that cannot start a trial or write a state (no room on the disk, no
 * descriptors) fails jobs as fast as it gets them. So that it does not eat a whole
 * sweep, it takes none for a while, and its failures are the worker's, not the
 * jobs': others try them. */
enum { TROUBLE_MS = 30 * 1000 };

/* Below this mean duration the next jobs are asked for before slots are free.
 * Longer ones are not: while they waited here, another worker could run them. */
static const double SHORT_TRIAL_S = 1.0;

static const char LEAVES[] = "this worker leaves";

static const struct msg_job *job_of(const struct held *held)
{
    return &held->kept.msg.assign.jobs[0];
}

/* Its place among the jobs; their count when it is not in hand. */
static size_t find(const struct hand *hand, int64_t job, uint32_t attempt)
{
    size_t i = 0;

    while (i < hand->count && (job_of(hand->jobs[i])->job != job ||
                               job_of(hand->jobs[i])->attempt != attempt))
        i++;
    return i;
}

/* How many slots a job takes: as coordinator/dispatch.h counts them. */
static size_t slots_of(const struct hand *hand, const struct msg_job *job)
{
    const uint32_t threads = hand->setup.threads;

    size_t slots = job->cores <= threads ? 1 : (job->cores + threads - 1) / threads;

    return slots < hand->setup.slots ? slots : hand->setup.slots;
}

static size_t slots_held(const struct hand *hand)
{
    size_t slots = 0;

    for (size_t i = 0; i < hand->count; i++)
        slots += slots_of(hand, job_of(hand->jobs[i]));
    return slots;
}

struct hand *hand_new(const struct hand_setup *setup, struct error *err)
{
    struct hand *hand = calloc(1, sizeof *hand);

    assert(setup->slots >= 1 && setup->slots <= HAND_SLOTS_MAX);
    if (!hand) {
        err_set(err, ERR_NO_MEMORY, "no memory for jobs");
        return NULL;
    }
    hand->setup = *setup;
    hand->mean_s = -1;
    return hand;
}

/* --- taking and letting go ---------------------------------------------------- */

/* Let go of job number i, whatever it was doing. */
static void remove_at(struct hand *hand, size_t i)
{
    struct held *held = hand->jobs[i];

    if (held->slot) {
        slot_free(&held->slot);
        scratch_remove(held->dir);
        hand->busy -= slots_of(hand, job_of(held));
    }
    saved_release(&held->saved, false, hand->setup.cache, hand->setup.outbox);
    inputs_drop(hand->setup.fetch, job_of(held));
    kept_free(&held->kept);
    free(held);
    hand->count--;
    memmove(hand->jobs + i, hand->jobs + i + 1, (hand->count - i) * sizeof *hand->jobs);
}

void hand_free(struct hand **hand)
{
    if (!*hand)
        return;
    while ((*hand)->count > 0)
        remove_at(*hand, (*hand)->count - 1);
    free((*hand)->jobs);
    free(*hand);
    *hand = NULL;
}

/* Put a result into the outbox, its stored states being pinned; one that breaks a
 * bound becomes a failure. */
static void deliver(struct hand *hand, const struct msg_result *result, int64_t now_ms)
{
    struct error err;

    if (outbox_add(hand->setup.outbox, result, now_ms, &err) == 0)
        return;
    saved_unpin_states(hand->setup.cache, result, result->state_count);
    log_line(LOG_ERROR, "worker", "job=%" PRId64 " attempt=%" PRIu32 ": %s", result->job,
             result->attempt, err.text);
    struct msg_result failure = {.job = result->job,
                                 .attempt = result->attempt,
                                 .outcome = OUTCOME_FAILED,
                                 .cause = slice_of(job_cause_name(CAUSE_EXIT)),
                                 .message = slice_of(err.text)};
    /* Without memory for this either, the lease will run out and tell. */
    (void)outbox_add(hand->setup.outbox, &failure, now_ms, NULL);
}

/* Whether an error says something about this machine, not about the job. */
static bool is_trouble(const struct error *err)
{
    return err->code == ERR_IO || err->code == ERR_NO_MEMORY;
}

static void note_trouble(struct hand *hand, int64_t now_ms)
{
    if (hand->trouble_ms == 0)
        log_line(LOG_ERROR, "worker", "jobs cannot run here: taking none for %d s",
                 TROUBLE_MS / 1000);
    hand->trouble_ms = now_ms + TROUBLE_MS;
}

/* A job that ends here, for another reason than its trial's. */
static void deliver_failure(struct hand *hand, const struct msg_job *job,
                            enum job_cause cause, const struct error *err, int64_t now_ms)
{
    if (is_trouble(err)) {
        cause = CAUSE_WORKER_LOST;
        note_trouble(hand, now_ms);
    }
    struct msg_result result = {.job = job->job,
                                .attempt = job->attempt,
                                .outcome = OUTCOME_FAILED,
                                .cause = slice_of(job_cause_name(cause)),
                                .message = slice_of(err->text)};

    log_line(LOG_WARN, "worker", "job=%" PRId64 " attempt=%" PRIu32 " failed: %s",
             job->job, job->attempt, err->text);
    deliver(hand, &result, now_ms);
}

static void hand_back(struct hand *hand, const struct msg_job *job, const char *why,
                      int64_t now_ms)
{
    struct error err;

    err_set(&err, ERR_BUSY, "%s", why);
    deliver_failure(hand, job, CAUSE_PREEMPTED, &err, now_ms);
}

static struct held *hold(struct hand *hand, const struct msg_job *job, struct error *err)
{
    struct msg_input inputs[PROTO_INPUTS_MAX];
    char hash[HASH_TEXT];
    struct msg_job copy = *job;
    struct msg msg = {.kind = MSG_ASSIGN, .assign = {.jobs = &copy, .job_count = 1}};
    struct held *held;

    if (hand->count == hand->room) {
        size_t room = hand->room ? 2 * hand->room : 16;
        struct held **jobs = realloc(hand->jobs, room * sizeof(*jobs));
        if (!jobs)
            goto nomem;
        hand->jobs = jobs;
        hand->room = room;
    }
    held = calloc(1, sizeof *held);
    if (!held)
        goto nomem;
    inputs_add_file(&copy, inputs, hash);
    if (kept_copy(&held->kept, &msg, err) != 0 ||
        inputs_want(hand->setup.fetch, job_of(held), err) != 0) {
        kept_free(&held->kept);
        free(held);
        return NULL;
    }
    hand->jobs[hand->count++] = held;
    return held;

nomem:
    err_set(err, ERR_NO_MEMORY, "no memory for another job");
    return NULL;
}

void hand_take(struct hand *hand, const struct msg_job *job, int64_t now_ms)
{
    struct error err;

    if (outbox_has(hand->setup.outbox, job->job, job->attempt))
        return;
    for (size_t i = hand->count; i-- > 0;) {
        const struct msg_job *other = job_of(hand->jobs[i]);
        if (other->job != job->job)
            continue;
        if (other->attempt >= job->attempt)
            return;
        (void)hand_kill(hand, other->job, other->attempt, false, now_ms);
    }
    if (hand->leaving) {
        hand_back(hand, job, LEAVES, now_ms);
        return;
    }
    if (!hold(hand, job, &err))
        deliver_failure(hand, job, CAUSE_EXIT, &err, now_ms);
}

static void stop_at(struct hand *hand, size_t i, int64_t now_ms)
{
    if (hand->jobs[i]->slot)
        slot_stop(hand->jobs[i]->slot, SLOT_STOP_UNWANTED, now_ms);
    else
        remove_at(hand, i);
}

bool hand_retract(struct hand *hand, int64_t job, uint32_t attempt, int64_t now_ms)
{
    size_t i = find(hand, job, attempt);

    if (i == hand->count || hand->jobs[i]->slot)
        return false;
    hand_back(hand, job_of(hand->jobs[i]), "another worker has nothing to do", now_ms);
    remove_at(hand, i);
    return true;
}

bool hand_kill(struct hand *hand, int64_t job, uint32_t attempt, bool save,
               int64_t now_ms)
{
    size_t i = find(hand, job, attempt);

    if (i == hand->count || (save && !hand->jobs[i]->slot))
        return false;
    if (save)
        slot_stop(hand->jobs[i]->slot, SLOT_STOP_SAVE, now_ms);
    else
        stop_at(hand, i, now_ms);
    return true;
}

bool hand_report(struct hand *hand, struct kept *ret)
{
    for (size_t i = 0; i < hand->count; i++)
        if (hand->jobs[i]->slot && slot_take_report(hand->jobs[i]->slot, ret))
            return true;
    return false;
}

void hand_checkpoints(struct hand *hand, bool wanted)
{
    hand->checkpoints = wanted;
}

void hand_leave(struct hand *hand, int64_t now_ms)
{
    hand->leaving = true;
    for (size_t i = hand->count; i-- > 0;) {
        if (hand->jobs[i]->slot) {
            slot_stop(hand->jobs[i]->slot, SLOT_STOP_SAVE, now_ms);
            continue;
        }
        hand_back(hand, job_of(hand->jobs[i]), LEAVES, now_ms);
        remove_at(hand, i);
    }
}

void hand_stop(struct hand *hand, int64_t now_ms)
{
    for (size_t i = hand->count; i-- > 0;)
        stop_at(hand, i, now_ms);
}

/* --- starting ----------------------------------------------------------------- */

static int start(struct hand *hand, struct held *held, int64_t now_ms, struct error *err)
{
    const struct msg_job *job = job_of(held);
    struct msg_input inputs[PROTO_INPUTS_MAX];
    struct msg_start msg = {
        .job = *job,
        .data_dir = slice_of(hand->setup.data_dir),
        .threads = job->cores > hand->setup.threads ? job->cores : hand->setup.threads,
        .checkpoint_ms = hand->checkpoints ? hand->setup.checkpoint_ms : 0};
    char(*paths)[PATH_MAX] = calloc(PROTO_INPUTS_MAX, sizeof *paths);
    char why[256];
    int rc = -1;

    if (!paths) {
        err_set(err, ERR_NO_MEMORY, "no memory to start a trial");
        goto done;
    }
    if (scratch_make(hand->setup.scratch, job->job, job->attempt, held->dir, err) != 0)
        goto done;
    inputs_place(hand->setup.fetch, hand->setup.cache, job, inputs, paths, why);
    if (why[0])
        log_line(LOG_WARN, "worker",
                 "job=%" PRId64 " attempt=%" PRIu32 " begins anew: %s", job->job,
                 job->attempt, why);
    msg.job.inputs = inputs;
    msg.dir = slice_of(held->dir);
    held->slot = slot_start(hand->setup.trial, &msg, now_ms, err);
    if (!held->slot) {
        scratch_remove(held->dir);
        goto done;
    }
    hand->busy += slots_of(hand, job);
    log_line(LOG_DEBUG, "worker", "job=%" PRId64 " attempt=%" PRIu32 " started", job->job,
             job->attempt);
    rc = 0;

done:
    free(paths);
    return rc;
}

/* Whether job number i may have its slots now. One that came before and waits for many is
 * not overtaken: small ones would keep them from it for ever. */
static bool has_room(const struct hand *hand, size_t i)
{
    struct error err;

    if (hand->busy + slots_of(hand, job_of(hand->jobs[i])) > hand->setup.slots)
        return false;
    for (size_t k = 0; k < i; k++) {
        const struct msg_job *earlier = job_of(hand->jobs[k]);
        if (!hand->jobs[k]->slot && slots_of(hand, earlier) > 1 &&
            inputs_state(hand->setup.fetch, earlier, &err) == FETCH_READY)
            return false;
    }
    return true;
}

/* Start job number i if it can. Returns whether it left the hand instead. */
static bool try_start(struct hand *hand, size_t i, int64_t now_ms)
{
    struct held *held = hand->jobs[i];
    struct error err;
    enum fetch_state state = inputs_state(hand->setup.fetch, job_of(held), &err);
    enum job_cause cause = CAUSE_DATA;

    if (state == FETCH_PENDING || (state == FETCH_READY && !has_room(hand, i)))
        return false;
    if (state == FETCH_READY) {
        if (start(hand, held, now_ms, &err) == 0)
            return false;
        cause = CAUSE_EXIT;
    }
    deliver_failure(hand, job_of(held), cause, &err, now_ms);
    remove_at(hand, i);
    return true;
}

/* --- ending ------------------------------------------------------------------- */

static void note_end(struct hand *hand, const struct msg_result *result)
{
    bool done = result->outcome == OUTCOME_DONE;

    /* Half the weight on the newest: three short trials are "recently short". */
    hand->mean_s =
        hand->mean_s < 0 ? result->seconds : (hand->mean_s + result->seconds) / 2;
    log_line(done ? LOG_INFO : LOG_WARN, "worker",
             "job=%" PRId64 " attempt=%" PRIu32 " %s in %.1f s%s%.*s %.*s", result->job,
             result->attempt, done ? "done" : "failed", result->seconds,
             result->cause.size ? ": " : "", (int)result->cause.size,
             result->cause.size ? result->cause.data : "", (int)result->message.size,
             result->message.size ? result->message.data : "");
}

/* The trial has saved its run: the newest counts. */
static void take_checkpoint(struct hand *hand, struct held *held, int64_t now_ms)
{
    struct kept kept;
    struct error err;

    if (slot_take_checkpoint(held->slot, &kept) &&
        saved_take(&held->saved, &kept, held->dir, hand->setup.cache, hand->setup.outbox,
                   &err) != 0)
        log_line(LOG_WARN, "worker",
                 "job=%" PRId64 " attempt=%" PRIu32 ": what it saved is lost: %s",
                 job_of(held)->job, job_of(held)->attempt, err.text);
    if (hand->checkpoints)
        saved_offer(&held->saved, hand->setup.cache, hand->setup.outbox, now_ms);
}

/* Whether the job may be tried again. */
static bool is_retried(const struct msg_result *result)
{
    char name[32];
    enum job_cause cause;

    snprintf(name, sizeof name, "%.*s", (int)result->cause.size,
             result->cause.size ? result->cause.data : "");
    return result->outcome == OUTCOME_FAILED && job_cause_parse(name, &cause) &&
           job_cause_retries(cause) != 0;
}

/* Deliver a trial's result; a failure with what the next attempt goes on from. */
static void deliver_end(struct hand *hand, struct held *held,
                        const struct msg_result *result, int64_t now_ms)
{
    struct msg_result end = *result;
    const struct msg_checkpoint *saved = &held->saved.kept.msg.checkpoint;
    bool goes_on =
        hand->checkpoints && is_retried(result) && held->saved.kept.msg.kind != MSG_NONE;

    if (goes_on) {
        end.states = saved->states;
        end.state_count = saved->state_count;
    }
    deliver(hand, &end, now_ms);
    if (goes_on) {
        saved_pass(&held->saved);
    } else if (!is_retried(result)) {
        saved_release(&held->saved, true, hand->setup.cache, hand->setup.outbox);
        inputs_forget_resume(hand->setup.cache, job_of(held));
    }
}

static void end_trial(struct hand *hand, size_t i, int64_t now_ms)
{
    struct held *held = hand->jobs[i];
    const struct msg_result *result = slot_result(held->slot);
    struct error err;

    if (slot_unwanted(held->slot)) {
        log_line(LOG_INFO, "worker", "job=%" PRId64 " attempt=%" PRIu32 " stopped",
                 job_of(held)->job, job_of(held)->attempt);
    } else if (saved_keep_states(hand->setup.cache, result, held->dir, &err) != 0) {
        deliver_failure(hand, job_of(held), CAUSE_EXIT, &err, now_ms);
    } else {
        note_end(hand, result);
        if (slice_is(result->cause, job_cause_name(CAUSE_WORKER_LOST)))
            note_trouble(hand, now_ms);
        deliver_end(hand, held, result, now_ms);
    }
    remove_at(hand, i);
}

bool hand_turn(struct hand *hand, int64_t now_ms)
{
    bool changed = hand->trouble_ms != 0 && now_ms >= hand->trouble_ms;

    if (changed)
        hand->trouble_ms = 0; /* perhaps it has passed: try */
    for (size_t i = 0; i < hand->count;) {
        struct held *held = hand->jobs[i];
        bool ended = held->slot && slot_turn(held->slot, now_ms);
        if (held->slot && !slot_unwanted(held->slot))
            take_checkpoint(hand, held, now_ms);
        if (!ended) {
            i++;
            continue;
        }
        end_trial(hand, i, now_ms);
        changed = true;
    }
    for (size_t i = 0; i < hand->count;) {
        bool left = !hand->jobs[i]->slot && try_start(hand, i, now_ms);
        changed = changed || left;
        i += !left;
    }
    return changed;
}

/* --- what there is ------------------------------------------------------------ */

int64_t hand_deadline(const struct hand *hand)
{
    int64_t deadline = hand->trouble_ms != 0 ? hand->trouble_ms : INT64_MAX;

    for (size_t i = 0; i < hand->count; i++) {
        if (!hand->jobs[i]->slot)
            continue;
        int64_t due = slot_deadline(hand->jobs[i]->slot);
        if (due < deadline)
            deadline = due;
    }
    return deadline;
}

size_t hand_watch(const struct hand *hand, struct wire_poll *items)
{
    size_t count = 0;

    for (size_t i = 0; i < hand->count; i++) {
        int fds[2];
        if (!hand->jobs[i]->slot)
            continue;
        slot_fds(hand->jobs[i]->slot, fds);
        for (int k = 0; k < 2; k++)
            if (fds[k] >= 0)
                items[count++] = (struct wire_poll){.fd = fds[k]};
    }
    return count;
}

uint32_t hand_credit(const struct hand *hand)
{
    bool trials_are_short = hand->mean_s >= 0 && hand->mean_s < SHORT_TRIAL_S;
    size_t wanted = (size_t)hand->setup.slots * (trials_are_short ? 2 : 1);
    size_t listed = hand->count + outbox_results(hand->setup.outbox);
    size_t held = slots_held(hand);
    size_t credit = held < wanted ? wanted - held : 0;

    /* Results that are not taken from us must not pile up without end. */
    if (listed >= PROTO_RUNNING_MAX || hand->trouble_ms != 0)
        return 0;
    if (credit > PROTO_RUNNING_MAX - listed)
        credit = PROTO_RUNNING_MAX - listed;
    return (uint32_t)credit;
}

size_t hand_count(const struct hand *hand)
{
    return hand->count;
}

bool hand_output(const struct hand *hand, const struct msg_tail *tail, struct msg *ret)
{
    struct msg_output output = {tail->job, tail->attempt, .wanted = tail->from};
    size_t i = find(hand, tail->job, tail->attempt);

    if (i == hand->count || !hand->jobs[i]->slot)
        return false;
    output.data = slot_output(hand->jobs[i]->slot, tail->from, &output.from);
    *ret = (struct msg){.kind = MSG_OUTPUT, .output = output};
    return true;
}

uint32_t hand_list(const struct hand *hand, struct msg_running *rows, uint32_t max)
{
    uint32_t count = 0;

    for (size_t i = 0; i < hand->count && count < max; i++) {
        const struct held *held = hand->jobs[i];
        struct msg_progress progress = {0};
        if (held->slot && slot_unwanted(held->slot))
            continue;
        if (held->slot)
            progress = slot_progress(held->slot);
        rows[count++] = (struct msg_running){.job = job_of(held)->job,
                                             .attempt = job_of(held)->attempt,
                                             .done = progress.done,
                                             .total = progress.total,
                                             .waits = !held->slot};
    }
    return count;
}
