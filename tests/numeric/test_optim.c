/* Optimizers against their formulas in double, one parameter at a time. What
 * PyTorch makes of the same is in test_parity.c. */

#include "tests/numeric/numkit.h"
#include "tests/numeric/netkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/optim.h"
#include "worker/nn/team.h"

#include <string.h>

enum { COUNT = 37, STEPS = 5 }; /* COUNT: whole vectors and a rest */

/* An arch of n parameters without layers, of which the last are biases. */
static void flat(struct netkit *kit, int n, int biases)
{
    netkit_start(kit, (struct shape){1, 1, 1});
    netkit_tensor(kit, "fc", 1, 2, (const int[]){n - biases, 1, 0, 0});
    if (biases > 0)
        netkit_tensor(kit, "fc", 1, 1, (const int[]){biases, 0, 0, 0});
}

static struct optim *optim_of(const struct spec *spec, int n)
{
    struct netkit kit;
    struct error err;

    flat(&kit, n, 0);
    struct optim *optim = optim_new(spec, &kit.arch, &err);
    assert_non_null(optim);
    return optim;
}

/* ---- the formulas of torch.optim -------------------------------------------- */

struct twin {
    double p, kept[2];
    int step; /* counted from 1 */
};

typedef void (*twin_fn)(const struct spec *spec, struct twin *t, double g, double lr);

static double real_of(const struct spec *spec, const char *name)
{
    char full[64];

    snprintf(full, sizeof full, "optimizer.%s", name);
    return spec_real(spec, full);
}

static void twin_sgd(const struct spec *spec, struct twin *t, double g, double lr)
{
    const double momentum = real_of(spec, "momentum");

    g += real_of(spec, "weight_decay") * t->p;
    if (momentum != 0) {
        t->kept[0] = t->step == 1 ? g : momentum * t->kept[0] + g;
        g = spec_bool(spec, "optimizer.nesterov") ? g + momentum * t->kept[0]
                                                  : t->kept[0];
    }
    t->p -= lr * g;
}

/* Means as they are defined, corrected for their start: no bias, no eps_hat. */
static void adam_move(const struct spec *spec, struct twin *t, double g, double lr)
{
    const double beta1 = real_of(spec, "beta1"), beta2 = real_of(spec, "beta2");

    if (t->step == 1)
        t->kept[0] = t->kept[1] = 0;
    t->kept[0] = beta1 * t->kept[0] + (1 - beta1) * g;
    t->kept[1] = beta2 * t->kept[1] + (1 - beta2) * g * g;
    const double mean = t->kept[0] / (1 - pow(beta1, t->step));
    const double square = t->kept[1] / (1 - pow(beta2, t->step));
    t->p -= lr * mean / (sqrt(square) + real_of(spec, "eps"));
}

static void twin_adam(const struct spec *spec, struct twin *t, double g, double lr)
{
    adam_move(spec, t, g + real_of(spec, "weight_decay") * t->p, lr);
}

static void twin_adamw(const struct spec *spec, struct twin *t, double g, double lr)
{
    t->p -= lr * real_of(spec, "weight_decay") * t->p;
    adam_move(spec, t, g, lr);
}

static void twin_rmsprop(const struct spec *spec, struct twin *t, double g, double lr)
{
    const double alpha = real_of(spec, "alpha"), momentum = real_of(spec, "momentum");

    if (t->step == 1)
        t->kept[0] = t->kept[1] = 0;
    g += real_of(spec, "weight_decay") * t->p;
    t->kept[0] = alpha * t->kept[0] + (1 - alpha) * g * g;
    g /= sqrt(t->kept[0]) + real_of(spec, "eps");
    t->kept[1] = momentum * t->kept[1] + g;
    t->p -= lr * t->kept[1];
}

/* Five steps of numbers below 10, each rounded some ten times: 2e-5 is 30 times
 * what that can come to; a wrong formula is off by a hundredth or more. Takes the
 * spec. */
