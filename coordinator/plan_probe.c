/* Every [[probe]] of the grid, for one run. */

#include "coordinator/plan_make.h"

#include "common/alphas.h"
#include "common/arch.h"
#include "common/arch_units.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_string(struct spec *spec, const char *name, const char *string,
                      struct error *err)
{
    struct value value;
    int rc;

    if (value_string(string, &value, err))
        return -1;
    rc = spec_set(spec, name, &value, err);
    value_free(&value);
    return rc;
}

/* Where a probe's option got its value; else where the probe begins. Users know
 * the option without its "probe.". */
static int fail_in_probe(struct plan_maker *maker, const struct grid_probe *probe,
                         const char *name)
{
    const struct grid_setting *setting = grid_find(&probe->set, name);
    const char *key = strncmp(name, "probe.", 6) == 0 ? name + 6 : name;

    return plan_fail_at(maker, setting ? setting->place : probe->place, key);
}

/* ---- groups ------------------------------------------------------------------ */

/* Insert a canonical expression where it belongs; false if it is there. */
static bool insert_group(const struct arch *arch, struct value *list, struct value item)
{
    struct value *items = list->list.items;
    size_t at = list->list.count - 1; /* where item stands now */

    for (; at > 0; at--) {
        int order = arch_compare_groups(arch, items[at - 1].string, item.string);
        if (order == 0)
            return false;
        if (order < 0)
            break;
        items[at] = items[at - 1];
        items[at - 1] = item;
    }
    return true;
}

static int add_group(struct plan_maker *maker, const struct arch *arch,
                     const struct grid_setting *setting, struct value *list)
{
    const char *text = setting->value.string;
    struct buf canonical = {0};
    struct value item;
    int rc = -1;

    if (arch_check_group(arch, text, maker->err))
        return plan_fail_at(maker, setting->place, "groups");
    arch_put_group(arch, text, &canonical);
    if (canonical.failed || value_string(canonical.data, &item, maker->err) ||
        value_push(list, item, maker->err))
        err_set(maker->err, ERR_NO_MEMORY, "no memory for groups");
    else if (!insert_group(arch, list, item)) {
        err_set(maker->err, ERR_INVALID, "group \"%s\" is there twice", text);
        plan_fail_at(maker, setting->place, "groups");
    } else
        rc = 0;
    buf_free(&canonical);
    return rc;
}

static int all_groups(struct plan_maker *maker, const struct grid_groups *groups,
                      const struct arch *arch, struct value *list)
{
    const char *names[ARCH_TENSORS_MAX];
    int count = groups->blocks ? arch_blocks(arch, names, ARCH_TENSORS_MAX)
                               : arch_groups(arch, names, ARCH_TENSORS_MAX);

    for (int i = 0; i < count; i++) {
        struct value item;
        if (value_string(names[i], &item, maker->err) ||
            value_push(list, item, maker->err))
            return -1;
    }
    return 0;
}

static int set_groups(struct plan_maker *maker, const struct grid_probe *probe,
                      const struct arch *arch, struct spec *spec)
{
    struct value list = {.type = VALUE_LIST};
    int rc = 0;

    if (probe->groups.named)
        rc = all_groups(maker, &probe->groups, arch, &list);
    for (size_t i = 0; i < probe->groups.list.count && rc == 0; i++)
        rc = add_group(maker, arch, &probe->groups.list.items[i], &list);
    if (rc == 0 && list.list.count > 0)
        rc = spec_set(spec, "probe.groups", &list, maker->err);
    value_free(&list);
    return rc;
}

/* ---- the spec ---------------------------------------------------------------- */

/* Without norm layers there are no statistics to choose. */
static bool is_of_norms(const struct opt *opt)
{
    return strcmp(opt->name, "probe.bn") == 0 ||
           strcmp(opt->name, "probe.splits.bn") == 0;
}

static int set_options(struct plan_maker *maker, const struct grid_probe *probe,
                       const struct arch *arch, struct spec *spec)
{
    for (size_t i = 0; i < probe->set.count; i++) {
        const struct grid_setting *setting = &probe->set.items[i];
        if (is_of_norms(setting->opt) && !arch_has_norm(arch))
            continue;
        if (spec_set(spec, setting->opt->name, &setting->value, maker->err))
            return fail_in_probe(maker, probe, setting->opt->name);
    }
    return 0;
}

