/* Evaluating batches in hand at points. A network is gone through in sections, which no
 * bit depends on:
 *
 *   early   few images at a time, so that activations stay in a cache
 *   middle  a batch
 *   late    where filters are large, and are the same for several points or batches:
 *           these side by side, since filters are transformed and read once for all
 *
 * Found, one thread of a Xeon, microseconds an image: a ResNet-20's first two stages 248
 * by 128 images, 217 by 32; a ResNet-18's convolutions of 512 channels 218 by 128, 189
 * by 512. Filters that are kept transformed from point to point would save a part of
 * the latter only, for four times the memory of the weights. For the same reason those
 * of a whole path are not interpolated as transformed: 36 numbers in place of 9 for
 * each, from memory, take longer than the transform (2 % of a point). */

#include "worker/probe/curve_internal.h"

#include "worker/nn/lanes.h"
#include "worker/nn/net_part.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <string.h>

enum {
    PIECE = 32, /* images of the early section, for each thread */
    LATE = 4,   /* batches of the late section */
    /* Filters are large beyond this: transformed they are ten times a second-level
     * cache. */
    LATE_FILTERS = 256 * 256,
    /* Reals alive of an image where the late section may begin, for its activations to
     * be no more than those of a batch elsewhere. */
    LATE_ALIVE = 256 * 8 * 8,
};

/* ---- sections --------------------------------------------------------------------- */

/* Where the late section begins; without large filters, behind all convolutions. */
static int find_late(const struct net *net, int64_t large, bool *ret_large)
{
    int after = 0;

    *ret_large = false;
    for (int i = 0; i < net_steps(net); i++) {
        if (net_filters(net, i) == 0)
            continue;
        if ((int64_t)net_filters(net, i) > large &&
            net_alive(net, i, VEC_LANES) <= (size_t)LATE_ALIVE * VEC_LANES) {
            *ret_large = true;
            return i;
        }
        after = i + 1;
    }
    return after;
}

int curve_sections_open(struct curve *curve, struct error *err)
{
    const int pieces = PIECE * team_size(curve->engine.team);
    struct net_options options = eval_options(&curve->engine);
    bool large;

    curve->turn = find_late(
        curve->net, curve->env.late_filters ? curve->env.late_filters : LATE_FILTERS,
        &large);
    if (curve->env.naive || net_keeps_example(curve->net, curve->turn))
        return 0;
    if (pieces < EVAL_BATCH) {
        options.batch_max = pieces;
        options.to = curve->turn;
        curve->early = net_new(curve->env.arch, &options, err);
        if (!curve->early)
            return -1;
    }
    /* What OpenBLAS computes depends on how many there are. */
    if (large && !curve->engine.native) {
        options.batch_max = LATE * EVAL_BATCH;
        options.from = curve->turn;
        options.to = net_steps(curve->net);
        curve->late = net_new(curve->env.arch, &options, err);
        if (!curve->late)
            return -1;
    }
    return 0;
}

/* ---- one batch at one point ---------------------------------------------------- */

/* first: of `count` images that net has; in lanes, or it is 0. */
static void lerp_output(const struct making *m, struct net *net, const struct held *held,
                        int first, int count, double alpha)
{
    size_t n;
    real *z;

    if (!m->lerp || held->cut != m->cut)
        return;
    z = net_output(net, m->cut - 1, &n);
    curve_lerp(z,
               held->alive + net_alive(m->curve->net, m->cut, EVAL_BATCH) +
                   n / (size_t)lanes_round(count) * (size_t)first,
               z, alpha, n);
}

/* Take up a batch in hand at its cut, at a point of the line: the step to go on with,
 * which comes before `until` or is that. */
