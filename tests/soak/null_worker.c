#include "tests/soak/null_worker.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "proto/limits.h"
#include "worker/outbox.h"
#include "worker/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RECEIVE_MAX = 256,                   /* messages in one turn */
    BLOCKED_MS = 20,                     /* between tries to send */
    HAND_MAX = PROTO_RUNNING_MAX,        /* jobs that run or wait */
    WAITING_MAX = 4 * PROTO_RUNNING_MAX, /* results whose latency is taken */
    CROWD_MIN = 64,                      /* from here on nobody is woken by a message */
    CROWD_MS = 50,                       /* but each has its turn so often */
};

struct null_job {
    int64_t job;
    uint32_t attempt;
    int64_t end_ms; /* 0: it waits for a slot */
};

struct waiting { /* a result that was sent */
    int64_t job;
    uint32_t attempt;
    int64_t sent_us;
};

struct null_worker {
    struct null_setup setup;
    char uuid[HASH_TEXT];
    struct session session;
    struct outbox *outbox;
    struct wire *wire;
    struct null_job hand[HAND_MAX];
    size_t hand_count;
    struct waiting waiting[WAITING_MAX];
    size_t waiting_count;
    struct msg_running running[PROTO_RUNNING_MAX];
    struct null_count count;
    uint64_t chance;
    int64_t now_ms, blocked_ms;
    bool readable; /* by the last null_worker_turn_all */
};

void null_worker_many(void)
{
    /* czmq hands this to libzmq when it makes its context. */
    setenv("ZSYS_MAX_SOCKETS", "65535", 1);
}

/* xorshift64, as the session's jitter. */
static uint64_t draw(struct null_worker *w)
{
    w->chance ^= w->chance << 13;
    w->chance ^= w->chance >> 7;
    w->chance ^= w->chance << 17;
    return w->chance;
}

/* Its states are not stored, so nobody reads one. */
static int read_state(void *user, const char *hash, uint64_t offset, void *data,
                      size_t size, struct error *err)
{
    (void)user, (void)offset, (void)data, (void)size;
    return err_set(err, ERR_NOT_FOUND, "there is no state %s", hash);
}

static void release_state(void *user, const char *hash)
{
    (void)user, (void)hash;
}

struct null_worker *null_worker_new(const struct null_setup *setup, struct error *err)
{
    const struct outbox_files files = {NULL, read_state, release_state};
    struct null_worker *w = calloc(1, sizeof *w);

    if (!w) {
        err_set(err, ERR_NO_MEMORY, "no memory for a worker");
        return NULL;
    }
    w->setup = *setup;
    w->chance = setup->seed ? setup->seed : 1;
    if (setup->uuid)
        snprintf(w->uuid, sizeof w->uuid, "%s", setup->uuid);
    else
        hash_random(w->uuid);
    session_init(&w->session, draw(w), clock_mono_ms());
    w->outbox = outbox_new(&files, err);
    if (!w->outbox)
        null_worker_free(&w);
    return w;
}

void null_worker_free(struct null_worker **worker)
{
    struct null_worker *w = *worker;

    if (!w)
        return;
    wire_free(&w->wire);
    outbox_free(&w->outbox);
    free(w);
    *worker = NULL;
}

/* ---- sending --------------------------------------------------------------------- */

static bool send_msg(struct null_worker *w, const struct msg *msg)
{
    if (!w->wire || w->now_ms < w->blocked_ms)
        return false;
    if (wire_send(w->wire, NULL, msg, NULL) == 0)
        return true;
    w->blocked_ms = w->now_ms + BLOCKED_MS;
    return false;
}

static uint32_t list_attempts(struct null_worker *w)
{
    uint32_t count = outbox_list(w->outbox, w->running, PROTO_RUNNING_MAX);

    for (size_t i = 0; i < w->hand_count && count < PROTO_RUNNING_MAX; i++)
        w->running[count++] =
            (struct msg_running){.job = w->hand[i].job, .attempt = w->hand[i].attempt};
    return count;
}

