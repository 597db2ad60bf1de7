#include "worker/daemon.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/log.h"
#include "proto/limits.h"
#include "proto/wire.h"
#include "worker/cache.h"
#include "worker/fetch.h"
#include "worker/hand.h"
#include "worker/kept.h"
#include "worker/outbox.h"
#include "worker/provenance.h"
#include "worker/scratch.h"
#include "worker/session.h"
#include "worker/slot.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    /* Messages taken in one turn, before trials and beats are seen to again. */
    RECEIVE_MAX = 256,
    /* How long to wait when ZeroMQ has no room, or is not connected. */
    BLOCKED_MS = 20,
    POLL_MAX_MS = 60 * 1000,
    /* Before the time is up: for runs to save themselves, and to deliver that. */
    LEAVE_EARLY_MS = SLOT_SAVE_MS + 10 * 1000,
};

struct daemon {
    const struct daemon_setup *setup;
    struct session session;
    struct wire *wire; /* NULL: none yet, or it could not be made */
    struct cache *cache;
    struct scratch *scratch;
    struct fetch *fetch;
    struct outbox *outbox;
    struct hand *hand;
    int signal_fd;
    char uuid[HASH_TEXT];
    char host[256];
    struct buf provenance;
    struct msg_running running[PROTO_RUNNING_MAX]; /* scratch for HELLO and BEAT */
    struct wire_poll items[2 + 2 * HAND_SLOTS_MAX];
    uint64_t assigned; /* jobs that came since WELCOME */
    unsigned terms;    /* how often we were asked to leave */
    int64_t leave_ms;  /* when to leave, its time being nearly up; INT64_MAX: never */
    bool reports;      /* the coordinator takes REPORT */
    bool draining;
    int64_t blocked_ms; /* nothing is sent before */
    int64_t now_ms;     /* of this turn */
    struct error fatal; /* why to give up; ERR_NONE: go on */
    struct error said;  /* the ERROR that was logged last, since WELCOME */
};

/* ---- sending ------------------------------------------------------------------ */

/* Hand one message to ZeroMQ; false when it cannot be now. */
static bool send_msg(struct daemon *d, const struct msg *msg)
{
    struct error err;

    if (!d->wire || d->now_ms < d->blocked_ms)
        return false;
    crash_at(d->setup->crash, CRASH_SEND_BEFORE);
    if (wire_send(d->wire, NULL, msg, &err) == 0) {
        crash_at(d->setup->crash, CRASH_SEND_AFTER);
        return true;
    }
    if (err.code != ERR_BUSY)
        log_line(LOG_WARN, "worker", "cannot send %s: %s", msg_kind_name(msg->kind),
                 err.text);
    d->blocked_ms = d->now_ms + BLOCKED_MS;
    return false;
}

static uint32_t list_attempts(struct daemon *d)
{
    uint32_t count = hand_list(d->hand, d->running, PROTO_RUNNING_MAX);

    return count + outbox_list(d->outbox, d->running + count, PROTO_RUNNING_MAX - count);
}

/* Whole seconds for jobs, at least 1; 0: no limit. */
static uint32_t time_left_s(const struct daemon *d)
{
    const int64_t left_ms = d->leave_ms - d->now_ms;

    if (d->leave_ms == INT64_MAX)
        return 0;
    return left_ms < 1000 ? 1 : (uint32_t)(left_ms / 1000);
}

static bool send_hello(struct daemon *d)
{
    struct msg msg = {
        .kind = MSG_HELLO,
        .hello = {.version = PROTO_VERSION,
                  .worker = slice_of(d->uuid),
                  .epoch = d->session.epoch,
                  .host = slice_of(d->host),
                  .pid = (uint32_t)getpid(),
                  .slots = d->setup->slots,
                  .threads = d->setup->threads,
                  .cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
                  .provenance = {d->provenance.data, d->provenance.size},
                  .running = d->running,
                  .running_count = list_attempts(d),
                  .labels = slice_of(d->setup->labels ? d->setup->labels : ""),
                  .memory = d->setup->memory,
                  .time_left_s = time_left_s(d),
                  .time_limit_s = d->setup->time_limit_s,
                  .retracts = true,
                  .tails = true},
    };

    return send_msg(d, &msg);
}

