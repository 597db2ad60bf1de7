/* [[probe]] tables of kind "between": straight lines between states of two runs.
 *
 * Runs are compared under every member that asks for one. Those with the same
 * text of what must agree are a block; pairs are made within blocks:
 *
 *   "seeds"       agree: the intervention and every parameter. Each pair of seeds
 *                 once; both ways where the two states differ.
 *   { a, b }      agree: the seed and the values of the grid's axes, but what a or
 *                 b names. Each run of a with each of b.
 */

#include "coordinator/plan_make.h"

#include "common/arch.h"

#include <stdlib.h>
#include <string.h>

/* A run as one member asks for it. */
struct entry {
    size_t run;
    const struct plan_member *member; /* borrowed */
    struct buf agree;
    size_t order; /* in the plan */
    bool in_a, in_b;
};

struct entries {
    struct entry *items;
    size_t count;
    struct plan_ends *ends; /* of every run that is a point's */
};

static bool by_seeds(const struct grid_probe *probe)
{
    return probe->a.place.line == 0;
}

/* ---- which runs ---------------------------------------------------------------- */

static bool names(const struct grid_side *side, const char *option)
{
    return grid_find(&side->where, option) != NULL;
}

static int belongs(struct plan_maker *maker, const struct grid_side *side,
                   const struct entry *entry)
{
    return plan_picks(maker, side, entry->member->intervention, entry->member->seed,
                      &maker->plan->jobs[entry->run].spec);
}

/* What must agree, as text; never empty. */
static void put_agree(const struct plan_maker *maker, const struct grid_probe *probe,
                      struct entry *entry)
{
    const struct plan_member *member = entry->member;

    buf_puts(&entry->agree, "runs ");
    if (by_seeds(probe)) {
        buf_printf(&entry->agree, "%s ", member->intervention);
        plan_put_params(member, &entry->agree);
        return;
    }
    if (!probe->a.has_seed && !probe->b.has_seed)
        buf_printf(&entry->agree, "%lld ", (long long)member->seed);
    for (size_t i = 0; i < member->param_count; i++) {
        const char *name = member->params[i].name;
        if (!grid_axis_of(maker->grid, name) || names(&probe->a, name) ||
            names(&probe->b, name))
            continue;
        buf_printf(&entry->agree, "%s=", name);
        value_text(&member->params[i].value, &entry->agree);
        buf_puts(&entry->agree, " ");
    }
}

static int add_entry(struct plan_maker *maker, const struct grid_probe *probe,
                     struct entries *entries, struct entry entry)
{
    entry.in_a = entry.in_b = true;
    if (!by_seeds(probe)) {
        int a = belongs(maker, &probe->a, &entry);
        int b = belongs(maker, &probe->b, &entry);
        if (a < 0 || b < 0)
            return -1;
        entry.in_a = a;
        entry.in_b = b;
    }
    if (!entry.in_a && !entry.in_b)
        return 0;
    put_agree(maker, probe, &entry);
    entries->items[entries->count++] = entry;
    return entry.agree.failed ? err_set(maker->err, ERR_NO_MEMORY, "no memory for pairs")
                              : 0;
}

