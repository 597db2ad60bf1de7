#ifndef COORD_TALLY_H
#define COORD_TALLY_H

/* What an evaluation counts: examples, right answers, and the sum and the sum
 * of squares of the per-example losses (nats), so that a mean and its standard
 * error come with every loss. Examples are added in the order of the subset, so
 * the sums do not depend on batching. NaN and infinite losses are counted, not
 * summed: they are results, and `nonfinite` says which kind. */

#include <stdint.h>

struct tally {
    int64_t count; /* examples, the nonfinite ones included */
    int64_t correct;
    int64_t nan_count;
    int64_t inf_count;
    double sum; /* of the finite losses */
    double sum_sq;
};

void tally_add(struct tally *tally, double loss, int correct);

/* Mean loss per example; NaN if any loss was NaN, else +Inf if any was. A tally
 * of nothing has neither loss nor accuracy: both are NaN. */
double tally_loss(const struct tally *tally);

/* Standard error of the mean; NaN when the loss is not finite, 0 for n < 2. */
double tally_loss_se(const struct tally *tally);
double tally_accuracy(const struct tally *tally); /* fraction in [0,1] */

#endif