static bool send_hello(struct null_worker *w)
{
    const struct msg msg = {.kind = MSG_HELLO,
                            .hello = {.version = PROTO_VERSION,
                                      .worker = slice_of(w->uuid),
                                      .epoch = w->session.epoch,
                                      .host = slice_of("null"),
                                      .pid = (uint32_t)getpid(),
                                      .slots = w->setup.slots,
                                      .threads = 1,
                                      .cores = w->setup.slots,
                                      .running_count = list_attempts(w),
                                      .running = w->running}};

    return send_msg(w, &msg);
}

static bool send_beat(struct null_worker *w)
{
    size_t room = w->setup.slots + w->setup.ahead;
    const struct msg msg = {
        .kind = MSG_BEAT,
        .beat = {.credit = (uint32_t)(room > w->hand_count ? room - w->hand_count : 0),
                 .running_count = list_attempts(w),
                 .running = w->running}};

    return send_msg(w, &msg);
}

static int connect_anew(struct null_worker *w, struct error *err)
{
    wire_free(&w->wire);
    w->count.connects++;
    w->count.up = false;
    w->blocked_ms = 0;
    w->wire = wire_connect(w->setup.endpoint, w->setup.keys, err);
    return w->wire ? 0 : -1;
}

static int run_session(struct null_worker *w, struct error *err)
{
    enum session_do what;

    while ((what = session_next(&w->session, w->now_ms)) != SESSION_WAIT) {
        if (what == SESSION_CONNECT) {
            if (connect_anew(w, err) != 0)
                return -1;
        } else if (what == SESSION_HELLO ? send_hello(w) : send_beat(w)) {
            session_sent(&w->session, w->now_ms);
        } else {
            session_busy(&w->session, w->now_ms);
        }
    }
    return 0;
}

static void note_sent(struct null_worker *w, const struct msg *msg)
{
    if (msg->kind != MSG_RESULT || w->waiting_count == WAITING_MAX)
        return;
    for (size_t i = w->waiting_count; i-- > 0;)
        if (w->waiting[i].job == msg->result.job &&
            w->waiting[i].attempt == msg->result.attempt)
            return;
    w->waiting[w->waiting_count++] =
        (struct waiting){msg->result.job, msg->result.attempt, clock_mono_us()};
}

static void send_goods(struct null_worker *w)
{
    struct msg msg;

    if (w->session.state != SESSION_UP)
        return;
    while (outbox_next(w->outbox, w->now_ms, &msg) && send_msg(w, &msg)) {
        note_sent(w, &msg);
        outbox_sent(w->outbox, w->now_ms);
    }
}

/* ---- jobs ------------------------------------------------------------------------ */

static struct null_job *find(struct null_worker *w, int64_t job)
{
    for (size_t i = 0; i < w->hand_count; i++)
        if (w->hand[i].job == job)
            return &w->hand[i];
    return NULL;
}

/* The order stays: jobs are begun as they came. */
static void drop(struct null_worker *w, struct null_job *job)
{
    size_t at = (size_t)(job - w->hand);

    memmove(job, job + 1, (--w->hand_count - at) * sizeof *job);
}

static void take(struct null_worker *w, const struct msg_job *job)
{
    struct null_job *slot = find(w, job->job);

    if (outbox_has(w->outbox, job->job, job->attempt) ||
        (slot && slot->attempt == job->attempt))
        return;
    if (!slot && w->hand_count < HAND_MAX)
        slot = &w->hand[w->hand_count++];
    if (!slot)
        return;
    *slot = (struct null_job){.job = job->job, .attempt = job->attempt};
    w->count.assigned++;
}

static int finish(struct null_worker *w, const struct null_job *job, struct error *err)
{
    struct msg_history history[4];
    char hash[HASH_TEXT];
    struct msg_state state = {.name = slice_of("final"), .size = 64, .epoch = 1};
    struct msg_result result = {.job = job->job,
                                .attempt = job->attempt,
                                .outcome = OUTCOME_DONE,
                                .seconds = 0.001,
                                .cpu_seconds = 0.001,
                                .rss_bytes = 1 << 20,
                                .epochs = 1,
                                .steps = 8,
                                .history = history,
                                .history_count = 4,
                                .states = &state,
                                .state_count = 1};

    for (uint32_t i = 0; i < 4; i++)
        history[i] = (struct msg_history){.epoch = i / 2,
                                          .split = slice_of(i % 2 ? "test" : "train"),
                                          .tally = {.count = 100,
                                                    .correct = 40 + job->job % 50,
                                                    .sum = 70,
                                                    .sum_sq = 50},
                                          .lr = 0.1 * (i / 2)};
    snprintf(hash, sizeof hash, "%032" PRIx64, (uint64_t)job->job);
    state.hash = slice_of(hash);
    if (w->setup.fails) {
        result.outcome = OUTCOME_FAILED;
        result.cause = slice_of("exit");
        result.message = slice_of("it was told to fail");
        result.log = slice_of("told to fail\n");
        result.history_count = result.state_count = 0;
    }
    return outbox_add(w->outbox, &result, w->now_ms, err);
}

