#ifndef COORD_BENCH_SIMWORK_H
#define COORD_BENCH_SIMWORK_H

/* Workers that do no work: they speak the real protocol over the real wire, many in
 * one process, and answer each job at once with a result. What is measured with them
 * is the coordinator.
 */

#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "proto/keyfile.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void die(const char *what, const struct error *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err ? err->text : "failed");
    exit(1);
}

/* ---- the coordinator, seen from outside ------------------------ */

/* User and system time of a process with all its threads. */
static inline double process_cpu_seconds(long pid)
{
    unsigned long user = 0, system = 0;
    char path[64], line[1024] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (!(file = fopen(path, "r")))
        return 0;
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    fclose(file);
    char *rest = strrchr(line, ')');
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                        &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Resident memory in KiB. */
static inline long process_rss_kib(long pid)
{
    char path[64];
    long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/statm", pid);
    if (!(file = fopen(path, "r")))
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- workers ------------------------ */

enum { SIM_HELD_MAX = PROTO_RUNNING_MAX };

struct sim_worker {
    struct wire *wire;
    char uuid[HASH_TEXT];
    bool up;               /* was WELCOMEd */
    uint32_t slots, ahead; /* it takes so many jobs in all */
    int64_t beat_us;       /* the last */
    int64_t hello_us;
    struct msg_running held[SIM_HELD_MAX]; /* assigned, and not acknowledged */
    uint32_t held_count;
    uint64_t assigned; /* since WELCOME */
    uint64_t refused;
};

static inline void sim_send(struct sim_worker *worker, const struct msg *msg)
{
    struct error err;

    while (wire_send(worker->wire, NULL, msg, &err) != 0) {
        if (err.code != ERR_BUSY)
            die(msg_kind_name(msg->kind), &err);
        struct wire_poll item = {.wire = worker->wire};
        wire_poll(&item, 1, 1, NULL);
    }
}

/* False when the connection is not there yet. */
static inline bool sim_hello(struct sim_worker *worker)
{
    const struct msg hello = {
        .kind = MSG_HELLO,
        .hello = {.version = PROTO_VERSION,
                  .worker = slice_of(worker->uuid),
                  .host = slice_of("simulated"),
                  .pid = (uint32_t)getpid(),
                  .slots = worker->slots,
                  .threads = 1,
                  .cores = worker->slots,
                  .provenance = slice_of("{}"),
                  .running = worker->held,
                  .running_count = worker->held_count},
    };
    struct error err;

    worker->hello_us = clock_mono_us();
    return wire_send(worker->wire, NULL, &hello, &err) == 0;
}

/* As a daemon's: a job that has ended leaves its slot, but results that are not
 * acknowledged do not pile up without end. */
static inline uint32_t sim_credit(const struct sim_worker *worker)
{
    uint32_t most = worker->slots + worker->ahead,
             room = SIM_HELD_MAX - worker->held_count;

    return most < room ? most : room;
}

static inline void sim_beat(struct sim_worker *worker)
{
    const struct msg beat = {
        .kind = MSG_BEAT,
        .beat = {.credit = sim_credit(worker),
                 .running = worker->held,
                 .running_count = worker->held_count},
    };

    sim_send(worker, &beat);
    worker->beat_us = clock_mono_us();
}

static inline void sim_drop(struct sim_worker *worker, int64_t job)
{
    for (uint32_t i = 0; i < worker->held_count; i++) {
        if (worker->held[i].job != job)
            continue;
        worker->held[i] = worker->held[--worker->held_count];
        return;
    }
}

/* Where a file of the coordinator's directory has its endpoint and a worker's key. */
static inline void sim_address(const char *dir, char endpoint[WIRE_ENDPOINT_MAX],
                               struct keyfile *key)
{
    char path[4096];
    struct error err;
    FILE *file;

    snprintf(path, sizeof path, "%s/endpoint", dir);
    if (!(file = fopen(path, "r")) || !fgets(endpoint, WIRE_ENDPOINT_MAX, file))
        die("no coordinator", NULL);
    fclose(file);
    endpoint[strcspn(endpoint, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/keys/worker.key", dir);
    if (keyfile_read(path, key, &err) != 0)
        die("the key", &err);
}

static inline void sim_connect(struct sim_worker *worker, const char *endpoint,
                               const struct wire_keys *keys, uint32_t slots)
{
    struct error err;

    *worker = (struct sim_worker){.slots = slots, .ahead = slots};
    hash_random(worker->uuid);
    worker->wire = wire_connect(endpoint, keys, &err);
    if (!worker->wire)
        die("connect", &err);
}

#endif
