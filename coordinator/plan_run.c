/* From a point of the grid to the spec of its run. */

#include "coordinator/plan_make.h"

#include "common/arch.h"
#include "common/names.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors with a place ----------------------------------------------------- */

int plan_fail_at(struct plan_maker *maker, struct grid_place place, const char *key)
{
    if (place.line == 0)
        place = (struct grid_place){1, 1};
    return err_prefix(maker->err, "%s:%d:%d: key '%s'", maker->grid->file, place.line,
                      place.column, key);
}

/* Add " (intervention 'x' with a=1)" to the error, where it tells more than the
 * place does. */
static void add_point(struct plan_maker *maker, const struct point *point)
{
    struct buf text = {0};

    if (!maker->err || (point->setting_count == 0))
        return;
    buf_printf(&text, "%s (", maker->err->text);
    point_describe(point, &text);
    buf_puts(&text, ")");
    if (!text.failed)
        err_set(maker->err, maker->err->code, "%s", text.data);
    buf_free(&text);
}

/* Where an option got its value in a point; else where the point comes from. */
static struct grid_place place_of(const struct plan_maker *maker,
                                  const struct point *point, const char *name)
{
    const struct grid_setting *base = grid_find(&maker->grid->base, name);
    const struct grid_setting *own = point_find(point, name);

    if (own)
        return own->place;
    return base ? base->place : point->intervention->place;
}

int plan_fail_in_point(struct plan_maker *maker, const struct point *point,
                       const char *name)
{
    add_point(maker, point);
    return plan_fail_at(maker, place_of(maker, point, name), name);
}

/* ---- seeds ------------------------------------------------------------------- */

/* A seed that no other stream, point or intervention has: the first 53 bits of a
 * hash of what it is for. The sweep's name is left out, so that two sweeps with
 * the same point share the job. */
static int own_seed(const struct point *point, const char *stream, int64_t *ret,
                    struct error *err)
{
    struct buf text = {0};
    char hash[HASH_TEXT];

    buf_printf(&text, "coord-seed 1\n%s\n%s\n%lld\n", stream, point->intervention->name,
               (long long)point->seed);
    for (size_t i = 0; i < point->setting_count; i++) {
        buf_printf(&text, "%s=", point->settings[i]->opt->name);
        value_text(&point->settings[i]->value, &text);
        buf_puts(&text, "\n");
    }
    if (text.failed) {
        buf_free(&text);
        return err_set(err, ERR_NO_MEMORY, "no memory for a seed");
    }
    hash_bytes(text.data, text.size, hash);
    buf_free(&text);
    hash[14] = '\0'; /* 56 bits */
    *ret = (int64_t)(strtoull(hash, NULL, 16) >> 3);
    return 0;
}

static int set_seed(struct plan_maker *maker, const struct point *point,
                    const struct opt *stream, struct spec *spec)
{
    int64_t seed = point->seed;

    if (maker->grid->seeds_independent &&
        own_seed(point, stream->name, &seed, maker->err))
        return -1;
    const struct value value = value_int(seed);
    return spec_set_opt(spec, stream, &value, maker->err);
}

/* A stream that the grid sets itself keeps what it says. */
static bool is_set(const struct plan_maker *maker, const struct point *point,
                   const char *stream)
{
    return point_find(point, stream) || grid_find(&maker->grid->base, stream);
}

static int set_seeds(struct plan_maker *maker, const struct point *point,
                     struct spec *spec)
{
    static const char *const STREAMS[] = {"seed.augment", "seed.dropout", "seed.init",
                                          "seed.labels", "seed.order"};

    for (size_t i = 0; i < sizeof STREAMS / sizeof STREAMS[0]; i++)
        if (!is_set(maker, point, STREAMS[i]) &&
            set_seed(maker, point, opt_find(JOB_TRAIN, STREAMS[i]), spec))
            return -1;
    return 0;
}

/* ---- states that probes need ------------------------------------------------- */

/* Final is always kept. Init is derived anew, unless it comes from another run. */
int plan_keep_state(struct plan_maker *maker, struct spec *spec, const char *state,
                    struct grid_place place, const char *key)
{
    struct state_name name = {0};
    struct value keep, item;
    int rc;

    (void)state_parse(state, &name);
    if (name.kind == STATE_FINAL ||
        (name.kind == STATE_INIT && !spec_has(spec, "init.from")))
        return 0;
    if (spec_value(spec, "train.keep", &keep, maker->err))
        return -1;
    rc = value_string(state, &item, maker->err);
    if (rc == 0)
        rc = value_push(&keep, item, maker->err);
    if (rc == 0)
        rc = spec_set(spec, "train.keep", &keep, maker->err);
    value_free(&keep);
    if (rc == 0 && spec_check(spec, &(const char *){NULL}, maker->err))
        rc = plan_fail_at(maker, place, key);
    return rc;
}