static uint32_t credit(const struct daemon *d)
{
    return d->draining ? 0 : hand_credit(d->hand);
}

static bool send_beat(struct daemon *d)
{
    struct msg msg = {
        .kind = MSG_BEAT,
        .beat = {.credit = credit(d),
                 .running = d->running,
                 .running_count = list_attempts(d)},
    };

    session_idle(&d->session, msg.beat.running_count == 0);
    return send_msg(d, &msg);
}

/* A new socket: ZeroMQ connects in the background. */
static void reconnect(struct daemon *d)
{
    struct wire_keys keys;
    struct error err;

    if (d->wire)
        log_line(LOG_WARN, "worker", "no word from the coordinator: trying %s again",
                 d->setup->endpoint);
    wire_free(&d->wire);
    if (d->setup->keys) {
        keys = *d->setup->keys;
        keys.met = d->session.worker != 0;
    }
    d->wire = wire_connect(d->setup->endpoint, d->setup->keys ? &keys : NULL, &err);
    if (d->wire)
        return;
    if (err.code == ERR_INVALID || err.code == ERR_REFUSED)
        d->fatal = err;
    else
        log_line(LOG_ERROR, "worker", "%s", err.text);
}

static void run_session(struct daemon *d)
{
    enum session_do what;

    while ((what = session_next(&d->session, d->now_ms)) != SESSION_WAIT) {
        if (what == SESSION_CONNECT)
            reconnect(d);
        else if (what == SESSION_HELLO ? send_hello(d) : send_beat(d))
            session_sent(&d->session, d->now_ms);
        else
            session_busy(&d->session, d->now_ms);
    }
}

/* Results and states out, requests for states: as much as ZeroMQ takes. What runs report
 * is of now or never. */
static void send_goods(struct daemon *d)
{
    struct kept report;
    struct msg msg;

    while (hand_report(d->hand, &report)) {
        if (d->session.state == SESSION_UP && d->reports)
            (void)send_msg(d, &report.msg);
        kept_free(&report);
    }
    if (d->session.state != SESSION_UP)
        return;
    while (outbox_next(d->outbox, d->now_ms, &msg)) {
        if (msg.kind == MSG_RESULT)
            msg.result.room = d->assigned + credit(d);
        if (!send_msg(d, &msg))
            break;
        outbox_sent(d->outbox, d->now_ms);
    }
    while (fetch_next(d->fetch, d->now_ms, &msg) && send_msg(d, &msg))
        fetch_sent(d->fetch, d->now_ms);
}

/* ---- receiving ----------------------------------------------------------------- */

static void start_drain(struct daemon *d, const char *why)
{
    if (!d->draining)
        log_line(LOG_INFO, "worker", "%s: %zu jobs in hand, taking no more", why,
                 hand_count(d->hand));
    d->draining = true;
    session_beat_soon(&d->session, d->now_ms);
}

static void on_welcome(struct daemon *d, const struct msg *msg)
{
    struct error err;

    if (session_welcome(&d->session, &msg->welcome, d->now_ms, &err) != 0) {
        if (err.code == ERR_REFUSED)
            d->fatal = err;
        log_line(LOG_ERROR, "worker", "%s", err.text);
        return;
    }
    d->said = (struct error){0};
    d->assigned = 0;
    outbox_reset(d->outbox);
    fetch_reset(d->fetch);
    hand_checkpoints(d->hand, msg->welcome.checkpoints);
    d->reports = msg->welcome.reports;
    log_line(LOG_INFO, "worker",
             "connected to %s as worker %" PRId64 ": %" PRIu32 " slots",
             d->setup->endpoint, d->session.worker, d->setup->slots);
}

static void on_who(struct daemon *d, const struct msg *msg)
{
    (void)msg;
    session_who(&d->session, d->now_ms);
}

static void on_assign(struct daemon *d, const struct msg *msg)
{
    for (uint32_t i = 0; i < msg->assign.job_count; i++)
        hand_take(d->hand, &msg->assign.jobs[i], d->now_ms);
    d->assigned += msg->assign.job_count;
    session_beat_soon(&d->session, d->now_ms); /* so that it knows they arrived */
}

