/* nulls: many workers that compute nothing (null_worker.h), in one process, at a real
 * coordinator.
 *
 *   nulls --connect ENDPOINT [--key FILE] [--count N] [--slots N] [--ahead N]
 *         [--run MS] [--fail] [--deaf] [--uuid HEX] [--report MS] [--jobs N]
 *         [--seconds S] [--seed N]
 *
 * Every --report MS milliseconds a line "WORKERS-UP ACCEPTED P50 P99 MAX" on stdout:
 * results acknowledged since the line before, and how long that took, in
 * microseconds. It ends after --jobs acknowledgements, after --seconds, or by SIGTERM,
 * with a BYE of each, and a line of totals. 0: it was as asked; 1: it was not, and
 * stderr says why.
 */

#include "tests/soak/null_worker.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "proto/keyfile.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOOK_MAX = 1 << 16, TURN_MS = 50 };

struct nulls {
    struct null_setup setup;
    struct keyfile keyfile;
    size_t count;
    uint64_t jobs;
    int64_t report_ms, end_ms;
    struct null_worker **workers;
    uint64_t acked, reported;
    int64_t took[TOOK_MAX]; /* since the last report */
    size_t took_count;
};

static volatile sig_atomic_t told;

static void on_term(int signal)
{
    (void)signal;
    told = 1;
}

static void on_acked(void *user, const struct msg_ack *ack, int64_t took_us)
{
    struct nulls *nulls = user;

    nulls->acked += ack->verdict == VERDICT_ACCEPTED || ack->verdict == VERDICT_DUPLICATE;
    if (nulls->took_count < TOOK_MAX)
        nulls->took[nulls->took_count++] = took_us;
}

/* ---- options --------------------------------------------------------------------- */

