#ifndef COORD_NN_SCHEDULE_H
#define COORD_NN_SCHEDULE_H

/* Learning rates. The schedules go by epochs e = 0 .. E-1, as PyTorch's do when
 * scheduler.step() ends an epoch:
 *
 *   constant   lr
 *   step       lr * factor^(how many of `at` are <= e)
 *   cosine     lr * (1 + cos(pi * (e - W) / (E - W))) / 2, 0 after the last epoch
 *
 * The first W = train.schedule.warmup epochs of S steps each go by steps instead
 * (one epoch of warm-up by epochs would be none): step s = 0 .. W*S-1 has
 * (s + 1) / (W*S) of the schedule's rate, which for cosine is lr until then. The
 * same in PyTorch: LinearLR(start_factor=1/(W*S), total_iters=W*S-1) after every
 * step, then CosineAnnealingLR(T_max=E-W) after every epoch. */

#include <stdint.h>

struct spec;
struct value;

struct schedule {
    double lr, factor;
    const struct value *at; /* borrowed from the spec; NULL: no drops */
    int64_t warmup, epochs; /* W, E */
    int64_t steps;          /* S */
    double (*shape)(const struct schedule *schedule, int64_t epoch);
};

/* steps: how many an epoch has. The spec must outlive the schedule. */
void schedule_init(struct schedule *schedule, const struct spec *spec, int64_t steps);

/* The rate of a step (from 0) of an epoch (from 0). */
double schedule_lr(const struct schedule *schedule, int64_t epoch, int64_t step);

#endif
