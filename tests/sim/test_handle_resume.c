/* What runs save, at the coordinator: the newest is kept and handed to the job's next
 * attempt, and is gone, row and file, when the job has ended. */

#include "tests/sim/corekit.h"

#include "common/hash.h"

#define ALPHA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BRAVO   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define REQUEST "cccccccccccccccccccccccccccccccc"

static const char GRID[] = CK_RUNS(1);

static void join(struct ck *ck, int peer, const char *uuid)
{
    ck_say(ck, peer, ck_hello(uuid, NULL, 0));
    assert_true(ck_expect(ck, peer, MSG_WELCOME)->welcome.checkpoints);
}

/* One run, job 1, which the worker alpha has. */
static struct msg_running begin(struct ck *ck)
{
    join(ck, 1, ALPHA);
    ck_say(ck, 99, ck_submit(REQUEST, GRID));
    ck_expect(ck, 99, MSG_SUBMITTED);
    ck_say(ck, 1, ck_beat(1, NULL, 0));
    ck_expect(ck, 1, MSG_PONG);
    const struct msg *msg = ck_expect(ck, 1, MSG_ASSIGN);
    assert_int_equal(msg->assign.jobs[0].input_count, 0);
    return (struct msg_running){.job = msg->assign.jobs[0].job,
                                .attempt = msg->assign.jobs[0].attempt};
}

/* Bytes that tell of a step; their hash to `hash`. */
static size_t content(int step, char bytes[32], char hash[HASH_TEXT])
{
    int size = snprintf(bytes, 32, "saved at step %d", step);

    hash_bytes(bytes, (size_t)size, hash);
    return (size_t)size;
}

static void put(struct ck *ck, int peer, int step)
{
    char bytes[32], hash[HASH_TEXT];
    size_t size = content(step, bytes, hash);

    ck_say(ck, peer,
           (struct msg){
               .kind = MSG_PUT,
               .put = {.hash = slice_of(hash), .size = size, .data = {bytes, size}}});
    assert_true(ck_expect(ck, peer, MSG_PUT_OK)->put_ok.complete);
}

static struct msg_state saved_at(int step, char hash[HASH_TEXT])
{
    char bytes[32];
    size_t size = content(step, bytes, hash);

    return (struct msg_state){.name = slice_of(PROTO_RESUME),
                              .hash = slice_of(hash),
                              .size = size,
                              .epoch = 2,
                              .step = (uint64_t)step,
                              .stored = true};
}

static void checkpoint(struct ck *ck, int peer, struct msg_running what, int step)
{
    char hash[HASH_TEXT];
    struct msg_state state = saved_at(step, hash);

    ck_say(ck, peer,
           (struct msg){.kind = MSG_CHECKPOINT,
                        .checkpoint = {what.job, what.attempt, &state, 1}});
    ck_silent(ck, peer);
}

static void fail_with(struct ck *ck, int peer, struct msg_running what, const char *cause,
                      int step)
{
    char hash[HASH_TEXT];
    struct msg_state state = saved_at(step, hash);

    ck_say(ck, peer,
           (struct msg){.kind = MSG_RESULT,
                        .result = {.job = what.job,
                                   .attempt = what.attempt,
                                   .outcome = OUTCOME_FAILED,
                                   .cause = slice_of(cause),
                                   .states = &state,
                                   .state_count = step > 0}});
}

/* Whether the artifact of a step is there: its row and its file, or neither. */
static bool is_there(struct ck *ck, int step)
{
    char bytes[32], hash[HASH_TEXT], path[256];

    content(step, bytes, hash);
    bool file =
        access(artifact_path(ck->artifact_dir, hash, path, sizeof path), F_OK) == 0;
    assert_int_equal(store_artifact_has(ck->kit.store, hash), file);
    return file;
}

static int64_t kept_step(struct ck *ck)
{
    return kit_int(ck->kit.store, "SELECT coalesce(max(step), 0) FROM resume");
}

/* The worker asks for the job, and is to go on from a step; 0: to begin. */
static struct msg_running take(struct ck *ck, int peer, int step)
{
    char bytes[32], hash[HASH_TEXT];

    content(step, bytes, hash);
    ck_say(ck, peer, ck_beat(1, NULL, 0));
    ck_expect(ck, peer, MSG_PONG);
    const struct msg_job *job = &ck_expect(ck, peer, MSG_ASSIGN)->assign.jobs[0];
    assert_int_equal(job->input_count, step > 0);
    if (step > 0) {
        assert_true(slice_is(job->inputs[0].role, PROTO_RESUME));
        assert_true(slice_is(job->inputs[0].hash, hash));
        assert_true(slice_equal(job->inputs[0].spec, job->spec));
        assert_true(job->inputs[0].stored);
    }
    return (struct msg_running){.job = job->job, .attempt = job->attempt};
}

