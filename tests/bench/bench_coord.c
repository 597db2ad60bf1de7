/* Simulated workers against a coordinator that runs: bench_coord VERB DIR PID ...
 *
 *   drain DIR PID WORKERS SLOTS JOBS POINTS   take jobs until JOBS are acknowledged;
 *         a probe's result has POINTS points
 *   crowd DIR PID WORKERS SECONDS             connect all at once, then beat so long
 *
 * The last line is JSON, for coord.py.
 */

#include "tests/bench/simwork.h"

#include <inttypes.h>

enum { RETRY_US = 1000 * 1000, BEAT_US = 2000 * 1000, IDLE_US = 4000 * 1000 };

struct bench {
    struct sim_worker *workers;
    struct wire_poll *items;
    size_t count, up;
    long pid; /* of the coordinator */
    uint32_t points;
    uint64_t accepted, points_accepted, messages;
    struct msg_point *rows;
    int64_t deadline_us;
};

/* ---- results ------------------------ */

static struct tally tally_of(uint32_t i)
{
    return (struct tally){.count = 1000,
                          .correct = 900 - i % 300,
                          .sum = 100.0 + i % 97,
                          .sum_sq = 300.0 + i % 89};
}

/* Curves of 25 alphas on two splits, of as many groups as it takes. */
static void fill_points(struct bench *bench)
{
    static char names[PROTO_POINTS_MAX / 50 + 1][16];

    bench->rows = calloc(bench->points + 1, sizeof *bench->rows);
    if (!bench->rows)
        die("memory", NULL);
    for (uint32_t i = 0; i < bench->points; i++) {
        snprintf(names[i / 50], sizeof names[0], "layer%" PRIu32, i / 50);
        bench->rows[i] = (struct msg_point){.grp = slice_of(names[i / 50]),
                                            .bn = slice_of("none"),
                                            .split = slice_of(i % 2 ? "test" : "train"),
                                            .alpha_index = i / 2 % 25,
                                            .alpha = (i / 2 % 25) / 24.0,
                                            .tally = tally_of(i)};
    }
}

static void send_result(struct bench *bench, struct sim_worker *worker,
                        const struct msg_job *job)
{
    static const char RUN[] = "coord-spec 1 train";
    static const char HASH[] = "0123456789abcdef0123456789abcdef";
    const char *final = getenv("BENCH_STATE"); /* hash of an artifact that is there */
    struct msg_state states[] = {{.name = slice_of("init"), .hash = slice_of(HASH)},
                                 {.name = slice_of("final"),
                                  .hash = slice_of(final ? final : HASH),
                                  .stored = final != NULL}};
    struct msg result = {.kind = MSG_RESULT,
                         .result = {.job = job->job,
                                    .attempt = job->attempt,
                                    .outcome = OUTCOME_DONE,
                                    .seconds = 0.001,
                                    .cpu_seconds = 0.001,
                                    .rss_bytes = 1 << 20,
                                    .epochs = 1,
                                    .steps = 1,
                                    .room = worker->assigned + sim_credit(worker)}};

    if (job->spec.size >= sizeof RUN &&
        memcmp(job->spec.data, RUN, sizeof RUN - 1) != 0) {
        result.result.points = bench->rows;
        result.result.point_count = bench->points;
        bench->points_accepted += bench->points;
    } else if (bench->points > 0) { /* the probes ask for it */
        result.result.states = states;
        result.result.state_count = 2;
    }
    sim_send(worker, &result);
}

static void take_jobs(struct bench *bench, struct sim_worker *worker,
                      const struct msg_assign *assign)
{
    for (uint32_t i = 0; i < assign->job_count; i++) {
        const struct msg_job *job = &assign->jobs[i];

        if (worker->held_count == SIM_HELD_MAX)
            die("more jobs than credit", NULL);
        worker->assigned++;
        worker->held[worker->held_count++] =
            (struct msg_running){.job = job->job, .attempt = job->attempt};
        send_result(bench, worker, job);
    }
}

/* ---- the workers' side ------------------------ */

static void hear(struct bench *bench, struct sim_worker *worker, const struct msg *msg)
{
    switch ((int)msg->kind) {
    case MSG_WELCOME:
        bench->up += !worker->up;
        worker->up = true;
        worker->assigned = 0;
        worker->beat_us = clock_mono_us();
        break;
    case MSG_WHO:
        sim_hello(worker);
        break;
    case MSG_ASSIGN:
        take_jobs(bench, worker, &msg->assign);
        break;
    case MSG_ACK:
        if (msg->ack.verdict != VERDICT_ACCEPTED)
            worker->refused++;
        bench->accepted += msg->ack.verdict == VERDICT_ACCEPTED;
        sim_drop(worker, msg->ack.job);
        break;
    case MSG_PONG:
    case MSG_KILL: /* of what was committed while our list was on its way */
        break;
    default:
        fprintf(stderr, "bench: a worker got %s\n", msg_kind_name(msg->kind));
        exit(1);
    }
}

static void receive(struct bench *bench, struct sim_worker *worker)
{
    struct msg msg;
    struct error err;
    int got;

    while ((got = wire_recv(worker->wire, NULL, &msg, &err)) != 0) {
        if (got < 0)
            die("received", &err);
        bench->messages++;
        hear(bench, worker, &msg);
        msg_free(&msg);
    }
}

