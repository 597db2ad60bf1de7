/* The whole daemon, in a process of its own, against a coordinator played by the
 * test over a real ROUTER. Its trials are this program too, and do what their
 * spec says. */

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "proto/limits.h"
#include "proto/pipe.h"
#include "proto/wire.h"
#include "worker/daemon.h"
#include "worker/scratch.h"
#include "worker/trial.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 30000, STATE_SIZE = 3 * PROTO_CHUNK_MAX + 7 };

/* --- trials -------------------------------------------------------------------- */

static void fill_state(char *bytes)
{
    for (int i = 0; i < STATE_SIZE; i++)
        bytes[i] = (char)(i % 253);
}

/* "state": store one state of STATE_SIZE bytes. */
static int trial_state(const struct msg_start *start, struct msg_result *result)
{
    static char bytes[STATE_SIZE], hash[HASH_TEXT], path[PATH_MAX];
    static struct msg_state states[1];

    fill_state(bytes);
    hash_bytes(bytes, sizeof bytes, hash);
    snprintf(path, sizeof path, "%.*s/%s.safetensors", (int)start->dir.size,
             start->dir.data, hash);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, sizeof bytes, 1, file) != 1 || fclose(file) != 0)
        return 4;
    states[0] = (struct msg_state){.name = slice_of("final"),
                                   .hash = slice_of(hash),
                                   .size = sizeof bytes,
                                   .stored = true};
    result->states = states;
    result->state_count = 1;
    return 0;
}

/* "input": say whether the first input's file has the right content. */
static int trial_input(const struct msg_start *start, struct msg_result *result)
{
    static char hash[HASH_TEXT], path[PATH_MAX];
    const struct msg_input *input = &start->job.inputs[0];

    snprintf(path, sizeof path, "%.*s", (int)input->path.size, input->path.data);
    bool good = hash_file(path, hash, NULL, NULL) == 0 && slice_is(input->hash, hash);
    result->message = slice_of(good ? "good" : "bad");
    return 0;
}

static int run_trial(void)
{
    struct buf room = {0};
    struct msg msg, answer = {.kind = MSG_RESULT};
    char spec[PATH_MAX];
    int rc = 0;

    if (pipe_recv(TRIAL_FD_START, &room, &msg, NULL) != 0 || msg.kind != MSG_START)
        return 9;
    const struct msg_start *start = &msg.start;
    snprintf(spec, sizeof spec, "%.*s", (int)start->job.spec.size, start->job.spec.data);
    answer.result.job = start->job.job;
    answer.result.attempt = start->job.attempt;
    answer.result.outcome = OUTCOME_DONE;
    answer.result.seconds = 100; /* not so short that more are asked for */
    if (strcmp(spec, "state") == 0)
        rc = trial_state(start, &answer.result);
    else if (strcmp(spec, "input") == 0)
        rc = trial_input(start, &answer.result);
    else if (strcmp(spec, "exit") == 0)
        rc = 3;
    else if (spec[0] == '/') /* a named pipe: until somebody opens it */
        rc = open(spec, O_RDONLY) < 0 ? 5 : 0;
    if (rc == 0 && pipe_send(TRIAL_FD_RESULT, &answer, NULL) != 0)
        rc = 6;
    msg_free(&msg);
    buf_free(&room);
    return rc;
}

/* --- the daemon's process -------------------------------------------------------- */

static int run_daemon(char **argv)
{
    char program[] = "/proc/self/exe", verb[] = "trial";
    char *trial[] = {program, verb, NULL};
    const struct daemon_setup setup = {.endpoint = argv[2],
                                       .slots = 2,
                                       .threads = 1,
                                       .cache_dir = argv[3],
                                       .cache_size_max = 100 << 20,
                                       .data_dir = "",
                                       .trial = trial};
    struct error err;

    log_set_level(LOG_ERROR);
    if (daemon_run(&setup, &err) == 0)
        return 0;
    return err.code == ERR_REFUSED ? 4 : 1;
}

/* --- the coordinator --------------------------------------------------------------- */

struct sim {
    char dir[64];
    char endpoint[WIRE_ENDPOINT_MAX];
    struct wire *wire;
    struct wire_peer peer; /* who spoke last */
    struct msg msg;        /* what it said; kind MSG_NONE: nothing yet */
    uint64_t epoch;
    pid_t pid; /* of the daemon; 0: it has ended */
};

static void listen_on(struct sim *sim)
{
    char endpoint[WIRE_ENDPOINT_MAX];
    struct error err;

    sim->epoch++;
    sim->wire = wire_listen(sim->endpoint, endpoint, &err);
    assert_non_null(sim->wire);
}

