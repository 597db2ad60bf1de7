#include "worker/nn/net.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

/* The first largest, or -1 if any is NaN. */
static int largest(const real *logits, int K)
{
    int best = 0;

    for (int k = 0; k < K; k++) {
        if (isnan(logits[k]))
            return -1;
        if (logits[k] > logits[best])
            best = k;
    }
    return best;
}

/* log(sum(exp(logits))) with the maximum taken out, so that nothing overflows. */
static double log_sum_exp(const real *logits, int K)
{
    double max = (double)logits[0];
    double sum = 0;

    assert(K > 0);
    for (int k = 1; k < K; k++)
        if ((double)logits[k] > max)
            max = (double)logits[k];
    for (int k = 0; k < K; k++)
        sum += exp((double)logits[k] - max);
    return max + log(sum);
}

static double mean(const real *logits, int K)
{
    double sum = 0;

    for (int k = 0; k < K; k++)
        sum += (double)logits[k];
    return sum / K;
}

void loss_smoothed(double *losses, uint8_t *right, real *dlogits, const real *logits,
                   const uint8_t *labels, int B, int K, double share)
{
    const double sure = 1 - share, each = share / K;

    for (int i = 0; i < B; i++) {
        const real *z = logits + (size_t)i * (size_t)K;
        const double total = log_sum_exp(z, K);

        /* A share that is off is skipped: 0 * Inf would be NaN. */
        losses[i] = total - sure * (double)z[labels[i]];
        if (share > 0)
            losses[i] -= share * mean(z, K);
        right[i] = largest(z, K) == labels[i];
        if (!dlogits)
            continue;
        real *dz = dlogits + (size_t)i * (size_t)K;
        for (int k = 0; k < K; k++) {
            double p = exp((double)z[k] - total);
            dz[k] = (real)((p - (k == labels[i] ? sure : 0) - each) / B);
        }
    }
}

void loss_softmax(double *losses, uint8_t *right, real *dlogits, const real *logits,
                  const uint8_t *labels, int B, int K)
{
    loss_smoothed(losses, right, dlogits, logits, labels, B, K, 0);
}

void loss_predict(uint8_t *predicted, const real *logits, int B, int K)
{
    assert(K <= UINT8_MAX);
    for (int i = 0; i < B; i++)
        predicted[i] = (uint8_t)largest(logits + (size_t)i * (size_t)K, K);
}
