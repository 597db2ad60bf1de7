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

void loss_softmax(double *losses, uint8_t *right, real *dlogits, const real *logits,
                  const uint8_t *labels, int B, int K)
{
    for (int i = 0; i < B; i++) {
        const real *z = logits + (size_t)i * (size_t)K;
        const double total = log_sum_exp(z, K);

        losses[i] = total - (double)z[labels[i]];
        right[i] = largest(z, K) == labels[i];
        if (!dlogits)
            continue;
        real *dz = dlogits + (size_t)i * (size_t)K;
        for (int k = 0; k < K; k++) {
            double p = exp((double)z[k] - total);
            dz[k] = (real)((p - (k == labels[i])) / B);
        }
    }
}