/* The run must have as many examples as the probe evaluates. */
static int check_splits(struct plan_maker *maker, const struct grid_probe *probe,
                        const struct spec *run, const struct spec *spec)
{
    struct spec_sizes sizes;

    if (spec_sizes(run, &sizes, NULL, maker->err))
        return -1;
    const struct {
        const char *name;
        int64_t count;
    } splits[] = {
        {"probe.splits.train", sizes.train},
        {"probe.splits.bn", sizes.train},
        {"probe.splits.test", sizes.test},
    };
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        int64_t size;
        if (spec_size(spec, splits[i].name, splits[i].count, &size, maker->err) == 0)
            continue;
        err_set(maker->err, ERR_INVALID, "asks for more than the %lld examples there are",
                (long long)splits[i].count);
        return fail_in_probe(maker, probe, splits[i].name);
    }
    return 0;
}

static int set_state(struct plan_maker *maker, struct spec *spec, const char *role,
                     size_t job, const struct grid_state *state)
{
    char run[16], name[16];

    (void)snprintf(run, sizeof run, "%s.run", role);
    (void)snprintf(name, sizeof name, "%s.state", role);
    return set_string(spec, run, maker->plan->jobs[job].key, maker->err) ||
                   set_string(spec, name, state->state, maker->err)
               ? -1
               : 0;
}

static bool has_third(const struct grid_probe *probe)
{
    return *probe->third.state != '\0';
}

static int set_states(struct plan_maker *maker, const struct grid_probe *probe,
                      const struct plan_ends *ends, struct spec *spec)
{
    if (set_state(maker, spec, "a", ends->from, &probe->from) ||
        set_state(maker, spec, "b", ends->to, &probe->to))
        return -1;
    return has_third(probe) ? set_state(maker, spec, "c", ends->third, &probe->third) : 0;
}

static int check_start(struct plan_maker *maker, const struct grid_probe *probe,
                       const struct spec *to, const struct arch *arch,
                       const struct spec *spec)
{
    const char *start = spec_string(spec, "probe.start");

    if (strcmp(start, "seed") == 0 && to->kind == JOB_DERIVE)
        err_set(maker->err, ERR_INVALID,
                "\"seed\" draws as the run did that has 'to', which is a derived state");
    else if (strcmp(start, "permuted") != 0 || arch_check_permute(arch, maker->err) == 0)
        return 0;
    return fail_in_probe(maker, probe, "probe.start");
}

static int make_spec(struct plan_maker *maker, const struct grid_probe *probe,
                     const struct plan_ends *ends, const struct arch *arch,
                     struct spec *ret)
{
    struct error *err = maker->err;
    struct spec spec = {0};
    const char *name = NULL;

    if (plan_check_ends(maker, probe, ends, arch) || spec_init(&spec, JOB_PROBE, err) ||
        set_options(maker, probe, arch, &spec) || set_states(maker, probe, ends, &spec) ||
        set_groups(maker, probe, arch, &spec))
        goto fail;
    spec_settle(&spec);
    if (spec_check(&spec, &name, err)) {
        if (name)
            fail_in_probe(maker, probe, name);
        goto fail;
    }
    if (check_splits(maker, probe, &maker->plan->jobs[ends->to].spec, &spec) ||
        check_start(maker, probe, &maker->plan->jobs[ends->to].spec, arch, &spec))
        goto fail;
    *ret = spec;
    return 0;

fail:
    spec_free(&spec);
    return -1;
}

/* ---- rows -------------------------------------------------------------------- */

/* Items of a list option, or the count that an option is. */
static int count_of(const struct spec *spec, const char *name, uint64_t *ret,
                    struct error *err)
{
    struct value value;

    if (spec_value(spec, name, &value, err))
        return -1;
    *ret = value.type == VALUE_LIST ? value.list.count : (uint64_t)value.integer;
    value_free(&value);
    return 0;
}

/* What of a probe's points does not fit in a result: the key that is to blame. */
static const char *too_many(uint64_t curves, const struct alphas *alphas)
{
    return curves * alphas->grid > PROTO_POINTS_MAX    ? "probe.alphas"
           : curves * alphas->count > PROTO_POINTS_MAX ? "probe.refine"
                                                       : "probe.adapt.most";
}

