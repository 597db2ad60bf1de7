/* Every message a coordinator can get, as transcripts: what is said, what is
 * answered, what the database holds then. */

#include "tests/sim/corekit.h"

#include "common/hash.h"
#include "proto/limits.h"

#define ALPHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BRAVO "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char GRID[] = CK_RUNS(2) "[[probe]]\n"
                                      "name = \"path\"\n"
                                      "kind = \"path\"\n"
                                      "alphas = 5\n";
#define REQUEST "cccccccccccccccccccccccccccccccc"

/* ---- what several transcripts do ------------------------------------------- */

/* Two runs, 1 and 2, and their probes, 3 and 4. */
static void submit(struct ck *ck)
{
    ck_say(ck, 99, ck_submit(REQUEST, GRID));
    const struct msg *msg = ck_expect(ck, 99, MSG_SUBMITTED);
    assert_int_equal(msg->submitted.jobs, 4);
}

/* The worker asks for one job and is given it. */
static struct msg_running take(struct ck *ck, int peer)
{
    ck_say(ck, peer, ck_beat(1, NULL, 0));
    ck_expect(ck, peer, MSG_PONG);
    const struct msg *msg = ck_expect(ck, peer, MSG_ASSIGN);
    assert_int_equal(msg->assign.job_count, 1);
    return (struct msg_running){.job = msg->assign.jobs[0].job,
                                .attempt = msg->assign.jobs[0].attempt};
}

static void beat(struct ck *ck, int peer, struct msg_running *running, uint32_t count)
{
    ck_say(ck, peer, ck_beat(0, running, count));
}

static void expect_ack(struct ck *ck, int peer, enum msg_verdict verdict)
{
    const struct msg *msg = ck_expect(ck, peer, MSG_ACK);

    if (msg->ack.verdict != verdict)
        fail_msg("verdict %u: %.*s", msg->ack.verdict, (int)msg->ack.text.size,
                 msg->ack.text.data);
}

static void send_result(struct ck *ck, int peer, struct msg_running what)
{
    struct kit_rows rows;
    bool probe = what.job > 2;

    ck_say(ck, peer,
           (struct msg){.kind = MSG_RESULT,
                        .result = probe ? kit_probe_result(what.job, what.attempt, &rows)
                                        : kit_run_result(what.job, what.attempt, &rows)});
}

static void artifact_there(struct ck *ck)
{
    kit_begin(&ck->kit);
    kit_artifact(&ck->kit);
    kit_commit(&ck->kit);
}

static void assert_state(struct ck *ck, int64_t job, enum job_state state)
{
    assert_string_equal(job_state_name(kit_state(&ck->kit, job)), job_state_name(state));
}

/* ---- HELLO, BEAT, BYE ------------------------------------------------------ */

static void hello_is_welcomed(void **state)
{
    struct ck *ck = *state;

    ck_say(ck, 1, ck_hello(ALPHA, NULL, 0));
    const struct msg_welcome welcome = ck_expect(ck, 1, MSG_WELCOME)->welcome;
    assert_int_equal(welcome.version, PROTO_VERSION);
    assert_int_equal(welcome.epoch, ck->epoch);
    assert_int_equal(welcome.lease_ms, CK_LEASE_MS);
    assert_int_equal(welcome.beat_ms, CK_BEAT_MS);
    /* the same process over another connection: the old one is nobody's */
    ck_say(ck, 2, ck_hello(ALPHA, NULL, 0));
    assert_int_equal(ck_expect(ck, 2, MSG_WELCOME)->welcome.worker, welcome.worker);
    beat(ck, 1, NULL, 0);
    ck_expect(ck, 1, MSG_WHO);
    beat(ck, 2, NULL, 0);
    assert_int_equal(ck_expect(ck, 2, MSG_PONG)->pong.epoch, ck->epoch);
}