static void on_ack(struct daemon *d, const struct msg *msg)
{
    static const struct {
        enum log_level level;
        const char *what;
    } verdicts[] = {
        [VERDICT_ACCEPTED] = {LOG_DEBUG, "accepted"},
        [VERDICT_DUPLICATE] = {LOG_INFO, "was committed before"},
        [VERDICT_SUPERSEDED] = {LOG_WARN, "is superseded, dropped"},
        [VERDICT_MISSING] = {LOG_WARN, "lacks a state, sending it again"},
        [VERDICT_REFUSED] = {LOG_ERROR, "was refused, dropped"},
    };
    const struct msg_ack *ack = &msg->ack;

    if (outbox_ack(d->outbox, ack, d->now_ms) == OUTBOX_UNKNOWN)
        return;
    session_beat_soon(&d->session, d->now_ms);
    log_line(verdicts[ack->verdict].level, "worker",
             "job=%" PRId64 " attempt=%" PRIu32 ": the result %s%s%.*s", ack->job,
             ack->attempt, verdicts[ack->verdict].what, ack->text.size ? ": " : "",
             (int)ack->text.size, ack->text.size ? ack->text.data : "");
}

static void on_put_ok(struct daemon *d, const struct msg *msg)
{
    outbox_put_ok(d->outbox, &msg->put_ok, d->now_ms);
}

static void on_chunk(struct daemon *d, const struct msg *msg)
{
    fetch_chunk(d->fetch, &msg->chunk, d->now_ms);
}

/* The attempt is not the job's any more, or its job was cancelled. For a result
 * that was committed the ACK comes first, and then nothing is here to stop. */
static void on_kill(struct daemon *d, const struct msg *msg)
{
    const struct msg_kill *order = &msg->kill;
    const char *what = NULL;

    if (hand_kill(d->hand, order->job, order->attempt, order->save, d->now_ms))
        what = order->save ? "ending" : "stopping";
    else if (!order->save && outbox_forget(d->outbox, order->job, order->attempt))
        what = "the result is dropped";
    if (!what)
        return;
    log_line(order->save ? LOG_INFO : LOG_WARN, "worker",
             "job=%" PRId64 " attempt=%" PRIu32 ": %s: %.*s", order->job, order->attempt,
             what, (int)order->text.size, order->text.size ? order->text.data : "");
    session_beat_soon(&d->session, d->now_ms);
}

/* It waits here, and another worker has nothing to do. */
static void on_retract(struct daemon *d, const struct msg *msg)
{
    if (hand_retract(d->hand, msg->retract.job, msg->retract.attempt, d->now_ms))
        session_beat_soon(&d->session, d->now_ms);
}

static void on_tail(struct daemon *d, const struct msg *msg)
{
    struct msg output;

    if (hand_output(d->hand, &msg->tail, &output))
        (void)send_msg(d, &output); /* else it is asked for again */
}

static void on_drain(struct daemon *d, const struct msg *msg)
{
    (void)msg;
    start_drain(d, "the coordinator drains this worker");
}

/* The answer to a beat. Another epoch is another process, which does not know
 * this connection's HELLO. */
static void on_pong(struct daemon *d, const struct msg *msg)
{
    if (d->session.state == SESSION_UP && msg->pong.epoch != d->session.epoch)
        session_who(&d->session, d->now_ms);
}

static void on_error(struct daemon *d, const struct msg *msg)
{
    struct slice text = msg->error.text;
    struct error err;

    err_set(&err, (enum err_code)msg->error.code, "the coordinator says: %.*s",
            (int)text.size, text.size ? text.data : "");
    if (err.code == ERR_REFUSED)
        d->fatal = err;
    if (err.code == ERR_BUSY)
        session_later(&d->session, d->now_ms);
    if (strcmp(d->said.text, err.text) != 0)
        log_line(LOG_ERROR, "worker", "%s", err.text);
    d->said = err;
}

