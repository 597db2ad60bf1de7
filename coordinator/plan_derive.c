/* States made from others, [derive.NAME]: one for each point and seed that need it. The
 * states that one is made of are added before it: runs, other derived states, and for a
 * point of a line the probe whose curve tells where it lies. */

#include "coordinator/plan_make.h"

#include "common/arch.h"
#include "common/derived.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that is made of itself, or more steps than any study has. */
enum { DEPTH_MAX = 8 };

/* One under construction. */
struct making {
    struct plan_maker *maker;
    const struct point *point; /* who asks */
    const struct grid_derive *derive;
    const char *kind;
    struct spec spec;
    struct plan_need needs[PROTO_INPUTS_MAX];
    size_t need_count;
    struct arch *arch; /* of what it is made of */
};

void plan_put_derives(const struct plan_maker *maker, struct buf *out)
{
    const struct grid *grid = maker->grid;

    for (size_t i = 0; i < grid->derive_count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", grid->derives[i].name + 7);
    if (grid->derive_count == 0)
        buf_puts(out, "there is none");
}

/* ---- errors ------------------------------------ */

/* Users know options without "derive.", and some under another name. */
static const char *key_of(const char *option)
{
    static const struct {
        const char *option, *key;
    } KEYS[] = {
        {"derive.at", "alpha"}, {"derive.noise", "norm"}, {"derive.sources", "groups"}};

    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (strcmp(KEYS[i].option, option) == 0)
            return KEYS[i].key;
    return strncmp(option, "derive.", 7) == 0 ? option + 7 : option;
}

/* Where an option got its value; else where the table begins. */
static int fail_in(struct making *m, const char *option)
{
    const struct grid_setting *setting = grid_find(&m->derive->set, option);
    struct grid_place place = setting ? setting->place : m->derive->label.place;

    if (strcmp(option, "derive.sources") == 0)
        place = m->derive->groups_place;
    return plan_fail_at(m->maker, place, key_of(option));
}

static int fail_at_probe(struct making *m)
{
    return plan_fail_at(m->maker, m->derive->probe_place, "probe");
}

/* ---- the spec ------------------------------------ */

static int set_string(struct making *m, const char *option, const char *string)
{
    struct value value;
    int rc;

    if (value_string(string, &value, m->maker->err))
        return -1;
    rc = spec_set(&m->spec, option, &value, m->maker->err);
    value_free(&value);
    return rc;
}

/* What it has in common with the job that it is made of: data and network. */
static int set_shared(struct making *m, size_t job)
{
    const struct spec *from = &m->maker->plan->jobs[job].spec;

    for (size_t i = 0; i < from->count; i++) {
        const struct spec_item *item = &from->items[i];
        const char *name = item->opt->name;
        const struct opt *opt = opt_find(JOB_DERIVE, name);
        if (!opt || opt->kind != JOB_TRAIN || strcmp(name, "train.keep") == 0 ||
            strncmp(name, "train.eval.", 11) == 0)
            continue;
        if (spec_set(&m->spec, name, &item->value, m->maker->err))
            return -1;
    }
    m->arch = arch_build(&m->spec, m->maker->err);
    return m->arch ? 0 : fail_in(m, "derive.kind");
}

static void put_need(struct making *m, const char *role, size_t job, const char *state)
{
    struct plan_need *need = &m->needs[m->need_count++];

    *need = (struct plan_need){.job = job};
    (void)snprintf(need->role, sizeof need->role, "%s", role);
    (void)snprintf(need->state, sizeof need->state, "%s", state);
}

/* role "a" or "b" */
static int set_end(struct making *m, const char *role, size_t job, const char *state)
{
    char run[16], name[16];

    (void)snprintf(run, sizeof run, "%s.run", role);
    (void)snprintf(name, sizeof name, "%s.state", role);
    put_need(m, role, job, state);
    return set_string(m, run, m->maker->plan->jobs[job].key) || set_string(m, name, state)
               ? -1
               : 0;
}

static int set_options(struct making *m)
{
    for (size_t i = 0; i < m->derive->set.count; i++) {
        const struct grid_setting *setting = &m->derive->set.items[i];
        if (spec_set(&m->spec, setting->opt->name, &setting->value, m->maker->err))
            return fail_in(m, setting->opt->name);
    }
    return 0;
}

/* ---- a point of a probe's line ------------------------------------ */

static const struct grid_probe *find_probe(struct making *m)
{
    const struct grid *grid = m->maker->grid;
    struct buf known = {0};

    for (size_t i = 0; i < grid->probe_count; i++)
        if (strcmp(grid->probes[i].name, m->derive->probe) == 0)
            return &grid->probes[i];
    for (size_t i = 0; i < grid->probe_count; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", grid->probes[i].name);
    err_set(m->maker->err, ERR_INVALID,
            "expected the name of a [[probe]] (%s), got \"%s\"",
            known.data ? known.data : "there is none", m->derive->probe);
    buf_free(&known);
    fail_at_probe(m);
    return NULL;
}

static int check_probe(struct making *m, const struct grid_probe *probe)
{
    const struct grid_setting *start = grid_find(&probe->set, "probe.start");

    if (strcmp(probe->kind, "path") != 0 && strcmp(probe->kind, "layers") != 0)
        err_set(m->maker->err, ERR_INVALID,
                "'%s' is of kind %s, expected a path or layers", probe->name,
                probe->kind);
    else if (start && strcmp(start->value.string, "state") != 0)
        err_set(m->maker->err, ERR_INVALID,
                "'%s' starts from a control that is not stored, expected one that starts"
                " from a state",
                probe->name);
    else
        return 0;
    return fail_at_probe(m);
}

static int add_run(struct making *m, size_t *ret_job)
{
    struct grid_state state = {.place = m->derive->run_place, .state = "final"};

    (void)snprintf(state.run, sizeof state.run, "%s", m->derive->run);
    return plan_add_state(m->maker, m->point, &state, "run", ret_job);
}

/* Whether its place depends on the curve. */
static bool reads_curve(const struct spec *spec)
{
    return strcmp(spec_string(spec, "derive.at"), "value") != 0 ||
           spec_has(spec, "derive.where");
}

/* The probe of that run, listed as the run is; only its ends where no curve is read. */
static int add_probe(struct making *m, const struct grid_probe *probe, size_t run,
                     struct plan_ends *ret_ends, size_t *ret_job)
{
    struct plan_maker *maker = m->maker;
    struct arch *arch;
    int rc;

    if (plan_find_ends_at(maker, probe, run, m->point, ret_ends))
        return plan_name_probe(maker, probe);
    if (!reads_curve(&m->spec))
        return 0;
    arch = plan_end_arch(maker, probe, ret_ends->to, "to");
    rc = arch ? plan_add_probe(maker, probe, ret_ends, arch,
                               &maker->plan->jobs[run].members[0], ret_job)
              : -1;
    arch_free(&arch);
    return rc ? plan_name_probe(maker, probe) : 0;
}

/* Whether a list option of the probe's has a word; one without items has `none`. */
static int has_word(struct making *m, const struct spec *probe, const char *option,
                    const char *none, const char *word)
{
    struct value list;
    bool found;

    if (spec_value(probe, option, &list, m->maker->err))
        return -1;
    found = list.list.count == 0 && strcmp(none, word) == 0;
    for (size_t i = 0; i < list.list.count; i++)
        found = found || strcmp(list.list.items[i].string, word) == 0;
    value_free(&list);
    return found;
}

/* The curve that is read must be one of the probe's. */
static int check_curve(struct making *m, const struct spec *probe)
{
    const struct {
        const char *option, *of_probe, *none, *word;
    } WORDS[] = {
        {"derive.group", "probe.groups", "all", derived_group(&m->spec)},
        {"derive.bn", "probe.bn", "", spec_string(&m->spec, "derive.bn")},
    };

    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        const char *word = WORDS[i].word;
        int has = strcmp(word, "none") == 0 ||
                  has_word(m, probe, WORDS[i].of_probe, WORDS[i].none, word);
        if (has > 0)
            continue;
        if (has == 0)
            err_set(m->maker->err, ERR_INVALID, "probe '%s' has no curve of \"%s\"",
                    m->derive->probe, word);
        return has < 0 ? -1 : fail_in(m, WORDS[i].option);
    }
    return 0;
}

/* The group as the network spells it; without norms there is one way to read a curve. */
static int set_curve(struct making *m)
{
    const char *group = derived_group(&m->spec);
    struct buf text = {0};
    int rc;

    if (arch_check_group(m->arch, group, m->maker->err))
        return fail_in(m, "derive.group");
    arch_put_group(m->arch, group, &text);
    rc = text.failed
             ? err_set(m->maker->err, ERR_NO_MEMORY, "no memory for a group's name")
             : set_string(m, "derive.group",
                          strcmp(text.data, "all") == 0 ? "" : text.data);
    buf_free(&text);
    if (rc == 0 && !arch_has_norm(m->arch))
        rc = set_string(m, "derive.bn", "none");
    return rc;
}

static int make_point(struct making *m)
{
    const struct grid_probe *probe = find_probe(m);
    struct plan_ends ends;
    size_t run, job = 0;

    if (!probe || check_probe(m, probe) || add_run(m, &run) ||
        add_probe(m, probe, run, &ends, &job) || set_shared(m, ends.to) ||
        set_end(m, "a", ends.from, probe->from.state) ||
        set_end(m, "b", ends.to, probe->to.state) || set_curve(m))
        return -1;
    if (!reads_curve(&m->spec))
        return 0;
    if (check_curve(m, &m->maker->plan->jobs[job].spec))
        return -1;
    put_need(m, DERIVED_PROBE, job, DERIVED_CURVE);
    return set_string(m, "derive.probe", m->maker->plan->jobs[job].key);
}

/* ---- made of states ------------------------------------ */

static int make_from(struct making *m)
{
    const struct grid_state *from = &m->derive->from;
    const struct value seed = value_int(m->point->seed);
    const bool draws = strcmp(m->kind, "mix") != 0;
    size_t job;

    if (plan_add_state(m->maker, m->point, from, "from", &job) || set_shared(m, job) ||
        set_end(m, "a", job, from->state))
        return -1;
    if (!draws || grid_find(&m->derive->set, "derive.seed"))
        return 0;
    return spec_set(&m->spec, "derive.seed", &seed, m->maker->err);
}

/* One must have the tensors of the other. */
static int check_fit(struct making *m, const struct grid_source *source, size_t job)
{
    struct arch *other = arch_build(&m->maker->plan->jobs[job].spec, m->maker->err);
    int fits = other ? arch_fit(other, m->arch, m->maker->err) : -1;

    arch_free(&other);
    if (fits > 0)
        return 0;
    if (fits == 0)
        err_set(m->maker->err, ERR_INVALID, "their last layers differ in classes");
    return plan_fail_at(m->maker, source->place, source->group);
}

/* A group, as the network spells it, and the job that it comes from. */
struct origin {
    const struct grid_source *source;
    struct buf group;
    size_t job;
};

static int find_origin(struct making *m, const struct grid_source *source,
                       struct origin *ret)
{
    ret->source = source;
    if (arch_check_group(m->arch, source->group, m->maker->err))
        return plan_fail_at(m->maker, source->place, "groups");
    arch_put_group(m->arch, source->group, &ret->group);
    if (ret->group.failed)
        return err_set(m->maker->err, ERR_NO_MEMORY, "no memory for a group's name");
    return plan_add_state(m->maker, m->point, &source->state, source->group, &ret->job) ||
                   check_fit(m, source, ret->job)
               ? -1
               : 0;
}

static int push_origin(struct making *m, const struct origin *origin, size_t number,
                       struct value *list)
{
    const char *state = origin->source->state.state;
    struct buf text = {0};
    struct value item;
    char role[8];
    int rc;

    (void)snprintf(role, sizeof role, "m%02zu", number % 100);
    put_need(m, role, origin->job, state);
    buf_printf(&text, "%s=%s:%s", origin->group.data,
               m->maker->plan->jobs[origin->job].key, state);
    rc = text.failed ? err_set(m->maker->err, ERR_NO_MEMORY, "no memory for a group")
                     : value_string(text.data, &item, m->maker->err);
    buf_free(&text);
    return rc ? -1 : value_push(list, item, m->maker->err);
}

/* In network order, whatever the grid's. */
static void sort_origins(const struct making *m, struct origin *origins, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i;
             j > 0 && arch_compare_groups(m->arch, origins[j - 1].group.data,
                                          origins[j].group.data) > 0;
             j--) {
            struct origin swap = origins[j];
            origins[j] = origins[j - 1];
            origins[j - 1] = swap;
        }
}