static void another_version_is_refused(void **state)
{
    struct ck *ck = *state;
    struct msg hello = ck_hello(ALPHA, NULL, 0);

    hello.hello.version = PROTO_VERSION + 7;
    ck_say(ck, 1, hello);
    const struct msg *msg = ck_expect(ck, 1, MSG_ERROR);
    assert_int_equal(msg->error.code, ERR_REFUSED);
    assert_true(memmem(msg->error.text.data, msg->error.text.size, "version 1, not 8",
                       16) != NULL);
    beat(ck, 1, NULL, 0);
    ck_expect(ck, 1, MSG_WHO);
}

static void strangers_are_asked_who_they_are(void **state)
{
    struct ck *ck = *state;
    const struct msg messages[] = {
        {.kind = MSG_BEAT, .beat = {.credit = 1}},
        {.kind = MSG_RESULT, .result = {.job = 1, .attempt = 1, .outcome = 1}},
        {.kind = MSG_PUT, .put = {.hash = slice_of(ALPHA), .size = 1}},
        {.kind = MSG_GET, .get = {.hash = slice_of(ALPHA), .count = 1}},
        {.kind = MSG_BYE},
    };

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        ck_say(ck, 5, messages[i]);
        ck_expect(ck, 5, MSG_WHO);
        ck_silent(ck, 5);
    }
}

static void silence_loses_the_attempt(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running first = take(ck, 1);
    assert_int_equal(first.attempt, 1);
    ck_pass(ck, CK_LEASE_MS - 1);
    assert_state(ck, first.job, JOB_RUNNING);
    ck_pass(ck, 1);
    assert_state(ck, first.job, JOB_READY);
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT state FROM worker WHERE uuid = '" ALPHA "'"),
        "lost");
    /* the next worker gets it as the next attempt */
    ck_join(ck, 2, BRAVO);
    struct msg_running second = take(ck, 2);
    assert_int_equal(second.job, first.job);
    assert_int_equal(second.attempt, 2);
    /* the first one is back: not its job any more */
    beat(ck, 1, &first, 1);
    ck_expect(ck, 1, MSG_WHO);
    ck_say(ck, 1, ck_hello(ALPHA, &first, 1));
    const struct msg *kill = ck_expect(ck, 1, MSG_KILL);
    assert_int_equal(kill->kill.job, first.job);
    assert_int_equal(kill->kill.attempt, 1);
    ck_expect(ck, 1, MSG_WELCOME);
    artifact_there(ck);
    send_result(ck, 1, first);
    expect_ack(ck, 1, VERDICT_SUPERSEDED);
    send_result(ck, 2, second);
    expect_ack(ck, 2, VERDICT_ACCEPTED);
}

static void any_message_is_a_sign_of_life(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    beat(ck, 1, &job, 1);
    ck_expect(ck, 1, MSG_PONG);
    for (int i = 0; i < 5; i++) {
        ck_pass(ck, CK_LEASE_MS - 1000);
        ck_say(ck, 1, (struct msg){.kind = MSG_PING, .ping = {PROTO_VERSION}});
        ck_expect(ck, 1, MSG_PONG);
    }
    assert_state(ck, job.job, JOB_RUNNING);
}

static void an_attempt_left_out_of_the_list_is_lost(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    for (int i = 0; i < CK_LEASE_MS / 1000; i++) {
        assert_state(ck, job.job, JOB_RUNNING);
        beat(ck, 1, NULL, 0);
        ck_expect(ck, 1, MSG_PONG);
        ck_pass(ck, 1000);
    }
    assert_state(ck, job.job, JOB_READY);
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT state FROM worker WHERE uuid = '" ALPHA "'"),
        "connected");
}