static void newest_is_kept_and_handed_out(void **state)
{
    struct ck *ck = *state;
    struct msg_running what = begin(ck);

    put(ck, 1, 10);
    checkpoint(ck, 1, what, 10);
    assert_int_equal(kept_step(ck), 10);
    put(ck, 1, 20);
    assert_true(is_there(ck, 10)); /* until the newer one counts */
    checkpoint(ck, 1, what, 20);
    checkpoint(ck, 1, what, 20); /* twice does no harm */
    assert_int_equal(kept_step(ck), 20);
    assert_false(is_there(ck, 10));
    assert_true(is_there(ck, 20));

    /* The worker is lost, and so is the coordinator. */
    ck_crash(ck);
    ck_start(ck);
    ck_pass(ck, 2 * CK_LEASE_MS);
    join(ck, 2, BRAVO);
    what = take(ck, 2, 20);
    assert_int_equal(what.attempt, 2);
    assert_string_equal(kit_text(ck->kit.store,
                                 "SELECT detail FROM event WHERE event = 'start'"
                                 " ORDER BY id DESC"),
                        "goes on from step 20, in epoch 3, saved by attempt 1");
    assert_string_equal(kit_text(ck->kit.store, "SELECT reason FROM job WHERE id = 1"),
                        "goes on from step 20, in epoch 3, saved by attempt 1");
}

static void nothing_is_left_of_a_job_that_is_done(void **state)
{
    struct ck *ck = *state;
    struct msg_running what = begin(ck);
    struct kit_rows rows;

    put(ck, 1, 10);
    checkpoint(ck, 1, what, 10);
    kit_begin(&ck->kit);
    kit_artifact(&ck->kit);
    kit_commit(&ck->kit);
    ck_say(ck, 1,
           (struct msg){.kind = MSG_RESULT,
                        .result = kit_run_result(what.job, what.attempt, &rows)});
    assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
    assert_int_equal(kept_step(ck), 0);
    assert_false(is_there(ck, 10));
    /* One that was on its way comes too late, and goes as it came. */
    put(ck, 1, 20);
    checkpoint(ck, 1, what, 20);
    assert_int_equal(kept_step(ck), 0);
    assert_false(is_there(ck, 20));
}

static void comes_with_a_failure(void **state)
{
    struct ck *ck = *state;
    struct msg_running what = begin(ck);

    put(ck, 1, 10);
    checkpoint(ck, 1, what, 10);
    fail_with(ck, 1, what, "preempted", 20);
    assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_MISSING);
    put(ck, 1, 20);
    fail_with(ck, 1, what, "preempted", 20);
    assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
    assert_int_equal(kept_step(ck), 20);
    assert_false(is_there(ck, 10));
    /* However often that happens. */
    for (uint32_t attempt = 2; attempt < 12; attempt++) {
        what = take(ck, 1, 20);
        assert_int_equal(what.attempt, attempt);
        fail_with(ck, 1, what, "preempted", 0);
        assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
    }
    /* Failed for good, it is of no use. */
    what = take(ck, 1, 20);
    fail_with(ck, 1, what, "exit", 20);
    assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
    assert_int_equal(kit_state(&ck->kit, 1), JOB_FAILED);
    assert_int_equal(kept_step(ck), 0);
    assert_false(is_there(ck, 20));
}

static void others_are_fenced(void **state)
{
    struct ck *ck = *state;
    struct msg_running what = begin(ck), other = what;

    put(ck, 1, 10);
    checkpoint(ck, 1, what, 10);
    put(ck, 1, 20);
    other.attempt = 7;
    checkpoint(ck, 1, other, 20); /* never was */
    assert_false(is_there(ck, 20));
    other.job = 99;
    put(ck, 1, 20);
    checkpoint(ck, 1, other, 20); /* no such job */
    assert_false(is_there(ck, 20));
    checkpoint(ck, 1, what, 30); /* its file has not come */
    assert_int_equal(kept_step(ck), 10);
}

static void stranger_is_asked(void **state)
{
    struct ck *ck = *state;
    struct msg_running what = begin(ck);
    char hash[HASH_TEXT];
    struct msg_state saved = saved_at(10, hash);

    put(ck, 1, 10);
    ck_say(ck, 5,
           (struct msg){.kind = MSG_CHECKPOINT,
                        .checkpoint = {what.job, what.attempt, &saved, 1}});
    ck_expect(ck, 5, MSG_WHO);
    assert_int_equal(kept_step(ck), 0);
}

/* A file that something else needs stays. */
static void states_of_runs_are_not_dropped(void **state)
{
    struct ck *ck = *state;
    struct msg_running what = begin(ck);
    struct msg_state twice[2];
    char hash[HASH_TEXT];

    put(ck, 1, 10);
    checkpoint(ck, 1, what, 10);
    twice[0] = saved_at(10, hash);
    twice[0].name = slice_of("final");
    ck_say(ck, 1,
           (struct msg){.kind = MSG_RESULT,
                        .result = {.job = what.job,
                                   .attempt = what.attempt,
                                   .outcome = OUTCOME_DONE,
                                   .seconds = 1,
                                   .states = twice,
                                   .state_count = 1}});
    assert_int_equal(ck_expect(ck, 1, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
    assert_int_equal(kept_step(ck), 0);
    assert_true(is_there(ck, 10));
}

#define CK_TEST(f) cmocka_unit_test_setup_teardown(f, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CK_TEST(newest_is_kept_and_handed_out),
        CK_TEST(nothing_is_left_of_a_job_that_is_done),
        CK_TEST(comes_with_a_failure),
        CK_TEST(others_are_fenced),
        CK_TEST(stranger_is_asked),
        CK_TEST(states_of_runs_are_not_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
