#ifndef COORD_STOREKIT_H
#define COORD_STOREKIT_H

/* What the store's tests share: a database in a directory of its own, plans made
 * by hand (runs, each with a probe), and results as a worker would send them.
 */

#include "common/error.h"
#include "coordinator/store.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1700000000000

struct kit {
    char dir[64], path[96];
    struct store *store;
    int64_t worker;
};

/* A call that must succeed; prints why if it does not. */
#define MUST(call)                                                                       \
    do {                                                                                 \
        struct error must_err = {0}, *err = &must_err;                                   \
        if (!(call))                                                                     \
            fail_msg("%s: %s", #call, must_err.text);                                    \
    } while (0)

static inline void kit_worker(struct kit *kit, const char *uuid, int64_t *ret)
{
    const struct msg_hello hello = {
        .worker = slice_of(uuid),
        .host = slice_of("node1"),
        .pid = 7,
        .slots = 2,
        .threads = 1,
        .cores = 4,
        .provenance = slice_of("{}"),
    };

    MUST(store_worker_seen(kit->store, &hello, NOW, ret, err) == 0);
}

static inline void kit_open(struct kit *kit)
{
    strcpy(kit->dir, "/tmp/coord-store-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    snprintf(kit->path, sizeof kit->path, "%s/coord.db", kit->dir);
    MUST((kit->store = store_open(kit->path, true, err)) != NULL);
    kit_worker(kit, "00000000000000000000000000000001", &kit->worker);
}

static inline void kit_close(struct kit *kit)
{
    char path[sizeof kit->dir + 257];
    struct dirent *entry;
    DIR *dir;

    store_close(&kit->store);
    dir = opendir(kit->dir);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", kit->dir, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(kit->dir);
}

static inline void kit_begin(struct kit *kit)
{
    MUST(store_begin(kit->store, err) == 0);
}

static inline void kit_commit(struct kit *kit)
{
    MUST(store_commit(kit->store, err) == 0);
}

/* The first column of the first row, as text; "" for NULL or no row. */
static inline const char *kit_text(struct store *store, const char *sql)
{
    static char text[4096];
    struct query *query;
    int got;

    MUST((query = query_open(store, sql, NULL, 0, err)) != NULL);
    MUST((got = query_next(query, err)) >= 0);
    snprintf(text, sizeof text, "%s", got ? query_text(query, 0, NULL) : "");
    query_close(&query);
    return text;
}

static inline int64_t kit_int(struct store *store, const char *sql)
{
    return atoll(kit_text(store, sql));
}

/* --- plans ------------------------------------------------------------------- */

static inline void kit_set(struct spec *spec, const char *name, struct value value)
{
    MUST(spec_set(spec, name, &value, err) == 0);
}

static inline void kit_set_text(struct spec *spec, const char *name, const char *text)
{
    struct value value;

    MUST(value_string(text, &value, err) == 0);
    kit_set(spec, name, value);
    value_free(&value);
}

static inline void kit_seal(struct plan_job *job)
{
    spec_text(&job->spec, &job->text);
    MUST(spec_key(&job->spec, job->key, err) == 0);
}

static inline struct plan_member *kit_member(struct plan_job *job)
{
    size_t count = job->member_count + 1;
    struct plan_member *member;

    job->members = realloc(job->members, count * sizeof *job->members);
    assert_non_null(job->members);
    job->member_count = count;
    member = &job->members[count - 1];
    *member = (struct plan_member){.intervention = "baseline", .role = "", .probe = ""};
    return member;
}

static inline void kit_param(struct plan_member *member, const char *name, double number)
{
    member->params = calloc(1, sizeof *member->params);
    assert_non_null(member->params);
    member->params[0] = (struct plan_param){name, value_real(number)};
    member->param_count = 1;
}

/* A run for every lr and seed, then for each a probe between its states init and
 * `state`. lrs end with 0. */
static inline struct plan *kit_plan(const char *name, const double *lrs, int seeds,
                                    const char *state)
{
    static const char *varied[] = {"optimizer.lr"};
    struct plan *plan = calloc(1, sizeof *plan);
    size_t runs = 0;

    assert_non_null(plan);
    while (lrs[runs] != 0)
        runs++;
    runs *= (size_t)seeds;
    plan->name = strdup(name);
    plan->file = strdup("grid.toml");
    plan->grid = strdup("[sweep]\n");
    plan->time_limit_s = 60;
    plan->varied = varied;
    plan->varied_count = 1;
    plan->job_count = 2 * runs;
    plan->jobs = calloc(plan->job_count, sizeof *plan->jobs);
    assert_non_null(plan->jobs);
    for (size_t i = 0; i < runs; i++) {
        struct plan_job *run = &plan->jobs[i], *probe = &plan->jobs[runs + i];
        double lr = lrs[i / (size_t)seeds];
        int64_t seed = (int64_t)i % seeds;
        struct plan_member *member;

        MUST(spec_init(&run->spec, JOB_TRAIN, err) == 0);
        kit_set(&run->spec, "optimizer.lr", value_real(lr));
        kit_set(&run->spec, "seed.init", value_int(seed));
        kit_seal(run);
        member = kit_member(run);
        member->seed = seed;
        kit_param(member, "optimizer.lr", lr);

        MUST(spec_init(&probe->spec, JOB_PROBE, err) == 0);
        kit_set_text(&probe->spec, "probe.kind", "path");
        kit_set_text(&probe->spec, "a.run", run->key);
        kit_set_text(&probe->spec, "b.run", run->key);
        kit_set_text(&probe->spec, "a.state", "init");
        kit_set_text(&probe->spec, "b.state", state);
        kit_seal(probe);
        member = kit_member(probe);
        member->seed = seed;
        member->probe = "path";
        kit_param(member, "optimizer.lr", lr);
        probe->needs = calloc(2, sizeof *probe->needs);
        assert_non_null(probe->needs);
        probe->need_count = 2;
        probe->needs[0] = (struct plan_need){.job = i, .role = "a", .state = "init"};
        probe->needs[1] = (struct plan_need){.job = i, .role = "b"};
        snprintf(probe->needs[1].state, sizeof probe->needs[1].state, "%s", state);
    }
    return plan;
}

static inline void kit_plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->job_count; i++) {
        struct plan_job *job = &plan->jobs[i];

        for (size_t k = 0; k < job->member_count; k++)
            free(job->members[k].params);
        free(job->members);
        free(job->needs);
        buf_free(&job->text);
        spec_free(&job->spec);
    }
    free(plan->jobs);
    free(plan->name);
    free(plan->file);
    free(plan->grid);
    free(plan);
}

