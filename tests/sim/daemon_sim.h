#ifndef COORD_TEST_DAEMON_SIM_H
#define COORD_TEST_DAEMON_SIM_H

/* A daemon in a process of its own, against a coordinator played by the test over
 * a real ROUTER. Daemon and trials are the test program itself, called with an
 * argument; a trial does what its spec says: "quick", "state", "input", "exit",
 * "save", "report" or "crash", or the name of a named pipe to wait for. Every function
 * asserts. */

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

static inline void fill_state(char *bytes)
{
    for (int i = 0; i < STATE_SIZE; i++)
        bytes[i] = (char)(i % 253);
}

/* "state": store one state of STATE_SIZE bytes. */
static inline int trial_state(const struct msg_start *start, struct msg_result *result)
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

/* "save": save itself, and once it is asked to end do so again, and end; "crash": save
 * itself and die. */
static inline int trial_save(const struct msg_start *start, const char *spec,
                             struct msg_result *result)
{
    struct msg_state saved = {.name = slice_of(PROTO_RESUME), .stored = true};
    struct msg msg = {.kind = MSG_CHECKPOINT,
                      .checkpoint = {start->job.job, start->job.attempt, &saved, 1}};
    char hash[HASH_TEXT], path[PATH_MAX];
    sigset_t term;
    int signal;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    for (saved.step = 1;; saved.step++) {
        saved.size =
            (uint64_t)snprintf(path, sizeof path, "saved at step %d\n", (int)saved.step);
        char bytes[64];
        memcpy(bytes, path, saved.size);
        hash_bytes(bytes, saved.size, hash);
        saved.hash = slice_of(hash);
        snprintf(path, sizeof path, "%.*s/%s.safetensors", (int)start->dir.size,
                 start->dir.data, hash);
        FILE *file = fopen(path, "w");
        if (!file || fwrite(bytes, saved.size, 1, file) != 1 || fclose(file) != 0 ||
            pipe_send(TRIAL_FD_RESULT, &msg, NULL) != 0)
            return 4;
        if (strcmp(spec, "crash") == 0)
            raise(SIGKILL);
        if (saved.step == 2)
            break;
        sigwait(&term, &signal);
    }
    result->outcome = OUTCOME_FAILED;
    result->cause = slice_of("preempted");
    return 0;
}

/* One evaluation, as a run tells of it while it goes on. */
static inline int trial_report(void)
{
    struct msg_history row = {
        .epoch = 1, .split = slice_of("test"), .tally = {4, 2, 0, 0, 6.0, 9.5}};
    const struct msg msg = {.kind = MSG_REPORT, .report = {99, 7, &row, 1}};

    return pipe_send(TRIAL_FD_RESULT, &msg, NULL) == 0 ? 0 : 4;
}

/* "input": say whether the first input's file has the right content. */
static inline int trial_input(const struct msg_start *start, struct msg_result *result)
{
    static char hash[HASH_TEXT], path[PATH_MAX];
    const struct msg_input *input = &start->job.inputs[0];

    snprintf(path, sizeof path, "%.*s", (int)input->path.size, input->path.data);
    bool good = hash_file(path, hash, NULL, NULL) == 0 && slice_is(input->hash, hash);
    result->message = slice_of(good ? "good" : "bad");
    return 0;
}

static inline int run_trial(void)
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
    else if (strcmp(spec, "report") == 0)
        rc = trial_report() ? 4 : trial_save(start, spec, &answer.result);
    else if (strcmp(spec, "save") == 0 || strcmp(spec, "crash") == 0)
        rc = trial_save(start, spec, &answer.result);
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

