#ifndef COORD_SIM_WORLD_H
#define COORD_SIM_WORLD_H

/* A simulated world for test_sim.c: chance, a network that drops, doubles, delays
 * and cuts, and the coordinator's real core in a process that can be killed. Time
 * is the test's. */

#include "common/rng.h"
#include "coordinator/cut.h"
#include "tests/sim/corekit.h"
#include "worker/outbox.h"
#include "worker/session.h"

enum {
    STEP_MS = 10,
    LEASE_MS = 3000,
    BEAT_MS = 1000,
    CHAOS_MS = 60 * 1000, /* after that the world is kind, and all must end */
    END_MS = 30 * 60 * 1000,
    WORKERS_MAX = 300,
    SLOTS_MAX = 3,
    HAND_MAX = 64,
    PACKETS_MAX = 20000,
    ENDED_MAX = 4096,
    JOBS_MAX = 1000,
    CLIENT = 1, /* connection of the one who submits */
};

struct packet {
    int64_t at_ms;
    int conn;
    bool up; /* to the coordinator */
    struct buf bytes;
};

struct trial {
    int64_t job;
    uint32_t attempt;
    bool probe;
    int64_t end_ms; /* 0: waits for a slot */
    bool told;      /* it has reported */
};

struct actor { /* a worker daemon */
    bool alive;
    int64_t back_ms; /* stopped, or dead, until then */
    char uuid[HASH_TEXT];
    int conn; /* 0: not connected */
    bool socket;
    int64_t connect_ms;
    int64_t up_ms, down_ms; /* arrival of the last packet: order is kept */
    int slots;
    struct session session;
    struct outbox *outbox;
    struct trial hand[HAND_MAX];
    int hand_count;
};

/* Chances per step and actor, or per message. */
struct odds {
    double cut, kill, stop, leave;
    double crash, away, full;
    double drop, twice;
    double meddle; /* by a person */
};

struct sim {
    struct kit kit;
    char artifact_dir[80];
    struct artifact_store *artifacts;
    struct core *core; /* NULL: not running */
    int64_t core_back_ms, full_until_ms;
    uint64_t epoch;
    struct rng rng;
    struct odds odds;
    int64_t now_ms;
    struct actor actors[WORKERS_MAX];
    int actor_count;
    int conn_last, uuid_last;
    struct packet packets[PACKETS_MAX]; /* in order of sending */
    int packet_count;
    int ended[ENDED_MAX]; /* connections, of which the coordinator will hear */
    int ended_count;
    int accepted[JOBS_MAX]; /* attempt whose result was acknowledged */
    int saved[JOBS_MAX];    /* attempt that ended early, as it was told */
    char hash_of[JOBS_MAX][HASH_TEXT];
    char request[HASH_TEXT];
    bool submitted, verbose, meddled;
    bool stops; /* a rule stops runs early, and people have jobs run again */
};

/* ---- chance ---------------------------------------------------------------- */

static inline bool chance(struct sim *sim, double odds)
{
    return odds > 0 && rng_uniform(&sim->rng) < odds;
}

static inline int64_t up_to(struct sim *sim, int64_t ms)
{
    return (int64_t)rng_below(&sim->rng, (uint32_t)ms);
}

/* A trial that a signal ends; a fact about the attempt, not about the network. */
static inline bool is_doomed(int64_t job, uint32_t attempt)
{
    return (job * 7 + attempt * 13) % 29 == 0;
}

/* ---- the state of a run: a function of its job ------------------------------ */

static inline size_t state_size(int64_t job)
{
    return job % 8 == 0 ? 300000 : 500; /* two pieces, or one */
}

static inline void state_bytes(int64_t job, uint64_t offset, char *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)((offset + i) * 31 + (uint64_t)job * 17);
}

static inline const char *state_hash(struct sim *sim, int64_t job)
{
    static char bytes[300000];

    if (!sim->hash_of[job][0]) {
        state_bytes(job, 0, bytes, state_size(job));
        hash_bytes(bytes, state_size(job), sim->hash_of[job]);
    }
    return sim->hash_of[job];
}