static void check_twin(twin_fn twin, struct spec spec)
{
    struct optim *optim = optim_of(&spec, COUNT);
    real *theta = num_random(COUNT, 1);
    struct twin twins[COUNT];

    for (int i = 0; i < COUNT; i++) /* 1e9 must not be read at the first step */
        twins[i] = (struct twin){.p = (double)theta[i], .kept = {1e9, 1e9}};
    for (int step = 0; step < STEPS; step++) {
        real *grad = num_random(COUNT, (uint32_t)step + 10);
        const double lr = 0.1 / (step + 1); /* outside of v: matters when it drops */
        for (int i = 0; i < COUNT; i++) {
            twins[i].step = step + 1;
            twin(&spec, &twins[i], (double)grad[i], lr);
        }
        optim_step(optim, theta, grad, lr);
        for (int i = 0; i < COUNT; i++)
            if (!(fabs((double)theta[i] - twins[i].p) < 2e-5))
                fail_msg("step %d, parameter %d: %.9g, the formula gives %.9g", step, i,
                         (double)theta[i], twins[i].p);
        free(grad);
    }
    optim_free(&optim);
    assert_null(optim);
    free(theta);
    spec_free(&spec);
}

#define MOMENTUM(x) "optimizer.momentum", #x
#define DECAY(x)    "optimizer.weight_decay", #x
#define NAME(x)     "optimizer.name", "\"" #x "\""

static void sgd_matches_its_formula(void **state)
{
    (void)state;
    check_twin(twin_sgd, speckit(NULL));
    check_twin(twin_sgd, speckit(DECAY(0.05), NULL));
    check_twin(twin_sgd, speckit(MOMENTUM(0.9), NULL));
    check_twin(twin_sgd, speckit(MOMENTUM(0.9), DECAY(0.05), NULL));
    check_twin(twin_sgd, speckit(MOMENTUM(0.9), "optimizer.nesterov", "true", NULL));
    check_twin(twin_sgd,
               speckit(MOMENTUM(0.5), DECAY(0.05), "optimizer.nesterov", "true", NULL));
}

static void adam_matches_its_formula(void **state)
{
    (void)state;
    check_twin(twin_adam, speckit(NAME(adam), NULL));
    check_twin(twin_adam, speckit(NAME(adam), DECAY(0.5), NULL));
    check_twin(twin_adam, speckit(NAME(adam), "optimizer.beta1", "0.5", "optimizer.beta2",
                                  "0.8", "optimizer.eps", "0.1", NULL));
    check_twin(twin_adam, speckit(NAME(adam), "optimizer.beta1", "0.0", NULL));
    check_twin(twin_adamw, speckit(NAME(adamw), NULL));
    check_twin(twin_adamw, speckit(NAME(adamw), DECAY(0.5), NULL));
    check_twin(twin_adamw,
               speckit(NAME(adamw), DECAY(2.0), "optimizer.beta1", "0.5",
                       "optimizer.beta2", "0.8", "optimizer.eps", "0.1", NULL));
}

static void rmsprop_matches_its_formula(void **state)
{
    (void)state;
    check_twin(twin_rmsprop, speckit(NAME(rmsprop), NULL));
    check_twin(twin_rmsprop, speckit(NAME(rmsprop), DECAY(0.5), NULL));
    check_twin(twin_rmsprop, speckit(NAME(rmsprop), MOMENTUM(0.9), DECAY(0.5), NULL));
    check_twin(twin_rmsprop, speckit(NAME(rmsprop), MOMENTUM(0.5), "optimizer.alpha",
                                     "0.5", "optimizer.eps", "0.1", NULL));
}

