#include "worker/nn/net.h"

#include "worker/nn/quad.h"
#include "worker/nn/simd/loss.h"
#include "worker/nn/transpose.h"
#include "worker/nn/vec.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum {
    L = VEC_LANES,
    CLASSES_MAX = UINT8_MAX + 1,
};

/* Examples side by side, each in a lane of its own; lanes beyond the last one hold
 * zeros. */
struct group {
    int K;
    real z[CLASSES_MAX * L]; /* (K,L) */
};

static void group_take(struct group *g, const real *logits, int count, int K)
{
    assert(K >= 1 && K <= CLASSES_MAX);
    g->K = K;
    if (count < L)
        memset(g->z, 0, (size_t)K * L * sizeof *g->z);
    transpose(g->z, L, logits, (size_t)K, (size_t)count, (size_t)K);
}

/* The largest of each example, NaN if the first is; and in best the first that is so
 * large, -1 if any is NaN. */
static vec group_largest(const struct group *g, vec_int *best)
{
    vec max = vec_load(g->z);
    vec_int at = {0}, nan = (vec_int)vec_is_nan(max);

    for (int k = 1; k < g->K; k++) {
        const vec z = vec_load(g->z + (size_t)k * L);
        const vec_mask more = z > max;
        max = vec_select(more, z, max);
        at = ((vec_int)more & k) | (~(vec_int)more & at);
        nan |= (vec_int)vec_is_nan(z);
    }
    *best = at | nan;
    return max;
}

static quad mean(const struct group *g, int lane)
{
    quad sum = {0};

    for (int k = 0; k < g->K; k++)
        sum += quad_load(g->z + (size_t)k * L + lane);
    return sum / g->K;
}

/* The gradient of the mean over B examples in place of the logits: the probabilities
 * less the targets, which are `each` and for the label `sure` more. */
static void group_slope(struct group *g, const double totals[L], int lane,
                        const uint8_t *labels, double sure, double each, int B)
{
    const quad total = {totals[lane], totals[lane + 1], totals[lane + 2],
                        totals[lane + 3]};
    const quad label = {labels[0], labels[1], labels[2], labels[3]};

    for (int k = 0; k < g->K; k++) {
        real *z = g->z + (size_t)k * L + lane;
        const quad p = quad_exp(quad_load(z) - total);
        const quad target = quad_select(label == k, quad_all(sure), (quad){0});
        quad_store(z, (p - target - each) / B);
    }
}

/* Up to L examples, of B. */
static void group_run(enum isa isa, struct group *g, double *losses, uint8_t *right,
                      real *dlogits, const uint8_t *given, int count, int B, double share)
{
    const double sure = 1 - share, each = share / g->K;
    vec_int best;
    const vec max = group_largest(g, &best);
    double totals[L];
    real maxima[L];
    uint8_t labels[L] = {0};

    vec_store(maxima, max);
    memcpy(labels, given, (size_t)count);
    for (int i = 0; i < count; i++)
        right[i] = best[i] == labels[i];
    ISA_PICK(loss_kernels, isa)->totals(totals, g->z, maxima, g->K);
    for (int lane = 0; lane < count; lane += QUAD) {
        const quad even = share > 0 ? mean(g, lane) : (quad){0};
        for (int i = 0; i < QUAD && lane + i < count; i++) {
            const int at = lane + i;
            /* A share that is off is skipped: 0 * Inf would be NaN. */
            losses[at] = totals[at] - sure * (double)g->z[labels[at] * L + at];
            if (share > 0)
                losses[at] -= share * even[i];
        }
        if (dlogits)
            group_slope(g, totals, lane, labels + lane, sure, each, B);
    }
    if (dlogits)
        transpose(dlogits, (size_t)g->K, g->z, L, (size_t)g->K, (size_t)count);
}

static void run(enum isa isa, double *losses, uint8_t *right, real *dlogits,
                const real *logits, const uint8_t *labels, int B, int K, double share)
{
    struct group g;

    for (int i = 0; i < B; i += L) {
        const int count = B - i < L ? B - i : L;
        const size_t at = (size_t)i * (size_t)K;

        group_take(&g, logits + at, count, K);
        group_run(isa, &g, losses + i, right + i, dlogits ? dlogits + at : NULL,
                  labels + i, count, B, share);
    }
}

void loss_softmax(double *losses, uint8_t *right, real *dlogits, const real *logits,
                  const uint8_t *labels, int B, int K)
{
    run(ISA_AVX2, losses, right, dlogits, logits, labels, B, K, 0);
}

void loss_softmax_on(enum isa isa, double *losses, uint8_t *right, real *dlogits,
                     const real *logits, const uint8_t *labels, int B, int K)
{
    run(isa, losses, right, dlogits, logits, labels, B, K, 0);
}

void loss_smoothed(double *losses, uint8_t *right, real *dlogits, const real *logits,
                   const uint8_t *labels, int B, int K, double share)
{
    run(ISA_AVX2, losses, right, dlogits, logits, labels, B, K, share);
}

void loss_predict(uint8_t *predicted, const real *logits, int B, int K)
{
    struct group g;

    assert(K <= UINT8_MAX);
    for (int i = 0; i < B; i += L) {
        const int count = B - i < L ? B - i : L;
        vec_int best;

        group_take(&g, logits + (size_t)i * (size_t)K, count, K);
        group_largest(&g, &best);
        for (int j = 0; j < count; j++)
            predicted[i + j] = (uint8_t)best[j];
    }
}
