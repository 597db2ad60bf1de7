#ifndef COORD_TALLY_H
#define COORD_TALLY_H

/* What an evaluation counts: examples, right answers, and the sum and the sum
 * of squares of the per-example losses (nats), so that a mean and its standard
 * error come with every loss. NaN and infinite losses are counted, not summed: they
 * are results, and `nonfinite` says which kind.
 *
 * It is counted in a tally_sum, whose sums are exact: the same examples give the same
 * bits in any order, and shards that are merged those of the whole. It is told, stored
 * and read as a tally, whose sums are rounded once. */

#include "common/exact.h"

#include <stdint.h>

struct tally {
    int64_t count; /* examples, the nonfinite ones included */
    int64_t correct;
    int64_t nan_count;
    int64_t inf_count;
    double sum; /* of the finite losses */
    double sum_sq;
};

/* A tally in the making; zeroed: of nothing. */
struct tally_sum {
    int64_t count, correct, nan_count, inf_count;
    struct exact sum, sum_sq; /* each square rounded to a double */
};

/* Count one example. A loss of 2^135 and more counts as infinite: from a float network
 * none comes that is finite and above 2^130. */
void tally_add(struct tally_sum *sum, double loss, int correct);

/* Count another's examples. */
void tally_merge(struct tally_sum *sum, const struct tally_sum *other);

struct tally tally_round(const struct tally_sum *sum);

/* Mean loss per example; NaN if any loss was NaN, else +Inf if any was. A tally
 * of nothing has neither loss nor accuracy: both are NaN. */
double tally_loss(const struct tally *tally);

/* Standard error of the mean; NaN when the loss is not finite, 0 for n < 2. */
double tally_loss_se(const struct tally *tally);
double tally_accuracy(const struct tally *tally); /* fraction in [0,1] */

#endif
