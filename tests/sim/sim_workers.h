#ifndef COORD_SIM_WORKERS_H
#define COORD_SIM_WORKERS_H

/* Simulated daemons for test_sim.c, with the real sessions and outboxes, and what
 * befalls them; step() moves the whole world on. */

#include "tests/sim/sim_world.h"

/* ---- the workers ------------------------------------------------------------ */

static inline void actor_starts(struct sim *sim, struct actor *actor)
{
    const struct outbox_files files = {sim, read_state, release_state};

    *actor = (struct actor){.alive = true, .slots = 1 + (int)up_to(sim, SLOTS_MAX)};
    snprintf(actor->uuid, sizeof actor->uuid, "%032x", (unsigned)++sim->uuid_last);
    session_init(&actor->session, (uint64_t)sim->uuid_last * 7919, sim->now_ms);
    MUST((actor->outbox = outbox_new(&files, err)) != NULL);
}

static inline void actor_dies(struct sim *sim, struct actor *actor)
{
    cut(sim, actor);
    outbox_free(&actor->outbox);
    actor->alive = false;
    actor->back_ms = sim->now_ms + up_to(sim, 3000);
}

static inline bool actor_sends(struct sim *sim, struct actor *actor,
                               const struct msg *msg)
{
    struct buf bytes = {0};

    if (!actor->conn)
        return false;
    MUST(msg_encode(msg, &bytes, err) == 0);
    post(sim, actor, true, bytes.data, bytes.size);
    buf_free(&bytes);
    return true;
}

static inline struct trial *find_trial(struct actor *actor, int64_t job)
{
    for (int i = 0; i < actor->hand_count; i++)
        if (actor->hand[i].job == job)
            return &actor->hand[i];
    return NULL;
}

static inline void drop_trial(struct actor *actor, struct trial *trial)
{
    *trial = actor->hand[--actor->hand_count];
}

static inline void take_job(struct actor *actor, const struct msg_job *job)
{
    struct trial *trial = find_trial(actor, job->job);

    if (outbox_has(actor->outbox, job->job, job->attempt) ||
        (trial && trial->attempt == job->attempt))
        return; /* the same ASSIGN again */
    if (!trial) {
        assert_true(actor->hand_count < HAND_MAX);
        trial = &actor->hand[actor->hand_count++];
    }
    *trial = (struct trial){
        .job = job->job, .attempt = job->attempt, .probe = job->input_count > 0};
}

/* It was told to end, and does, without a result. */
static inline void save_trial(struct sim *sim, struct actor *actor, struct trial *trial)
{
    struct msg_result result = kit_result(trial->job, trial->attempt);

    result.outcome = OUTCOME_FAILED;
    result.cause = slice_of("preempted");
    sim->saved[trial->job] = (int)trial->attempt;
    MUST(outbox_add(actor->outbox, &result, sim->now_ms, err) == 0);
    drop_trial(actor, trial);
}

/* Runs tell how well they do, once, on the way. */
static inline void report_trial(struct sim *sim, struct actor *actor, struct trial *trial)
{
    struct msg_history row = {.epoch = 1,
                              .split = slice_of("test"),
                              .tally = kit_tally((double)(trial->job % 5), 2)};
    const struct msg msg = {.kind = MSG_REPORT,
                            .report = {trial->job, trial->attempt, &row, 1}};

    trial->told = true;
    if (actor->session.state == SESSION_UP)
        (void)actor_sends(sim, actor, &msg);
}