static void (*const HANDLERS[])(struct daemon *, const struct msg *) = {
    [MSG_WELCOME] = on_welcome, [MSG_WHO] = on_who,         [MSG_ASSIGN] = on_assign,
    [MSG_ACK] = on_ack,         [MSG_PUT_OK] = on_put_ok,   [MSG_CHUNK] = on_chunk,
    [MSG_KILL] = on_kill,       [MSG_DRAIN] = on_drain,     [MSG_PONG] = on_pong,
    [MSG_ERROR] = on_error,     [MSG_RETRACT] = on_retract, [MSG_TAIL] = on_tail,
};

static void receive(struct daemon *d)
{
    struct wire_peer from;
    struct msg msg;
    struct error err;
    int got = 1;

    for (int i = 0; i < RECEIVE_MAX && d->wire && got != 0; i++) {
        got = wire_recv(d->wire, &from, &msg, &err);
        if (got < 0 && err.code == ERR_REFUSED)
            d->fatal = err;
        else if (got < 0)
            log_line(LOG_WARN, "worker", "dropped a malformed message: %s", err.text);
        if (got <= 0)
            continue;
        session_heard(&d->session, d->now_ms);
        if ((size_t)msg.kind < sizeof HANDLERS / sizeof HANDLERS[0] && HANDLERS[msg.kind])
            HANDLERS[msg.kind](d, &msg);
        else
            log_line(LOG_WARN, "worker", "dropped a %s: not for a worker",
                     msg_kind_name(msg.kind));
        msg_free(&msg);
    }
    while (d->wire && wire_lost(d->wire, &from))
        if (session_cut(&d->session, d->now_ms))
            log_line(LOG_WARN, "worker", "the connection to the coordinator has ended");
}

/* ---- signals -------------------------------------------------------------------- */

static void on_leave_signal(struct daemon *d)
{
    if (d->terms++ == 0) {
        start_drain(d, "told to leave");
        hand_leave(d->hand, d->now_ms);
        return;
    }
    log_line(LOG_WARN, "worker", "told again: stopping %zu jobs", hand_count(d->hand));
    hand_stop(d->hand, d->now_ms);
}

static void watch_time(struct daemon *d)
{
    if (d->terms > 0 || d->now_ms < d->leave_ms)
        return;
    d->terms = 1;
    start_drain(d, "the time limit is near");
    hand_leave(d->hand, d->now_ms);
}

/* SIGCHLD needs no answer but the turn of the slots that follows every wake. */
static void read_signals(struct daemon *d)
{
    struct signalfd_siginfo info;

    while (read(d->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            on_leave_signal(d);
}

static int open_signals(struct daemon *d, struct error *err)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) == 0)
        d->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return d->signal_fd < 0 ? err_errno(err, ERR_IO, "cannot watch signals") : 0;
}

/* ---- the loop ------------------------------------------------------------------- */

static int64_t poll_timeout(const struct daemon *d)
{
    int64_t due = clock_earlier(session_deadline(&d->session), hand_deadline(d->hand));

    if (d->session.state == SESSION_UP) {
        int64_t goods =
            clock_earlier(outbox_deadline(d->outbox), fetch_deadline(d->fetch));
        due = clock_earlier(due, goods < d->blocked_ms ? d->blocked_ms : goods);
    }
    if (d->terms == 0)
        due = clock_earlier(due, d->leave_ms);
    if (due <= d->now_ms)
        return 0;
    return clock_earlier(due - d->now_ms, POLL_MAX_MS);
}

static int wait_for_events(struct daemon *d, struct error *err)
{
    size_t count = 0;

    d->items[count++] = (struct wire_poll){.fd = d->signal_fd};
    if (d->wire)
        d->items[count++] = (struct wire_poll){.wire = d->wire};
    count += hand_watch(d->hand, d->items + count);
    return wire_poll(d->items, count, poll_timeout(d), err) < 0 ? -1 : 0;
}

/* Nothing left to do here, or no reason to stay for it. */
static bool is_over(const struct daemon *d)
{
    return d->draining && hand_count(d->hand) == 0 &&
           (outbox_count(d->outbox) == 0 || d->terms > 1);
}

static void turn(struct daemon *d)
{
    d->now_ms = clock_mono_ms();
    read_signals(d);
    watch_time(d);
    receive(d);
    if (hand_turn(d->hand, d->now_ms))
        session_beat_soon(&d->session, d->now_ms);
    /* Results first: the beat then asks for jobs with the slots they freed. */
    send_goods(d);
    run_session(d);
}