/* A beat that crossed an assignment must not make it count twice. */
static void credit_counts_what_is_under_way(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    ck_say(ck, 1, ck_beat(1, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
    ck_silent(ck, 1);
    ck_say(ck, 1, ck_beat(1, &job, 1));
    ck_expect(ck, 1, MSG_PONG);
    ck_expect(ck, 1, MSG_ASSIGN);
}

static void bye_requeues_at_once(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    ck_say(ck, 1, (struct msg){.kind = MSG_BYE, .bye = {slice_of("drained")}});
    ck_silent(ck, 1);
    assert_state(ck, job.job, JOB_READY);
    assert_string_equal(kit_text(ck->kit.store, "SELECT cause FROM attempt"),
                        "preempted");
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT state FROM worker WHERE uuid = '" ALPHA "'"),
        "left");
    ck_join(ck, 2, BRAVO);
    assert_int_equal(take(ck, 2).attempt, 2);
}

/* ---- RESULT, PUT, GET ------------------------------------------------------ */

static struct msg put(const char *bytes, size_t size, size_t offset, const char *hash)
{
    return (struct msg){.kind = MSG_PUT,
                        .put = {.hash = slice_of(hash),
                                .size = size,
                                .offset = offset,
                                .data = {bytes + offset, size - offset}}};
}

static void a_result_waits_for_its_states(void **state)
{
    struct ck *ck = *state;
    char hash[HASH_TEXT], bytes[100] = "a state";
    struct kit_rows rows;

    hash_bytes(bytes, sizeof bytes, hash);
    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    struct msg msg = {.kind = MSG_RESULT,
                      .result = kit_run_result(job.job, job.attempt, &rows)};
    rows.states[1].hash = slice_of(hash);
    ck_say(ck, 1, msg);
    expect_ack(ck, 1, VERDICT_MISSING);
    assert_state(ck, job.job, JOB_RUNNING);

    ck_say(ck, 1, put(bytes, sizeof bytes, 50, hash)); /* the one before is lost */
    ck_silent(ck, 1);
    ck_say(ck, 1, put(bytes, sizeof bytes, 0, hash));
    const struct msg_put_ok whole = ck_expect(ck, 1, MSG_PUT_OK)->put_ok;
    assert_int_equal(whole.offset, sizeof bytes);
    assert_true(whole.complete);

    ck_say(ck, 1, msg);
    expect_ack(ck, 1, VERDICT_ACCEPTED);
    assert_state(ck, job.job, JOB_DONE);
    ck_say(ck, 1, msg);
    expect_ack(ck, 1, VERDICT_DUPLICATE);
    /* its probe is ready now, and needs the state */
    struct msg_running other = take(ck, 1);
    assert_int_equal(other.job, 2);
    ck_say(ck, 1, ck_beat(1, &other, 1));
    ck_expect(ck, 1, MSG_PONG);
    const struct msg *assign = ck_expect(ck, 1, MSG_ASSIGN);
    assert_int_equal(assign->assign.jobs[0].job, 3);
    assert_int_equal(assign->assign.jobs[0].input_count, 2);

    ck_say(ck, 1,
           (struct msg){.kind = MSG_GET,
                        .get = {.hash = slice_of(hash), .offset = 2, .count = 5}});
    const struct msg_chunk chunk = ck_expect(ck, 1, MSG_CHUNK)->chunk;
    assert_int_equal(chunk.size, sizeof bytes);
    assert_true(slice_is(chunk.data, "state"));
}

static void a_wrong_hash_is_not_stored(void **state)
{
    struct ck *ck = *state;
    char bytes[10] = "something";

    ck_join(ck, 1, ALPHA);
    ck_say(ck, 1, put(bytes, sizeof bytes, 0, BRAVO));
    const struct msg *msg = ck_expect(ck, 1, MSG_PUT_OK);
    assert_int_equal(msg->put_ok.offset, 0);
    assert_false(msg->put_ok.complete);
    assert_true(msg->put_ok.text.size > 0);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM artifact"), 0);
    ck_say(ck, 1,
           (struct msg){.kind = MSG_GET, .get = {.hash = slice_of(BRAVO), .count = 5}});
    msg = ck_expect(ck, 1, MSG_CHUNK);
    assert_int_equal(msg->chunk.data.size, 0);
    assert_true(msg->chunk.text.size > 0);
}

static void results_of_jobs_that_never_were_are_refused(void **state)
{
    struct ck *ck = *state;

    ck_join(ck, 1, ALPHA);
    send_result(ck, 1, (struct msg_running){.job = 1234, .attempt = 1});
    expect_ack(ck, 1, VERDICT_REFUSED);
}

/* ---- SUBMIT, PING, what is for nobody -------------------------------------- */

static void a_request_is_carried_out_once(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_say(ck, 7, ck_submit(REQUEST, GRID));
    const struct msg_submitted again = ck_expect(ck, 7, MSG_SUBMITTED)->submitted;
    assert_int_equal(again.jobs, 4);
    assert_int_equal(again.added, 4);
    /* asked again, it is not even read */
    ck_say(ck, 7, ck_submit(REQUEST, "nothing that could be planned"));
    assert_true(slice_is(ck_expect(ck, 7, MSG_SUBMITTED)->submitted.name, "unit"));
    ck_say(ck, 7, ck_submit(ALPHA, GRID));
    const struct msg *other = ck_expect(ck, 7, MSG_SUBMITTED);
    assert_int_equal(other->submitted.added, 0);
    assert_true(slice_is(other->submitted.name, "unit"));
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM job"), 4);
}

/* A probe of a run that another sweep has finished needs nothing any more. */
static void what_could_begin_at_once_is_assigned(void **state)
{
    static const char OTHER[] =
        CK_SWEEP("other", 1) "[[probe]]\nname = \"fine\"\nkind = \"path\"\nalphas = 9\n";
    struct ck *ck = *state;

    submit(ck);
    artifact_there(ck);
    ck_join(ck, 1, ALPHA);
    send_result(ck, 1, take(ck, 1));
    expect_ack(ck, 1, VERDICT_ACCEPTED);
    ck_say(ck, 7, ck_submit(BRAVO, OTHER));
    assert_int_equal(ck_expect(ck, 7, MSG_SUBMITTED)->submitted.added, 1);
    ck_say(ck, 1, ck_beat(8, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
    const struct msg_assign assign = ck_expect(ck, 1, MSG_ASSIGN)->assign;
    /* the other run, the first run's probe, and that of the other sweep */
    assert_int_equal(assign.job_count, 3);
    assert_int_equal(assign.jobs[0].job + assign.jobs[1].job + assign.jobs[2].job,
                     2 + 3 + 5);
}

static void a_bad_grid_is_an_answer(void **state)
{
    struct ck *ck = *state;
    struct msg old = ck_submit(BRAVO, GRID);

    ck_say(ck, 7, ck_submit(ALPHA, "[sweep]\nname = \"x\"\nseedz = 3\n"));
    const struct msg *msg = ck_expect(ck, 7, MSG_ERROR);
    assert_int_equal(msg->error.code, ERR_INVALID);
    assert_true(slice_is(msg->error.request, ALPHA));
    assert_memory_equal(msg->error.text.data, "grid.toml:3:", 12);
    old.submit.version = 9;
    ck_say(ck, 7, old);
    assert_int_equal(ck_expect(ck, 7, MSG_ERROR)->error.code, ERR_REFUSED);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM sweep"), 0);
}

static void ping_is_answered(void **state)
{
    struct ck *ck = *state;

    ck_say(ck, 7, (struct msg){.kind = MSG_PING, .ping = {PROTO_VERSION}});
    assert_int_equal(ck_expect(ck, 7, MSG_PONG)->pong.epoch, ck->epoch);
}

static void what_is_not_for_us_is_counted_and_dropped(void **state)
{
    struct ck *ck = *state;
    struct msg_job job = {.job = 1, .attempt = 1, .spec = slice_of("x")};
    const struct msg messages[] = {
        {.kind = MSG_WELCOME, .welcome = {1, 1, 1, 1, 1}},
        {.kind = MSG_WHO},
        {.kind = MSG_ASSIGN, .assign = {&job, 1}},
        {.kind = MSG_ACK, .ack = {.job = 1, .attempt = 1, .verdict = 1}},
        {.kind = MSG_PUT_OK, .put_ok = {.hash = slice_of(ALPHA)}},
        {.kind = MSG_CHUNK, .chunk = {.hash = slice_of(ALPHA)}},
        {.kind = MSG_KILL, .kill = {.job = 1, .attempt = 1}},
        {.kind = MSG_DRAIN},
        {.kind = MSG_SUBMITTED, .submitted = {.request = slice_of(ALPHA), .sweep = 1}},
        {.kind = MSG_PONG, .pong = {.version = 1, .epoch = 1}},
        {.kind = MSG_START, .start = {job, slice_of("d"), slice_of(""), 1}},
        {.kind = MSG_PROGRESS},
    };
    enum { COUNT = sizeof messages / sizeof messages[0] };
    int notes = ck->notes;

    for (int i = 0; i < COUNT; i++)
        ck_say(ck, 5, messages[i]);
    ck_silent(ck, 5);
    assert_int_equal(ck->core->malformed, COUNT);
    assert_int_equal(ck->notes, notes + 1);
    ck_say(ck, 6, messages[0]);
    assert_int_equal(ck->notes, notes + 2);
    /* an error report is for people */
    ck_say(ck, 6, (struct msg){.kind = MSG_ERROR, .error = {.code = 1}});
    ck_silent(ck, 6);
}

/* ---- restarts, gaps, full disks -------------------------------------------- */

static void a_restart_adopts_what_runs(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    ck_join(ck, 2, BRAVO);
    struct msg_running kept = take(ck, 1), lost = take(ck, 2);
    ck_crash(ck);
    ck_start(ck);
    beat(ck, 11, &kept, 1);
    ck_expect(ck, 11, MSG_WHO);
    ck_say(ck, 11, ck_hello(ALPHA, &kept, 1));
    ck_expect(ck, 11, MSG_WELCOME);
    for (int i = 0; i < 4; i++) {
        ck_pass(ck, CK_BEAT_MS);
        beat(ck, 11, &kept, 1);
        ck_expect(ck, 11, MSG_PONG);
    }
    assert_state(ck, kept.job, JOB_RUNNING);
    assert_state(ck, lost.job, JOB_READY);
    artifact_there(ck);
    send_result(ck, 11, kept);
    expect_ack(ck, 11, VERDICT_ACCEPTED);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM worker WHERE"
                                            " state = 'connected'"),
                     1);
}

static void an_absent_coordinator_blames_nobody(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    ck_pass(ck, CK_LEASE_MS - 1000);
    ck->now_ms += 3600 * 1000;
    ck_turn(ck);
    assert_state(ck, job.job, JOB_RUNNING);
    ck_pass(ck, 1000);
    assert_state(ck, job.job, JOB_READY);
}

static void a_full_disk_says_nothing_and_loses_nothing(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    artifact_there(ck);
    ck_disk_full(true);
    send_result(ck, 1, job);
    ck_silent(ck, 1);
    assert_state(ck, job.job, JOB_RUNNING);
    beat(ck, 1, &job, 1);
    ck_expect(ck, 1, MSG_WHO);
    ck->now_ms += 100;
    ck_say(ck, 1, ck_hello(ALPHA, &job, 1)); /* so soon it is not even tried */
    assert_int_equal(ck_expect(ck, 1, MSG_ERROR)->error.code, ERR_BUSY);
    ck->now_ms += 1000;
    ck_say(ck, 1, ck_hello(ALPHA, &job, 1)); /* cannot be written either */
    assert_int_equal(ck_expect(ck, 1, MSG_ERROR)->error.code, ERR_BUSY);
    assert_true(ck->core->stalled);
    /* However long it lasts, the attempt stays the worker's. */
    ck_pass(ck, 10 * CK_LEASE_MS);
    assert_state(ck, job.job, JOB_RUNNING);
    ck_disk_full(false);
    ck_turn(ck);
    assert_state(ck, job.job, JOB_RUNNING);
    ck_say(ck, 1, ck_hello(ALPHA, &job, 1));
    ck_expect(ck, 1, MSG_WELCOME);
    assert_false(ck->core->stalled);
    send_result(ck, 1, job);
    expect_ack(ck, 1, VERDICT_ACCEPTED);
    assert_int_equal(take(ck, 1).job, 2);
}

/* A refusal would make a failure of a job whose state is sound. */
static void a_state_that_finds_no_room_is_not_refused(void **state)
{
    struct ck *ck = *state;
    char hash[HASH_TEXT], bytes[10000] = "a state";

    hash_bytes(bytes, sizeof bytes, hash);
    ck_join(ck, 1, ALPHA);
    ck_disk_full(true);
    ck_say(ck, 1, put(bytes, sizeof bytes, 0, hash));
    ck_silent(ck, 1);
    ck_say(ck, 1, put(bytes, sizeof bytes, 5000, hash));
    ck_silent(ck, 1);
    ck_disk_full(false);
    ck_say(ck, 1, put(bytes, sizeof bytes, 0, hash));
    assert_true(ck_expect(ck, 1, MSG_PUT_OK)->put_ok.complete);
}

static void stopping_hands_out_nothing_but_takes_results(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    artifact_there(ck);
    ck->core->stopping = true;
    ck_say(ck, 1, ck_beat(1, &job, 1));
    ck_expect(ck, 1, MSG_PONG);
    send_result(ck, 1, job);
    expect_ack(ck, 1, VERDICT_ACCEPTED);
    ck_silent(ck, 1);
}

static void a_lost_connection_gets_no_more_jobs(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    ck->gone = 1;
    ck_say(ck, 1, ck_beat(2, NULL, 0)); /* its PONG finds nobody */
    ck_silent(ck, 1);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM attempt"), 0);
    ck_join(ck, 2, BRAVO);
    take(ck, 2);
}

/* A worker that leaves closes its end at once: the PONG to the beat before its
 * BYE finds nobody. */
static void a_bye_counts_when_its_connection_is_gone(void **state)
{
    struct ck *ck = *state;

    submit(ck);
    ck_join(ck, 1, ALPHA);
    struct msg_running job = take(ck, 1);
    ck->gone = 1;
    ck_say(ck, 1, ck_beat(0, &job, 1));
    ck_say(ck, 1, (struct msg){.kind = MSG_BYE, .bye = {slice_of("drained")}});
    assert_state(ck, job.job, JOB_READY);
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT state FROM worker WHERE uuid = '" ALPHA "'"),
        "left");
}

