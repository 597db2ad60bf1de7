#include "worker/probe/curve.h"

#include "common/error.h"
#include "common/spec.h"
#include "worker/eval.h"
#include "worker/nn/net_part.h"
#include "worker/nn/vec.h"
#include "worker/probe/curve_internal.h"
#include "worker/probe/path.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[CURVE_BN_COUNT] = {"none", "interp", "recompute",
                                                  "end",  "start",  "batch"};

const char *curve_bn_name(enum curve_bn bn)
{
    return NAMES[bn];
}

enum curve_bn curve_bn_of(const char *name)
{
    int bn = 0;

    while (bn < CURVE_BN_COUNT && strcmp(NAMES[bn], name) != 0)
        bn++;
    return (enum curve_bn)bn;
}

int curve_modes(const struct spec *spec, const struct arch *arch,
                enum curve_bn ret[CURVE_BN_COUNT], size_t *ret_count, struct error *err)
{
    struct value list;

    ret[0] = CURVE_NONE;
    *ret_count = 1;
    if (!arch_has_norm(arch))
        return 0;
    if (spec_value(spec, "probe.bn", &list, err))
        return -1;
    *ret_count = list.list.count;
    for (size_t i = 0; i < list.list.count; i++)
        ret[i] = curve_bn_of(list.list.items[i].string);
    value_free(&list);
    return 0;
}

/* ---- points ------------------------------------------------------------------- */

void curve_lerp(real *z, const real *a, const real *b, double alpha, size_t n)
{
    const vec share = vec_all((real)alpha);
    size_t i = 0;

    if (alpha == 0 || alpha == 1) {
        if (alpha == 0 || z != b)
            memcpy(z, alpha == 0 ? a : b, n * sizeof *z);
        return;
    }
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        const vec from = vec_load(a + i);
        vec_store(z + i, vec_fma(share, vec_load(b + i) - from, from));
    }
    for (; i < n; i++)
        z[i] = (real)fma((double)(real)alpha, (double)(b[i] - a[i]), (double)a[i]);
}

static vec relu(vec x)
{
    return vec_keep(~(x <= (vec){0}), x); /* NaN stays */
}

void curve_lerp_relu(real *z, const real *a, const real *b, double alpha, size_t n)
{
    const real *end = alpha == 0 ? a : b;
    const bool at_end = alpha == 0 || alpha == 1;
    const vec share = vec_all((real)alpha);
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        const vec from = vec_load(a + i);
        vec at = vec_load(end + i);
        if (!at_end)
            at = vec_fma(share, at - from, from);
        vec_store(z + i, relu(at));
    }
    if (i < n) {
        real rest[2][VEC_LANES] = {{0}};
        memcpy(rest[0], a + i, (n - i) * sizeof *z);
        memcpy(rest[1], b + i, (n - i) * sizeof *z);
        curve_lerp_relu(rest[0], rest[0], rest[1], alpha, VEC_LANES);
        memcpy(z + i, rest[0], (n - i) * sizeof *z);
    }
}

real *curve_room(real **store, size_t *size, size_t bytes)
{
    if (bytes <= *size)
        return *store;
    free(*store);
    *size = (bytes + 63) / 64 * 64;
    *store = aligned_alloc(64, *size);
    if (!*store)
        *size = 0;
    return *store;
}

static bool is_statistic(const struct arch *arch, int t)
{
    return t >= arch->param_tensors;
}

/* Weights that a network keeps for products. */
static void curve_moved(struct curve *curve)
{
    net_moved(curve->net, curve->varied);
    if (curve->late)
        net_moved(curve->late, curve->varied);
}

void curve_set(struct curve *curve, enum curve_bn bn, double alpha)
{
    const struct arch *arch = curve->env.arch;

    curve->at_b = curve->at_b && curve->line > 0;
    for (int t = 0; t < arch->tensor_count; t++) {
        const size_t at = arch->tensors[t].offset, count = arch->tensors[t].count;
        double to = alpha;

        if (!curve->varied[t] ||
            (curve->line > 0 && net_reads(curve->net, curve->line - 1, t)))
            continue;
        if (is_statistic(arch, t))
            to = bn == CURVE_INTERP ? alpha : bn == CURVE_START ? 0 : 1;
        path_lerp(curve->theta + at, curve->env.a + at, curve->env.b + at, to, count);
    }
    curve_moved(curve);
}

