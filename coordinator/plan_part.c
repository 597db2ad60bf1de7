/* Cutting a probe into parts for several slots (common/part.h), by its estimated cost:
 * by groups first, then by alphas, then by examples.
 *
 * Cost is in products and sums. An example goes through the layers before the group once
 * for all alphas, twice through the first layer that moves, and through those behind it
 * for every alpha; so do the examples from which statistics are recomputed.
 *
 * Parts are jobs of their own, with the role "part" in the sweep; the whole needs what
 * they leave, and its key does not know of them. Curves that ask for points themselves
 * (adapt), or are told by class, are cut by groups only; a probe that keeps losses of
 * examples, and a plane, are not cut.
 */

#include "coordinator/plan_make.h"

#include "common/arch.h"
#include "common/alphas.h"
#include "common/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a part that is cut automatically should take: 5 minutes at 50 GF/s, which a core
 * does. Shorter ones gain nothing: each loads states and data anew. */
static const double PART_FLOPS = 5.0 * 60 * 50e9;

/* A probe, as far as cutting it goes. */
struct subject {
    const struct arch *arch;
    struct value groups; /* of names; empty: "all" */
    size_t group_count;
    struct alphas alphas;
    int64_t modes, recomputed; /* ways of batch norm; those that recompute */
    int64_t examples[2], bn;   /* by split; for recomputed statistics */
    bool slices;               /* curves may be cut */
};

struct parts {
    struct part items[PARTS_MAX];
    size_t count;
};

/* ---- cost ------------------------------------------------------------------- */

static double size_of(struct shape shape)
{
    return (double)shape.C * shape.H * shape.W;
}

static double layer_cost(const struct layer *layer)
{
    enum { OTHERS = 4 }; /* of a layer without products, for each number */

    if (layer->kind == LAYER_DENSE)
        return 2 * size_of(layer->in) * size_of(layer->out);
    if (layer->kind == LAYER_CONV)
        return 2 * size_of(layer->out) * layer->in.C * layer->kernel * layer->kernel;
    return OTHERS * size_of(layer->out);
}

static bool moves(const struct arch *arch, const struct layer *layer, const char *group)
{
    const int tensors[] = {layer->weight, layer->bias, layer->mean, layer->var};

    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
        if (tensors[i] >= 0 &&
            (strcmp(group, "all") == 0 || arch_in_group(arch, tensors[i], group)))
            return true;
    return false;
}

static const char *group_name(const struct subject *s, size_t g)
{
    return s->groups.list.count > 0 ? s->groups.list.items[g].string : "all";
}

/* All curves of a group. */
static double group_cost(const struct subject *s, size_t g)
{
    const double examples = (double)(s->examples[0] + s->examples[1]);
    const double passes =
        (double)s->modes * examples + (double)s->recomputed * (double)s->bn;
    double before = 0, after = 0;
    bool begun = false;

    for (int i = 0; i < s->arch->layer_count; i++) {
        const struct layer *layer = &s->arch->layers[i];
        const double cost = layer_cost(layer);
        if (begun)
            after += cost;
        else
            before += cost;
        begun = begun || moves(s->arch, layer, group_name(s, g));
    }
    return passes * (before + (double)s->alphas.count * after);
}

/* ---- cuts ------------------------------------------------------------------- */

static void add_part(const struct subject *s, struct parts *parts, struct part part)
{
    if (part.alphas[1] == 0)
        part.alphas[1] = (int64_t)s->alphas.count;
    if (parts->count < PARTS_MAX)
        parts->items[parts->count++] = part;
}

/* Runs of groups of about the same cost. */
static void cut_groups(const struct subject *s, const double *costs, double total,
                       size_t n, struct parts *parts)
{
    double sum = 0;
    size_t from = 0;

    for (size_t g = 0; g < s->group_count; g++) {
        const size_t made = parts->count, left = s->group_count - g - 1;
        sum += costs[g];
        /* The last group ends the last part; each part to come has a group. */
        if (left > 0 && left >= n - made &&
            (made + 1 == n || sum < total * (double)(made + 1) / (double)n))
            continue;
        add_part(s, parts,
                 (struct part){.groups = {(int64_t)from, (int64_t)g + 1},
                               .train = {0, s->examples[0]},
                               .test = {0, s->examples[1]}});
        from = g + 1;
    }
}