/* Upstream runs keep theirs (plan_keep_started). */
static int keep_end(struct plan_maker *maker, struct spec *spec,
                    const struct grid_state *state, const char *key)
{
    if (*state->run || !*state->state)
        return 0;
    return plan_keep_state(maker, spec, state->state, state->place, key);
}

static int keep_states(struct plan_maker *maker, struct spec *spec)
{
    for (size_t i = 0; i < maker->grid->probe_count; i++) {
        const struct grid_probe *probe = &maker->grid->probes[i];
        if (keep_end(maker, spec, &probe->from, "from") ||
            keep_end(maker, spec, &probe->to, "to") ||
            keep_end(maker, spec, &probe->third, "third"))
            return plan_name_probe(maker, probe);
    }
    for (size_t i = 0; i < maker->grid->derive_count; i++) {
        const struct grid_derive *derive = &maker->grid->derives[i];
        if (keep_end(maker, spec, &derive->from, "from"))
            return -1;
        for (size_t s = 0; s < derive->source_count; s++)
            if (keep_end(maker, spec, &derive->sources[s].state,
                         derive->sources[s].group))
                return -1;
    }
    return 0;
}

/* ---- the whole --------------------------------------------------------------- */

/* What base sets for one choice of another option (momentum for sgd) is of no use
 * to a point that chooses otherwise (adam): it does not count there. A point that
 * sets such an option itself is told so by spec_check; so is a base that sets one for
 * nothing. 1 when it is dropped; 0; -1 with an error. */
static int drop_base(const struct point *point, const struct grid_setting *setting,
                     struct spec *spec, struct error *err)
{
    const struct opt *opt = setting->opt;
    const char *equals = opt->needs ? strchr(opt->needs, '=') : NULL;
    const char *text = opt_fallback(opt, spec);
    char name[64];
    struct value fallback;
    int rc;

    if (!equals || point_find(point, opt->name) || opt_applies(opt, spec))
        return 0;
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - opt->needs), opt->needs);
    if (!point_find(point, name) || !text)
        return 0;
    if (value_trust(text, &fallback, err))
        return -1;
    rc = spec_set(spec, opt->name, &fallback, err);
    value_free(&fallback);
    return rc ? -1 : 1;
}

static int apply(struct plan_maker *maker, const struct point *point, struct spec *spec)
{
    const struct grid_settings *base = &maker->grid->base;

    for (size_t i = 0; i < base->count; i++)
        if (spec_set(spec, base->items[i].opt->name, &base->items[i].value, maker->err))
            return -1;
    for (size_t i = 0; i < point->setting_count; i++)
        if (spec_set(spec, point->settings[i]->opt->name, &point->settings[i]->value,
                     maker->err))
            return -1;
    for (size_t i = 0; i < base->count; i++) {
        int dropped = drop_base(point, &base->items[i], spec, maker->err);
        if (dropped < 0)
            return -1;
        maker->base_used[i] += !dropped;
    }
    spec_settle(spec);
    return 0;
}

/* ---- what is left out ---------------------------------------------------------- */

int plan_picks(struct plan_maker *maker, const struct grid_side *side,
               const char *intervention, int64_t seed, const struct spec *spec)
{
    if ((side->intervention && strcmp(side->intervention, intervention) != 0) ||
        (side->has_seed && side->seed != seed))
        return 0;
    for (size_t i = 0; i < side->where.count; i++) {
        const struct grid_setting *want = &side->where.items[i];
        struct value value;
        if (spec_value(spec, want->opt->name, &value, maker->err))
            return -1;
        bool equal = value_equal(&value, &want->value);
        value_free(&value);
        if (!equal)
            return 0;
    }
    return 1;
}

/* 1 when some exclude picks the point; all of them are asked, since each must be
 * good for something. */
static int is_excluded(struct plan_maker *maker, const struct point *point,
                       const struct spec *spec)
{
    int rc = 0;

    for (size_t i = 0; i < maker->grid->exclude_count; i++) {
        int picks = plan_picks(maker, &maker->grid->excludes[i],
                               point->intervention->name, point->seed, spec);
        if (picks < 0)
            return -1;
        if (picks) {
            maker->excluded[i]++;
            rc = 1;
        }
    }
    return rc;
}

static int check_base(struct plan_maker *maker)
{
    const struct grid_settings *base = &maker->grid->base;

    for (size_t i = 0; i < base->count; i++) {
        const struct grid_setting *setting = &base->items[i];
        if (maker->base_used[i] > 0)
            continue;
        err_set(maker->err, ERR_INVALID, "applies to no point: it needs %s",
                setting->opt->needs);
        return plan_fail_at(maker, setting->place, setting->opt->name);
    }
    return 0;
}

int plan_check_points(struct plan_maker *maker)
{
    const struct grid *grid = maker->grid;

    for (size_t i = 0; i < grid->exclude_count; i++) {
        const struct grid_side *exclude = &grid->excludes[i];
        if (maker->excluded[i] > 0)
            continue;
        err_set(maker->err, ERR_INVALID, "no point of the grid is like that");
        return plan_fail_at(maker, exclude->place, "where");
    }
    if (maker->plan->point_count == 0)
        return err_set(maker->err, ERR_INVALID, "%s:1:1: every point is excluded",
                       grid->file);
    return check_base(maker);
}