static int check_points(struct plan_maker *maker, const struct grid_probe *probe,
                        const struct plan_job *job, uint64_t groups, const char *blame)
{
    const uint64_t points = job->curve_rows + job->plane_rows;

    if (points <= PROTO_POINTS_MAX && groups <= PROTO_DISTANCES_MAX)
        return 0;
    err_set(maker->err, ERR_INVALID, "gives %s%llu points, at most %d can be sent",
            job->at_most ? "up to " : "", (unsigned long long)points, PROTO_POINTS_MAX);
    return fail_in_probe(maker, probe, blame);
}

/* The points of one plane. */
static int count_plane(const struct spec *spec, uint64_t *ret, struct error *err)
{
    uint64_t xs, ys;

    if (count_of(spec, "probe.xs", &xs, err) || count_of(spec, "probe.ys", &ys, err))
        return -1;
    *ret = xs * ys;
    return 0;
}

/* What a probe gives: a curve or a plane for each group, bn mode and split. */
static int count_rows(struct plan_maker *maker, const struct grid_probe *probe,
                      const struct arch *arch, struct plan_job *job)
{
    enum { SPLITS = 2 };
    const uint64_t more = (uint64_t)spec_int(&job->spec, "probe.adapt.most");
    uint64_t groups, modes;
    struct alphas alphas;
    const char *blame;

    if (count_of(&job->spec, "probe.groups", &groups, maker->err) ||
        count_of(&job->spec, "probe.bn", &modes, maker->err))
        return -1;
    if (groups == 0)
        groups = 1; /* "all" */
    if (!arch_has_norm(arch))
        modes = 1; /* "none" */
    if (strcmp(spec_string(&job->spec, "probe.kind"), "plane") == 0) {
        if (count_plane(&job->spec, &job->plane_rows, maker->err))
            return -1;
        job->plane_rows *= groups * modes * SPLITS;
        return check_points(maker, probe, job, groups, "probe.xs");
    }
    if (alphas_of(&job->spec, &alphas, maker->err))
        return -1;
    job->path_rows = groups * modes * SPLITS;
    job->curve_rows = job->path_rows * (alphas.count + more);
    job->at_most = more > 0;
    blame = too_many(job->path_rows, &alphas);
    alphas_free(&alphas);
    return check_points(maker, probe, job, groups, blame);
}

/* ---- jobs -------------------------------------------------------------------- */

static void put_need(struct plan_job *job, const char *role, size_t run,
                     const struct grid_state *state)
{
    struct plan_need *need = &job->needs[job->need_count++];

    *need = (struct plan_need){.job = run};
    (void)snprintf(need->role, sizeof need->role, "%s", role);
    (void)snprintf(need->state, sizeof need->state, "%s", state->state);
}

static int add_needs(struct plan_maker *maker, const struct grid_probe *probe,
                     const struct plan_ends *ends, struct plan_job *job)
{
    job->needs = calloc(3, sizeof *job->needs);
    if (!job->needs)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for a probe's needs");
    put_need(job, "a", ends->from, &probe->from);
    put_need(job, "b", ends->to, &probe->to);
    if (has_third(probe))
        put_need(job, "c", ends->third, &probe->third);
    return 0;
}

static int add_answers(struct plan_maker *maker, const struct grid_probe *probe,
                       size_t run, const struct arch *arch, struct plan_job *job)
{
    const struct spec *spec = &maker->plan->jobs[run].spec;
    const char *name;

    if (plan_check_answers(spec, arch, job, &name, maker->err) ||
        plan_add_trajectory(spec, job, &name, maker->err))
        return fail_in_probe(maker, probe, name);
    return 0;
}

/* Whether the job is in the plan; else its parts, which come before it. */
static int find_or_cut(struct plan_maker *maker, const struct grid_probe *probe,
                       const struct plan_ends *ends, const struct arch *arch,
                       const struct spec *spec, bool *ret_known, struct plan_parts *ret)
{
    struct plan_job job = {.needs = (struct plan_need[2]){{0}}};
    char key[HASH_TEXT];

    ret->count = 0;
    if (spec_key(spec, key, maker->err))
        return -1;
    *ret_known = plan_has_job(maker, key);
    if (*ret_known)
        return 0;
    put_need(&job, "a", ends->from, &probe->from);
    put_need(&job, "b", ends->to, &probe->to);
    return plan_add_parts(maker, spec, &maker->plan->jobs[ends->to].spec, arch,
                          probe->split, job.needs, ret);
}