static int make_mix(struct making *m)
{
    const struct grid_derive *derive = m->derive;
    const size_t count = derive->source_count;
    struct origin origins[DERIVED_SOURCES_MAX] = {{0}};
    struct value list = value_list();
    int rc = make_from(m);

    if (rc == 0 && count > DERIVED_SOURCES_MAX) {
        err_set(m->maker->err, ERR_INVALID, "expected at most %d groups, got %zu",
                DERIVED_SOURCES_MAX, count);
        return plan_fail_at(m->maker, derive->groups_place, "groups");
    }
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = find_origin(m, &derive->sources[i], &origins[i]);
    if (rc == 0)
        sort_origins(m, origins, count);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = push_origin(m, &origins[i], i + 1, &list);
    if (rc == 0)
        rc = spec_set(&m->spec, "derive.sources", &list, m->maker->err);
    for (size_t i = 0; i < count; i++)
        buf_free(&origins[i].group);
    value_free(&list);
    return rc;
}

/* ---- the job ------------------------------------ */

static int make_spec(struct making *m)
{
    const char *name = NULL;
    int rc;

    if (spec_init(&m->spec, JOB_DERIVE, m->maker->err) || set_options(m))
        return -1;
    m->kind = spec_string(&m->spec, "derive.kind");
    rc = strcmp(m->kind, "point") == 0 ? make_point(m)
         : strcmp(m->kind, "mix") == 0 ? make_mix(m)
                                       : make_from(m);
    if (rc)
        return -1;
    spec_settle(&m->spec);
    if (spec_check(&m->spec, &name, m->maker->err))
        return name ? fail_in(m, name) : -1;
    return 0;
}