static int by_agreement(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order = strcmp(a->agree.data, b->agree.data);

    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static bool is_point(const struct plan_maker *maker, size_t run)
{
    return run < maker->first_room && maker->first_point[run] > 0;
}

static int find_ends(struct plan_maker *maker, const struct grid_probe *probe,
                     size_t run_count, struct entries *ret)
{
    ret->ends = calloc(run_count + 1, sizeof *ret->ends);
    if (!ret->ends)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for pairs");
    for (size_t run = 0; run < run_count; run++) {
        ret->ends[run] = (struct plan_ends){run, run, run};
        if (is_point(maker, run) && plan_find_ends(maker, probe, run, &ret->ends[run]))
            return -1;
    }
    return 0;
}

static int find_entries(struct plan_maker *maker, const struct grid_probe *probe,
                        size_t run_count, struct entries *ret)
{
    const struct plan *plan = maker->plan;
    size_t count = 0;

    for (size_t run = 0; run < run_count; run++)
        count += plan->jobs[run].member_count;
    ret->items = calloc(count + 1, sizeof *ret->items);
    if (!ret->items)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for pairs");
    for (size_t run = 0; run < run_count; run++) {
        if (plan->jobs[run].spec.kind != JOB_TRAIN ||
            (plan_has_upstream(probe) && !is_point(maker, run)))
            continue;
        for (size_t i = 0; i < plan->jobs[run].member_count; i++) {
            struct entry entry = {
                .run = run, .member = &plan->jobs[run].members[i], .order = ret->count};
            if (add_entry(maker, probe, ret, entry))
                return -1;
        }
    }
    qsort(ret->items, ret->count, sizeof *ret->items, by_agreement);
    return 0;
}

/* ---- pairs ---------------------------------------------------------------------- */

static bool is_pair(const struct grid_probe *probe, const struct entry *a,
                    const struct entry *b)
{
    const bool one_state = grid_same_state(&probe->from, &probe->to);

    if (!a->in_a || !b->in_b || a->run == b->run)
        return false;
    /* A line and its reverse are one where both could stand at either end. */
    return !one_state || a->order < b->order || !(b->in_a && a->in_b);
}

static int other_networks(struct plan_maker *maker, const struct grid_probe *probe,
                          const struct entry *a, const struct entry *b)
{
    return err_set(maker->err, ERR_INVALID,
                   "%s:%d:%d: probe '%s': runs of interventions '%s' and '%s' have"
                   " different networks, so there is no line between them",
                   maker->grid->file, probe->place.line, probe->place.column, probe->name,
                   a->member->intervention, b->member->intervention);
}

static int add_pair(struct plan_maker *maker, const struct grid_probe *probe,
                    const struct plan_ends *ends, const struct entry *a,
                    const struct entry *b)
{
    const struct plan_ends pair = {ends[a->run].from, ends[b->run].to, 0};
    struct arch *arch_a = plan_end_arch(maker, probe, pair.from, "from");
    struct arch *arch_b = arch_a ? plan_end_arch(maker, probe, pair.to, "to") : NULL;
    int rc = -1;

    if (arch_b && arch_fit(arch_a, arch_b, NULL) <= 0)
        other_networks(maker, probe, a, b);
    else if (arch_b)
        rc = plan_add_probe(maker, probe, &pair, arch_b,
                            by_seeds(probe) ? a->member : b->member, NULL);
    arch_free(&arch_a);
    arch_free(&arch_b);
    return rc;
}

static int add_block(struct plan_maker *maker, const struct grid_probe *probe,
                     const struct plan_ends *ends, const struct entry *items,
                     size_t count, size_t *pairs)
{
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++) {
            if (!is_pair(probe, &items[a], &items[b]))
                continue;
            if (add_pair(maker, probe, ends, &items[a], &items[b]))
                return -1;
            (*pairs)++;
        }
    return 0;
}

static int no_pair(struct plan_maker *maker, const struct grid_probe *probe)
{
    err_set(maker->err, ERR_INVALID,
            by_seeds(probe) ? "needs at least two seeds, the sweep has one"
                            : "no two runs of the sweep are such a pair");
    return plan_fail_at(
        maker, probe->pairs_place.line ? probe->pairs_place : probe->place, "pairs");
}

static int add_all(struct plan_maker *maker, const struct grid_probe *probe,
                   size_t run_count)
{
    struct entries entries = {0};
    size_t pairs = 0;
    int rc = find_ends(maker, probe, run_count, &entries);

    if (rc == 0)
        rc = find_entries(maker, probe, run_count, &entries);
    for (size_t from = 0, to; from < entries.count && rc == 0; from = to) {
        const struct entry *first = &entries.items[from];
        for (to = from + 1; to < entries.count; to++)
            if (strcmp(entries.items[to].agree.data, first->agree.data) != 0)
                break;
        rc = add_block(maker, probe, entries.ends, first, to - from, &pairs);
    }
    if (rc == 0 && pairs == 0)
        rc = no_pair(maker, probe);
    for (size_t i = 0; i < entries.count; i++)
        buf_free(&entries.items[i].agree);
    free(entries.items);
    free(entries.ends);
    return rc;
}

int plan_add_between(struct plan_maker *maker, size_t run_count)
{
    for (size_t i = 0; i < maker->grid->probe_count; i++) {
        const struct grid_probe *probe = &maker->grid->probes[i];
        if (strcmp(probe->kind, "between") == 0 && add_all(maker, probe, run_count))
            return plan_name_probe(maker, probe);
    }
    return 0;
}