static int64_t batches(int64_t examples)
{
    return (examples + PART_BATCH - 1) / PART_BATCH;
}

/* The k-th of n shards, of whole batches. */
static void shard(int64_t examples, int64_t k, int64_t n, int64_t ret[2])
{
    ret[0] = batches(examples) * k / n * PART_BATCH;
    ret[1] = k + 1 == n ? examples : batches(examples) * (k + 1) / n * PART_BATCH;
}

/* One group into n parts. */
static void cut_group(const struct subject *s, size_t g, int64_t n, struct parts *parts)
{
    const int64_t A = (int64_t)s->alphas.count, lines = n < A ? n : A;
    const int64_t most = batches(s->examples[0]) > batches(s->examples[1])
                             ? batches(s->examples[0])
                             : batches(s->examples[1]);
    int64_t shards = n / lines;

    if (shards > most)
        shards = most;
    for (int64_t a = 0; a < lines; a++)
        for (int64_t k = 0; k < shards; k++) {
            struct part part = {.groups = {(int64_t)g, (int64_t)g + 1},
                                .alphas = {A * a / lines, A * (a + 1) / lines}};
            shard(s->examples[0], k, shards, part.train);
            shard(s->examples[1], k, shards, part.test);
            add_part(s, parts, part);
        }
}

/* Each group at least one part, the others by cost: what is left goes to the group whose
 * parts are the largest. */
static int cut_slices(const struct subject *s, const double *costs, size_t n,
                      struct parts *parts, struct error *err)
{
    int64_t *shares = calloc(s->group_count, sizeof *shares);

    if (!shares)
        return err_set(err, ERR_NO_MEMORY, "no memory to cut a probe");
    for (size_t g = 0; g < s->group_count; g++)
        shares[g] = 1;
    for (size_t left = n - s->group_count; left > 0; left--) {
        size_t worst = 0;
        for (size_t g = 1; g < s->group_count; g++)
            if (costs[g] / (double)shares[g] > costs[worst] / (double)shares[worst])
                worst = g;
        shares[worst]++;
    }
    for (size_t g = 0; g < s->group_count; g++)
        cut_group(s, g, shares[g], parts);
    free(shares);
    return 0;
}

static int cut(const struct subject *s, int split, struct parts *parts, struct error *err)
{
    double *costs = calloc(s->group_count, sizeof *costs);
    double total = 0;
    size_t n = (size_t)split;
    int rc = 0;

    if (!costs)
        return err_set(err, ERR_NO_MEMORY, "no memory to cut a probe");
    for (size_t g = 0; g < s->group_count; g++)
        total += costs[g] = group_cost(s, g);
    if (split == GRID_SPLIT_AUTO)
        n = total / PART_FLOPS < PARTS_MAX ? (size_t)(total / PART_FLOPS) + 1 : PARTS_MAX;
    if (n > s->group_count && s->slices)
        rc = cut_slices(s, costs, n, parts, err);
    else if (n > 1 && s->group_count > 1)
        cut_groups(s, costs, total, n < s->group_count ? n : s->group_count, parts);
    free(costs);
    if (parts->count == 1)
        parts->count = 0; /* the whole */
    return rc;
}

/* ---- the probe -------------------------------------------------------------- */

static int read_modes(const struct spec *spec, struct subject *s, struct error *err)
{
    struct value modes;

    s->modes = 1;
    if (!arch_has_norm(s->arch))
        return 0;
    if (spec_value(spec, "probe.bn", &modes, err))
        return -1;
    s->modes = (int64_t)modes.list.count;
    for (size_t i = 0; i < modes.list.count; i++)
        s->recomputed += strcmp(modes.list.items[i].string, "recompute") == 0;
    value_free(&modes);
    return 0;
}

static int read_subject(const struct spec *spec, const struct spec *run,
                        struct subject *s, struct error *err)
{
    struct spec_sizes sizes;

