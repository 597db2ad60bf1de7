/* Recomputed statistics: those of training images in training mode, norm after norm.
 * The images go by batches of EVAL_BATCH. Once the norms before one are settled, each
 * batch is run up to it from where it was kept last, and adds to its sums. Batches are
 * kept at the norm, as many as the store takes, and at the group, where all alphas
 * begin; the others are run again from there, or from the images. In the worst case
 * that is a whole pass for every norm, and never more memory.
 *
 * Behind a line, the first norm's moments are a closed form of five: the means and the
 * variances of its ends, and what they have in common. That would save a reading of what
 * is kept, and no product: found 3 % of the time for the statistics of a ResNet-20's
 * points (0.33 of 9.5 s), which is below 1 % of a probe's, for other bits. */

#include "worker/probe/curve_internal.h"

#include "common/error.h"
#include "worker/eval.h"
#include "worker/nn/net_part.h"

#include <stdlib.h>
#include <string.h>

enum { NOWHERE = -1 };

/* How one curve's points, or b itself, get their statistics. */
struct recompute {
    struct curve *curve;
    struct net_moments *moments; /* of the point */
    int cut;                     /* steps before it are the same for all points */
    bool lerp;                   /* and the step before it is a line */
    int batches;
    size_t prefix;   /* reals of a batch at the cut, its line's beginning included */
    int prefix_kept; /* batches */
    size_t room;     /* reals, for batches at a norm */
    real *at_cut, *at_norm;
};

static int64_t batch_from(int batch)
{
    return (int64_t)batch * EVAL_BATCH;
}

static int batch_size(const struct recompute *r, int batch)
{
    const int64_t left = r->curve->env.bn_count - batch_from(batch);

    return left < EVAL_BATCH ? (int)left : EVAL_BATCH;
}

/* ---- what is kept at a norm ------------------------------------------------------
 *
 * Batches come one after another, each in the place of one more batch of the norm
 * before. A place never becomes larger: what is written lies before all that is still
 * to be read. */

/* Once for all curves: reals of a place at every norm. */
static int list_places(struct curve *curve, struct error *err)
{
    const struct net *net = curve->net;
    const int steps = net_steps(net);
    size_t most = 0;

    curve->places = calloc((size_t)steps + 1, sizeof *curve->places);
    if (!curve->places)
        return err_set(err, ERR_NO_MEMORY, "no memory for the places of batches");
    for (int i = steps - 1; i >= 0; i--) {
        const size_t size = net_alive(net, i, EVAL_BATCH);
        if (net_next_norm(net, i) != i)
            continue;
        /* Examples are borrowed from their place, so that must stay. */
        if (net_keeps_example(net, i))
            most = SIZE_MAX;
        most = size > most ? size : most;
        curve->places[i] = most;
    }
    return 0;
}

static size_t place_size(const struct recompute *r, int norm)
{
    return r->curve->places[norm];
}

static bool is_kept(const struct recompute *r, int norm, int batch)
{
    return norm != NOWHERE && (size_t)batch < r->room / place_size(r, norm);
}

static real *place_of(const struct recompute *r, int norm, int batch)
{
    return r->at_norm + (size_t)batch * place_size(r, norm);
}

/* ---- what is kept at the group ---------------------------------------------------- */

static real *prefix_of(const struct recompute *r, int batch)
{
    /* The last place is for all that are not kept. */
    const int place = batch < r->prefix_kept ? batch : r->prefix_kept;

    return r->at_cut + (size_t)place * r->prefix;
}

static real *line_begin(const struct recompute *r, int batch)
{
    return prefix_of(r, batch) + net_alive(r->curve->net, r->cut, EVAL_BATCH);
}

/* From the images to the cut. */
static void make_prefix(const struct recompute *r, int batch)
{
    struct curve *curve = r->curve;
    struct net *net = curve->net;
    const int last = r->lerp ? r->cut - 1 : r->cut;
    uint8_t labels[EVAL_BATCH];
    size_t n;

    (void)curve_fetch(curve, SPLIT_TRAIN, batch_from(batch), curve->env.bn_count, labels);
    net_run_moments(net, curve->theta, r->moments, 0, last);
    if (r->cut == 0)
        return;
    if (r->lerp) {
        curve_set_step(curve, last, 0);
        net_run_moments(net, curve->theta, r->moments, last, r->cut);
        const real *z = net_output(net, last, &n);
        memcpy(line_begin(r, batch), z, n * sizeof *z);
        curve_set_step(curve, last, 1);
        net_run_moments(net, curve->theta, r->moments, last, r->cut);
    }
    net_save(net, r->cut, prefix_of(r, batch));
}

static void take_prefix(const struct recompute *r, int batch, double alpha)
{
    struct net *net = r->curve->net;
    size_t n;

    if (batch >= r->prefix_kept)
        make_prefix(r, batch);
    if (r->cut == 0)
        return;
    net_load(net, r->cut, prefix_of(r, batch), batch_size(r, batch));
    if (r->lerp) {
        real *z = net_output(net, r->cut - 1, &n);
        curve_lerp(z, line_begin(r, batch), z, alpha, n);
    }
}