static void greet(struct sim_worker *worker)
{
    int64_t now_us = clock_mono_us();

    if (!worker->up && now_us - worker->hello_us > RETRY_US)
        if (!sim_hello(worker))
            worker->hello_us = now_us - RETRY_US + 10000; /* not connected: soon */
}

/* Wait for news and hear it. */
static void turn(struct bench *bench, int64_t wait_ms)
{
    struct error err;

    if (wire_poll(bench->items, bench->count, wait_ms, &err) < 0)
        die("poll", &err);
    for (size_t i = 0; i < bench->count; i++)
        if (bench->items[i].readable)
            receive(bench, &bench->workers[i]);
    if (clock_mono_us() > bench->deadline_us) {
        for (size_t i = 0; i < bench->count && i < 4; i++)
            fprintf(stderr, "bench: worker %zu holds %" PRIu32 " jobs\n", i,
                    bench->workers[i].held_count);
        fprintf(stderr, "bench: %" PRIu64 " results were acknowledged\n",
                bench->accepted);
        die("it takes too long", NULL);
    }
}

static void connect_all(struct bench *bench, const char *dir, uint32_t slots)
{
    char endpoint[WIRE_ENDPOINT_MAX];
    struct keyfile key;

    sim_address(dir, endpoint, &key);
    bench->workers = calloc(bench->count, sizeof *bench->workers);
    bench->items = calloc(bench->count, sizeof *bench->items);
    if (!bench->workers || !bench->items)
        die("memory", NULL);
    for (size_t i = 0; i < bench->count; i++) {
        sim_connect(&bench->workers[i], endpoint, &key.keys, slots);
        bench->items[i].wire = bench->workers[i].wire;
    }
    while (bench->up < bench->count) {
        for (size_t i = 0; i < bench->count; i++)
            greet(&bench->workers[i]);
        turn(bench, 10);
    }
}

static void leave_all(struct bench *bench)
{
    const struct msg bye = {.kind = MSG_BYE, .bye = {slice_of("measured")}};

    for (size_t i = 0; i < bench->count; i++) {
        sim_send(&bench->workers[i], &bye);
        wire_free(&bench->workers[i].wire);
    }
    free(bench->workers);
    free(bench->items);
    free(bench->rows);
}

/* ---- verbs ------------------------ */

static void beat_all(struct bench *bench, int64_t every_us)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < bench->count; i++) {
        struct sim_worker *worker = &bench->workers[i];
        if (now_us - worker->beat_us > every_us)
            sim_beat(worker);
    }
}

static void drain(struct bench *bench, uint64_t jobs)
{
    double cpu = process_cpu_seconds(bench->pid);
    long rss = process_rss_kib(bench->pid);
    int64_t begin_us = clock_mono_us();

    beat_all(bench, -1);
    while (bench->accepted < jobs) {
        beat_all(bench, BEAT_US);
        turn(bench, 100);
    }
    double seconds = (double)(clock_mono_us() - begin_us) / 1e6;
    uint64_t refused = 0;
    for (size_t i = 0; i < bench->count; i++)
        refused += bench->workers[i].refused;
    printf("{\"jobs\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"seconds\": %.4f, "
           "\"cpu_seconds\": %.2f, \"points\": %" PRIu64 ", \"heard\": %" PRIu64
           ", \"rss_before_kib\": %ld, \"rss_after_kib\": %ld}\n",
           bench->accepted, refused, seconds, process_cpu_seconds(bench->pid) - cpu,
           bench->points_accepted, bench->messages, rss, process_rss_kib(bench->pid));
}

static void crowd(struct bench *bench, const char *dir, double idle_seconds)
{
    int64_t begin_us = clock_mono_us();

    connect_all(bench, dir, 1);
    double seconds = (double)(clock_mono_us() - begin_us) / 1e6;
    for (size_t i = 0; i < bench->count;
         i++) /* spread over a beat, as a daemon's without a job */
        bench->workers[i].beat_us -= (int64_t)(i * IDLE_US / bench->count);
    double cpu = process_cpu_seconds(bench->pid);
    int64_t end_us = clock_mono_us() + (int64_t)(idle_seconds * 1e6);
    while (clock_mono_us() < end_us) {
        beat_all(bench, IDLE_US);
        turn(bench, 5);
    }
    printf("{\"workers\": %zu, \"seconds\": %.3f, \"idle_seconds\": %.1f, "
           "\"cpu_seconds\": %.2f}\n",
           bench->up, seconds, idle_seconds, process_cpu_seconds(bench->pid) - cpu);
}

int main(int argc, char **argv)
{
    struct bench bench = {.deadline_us = clock_mono_us() + 240 * (int64_t)1000000};
    bool drains = argc == 8 && strcmp(argv[1], "drain") == 0;

    if (!drains && (argc != 6 || strcmp(argv[1], "crowd") != 0)) {
        fprintf(stderr, "usage: bench_coord drain DIR PID WORKERS SLOTS JOBS POINTS\n"
                        "       bench_coord crowd DIR PID WORKERS SECONDS\n");
        return 2;
    }
    file_raise_limit();
    bench.pid = atol(argv[3]);
    bench.count = strtoul(argv[4], NULL, 10);
    if (drains) {
        bench.points = (uint32_t)strtoul(argv[7], NULL, 10);
        fill_points(&bench);
        connect_all(&bench, argv[2], (uint32_t)strtoul(argv[5], NULL, 10));
        drain(&bench, strtoull(argv[6], NULL, 10));
    } else {
        crowd(&bench, argv[2], strtod(argv[5], NULL));
    }
    leave_all(&bench);
    return 0;
}