/* The job takes the spec. */
static int add_job(struct making *m, size_t *ret_job)
{
    struct plan_maker *maker = m->maker;
    const size_t before = maker->plan->job_count;
    struct spec spec = m->spec;
    struct plan_job *job;
    struct point label;

    m->spec = (struct spec){0};
    if (plan_add_job(maker, spec, NULL, ret_job))
        return -1;
    job = &maker->plan->jobs[*ret_job];
    if (maker->plan->job_count > before) {
        job->needs = calloc(m->need_count, sizeof *job->needs);
        if (!job->needs)
            return err_set(maker->err, ERR_NO_MEMORY, "no memory for a state's needs");
        memcpy(job->needs, m->needs, m->need_count * sizeof *job->needs);
        job->need_count = m->need_count;
    }
    plan_upstream_point(maker, m->point, &m->derive->label, &label);
    if (plan_add_member(maker, *ret_job, &label, ""))
        return -1;
    plan_drop_double(job);
    return 0;
}

/* Add " (derived state 'x')" to the error that is there, once; -1. */
static int name_it(struct making *m)
{
    struct error old;

    if (!m->maker->err || strstr(m->maker->err->text, "derived state '"))
        return -1;
    old = *m->maker->err;
    return err_set(m->maker->err, old.code, "%s (derived state '%s')", old.text,
                   m->derive->name + 7);
}

int plan_add_derived(struct plan_maker *maker, const struct point *point,
                     const struct grid_derive *derive, size_t *ret_job)
{
    struct making m = {.maker = maker, .point = point, .derive = derive};
    int rc;

    if (maker->depth >= DEPTH_MAX)
        return err_set(maker->err, ERR_INVALID,
                       "%s:%d:%d: '%s' is made of itself, or of a chain of more than %d"
                       " states",
                       maker->grid->file, derive->label.place.line,
                       derive->label.place.column, derive->name, DEPTH_MAX);
    maker->depth++;
    rc = make_spec(&m);
    if (rc == 0)
        rc = add_job(&m, ret_job);
    maker->depth--;
    spec_free(&m.spec);
    arch_free(&m.arch);
    return rc ? name_it(&m) : 0;
}
