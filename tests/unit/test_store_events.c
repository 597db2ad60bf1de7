/* Whatever happens in whatever order: the events, replayed, give the states; the
 * counts are the counts; and nothing has two results. A few hundred operations,
 * drawn with a fixed seed, over a plan that grows.
 */

#include "storekit.h"

enum { JOBS_MAX = 64, ROUNDS = 6, OPERATIONS = 300 };

/* Numerical Recipes' generator: the same sequence everywhere. */
static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

struct world {
    struct kit kit;
    uint64_t seed;
    int64_t jobs;
    int accepted, duplicates, superseded, missing, refused;
};

static int64_t any_job(struct world *world)
{
    return 1 + (int64_t)draw(&world->seed, (uint32_t)world->jobs);
}

static void try_start(struct world *world)
{
    struct buf arena = {0};
    struct msg_job msg;
    struct error why = {0};
    int64_t job = any_job(world);
    bool ready = kit_state(&world->kit, job) == JOB_READY;
    int rc =
        store_start(world->kit.store, job, world->kit.worker, NOW, &msg, &arena, &why);

    assert_int_equal(rc, ready ? 0 : -1);
    if (!ready)
        assert_int_equal(why.code, ERR_NOT_FOUND);
    buf_free(&arena);
}

/* Of an attempt that is, was, or never will be. */
static uint32_t any_attempt(struct world *world, int64_t job)
{
    enum job_state state;
    uint32_t attempt;

    MUST(store_job_state(world->kit.store, job, &state, &attempt, err) == 0);
    return draw(&world->seed, 4) ? attempt : draw(&world->seed, attempt + 2);
}

static void send_result(struct world *world)
{
    static const char *const CAUSES[] = {"exit",      "signal", "oom",     "worker-lost",
                                         "preempted", "",       "gremlins"};
    int64_t job = any_job(world);
    uint32_t attempt = any_attempt(world, job);
    struct kit_rows rows;
    struct msg_result result;
    char text[256];
    char sql[64];
    bool probe;

    snprintf(sql, sizeof sql, "SELECT kind = 'probe' FROM job WHERE id = %lld",
             (long long)job);
    probe = kit_int(world->kit.store, sql) != 0;
    result = probe ? kit_probe_result(job, attempt, &rows)
                   : kit_run_result(job, attempt, &rows);
    if (draw(&world->seed, 3) == 0) {
        result.outcome = OUTCOME_FAILED;
        result.cause = slice_of(CAUSES[draw(&world->seed, 7)]);
    } else if (!probe && draw(&world->seed, 8) == 0) {
        rows.history[1] = rows.history[0]; /* rows that break a rule */
    } else if (!probe && draw(&world->seed, 8) == 0) {
        rows.states[1].hash = slice_of("never arrived");
    }
    switch (kit_judge(&world->kit, &result, text)) {
    case VERDICT_ACCEPTED:
        world->accepted++;
        break;
    case VERDICT_DUPLICATE:
        world->duplicates++;
        break;
    case VERDICT_SUPERSEDED:
        world->superseded++;
        break;
    case VERDICT_MISSING:
        world->missing++;
        break;
    case VERDICT_REFUSED:
        world->refused++;
        break;
    }
}

static void lose(struct world *world)
{
    static const enum job_cause CAUSES[] = {CAUSE_WORKER_LOST, CAUSE_PREEMPTED,
                                            CAUSE_TIMEOUT, CAUSE_SIGNAL};
    int64_t job = any_job(world);
    enum job_state became;

    MUST(store_attempt_lost(world->kit.store, job, any_attempt(world, job),
                            CAUSES[draw(&world->seed, 4)], "lost", NOW, &became,
                            err) == 0);
    assert_int_equal(became, kit_state(&world->kit, job));
}