/* End what is due, begin what has a slot. */
static int work(struct null_worker *w, struct error *err)
{
    uint64_t span = 2 * (uint64_t)w->setup.run_ms + 1;
    size_t busy = 0, before = w->hand_count;

    if (w->setup.deaf)
        return 0;
    for (size_t i = 0; i < w->hand_count && busy < w->setup.slots; busy++) {
        struct null_job *job = &w->hand[i];
        if (job->end_ms == 0)
            job->end_ms = w->now_ms + (int64_t)(draw(w) % span);
        if (job->end_ms > w->now_ms) {
            i++;
            continue;
        }
        if (finish(w, job, err) != 0)
            return -1;
        drop(w, job);
    }
    if (w->hand_count != before)
        session_beat_soon(&w->session, w->now_ms);
    return 0;
}

/* ---- hearing --------------------------------------------------------------------- */

static void on_ack(struct null_worker *w, const struct msg_ack *ack)
{
    uint64_t *const counts[] = {[VERDICT_ACCEPTED] = &w->count.accepted,
                                [VERDICT_DUPLICATE] = &w->count.duplicate,
                                [VERDICT_SUPERSEDED] = &w->count.superseded,
                                [VERDICT_REFUSED] = &w->count.refused};

    if (ack->verdict < sizeof counts / sizeof counts[0] && counts[ack->verdict])
        ++*counts[ack->verdict];
    outbox_ack(w->outbox, ack, w->now_ms);
    for (size_t i = 0; i < w->waiting_count; i++) {
        struct waiting *waiting = &w->waiting[i];
        if (waiting->job != ack->job || waiting->attempt != ack->attempt)
            continue;
        if (w->setup.acked)
            w->setup.acked(w->setup.user, ack, clock_mono_us() - waiting->sent_us);
        memmove(waiting, waiting + 1, (--w->waiting_count - i) * sizeof *waiting);
        break;
    }
}

static void on_kill(struct null_worker *w, const struct msg_kill *kill)
{
    struct null_job *job = find(w, kill->job);

    w->count.killed++;
    if (job && job->attempt == kill->attempt)
        drop(w, job);
    outbox_forget(w->outbox, kill->job, kill->attempt);
    session_beat_soon(&w->session, w->now_ms);
}

static int on_error(struct null_worker *w, const struct msg_error *error,
                    struct error *err)
{
    if (error->code == ERR_BUSY)
        session_later(&w->session, w->now_ms);
    if (error->code != ERR_REFUSED)
        return 0;
    return err_set(err, ERR_REFUSED, "the coordinator says: %.*s", (int)error->text.size,
                   error->text.size ? error->text.data : "");
}

static int on_welcome(struct null_worker *w, const struct msg_welcome *welcome,
                      struct error *err)
{
    if (session_welcome(&w->session, welcome, w->now_ms, err) != 0)
        return -1;
    outbox_reset(w->outbox);
    w->count.welcomes++;
    w->count.up = true;
    return 0;
}

static int hear(struct null_worker *w, const struct msg *msg, struct error *err)
{
    session_heard(&w->session, w->now_ms);
    switch ((int)msg->kind) {
    case MSG_WELCOME:
        return on_welcome(w, &msg->welcome, err);
    case MSG_WHO:
        w->count.whos++;
        session_who(&w->session, w->now_ms);
        return 0;
    case MSG_PONG:
        if (w->session.state == SESSION_UP && msg->pong.epoch != w->session.epoch)
            session_who(&w->session, w->now_ms);
        return 0;
    case MSG_ASSIGN:
        for (uint32_t i = 0; i < msg->assign.job_count; i++)
            take(w, &msg->assign.jobs[i]);
        session_beat_soon(&w->session, w->now_ms);
        return 0;
    case MSG_ACK:
        on_ack(w, &msg->ack);
        return 0;
    case MSG_KILL:
        on_kill(w, &msg->kill);
        return 0;
    case MSG_ERROR:
        return on_error(w, &msg->error, err);
    default:
        return 0;
    }
}