static int setup(void **state)
{
    struct sim *sim = calloc(1, sizeof *sim);
    char cache[128];

    snprintf(sim->dir, sizeof sim->dir, "/tmp/coord-test-daemon.XXXXXX");
    if (!mkdtemp(sim->dir))
        return -1;
    snprintf(sim->endpoint, sizeof sim->endpoint, "ipc://%s/socket", sim->dir);
    snprintf(cache, sizeof cache, "%s/cache", sim->dir);
    listen_on(sim);
    sim->pid = fork();
    if (sim->pid == 0) {
        execl("/proc/self/exe", "test_daemon", "daemon", sim->endpoint, cache, NULL);
        _exit(1);
    }
    *state = sim;
    return 0;
}

static void forget(struct sim *sim)
{
    if (sim->msg.kind != MSG_NONE)
        msg_free(&sim->msg);
    sim->msg = (struct msg){0};
}

static int teardown(void **state)
{
    struct sim *sim = *state;

    forget(sim);
    wire_free(&sim->wire);
    if (sim->pid > 0) {
        kill(sim->pid, SIGKILL);
        waitpid(sim->pid, NULL, 0);
    }
    scratch_remove(sim->dir);
    free(sim);
    return 0;
}

static void reply(struct sim *sim, struct msg msg)
{
    struct error err;

    assert_int_equal(wire_send(sim->wire, &sim->peer, &msg, &err), 0);
}

/* The next message of any kind. */
static const struct msg *next(struct sim *sim)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    struct wire_poll item = {.wire = sim->wire};
    struct error err;

    forget(sim);
    for (;;) {
        int got = wire_recv(sim->wire, &sim->peer, &sim->msg, &err);
        if (got > 0)
            return &sim->msg;
        assert_int_equal(got, 0);
        assert_true(clock_mono_ms() < deadline);
        (void)wire_poll(&item, 1, deadline - clock_mono_ms(), &err);
    }
}

/* The next message of a kind; beats are answered and passed over. */
static const struct msg *expect(struct sim *sim, enum msg_kind kind)
{
    const struct msg *msg;

    while ((msg = next(sim))->kind != kind) {
        if (msg->kind != MSG_BEAT)
            fail_msg("expected %s, got %s", msg_kind_name(kind),
                     msg_kind_name(msg->kind));
        reply(sim, (struct msg){.kind = MSG_PONG, .pong = {PROTO_VERSION, sim->epoch}});
    }
    return msg;
}

/* Beats until one says this. */
static void expect_beat(struct sim *sim, uint32_t credit, uint32_t running)
{
    const struct msg *msg;

    do {
        msg = expect(sim, MSG_BEAT);
        reply(sim, (struct msg){.kind = MSG_PONG, .pong = {PROTO_VERSION, sim->epoch}});
    } while (msg->beat.credit != credit || msg->beat.running_count != running);
}

static void welcome(struct sim *sim, uint32_t beat_ms)
{
    reply(sim, (struct msg){.kind = MSG_WELCOME,
                            .welcome = {.version = PROTO_VERSION,
                                        .epoch = sim->epoch,
                                        .worker = 1,
                                        .beat_ms = beat_ms,
                                        .lease_ms = 10 * beat_ms}});
}

/* HELLO, WELCOME, the first BEAT. */
static void join(struct sim *sim)
{
    assert_int_equal(expect(sim, MSG_HELLO)->hello.running_count, 0);
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void assign(struct sim *sim, int64_t job, const char *spec,
                   struct msg_input *input)
{
    struct msg_job jobs[1] = {{.job = job,
                               .attempt = 1,
                               .spec = slice_of(spec),
                               .inputs = input,
                               .input_count = input ? 1 : 0}};

    reply(sim, (struct msg){.kind = MSG_ASSIGN, .assign = {jobs, 1}});
}

static void ack(struct sim *sim, int64_t job, uint32_t verdict)
{
    reply(sim, (struct msg){.kind = MSG_ACK,
                            .ack = {.job = job, .attempt = 1, .verdict = verdict}});
}

static const struct msg_result *expect_result(struct sim *sim, int64_t job)
{
    const struct msg_result *result = &expect(sim, MSG_RESULT)->result;

    assert_int_equal(result->job, job);
    assert_int_equal(result->attempt, 1);
    return result;
}

static void expect_exit(struct sim *sim, int wanted)
{
    int status;

    assert_int_equal(waitpid(sim->pid, &status, 0), sim->pid);
    sim->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), wanted);
}

