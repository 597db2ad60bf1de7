/* Learning rates from their closed forms. test_parity.c has PyTorch's. */

#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/schedule.h"

enum { STEPS = 4 }; /* of an epoch */

/* The rate of every epoch's first and last step; takes the spec. */
static void check_epochs(struct spec spec, const double *want, int epochs)
{
    struct schedule schedule;

    schedule_init(&schedule, &spec, STEPS);
    for (int e = 0; e < epochs; e++) {
        assert_true(fabs(schedule_lr(&schedule, e, 0) - want[e]) < 1e-15);
        assert_true(fabs(schedule_lr(&schedule, e, STEPS - 1) - want[e]) < 1e-15);
    }
    spec_free(&spec);
}

static void check_steps(struct spec spec, const double *want, int steps)
{
    struct schedule schedule;

    schedule_init(&schedule, &spec, STEPS);
    for (int s = 0; s < steps; s++)
        assert_true(fabs(schedule_lr(&schedule, s / STEPS, s % STEPS) - want[s]) < 1e-15);
    spec_free(&spec);
}

static void constant(void **state)
{
    (void)state;
    check_epochs(speckit("optimizer.lr", "0.5", NULL), (const double[]){0.5, 0.5, 0.5},
                 3);
}

static void step(void **state)
{
    (void)state;
    check_epochs(speckit("optimizer.lr", "0.8", "train.schedule.name", "\"step\"",
                         "train.schedule.at", "[2,4]", "train.schedule.factor", "0.5",
                         NULL),
                 (const double[]){0.8, 0.8, 0.4, 0.4, 0.2, 0.2}, 6);
    check_epochs(speckit("train.schedule.name", "\"step\"", NULL), /* drops nowhere */
                 (const double[]){0.1, 0.1}, 2);
}

static void cosine(void **state)
{
    const double root = sqrt(0.5);
    (void)state;

    check_epochs(speckit("optimizer.lr", "2.0", "train.schedule.name", "\"cosine\"",
                         "train.epochs", "4", NULL),
                 (const double[]){2, 1 + root, 1, 1 - root, 0}, 5);
    check_epochs(speckit("optimizer.lr", "2.0", "train.schedule.name", "\"cosine\"",
                         "train.epochs", "1", NULL),
                 (const double[]){2, 0}, 2);
}

/* The ramp ends at the full rate in its last step; what follows goes by epochs. */
static void warmup(void **state)
{
    (void)state;
    check_steps(speckit("optimizer.lr", "0.8", "train.schedule.warmup", "2", NULL),
                (const double[]){.1, .2, .3, .4, .5, .6, .7, .8, .8, .8}, 10);
    check_steps(speckit("optimizer.lr", "0.8", "train.schedule.warmup", "1",
                        "train.schedule.name", "\"cosine\"", "train.epochs", "3", NULL),
                (const double[]){.2, .4, .6, .8, .8, .8, .8, .8, .4, .4, .4, .4, 0}, 13);
    check_steps(speckit("optimizer.lr", "0.8", "train.schedule.warmup", "2",
                        "train.schedule.name", "\"step\"", "train.schedule.at", "[1]",
                        "train.schedule.factor", "0.5", NULL),
                (const double[]){.1, .2, .3, .4, .25, .3, .35, .4, .4}, 9);
    check_steps(speckit("optimizer.lr", "0.8", "train.schedule.warmup", "1",
                        "train.schedule.name", "\"cosine\"", "train.epochs", "1", NULL),
                (const double[]){.2, .4, .6, .8}, 4); /* nothing but warm-up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant),
        cmocka_unit_test(step),
        cmocka_unit_test(cosine),
        cmocka_unit_test(warmup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