static void submit(struct world *world, const char *name, int lr_count, int seeds)
{
    const double all[] = {0.1, 0.2, 0.3, 0.4};
    double lrs[5] = {0};
    struct store_submitted did;
    struct plan *plan;
    char request[32];

    for (int i = 0; i < lr_count; i++)
        lrs[i] = all[i];
    plan = kit_plan(name, lrs, seeds, draw(&world->seed, 2) ? "final" : "epoch:1");
    snprintf(request, sizeof request, "%s-%d-%d", name, lr_count, seeds);
    MUST(store_submit(world->kit.store, plan, request, false, NOW, NULL, NULL, &did,
                      err) == 0);
    world->jobs = kit_int(world->kit.store, "SELECT count(*) FROM job");
    assert_true(world->jobs < JOBS_MAX);
    kit_plan_free(plan);
}

static void check_replay(struct world *world)
{
    enum job_state states[JOBS_MAX] = {JOB_NONE};
    struct query *query;

    MUST((query = query_open(world->kit.store, "SELECT job, event FROM event ORDER BY id",
                             NULL, 0, err)) != NULL);
    while (query_next(query, NULL) == 1) {
        int64_t job = query_int(query, 0);
        enum job_event event;

        assert_true(job_event_parse(query_text(query, 1, NULL), &event));
        states[job] = job_state_next(states[job], event);
        assert_int_not_equal(states[job], JOB_NONE);
    }
    query_close(&query);
    for (int64_t job = 1; job <= world->jobs; job++)
        assert_int_equal(states[job], kit_state(&world->kit, job));
}

/* Each counts the rows that break a rule. */
static void check_rules(struct world *world)
{
    static const char *const BROKEN[] = {
        "SELECT count(*) FROM job WHERE (state = 'done') <> (id IN (SELECT job FROM"
        " result))",
        "SELECT count(*) FROM job j WHERE (SELECT count(*) FROM attempt WHERE"
        " job = j.id AND state = 'running') <> (j.state = 'running')",
        "SELECT count(*) FROM job j WHERE (SELECT count(*) FROM attempt WHERE"
        " job = j.id AND state = 'done') <> (j.state = 'done')",
        "SELECT count(*) FROM result r JOIN attempt t USING (job, attempt)"
        " WHERE t.state <> 'done'",
        "SELECT count(*) FROM job j WHERE attempt <> (SELECT count(*) FROM attempt"
        " WHERE job = j.id)",
        "SELECT count(*) FROM job j WHERE state IN ('ready', 'running', 'done') AND"
        " EXISTS (SELECT 1 FROM dep d JOIN job n ON n.id = d.needs"
        " WHERE d.job = j.id AND n.state <> 'done')",
        "SELECT count(*) FROM job j WHERE state = 'waiting' AND NOT"
        " EXISTS (SELECT 1 FROM dep d JOIN job n ON n.id = d.needs"
        " WHERE d.job = j.id AND n.state NOT IN ('done', 'failed', 'skipped'))",
        "SELECT count(*) FROM sweep_count c WHERE n <> (SELECT count(DISTINCT m.job)"
        " FROM sweep_job m JOIN job j ON j.id = m.job"
        " WHERE m.sweep = c.sweep AND j.state = c.state)",
        "SELECT count(*) FROM evaluation WHERE job NOT IN (SELECT job FROM result)",
        "SELECT count(*) FROM checkpoint WHERE job NOT IN (SELECT job FROM result)",
        "SELECT count(*) FROM result r JOIN job j ON j.id = r.job WHERE"
        " j.kind = 'probe' AND 5 <> (SELECT count(*) FROM point WHERE job = j.id)",
        "SELECT count(*) FROM job WHERE (ended_ms IS NULL) <>"
        " (state IN ('waiting', 'ready', 'running'))",
        "SELECT count(*) FROM worker w WHERE done <> (SELECT count(*) FROM attempt"
        " WHERE worker = w.id AND state = 'done')",
        "SELECT count(*) FROM worker w WHERE failed <> (SELECT count(*) FROM attempt"
        " WHERE worker = w.id AND state IN ('failed', 'lost', 'superseded'))",
        "SELECT count(*) FROM pragma_foreign_key_check",
    };

    for (size_t i = 0; i < sizeof BROKEN / sizeof BROKEN[0]; i++)
        if (kit_int(world->kit.store, BROKEN[i]) != 0)
            fail_msg("not 0: %s", BROKEN[i]);
}

