#ifndef COORD_SESSION_H
#define COORD_SESSION_H

/* The connection to the coordinator as a state machine: when to open a socket,
 * say HELLO, beat, and give a silent coordinator up. It owns no socket and reads
 * no clock: the caller asks session_next what to do, does it, and says how that
 * went; so a test can make an hour pass in a microsecond.
 *
 *            SESSION_CONNECT          WELCOME
 *     AWAY ------------------> GREETING ------> UP
 *      ^                        |   ^  <-------- |
 *      |  no answer in time     |   |     WHO    |  silent for 3 beats
 *      +------------------------+   +------------+--> (CONNECT again)
 *
 * ZeroMQ reconnects by itself, but a new connection is a stranger to the
 * coordinator, and one that died without a word stays "connected": so silence
 * always means a new socket and HELLO again. A connection that was closed is known at
 * once: HELLO goes out over the next that ZeroMQ makes. How long it waits for an answer
 * doubles from 1 s to 32 s, and each wait has jitter, so that a thousand workers
 * do not come back at once.
 *
 * Times are milliseconds on the monotonic clock.
 */

#include "proto/fields.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

enum session_state { SESSION_AWAY, SESSION_GREETING, SESSION_UP };

enum session_do {
    SESSION_WAIT,    /* nothing before session_deadline */
    SESSION_CONNECT, /* close the socket if there is one, open a new one */
    SESSION_HELLO,   /* send HELLO, then say session_sent or session_busy */
    SESSION_BEAT,    /* send BEAT, likewise */
};

/* A plain value; read its fields, leave writing to the functions. */
struct session {
    enum session_state state;
    uint64_t epoch;            /* of the coordinator last known; 0: none */
    int64_t worker;            /* our row at the coordinator; 0: none yet */
    uint32_t beat_ms, idle_ms; /* between beats with something in hand, and without */
    bool idle;
    int64_t heard_ms;   /* when the coordinator last spoke */
    int64_t next_ms;    /* when to send HELLO or BEAT */
    int64_t give_up_ms; /* when to open a new socket */
    int64_t sent_ms;    /* when HELLO or BEAT was last sent */
    int64_t backoff_ms;
    uint64_t jitter; /* state of a small generator, never 0 */
};

void session_init(struct session *session, uint64_t seed, int64_t now_ms);

/* What to do now. The caller does it and asks again, until SESSION_WAIT. */
enum session_do session_next(struct session *session, int64_t now_ms);

/* The HELLO or BEAT was handed over, or could not be (try again soon). */
void session_sent(struct session *session, int64_t now_ms);
void session_busy(struct session *session, int64_t now_ms);

/* A well-formed message of any kind arrived. */
void session_heard(struct session *session, int64_t now_ms);

/* WELCOME arrived. -1 with ERR_REFUSED when the coordinator speaks another
 * version, ERR_INVALID for times that make no sense. */
int session_welcome(struct session *session, const struct msg_welcome *welcome,
                    int64_t now_ms, struct error *err);

/* WHO arrived: the coordinator does not know this connection. */
void session_who(struct session *session, int64_t now_ms);

/* Whether there is nothing in hand: then beats are rarer, since nothing is lost with a
 * worker that was lost, and a coordinator has many that wait. */
void session_idle(struct session *session, bool idle);

/* The connection has ended, and ZeroMQ makes another. False: there was none. */
bool session_cut(struct session *session, int64_t now_ms);

/* The coordinator is there and cannot take us now: HELLO again after a beat, since
 * a longer wait would be missed when it can. */
void session_later(struct session *session, int64_t now_ms);

/* Something that a BEAT tells has changed: send one now. */
void session_beat_soon(struct session *session, int64_t now_ms);

/* When session_next will next have something to do. */
int64_t session_deadline(const struct session *session);

#endif
