/* The grids that are shipped: each reads, and comes to the jobs that its README
 * says. Read from the tree, where tests run. */

#include "common/error.h"
#include "coordinator/plan.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER "deploy/grids/"

static const struct {
    const char *file;
    size_t jobs;
    uint64_t curve_rows, path_rows;
} GRIDS[] = {
    {"adversarial-init", 15, 624, 24},
    {"barrier-restart", 50, 2000, 40},
    {"baseline", 9, 936, 60},
    {"data", 36, 3744, 240},
    {"from-mid-training", 12, 4000, 40},
    {"layer-re-initialisation", 12, 1760, 880},
    {"linear-mode-connectivity", 26, 960, 32},
    {"lucas-mlps", 252, 12600, 252},
    {"lucas-resnets", 32, 832, 32},
    {"mlps", 310, 16040, 580},
    {"model-depth", 18, 1872, 120},
    {"partial-pre-training", 24, 1560, 60},
    {"planes", 18, 416, 16},
    {"pre-training", 18, 936, 36},
    {"quickstart", 18, 912, 72},
    {"rates", 32, 352, 32},
    {"resnet20", 3, 0, 0},
    {"seeds-apart", 15, 1248, 48},
    {"smoke", 12, 232, 24},
    {"weight-decay", 30, 1560, 60},
    {"paper/adversarial-init", 50, 4000, 80},
    {"paper/barrier-restart", 50, 4000, 80},
    {"paper/baseline", 30, 12000, 240},
    {"paper/data", 120, 48000, 960},
    {"paper/from-mid-training", 60, 21600, 216},
    {"paper/layer-re-initialisation", 160, 25200, 12600},
    {"paper/linear-mode-connectivity", 57, 2160, 72},
    {"paper/lucas-mlps", 5376, 288000, 5760},
    {"paper/lucas-resnets", 896, 44800, 896},
    {"paper/mlps", 310, 29000, 580},
    {"paper/model-depth", 90, 36000, 720},
    {"paper/partial-pre-training", 100, 12000, 240},
    {"paper/pre-training", 60, 6000, 120},
    {"paper/seeds-apart", 155, 29000, 580},
    {"paper/weight-decay", 100, 10000, 200},
};

static void read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");

    if (!file)
        fail_msg("cannot open %s", path);
    size_t got = fread(text, 1, size - 1, file);
    assert_true(got > 0 && got < size - 1);
    text[got] = '\0';
    assert_int_equal(fclose(file), 0);
}

static struct plan *make(const char *path)
{
    struct error err = {0};
    char text[16384];

    read_text(path, text, sizeof text);
    struct plan *plan = plan_from_grid(text, strlen(text), path, &err);
    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

static void test_what_they_come_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof GRIDS / sizeof GRIDS[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, FOLDER "%s.toml", GRIDS[i].file);
        struct plan *plan = make(path);
        struct plan_counts counts = plan_count(plan);
        if (counts.jobs != GRIDS[i].jobs || counts.curve_rows != GRIDS[i].curve_rows ||
            counts.path_rows != GRIDS[i].path_rows)
            fail_msg("%s: jobs %zu, curve rows %llu, path rows %llu", path, counts.jobs,
                     (unsigned long long)counts.curve_rows,
                     (unsigned long long)counts.path_rows);
        plan_free(&plan);
    }
}

/* As many files as rows: none is shipped without being read here. */
static size_t count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        count += end && strcmp(end, ".toml") == 0;
    }
    closedir(dir);
    return count;
}

static void test_none_is_missed(void **state)
{
    (void)state;
    assert_int_equal(count_files(FOLDER) + count_files(FOLDER "paper"),
                     sizeof GRIDS / sizeof GRIDS[0]);
}

/* What it costs, what was found: every file has its line. */
static void test_readme_names_them(void **state)
{
    char text[32768];

    (void)state;
    read_text(FOLDER "README.md", text, sizeof text);
    for (size_t i = 0; i < sizeof GRIDS / sizeof GRIDS[0]; i++) {
        char name[64];
        const char *slash = strrchr(GRIDS[i].file, '/');
        snprintf(name, sizeof name, "`%s`", slash ? slash + 1 : GRIDS[i].file);
        if (!strstr(text, name))
            fail_msg(FOLDER "README.md has no %s", name);
    }
}

/* Lucas and others list one of fifteen networks twice: 8 x 15 x 3 x 2 x 2 x 2 lines,
 * of which 192 say what others say. */
static void test_lucas_lists_one_twice(void **state)
{
    struct plan *plan = make(FOLDER "paper/lucas-mlps.toml");
    size_t runs = 0, members = 0, twice = 0;

    (void)state;
    assert_int_equal(plan->point_count, 2880);
    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        if (job->spec.kind != JOB_TRAIN)
            continue;
        runs++;
        members += job->member_count;
        twice += job->member_count == 2;
    }
    assert_int_equal(runs, 2688);
    assert_int_equal(members, 2880);
    assert_int_equal(twice, 192);
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_they_come_to),
        cmocka_unit_test(test_none_is_missed),
        cmocka_unit_test(test_readme_names_them),
        cmocka_unit_test(test_lucas_lists_one_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