static int64_t number(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);

    if (end == text || *end || value < 0) {
        fprintf(stderr, "nulls: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

static void read_key(struct nulls *nulls, const char *path)
{
    struct error err;

    if (keyfile_read(path, &nulls->keyfile, &err) != 0) {
        fprintf(stderr, "nulls: %s\n", err.text);
        exit(2);
    }
    nulls->setup.keys = &nulls->keyfile.keys;
}

static void set_option(struct nulls *nulls, int option, const char *text)
{
    switch (option) {
    case 'c':
        nulls->setup.endpoint = text;
        break;
    case 'k':
        read_key(nulls, text);
        break;
    case 'n':
        nulls->count = (size_t)number(text);
        break;
    case 's':
        nulls->setup.slots = (uint32_t)number(text);
        break;
    case 'a':
        nulls->setup.ahead = (uint32_t)number(text);
        break;
    case 'r':
        nulls->setup.run_ms = number(text);
        break;
    case 'f':
        nulls->setup.fails = true;
        break;
    case 'd':
        nulls->setup.deaf = true;
        break;
    case 'u':
        nulls->setup.uuid = text;
        break;
    case 'p':
        nulls->report_ms = number(text);
        break;
    case 'j':
        nulls->jobs = (uint64_t)number(text);
        break;
    case 't':
        nulls->end_ms = clock_mono_ms() + 1000 * number(text);
        break;
    case 'e':
        nulls->setup.seed = (uint64_t)number(text);
        break;
    default:
        fputs("nulls: see the top of tests/soak/nulls.c\n", stderr);
        exit(2);
    }
}

static void read_options(struct nulls *nulls, int argc, char **argv)
{
    static const struct option options[] = {{"connect", required_argument, NULL, 'c'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"slots", required_argument, NULL, 's'},
                                            {"ahead", required_argument, NULL, 'a'},
                                            {"run", required_argument, NULL, 'r'},
                                            {"fail", no_argument, NULL, 'f'},
                                            {"deaf", no_argument, NULL, 'd'},
                                            {"uuid", required_argument, NULL, 'u'},
                                            {"report", required_argument, NULL, 'p'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"seed", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set_option(nulls, option, optarg);
    if (!nulls->setup.endpoint || optind < argc)
        set_option(nulls, '?', NULL);
}

/* ---- what it says ---------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static size_t count_up(const struct nulls *nulls)
{
    size_t up = 0;

    for (size_t i = 0; i < nulls->count; i++)
        up += null_worker_count(nulls->workers[i])->up;
    return up;
}

static void report(struct nulls *nulls)
{
    size_t n = nulls->took_count;
    const int64_t *took = nulls->took;

    qsort(nulls->took, n, sizeof *nulls->took, by_size);
    printf("%zu %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", count_up(nulls),
           nulls->acked - nulls->reported, n ? took[n / 2] : 0,
           n ? took[n - 1 - n / 100] : 0, n ? took[n - 1] : 0);
    fflush(stdout);
    nulls->took_count = 0;
    nulls->reported = nulls->acked;
}

static void say_totals(const struct nulls *nulls)
{
    struct null_count sum = {0};

    for (size_t i = 0; i < nulls->count; i++) {
        const struct null_count *one = null_worker_count(nulls->workers[i]);
        sum.assigned += one->assigned;
        sum.accepted += one->accepted;
        sum.duplicate += one->duplicate;
        sum.superseded += one->superseded;
        sum.refused += one->refused;
        sum.killed += one->killed;
        sum.welcomes += one->welcomes;
        sum.whos += one->whos;
        sum.connects += one->connects;
    }
    printf("workers=%zu assigned=%" PRIu64 " accepted=%" PRIu64 " duplicate=%" PRIu64
           " superseded=%" PRIu64 " refused=%" PRIu64 " killed=%" PRIu64
           " welcomes=%" PRIu64 " whos=%" PRIu64 " connects=%" PRIu64 "\n",
           nulls->count, sum.assigned, sum.accepted, sum.duplicate, sum.superseded,
           sum.refused, sum.killed, sum.welcomes, sum.whos, sum.connects);
}

/* ---- life ------------------------------------------------------------------------ */

static int start(struct nulls *nulls, struct error *err)
{
    uint64_t seed = nulls->setup.seed ? nulls->setup.seed : 1;

    nulls->workers = calloc(nulls->count, sizeof(struct null_worker *));
    if (!nulls->workers)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu workers", nulls->count);
    for (size_t i = 0; i < nulls->count; i++) {
        nulls->setup.seed = seed * 1000003 + 7919 * (uint64_t)i + 1;
        nulls->workers[i] = null_worker_new(&nulls->setup, err);
        if (!nulls->workers[i])
            return -1;
    }
    return 0;
}

static bool is_over(const struct nulls *nulls)
{
    return told || (nulls->jobs > 0 && nulls->acked >= nulls->jobs) ||
           (nulls->end_ms > 0 && clock_mono_ms() >= nulls->end_ms);
}

static int run(struct nulls *nulls, struct error *err)
{
    int64_t report_ms = clock_mono_ms() + nulls->report_ms;

    while (!is_over(nulls)) {
        if (null_worker_turn_all(nulls->workers, nulls->count, TURN_MS, err) != 0)
            return -1;
        if (nulls->report_ms > 0 && clock_mono_ms() >= report_ms) {
            report(nulls);
            report_ms += nulls->report_ms;
        }
    }
    for (size_t i = 0; i < nulls->count; i++)
        null_worker_bye(nulls->workers[i]);
    return 0;
}

int main(int argc, char **argv)
{
    static struct nulls nulls = {.count = 1, .setup = {.slots = 1, .ahead = 1}};
    struct error err = {0};

    read_options(&nulls, argc, argv);
    nulls.setup.acked = on_acked;
    nulls.setup.user = &nulls;
    null_worker_many();
    file_raise_limit();
    signal(SIGTERM, on_term);
    signal(SIGINT, on_term);
    int rc = start(&nulls, &err);
    if (rc == 0)
        rc = run(&nulls, &err);
    if (rc == 0)
        say_totals(&nulls);
    else
        fprintf(stderr, "nulls: %s\n", err.text);
    for (size_t i = 0; nulls.workers && i < nulls.count; i++)
        null_worker_free(&nulls.workers[i]);
    free(nulls.workers);
    return rc == 0 ? 0 : 1;
}
