/* The coordinator's core and the workers' sessions and outboxes in one process,
 * under a clock that the test moves and a network that drops, doubles, delays
 * and cuts, while processes of all kinds are stopped and killed, the disk is full
 * at times, and a person cancels, retries, pauses and limits. Whatever happens:
 * exactly one result per job, none lost, every acknowledgement true, and the events
 * replayed give the states.
 *
 * All chance comes from the seed, so a seed that fails fails again:
 *     SIM_SEED=17 test_sim     one seed, with what the coordinator says
 *     SIM_SEEDS=5000 test_sim  more of them
 */

#include "tests/sim/sim_workers.h"

/* ---- what must be true in the end ------------------------------------------- */

static int64_t ask(struct sim *sim, const char *sql)
{
    return kit_int(sim->kit.store, sql);
}

static void check_replay(struct sim *sim)
{
    static enum job_state states[JOBS_MAX];
    struct query *query;
    enum job_event event;
    int got;

    memset(states, 0, sizeof states);
    MUST((query = query_open(sim->kit.store, "SELECT job, event FROM event ORDER BY id",
                             NULL, 0, err)) != NULL);
    while ((got = query_next(query, NULL)) == 1) {
        int64_t job = query_int(query, 0);
        assert_true(job_event_parse(query_text(query, 1, NULL), &event));
        states[job] = job_state_next(states[job], event);
        assert_int_not_equal(states[job], JOB_NONE);
    }
    assert_int_equal(got, 0);
    query_close(&query);
    MUST((query = query_open(sim->kit.store, "SELECT id, state FROM job", NULL, 0,
                             err)) != NULL);
    while ((got = query_next(query, NULL)) == 1)
        assert_string_equal(query_text(query, 1, NULL),
                            job_state_name(states[query_int(query, 0)]));
    query_close(&query);
}

static void check_results(struct sim *sim)
{
    struct query *query;
    int results = 0;

    MUST((query = query_open(sim->kit.store, "SELECT job, attempt FROM result", NULL, 0,
                             err)) != NULL);
    while (query_next(query, NULL) == 1) {
        int64_t job = query_int(query, 0);
        int attempt = (int)query_int(query, 1);
        /* an ACK may be lost with the coordinator that would have sent it */
        assert_true(sim->accepted[job] == 0 || sim->accepted[job] == attempt ||
                    is_rerun(sim, job, sim->accepted[job]));
        sim->accepted[job] = 0;
        results++;
    }
    query_close(&query);
    assert_int_equal(results, ask(sim, "SELECT count(*) FROM job WHERE state = 'done'"));
    for (int job = 0; job < JOBS_MAX; job++)
        if (sim->accepted[job] != 0 && !is_rerun(sim, job, sim->accepted[job]))
            fail_msg("job %d: attempt %d was acknowledged, and has no result", job,
                     sim->accepted[job]);
}

static void check_states(struct sim *sim)
{
    struct query *query;

    MUST((query = query_open(sim->kit.store, "SELECT hash FROM checkpoint WHERE stored",
                             NULL, 0, err)) != NULL);
    while (query_next(query, NULL) == 1)
        assert_true(artifact_has(sim->artifacts, query_text(query, 0, NULL), NULL));
    query_close(&query);
}

static void check(struct sim *sim, int jobs)
{
    assert_int_equal(ask(sim, "SELECT count(*) FROM job"), jobs);
    assert_int_equal(ask(sim, "SELECT count(*) FROM attempt WHERE state = 'running'"), 0);
    /* whatever failed had used up its attempts; whatever was skipped needed it */
    assert_int_equal(ask(sim, "SELECT count(*) FROM job j WHERE state = 'failed' AND"
                              " (SELECT count(*) FROM attempt a WHERE a.job = j.id AND"
                              "  a.cause = j.cause) <= iif(j.cause = 'signal', 2, 5)"),
                     0);
    assert_int_equal(ask(sim, "SELECT count(*) FROM job j WHERE state = 'skipped' AND"
                              " NOT EXISTS (SELECT 1 FROM dep d JOIN job n ON n.id ="
                              " d.needs WHERE d.job = j.id AND n.state IN ('failed',"
                              " 'stopped'))"),
                     0);
    check_results(sim);
    check_replay(sim);
    check_states(sim);
}

/* ---- runs of it ------------------------------------------------------------- */

static struct sim *sim_open(uint64_t seed, int workers)
{
    struct sim *sim = calloc(1, sizeof *sim);