/* ---- one point --------------------------------------------------------------------- */

static void settle_norm(const struct recompute *r, int before, int norm, double alpha)
{
    struct curve *curve = r->curve;
    struct net *net = curve->net;

    for (int i = 0; i < r->batches; i++) {
        int from = r->cut;
        if (is_kept(r, before, i)) {
            from = before;
            net_load(net, from, place_of(r, from, i), batch_size(r, i));
        } else {
            take_prefix(r, i, alpha);
        }
        net_run_moments(net, curve->theta, r->moments, from, norm);
        net_moments_add(net, r->moments, norm, i == 0);
        if (is_kept(r, norm, i))
            net_save(net, norm, place_of(r, norm, i));
    }
    net_moments_settle(net, r->moments, norm, (double)curve->env.bn_count);
}

/* All norms from the cut on; theta is the point. */
static void settle_norms(const struct recompute *r, double alpha)
{
    const struct net *net = r->curve->net;
    int before = NOWHERE;

    for (int norm = net_next_norm(net, r->cut); norm < net_steps(net);
         before = norm, norm = net_next_norm(net, norm + 1))
        settle_norm(r, before, norm, alpha);
}

/* ---- the store ------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What all batches take at the first norm after the cut; never more later on. */
static size_t norm_reals(const struct recompute *r)
{
    const size_t each = place_size(r, net_next_norm(r->curve->net, r->cut));
    size_t all;

    return __builtin_mul_overflow(each, (size_t)r->batches, &all) ? 0 : all;
}

/* Share out the store: at least half of it to what is kept at the cut, if that needs
 * so much, since all alphas have it in common. */
static int share_store(struct recompute *r, struct error *err)
{
    struct curve *curve = r->curve;
    const size_t bytes = curve->env.store_bytes ? curve->env.store_bytes : STORE_BN_BYTES;
    const size_t all = bytes / sizeof(real), norms = norm_reals(r);
    size_t cut = r->prefix * (size_t)r->batches, places;

    cut = smaller(cut, norms < all / 2 ? all - norms : all / 2);
    r->prefix_kept = r->prefix ? (int)(cut / r->prefix) : 0;
    places = (size_t)r->prefix_kept + (r->prefix_kept < r->batches);
    cut = places * r->prefix;
    r->room = cut < all ? smaller(norms, all - cut) : 0;
    if (!curve_room(&curve->store, &curve->store_size,
                    (cut + r->room + 1) * sizeof(real)))
        return err_set(err, ERR_NO_MEMORY, "no memory to recompute statistics");
    r->at_cut = curve->store;
    r->at_norm = curve->store + cut;
    return 0;
}

static size_t line_reals(struct curve *curve, int cut)
{
    const size_t line = 64 / sizeof(real);
    size_t n;

    net_begin(curve->net, curve->x, EVAL_BATCH);
    (void)net_output(curve->net, cut - 1, &n);
    return (n + line - 1) / line * line;
}

static struct recompute recompute_of(struct curve *curve, int cut, bool lerp)
{
    return (struct recompute){
        .curve = curve,
        .moments = curve->found,
        .cut = cut,
        .lerp = lerp,
        .batches = (int)((curve->env.bn_count + EVAL_BATCH - 1) / EVAL_BATCH),
        .prefix = cut == 0 ? 0
                           : net_alive(curve->net, cut, EVAL_BATCH) +
                                 (lerp ? line_reals(curve, cut) : 0),
    };
}

/* ---- both uses --------------------------------------------------------------------- */

int curve_rebase(struct curve *curve, struct error *err)
{
    struct recompute r;

    if (curve->found)
        return 0;
    if (!curve->rebased)
        curve->rebased = net_moments_new(curve->net, err);
    if (!curve->rebased || (!curve->places && list_places(curve, err)))
        return -1;
    r = recompute_of(curve, 0, false);
    r.moments = curve->rebased;
    if (share_store(&r, err))
        return -1;
    settle_norms(&r, 1);
    curve->found = net_moments_new(curve->net, err);
    return curve->found ? 0 : -1;
}

int curve_recompute(struct curve *curve, const double *alphas, size_t n,
                    struct error *err)
{
    const size_t stats = curve->env.arch->state_count - curve->env.arch->param_count;
    const int first = net_first_step(curve->net, curve->varied);
    const bool lerp = !curve->env.naive && first < net_steps(curve->net) &&
                      net_is_linear(curve->net, first);
    struct recompute r = recompute_of(curve, curve->env.naive ? 0 : first + lerp, lerp);

    if (share_store(&r, err))
        return -1;
    net_moments_restart(curve->net, r.moments, curve->rebased, r.cut);
    for (int i = 0; i < r.prefix_kept; i++)
        make_prefix(&r, i);
    for (size_t i = 0; i < n; i++) {
        curve_set(curve, CURVE_RECOMPUTE, alphas[i]);
        net_moments_restart(curve->net, r.moments, curve->rebased, r.cut);
        settle_norms(&r, alphas[i]);
        net_moments_write(r.moments, curve->stats + i * stats);
    }
    return 0;
}
