/* Runs that start from a state of another run, init.from = "run:NAME:STATE". The
 * other run is base, the point's choices on the grid's axes, and what [run.NAME]
 * sets; its seed is the point's. So there is one for each point and seed that need
 * it, and points with the same need share it by its key. */

#include "coordinator/plan_make.h"

#include "common/arch.h"
#include "common/derived.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run that starts from itself, or more steps than any study has. */
enum { DEPTH_MAX = 8 };

/* ---- which states are asked for -------------------------------------------------- */

struct asking {
    struct plan_maker *maker;
    const struct grid_intervention *run;
    struct spec *spec;
};

/* A probe's state. */
static int keep_end(struct asking *asking, const struct grid_state *state,
                    const char *key)
{
    char name[32];

    if (!*state->run || grid_run_of(asking->maker->grid, state->run, name) != asking->run)
        return 0;
    return plan_keep_state(asking->maker, asking->spec, state->state, state->place, key);
}

static int keep_ends(struct asking *asking)
{
    const struct grid *grid = asking->maker->grid;

    for (size_t i = 0; i < grid->probe_count; i++)
        if (keep_end(asking, &grid->probes[i].from, "from") ||
            keep_end(asking, &grid->probes[i].to, "to") ||
            keep_end(asking, &grid->probes[i].third, "third"))
            return -1;
    for (size_t i = 0; i < grid->derive_count; i++) {
        const struct grid_derive *derive = &grid->derives[i];
        if (keep_end(asking, &derive->from, "from"))
            return -1;
        for (size_t s = 0; s < derive->source_count; s++)
            if (keep_end(asking, &derive->sources[s].state, derive->sources[s].group))
                return -1;
    }
    return 0;
}

static int keep_from(struct asking *asking, const struct grid_setting *setting)
{
    const struct plan_maker *maker = asking->maker;
    char state[32];

    if (!setting || setting->value.type != VALUE_STRING ||
        grid_run_of(maker->grid, setting->value.string, state) != asking->run)
        return 0;
    return plan_keep_state(asking->maker, asking->spec, state, setting->place,
                           "init.from");
}

static int keep_choices(struct asking *asking, const struct grid_axes *axes)
{
    for (size_t a = 0; a < axes->count; a++) {
        const struct grid_axis *axis = &axes->items[a];
        for (size_t i = 0;
             strcmp(axis->opt->name, "init.from") == 0 && i < axis->choices.count; i++)
            if (keep_from(asking, &axis->choices.items[i]))
                return -1;
    }
    return 0;
}

static int keep_of(struct asking *asking, const struct grid_intervention *items,
                   size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (keep_from(asking, grid_find(&items[i].set, "init.from")) ||
            keep_choices(asking, &items[i].axes))
            return -1;
    return 0;
}

int plan_keep_started(struct plan_maker *maker, const struct grid_intervention *run,
                      struct spec *spec)
{
    const struct grid *grid = maker->grid;
    struct asking asking = {maker, run, spec};

    if (keep_from(&asking, grid_find(&grid->base, "init.from")) ||
        keep_choices(&asking, &grid->axes) ||
        keep_of(&asking, grid->interventions, grid->intervention_count) ||
        keep_of(&asking, grid->runs, grid->run_count) || keep_ends(&asking))
        return -1;
    for (size_t i = 0; i < grid->zip_count; i++)
        if (keep_choices(&asking, &grid->zips[i].axes))
            return -1;
    for (size_t i = 0; i < grid->include_count; i++)
        if (keep_from(&asking, grid_find(&grid->includes[i].set, "init.from")))
            return -1;
    return 0;
}

/* ---- the other run ---------------------------------------------------------------- */

/* Sorted by name, as a point's settings are. */
static void put(struct point *point, const struct grid_setting *setting)
{
    size_t at = point->setting_count++;

    for (; at > 0 && strcmp(point->settings[at - 1]->opt->name, setting->opt->name) > 0;
         at--)
        point->settings[at] = point->settings[at - 1];
    point->settings[at] = setting;
}

void plan_upstream_point(const struct plan_maker *maker, const struct point *point,
                         const struct grid_intervention *run, struct point *ret)
{
    *ret = (struct point){.intervention = run, .seed = point->seed};
    for (size_t i = 0; i < run->set.count; i++)
        put(ret, &run->set.items[i]);
    for (size_t i = 0; i < point->setting_count; i++) {
        const char *name = point->settings[i]->opt->name;
        if (grid_axis_of(maker->grid, name) && !grid_find(&run->set, name) &&
            strcmp(name, "init.from") != 0 && strcmp(name, "init.reset") != 0)
            put(ret, point->settings[i]);
    }
}

int plan_add_upstream(struct plan_maker *maker, const struct point *point,
                      const struct grid_intervention *run, size_t *ret_job)
{
    struct plan_start start;
    struct point up;
    struct spec spec;

    if (maker->depth == DEPTH_MAX)
        return err_set(maker->err, ERR_INVALID,
                       "%s:%d:%d: '%s' starts from itself, or from a chain of more than"
                       " %d runs",
                       maker->grid->file, run->place.line, run->place.column, run->name,
                       DEPTH_MAX);
    maker->depth++;
    plan_upstream_point(maker, point, run, &up);
    int rc = plan_run_spec(maker, &up, &spec, &start);
    maker->depth--;
    if (rc == 0)
        return err_set(maker->err, ERR_INVALID,
                       "%s:1:1: the baseline's point with seed %lld is excluded, and a"
                       " derived state is made of its run",
                       maker->grid->file, (long long)point->seed);
    if (rc < 0)
        return -1;
    return plan_add_run(maker, &up, spec, NULL, &start, ret_job);
}

