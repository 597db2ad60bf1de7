/* Which jobs have the states that a probe goes through: the run it is of, or upstream
 * runs of that run's point, which are added to the plan. */

#include "coordinator/plan_make.h"

#include "common/arch.h"

#include <string.h>

static int no_such_run(struct plan_maker *maker, const struct grid_state *state,
                       const char *key)
{
    const bool derived = strncmp(state->run, "derive:", 7) == 0;
    struct buf text = {0};

    if (derived)
        plan_put_derives(maker, &text);
    else
        plan_put_runs(maker, &text);
    err_set(maker->err, ERR_INVALID,
            derived ? "expected the state of a [derive.NAME] (%s), got \"%s\""
                    : "expected a state of a [run.NAME] (%s), got \"%s:%s\"",
            text.data ? text.data : "", state->run, state->state);
    buf_free(&text);
    return plan_fail_at(maker, state->place, key);
}

int plan_add_state(struct plan_maker *maker, const struct point *point,
                   const struct grid_state *state, const char *key, size_t *ret_job)
{
    const struct grid_derive *derive = grid_derive_of(maker->grid, state->run);
    const struct grid_intervention *run;
    char name[32];

    if (derive)
        return plan_add_derived(maker, point, derive, ret_job);
    if (!*state->run)
        return plan_add_upstream(maker, point, &maker->grid->interventions[0], ret_job);
    run = grid_run_of(maker->grid, state->run, name);
    return run ? plan_add_upstream(maker, point, run, ret_job)
               : no_such_run(maker, state, key);
}

static int find_end(struct plan_maker *maker, const struct point *point, size_t run,
                    const struct grid_state *state, const char *key, size_t *ret_job)
{
    *ret_job = run;
    return *state->run ? plan_add_state(maker, point, state, key, ret_job) : 0;
}

int plan_find_ends_at(struct plan_maker *maker, const struct grid_probe *probe,
                      size_t run, const struct point *point, struct plan_ends *ret)
{
    if (find_end(maker, point, run, &probe->from, "from", &ret->from) ||
        find_end(maker, point, run, &probe->to, "to", &ret->to) ||
        find_end(maker, point, run, &probe->third, "third", &ret->third))
        return -1;
    return 0;
}

/* A run that several points come to has the upstream run of the first. */
int plan_find_ends(struct plan_maker *maker, const struct grid_probe *probe, size_t run,
                   struct plan_ends *ret)
{
    struct point point;

    *ret = (struct plan_ends){run, run, run};
    if (!plan_has_upstream(probe))
        return 0;
    expand_point(maker->grid, maker->first_point[run] - 1, &point);
    return plan_find_ends_at(maker, probe, run, &point, ret);
}

bool plan_has_upstream(const struct grid_probe *probe)
{
    return *probe->from.run || *probe->to.run || *probe->third.run;
}

/* ---- one network ---------------------------------------------------------------- */

struct arch *plan_end_arch(struct plan_maker *maker, const struct grid_probe *probe,
                           size_t job, const char *key)
{
    struct arch *arch = arch_build(&maker->plan->jobs[job].spec, maker->err);

    if (!arch)
        err_prefix(maker->err, "%s:%d:%d: probe '%s': the network of '%s'",
                   maker->grid->file, probe->place.line, probe->place.column, probe->name,
                   key);
    return arch;
}

static int fits(struct plan_maker *maker, const struct grid_probe *probe, size_t job,
                const char *key, const struct arch *arch)
{
    struct arch *other = plan_end_arch(maker, probe, job, key);
    int rc;

    if (!other)
        return -1;
    rc = arch_fit(other, arch, maker->err);
    arch_free(&other);
    if (rc > 0)
        return 0;
    if (rc == 0)
        err_set(maker->err, ERR_INVALID, "their last layers differ in classes");
    return err_prefix(
        maker->err, "%s:%d:%d: probe '%s': '%s' and 'to' have different networks",
        maker->grid->file, probe->place.line, probe->place.column, probe->name, key);
}

/* States that the grid names apart may come to one run's: a line to itself. What it
 * names twice is meant (a control made of `to`). */
static int check_apart(struct plan_maker *maker, const struct grid_probe *probe,
                       const struct plan_ends *ends)
{
    const struct grid_state *states[] = {&probe->from, &probe->to, &probe->third};
    const size_t jobs[] = {ends->from, ends->to, ends->third};

    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < i; j++)
            if (jobs[i] == jobs[j] && strcmp(states[i]->run, states[j]->run) != 0 &&
                strcmp(states[i]->state, states[j]->state) == 0)
                return err_set(maker->err, ERR_INVALID,
                               "%s:%d:%d: probe '%s': two of its states are the same,"
                               " \"%s\" of one run",
                               maker->grid->file, probe->place.line, probe->place.column,
                               probe->name, states[i]->state);
    return 0;
}

int plan_check_ends(struct plan_maker *maker, const struct grid_probe *probe,
                    const struct plan_ends *ends, const struct arch *arch)
{
    if (!plan_has_upstream(probe))
        return 0;
    if (check_apart(maker, probe, ends) ||
        (ends->from != ends->to && fits(maker, probe, ends->from, "from", arch)))
        return -1;
    if (*probe->third.state && ends->third != ends->to)
        return fits(maker, probe, ends->third, "third", arch);
    return 0;
}
