/* Recomputed statistics: one large batch of training images, in training mode, run
 * again for every alpha from the first step that moves. */

#include "worker/probe/curve_internal.h"

#include "common/error.h"
#include "worker/nn/net_part.h"

#include <stdlib.h>
#include <string.h>

static size_t stats_count(const struct curve *curve)
{
    return curve->env.arch->state_count - curve->env.arch->param_count;
}

/* The large batch, fetched once. */
static int open_big(struct curve *curve, struct error *err)
{
    const struct arch *arch = curve->env.arch;
    const int B = (int)curve->env.bn_count;
    const size_t example =
        (size_t)arch->input.C * (size_t)arch->input.H * (size_t)arch->input.W;
    const struct net_options options = {.batch_max = B,
                                        .exact = curve->env.engine->exact,
                                        .native = curve->env.engine->native,
                                        .team = curve->env.engine->team,
                                        .isa = curve->env.engine->isa};
    uint32_t *index = malloc((size_t)B * sizeof *index);
    uint8_t *labels = malloc((size_t)B);
    int rc = -1;

    curve->x_bn = malloc((size_t)B * example * sizeof *curve->x_bn);
    if (!index || !labels || !curve->x_bn) {
        err_set(err, ERR_NO_MEMORY, "no memory for %d images to recompute from", B);
        goto done;
    }
    curve->big = net_new(arch, &options, err);
    if (!curve->big)
        goto done;
    for (int i = 0; i < B; i++)
        index[i] = (uint32_t)i;
    dataset_fetch(curve->env.data, SPLIT_TRAIN, index, B, curve->x_bn, labels);
    rc = 0;

done:
    free(index);
    free(labels);
    return rc;
}

int curve_rebase(struct curve *curve, struct error *err)
{
    const size_t params = curve->env.arch->param_count;
    const size_t bytes = stats_count(curve) * sizeof *curve->rebased;

    if (!curve->big && open_big(curve, err))
        return -1;
    if (!curve->rebased) {
        curve->rebased = malloc(bytes + 1);
        if (!curve->rebased)
            return err_set(err, ERR_NO_MEMORY, "no memory for running statistics");
        net_begin(curve->big, curve->x_bn, (int)curve->env.bn_count);
        net_run(curve->big, curve->env.b, NET_BATCH, curve->theta, 0,
                net_steps(curve->big));
        memcpy(curve->rebased, curve->theta + params, bytes);
    }
    memcpy(curve->base + params, curve->rebased, bytes);
    return 0;
}

/* Where the points of a group part, and whether all before is kept. */
struct parting {
    int cut;
    bool lerp, kept;
    size_t alive; /* reals */
};

/* Run the batch up to the cut; for a line, its beginning goes to `begin`. */
static void run_up(struct curve *curve, const struct parting *at, real *begin)
{
    struct net *net = curve->big;
    const int last = at->lerp ? at->cut - 1 : at->cut;
    size_t n;

    net_begin(net, curve->x_bn, (int)curve->env.bn_count);
    net_run(net, curve->base, NET_BATCH, NULL, 0, last);
    if (!at->lerp)
        return;
    net_run(net, curve->start, NET_BATCH, NULL, last, at->cut);
    const real *z = net_output(net, last, &n);
    memcpy(begin, z, n * sizeof *begin);
    net_run(net, curve->base, NET_BATCH, NULL, last, at->cut);
}

static struct parting find_parting(const struct curve *curve)
{
    struct net *net = curve->big;
    const int B = (int)curve->env.bn_count;
    const int first = net_first_step(net, curve->varied);
    struct parting at = {.cut = first};
    size_t n = 0;

    if (curve->env.naive)
        return (struct parting){0};
    at.lerp = first < net_steps(net) && net_is_linear(net, first);
    at.cut += at.lerp;
    at.alive = net_alive(net, at.cut, B);
    if (at.lerp) {
        net_begin(net, curve->x_bn, B);
        (void)net_output(net, first, &n);
    }
    at.kept = (at.alive + n) * sizeof(real) <= STORE_BN_BYTES;
    if (!at.kept)
        return (struct parting){.cut = first};
    return at;
}

static int keep(struct curve *curve, const struct parting *at, struct error *err)
{
    size_t n = 0;

    if (at->lerp)
        (void)net_output(curve->big, at->cut - 1, &n);
    if (!curve_room(&curve->store_bn, &curve->store_bn_size,
                    (at->alive + n) * sizeof(real)))
        return err_set(err, ERR_NO_MEMORY, "no memory to recompute statistics");
    run_up(curve, at, curve->store_bn + at->alive);
    net_save(curve->big, at->cut, curve->store_bn);
    return 0;
}

/* The batch at the cut, for one alpha. */
static void take_up(struct curve *curve, const struct parting *at, double alpha)
{
    size_t n;

    if (!at->kept) {
        run_up(curve, at, NULL);
        return;
    }
    net_load(curve->big, at->cut, curve->store_bn, (int)curve->env.bn_count);
    if (at->lerp) {
        real *z = net_output(curve->big, at->cut - 1, &n);
        curve_lerp(z, curve->store_bn + at->alive, alpha, n);
    }
}

int curve_recompute(struct curve *curve, const double *alphas, size_t n,
                    struct error *err)
{
    const size_t params = curve->env.arch->param_count, stats = stats_count(curve);
    const struct parting at = find_parting(curve);
    real *found = malloc(curve->env.arch->state_count * sizeof *found);
    int rc = -1;

    if (!found) {
        err_set(err, ERR_NO_MEMORY, "no memory for running statistics");
        return -1;
    }
    if (at.kept && keep(curve, &at, err))
        goto done;
    for (size_t i = 0; i < n; i++) {
        curve_set(curve, CURVE_RECOMPUTE, alphas[i]);
        memcpy(found, curve->base, curve->env.arch->state_count * sizeof *found);
        take_up(curve, &at, alphas[i]);
        net_run(curve->big, curve->theta, NET_BATCH, found, at.cut,
                net_steps(curve->big));
        memcpy(curve->stats + i * stats, found + params, stats * sizeof *found);
    }
    rc = 0;

done:
    free(found);
    return rc;
}