static inline int read_state(void *user, const char *hash, uint64_t offset, void *data,
                             size_t size, struct error *err)
{
    struct sim *sim = user;

    for (int64_t job = 0; job < JOBS_MAX; job++) {
        if (strcmp(sim->hash_of[job], hash) == 0) {
            state_bytes(job, offset, data, size);
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no state %s", hash);
}

static inline void release_state(void *user, const char *hash)
{
    (void)user, (void)hash;
}

/* ---- the network ------------------------------------------------------------ */

static inline struct wire_peer peer_of(int conn)
{
    struct wire_peer peer = {.size = 5, .role = WIRE_ANYBODY};

    memcpy(peer.id + 1, &conn, sizeof conn);
    return peer;
}

static inline struct actor *actor_of(struct sim *sim, int conn)
{
    for (int i = 0; i < sim->actor_count; i++)
        if (sim->actors[i].conn == conn)
            return &sim->actors[i];
    return NULL;
}

static inline void post(struct sim *sim, struct actor *actor, bool up, const void *bytes,
                        size_t size)
{
    int64_t *last_ms = up ? &actor->up_ms : &actor->down_ms;
    int copies = chance(sim, sim->odds.drop) ? 0 : chance(sim, sim->odds.twice) ? 2 : 1;

    for (; copies > 0; copies--) {
        int64_t at_ms = sim->now_ms + 1 + up_to(sim, 40);
        assert_true(sim->packet_count < PACKETS_MAX);
        struct packet *packet = &sim->packets[sim->packet_count++];
        *last_ms = at_ms > *last_ms ? at_ms : *last_ms;
        *packet = (struct packet){.at_ms = *last_ms, .conn = actor->conn, .up = up};
        buf_add(&packet->bytes, bytes, size);
    }
}

/* The next packet in one direction that may be delivered, taken out. Packets of
 * one connection arrive in the order they were sent. */
static inline bool take_packet(struct sim *sim, bool up,
                               bool (*may)(struct sim *, int conn), struct packet *ret)
{
    for (int i = 0; i < sim->packet_count; i++) {
        struct packet *packet = &sim->packets[i];
        if (packet->up != up || packet->at_ms > sim->now_ms || !may(sim, packet->conn))
            continue;
        *ret = *packet;
        memmove(packet, packet + 1, (size_t)(--sim->packet_count - i) * sizeof *packet);
        return true;
    }
    return false;
}

/* Either side may hear of it, or not. */
static inline void cut(struct sim *sim, struct actor *actor)
{
    int kept = 0;

    if (actor->conn && sim->core && chance(sim, 0.7) && sim->ended_count < ENDED_MAX)
        sim->ended[sim->ended_count++] = actor->conn;
    if (actor->conn && chance(sim, 0.7))
        session_cut(&actor->session, sim->now_ms);

    for (int i = 0; i < sim->packet_count; i++) {
        if (actor->conn && sim->packets[i].conn == actor->conn)
            buf_free(&sim->packets[i].bytes);
        else
            sim->packets[kept++] = sim->packets[i];
    }
    sim->packet_count = kept;
    actor->conn = 0;
    actor->up_ms = actor->down_ms = 0;
    actor->connect_ms = sim->now_ms + 100 + up_to(sim, 400);
}

/* ---- the coordinator -------------------------------------------------------- */

/* Whether the job was to run again after an attempt that had ended well. */
static inline bool is_rerun(struct sim *sim, int64_t job, int attempt)
{
    char sql[128];

    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM event WHERE job = %d AND event = 'rerun'"
             " AND attempt >= %d",
             (int)job, attempt);
    return sim->stops && kit_int(sim->kit.store, sql) > 0;
}

static inline void check_ack(struct sim *sim, const struct msg_ack *ack)
{
    if (ack->verdict == VERDICT_REFUSED)
        fail_msg("refused: %.*s", (int)ack->text.size, ack->text.data);
    if (ack->verdict != VERDICT_ACCEPTED || is_doomed(ack->job, ack->attempt) ||
        sim->saved[ack->job] == (int)ack->attempt)
        return;
    if (sim->accepted[ack->job] != 0 && !is_rerun(sim, ack->job, sim->accepted[ack->job]))
        fail_msg("job %d was accepted from attempts %d and %d", (int)ack->job,
                 sim->accepted[ack->job], (int)ack->attempt);
    sim->accepted[ack->job] = (int)ack->attempt;
}

static inline void core_says(void *user, const struct wire_peer *to, const void *bytes,
                             size_t size)
{
    struct sim *sim = user;
    struct msg msg;
    int conn;

    memcpy(&conn, to->id + 1, sizeof conn);
    MUST(msg_decode(bytes, size, &msg, err) == 0);
    if (msg.kind == MSG_ACK)
        check_ack(sim, &msg.ack);
    if (msg.kind == MSG_SUBMITTED)
        sim->submitted = true;
    msg_free(&msg);
    if (conn == CLIENT)
        return;
    struct actor *actor = actor_of(sim, conn);
    if (actor)
        post(sim, actor, false, bytes, size);
    else
        core_gone(sim->core, to);
}

static inline void core_notes(void *user, enum log_level level, const char *text)
{
    const struct sim *sim = user;

    (void)level;
    if (sim->verbose)
        print_message("%8.2f %s\n", (double)sim->now_ms / 1000, text);
}

static inline void core_starts(struct sim *sim)
{
    const struct core_setup setup = {.store = sim->kit.store,
                                     .artifacts = sim->artifacts,
                                     .epoch = ++sim->epoch,
                                     .lease_ms = LEASE_MS,
                                     .beat_ms = BEAT_MS,
                                     .send = core_says,
                                     .note = core_notes,
                                     .user = sim};
    MUST((sim->core = core_new(&setup, sim->now_ms, NOW + sim->now_ms, err)) != NULL);
}

/* SIGKILL: what is not committed never was, and all connections end. */
static inline void core_dies(struct sim *sim)
{
    core_free(&sim->core);
    sim->ended_count = 0;
    store_close(&sim->kit.store);
    artifact_close(&sim->artifacts);
    for (int i = 0; i < sim->actor_count; i++)
        cut(sim, &sim->actors[i]);
    sim->core_back_ms = sim->now_ms + up_to(sim, 4000);
}

static inline void core_comes_back(struct sim *sim)
{
    MUST((sim->kit.store = store_open(sim->kit.path, true, err)) != NULL);
    MUST((sim->artifacts = artifact_open(sim->artifact_dir, err)) != NULL);
    core_starts(sim);
}

static inline bool anyone(struct sim *sim, int conn)
{
    (void)sim, (void)conn;
    return true;
}

static inline void core_submits(struct sim *sim, const char *grid)
{
    const struct wire_peer from = peer_of(CLIENT);
    const struct msg msg = {.kind = MSG_SUBMIT,
                            .submit = {.version = PROTO_VERSION,
                                       .request = slice_of(sim->request),
                                       .file = slice_of("grid.toml"),
                                       .grid = slice_of(grid)}};
    handle_message(sim->core, &from, &msg);
}

static inline void core_is_told(struct sim *sim, struct msg_control control)
{
    const struct wire_peer from = peer_of(CLIENT);
    char request[HASH_TEXT];

    hash_random(request);
    control.version = PROTO_VERSION;
    control.request = slice_of(request);
    const struct msg msg = {.kind = MSG_CONTROL, .control = control};
    handle_message(sim->core, &from, &msg);
}

/* Somebody cancels, retries, pauses and so on without much thought. */
static inline void meddle(struct sim *sim)
{
    struct msg_range range = {1 + up_to(sim, 24), 0};

    range.last = range.first + up_to(sim, 4);
    core_is_told(sim, (struct msg_control){
                          .verb = (uint32_t)(CONTROL_CANCEL + up_to(sim, CONTROL_LIMIT)),
                          .jobs = &range,
                          .job_count = 1,
                          .sweep = 1,
                          .force = sim->stops && chance(sim, 0.5),
                          .priority = (uint32_t)(PROTO_PRIORITY_ZERO - 2 + up_to(sim, 5)),
                          .max_running = (uint64_t)up_to(sim, 4)});
}

/* And in the end wants all of it done. */
static inline void relent(struct sim *sim)
{
    struct query *query;

    if (!sim->core->loaded || !sim->submitted)
        return;
    core_is_told(sim, (struct msg_control){.verb = CONTROL_RESUME, .sweep = 1});
    core_is_told(sim, (struct msg_control){.verb = CONTROL_LIMIT, .sweep = 1});
    MUST((query =
              query_open(sim->kit.store, "SELECT id FROM job WHERE state = 'cancelled'",
                         NULL, 0, err)) != NULL);
    struct msg_range ranges[JOBS_MAX];
    uint32_t count = 0;
    while (query_next(query, NULL) == 1) {
        ranges[count].first = ranges[count].last = query_int(query, 0);
        count++;
    }
    query_close(&query);
    core_is_told(sim, (struct msg_control){
                          .verb = CONTROL_RETRY, .jobs = ranges, .job_count = count});
}

static inline void core_acts(struct sim *sim, const char *grid)
{
    struct packet packet;
    struct msg msg;

    core_turn(sim->core, sim->now_ms, NOW + sim->now_ms);
    while (sim->ended_count > 0) {
        const struct wire_peer from = peer_of(sim->ended[--sim->ended_count]);
        cut_begin(sim->core, &from);
    }
    if (!sim->submitted && sim->now_ms % 500 == 0)
        core_submits(sim, grid);
    if (sim->submitted && chance(sim, sim->odds.meddle))
        meddle(sim);
    if (sim->meddled && sim->now_ms > CHAOS_MS && sim->now_ms % 500 == 0)
        relent(sim);
    while (take_packet(sim, true, anyone, &packet)) {
        const struct wire_peer from = peer_of(packet.conn);
        MUST(msg_decode(packet.bytes.data, packet.bytes.size, &msg, err) == 0);
        handle_message(sim->core, &from, &msg);
        msg_free(&msg);
        buf_free(&packet.bytes);
    }
    if (chance(sim, sim->odds.crash)) {
        core_dies(sim); /* with a batch that was begun, as often as not */
        return;
    }
    if (chance(sim, 0.01))
        (void)store_checkpoint(sim->kit.store, 0, NULL);
    core_settle(sim->core, true);
}

#endif