/* Numbers that float holds exactly: every digit is the formula's. */
static void first_steps_by_hand(void **state)
{
    const double plain[2] = {2 - 0.5 * (1 + 0.25 * 2), 1.25 - 0.5 * (0.5 * 1.5 + 1.3125)};
    struct spec spec = speckit(MOMENTUM(0.5), DECAY(0.25), NULL);
    struct optim *optim = optim_of(&spec, 1);
    real theta = 2, grad = 1;
    (void)state;

    assert_true(plain[0] == 1.25);
    optim_step(optim, &theta, &grad, 0.5); /* v = g = 1.5 */
    assert_true((double)theta == plain[0]);
    grad = 1;
    optim_step(optim, &theta, &grad, 0.5); /* v = 0.75 + 1.3125 */
    assert_true((double)theta == plain[1]);
    optim_free(&optim);
    spec_free(&spec);

    spec = speckit(MOMENTUM(0.5), DECAY(0.25), "optimizer.nesterov", "true", NULL);
    optim = optim_of(&spec, 1);
    theta = 2;
    grad = 1;
    optim_step(optim, &theta, &grad, 0.5); /* d = 1.5 + 0.5 * 1.5 */
    assert_true((double)theta == 2 - 0.5 * 2.25);
    optim_free(&optim);
    spec_free(&spec);
}

/* ---- what is off, what decays ----------------------------------------------- */

static const char *const NAMES[] = {"\"sgd\"", "\"adam\"", "\"adamw\"", "\"rmsprop\""};

/* 0 * Inf is NaN: an option that is off must not spread a diverged weight. */
static void options_that_are_off_do_nothing(void **state)
{
    (void)state;

    for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
        struct spec spec = speckit("optimizer.name", NAMES[k], NULL);
        struct optim *optim = optim_of(&spec, 9);
        real theta[9], grad[9];

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
        spec_free(&spec);
    }
}

/* With a gradient of 0 only decay moves anything. */
static void biases_need_not_decay(void **state)
{
    enum { BIASES = 5 };
    struct netkit kit;
    (void)state;

    flat(&kit, COUNT, BIASES);
    for (size_t k = 0; k < 2 * sizeof NAMES / sizeof NAMES[0]; k++) {
        struct spec spec =
            speckit("optimizer.name", NAMES[k / 2], DECAY(0.5), "optimizer.decay_on",
                    k % 2 ? "\"weights\"" : "\"all\"", NULL);
        struct optim *optim = optim_new(&spec, &kit.arch, NULL);
        real *theta = num_filled(COUNT, 1), *grad = num_filled(COUNT, 0);

        assert_non_null(optim);
        optim_step(optim, theta, grad, 0.125);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal((double)theta[i] < 0.95, k % 2 == 0 || i < COUNT - BIASES);
        optim_free(&optim);
        spec_free(&spec);
        free(theta);
        free(grad);
    }
}

/* Frozen parameters stay, decay or not; what is trained does not notice them, be
 * their gradients what they may. */
static void frozen_groups_stay(void **state)
{
    enum { FIRST = 20, SECOND = 12 }; /* weights and biases of fc1, of fc2 */
    struct netkit kit, rest;
    (void)state;

    netkit_mlp(&kit, (struct shape){3, 1, 1}, (const int[]){5, 2, 0});
    flat(&rest, (int)kit.arch.param_count - FIRST, 2);
    for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
        struct spec spec = speckit("optimizer.name", NAMES[k], DECAY(0.5),
                                   "optimizer.clip", "0.5", NULL);
        struct optim *alone = optim_new(&spec, &rest.arch, NULL);
        struct spec freezes =
            speckit("optimizer.name", NAMES[k], DECAY(0.5), "optimizer.clip", "0.5",
                    "optimizer.freeze", "[\"fc1\"]", NULL);
        struct optim *optim = optim_new(&freezes, &kit.arch, NULL);
        real *theta = num_random(FIRST + SECOND, 1), *grad = num_random(COUNT, 2);
        real *want = num_random(FIRST + SECOND, 1);

        assert_int_equal(kit.arch.param_count, FIRST + SECOND);
        assert_non_null(alone);
        assert_non_null(optim);
        grad[3] = NAN;
        optim_step(alone, want + FIRST, grad + FIRST, 0.125);
        optim_step(optim, theta, grad, 0.125);
        assert_memory_equal(theta, want, (FIRST + SECOND) * sizeof *theta);
        optim_free(&alone);
        optim_free(&optim);
        spec_free(&spec);
        spec_free(&freezes);
        free(theta);
        free(grad);
        free(want);
    }
}

