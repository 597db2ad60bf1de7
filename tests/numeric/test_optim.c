#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/optim.h"

#include <string.h>

enum { COUNT = 37, STEPS = 5 }; /* COUNT: whole vectors and a rest */

struct rule {
    double lr, momentum, weight_decay;
    bool nesterov;
};

static struct optim *optim_of(struct rule rule, size_t n)
{
    struct spec spec =
        speckit("optimizer.nesterov", rule.nesterov ? "true" : "false", NULL);
    struct error err;

    speckit_real(&spec, "optimizer.momentum", rule.momentum);
    speckit_real(&spec, "optimizer.weight_decay", rule.weight_decay);
    struct optim *optim = optim_new(&spec, n, &err);
    assert_non_null(optim);
    spec_free(&spec);
    return optim;
}

/* The formulas of torch.optim.SGD, one parameter at a time, in double. */
static void naive_step(struct rule rule, double *p, double g, double *v, int step)
{
    g += rule.weight_decay * *p;
    if (rule.momentum != 0) {
        *v = step == 0 ? g : rule.momentum * *v + g;
        g = rule.nesterov ? g + rule.momentum * *v : *v;
    }
    *p -= rule.lr * g;
}

/* Five steps of numbers below 10, each rounded some six times: 1e-5 is 30 times
 * what that can come to; a wrong formula is off by a hundredth or more. */
static void check_rule(struct rule rule)
{
    struct optim *optim = optim_of(rule, COUNT);
    real *theta = num_random(COUNT, 1);
    double p[COUNT], v[COUNT];

    for (int i = 0; i < COUNT; i++) {
        p[i] = (double)theta[i];
        v[i] = 1e9; /* must not be read at the first step */
    }
    for (int step = 0; step < STEPS; step++) {
        real *grad = num_random(COUNT, (uint32_t)step + 10);
        struct rule now = rule;
        now.lr = rule.lr / (step + 1); /* lr is outside of v: matters when it drops */
        for (int i = 0; i < COUNT; i++)
            naive_step(now, &p[i], (double)grad[i], &v[i], step);
        optim_step(optim, theta, grad, now.lr);
        for (int i = 0; i < COUNT; i++)
            assert_true(fabs((double)theta[i] - p[i]) < 1e-5);
        free(grad);
    }
    optim_free(&optim);
    assert_null(optim);
    free(theta);
}

static void matches_the_formulas(void **state)
{
    (void)state;
    check_rule((struct rule){0.1, 0, 0, false});
    check_rule((struct rule){0.1, 0, 0.05, false});
    check_rule((struct rule){0.1, 0.9, 0, false});
    check_rule((struct rule){0.1, 0.9, 0.05, false});
    check_rule((struct rule){0.1, 0.9, 0, true});
    check_rule((struct rule){0.1, 0.5, 0.05, true});
}

/* Numbers that float holds exactly: every digit is the formula's. */
static void first_steps_by_hand(void **state)
{
    const double plain[2] = {2 - 0.5 * (1 + 0.25 * 2), 1.25 - 0.5 * (0.5 * 1.5 + 1.3125)};
    struct optim *optim = optim_of((struct rule){0, 0.5, 0.25, false}, 1);
    real theta = 2, grad = 1;
    (void)state;

    assert_true(plain[0] == 1.25);
    optim_step(optim, &theta, &grad, 0.5); /* v = g = 1.5 */
    assert_true((double)theta == plain[0]);
    grad = 1;
    optim_step(optim, &theta, &grad, 0.5); /* v = 0.75 + 1.3125 */
    assert_true((double)theta == plain[1]);
    optim_free(&optim);

    optim = optim_of((struct rule){0, 0.5, 0.25, true}, 1);
    theta = 2;
    grad = 1;
    optim_step(optim, &theta, &grad, 0.5); /* d = 1.5 + 0.5 * 1.5 */
    assert_true((double)theta == 2 - 0.5 * 2.25);
    optim_free(&optim);
}

/* 0 * Inf is NaN: an option that is off must not spread a diverged weight. */
static void options_that_are_off_do_nothing(void **state)
{
    struct optim *optim = optim_of((struct rule){0, 0, 0, false}, 9);
    real theta[9], grad[9];
    (void)state;

    for (int i = 0; i < 9; i++) {
        theta[i] = i % 2 ? INFINITY : NAN;
        grad[i] = 1;
    }
    optim_step(optim, theta, grad, 0.1);
    for (int i = 0; i < 9; i++)
        assert_true(i % 2 ? isinf(theta[i]) : isnan(theta[i]));
    for (int i = 0; i < 9; i++) {
        theta[i] = 1;
        grad[i] = i == 8 ? NAN : 0;
    }
    optim_step(optim, theta, grad, 0.1);
    for (int i = 0; i < 9; i++)
        assert_int_equal(isnan(theta[i]) != 0, i == 8);
    optim_free(&optim);
}

static void check_schedule(const struct spec *spec, const double *want, int epochs)
{
    for (int e = 0; e < epochs; e++)
        assert_true(fabs(schedule_lr(spec, e) - want[e]) < 1e-15);
}

static void schedules(void **state)
{
    (void)state;
    struct spec spec = speckit("optimizer.lr", "0.5", NULL);
    check_schedule(&spec, (const double[]){0.5, 0.5, 0.5}, 3);
    spec_free(&spec);

    spec = speckit("optimizer.lr", "0.8", "train.schedule.name", "\"step\"",
                   "train.schedule.at", "[2,4]", "train.schedule.factor", "0.5", NULL);
    check_schedule(&spec, (const double[]){0.8, 0.8, 0.4, 0.4, 0.2, 0.2}, 6);
    spec_free(&spec);

    spec = speckit("train.schedule.name", "\"step\"", NULL); /* drops nowhere */
    check_schedule(&spec, (const double[]){0.1, 0.1}, 2);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_the_formulas),
        cmocka_unit_test(first_steps_by_hand),
        cmocka_unit_test(options_that_are_off_do_nothing),
        cmocka_unit_test(schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