static void leave(struct daemon *d)
{
    const char *why = d->terms > 1 ? "stopped" : "drained";
    const struct msg bye = {.kind = MSG_BYE, .bye = {.text = slice_of(why)}};

    if (outbox_results(d->outbox) > 0)
        log_line(LOG_WARN, "worker", "%zu results were not delivered",
                 outbox_results(d->outbox));
    d->blocked_ms = 0;
    if (d->session.state == SESSION_UP)
        (void)send_msg(d, &bye);
    log_line(LOG_INFO, "worker", "leaving");
}

static int loop(struct daemon *d, struct error *err)
{
    for (;;) {
        turn(d);
        if (d->fatal.code != ERR_NONE) {
            *err = d->fatal;
            return -1;
        }
        if (is_over(d)) {
            leave(d);
            return 0;
        }
        if (wait_for_events(d, err) != 0)
            return -1;
    }
}

/* ---- life ----------------------------------------------------------------------- */

static int read_state(void *user, const char *hash, uint64_t offset, void *data,
                      size_t size, struct error *err)
{
    return cache_read(user, hash, offset, data, size, err);
}

static void release_state(void *user, const char *hash)
{
    cache_unpin(user, hash);
}

static int open_parts(struct daemon *d, struct error *err)
{
    const struct daemon_setup *setup = d->setup;

    /* One descriptor per state that waits for its delivery, thousands when the
     * coordinator is away. */
    file_raise_limit();
    if (open_signals(d, err) != 0 ||
        !(d->cache = cache_open(setup->cache_dir, setup->cache_size_max, err)) ||
        !(d->scratch = scratch_open(setup->cache_dir, err)) ||
        !(d->fetch = fetch_new(d->cache, scratch_dir(d->scratch), err)))
        return -1;
    cache_set_crash(d->cache, setup->crash);
    const struct outbox_files files = {d->cache, read_state, release_state};
    if (!(d->outbox = outbox_new(&files, err)))
        return -1;
    const struct hand_setup hand = {.slots = setup->slots,
                                    .threads = setup->threads,
                                    .checkpoint_ms = setup->checkpoint_ms,
                                    .data_dir = setup->data_dir,
                                    .trial = setup->trial,
                                    .cache = d->cache,
                                    .scratch = d->scratch,
                                    .fetch = d->fetch,
                                    .outbox = d->outbox};
    if (!(d->hand = hand_new(&hand, err)))
        return -1;
    provenance_json(&d->provenance, "", "", "");
    if (d->provenance.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory to begin");
    return 0;
}

static void close_parts(struct daemon *d)
{
    wire_free(&d->wire);
    hand_free(&d->hand);
    outbox_free(&d->outbox);
    fetch_free(&d->fetch);
    scratch_free(&d->scratch);
    cache_free(&d->cache);
    buf_free(&d->provenance);
    if (d->signal_fd >= 0)
        close(d->signal_fd);
}

int daemon_run(const struct daemon_setup *setup, struct error *err)
{
    struct daemon *d = calloc(1, sizeof *d);
    int rc = -1;

    if (!d)
        return err_set(err, ERR_NO_MEMORY, "no memory to begin");
    d->setup = setup;
    d->signal_fd = -1;
    hash_random(d->uuid);
    provenance_host(d->host);
    if (setup->name)
        snprintf(d->host, sizeof d->host, "%s", setup->name);
    /* Of a short time a quarter must do. */
    const int64_t limit_ms = 1000 * (int64_t)setup->time_limit_s;
    const int64_t early_ms =
        limit_ms / 4 < LEAVE_EARLY_MS ? limit_ms / 4 : LEAVE_EARLY_MS;
    d->leave_ms = limit_ms ? clock_mono_ms() + limit_ms - early_ms : INT64_MAX;
    /* 15 of the digits are a random number that no other worker has. */
    char seed[16];
    snprintf(seed, sizeof seed, "%.15s", d->uuid);
    session_init(&d->session, strtoull(seed, NULL, 16), clock_mono_ms());
    if (open_parts(d, err) == 0)
        rc = loop(d, err);
    close_parts(d);
    free(d);
    return rc;
}