/* ---- the point -------------------------------------------------------------------- */

void plan_put_runs(const struct plan_maker *maker, struct buf *out)
{
    const struct grid *grid = maker->grid;

    for (size_t i = 0; i < grid->run_count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", grid->runs[i].name + 4);
    if (grid->run_count == 0)
        buf_puts(out, "there is none");
}

/* The state of a run or a derived one that init.from names. */
static bool find_start(const struct plan_maker *maker, const char *text,
                       struct grid_state *ret)
{
    const struct grid_derive *derive = grid_derive_of(maker->grid, text);
    const struct grid_intervention *run = grid_run_of(maker->grid, text, ret->state);

    if (derive)
        (void)snprintf(ret->state, sizeof ret->state, DERIVED_STATE);
    if (derive || run)
        (void)snprintf(ret->run, sizeof ret->run, "%s",
                       derive ? derive->name : run->name);
    return derive || run;
}

static int no_such_start(struct plan_maker *maker, const struct point *point,
                         const char *text)
{
    struct buf known = {0};

    if (strncmp(text, "derive:", 7) == 0) {
        plan_put_derives(maker, &known);
        err_set(maker->err, ERR_INVALID,
                "expected \"derive:NAME\" of a [derive.NAME] (%s), got \"%s\"",
                known.data ? known.data : "", text);
        buf_free(&known);
        return plan_fail_in_point(maker, point, "init.from");
    }
    plan_put_runs(maker, &known);
    err_set(
        maker->err, ERR_INVALID,
        "expected \"run:NAME\" or \"run:NAME:STATE\" of a [run.NAME] (%s), got \"%s\"",
        known.data ? known.data : "", text);
    buf_free(&known);
    return plan_fail_in_point(maker, point, "init.from");
}

static int set_from(struct spec *spec, bool derived, const char *key, const char *state,
                    struct error *err)
{
    struct value value;
    char text[4 + HASH_TEXT + 1 + 32];
    int rc;

    if (derived)
        (void)snprintf(text, sizeof text, "derive:%s", key);
    else
        (void)snprintf(text, sizeof text, "run:%s:%s", key, state);
    if (value_string(text, &value, err))
        return -1;
    rc = spec_set(spec, "init.from", &value, err);
    value_free(&value);
    return rc;
}

int plan_set_start(struct plan_maker *maker, const struct point *point, struct spec *spec,
                   struct plan_start *ret)
{
    struct grid_state state = {0};
    bool derived;
    char *text;
    size_t job;
    int rc = -1;

    *ret = (struct plan_start){.job = PLAN_NO_JOB};
    if (!spec_has(spec, "init.from") ||
        strncmp(spec_string(spec, "init.from"), "file:", 5) == 0)
        return 0; /* spec_check says whether it can be one */
    text = strdup(spec_string(spec, "init.from"));
    if (!text)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for a plan");
    derived = strncmp(text, "derive:", 7) == 0;
    if (!find_start(maker, text, &state))
        rc = no_such_start(maker, point, text);
    else if (plan_add_state(maker, point, &state, "init.from", &job) == 0) {
        ret->job = (int64_t)job;
        (void)snprintf(ret->state, sizeof ret->state, "%s", state.state);
        rc = set_from(spec, derived, maker->plan->jobs[job].key, ret->state, maker->err);
    }
    free(text);
    return rc;
}

/* ---- the job ---------------------------------------------------------------------- */

static int check_fit(struct plan_maker *maker, const struct point *point, size_t job,
                     const struct spec *spec)
{
    struct arch *from = arch_build(&maker->plan->jobs[job].spec, maker->err);
    struct arch *to = from ? arch_build(spec, maker->err) : NULL;
    int rc = to ? arch_fit(from, to, maker->err) : -1;

    arch_free(&from);
    arch_free(&to);
    return rc < 0 ? plan_fail_in_point(maker, point, "init.from") : 0;
}

int plan_add_run(struct plan_maker *maker, const struct point *point, struct spec spec,
                 const struct buf *like, const struct plan_start *start, size_t *ret_job)
{
    struct plan *plan = maker->plan;
    size_t before = plan->job_count;
    struct plan_job *job;

    if (start->job != PLAN_NO_JOB && check_fit(maker, point, (size_t)start->job, &spec)) {
        spec_free(&spec);
        return -1;
    }
    if (plan_add_job(maker, spec, like, ret_job))
        return -1;
    job = &plan->jobs[*ret_job];
    if (plan->job_count > before && start->job != PLAN_NO_JOB) {
        job->needs = calloc(1, sizeof *job->needs);
        if (!job->needs)
            return err_set(maker->err, ERR_NO_MEMORY, "no memory for a run's needs");
        job->need_count = 1;
        job->needs[0] = (struct plan_need){.job = (size_t)start->job, .role = "init"};
        (void)snprintf(job->needs[0].state, sizeof job->needs[0].state, "%s",
                       start->state);
    }
    if (plan_add_member(maker, *ret_job, point, ""))
        return -1;
    plan_drop_double(job);
    return 0;
}
