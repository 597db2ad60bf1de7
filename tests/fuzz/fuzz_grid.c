/* Any bytes as a grid file: either a plan whose every job reads back as itself,
 * or an error that names its place. */

#include "common/error.h"
#include "coordinator/expand.h"
#include "coordinator/plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Enough to cross every axis, few enough to be quick. */
enum { FUZZ_POINTS_MAX = 64 };

static void must(int truth)
{
    if (!truth)
        abort();
}

static void check_error(const struct error *err)
{
    must(err->code == ERR_INVALID || err->code == ERR_UNSUPPORTED);
    must(strncmp(err->text, "g.toml:", 7) == 0);
}

static void check_job(const struct plan *plan, size_t i)
{
    const struct plan_job *job = &plan->jobs[i];
    struct spec spec;
    char key[HASH_TEXT];

    must(spec_parse(job->text.data, job->text.size, &spec, NULL) == 0);
    must(spec_check(&spec, NULL, NULL) == 0);
    must(spec_key(&spec, key, NULL) == 0 && strcmp(key, job->key) == 0);
    must(job->member_count > 0);
    for (size_t n = 0; n < job->need_count; n++)
        must(job->needs[n].job < i);
    spec_free(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct error err = {0};
    struct grid *grid = grid_parse(text, size, "g.toml", &err);
    struct plan *plan;
    size_t count = 0;

    if (!grid) {
        check_error(&err);
        return 0;
    }
    if (expand_count(grid, &count, &err))
        check_error(&err);
    grid_free(&grid);
    if (count == 0 || count > FUZZ_POINTS_MAX)
        return 0;
    plan = plan_from_grid(text, size, "g.toml", &err);
    if (!plan) {
        check_error(&err);
        return 0;
    }
    must(plan->point_count == count);
    for (size_t i = 0; i < plan->job_count; i++)
        check_job(plan, i);
    plan_free(&plan);
    return 0;
}