/* Submit in a batch of its own. */
static inline struct store_submitted kit_submit(struct kit *kit, const struct plan *plan,
                                                const char *request)
{
    struct store_submitted did;

    kit_begin(kit);
    MUST(store_submit(kit->store, plan, request, false, NOW, NULL, NULL, &did, err) == 0);
    kit_commit(kit);
    return did;
}

/* --- results ------------------------------------------------------------------ */

static inline struct tally kit_tally(double loss, int64_t correct)
{
    struct tally_sum tally = {.count = 0};

    for (int i = 0; i < 4; i++)
        tally_add(&tally, loss, i < correct);
    return tally_round(&tally);
}

/* A run's result: states init (derived) and final (stored), history of two
 * epochs on both splits. Borrows from `rows`, which lives as long. */
struct kit_rows {
    struct msg_history history[4];
    struct msg_state states[2];
    struct msg_point points[5];
    struct msg_distance distance;
};

#define KIT_HASH "0123456789abcdef0123456789abcdef"

static inline struct msg_result kit_result(int64_t job, uint32_t attempt)
{
    return (struct msg_result){
        .job = job,
        .attempt = attempt,
        .outcome = OUTCOME_DONE,
        .seconds = 2.5,
        .cpu_seconds = 2.25,
        .rss_bytes = 1 << 20,
        .epochs = 1,
        .steps = 10,
        .log = slice_of("epoch 1\n"),
        .provenance = slice_of("{\"cpu\":\"x\"}"),
    };
}

