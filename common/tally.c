#include "common/tally.h"

#include <math.h>

/* The squares of larger ones would not fit (common/exact.h). */
static const double LOSS_MAX = 0x1p135;

void tally_add(struct tally_sum *sum, double loss, int correct)
{
    sum->count++;
    sum->correct += correct != 0;
    if (isnan(loss)) {
        sum->nan_count++;
    } else if (fabs(loss) >= LOSS_MAX) {
        sum->inf_count++;
    } else {
        exact_add(&sum->sum, loss);
        exact_add(&sum->sum_sq, loss * loss);
    }
}

void tally_merge(struct tally_sum *sum, const struct tally_sum *other)
{
    sum->count += other->count;
    sum->correct += other->correct;
    sum->nan_count += other->nan_count;
    sum->inf_count += other->inf_count;
    exact_merge(&sum->sum, &other->sum);
    exact_merge(&sum->sum_sq, &other->sum_sq);
}

struct tally tally_round(const struct tally_sum *sum)
{
    return (struct tally){.count = sum->count,
                          .correct = sum->correct,
                          .nan_count = sum->nan_count,
                          .inf_count = sum->inf_count,
                          .sum = exact_value(&sum->sum),
                          .sum_sq = exact_value(&sum->sum_sq)};
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