/* A trial that runs until release_trial. */
static void assign_waiting(struct sim *sim, int64_t job, char fifo[80])
{
    snprintf(fifo, 80, "%s/fifo", sim->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assign(sim, job, fifo, NULL);
    expect_beat(sim, 1, 1);
}

/* Opening for reading and writing never blocks, and wakes who waits to read.
 * Returns the descriptor, to be kept until the trial has noticed. */
static int release_trial(const char *fifo)
{
    int fd = open(fifo, O_RDWR);

    assert_true(fd >= 0);
    return fd;
}

/* --- the tests ----------------------------------------------------------------- */

static void test_hello(void **state)
{
    struct sim *sim = *state;
    const struct msg_hello *hello = &expect(sim, MSG_HELLO)->hello;

    assert_int_equal(hello->version, PROTO_VERSION);
    assert_true(hash_is_hex(hello->worker.data, hello->worker.size));
    assert_int_equal(hello->epoch, 0);
    assert_int_equal(hello->slots, 2);
    assert_int_equal(hello->threads, 1);
    assert_int_equal(hello->pid, sim->pid);
    assert_true(hello->cores >= 1 && hello->host.size > 0 && hello->provenance.size > 0);
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void test_result_until_acknowledged(void **state)
{
    struct sim *sim = *state;

    join(sim);
    assign(sim, 7, "quick", NULL);
    assert_int_equal(expect_result(sim, 7)->outcome, OUTCOME_DONE);
    expect_beat(sim, 2, 1); /* the slot is free, the result still ours */

    /* The coordinator dies with the result, and another one comes. */
    forget(sim);
    wire_free(&sim->wire);
    listen_on(sim);
    const struct msg *msg = next(sim);
    if (msg->kind == MSG_BEAT) { /* ZeroMQ was faster than the daemon */
        reply(sim, (struct msg){.kind = MSG_WHO});
        msg = expect(sim, MSG_HELLO);
    }
    assert_int_equal(msg->kind, MSG_HELLO);
    assert_int_equal(msg->hello.epoch, 1);
    assert_int_equal(msg->hello.running_count, 1);
    assert_int_equal(msg->hello.running[0].job, 7);
    welcome(sim, 1000);
    expect_result(sim, 7);
    ack(sim, 7, VERDICT_ACCEPTED);
    expect_beat(sim, 2, 0);
}

static void test_superseded_is_dropped(void **state)
{
    struct sim *sim = *state;

    join(sim);
    assign(sim, 7, "quick", NULL);
    expect_result(sim, 7);
    ack(sim, 7, VERDICT_SUPERSEDED);
    expect_beat(sim, 2, 0);
}

static void test_failures_are_results(void **state)
{
    struct sim *sim = *state;

    join(sim);
    assign(sim, 8, "exit", NULL);
    const struct msg_result *result = expect_result(sim, 8);
    assert_int_equal(result->outcome, OUTCOME_FAILED);
    assert_true(slice_is(result->cause, "exit"));
    assert_true(result->seconds < 100);
    ack(sim, 8, VERDICT_ACCEPTED);
    expect_beat(sim, 4, 0); /* it was short: as many again are asked for */
}

static void test_kill(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    reply(sim, (struct msg){.kind = MSG_KILL, .kill = {.job = 9, .attempt = 1}});
    expect_beat(sim, 2, 0);
    assign(sim, 10, "quick", NULL); /* it goes on working */
    expect_result(sim, 10);
}

static void test_states_are_uploaded_first(void **state)
{
    struct sim *sim = *state;
    static char bytes[STATE_SIZE];
    char hash[HASH_TEXT];
    uint64_t held = 0;

    fill_state(bytes);
    hash_bytes(bytes, sizeof bytes, hash);
    join(sim);
    assign(sim, 7, "state", NULL);
    while (held < STATE_SIZE) {
        const struct msg_put *put = &expect(sim, MSG_PUT)->put;
        assert_true(slice_is(put->hash, hash));
        assert_int_equal(put->size, STATE_SIZE);
        assert_int_equal(put->offset, held);
        assert_memory_equal(put->data.data, bytes + held, put->data.size);
        held += put->data.size;
        reply(sim, (struct msg){.kind = MSG_PUT_OK,
                                .put_ok = {.hash = slice_of(hash),
                                           .offset = held,
                                           .complete = held == STATE_SIZE}});
    }
    assert_int_equal(expect_result(sim, 7)->state_count, 1);
    ack(sim, 7, VERDICT_ACCEPTED);
    expect_beat(sim, 2, 0);
}

/* Answer GETs from the state until the result of a job comes. */
static const struct msg_result *serve_state(struct sim *sim, int64_t job)
{
    static char bytes[STATE_SIZE];
    const struct msg *msg;

    fill_state(bytes);
    while ((msg = next(sim))->kind != MSG_RESULT) {
        if (msg->kind == MSG_BEAT) {
            reply(sim,
                  (struct msg){.kind = MSG_PONG, .pong = {PROTO_VERSION, sim->epoch}});
            continue;
        }
        assert_int_equal(msg->kind, MSG_GET);
        uint64_t offset = msg->get.offset, left = STATE_SIZE - offset;
        size_t size = left < msg->get.count ? (size_t)left : msg->get.count;
        reply(sim, (struct msg){.kind = MSG_CHUNK,
                                .chunk = {.hash = msg->get.hash,
                                          .size = STATE_SIZE,
                                          .offset = offset,
                                          .data = {bytes + offset, size}}});
    }
    assert_int_equal(msg->result.job, job);
    return &msg->result;
}

static void test_inputs_are_fetched_once(void **state)
{
    struct sim *sim = *state;
    static char bytes[STATE_SIZE];
    char hash[HASH_TEXT];
    struct msg_input input = {.role = slice_of("a"),
                              .state = slice_of("final"),
                              .spec = slice_of("spec of the run"),
                              .stored = true};

    fill_state(bytes);
    hash_bytes(bytes, sizeof bytes, hash);
    input.hash = slice_of(hash);
    join(sim);
    assign(sim, 7, "input", &input);
    assert_true(slice_is(serve_state(sim, 7)->message, "good"));
    ack(sim, 7, VERDICT_ACCEPTED);
    assign(sim, 8, "input", &input); /* from the cache: no GET */
    assert_true(slice_is(expect_result(sim, 8)->message, "good"));
}

static void test_missing_input_fails_the_job(void **state)
{
    struct sim *sim = *state;
    struct msg_input input = {.role = slice_of("a"),
                              .state = slice_of("final"),
                              .spec = slice_of("spec of the run"),
                              .hash = slice_of("00112233445566778899aabbccddeeff"),
                              .stored = true};

    join(sim);
    assign(sim, 7, "input", &input);
    expect(sim, MSG_GET);
    reply(sim, (struct msg){.kind = MSG_CHUNK,
                            .chunk = {.hash = input.hash, .text = slice_of("no such")}});
    const struct msg_result *result = expect_result(sim, 7);
    assert_int_equal(result->outcome, OUTCOME_FAILED);
    assert_true(slice_is(result->cause, "data"));
}

static void test_who(void **state)
{
    struct sim *sim = *state;

    join(sim);
    reply(sim, (struct msg){.kind = MSG_WHO});
    assert_int_equal(expect(sim, MSG_HELLO)->hello.epoch, 1);
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void test_silence_makes_a_new_connection(void **state)
{
    struct sim *sim = *state;
    struct wire_peer old;

    assert_int_equal(expect(sim, MSG_HELLO)->hello.epoch, 0);
    old = sim->peer;
    welcome(sim, 50);
    while (next(sim)->kind == MSG_BEAT)
        ; /* and no answer */
    assert_int_equal(sim->msg.kind, MSG_HELLO);
    assert_false(wire_peer_equal(&old, &sim->peer));
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static void test_sigterm_drains(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    kill(sim->pid, SIGTERM);
    expect_beat(sim, 0, 1);
    int fd = release_trial(fifo);
    expect_result(sim, 9);
    close(fd);
    ack(sim, 9, VERDICT_ACCEPTED);
    assert_true(slice_is(expect(sim, MSG_BYE)->bye.text, "drained"));
    expect_exit(sim, 0);
}

static void test_second_sigterm_stops(void **state)
{
    struct sim *sim = *state;
    char fifo[80];

    join(sim);
    assign_waiting(sim, 9, fifo);
    kill(sim->pid, SIGTERM);
    expect_beat(sim, 0, 1);
    kill(sim->pid, SIGTERM);
    assert_true(slice_is(expect(sim, MSG_BYE)->bye.text, "stopped"));
    expect_exit(sim, 0);
}

static void test_drain_message(void **state)
{
    struct sim *sim = *state;

    join(sim);
    reply(sim, (struct msg){.kind = MSG_DRAIN});
    expect(sim, MSG_BYE);
    expect_exit(sim, 0);
}

static void test_refused(void **state)
{
    struct sim *sim = *state;

    expect(sim, MSG_HELLO);
    reply(sim, (struct msg){.kind = MSG_ERROR,
                            .error = {.code = ERR_REFUSED, .text = slice_of("version")}});
    expect_exit(sim, 4);
}

#define SIM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SIM_TEST(test_hello),
        SIM_TEST(test_result_until_acknowledged),
        SIM_TEST(test_superseded_is_dropped),
        SIM_TEST(test_failures_are_results),
        SIM_TEST(test_kill),
        SIM_TEST(test_states_are_uploaded_first),
        SIM_TEST(test_inputs_are_fetched_once),
        SIM_TEST(test_missing_input_fails_the_job),
        SIM_TEST(test_who),
        SIM_TEST(test_silence_makes_a_new_connection),
        SIM_TEST(test_sigterm_drains),
        SIM_TEST(test_second_sigterm_stops),
        SIM_TEST(test_drain_message),
        SIM_TEST(test_refused),
    };

    if (argc == 2 && strcmp(argv[1], "trial") == 0)
        return run_trial();
    if (argc == 4 && strcmp(argv[1], "daemon") == 0)
        return run_daemon(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
