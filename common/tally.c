#include "common/tally.h"

#include <math.h>

void tally_add(struct tally *tally, double loss, int correct)
{
    tally->count++;
    tally->correct += correct != 0;
    if (isnan(loss)) {
        tally->nan_count++;
    } else if (isinf(loss)) {
        tally->inf_count++;
    } else {
        tally->sum += loss;
        tally->sum_sq += loss * loss;
    }
}

double tally_loss(const struct tally *tally)
{
    if (tally->nan_count > 0 || tally->count == 0)
        return NAN;
    if (tally->inf_count > 0)
        return INFINITY;
    return tally->sum / (double)tally->count;
}

double tally_loss_se(const struct tally *tally)
{
    double n = (double)tally->count;
    double variance;

    if (!isfinite(tally_loss(tally)))
        return NAN;
    if (tally->count < 2)
        return 0;
    variance = (tally->sum_sq - tally->sum * tally->sum / n) / (n - 1);
    /* Rounding can take equal losses a hair below zero. */
    return variance > 0 ? sqrt(variance / n) : 0;
}

double tally_accuracy(const struct tally *tally)
{
    if (tally->count == 0)
        return NAN;
    return (double)tally->correct / (double)tally->count;
}