/* A group steps as all do with its learning rate and decay, whatever its
 * neighbours'. */
static void groups_have_settings_of_their_own(void **state)
{
    enum { FIRST = 20, SECOND = 12, ALL = FIRST + SECOND };
    struct netkit kit;
    (void)state;

    netkit_mlp(&kit, (struct shape){3, 1, 1}, (const int[]){5, 2, 0});
    for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
        struct spec spec =
            speckit("optimizer.name", NAMES[k], DECAY(0.5), "optimizer.group_lr",
                    "[\"fc1=4\"]", "optimizer.group_decay", "[\"fc2=0.125\"]", NULL);
        struct spec first = speckit("optimizer.name", NAMES[k], DECAY(0.5), NULL);
        struct spec second = speckit("optimizer.name", NAMES[k], DECAY(0.125), NULL);
        struct optim *optim = optim_new(&spec, &kit.arch, NULL);
        struct optim *fc1 = optim_new(&first, &kit.arch, NULL);
        struct optim *fc2 = optim_new(&second, &kit.arch, NULL);
        real *theta = num_random(ALL, 1), *a = num_random(ALL, 1),
             *b = num_random(ALL, 1);

        for (uint32_t step = 0; step < 3; step++) {
            real *grad = num_random(ALL, 2 + step);
            optim_step(optim, theta, grad, 0.03125);
            optim_step(fc1, a, grad, 0.125);
            optim_step(fc2, b, grad, 0.03125);
            free(grad);
        }
        assert_memory_equal(theta, a, FIRST * sizeof *theta);
        assert_memory_equal(theta + FIRST, b + FIRST, SECOND * sizeof *theta);
        optim_free(&optim);
        optim_free(&fc1);
        optim_free(&fc2);
        spec_free(&spec);
        spec_free(&first);
        spec_free(&second);
        free(theta);
        free(a);
        free(b);
    }
}

/* ---- clipping --------------------------------------------------------------- */

/* One step of lr 1 from 0: minus the clipped gradient. */
static real *clipped(const char *clip, const real *grad)
{
    struct spec spec = speckit("optimizer.clip", clip, NULL);
    struct optim *optim = optim_of(&spec, COUNT);
    real *theta = num_filled(COUNT, 0), *copy = num_filled(COUNT, 0);

    memcpy(copy, grad, COUNT * sizeof *copy);
    optim_step(optim, theta, copy, 1);
    optim_free(&optim);
    spec_free(&spec);
    free(copy);
    return theta;
}

static void gradients_are_clipped_by_norm(void **state)
{
    real *grad = num_random(COUNT, 4);
    double norm = 0;
    (void)state;

    for (int i = 0; i < COUNT; i++)
        norm += (double)grad[i] * (double)grad[i];
    norm = sqrt(norm);
    assert_true(norm > 2 && norm < 10);
    real *half = clipped("0.5", grad), *all = clipped("10.0", grad);
    for (int i = 0; i < COUNT; i++) {
        const double want = -(double)grad[i] * 0.5 / (norm + 1e-6);
        assert_true(fabs((double)half[i] - want) <= 1e-6 * fabs(want));
        assert_true((double)all[i] == -(double)grad[i]); /* below: not one bit */
    }
    free(half);
    free(all);

    /* Squares that float does not hold. */
    for (int i = 0; i < COUNT; i++)
        grad[i] = (real)1e30;
    half = clipped("1.0", grad);
    for (int i = 0; i < COUNT; i++)
        assert_true(fabs((double)half[i] * sqrt(COUNT) + 1) < 1e-6);
    free(half);
    free(grad);
}