/* Results must fit in a message: three history rows an epoch (proto/limits.h). */
static int check_bounds(struct plan_maker *maker, const struct point *point,
                        const struct spec *spec)
{
    long long rows = 3 * (spec_int(spec, "train.epochs") + 1);

    if (rows <= PROTO_HISTORY_MAX)
        return 0;
    err_set(maker->err, ERR_INVALID, "gives %lld rows of history, at most %d can be sent",
            rows, PROTO_HISTORY_MAX);
    return plan_fail_in_point(maker, point, "train.epochs");
}

/* 1 when the spec is the point's, 0 when the point is left out, -1. */
static int fill_spec(struct plan_maker *maker, const struct point *point,
                     struct spec *spec, struct plan_start *ret_start)
{
    const bool upstream = point->intervention->upstream;
    const char *name = NULL;
    int excluded;

    if (spec_init(spec, JOB_TRAIN, maker->err) || apply(maker, point, spec) ||
        set_seeds(maker, point, spec))
        return -1;
    excluded = upstream ? 0 : is_excluded(maker, point, spec);
    if (excluded != 0)
        return excluded < 0 ? -1 : 0;
    if (plan_set_start(maker, point, spec, ret_start))
        return -1;
    if (spec_check(spec, &name, maker->err))
        return name ? plan_fail_in_point(maker, point, name) : -1;
    if (check_bounds(maker, point, spec) || keep_states(maker, spec) ||
        (upstream && plan_keep_started(maker, point->intervention, spec)))
        return -1;
    return 1;
}

int plan_run_spec(struct plan_maker *maker, const struct point *point, struct spec *ret,
                  struct plan_start *ret_start)
{
    struct spec spec = {0};
    int rc = fill_spec(maker, point, &spec, ret_start);

    if (rc > 0)
        *ret = spec;
    else
        spec_free(&spec);
    return rc;
}

void plan_note_twin(struct plan_maker *maker, const struct point *point, size_t job)
{
    const struct spec *spec = &maker->plan->jobs[job].spec;
    struct plan_twin *twin = &maker->twin;

    *twin = (struct plan_twin){
        /* An exclude may pick seeds. */
        .is = maker->grid->exclude_count == 0 && spec->count <= 64,
        .point = *point,
        .job = job,
    };
    for (size_t i = 0; twin->is && i < spec->count; i++)
        if (opt_is_seed(spec->items[i].opt) &&
            is_set(maker, point, spec->items[i].opt->name))
            twin->own_seeds |= UINT64_C(1) << i;
}

int plan_twin_spec(struct plan_maker *maker, const struct point *point, struct spec *ret)
{
    struct plan_twin *twin = &maker->twin;
    const struct point *before = &twin->point;

    if (!twin->is || before->intervention != point->intervention ||
        before->setting_count != point->setting_count ||
        memcmp(before->settings, point->settings,
               point->setting_count * sizeof point->settings[0]) != 0)
        return 0;
    if (spec_copy(&maker->plan->jobs[twin->job].spec, ret, maker->err))
        return -1;
    for (size_t i = 0; i < ret->count; i++)
        if (opt_is_seed(ret->items[i].opt) && !(twin->own_seeds >> i & 1) &&
            set_seed(maker, point, ret->items[i].opt, ret)) {
            spec_free(ret);
            return -1;
        }
    return 1;
}

/* Items of a run that its network may depend on: all but its seeds. */
static const struct spec_item *next_item(const struct spec *spec, size_t *at)
{
    while (*at < spec->count && opt_is_seed(spec->items[*at].opt))
        ++*at;
    return *at < spec->count ? &spec->items[(*at)++] : NULL;
}

static bool same_network(const struct spec *a, const struct spec *b)
{
    size_t at_a = 0, at_b = 0;

    for (;;) {
        const struct spec_item *one = next_item(a, &at_a), *two = next_item(b, &at_b);
        if (!one || !two)
            return !one && !two;
        if (one->opt != two->opt || !value_equal(&one->value, &two->value))
            return false;
    }
}

const struct arch *plan_run_arch(struct plan_maker *maker, size_t run)
{
    const struct plan_job *jobs = maker->plan->jobs;
    const struct spec *spec = &jobs[run].spec;
    struct point point;

    if (maker->arch && same_network(&jobs[maker->arch_run].spec, spec))
        return maker->arch;
    arch_free(&maker->arch);
    maker->arch = arch_build(spec, maker->err);
    maker->arch_run = run;
    if (!maker->arch) {
        expand_point(maker->grid, maker->first_point[run] - 1, &point);
        plan_fail_in_point(maker, &point,
                           spec_has(spec, "model.widths") ? "model.widths"
                           : spec_has(spec, "model.name") ? "model.name"
                                                          : "data.name");
    }
    return maker->arch;
}