#define CORE_TEST(test) cmocka_unit_test_setup_teardown(test, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(hello_is_welcomed),
        CORE_TEST(another_version_is_refused),
        CORE_TEST(strangers_are_asked_who_they_are),
        CORE_TEST(silence_loses_the_attempt),
        CORE_TEST(any_message_is_a_sign_of_life),
        CORE_TEST(an_attempt_left_out_of_the_list_is_lost),
        CORE_TEST(credit_counts_what_is_under_way),
        CORE_TEST(bye_requeues_at_once),
        CORE_TEST(a_result_waits_for_its_states),
        CORE_TEST(a_wrong_hash_is_not_stored),
        CORE_TEST(results_of_jobs_that_never_were_are_refused),
        CORE_TEST(a_request_is_carried_out_once),
        CORE_TEST(what_could_begin_at_once_is_assigned),
        CORE_TEST(a_bad_grid_is_an_answer),
        CORE_TEST(ping_is_answered),
        CORE_TEST(what_is_not_for_us_is_counted_and_dropped),
        CORE_TEST(a_restart_adopts_what_runs),
        CORE_TEST(an_absent_coordinator_blames_nobody),
        CORE_TEST(a_full_disk_says_nothing_and_loses_nothing),
        CORE_TEST(a_state_that_finds_no_room_is_not_refused),
        CORE_TEST(stopping_hands_out_nothing_but_takes_results),
        CORE_TEST(a_lost_connection_gets_no_more_jobs),
        CORE_TEST(a_bye_counts_when_its_connection_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