static inline struct msg_result kit_run_result(int64_t job, uint32_t attempt,
                                               struct kit_rows *rows)
{
    struct msg_result result = kit_result(job, attempt);
    const char *splits[] = {"train", "test"};

    for (uint32_t i = 0; i < 4; i++)
        rows->history[i] = (struct msg_history){
            .epoch = i / 2,
            .split = slice_of(splits[i % 2]),
            .tally = kit_tally(2.0 - (double)(i / 2), 1 + (int64_t)i / 2),
            .lr = 0.1 * (i / 2),
            .seconds = (double)i,
        };
    rows->states[0] = (struct msg_state){
        .name = slice_of("init"), .hash = slice_of(KIT_HASH), .size = 8};
    rows->states[1] = (struct msg_state){.name = slice_of("final"),
                                         .hash = slice_of(KIT_HASH),
                                         .size = 8,
                                         .epoch = 1,
                                         .step = 10,
                                         .stored = true};
    result.history = rows->history;
    result.history_count = 4;
    result.states = rows->states;
    result.state_count = 2;
    return result;
}

/* A probe's: five alphas with a bump in the middle. */
static inline struct msg_result kit_probe_result(int64_t job, uint32_t attempt,
                                                 struct kit_rows *rows)
{
    const double losses[] = {1.0, 0.5, 1.75, 0.25, 0.0};
    struct msg_result result = kit_result(job, attempt);

    for (uint32_t i = 0; i < 5; i++)
        rows->points[i] = (struct msg_point){
            .grp = slice_of("all"),
            .bn = slice_of("none"),
            .split = slice_of("test"),
            .alpha_index = i,
            .alpha = i / 4.0,
            .tally = kit_tally(losses[i], i < 4 ? (int64_t)i : 4),
        };
    rows->distance = (struct msg_distance){slice_of("all"), 3.0, 0.5};
    result.points = rows->points;
    result.point_count = 5;
    result.distances = &rows->distance;
    result.distance_count = 1;
    result.epochs = 0;
    result.steps = 0;
    return result;
}

/* Start a job; returns its attempt. */
static inline uint32_t kit_start(struct kit *kit, int64_t job)
{
    struct buf arena = {0};
    struct msg_job msg;

    MUST(store_start(kit->store, job, kit->worker, NOW, &msg, &arena, err) == 0);
    assert_int_equal(msg.job, job);
    buf_free(&arena);
    return msg.attempt;
}

static inline enum msg_verdict kit_judge(struct kit *kit, const struct msg_result *result,
                                         char text[256])
{
    enum msg_verdict verdict;

    MUST(store_result(kit->store, kit->worker, result, NOW, NULL, NULL, &verdict, text,
                      err) == 0);
    return verdict;
}

static inline enum job_state kit_state(struct kit *kit, int64_t job)
{
    enum job_state state;
    uint32_t attempt;

    MUST(store_job_state(kit->store, job, &state, &attempt, err) == 0);
    return state;
}

static inline void kit_artifact(struct kit *kit)
{
    MUST(store_artifact_add(kit->store, KIT_HASH, 8, NOW, err) == 0);
}

/* Start a job and finish it with its natural result. */
static inline void kit_finish(struct kit *kit, int64_t job, bool probe)
{
    struct kit_rows rows;
    struct msg_result result;
    char text[256];
    uint32_t attempt = kit_start(kit, job);

    result = probe ? kit_probe_result(job, attempt, &rows)
                   : kit_run_result(job, attempt, &rows);
    if (kit_judge(kit, &result, text) != VERDICT_ACCEPTED)
        fail_msg("job %lld: %s", (long long)job, text);
}

#endif