static int receive(struct null_worker *w, struct error *err)
{
    struct wire_peer nobody;
    struct error why;
    struct msg msg;
    int rc = 0, got = 1;

    for (int i = 0; rc == 0 && i < RECEIVE_MAX && w->wire && got != 0; i++) {
        got = wire_recv(w->wire, NULL, &msg, &why);
        if (got < 0 && why.code == ERR_REFUSED) {
            *err = why;
            return -1;
        }
        if (got <= 0)
            continue;
        rc = hear(w, &msg, err);
        msg_free(&msg);
    }
    while (w->wire && wire_lost(w->wire, &nobody))
        session_cut(&w->session, w->now_ms);
    return rc;
}

/* ---- turns ----------------------------------------------------------------------- */

int null_worker_turn(struct null_worker *w, struct error *err)
{
    w->now_ms = clock_mono_ms();
    if (receive(w, err) != 0 || work(w, err) != 0)
        return -1;
    send_goods(w);
    return run_session(w, err);
}

int64_t null_worker_deadline(const struct null_worker *w)
{
    int64_t due = session_deadline(&w->session), goods = outbox_deadline(w->outbox);

    if (goods < w->blocked_ms)
        goods = w->blocked_ms;
    if (w->session.state == SESSION_UP && goods < due)
        due = goods;
    for (size_t i = 0; !w->setup.deaf && i < w->hand_count && i < w->setup.slots; i++)
        if (w->hand[i].end_ms < due)
            due = w->hand[i].end_ms;
    return due;
}

static int wait_for_any(struct null_worker *const *workers, size_t count,
                        struct wire_poll *items, int64_t timeout_ms, struct error *err)
{
    int64_t due = clock_mono_ms() + timeout_ms;
    size_t wires = 0;

    for (size_t i = 0; i < count; i++) {
        if (null_worker_deadline(workers[i]) < due)
            due = null_worker_deadline(workers[i]);
        if (workers[i]->wire)
            items[wires++].wire = workers[i]->wire;
    }
    int64_t left_ms = due - clock_mono_ms();
    if (wire_poll(items, wires, left_ms > 0 ? left_ms : 0, err) < 0)
        return -1;
    wires = 0;
    for (size_t i = 0; i < count; i++)
        workers[i]->readable = workers[i]->wire && items[wires++].readable;
    return 0;
}

int null_worker_turn_all(struct null_worker *const *workers, size_t count,
                         int64_t timeout_ms, struct error *err)
{
    struct wire_poll *items = calloc(count ? count : 1, sizeof *items);
    bool crowd = count >= CROWD_MIN;
    int rc;

    if (!items)
        return err_set(err, ERR_NO_MEMORY, "no memory to wait for %zu workers", count);
    if (crowd) /* to look at each socket for every message would be all it does */
        rc = wire_poll(items, 0, timeout_ms < CROWD_MS ? timeout_ms : CROWD_MS, err);
    else
        rc = wait_for_any(workers, count, items, timeout_ms, err);
    free(items);
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; rc >= 0 && i < count; i++)
        if (crowd || workers[i]->readable || null_worker_deadline(workers[i]) <= now_ms)
            rc = null_worker_turn(workers[i], err);
    return rc < 0 ? -1 : 0;
}

struct wire *null_worker_wire(const struct null_worker *w)
{
    return w->wire;
}

const struct null_count *null_worker_count(const struct null_worker *w)
{
    return &w->count;
}

const char *null_worker_uuid(const struct null_worker *w)
{
    return w->uuid;
}

size_t null_worker_hand(const struct null_worker *w)
{
    return w->hand_count + outbox_results(w->outbox);
}

void null_worker_bye(struct null_worker *w)
{
    const struct msg bye = {.kind = MSG_BYE, .bye = {slice_of("told to leave")}};

    w->blocked_ms = 0;
    if (w->session.state == SESSION_UP)
        (void)send_msg(w, &bye);
}