    if (spec_sizes(run, &sizes, NULL, err) ||
        spec_size(spec, "probe.splits.train", sizes.train, &s->examples[0], err) ||
        spec_size(spec, "probe.splits.test", sizes.test, &s->examples[1], err) ||
        spec_size(spec, "probe.splits.bn", sizes.train, &s->bn, err) ||
        spec_value(spec, "probe.groups", &s->groups, err) || read_modes(spec, s, err) ||
        alphas_of(spec, &s->alphas, err))
        return -1;
    s->group_count = s->groups.list.count > 0 ? s->groups.list.count : 1;
    s->slices =
        spec_int(spec, "probe.adapt.most") == 0 && !spec_bool(spec, "probe.classes");
    return 0;
}

static bool is_whole_only(const struct spec *spec)
{
    return strcmp(spec_string(spec, "probe.kind"), "plane") == 0 ||
           spec_int(spec, "probe.examples") > 0;
}

/* ---- jobs ------------------------------------------------------------------- */

static int add_part_job(struct plan_maker *maker, const struct spec *whole,
                        const struct part *part, const struct plan_need *needs,
                        size_t need_count, size_t *ret_job)
{
    struct plan *plan = maker->plan;
    const size_t before = plan->job_count;
    struct plan_job *job;
    struct spec spec;

    if (spec_copy(whole, &spec, maker->err))
        return -1;
    if (part_set(&spec, part, maker->err)) {
        spec_free(&spec);
        return -1;
    }
    if (plan_add_job(maker, spec, NULL, ret_job))
        return -1;
    job = &plan->jobs[*ret_job];
    if (plan->job_count == before)
        return 0;
    job->needs = calloc(need_count, sizeof *job->needs);
    if (!job->needs)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for a part's needs");
    memcpy(job->needs, needs, need_count * sizeof *needs);
    job->need_count = need_count;
    return spec_key(whole, job->whole, maker->err);
}

int plan_add_parts(struct plan_maker *maker, const struct spec *spec,
                   const struct spec *run, const struct arch *arch, int split,
                   const struct plan_need ends[2], struct plan_parts *ret)
{
    struct subject s = {.arch = arch};
    struct parts parts = {.count = 0};
    int rc = -1;

    ret->count = 0;
    if (split == 1 || is_whole_only(spec))
        return 0;
    if (read_subject(spec, run, &s, maker->err) || cut(&s, split, &parts, maker->err))
        goto done;
    rc = 0;
    for (size_t i = 0; i < parts.count && rc == 0; i++)
        rc =
            add_part_job(maker, spec, &parts.items[i], ends, 2, &ret->jobs[ret->count++]);

done:
    value_free(&s.groups);
    alphas_free(&s.alphas);
    return rc;
}

int plan_need_parts(struct plan_maker *maker, const struct plan_parts *parts,
                    struct plan_job *job)
{
    struct plan_need *needs =
        reallocarray(job->needs, job->need_count + parts->count + 1, sizeof *needs);

    if (!needs)
        return err_set(maker->err, ERR_NO_MEMORY, "no memory for a probe's parts");
    job->needs = needs;
    for (size_t i = 0; i < parts->count; i++) {
        struct plan_need *need = &needs[job->need_count++];
        *need = (struct plan_need){.job = parts->jobs[i]};
        (void)snprintf(need->role, sizeof need->role, "p%02u", (unsigned)(i + 1) % 100);
        (void)snprintf(need->state, sizeof need->state, "%s", PART_STATE);
    }
    return 0;
}

int plan_copy_part_members(struct plan_maker *maker, size_t job,
                           const struct plan_member *member, const char *probe)
{
    struct plan_member copy = *member;

    copy.role = "part";
    for (size_t i = 0; i < maker->plan->jobs[job].need_count; i++) {
        const struct plan_need *need = &maker->plan->jobs[job].needs[i];
        if (strcmp(need->state, PART_STATE) != 0)
            continue;
        if (plan_copy_member(maker, need->job, &copy, probe))
            return -1;
        plan_drop_double(&maker->plan->jobs[need->job]);
    }
    return 0;
}