    assert_non_null(sim);
    sim->verbose = getenv("SIM_SEED") != NULL;
    sim->rng = rng_at(seed, RNG_DATA, 0, 0);
    sim->conn_last = CLIENT;
    hash_random(sim->request);
    kit_open(&sim->kit);
    snprintf(sim->artifact_dir, sizeof sim->artifact_dir, "%s/artifacts", sim->kit.dir);
    store_close(&sim->kit.store);
    core_comes_back(sim);
    sim->actor_count = workers;
    for (int i = 0; i < workers; i++)
        actor_starts(sim, &sim->actors[i]);
    return sim;
}

static void sim_close(struct sim *sim)
{
    for (int i = 0; i < sim->packet_count; i++)
        buf_free(&sim->packets[i].bytes);
    for (int i = 0; i < sim->actor_count; i++)
        outbox_free(&sim->actors[i].outbox);
    core_free(&sim->core);
    artifact_close(&sim->artifacts);
    nftw(sim->artifact_dir, ck_remove, 8, FTW_DEPTH | FTW_PHYS);
    kit_close(&sim->kit);
    free(sim);
}

static bool is_over(struct sim *sim)
{
    return sim->core && sim->core->loaded && sim->submitted &&
           ask(sim, "SELECT count(*) FROM job WHERE state IN"
                    " ('waiting', 'ready', 'running', 'cancelled')") == 0;
}

static void run(struct sim *sim, int seeds)
{
    char grid[1024];

    snprintf(
        grid, sizeof grid,
        "[sweep]\nname = \"sim\"\nseeds = %d\n%s[base]\ndata = { name = \"spiral\" }\n"
        "model = { name = \"mlp\", widths = [4] }\ntrain = { epochs = 1 }\n"
        "[[probe]]\nname = \"path\"\nkind = \"path\"\nalphas = 5\n",
        seeds, sim->stops ? "stop = { rule = \"asha\", metric = \"test_loss\" }\n" : "");
    while (!(sim->now_ms % 500 == 0 && is_over(sim))) {
        if (sim->now_ms > END_MS)
            fail_msg("%d jobs never ended",
                     (int)ask(sim, "SELECT count(*) FROM job WHERE state IN"
                                   " ('waiting', 'ready', 'running')"));
        step(sim, grid);
    }
    if (sim->verbose)
        print_message("ended at %.1f s, %d attempts, %d stopped early, %d run again\n",
                      (double)sim->now_ms / 1000,
                      (int)ask(sim, "SELECT count(*) FROM attempt"),
                      (int)ask(sim, "SELECT count(*) FROM event WHERE event = 'stop'"),
                      (int)ask(sim, "SELECT count(*) FROM event WHERE event = 'rerun'"));
    check(sim, 2 * seeds);
}

/* Odds per step of 10 ms: each kind of trouble comes every few seconds of
 * simulated time in some seeds, and hardly ever in others. */
static struct odds draw_odds(struct sim *sim)
{
    const struct odds most = {.cut = 0.004,
                              .kill = 0.001,
                              .stop = 0.001,
                              .leave = 0.001,
                              .crash = 0.003,
                              .away = 0.001,
                              .full = 0.002,
                              .drop = 0.03,
                              .twice = 0.03,
                              .meddle = 0.004};
    struct odds odds = most;
    double *each = &odds.cut;

    for (size_t i = 0; i < sizeof odds / sizeof *each; i++) {
        double share = rng_uniform(&sim->rng);
        each[i] *= share * share;
    }
    return odds;
}

static void a_seed(uint64_t seed)
{
    struct sim *sim = sim_open(seed, 6);

    if (sim->verbose)
        print_message("seed %d\n", (int)seed);
    sim->odds = draw_odds(sim);
    sim->meddled = sim->odds.meddle > 0;
    sim->stops = seed % 2 == 0;
    run(sim, 12);
    sim_close(sim);
}

static void one_result_per_job_whatever_happens(void **state)
{
    const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
    uint64_t seeds = many ? strtoull(many, NULL, 10) : 120;
    (void)state;

    if (one) {
        a_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++)
        a_seed(seed);
}

static void nothing_is_done_twice_when_nothing_happens(void **state)
{
    struct sim *sim = sim_open(0, 6);
    (void)state;

    run(sim, 12);
    assert_int_equal(ask(sim, "SELECT count(*) FROM attempt WHERE cause <> 'signal'"), 0);
    assert_true(sim->now_ms < CHAOS_MS);
    sim_close(sim);
}

static void hundreds_of_workers(void **state)
{
    struct sim *sim = sim_open(1, WORKERS_MAX);
    (void)state;

    sim->odds = (struct odds){.cut = 0.0005,
                              .kill = 0.0002,
                              .stop = 0.0002,
                              .crash = 0.001,
                              .drop = 0.002,
                              .twice = 0.002};
    run(sim, 400);
    sim_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_done_twice_when_nothing_happens),
        cmocka_unit_test(one_result_per_job_whatever_happens),
        cmocka_unit_test(hundreds_of_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