static int load(const struct making *m, const struct held *held, double alpha, int until)
{
    struct net *net = m->curve->net;
    const real *begin = held->alive + net_alive(net, m->cut, EVAL_BATCH);
    size_t n;

    net_begin(net, m->curve->x, held->B);
    if (m->lerp && held->cut == m->cut) {
        real *z = net_output(net, m->cut - 1, &n);
        /* Nothing else is alive: it need not be copied first. */
        if (net_alive(net, m->cut, held->B) - n < 64 / sizeof(real)) {
            if (m->cut < until && net_is_relu(net, m->cut)) {
                z = net_output(net, m->cut, &n);
                curve_lerp_relu(z, begin, held->alive, alpha, n);
                return m->cut + 1;
            }
            curve_lerp(z, begin, held->alive, alpha, n);
            return m->cut;
        }
    }
    net_load(net, held->cut, held->alive, held->B);
    lerp_output(m, net, held, 0, held->B, alpha);
    return held->cut;
}

/* Run a batch in hand up to a step at point i, which theta is, and have it in `into`
 * from image `at` on. */
static void run_to(const struct making *m, size_t i, const struct held *held,
                   struct net *into, int at, int until)
{
    struct curve *curve = m->curve;
    struct net *net = curve->net, *early = curve->early;
    const double alpha = m->alphas[i];
    int from = held->cut;

    if (early && from < curve->turn && m->norms == NET_RUNNING) {
        struct net *next = until == curve->turn ? into : net;
        const int offset = until == curve->turn ? at : 0;
        const int piece = PIECE * team_size(curve->engine.team);
        for (int first = 0; first < held->B; first += piece) {
            const int left = held->B - first;
            const int count = left < piece ? left : piece;
            net_load_some(early, from, held->alive, held->B, first, count);
            lerp_output(m, early, held, first, count, alpha);
            net_run(early, curve->theta, m->norms, NULL, from, curve->turn);
            net_put(next, offset + first, early, curve->turn);
        }
        if (until == curve->turn)
            return;
        from = curve->turn;
    } else {
        from = load(m, held, alpha, until);
    }
    net_run(net, curve->theta, m->norms, NULL, from, until);
    if (into != net)
        net_put(into, at, net, until);
}

/* ---- what came out --------------------------------------------------------------- */

/* At alpha 1 nothing has moved, unless the group has a's statistics. */
bool curve_is_shared(const struct making *m, size_t i)
{
    return m->alphas[i] == 1 && m->bn != CURVE_START;
}

static struct curve_batch batch_of(const struct making *m, size_t i, enum split split,
                                   const struct held *held)
{
    return (struct curve_batch){.point = m->first + i,
                                .split = split,
                                .from = held->from,
                                .B = held->B,
                                .labels = held->labels};
}

static void add_batch(const struct making *m, size_t i, enum split split,
                      const struct held *held, const real *logits)
{
    struct curve *curve = m->curve;
    struct tally_sum *tally = &m->ret[2 * i + split];
    const int K = curve->env.arch->classes;
    uint8_t right[EVAL_BATCH], predicted[EVAL_BATCH];
    double losses[EVAL_BATCH];
    struct curve_batch batch = batch_of(m, i, split, held);

    loss_softmax_on(curve->engine.isa, losses, right, NULL, logits, held->labels, held->B,
                    K);
    for (int k = 0; k < held->B; k++)
        tally_add(tally, losses[k], right[k]);
    if (!curve->env.batch)
        return;
    loss_predict(predicted, logits, held->B, K);
    batch.losses = losses;
    batch.right = right;
    batch.predicted = predicted;
    curve_rows_tell(curve, &batch, m->bn, curve_is_shared(m, i));
}

/* ---- points ---------------------------------------------------------------------- */

static const real *stats_of(const struct making *m, size_t i)
{
    const struct arch *arch = m->curve->env.arch;

    return m->curve->stats + i * (arch->state_count - arch->param_count);
}

static void set_point(const struct making *m, size_t i)
{
    struct curve *curve = m->curve;
    const struct arch *arch = curve->env.arch;
    const size_t stats = arch->state_count - arch->param_count;

    curve_set(curve, m->bn, m->alphas[i]);
    if (m->bn == CURVE_RECOMPUTE)
        memcpy(curve->theta + arch->param_count, stats_of(m, i),
               stats * sizeof *curve->theta);
}

/* The late section of one batch at several points, which agree from a step on but for
 * running statistics. */