static inline void actor_hears(struct sim *sim, struct actor *actor,
                               const struct msg *msg)
{
    struct trial *trial;
    struct error err;

    session_heard(&actor->session, sim->now_ms);
    switch ((int)msg->kind) {
    case MSG_WELCOME:
        assert_int_equal(
            session_welcome(&actor->session, &msg->welcome, sim->now_ms, &err), 0);
        outbox_reset(actor->outbox);
        break;
    case MSG_ERROR:
        assert_int_equal(msg->error.code, ERR_BUSY);
        session_later(&actor->session, sim->now_ms);
        break;
    case MSG_WHO:
        session_who(&actor->session, sim->now_ms);
        break;
    case MSG_ASSIGN:
        for (uint32_t i = 0; i < msg->assign.job_count; i++)
            take_job(actor, &msg->assign.jobs[i]);
        break;
    case MSG_ACK:
        outbox_ack(actor->outbox, &msg->ack, sim->now_ms);
        break;
    case MSG_PUT_OK:
        outbox_put_ok(actor->outbox, &msg->put_ok, sim->now_ms);
        break;
    case MSG_KILL:
        trial = find_trial(actor, msg->kill.job);
        if (trial && trial->attempt != msg->kill.attempt)
            trial = NULL;
        if (msg->kill.save) {
            if (trial && trial->end_ms > 0)
                save_trial(sim, actor, trial);
            break;
        }
        if (trial)
            drop_trial(actor, trial);
        outbox_forget(actor->outbox, msg->kill.job, msg->kill.attempt);
        break;
    case MSG_PONG:
        if (actor->session.state == SESSION_UP && msg->pong.epoch != actor->session.epoch)
            session_who(&actor->session, sim->now_ms);
        break;
    default:
        fail_msg("a worker got %s", msg_kind_name(msg->kind));
    }
    session_beat_soon(&actor->session, sim->now_ms);
}

static inline void finish_trial(struct sim *sim, struct actor *actor, struct trial *trial)
{
    struct kit_rows rows;
    struct msg_result result = trial->probe
                                   ? kit_probe_result(trial->job, trial->attempt, &rows)
                                   : kit_run_result(trial->job, trial->attempt, &rows);

    assert_true(trial->job < JOBS_MAX);
    if (is_doomed(trial->job, trial->attempt)) {
        result = kit_result(trial->job, trial->attempt);
        result.outcome = OUTCOME_FAILED;
        result.cause = slice_of("signal");
    } else if (!trial->probe) {
        rows.states[1].hash = slice_of(state_hash(sim, trial->job));
        rows.states[1].size = state_size(trial->job);
    }
    MUST(outbox_add(actor->outbox, &result, sim->now_ms, err) == 0);
    drop_trial(actor, trial);
    session_beat_soon(&actor->session, sim->now_ms);
}

static inline int busy_slots(const struct actor *actor)
{
    int busy = 0;

    for (int i = 0; i < actor->hand_count; i++)
        busy += actor->hand[i].end_ms > 0;
    return busy;
}

static inline void work(struct sim *sim, struct actor *actor)
{
    for (int i = actor->hand_count; i-- > 0;)
        if (actor->hand[i].end_ms > 0 && actor->hand[i].end_ms <= sim->now_ms)
            finish_trial(sim, actor, &actor->hand[i]);
    for (int i = 0; sim->stops && i < actor->hand_count; i++)
        if (!actor->hand[i].told && !actor->hand[i].probe && actor->hand[i].end_ms > 0 &&
            chance(sim, 0.02))
            report_trial(sim, actor, &actor->hand[i]);
    for (int i = 0; i < actor->hand_count && busy_slots(actor) < actor->slots; i++)
        if (actor->hand[i].end_ms == 0)
            actor->hand[i].end_ms = sim->now_ms + 200 + up_to(sim, 3000);
}

static inline uint32_t list_hand(const struct actor *actor, struct msg_running *rows,
                                 uint32_t max)
{
    uint32_t count = outbox_list(actor->outbox, rows, max);

    for (int i = 0; i < actor->hand_count && count < max; i++)
        rows[count++] = (struct msg_running){.job = actor->hand[i].job,
                                             .attempt = actor->hand[i].attempt};
    return count;
}

static inline bool speak(struct sim *sim, struct actor *actor, enum session_do what)
{
    struct msg_running rows[2 * HAND_MAX];
    uint32_t count = list_hand(actor, rows, 2 * HAND_MAX);
    int room = actor->slots + 1 - actor->hand_count; /* one ahead */
    struct msg hello = ck_hello(actor->uuid, rows, count);

    hello.hello.epoch = actor->session.epoch;
    struct msg beat = ck_beat(room > 0 ? (uint32_t)room : 0, rows, count);
    return actor_sends(sim, actor, what == SESSION_HELLO ? &hello : &beat);
}