void curve_set_step(struct curve *curve, int step, double alpha)
{
    const struct arch *arch = curve->env.arch;

    curve->at_b = false;
    for (int t = 0; t < arch->param_tensors; t++) {
        const size_t at = arch->tensors[t].offset;
        if (curve->varied[t] && net_reads(curve->net, step, t))
            path_lerp(curve->theta + at, curve->env.a + at, curve->env.b + at, alpha,
                      arch->tensors[t].count);
    }
    curve_moved(curve);
}

int curve_batch_size(int64_t from, int64_t count)
{
    return count - from < EVAL_BATCH ? (int)(count - from) : EVAL_BATCH;
}

int curve_fetch(struct curve *curve, enum split split, int64_t from, int64_t count,
                uint8_t *labels)
{
    const int B = curve_batch_size(from, count);
    uint32_t index[EVAL_BATCH];

    for (int i = 0; i < B; i++)
        index[i] = (uint32_t)(from + i);
    dataset_fetch(curve->env.data, split, index, B, curve->x, labels);
    net_begin(curve->net, curve->x, B);
    return B;
}

/* ---- batches in hand ------------------------------------------------------------ */

static size_t held_reals(const struct making *m)
{
    struct net *net = m->curve->net;
    size_t n = 0, line, alone;

    if (m->lerp)
        (void)net_output(net, m->cut - 1, &n);
    line = net_alive(net, m->cut, EVAL_BATCH) + n;
    alone = m->lerp ? net_alive(net, m->cut - 1, EVAL_BATCH) : 0;
    return (line > alone ? line : alone) + 64 / sizeof(real);
}

/* The line of a step's outputs is one only where both ends are finite. */
static bool all_finite(const real *x, size_t n)
{
    vec sum = {0};
    size_t i = 0;
    real rest = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        sum += vec_load(x + i) - vec_load(x + i); /* NaN for NaN and Inf */
    for (; i < n; i++)
        rest += x[i] - x[i]; /* NOLINT(misc-redundant-expression) */
    return vec_sum(sum) + rest == 0;
}

/* A state that has a step's tensors at alpha 0: a itself, where all of them move. */
static const real *start_of(struct curve *curve, int step)
{
    for (int t = 0; t < curve->env.arch->param_tensors; t++)
        if (!curve->varied[t] && net_reads(curve->net, step, t)) {
            curve_set_step(curve, step, 0);
            return curve->theta;
        }
    return curve->env.a;
}

/* Run a batch up to a step before the group, from where that was left. */
static void run_before(const struct making *m, enum split split, struct held *held,
                       int upto)
{
    struct curve *curve = m->curve;
    const int64_t count = curve->env.count[split];
    int from;

    held->B = curve_batch_size(held->from, count);
    from = curve_trail_take(m, split, held->from, held->B, upto, held->labels);
    if (from == 0)
        (void)curve_fetch(curve, split, held->from, count, held->labels);
    net_run(curve->net, curve->theta, m->norms, NULL, from, upto);
}

/* Run examples from .. from + B of a split up to the cut; where the ends of the line are
 * not finite, up to the step before it. */
static void hold(const struct making *m, enum split split, int64_t from,
                 struct held *held)
{
    struct curve *curve = m->curve;
    struct net *net = curve->net;
    const int last = m->lerp ? m->cut - 1 : m->cut;

    held->cut = m->cut;
    held->from = from;
    run_before(m, split, held, last);
    if (m->lerp) {
        real *begin = held->alive + net_alive(net, m->cut, EVAL_BATCH);
        size_t n;

        net_run(net, start_of(curve, last), m->norms, NULL, last, m->cut);
        const real *z = net_output(net, last, &n);
        memcpy(begin, z, n * sizeof *begin);
        /* What is kept of theta's weights for products need not be made anew. */
        net_run(net, curve->at_b ? curve->theta : curve->env.b, m->norms, NULL, last,
                m->cut);
        if (!all_finite(begin, n) || !all_finite(z, n)) {
            held->cut = last;
            run_before(m, split, held, last);
        }
    }
    net_save(net, held->cut, held->alive);
    curve_trail_leave(m, split, held);
}

/* ---- one split -------------------------------------------------------------------- */

