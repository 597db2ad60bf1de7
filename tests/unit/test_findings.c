/* What a report computes: pairs of seeds and runs are found in a database, and the
 * numbers are those of stats.h. */

#include "coordinator/findings.h"
#include "coordinator/stats.h"
#include "storekit.h"

#include <math.h>

#define BASE                                                                             \
    "[base]\nmodel = { name = \"mlp\", widths = [8] }\n"                                 \
    "data = { name = \"spiral\" }\ntrain.epochs = 1\n"
#define PATH "[[probe]]\nname = \"path\"\nkind = \"path\"\nalphas = 3\n"

/* What the run of a member comes to. */
struct outcome {
    const char *intervention, *point;
    int64_t seed;
    int correct; /* of 100; -1: never run */
    double bump; /* of its path */
    double dist;
};

static struct tally tally_with(double loss, int correct)
{
    struct tally_sum tally = {.count = 0};

    for (int i = 0; i < 100; i++)
        tally_add(&tally, loss, i < correct);
    return tally_round(&tally);
}

static const struct outcome *outcome_of(const struct plan_member *member,
                                        const struct outcome *outcomes, size_t count)
{
    struct buf point = {0};
    const struct outcome *found = NULL;

    plan_put_params(member, &point);
    for (size_t i = 0; i < count && !found; i++)
        if (strcmp(outcomes[i].intervention, member->intervention) == 0 &&
            strcmp(outcomes[i].point, point.data ? point.data : "") == 0 &&
            outcomes[i].seed == member->seed)
            found = &outcomes[i];
    if (!found)
        fail_msg("no outcome for %s, %s, seed %lld", member->intervention,
                 point.data ? point.data : "", (long long)member->seed);
    buf_free(&point);
    return found;
}

static void finish(struct kit *kit, int64_t job, bool probe,
                   const struct outcome *outcome)
{
    struct kit_rows rows;
    char text[256];
    uint32_t attempt = kit_start(kit, job);
    struct msg_result result = probe ? kit_probe_result(job, attempt, &rows)
                                     : kit_run_result(job, attempt, &rows);

    if (probe) {
        result.point_count = 3;
        for (uint32_t i = 0; i < 3; i++) {
            rows.points[i].alpha = i / 2.0;
            rows.points[i].tally = tally_with(i == 1 ? 1 + outcome->bump : 1, 50);
        }
        rows.distance.l2 = outcome->dist;
        rows.distance.rel = -outcome->dist;
    } else
        rows.history[3].tally = tally_with(1, outcome->correct);
    if (kit_judge(kit, &result, text) != VERDICT_ACCEPTED)
        fail_msg("job %lld: %s", (long long)job, text);
}

/* Submit a grid and finish what has an outcome. */
static void open_grid(struct kit *kit, const char *text, const struct outcome *outcomes,
                      size_t count)
{
    struct plan *plan;

    MUST((plan = plan_from_grid(text, strlen(text), "g.toml", err)) != NULL);
    kit_open(kit);
    kit_submit(kit, plan, "r1");
    kit_begin(kit);
    kit_artifact(kit);
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        const struct outcome *outcome = outcome_of(&job->members[0], outcomes, count);
        if (outcome->correct >= 0)
            finish(kit, (int64_t)i + 1, job->spec.kind == JOB_PROBE, outcome);
    }
    kit_commit(kit);
    plan_free(&plan);
}

static const struct cell *cell_at(const struct sheet *sheet, size_t row, const char *name)
{
    for (size_t i = 0; i < sheet->columns; i++)
        if (strcmp(sheet->names[i], name) == 0 && row < sheet_rows(sheet))
            return &sheet->cells[row * sheet->columns + i];
    fail_msg("no row %zu with a column %s", row, name);
    return NULL;
}

static const char *text_at(const struct sheet *sheet, size_t row, const char *name)
{
    const struct cell *cell = cell_at(sheet, row, name);
    return cell->type == CELL_TEXT ? cell->text : "";
}

static double real_at(const struct sheet *sheet, size_t row, const char *name)
{
    const struct cell *cell = cell_at(sheet, row, name);
    return cell->type == CELL_REAL ? cell->real : (double)NAN;
}

#define assert_close(got, expected) assert_true(fabs((got) - (expected)) < 1e-9)
#define COUNT(array)                (sizeof(array) / sizeof((array)[0]))

/* The grid's axis must agree: an intervention at a rate is compared with the baseline
 * at that rate, and the baseline at another rate with itself at the first. */