static void operate(struct world *world)
{
    uint32_t choice = draw(&world->seed, 20);

    if (choice < 9)
        try_start(world);
    else if (choice < 17)
        send_result(world);
    else if (choice < 19)
        lose(world);
    else
        submit(world, draw(&world->seed, 2) ? "one" : "two",
               1 + (int)draw(&world->seed, 4), 1 + (int)draw(&world->seed, 3));
}

static void play(struct world *world)
{
    kit_open(&world->kit);
    kit_begin(&world->kit);
    kit_artifact(&world->kit);
    submit(world, "one", 2, 2);
    for (int i = 0; i < OPERATIONS; i++) {
        kit_begin(&world->kit);
        operate(world);
        if (draw(&world->seed, 4) == 0)
            kit_commit(&world->kit);
        if (draw(&world->seed, 40) == 0) { /* the disk was full */
            store_rollback(world->kit.store);
            world->jobs = kit_int(world->kit.store, "SELECT count(*) FROM job");
            if (world->jobs == 0)
                submit(world, "one", 2, 2);
        }
        if (i % 50 == 0) {
            check_replay(world);
            check_rules(world);
        }
    }
    kit_commit(&world->kit);
    check_replay(world);
    check_rules(world);
    kit_close(&world->kit);
}

static void test_random_operations(void **state)
{
    struct world sum = {.jobs = 0};

    (void)state;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        struct world world = {.seed = round};

        play(&world);
        sum.accepted += world.accepted;
        sum.duplicates += world.duplicates;
        sum.superseded += world.superseded;
        sum.missing += world.missing;
        sum.refused += world.refused;
    }
    /* The draw must have come by every verdict. */
    assert_true(sum.accepted > 50);
    assert_true(sum.duplicates > 5);
    assert_true(sum.superseded > 5);
    assert_true(sum.missing > 2);
    assert_true(sum.refused > 5);
}

/* One result per job, whatever order the tries come in: done, failed, lost, and
 * all of them again. */
static void test_orders_of_results(void **state)
{
    (void)state;
    for (int order = 0; order < 24; order++) {
        const double lrs[] = {0.1, 0};
        struct plan *plan = kit_plan("s", lrs, 1, "final");
        struct kit kit;

        kit_open(&kit);
        kit_submit(&kit, plan, "r");
        kit_begin(&kit);
        kit_artifact(&kit);
        for (int step = 0, code = order; step < 8; step++, code = code * 7 + 3) {
            uint32_t attempt = kit_state(&kit, 1) == JOB_READY ? kit_start(&kit, 1) : 1;
            struct kit_rows rows;
            struct msg_result result = kit_run_result(1, attempt, &rows);
            enum job_state became;
            char text[256];

            switch (code % 4) {
            case 0:
                MUST(store_attempt_lost(kit.store, 1, attempt, CAUSE_PREEMPTED, "", NOW,
                                        &became, err) == 0);
                break;
            case 1:
                result.outcome = OUTCOME_FAILED;
                result.cause = slice_of("preempted");
                break;
            default:
                break;
            }
            kit_judge(&kit, &result, text);
            kit_judge(&kit, &result, text);
        }
        if (kit_state(&kit, 1) == JOB_READY)
            kit_finish(&kit, 1, false);
        assert_int_equal(kit_state(&kit, 1), JOB_DONE);
        assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM result"), 1);
        assert_int_equal(kit_int(kit.store, "SELECT count(*) FROM history"), 4);
        assert_int_equal(
            kit_int(kit.store, "SELECT count(*) FROM event WHERE event = 'finish'"), 1);
        kit_plan_free(plan);
        kit_close(&kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_orders_of_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