static inline int run_daemon(char **argv)
{
    char program[] = "/proc/self/exe", verb[] = "trial";
    char *trial[] = {program, verb, NULL};
    const struct daemon_setup setup = {.endpoint = argv[2],
                                       .slots = 2,
                                       .threads = 1,
                                       .checkpoint_ms = 60000,
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
    bool old;  /* it takes neither checkpoints nor reports */
    pid_t pid; /* of the daemon; 0: it has ended */
};

static inline void listen_on(struct sim *sim)
{
    char endpoint[WIRE_ENDPOINT_MAX];
    struct error err;

    sim->epoch++;
    sim->wire = wire_listen(sim->endpoint, NULL, endpoint, &err);
    assert_non_null(sim->wire);
}

static inline int setup(void **state)
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

static inline void forget(struct sim *sim)
{
    if (sim->msg.kind != MSG_NONE)
        msg_free(&sim->msg);
    sim->msg = (struct msg){0};
}

static inline int teardown(void **state)
{
    struct sim *sim = *state;

    forget(sim);
    if (sim->pid > 0) {
        kill(sim->pid, SIGKILL);
        waitpid(sim->pid, NULL, 0);
    }
    wire_free(&sim->wire);
    scratch_remove(sim->dir);
    free(sim);
    return 0;
}

static inline void reply(struct sim *sim, struct msg msg)
{
    struct error err;

    if (wire_send(sim->wire, &sim->peer, &msg, &err) != 0)
        fail_msg("%s", err.text);
}

/* The next message of any kind. */
static inline const struct msg *next(struct sim *sim)
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

/* One that says farewell after its beat may be gone by now. */
static inline void answer_passed_beat(struct sim *sim)
{
    const struct msg pong = {.kind = MSG_PONG,
                             .pong = {.version = PROTO_VERSION, .epoch = sim->epoch}};
    struct error err;

    if (wire_send(sim->wire, &sim->peer, &pong, &err) != 0 && err.code != ERR_NOT_FOUND)
        fail_msg("%s", err.text);
}

/* The next message of a kind; beats are answered and passed over. */
static inline const struct msg *expect(struct sim *sim, enum msg_kind kind)
{
    const struct msg *msg;

    while ((msg = next(sim))->kind != kind) {
        if (msg->kind != MSG_BEAT)
            fail_msg("expected %s, got %s", msg_kind_name(kind),
                     msg_kind_name(msg->kind));
        answer_passed_beat(sim);
    }
    return msg;
}

/* Beats until one says this. */
static inline void expect_beat(struct sim *sim, uint32_t credit, uint32_t running)
{
    const struct msg *msg;

    do {
        msg = expect(sim, MSG_BEAT);
        reply(sim, (struct msg){.kind = MSG_PONG,
                                .pong = {.version = PROTO_VERSION, .epoch = sim->epoch}});
    } while (msg->beat.credit != credit || msg->beat.running_count != running);
}

static inline void welcome(struct sim *sim, uint32_t beat_ms)
{
    reply(sim, (struct msg){.kind = MSG_WELCOME,
                            .welcome = {.version = PROTO_VERSION,
                                        .epoch = sim->epoch,
                                        .worker = 1,
                                        .beat_ms = beat_ms,
                                        .lease_ms = 10 * beat_ms,
                                        .checkpoints = !sim->old,
                                        .reports = !sim->old}});
}

/* HELLO, WELCOME, the first BEAT. */
static inline void join(struct sim *sim)
{
    assert_int_equal(expect(sim, MSG_HELLO)->hello.running_count, 0);
    welcome(sim, 1000);
    expect_beat(sim, 2, 0);
}

static inline void assign(struct sim *sim, int64_t job, const char *spec,
                          struct msg_input *input)
{
    struct msg_job jobs[1] = {{.job = job,
                               .attempt = 1,
                               .spec = slice_of(spec),
                               .inputs = input,
                               .input_count = input ? 1 : 0}};

    reply(sim, (struct msg){.kind = MSG_ASSIGN, .assign = {jobs, 1}});
}

static inline void ack(struct sim *sim, int64_t job, uint32_t verdict)
{
    reply(sim, (struct msg){.kind = MSG_ACK,
                            .ack = {.job = job, .attempt = 1, .verdict = verdict}});
}

static inline const struct msg_result *expect_result(struct sim *sim, int64_t job)
{
    const struct msg_result *result = &expect(sim, MSG_RESULT)->result;

    assert_int_equal(result->job, job);
    assert_int_equal(result->attempt, 1);
    return result;
}

static inline void expect_exit(struct sim *sim, int wanted)
{
    int status;

    assert_int_equal(waitpid(sim->pid, &status, 0), sim->pid);
    sim->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), wanted);
}

/* A trial that runs until release_trial. */
static inline void assign_waiting(struct sim *sim, int64_t job, char fifo[80])
{
    snprintf(fifo, 80, "%s/fifo", sim->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assign(sim, job, fifo, NULL);
    expect_beat(sim, 1, 1);
}

/* Opening for reading and writing never blocks, and wakes who waits to read.
 * Returns the descriptor, to be kept until the trial has noticed. */
static inline int release_trial(const char *fifo)
{
    int fd = open(fifo, O_RDWR);

    assert_true(fd >= 0);
    return fd;
}

/* The coordinator dies, and another one takes its place. Returns the HELLO. */
static inline const struct msg *replace_coordinator(struct sim *sim)
{
    forget(sim);
    wire_free(&sim->wire);
    listen_on(sim);
    const struct msg *msg = next(sim);
    while (msg->kind == MSG_BEAT) { /* ZeroMQ was faster than the daemon */
        reply(sim, (struct msg){.kind = MSG_WHO});
        msg = next(sim);
    }
    assert_int_equal(msg->kind, MSG_HELLO);
    assert_int_equal(msg->hello.epoch, sim->epoch - 1);
    return msg;
}

/* ---- main ------------------------------------------------------------------------ */

#define SIM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* For main: the status of a daemon or trial, or -1 when the tests are to run. */
static inline int sim_other_main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "trial") == 0)
        return run_trial();
    if (argc == 4 && strcmp(argv[1], "daemon") == 0)
        return run_daemon(argv);
    return -1;
}

#endif
