#include "coordinator/plan_make.h"

#include "common/arch.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---- runs -------------------------------------------------------------------- */

static int note_point(struct plan_maker *maker, size_t job, size_t i)
{
    size_t room = maker->first_room ? 2 * maker->first_room : 64;
    size_t *first;

    while (room <= job)
        room *= 2;
    if (job >= maker->first_room) {
        first = reallocarray(maker->first_point, room, sizeof *first);
        if (!first)
            return err_set(maker->err, ERR_NO_MEMORY, "no memory for a plan");
        memset(first + maker->first_room, 0, (room - maker->first_room) * sizeof *first);
        maker->first_point = first;
        maker->first_room = room;
    }
    if (maker->first_point[job] == 0)
        maker->first_point[job] = i + 1;
    return 0;
}

static bool is_point(const struct plan_maker *maker, size_t job)
{
    return job < maker->first_room && maker->first_point[job] > 0;
}

static int add_run(struct plan_maker *maker, size_t i)
{
    struct plan_start start = {.job = PLAN_NO_JOB};
    struct point point;
    struct spec spec;
    size_t job;
    const struct buf *like;
    int twin, rc;

    expand_point(maker->grid, i, &point);
    twin = plan_twin_spec(maker, &point, &spec);
    rc = twin ? twin : plan_run_spec(maker, &point, &spec, &start);
    if (rc <= 0)
        return rc;
    maker->plan->point_count++;
    like = twin ? &maker->plan->jobs[maker->twin.job].text : NULL;
    if (plan_add_run(maker, &point, spec, like, &start, &job))
        return -1;
    maker->twin.is = twin;
    if (!twin && start.job == PLAN_NO_JOB)
        plan_note_twin(maker, &point, job);
    return note_point(maker, job, i);
}

static int add_runs(struct plan_maker *maker)
{
    size_t count;

    if (expand_count(maker->grid, &count, maker->err))
        return -1;
    maker->excluded = calloc(maker->grid->exclude_count + 1, sizeof *maker->excluded);
    maker->base_used = calloc(maker->grid->base.count + 1, sizeof *maker->base_used);
    if (!maker->excluded || !maker->base_used)
        return err_set(maker->err, ERR_NO_MEMORY, "%s: no memory for %zu points",
                       maker->grid->file, count);
    for (size_t i = 0; i < count; i++)
        if (add_run(maker, i))
            return -1;
    return plan_check_points(maker);
}

/* Runs that probes ask for, before any probe: one may turn out to be a point's run, and
 * then all its probes are asked for in that name too. */
static int add_ends(struct plan_maker *maker, size_t run_count)
{
    const struct grid *grid = maker->grid;
    struct plan_ends ends;

    for (size_t run = 0; run < run_count; run++)
        for (size_t i = 0; i < grid->probe_count && is_point(maker, run); i++)
            if (plan_find_ends(maker, &grid->probes[i], run, &ends))
                return plan_name_probe(maker, &grid->probes[i]);
    return 0;
}

static int add_jobs(struct plan_maker *maker)
{
    size_t run_count;

    if (add_runs(maker))
        return -1;
    run_count = maker->plan->job_count;
    if (add_ends(maker, run_count))
        return -1;
    for (size_t run = 0; run < run_count; run++)
        if (is_point(maker, run) && plan_add_probes(maker, run))
            return -1;
    if (plan_add_between(maker, run_count))
        return -1;
    return plan_check_probes(maker);
}

/* ---- what varies ------------------------------------------------------------- */

/* Whether the runs' effective values of an option are not all the same: 1, 0, or
 * -1 with an error. */
static int varies(const struct plan *plan, const char *name, struct error *err)
{
    struct value first, other;
    int rc = 0;

    if (spec_value(&plan->jobs[0].spec, name, &first, err))
        return -1;
    for (size_t i = 1; i < plan->job_count && rc == 0; i++) {
        if (plan->jobs[i].spec.kind != JOB_TRAIN)
            continue;
        if (spec_value(&plan->jobs[i].spec, name, &other, err)) {
            rc = -1;
            break;
        }
        rc = !value_equal(&first, &other);
        value_free(&other);
    }
    value_free(&first);
    return rc;
}