/* List a job and its parts. */
static int list_job(struct plan_maker *maker, size_t job,
                    const struct plan_member *member, const char *probe)
{
    if (plan_copy_member(maker, job, member, probe))
        return -1;
    plan_drop_double(&maker->plan->jobs[job]); /* a derived state may have asked for it */
    return plan_copy_part_members(maker, job, member, probe);
}

/* Find or make the job; *ret_job is its number. */
static int add_job(struct plan_maker *maker, const struct grid_probe *probe,
                   const struct plan_ends *ends, const struct arch *arch, size_t *ret_job)
{
    struct plan *plan = maker->plan;
    struct plan_parts parts;
    struct plan_job *job;
    struct spec spec;
    bool known;

    maker->has_norm = maker->has_norm || arch_has_norm(arch);
    if (make_spec(maker, probe, ends, arch, &spec))
        return -1;
    if (find_or_cut(maker, probe, ends, arch, &spec, &known, &parts)) {
        spec_free(&spec);
        return -1;
    }
    if (plan_add_job(maker, spec, NULL, ret_job))
        return -1;
    job = &plan->jobs[*ret_job];
    return !known && (count_rows(maker, probe, arch, job) ||
                      add_needs(maker, probe, ends, job) ||
                      add_answers(maker, probe, ends->to, arch, job) ||
                      plan_need_parts(maker, &parts, job))
               ? -1
               : 0;
}

int plan_add_probe(struct plan_maker *maker, const struct grid_probe *probe,
                   const struct plan_ends *ends, const struct arch *arch,
                   const struct plan_member *member, size_t *ret_job)
{
    size_t job;

    if (add_job(maker, probe, ends, arch, &job))
        return -1;
    if (ret_job)
        *ret_job = job;
    return list_job(maker, job, member, probe->name);
}

static int add_of_network(struct plan_maker *maker, const struct grid_probe *probe,
                          size_t run, const struct plan_ends *ends,
                          const struct arch *arch)
{
    struct plan *plan = maker->plan;
    size_t job;

    if (add_job(maker, probe, ends, arch, &job))
        return -1;
    for (size_t i = 0; i < plan->jobs[run].member_count; i++)
        if (list_job(maker, job, &plan->jobs[run].members[i], probe->name))
            return -1;
    return 0;
}

/* arch is the run's own network. */
static int add_within(struct plan_maker *maker, const struct grid_probe *probe,
                      size_t run, const struct arch *arch)
{
    struct plan_ends ends;
    struct arch *other;
    int rc;

    if (plan_find_ends(maker, probe, run, &ends))
        return -1;
    if (ends.to == run)
        return add_of_network(maker, probe, run, &ends, arch);
    other = plan_end_arch(maker, probe, ends.to, "to");
    rc = other ? add_of_network(maker, probe, run, &ends, other) : -1;
    arch_free(&other);
    return rc;
}

int plan_name_probe(struct plan_maker *maker, const struct grid_probe *probe)
{
    struct error old;

    if (!maker->err || strstr(maker->err->text, "probe '"))
        return -1;
    old = *maker->err;
    return err_set(maker->err, old.code, "%s (probe '%s')", old.text, probe->name);
}

int plan_add_probes(struct plan_maker *maker, size_t run)
{
    const struct arch *arch = plan_run_arch(maker, run);
    int rc = arch ? 0 : -1;

    for (size_t i = 0; i < maker->grid->probe_count && rc == 0; i++) {
        const struct grid_probe *probe = &maker->grid->probes[i];
        if (strcmp(probe->kind, "between") != 0)
            rc = add_within(maker, probe, run, arch);
        if (rc)
            plan_name_probe(maker, probe);
    }
    return rc;
}

/* Networks may differ within a grid, so one with norm layers is enough. */
int plan_check_probes(struct plan_maker *maker)
{
    for (size_t i = 0; i < maker->grid->probe_count && !maker->has_norm; i++) {
        const struct grid_probe *probe = &maker->grid->probes[i];
        for (size_t o = 0; o < probe->set.count; o++) {
            if (!is_of_norms(probe->set.items[o].opt))
                continue;
            err_set(maker->err, ERR_INVALID,
                    "no network of this grid has norm layers to apply it to");
            fail_in_probe(maker, probe, probe->set.items[o].opt->name);
            return plan_name_probe(maker, probe);
        }
    }
    return 0;
}
