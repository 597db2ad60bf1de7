#include "worker/nn/schedule.h"

#include "common/spec.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static double shape_constant(const struct schedule *schedule, int64_t epoch)
{
    (void)epoch;
    return schedule->lr;
}

static double shape_step(const struct schedule *schedule, int64_t epoch)
{
    double lr = schedule->lr;

    for (size_t k = 0; schedule->at && k < schedule->at->list.count; k++)
        if (schedule->at->list.items[k].integer <= epoch)
            lr *= schedule->factor;
    return lr;
}

static double shape_cosine(const struct schedule *schedule, int64_t epoch)
{
    const double after = (double)(epoch - schedule->warmup);
    const double whole = (double)(schedule->epochs - schedule->warmup);

    if (after <= 0)
        return schedule->lr;
    return schedule->lr * (1 + cos(M_PI * after / whole)) / 2;
}

static const struct {
    const char *name;
    double (*shape)(const struct schedule *schedule, int64_t epoch);
} SHAPES[] = {
    {"constant", shape_constant}, {"step", shape_step}, {"cosine", shape_cosine}};

void schedule_init(struct schedule *schedule, const struct spec *spec, int64_t steps)
{
    const char *name = spec_string(spec, "train.schedule.name");

    *schedule = (struct schedule){
        .lr = spec_real(spec, "optimizer.lr"),
        .factor = spec_real(spec, "train.schedule.factor"),
        .warmup = spec_int(spec, "train.schedule.warmup"),
        .epochs = spec_int(spec, "train.epochs"),
        .steps = steps,
        .shape = shape_constant,
    };
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++)
        if (strcmp(SHAPES[i].name, name) == 0)
            schedule->shape = SHAPES[i].shape;

    /* The default is no drop at all, so only an item of the spec matters. */
    for (size_t i = 0; i < spec->count; i++)
        if (strcmp(spec->items[i].opt->name, "train.schedule.at") == 0)
            schedule->at = &spec->items[i].value;
}

double schedule_lr(const struct schedule *schedule, int64_t epoch, int64_t step)
{
    const double lr = schedule->shape(schedule, epoch);

    if (epoch >= schedule->warmup)
        return lr;
    return lr * (double)(epoch * schedule->steps + step + 1) /
           (double)(schedule->warmup * schedule->steps);
}