/* What steps before the group read: no tensor of it, and statistics of b. */
static void set_before(const struct making *m)
{
    struct curve *curve = m->curve;

    if (m->bn == CURVE_RECOMPUTE)
        net_moments_write(curve->rebased, curve->theta + curve->env.arch->param_count);
}

/* The points of the batches in hand: 0 or CURVE_STOPPED. */
static int go_through(struct making *m, enum split split, const struct held *held,
                      size_t count)
{
    struct curve *curve = m->curve;

    for (size_t i = 0; i < m->n;) {
        if (curve->env.pause && curve->env.pause(curve->env.user))
            return CURVE_STOPPED;
        const size_t points = curve_points(m, i, split, held, count);
        i += points;
        m->done += points * count;
        if (curve->env.tick)
            curve->env.tick(curve->env.user, (double)m->done / (double)m->total);
    }
    return 0;
}

static void share_end(const struct making *m, enum split split)
{
    struct curve *curve = m->curve;

    for (size_t i = 0; i < m->n; i++) {
        struct tally_sum *tally = &m->ret[2 * i + split];
        if (!curve_is_shared(m, i))
            continue;
        if (curve->have_end[m->bn][split])
            *tally = curve->end[m->bn][split];
        curve->end[m->bn][split] = *tally;
        curve->have_end[m->bn][split] = true;
    }
}

/* 0 or CURVE_STOPPED. */
static int run_split(struct making *m, enum split split, struct held *held, size_t room)
{
    struct curve *curve = m->curve;
    const int64_t count = curve->env.count[split];
    int64_t from = curve->env.first[split];

    while (from < count) {
        size_t n = 0;
        set_before(m);
        curve->line = m->lerp ? m->cut : 0;
        for (; n < room && from < count; n++, from += EVAL_BATCH) {
            hold(m, split, from, &held[n]);
            if (held[n].cut != m->cut)
                curve->line = 0;
        }
        const int rc = go_through(m, split, held, n);
        curve->line = 0;
        if (rc)
            return rc;
    }
    share_end(m, split);
    return 0;
}

/* ---- one curve --------------------------------------------------------------- */

static size_t batches(const struct curve *curve, int split)
{
    const int64_t count = curve->env.count[split] - curve->env.first[split];

    return (size_t)((count + EVAL_BATCH - 1) / EVAL_BATCH);
}

/* Batches that are in hand at once at most, of so many reals each: those that stay in a
 * second-level cache while all points pass by; but enough for setting a point to be a
 * small part of evaluating it, when every weight that is set is used by every image. */
static size_t at_once(size_t each)
{
    const size_t near = NEAR_BYTES / (each * sizeof(real));

    return near > NEAR_LEAST ? near : NEAR_LEAST;
}

/* Both splits, with as many batches held as the store takes. */
static int run_held(struct making *m, struct error *err)
{
    struct curve *curve = m->curve;
    const size_t most = batches(curve, 0) + batches(curve, 1);
    struct held *held;
    size_t each, room;
    int rc = -1;

    net_begin(curve->net, curve->x, EVAL_BATCH);
    each = held_reals(m);
    room = curve->env.store_bytes ? curve->env.store_bytes : STORE_BYTES;
    room /= each * sizeof(real);
    room = room < at_once(each) ? room : at_once(each);
    room = room < 1 ? 1 : room > most ? most : room;
    held = calloc(room + 1, sizeof *held);
    if (!held ||
        !curve_room(&curve->store, &curve->store_size, room * each * sizeof(real))) {
        err_set(err, ERR_NO_MEMORY, "no memory for batches of a curve");
        goto done;
    }
    for (size_t h = 0; h < room; h++)
        held[h].alive = curve->store + h * (each / 16 * 16);
    m->total = m->n * most;
    m->done = 0;
    rc = 0;
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST && rc == 0; s++)
        rc = run_split(m, (enum split)s, held, room);

done:
    free(held);
    return rc;
}

static bool reads_any(const struct curve *curve, int step, bool only_varied)
{
    for (int t = 0; t < curve->env.arch->tensor_count; t++)
        if ((curve->varied[t] || !only_varied) && net_reads(curve->net, step, t))
            return true;
    return false;
}

/* Whether the network's last tensors move: then no group is to be expected behind. */
static bool last_moves(const struct curve *curve)
{
    int last = net_steps(curve->net) - 1;

    while (last > 0 && !reads_any(curve, last, false))
        last--;
    return reads_any(curve, last, true);
}