/* As clip_grad_norm_ with error_if_nonfinite=False, wherever the number is. */
static void nonfinite_norms_are_pytorchs(void **state)
{
    const int places[] = {0, 13, COUNT - 1};
    (void)state;

    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        real *grad = num_random(COUNT, 4), *theta;

        grad[places[k]] = INFINITY;
        theta = clipped("1.0", grad);
        for (int i = 0; i < COUNT; i++)
            assert_true(i == places[k] ? isnan(theta[i]) : (double)theta[i] == 0);
        free(theta);
        grad[places[k]] = NAN;
        theta = clipped("1.0", grad);
        for (int i = 0; i < COUNT; i++)
            assert_true(isnan(theta[i]));
        free(theta);
        free(grad);
    }
}

/* ---- teams ------------------------------------------------------------------- */

/* Three steps from the same start, with decay on all but the biases. */
static real *stepped(const struct spec *spec, const struct arch *arch, int threads)
{
    struct optim *optim = optim_new(spec, arch, NULL);
    struct team *team = threads > 0 ? team_new(threads, NULL) : NULL;
    real *theta = num_random(arch->state_count, 1);

    assert_non_null(optim);
    optim_share(optim, team);
    for (uint32_t k = 0; k < 3; k++) {
        real *grad = num_random(arch->state_count, 2 + k);
        optim_step(optim, theta, grad, 0.1);
        free(grad);
    }
    optim_free(&optim);
    team_free(&team);
    return theta;
}

static void bits_do_not_depend_on_the_team(void **state)
{
    enum { MANY = 200003, BIASES = 70001 };
    struct netkit kit;
    (void)state;

    flat(&kit, MANY, BIASES);
    for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
        struct spec spec =
            speckit("optimizer.name", NAMES[k], DECAY(0.5), "optimizer.decay_on",
                    "\"weights\"", "optimizer.clip", "0.5", NULL);
        real *alone = stepped(&spec, &kit.arch, 0);
        for (int threads = 1; threads <= 4; threads++) {
            real *shared = stepped(&spec, &kit.arch, threads);
            assert_memory_equal(alone, shared, MANY * sizeof *alone);
            free(shared);
        }
        free(alone);
        spec_free(&spec);
    }
}

static void running_statistics_are_left_alone(void **state)
{
    struct netkit kit;
    (void)state;

    flat(&kit, COUNT, 0);
    netkit_tensor(&kit, "bn", 1, 1, (const int[]){COUNT, 0, 0, 0});
    kit.tensors[1].class = TENSOR_MEAN;
    kit.arch.param_tensors = 1;
    kit.arch.param_count = COUNT;
    for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
        struct spec spec = speckit("optimizer.name", NAMES[k], DECAY(0.5), NULL);
        real *start = num_random((size_t)2 * COUNT, 1);
        real *end = stepped(&spec, &kit.arch, 0);
        assert_true(start[COUNT - 1] != end[COUNT - 1]);
        assert_memory_equal(start + COUNT, end + COUNT, COUNT * sizeof *start);
        free(start);
        free(end);
        spec_free(&spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_matches_its_formula),
        cmocka_unit_test(adam_matches_its_formula),
        cmocka_unit_test(rmsprop_matches_its_formula),
        cmocka_unit_test(first_steps_by_hand),
        cmocka_unit_test(options_that_are_off_do_nothing),
        cmocka_unit_test(biases_need_not_decay),
        cmocka_unit_test(frozen_groups_stay),
        cmocka_unit_test(groups_have_settings_of_their_own),
        cmocka_unit_test(gradients_are_clipped_by_norm),
        cmocka_unit_test(nonfinite_norms_are_pytorchs),
        cmocka_unit_test(bits_do_not_depend_on_the_team),
        cmocka_unit_test(running_statistics_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
