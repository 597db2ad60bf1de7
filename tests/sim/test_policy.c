/* Which worker gets which job, as transcripts: machines that are to blame, jobs that are
 * tried again and taken back, what a sweep asks for. */

#include "tests/sim/corekit.h"

#define ALPHA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BRAVO   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CHARLIE "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

enum { USER = 99 };

/* `seeds` runs. */
static void submit(struct ck *ck, int seeds, const char *more)
{
    char grid[512], request[HASH_TEXT];

    hash_random(request);
    snprintf(grid, sizeof grid,
             "[sweep]\nname = \"unit\"\nseeds = %d\n%s\n[base]\n"
             "data = { name = \"spiral\" }\n"
             "model = { name = \"mlp\", widths = [4] }\ntrain = { epochs = 1 }\n",
             seeds, more);
    ck_say(ck, USER, ck_submit(request, grid));
    ck_expect(ck, USER, MSG_SUBMITTED);
}

static struct msg hello(const char *uuid, const char *host)
{
    struct msg msg = ck_hello(uuid, NULL, 0);

    msg.hello.host = slice_of(host);
    msg.hello.retracts = true;
    return msg;
}

static void join(struct ck *ck, int peer, struct msg msg)
{
    ck_say(ck, peer, msg);
    ck_expect(ck, peer, MSG_WELCOME);
}

/* The phantom worker of the kit is lost first, so that only those of the test count. */
static void begin(struct ck *ck)
{
    ck_pass(ck, 3 * CK_LEASE_MS);
    assert_int_equal(
        kit_int(ck->kit.store, "SELECT count(*) FROM worker WHERE state = 'connected'"),
        0);
}

/* The job that a worker with these in hand and so much credit is given; 0: none. */
static struct msg_job ask(struct ck *ck, int peer, uint32_t credit,
                          struct msg_running *running, uint32_t count)
{
    struct msg_job job = {0}; /* its texts are not kept */
    const struct msg *msg;

    ck_say(ck, peer, ck_beat(credit, running, count));
    while ((msg = ck_next(ck, peer)) != NULL)
        if (msg->kind == MSG_ASSIGN)
            job = msg->assign.jobs[0];
    return job;
}

static void end(struct ck *ck, int peer, struct msg_job job, const char *cause)
{
    struct msg_result result = kit_result(job.job, job.attempt);

    if (cause) {
        result.outcome = OUTCOME_FAILED;
        result.cause = slice_of(cause);
        result.message = slice_of("as told");
    }
    ck_say(ck, peer, (struct msg){.kind = MSG_RESULT, .result = result});
    assert_int_equal(ck_expect(ck, peer, MSG_ACK)->ack.verdict, VERDICT_ACCEPTED);
}

static int64_t quarantined(struct ck *ck)
{
    return kit_int(ck->kit.store, "SELECT count(*) FROM quarantine");
}

/* T29 */
static void a_machine_that_fails_others_jobs_is_put_aside(void **state)
{
    struct ck *ck = *state;
    struct msg_job failed[5], job;

    begin(ck);
    submit(ck, 20, "");
    join(ck, 1, hello(ALPHA, "bad"));
    join(ck, 2, hello(BRAVO, "good"));
    for (int i = 0; i < 5; i++) {
        failed[i] = ask(ck, 1, 1, NULL, 0);
        assert_int_equal(failed[i].job, i + 1);
        end(ck, 1, failed[i], "exit");
        assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM job"
                                                " WHERE state = 'failed'"),
                         0); /* others are to try */
    }
    assert_int_equal(ask(ck, 1, 1, NULL, 0).job, 0); /* in doubt */
    ck_pass(ck, 2000);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(quarantined(ck), 0);
        do {
            job = ask(ck, 2, 1, NULL, 0);
            assert_true(job.job > 0);
            end(ck, 2, job, NULL);
        } while (job.job > 5);
        assert_int_equal(job.attempt, 2);
    }
    assert_int_equal(quarantined(ck), 1);
    assert_int_equal(ask(ck, 1, 1, NULL, 0).job, 0);
    assert_string_equal(
        kit_text(ck->kit.store, "SELECT target FROM control WHERE verb = 'quarantine'"),
        "worker 2");
    /* Said, and kept by a coordinator that starts anew. */
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM troubles"), 1);
    ck_crash(ck);
    ck_start(ck);
    join(ck, 1, hello(ALPHA, "bad"));
    assert_int_equal(ask(ck, 1, 1, NULL, 0).job, 0);
    /* Until somebody says that it is well. */
    struct msg trust = {.kind = MSG_CONTROL,
                        .control = {.version = PROTO_VERSION,
                                    .request = slice_of(CHARLIE),
                                    .verb = CONTROL_TRUST,
                                    .worker = 2}};
    ck_say(ck, USER, trust);
    assert_int_equal(ck_expect(ck, USER, MSG_CONTROLLED)->controlled.changed, 1);
    assert_int_equal(quarantined(ck), 0);
    assert_true(ask(ck, 1, 1, NULL, 0).job > 0);
}