static inline void actor_acts(struct sim *sim, struct actor *actor)
{
    enum session_do what;
    struct msg msg;

    if (actor->socket && !actor->conn && sim->core && sim->now_ms >= actor->connect_ms)
        actor->conn = ++sim->conn_last;
    work(sim, actor);
    while (actor->session.state == SESSION_UP &&
           outbox_next(actor->outbox, sim->now_ms, &msg) && actor_sends(sim, actor, &msg))
        outbox_sent(actor->outbox, sim->now_ms);
    while ((what = session_next(&actor->session, sim->now_ms)) != SESSION_WAIT) {
        if (what == SESSION_CONNECT) {
            cut(sim, actor);
            actor->socket = true;
            actor->connect_ms = sim->now_ms + up_to(sim, 50);
        } else if (speak(sim, actor, what)) {
            session_sent(&actor->session, sim->now_ms);
        } else {
            session_busy(&actor->session, sim->now_ms);
        }
    }
}

static inline bool is_awake(const struct sim *sim, const struct actor *actor)
{
    return actor->alive && sim->now_ms >= actor->back_ms;
}

static inline bool can_hear(struct sim *sim, int conn)
{
    const struct actor *actor = actor_of(sim, conn);

    return actor && is_awake(sim, actor);
}

static inline void deliver_to_workers(struct sim *sim)
{
    struct packet packet;
    struct msg msg;

    while (take_packet(sim, false, can_hear, &packet)) {
        MUST(msg_decode(packet.bytes.data, packet.bytes.size, &msg, err) == 0);
        actor_hears(sim, actor_of(sim, packet.conn), &msg);
        msg_free(&msg);
        buf_free(&packet.bytes);
    }
}

/* ---- what goes wrong -------------------------------------------------------- */

static inline void trouble_worker(struct sim *sim, struct actor *actor)
{
    const struct msg bye = {.kind = MSG_BYE, .bye = {slice_of("told to leave")}};

    if (chance(sim, sim->odds.cut))
        cut(sim, actor);
    if (chance(sim, sim->odds.stop))
        actor->back_ms = sim->now_ms + up_to(sim, 4 * LEASE_MS);
    if (chance(sim, sim->odds.leave) && actor->session.state == SESSION_UP &&
        actor_sends(sim, actor, &bye)) {
        /* it is gone, but what it said is on the way */
        outbox_free(&actor->outbox);
        actor->alive = false;
        actor->back_ms = sim->now_ms + 200;
    } else if (chance(sim, sim->odds.kill)) {
        actor_dies(sim, actor);
    }
}

static inline void trouble(struct sim *sim)
{
    if (sim->now_ms > CHAOS_MS)
        sim->odds = (struct odds){0};
    if (sim->core && chance(sim, sim->odds.away))
        sim->core_back_ms = sim->now_ms + up_to(sim, 3 * LEASE_MS);
    if (chance(sim, sim->odds.full))
        sim->full_until_ms = sim->now_ms + up_to(sim, 2000);
    for (int i = 0; i < sim->actor_count; i++)
        if (is_awake(sim, &sim->actors[i]))
            trouble_worker(sim, &sim->actors[i]);
}

static inline void step(struct sim *sim, const char *grid)
{
    sim->now_ms += STEP_MS;
    trouble(sim);
    deliver_to_workers(sim);
    for (int i = 0; i < sim->actor_count; i++) {
        struct actor *actor = &sim->actors[i];
        if (!actor->alive && sim->now_ms >= actor->back_ms) {
            cut(sim, actor);
            actor_starts(sim, actor);
        }
        if (is_awake(sim, actor))
            actor_acts(sim, actor);
    }
    if (sim->now_ms < sim->core_back_ms)
        return;
    if (!sim->core)
        core_comes_back(sim);
    ck_disk_full(sim->now_ms < sim->full_until_ms);
    core_acts(sim, grid);
    ck_disk_full(false);
}

#endif
