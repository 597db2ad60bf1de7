#ifndef COORD_CORE_H
#define COORD_CORE_H

/* The coordinator without its sockets: roster, leases, queue, replies and the
 * database, held together. Messages come in through handle.h; the loop (serve.h,
 * or a test with a clock of its own) calls
 *
 *     core_turn(now)  handle_message ... handle_message  core_settle
 *
 * once a turn. What the messages of a turn ask for is one batch: one COMMIT in
 * core_settle, and only then the replies that it makes true.
 *
 * There is one way to recover, and it is the way to start: forget everything in
 * memory, read jobs from the database, and ask whoever speaks to say HELLO
 * again. It follows every failure of the database, so a full disk leaves
 * memory and database in agreement, and the workers send again what was not
 * acknowledged. Until a COMMIT has worked, no job is handed out and no lease ends:
 * a worker that is not heard is not to blame, and has results that wait.
 *
 * It reads no clock and logs nothing itself.
 */

#include "common/log.h"
#include "coordinator/artifact.h"
#include "coordinator/commit.h"
#include "coordinator/dispatch.h"
#include "coordinator/roster.h"
#include "coordinator/store.h"
#include "coordinator/tail.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/* All pointers are borrowed and outlive the core. */
struct core_setup {
    struct store *store; /* open for writing */
    struct artifact_store *artifacts;
    uint64_t epoch; /* names this process; not 0 */
    uint32_t lease_ms, beat_ms;
    /* One encoded message for a peer; may call core_gone. */
    void (*send)(void *user, const struct wire_peer *to, const void *bytes, size_t size);
    /* What the person who runs the coordinator should know. */
    void (*note)(void *user, enum log_level level, const char *text);
    void *user;
};

/* Peers whose malformed or refused messages were mentioned: enough to say it once each,
 * and few enough to bound what strangers can make us remember. */
enum { CORE_BAD_PEERS = 64 };

struct core {
    struct core_setup setup;
    struct roster *roster;
    struct dispatch *dispatch;
    struct commit *commit;
    int64_t now_ms; /* monotonic */
    int64_t wall_ms;
    int64_t drained_ms;   /* when no message was waiting, last */
    int64_t expire_ms;    /* when to look for leases that ran out, and the like */
    int64_t forgiving_ms; /* until then, nobody is blamed for a connection that ends */
    bool loaded;          /* memory agrees with the database */
    bool stalled;         /* the last COMMIT failed: hand out nothing */
    int64_t failed_ms;    /* when it did */
    bool stopping;        /* hand out nothing any more */
    bool suspicious;      /* some worker's suspicion is not empty */
    bool waiting;         /* some lease waits to be started */
    char trouble[256];    /* while stalled: what the database said */
    uint64_t refused;     /* keys, versions and roles */
    char refusal[256];    /* the last of them */
    uint64_t malformed;   /* messages dropped */
    struct wire_peer bad_peers[CORE_BAD_PEERS];
    size_t bad_count; /* ever */
    struct tail_list tails;
};

/* Reads jobs from the database: those that run are held for one lease for the
 * workers that say they have them. NULL with err. */
struct core *core_new(const struct core_setup *setup, int64_t now_ms, int64_t wall_ms,
                      struct error *err);
void core_free(struct core **core);

/* A turn begins. If the last one was long ago, it was the coordinator that was
 * away (stopped, or busy), and every deadline moves by the gap. */
void core_turn(struct core *core, int64_t now_ms, int64_t wall_ms);

/* The turn's messages are handled; drained: none was left waiting. Gives up
 * leases that ran out, hands out jobs, commits, sends. */
void core_settle(struct core *core, bool drained);

/* A message could not be delivered: the connection is gone, and no job is
 * assigned over it. (That it ended is known sooner: see cut.h.) */
void core_gone(struct core *core, const struct wire_peer *peer);

/* How long the loop may wait for messages, at most most_ms. */
int64_t core_wait_ms(const struct core *core, int64_t most_ms);

/* Something that was not a message, or not one for a coordinator, arrived. */
void core_malformed(struct core *core, const struct wire_peer *from, const char *text);

/* Somebody was refused, text says who and why: for `coord status`. */
void core_refused(struct core *core, const char *text);

/* --- for handle.c ----------------------------------------------------------- */

void core_note(struct core *core, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Note something about a peer, unless something was noted about it before; text
 * may be NULL. Returns whether it is the first time. */
bool core_mention(struct core *core, const struct wire_peer *peer, enum log_level level,
                  const char *text);

/* The database failed, err says how: roll back, drop the replies, recover. */
void core_fail(struct core *core, const struct error *err);

/* Put a job that became ready into the queue; after_ms by the wall clock. */
int core_enqueue(struct core *core, const struct store_ready *ready, struct error *err);

/* Read the queue anew from the database. */
int core_load_queue(struct core *core, struct error *err);

/* The worker's attempt, no longer in its leases, ends without a result. */
int core_lose(struct core *core, const struct lease *lease, enum job_cause cause,
              const char *message, struct error *err);

/* Of a HELLO that lists so many attempts: lose what the coordinator before had given to
 * this very process, and it has neither that nor its result: a process that was not
 * started anew lost it on the way. A full list may be cut short. */
int core_lose_missing(struct core *core, struct worker *worker, uint32_t listed,
                      struct error *err);

/* When a lease that is renewed now ends. */
int64_t core_deadline(const struct core *core);

#endif