/* A job that fails everywhere is to blame itself: each host tries it once. */
static void a_jobs_own_fault_blames_nobody(void **state)
{
    struct ck *ck = *state;
    struct msg_job job;

    begin(ck);
    submit(ck, 8, "");
    join(ck, 1, hello(ALPHA, "one"));
    join(ck, 2, hello(BRAVO, "two"));
    for (int i = 0; i < 8; i++) {
        job = ask(ck, 1, 1, NULL, 0);
        assert_int_equal(job.attempt, 1);
        end(ck, 1, job, "exit");
        ck_pass(ck, 2000);
        struct msg_job again = ask(ck, 2, 1, NULL, 0);
        assert_int_equal(again.job, job.job);
        assert_int_equal(again.attempt, 2);
        end(ck, 2, again, "exit");
    }
    assert_int_equal(
        kit_int(ck->kit.store, "SELECT count(*) FROM job WHERE state = 'failed'"), 8);
    assert_int_equal(quarantined(ck), 0);
}

/* With one host there is nobody else to ask. */
static void one_host_fails_at_once(void **state)
{
    struct ck *ck = *state;

    begin(ck);
    submit(ck, 1, "");
    join(ck, 1, hello(ALPHA, "one"));
    join(ck, 2, hello(BRAVO, "one"));
    end(ck, 1, ask(ck, 1, 1, NULL, 0), "exit");
    assert_int_equal(
        kit_int(ck->kit.store, "SELECT count(*) FROM job WHERE state = 'failed'"), 1);
}

static void retries_are_the_sweeps_and_wait(void **state)
{
    struct ck *ck = *state;
    struct msg_job job;

    begin(ck);
    submit(ck, 1, "retries = { exit = 2, signal = 0 }");
    join(ck, 1, hello(ALPHA, "one"));
    end(ck, 1, ask(ck, 1, 1, NULL, 0), "exit");
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM backoff"), 1);
    assert_int_equal(ask(ck, 1, 1, NULL, 0).job, 0);
    ck_crash(ck); /* and it is not forgotten */
    ck_start(ck);
    join(ck, 1, hello(ALPHA, "one"));
    assert_int_equal(ask(ck, 1, 1, NULL, 0).job, 0);
    ck_pass(ck, 1500);
    job = ask(ck, 1, 1, NULL, 0);
    assert_int_equal(job.attempt, 2);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM backoff"), 0);
    end(ck, 1, job, "exit");
    ck_pass(ck, 1000);
    assert_int_equal(ask(ck, 1, 1, NULL, 0).job, 0); /* twice as long */
    ck_pass(ck, 2000);
    job = ask(ck, 1, 1, NULL, 0);
    end(ck, 1, job, "signal"); /* of which there is none */
    assert_int_equal(
        kit_int(ck->kit.store, "SELECT count(*) FROM job WHERE state = 'failed'"), 1);
}

