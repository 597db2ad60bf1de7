#include "worker/session.h"

#include "common/error.h"
#include "proto/limits.h"

#include <inttypes.h>

enum {
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 32000,
    /* One HELLO a connection, whoever asks for more, in so long. */
    RETRY_MS = 100,
    /* A message that found no room, or no connection yet, is tried again then: soon,
     * for a coordinator does not wait long (coordinator/cut.h). */
    BUSY_MS = 25,
    /* After a connection ended ZeroMQ may take a message for it yet, and lose it. The
     * next one is not there before 100 ms. */
    CUT_MS = 75,
    /* Beats that news asks for keep this distance: a burst of results makes a
     * few beats, not one each. */
    BEAT_SPACING_MS = 5,
    SILENT_BEATS = 3,
    BEAT_MAX_MS = 600 * 1000,
};

/* xorshift64: jitter needs no better, and a seed of its own per process. */
static int64_t jitter_below(struct session *session, int64_t bound)
{
    session->jitter ^= session->jitter << 13;
    session->jitter ^= session->jitter >> 7;
    session->jitter ^= session->jitter << 17;
    return (int64_t)(session->jitter % (uint64_t)bound);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t interval_ms(const struct session *session)
{
    return session->idle ? session->idle_ms : session->beat_ms;
}

/* So that a third of the lease is left when the beat is due. */
static uint32_t idle_ms(const struct msg_welcome *welcome)
{
    uint32_t idle_ms = welcome->lease_ms - welcome->lease_ms / 3;

    if (idle_ms / 2 > welcome->beat_ms)
        return 2 * welcome->beat_ms;
    return idle_ms > welcome->beat_ms ? idle_ms : welcome->beat_ms;
}

void session_idle(struct session *session, bool idle)
{
    session->idle = idle;
}

void session_init(struct session *session, uint64_t seed, int64_t now_ms)
{
    *session = (struct session){
        .state = SESSION_AWAY,
        .next_ms = now_ms,
        .give_up_ms = now_ms,
        .sent_ms = now_ms - RETRY_MS,
        .backoff_ms = BACKOFF_MIN_MS,
        .jitter = seed ? seed : 1,
    };
}

/* Wait for a WELCOME, longer each time in vain. */
static void greet(struct session *session, int64_t now_ms)
{
    session->state = SESSION_GREETING;
    session->next_ms = now_ms;
    session->give_up_ms =
        now_ms + session->backoff_ms + jitter_below(session, session->backoff_ms / 2);
    session->backoff_ms *= 2;
    if (session->backoff_ms > BACKOFF_MAX_MS)
        session->backoff_ms = BACKOFF_MAX_MS;
}

enum session_do session_next(struct session *session, int64_t now_ms)
{
    if (now_ms >= session->give_up_ms) {
        greet(session, now_ms);
        return SESSION_CONNECT;
    }
    if (now_ms < session->next_ms)
        return SESSION_WAIT;
    return session->state == SESSION_UP ? SESSION_BEAT : SESSION_HELLO;
}

void session_sent(struct session *session, int64_t now_ms)
{
    session->sent_ms = now_ms;
    /* One HELLO a connection: its answer, WHO or a new socket comes next. */
    session->next_ms =
        session->state == SESSION_UP ? now_ms + interval_ms(session) : INT64_MAX;
}

void session_busy(struct session *session, int64_t now_ms)
{
    session->next_ms = now_ms + BUSY_MS;
}

void session_heard(struct session *session, int64_t now_ms)
{
    session->heard_ms = now_ms;
    if (session->state == SESSION_UP)
        session->give_up_ms = now_ms + SILENT_BEATS * interval_ms(session);
}

int session_welcome(struct session *session, const struct msg_welcome *welcome,
                    int64_t now_ms, struct error *err)
{
    if (welcome->version != PROTO_VERSION)
        return err_set(err, ERR_REFUSED,
                       "the coordinator speaks protocol version %" PRIu32
                       ", this worker %d",
                       welcome->version, PROTO_VERSION);
    if (welcome->epoch == 0 || welcome->beat_ms == 0 || welcome->beat_ms > BEAT_MAX_MS)
        return err_set(err, ERR_INVALID,
                       "WELCOME with epoch %" PRIu64 " and a beat of %" PRIu32 " ms",
                       welcome->epoch, welcome->beat_ms);
    session->state = SESSION_UP;
    session->epoch = welcome->epoch;
    session->worker = welcome->worker;
    session->beat_ms = welcome->beat_ms;
    session->idle_ms = idle_ms(welcome);
    session->backoff_ms = BACKOFF_MIN_MS;
    session->next_ms = now_ms; /* the first beat carries the first credit */
    session_heard(session, now_ms);
    return 0;
}

void session_who(struct session *session, int64_t now_ms)
{
    greet(session, now_ms);
    session->next_ms = later(now_ms, session->sent_ms + RETRY_MS);
}

bool session_cut(struct session *session, int64_t now_ms)
{
    if (session->state != SESSION_UP)
        return false;
    greet(session, now_ms);
    session->next_ms = now_ms + CUT_MS;
    return true;
}

void session_later(struct session *session, int64_t now_ms)
{
    int64_t wait_ms = session->beat_ms > 0 ? session->beat_ms : BACKOFF_MIN_MS;

    if (session->state != SESSION_GREETING)
        return;
    session->backoff_ms = BACKOFF_MIN_MS;
    session->next_ms = now_ms + wait_ms;
    session->give_up_ms = session->next_ms + session->backoff_ms +
                          jitter_below(session, session->backoff_ms / 2);
}

void session_beat_soon(struct session *session, int64_t now_ms)
{
    if (session->state != SESSION_UP)
        return;
    int64_t soon = later(now_ms, session->sent_ms + BEAT_SPACING_MS);
    if (soon < session->next_ms)
        session->next_ms = soon;
}

int64_t session_deadline(const struct session *session)
{
    return session->next_ms < session->give_up_ms ? session->next_ms
                                                  : session->give_up_ms;
}