static void run_late(const struct making *m, const size_t *points, int count,
                     enum split split, const struct held *held)
{
    struct curve *curve = m->curve;
    struct net *late = curve->late;
    const int each = lanes_round(held->B), steps = net_steps(late);
    const real *stats[LATE], *logits;

    for (int k = 0; k < count; k++) {
        set_point(m, points[k]);
        stats[k] = stats_of(m, points[k]);
        run_to(m, points[k], held, late, k * each, m->agree);
    }
    if (m->bn == CURVE_RECOMPUTE)
        net_run_slices(late, curve->theta, stats, each, m->agree, steps);
    else
        net_run(late, curve->theta, m->norms, NULL, m->agree, steps);
    logits = net_logits(late);
    for (int k = 0; k < count; k++)
        add_batch(m, points[k], split, held,
                  logits + (size_t)(k * each) * (size_t)curve->env.arch->classes);
}

/* Several batches at one point, which theta is. */
static void run_batches(const struct making *m, size_t i, enum split split,
                        const struct held *held, int count)
{
    struct curve *curve = m->curve;
    struct net *late = curve->late;
    const real *logits;

    for (int k = 0; k < count; k++)
        run_to(m, i, &held[k], late, k * EVAL_BATCH, curve->turn);
    net_run(late, curve->theta, m->norms, NULL, curve->turn, net_steps(late));
    logits = net_logits(late);
    for (int k = 0; k < count; k++)
        add_batch(m, i, split, &held[k],
                  logits + (size_t)(k * EVAL_BATCH) * (size_t)curve->env.arch->classes);
}

static void run_point(const struct making *m, size_t i, enum split split,
                      const struct held *held, size_t count)
{
    struct curve *curve = m->curve;
    const bool late = curve->late && m->norms == NET_RUNNING && m->cut <= curve->turn;
    size_t n;

    set_point(m, i);
    for (size_t h = 0; h < count; h += n) {
        n = !late ? 1 : count - h < LATE ? count - h : LATE;
        if (n > 1) {
            run_batches(m, i, split, held + h, (int)n);
            continue;
        }
        run_to(m, i, &held[h], curve->net, 0, net_steps(curve->net));
        add_batch(m, i, split, &held[h], net_logits(curve->net));
    }
}

/* Whether a step reads what moves, or comes before one that does. */
static bool is_before_varied(const struct making *m, int step)
{
    const struct arch *arch = m->curve->env.arch;

    for (; step < net_steps(m->curve->net); step++)
        for (int t = 0; t < arch->tensor_count; t++)
            if (m->curve->varied[t] && net_reads(m->curve->net, step, t))
                return true;
    return false;
}

int curve_agree(const struct making *m)
{
    const struct net *net = m->curve->net;
    int from = m->cut > m->curve->turn ? m->cut : m->curve->turn;

    if (!m->curve->late || m->norms == NET_BATCH)
        return net_steps(net);
    while (from < net_steps(net) && is_before_varied(m, from))
        from++;
    /* Without a convolution behind it, nothing is gained. */
    for (int i = from; i < net_steps(net); i++)
        if (net_filters(net, i) > 0)
            return from;
    return net_steps(net);
}

size_t curve_points(const struct making *m, size_t i, enum split split,
                    const struct held *held, size_t count)
{
    struct curve *curve = m->curve;
    const bool together = m->agree < net_steps(curve->net);
    const size_t left = m->n - i, n = !together ? 1 : left < LATE ? left : LATE;
    size_t points[LATE];
    int some = 0;

    for (size_t k = i; k < i + n; k++) {
        if (!curve_is_shared(m, k) || !curve->have_end[m->bn][split]) {
            points[some++] = k;
            continue;
        }
        for (size_t h = 0; h < count && curve->env.batch; h++) {
            struct curve_batch batch = batch_of(m, k, split, &held[h]);
            curve_rows_repeat(curve, &batch, m->bn);
        }
    }
    if (!together && some)
        run_point(m, points[0], split, held, count);
    for (size_t h = 0; together && some && h < count; h++)
        run_late(m, points, some, split, &held[h]);
    return n;
}