static void a_waiting_job_is_taken_back_for_an_idle_worker(void **state)
{
    struct ck *ck = *state;
    struct msg_running mine[3];
    struct msg_job job;

    begin(ck);
    submit(ck, 3, "");
    join(ck, 1, hello(ALPHA, "one")); /* two slots, and one job ahead */
    for (int i = 0; i < 3; i++) {
        job = ask(ck, 1, 1, mine, (uint32_t)i);
        assert_int_equal(job.job, i + 1);
        mine[i] = (struct msg_running){.job = job.job, .attempt = 1, .waits = i == 2};
    }
    join(ck, 2, hello(BRAVO, "two"));
    assert_int_equal(ask(ck, 1, 0, mine, 3).job, 0);
    assert_int_equal(ask(ck, 2, 2, NULL, 0).job, 0);
    ck_silent(ck, 1); /* it may start soon */
    ck->now_ms += 1500;
    ck_say(ck, 1, ck_beat(0, mine, 3));
    ck_expect(ck, 1, MSG_PONG);
    const struct msg *msg = ck_expect(ck, 1, MSG_RETRACT);
    assert_int_equal(msg->retract.job, 3);
    assert_int_equal(msg->retract.attempt, 1);
    ck_turn(ck);
    ck_silent(ck, 1); /* once */
    end(ck, 1, job, "preempted");
    job = ask(ck, 2, 2, NULL, 0);
    assert_int_equal(job.job, 3);
    assert_int_equal(job.attempt, 2);
}

static void labels_cores_and_memory_find_their_worker(void **state)
{
    struct ck *ck = *state;
    struct msg big = hello(BRAVO, "two");
    struct msg_job job;

    begin(ck);
    submit(ck, 3, "labels = [\"big\"]\ncores = 2\nmemory = \"4 GB\"\npriority = 7\n");
    assert_int_equal(kit_int(ck->kit.store, "SELECT min(priority) FROM job"), 7);
    join(ck, 1, hello(ALPHA, "one"));
    assert_int_equal(ask(ck, 1, 2, NULL, 0).job, 0);
    assert_string_equal(kit_text(ck->kit.store, "SELECT text FROM troubles"),
                        "no connected worker can take jobs of unit, which need cores = 2 "
                        "memory = 4 GB labels = [\"big\"]");
    big.hello.labels = slice_of("[\"big\",\"fast\"]");
    big.hello.memory = 6000000000;
    big.hello.slots = 4;
    join(ck, 2, big);
    assert_int_equal(kit_int(ck->kit.store, "SELECT count(*) FROM troubles"), 0);
    assert_int_equal(ask(ck, 2, 1, NULL, 0).job, 0); /* two slots each */
    job = ask(ck, 2, 4, NULL, 0);
    assert_int_equal(job.job, 1);
    assert_int_equal(job.cores, 2);
    assert_int_equal(job.memory, 4000000000);
    struct msg_running mine = {.job = 1, .attempt = 1};
    assert_int_equal(ask(ck, 2, 2, &mine, 1).job, 0); /* no memory for two */
    end(ck, 2, job, NULL);
    assert_int_equal(ask(ck, 2, 4, NULL, 0).job, 2);
    /* A later submission changes what is still to come. */
    submit(ck, 3, "");
    assert_int_equal(ask(ck, 1, 2, NULL, 0).job, 3);
    /* What is no set of labels is refused. */
    big = hello(CHARLIE, "three");
    big.hello.labels = slice_of("[big");
    ck_say(ck, 3, big);
    assert_int_equal(ck_expect(ck, 3, MSG_ERROR)->error.code, ERR_REFUSED);
}

static void status_hears_of_refusals(void **state)
{
    struct ck *ck = *state;
    struct msg old = hello(ALPHA, "one");
    const struct msg ping = {.kind = MSG_PING, .ping = {.version = PROTO_VERSION}};

    ck_say(ck, USER, ping);
    assert_int_equal(ck_expect(ck, USER, MSG_PONG)->pong.refused, 0);
    old.hello.version = PROTO_VERSION + 1;
    ck_say(ck, 1, old);
    ck_expect(ck, 1, MSG_ERROR);
    ck_say(ck, USER, ping);
    const struct msg *pong = ck_expect(ck, USER, MSG_PONG);
    assert_int_equal(pong->pong.refused, 1);
    assert_true(pong->pong.refusal.size > 0);
}

#define CORE_TEST(name) cmocka_unit_test_setup_teardown(name, ck_setup, ck_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(a_machine_that_fails_others_jobs_is_put_aside),
        CORE_TEST(a_jobs_own_fault_blames_nobody),
        CORE_TEST(one_host_fails_at_once),
        CORE_TEST(retries_are_the_sweeps_and_wait),
        CORE_TEST(a_waiting_job_is_taken_back_for_an_idle_worker),
        CORE_TEST(labels_cores_and_memory_find_their_worker),
        CORE_TEST(status_hears_of_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