static void test_pairs(void **state)
{
    static const char L1[] = "optimizer.lr=0.1", L2[] = "optimizer.lr=0.2";
    static const char X1[] = "init.scale=2.0, optimizer.lr=0.1";
    static const char X2[] = "init.scale=2.0, optimizer.lr=0.2";
    static const struct outcome OUTCOMES[] = {
        {"baseline", L1, 0, 50, 0, 0}, {"baseline", L1, 1, 60, 0, 0},
        {"baseline", L1, 2, 70, 0, 0}, {"baseline", L2, 0, 40, 0, 0},
        {"baseline", L2, 1, 50, 0, 0}, {"baseline", L2, 2, 60, 0, 0},
        {"x", X1, 0, 55, 0, 0},        {"x", X1, 1, 64, 0, 0},
        {"x", X1, 2, 78, 0, 0},        {"x", X2, 0, 42, 0, 0},
        {"x", X2, 1, 50, 0, 0},        {"x", X2, 2, -1, 0, 0},
    };
    struct sheet sheet;
    struct kit kit;

    (void)state;
    open_grid(&kit,
              "[sweep]\nname = \"s\"\nseeds = 3\n" BASE
              "[axes]\n\"optimizer.lr\" = [0.1, 0.2]\n"
              "[[intervention]]\nname = \"x\"\nrole = \"init\"\nset.init.scale = 2\n",
              OUTCOMES, COUNT(OUTCOMES));
    MUST(findings_differences(kit.store, "s", &sheet, err) == 0);
    assert_int_equal(sheet_rows(&sheet), 3);
    assert_string_equal(text_at(&sheet, 0, "intervention"), "baseline");
    assert_string_equal(text_at(&sheet, 0, "point"), L2);
    assert_string_equal(text_at(&sheet, 0, "against"), L1);
    assert_close(real_at(&sheet, 0, "difference"), -0.1);
    assert_string_equal(text_at(&sheet, 0, "note"), "all pairs differ alike");

    /* 0.05, 0.04, 0.08: standard error 0.0120185, t 4.3026527 */
    assert_string_equal(text_at(&sheet, 1, "point"), X1);
    assert_string_equal(text_at(&sheet, 1, "against"), L1);
    assert_int_equal(cell_at(&sheet, 1, "pairs")->integer, 3);
    assert_close(real_at(&sheet, 1, "difference"), 0.17 / 3);
    assert_close(real_at(&sheet, 1, "low"),
                 0.17 / 3 - 4.3026527297494639 * sqrt(0.00013 / 0.9));
    assert_close(real_at(&sheet, 1, "p"), stat_t_p(0.17 / 3 / sqrt(0.00013 / 0.9), 2));
    assert_string_equal(text_at(&sheet, 1, "note"), "");

    assert_string_equal(text_at(&sheet, 2, "against"), L2);
    assert_int_equal(cell_at(&sheet, 2, "pairs")->integer, 2);
    assert_true(isnan(real_at(&sheet, 2, "difference")));
    assert_string_equal(text_at(&sheet, 2, "note"), "too few: needs 3");
    sheet_free(&sheet);
    kit_close(&kit);
}

/* Bumps rise with accuracy, an infinite one above all; the plateau, which no path has,
 * has no runs. An intervention that changes nothing does not count its runs twice. */
static void test_correlations(void **state)
{
    static const struct outcome OUTCOMES[] = {
        {"baseline", "", 0, 50, 0.1, 9},      {"baseline", "", 1, 60, 0.3, 8},
        {"baseline", "", 2, 70, 0.4, 7},      {"baseline", "", 3, 80, 0.5, 6},
        {"baseline", "", 4, 90, INFINITY, 5}, {"baseline", "", 5, -1, 0, 0},
    };
    struct sheet sheet;
    struct kit kit;

    (void)state;
    open_grid(&kit,
              "[sweep]\nname = \"s\"\nseeds = 6\n" BASE PATH
              "[[intervention]]\nname = \"same\"\nrole = \"init\"\nset.init.scale = 1\n",
              OUTCOMES, COUNT(OUTCOMES));
    MUST(findings_correlations(kit.store, "s", &sheet, err) == 0);
    assert_int_equal(sheet_rows(&sheet), 5);
    assert_string_equal(text_at(&sheet, 0, "of"), "bump");
    assert_string_equal(text_at(&sheet, 0, "with"), "test_acc");
    assert_int_equal(cell_at(&sheet, 0, "runs")->integer, 5);
    assert_close(real_at(&sheet, 0, "rho"), 1);
    assert_close(real_at(&sheet, 0, "p"), 2.0 / 120);
    assert_true(isnan(real_at(&sheet, 0, "low")));
    assert_string_equal(text_at(&sheet, 2, "of"), "plateau");
    assert_int_equal(cell_at(&sheet, 2, "runs")->integer, 0);
    assert_string_equal(text_at(&sheet, 2, "note"), "too few: needs 5");
    assert_string_equal(text_at(&sheet, 3, "with"), "bump");
    assert_close(real_at(&sheet, 3, "rho"), -1);
    assert_close(real_at(&sheet, 4, "rho"), 1);
    sheet_free(&sheet);

    /* The intervention's runs are the baseline's. */
    MUST(findings_differences(kit.store, "s", &sheet, err) == 0);
    assert_int_equal(sheet_rows(&sheet), 1);
    assert_close(real_at(&sheet, 0, "difference"), 0);
    assert_string_equal(text_at(&sheet, 0, "note"), "all pairs differ alike");
    sheet_free(&sheet);
    kit_close(&kit);
}

/* No sweep, no probes: tables without rows. */
static void test_nothing(void **state)
{
    struct sheet sheet;
    struct kit kit;

    (void)state;
    kit_open(&kit);
    MUST(findings_differences(kit.store, "s", &sheet, err) == 0);
    assert_int_equal(sheet_rows(&sheet), 0);
    sheet_free(&sheet);
    MUST(findings_correlations(kit.store, "s", &sheet, err) == 0);
    assert_int_equal(sheet_rows(&sheet), 0);
    sheet_free(&sheet);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_correlations),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