static bool is_touched(const struct grid *grid, const struct opt *opt)
{
    if (grid_axis_of(grid, opt->name))
        return true;
    for (size_t i = 0; i < grid->include_count; i++)
        if (grid_find(&grid->includes[i].set, opt->name))
            return true;
    for (size_t i = 0; i < grid->intervention_count; i++) {
        const struct grid_intervention *of = &grid->interventions[i];
        if (grid_find(&of->set, opt->name))
            return true;
        for (size_t a = 0; a < of->axes.count; a++)
            if (of->axes.items[a].opt == opt)
                return true;
    }
    return false;
}

/* The table is sorted by name, and so is the list. */
static int find_varied(struct plan_maker *maker)
{
    struct plan *plan = maker->plan;
    size_t count;
    const struct opt *rows = opt_table(&count);

    plan->varied = calloc(count, sizeof *plan->varied);
    if (!plan->varied)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for a list of options");
    for (size_t i = 0; i < count; i++) {
        int rc;
        if (rows[i].kind != JOB_TRAIN || !is_touched(maker->grid, &rows[i]))
            continue;
        rc = varies(plan, rows[i].name, maker->err);
        if (rc < 0)
            return -1;
        if (rc > 0)
            plan->varied[plan->varied_count++] = rows[i].name;
    }
    return 0;
}

/* ---- the whole --------------------------------------------------------------- */

static int fill(struct plan *plan, const char *text, size_t size, struct error *err)
{
    struct plan_maker maker = {.grid = plan->source, .plan = plan, .err = err};
    int rc = -1;

    plan->name = strdup(plan->source->name);
    plan->file = strdup(plan->source->file);
    plan->grid = slice_dup((struct slice){text, size});
    plan->time_limit_s = plan->source->time_limit_s;
    plan->max_running = plan->source->max_running;
    plan->needs = plan->source->needs;
    plan->early = plan->source->early;
    if (!plan->name || !plan->file || !plan->grid)
        err_set(err, ERR_NO_MEMORY, "no memory for a plan");
    else if (add_jobs(&maker) == 0)
        rc = find_varied(&maker);
    arch_free(&maker.arch);
    free(maker.slots);
    free(maker.first_point);
    free(maker.excluded);
    free(maker.base_used);
    return rc;
}

struct plan *plan_from_grid(const char *text, size_t size, const char *file,
                            struct error *err)
{
    struct grid *grid;
    struct plan *plan;

    if (size > PROTO_GRID_MAX) {
        err_set(err, ERR_INVALID, "%s:1:1: a grid of more than %d bytes", file,
                PROTO_GRID_MAX);
        return NULL;
    }
    grid = grid_parse(text, size, file, err);
    if (!grid)
        return NULL;
    plan = calloc(1, sizeof *plan);
    if (!plan) {
        grid_free(&grid);
        err_set(err, ERR_NO_MEMORY, "no memory for a plan");
        return NULL;
    }
    plan->source = grid;
    if (fill(plan, text, size, err))
        plan_free(&plan);
    return plan;
}

void plan_free(struct plan **plan_p)
{
    struct plan *plan = plan_p ? *plan_p : NULL;

    if (!plan)
        return;
    for (size_t i = 0; i < plan->job_count; i++)
        plan_free_job(&plan->jobs[i]);
    free(plan->jobs);
    free(plan->varied);
    free(plan->name);
    free(plan->file);
    free(plan->grid);
    grid_free(&plan->source);
    free(plan);
    *plan_p = NULL;
}

/* ---- what a plan comes to ---------------------------------------------------- */

struct plan_counts plan_count(const struct plan *plan)
{
    struct plan_counts counts = {.jobs = plan->job_count};

    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        if (job->whole[0]) {
            counts.parts++;
            continue;
        }
        *(job->spec.kind == JOB_TRAIN   ? &counts.runs
          : job->spec.kind == JOB_PROBE ? &counts.probes
                                        : &counts.derived) += job->member_count;
        counts.curve_rows += job->member_count * job->curve_rows;
        counts.path_rows += job->member_count * job->path_rows;
        counts.at_most = counts.at_most || job->at_most;
        counts.plane_rows += job->member_count * job->plane_rows;
    }
    return counts;
}

void plan_put_params(const struct plan_member *member, struct buf *out)
{
    for (size_t i = 0; i < member->param_count; i++) {
        buf_puts(out, i ? ", " : "");
        buf_puts(out, member->params[i].name);
        buf_puts(out, "=");
        value_text(&member->params[i].value, out);
    }
}