static int run_block(struct making *m, struct error *err)
{
    struct curve *curve = m->curve;
    struct net *net = curve->net;
    const int first = net_first_step(net, curve->varied);

    if (m->bn == CURVE_RECOMPUTE && curve_recompute(curve, m->alphas, m->n, err))
        return -1;
    m->cut = curve->env.naive ? 0 : first;
    m->lerp = !curve->env.naive && first < net_steps(net) && net_is_linear(net, first);
    m->cut += m->lerp;
    m->agree = curve_agree(m);
    m->trail = !curve->env.naive && !last_moves(curve);
    return run_held(m, err);
}

static int begin_curve(struct curve *curve, const char *group, enum curve_bn bn,
                       struct error *err)
{
    const struct arch *arch = curve->env.arch;

    memcpy(curve->theta, curve->env.b, arch->state_count * sizeof *curve->theta);
    for (int t = 0; t < arch->tensor_count; t++)
        curve->varied[t] = arch_in_group(arch, t, group);
    curve->at_b = true;
    net_keep(curve->net, curve->theta);
    if (curve->late)
        net_keep(curve->late, curve->theta);
    return bn == CURVE_RECOMPUTE ? curve_rebase(curve, err) : 0;
}

int curve_run(struct curve *curve, const char *group, enum curve_bn bn,
              const double *alphas, size_t n, struct tally_sum *ret, struct error *err)
{
    struct making m = {
        .curve = curve, .bn = bn, .norms = bn == CURVE_BATCH ? NET_BATCH : NET_RUNNING};
    int rc = 0;

    memset(ret, 0, 2 * n * sizeof *ret);
    if (begin_curve(curve, group, bn, err) || curve_rows_open(curve, bn, err) ||
        curve_trail_open(curve, bn, err))
        return -1;
    for (size_t from = 0; from < n && rc == 0; from += ALPHAS_MAX) {
        m.alphas = alphas + from;
        m.n = n - from < ALPHAS_MAX ? n - from : ALPHAS_MAX;
        m.first = from;
        m.ret = ret + 2 * from;
        rc = run_block(&m, err);
    }
    return rc;
}

/* ---- life -------------------------------------------------------------------- */

struct curve *curve_new(const struct curve_env *env, struct error *err)
{
    const struct arch *arch = env->arch;
    const size_t state = arch->state_count, stats = state - arch->param_count;
    const size_t example =
        (size_t)arch->input.C * (size_t)arch->input.H * (size_t)arch->input.W;
    const struct net_options options = eval_options(env->engine);
    struct curve *curve = calloc(1, sizeof *curve);

    if (!curve)
        goto fail;
    curve->env = *env;
    curve->engine = *env->engine;
    curve->env.engine = &curve->engine;
    curve->theta = malloc(state * sizeof *curve->theta);
    curve->stats = malloc((ALPHAS_MAX * stats + 1) * sizeof *curve->stats);
    curve->varied = calloc((size_t)arch->tensor_count, sizeof *curve->varied);
    curve->x = malloc(EVAL_BATCH * example * sizeof *curve->x);
    if (!curve->theta || !curve->stats || !curve->varied || !curve->x)
        goto fail;
    curve->net = net_new(arch, &options, err);
    if (!curve->net || curve_sections_open(curve, err))
        curve_free(&curve);
    return curve;

fail:
    curve_free(&curve);
    err_set(err, ERR_NO_MEMORY, "no memory for a curve");
    return NULL;
}

void curve_free(struct curve **curve_p)
{
    struct curve *curve = curve_p ? *curve_p : NULL;

    if (!curve)
        return;
    net_free(&curve->net);
    net_free(&curve->early);
    net_free(&curve->late);
    curve_rows_close(curve);
    curve_trail_close(curve);
    free(curve->theta);
    free(curve->stats);
    net_moments_free(&curve->rebased);
    net_moments_free(&curve->found);
    free(curve->places);
    free(curve->varied);
    free(curve->store);
    free(curve->x);
    free(curve);
    *curve_p = NULL;
}

size_t curve_memory(const struct curve *curve)
{
    size_t bytes = net_memory(curve->net) + curve->store_size + curve->trail.bytes;

    bytes += curve->early ? net_memory(curve->early) : 0;
    return bytes + (curve->late ? net_memory(curve->late) : 0);
}
