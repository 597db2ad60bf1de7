/* Normalisation, activations and average pooling: the gradient of sum(r * out) in
 * each of their inputs. */

#include "common/arch.h"
#include "tests/numeric/gradkit.h"
#include "worker/nn/act.h"
#include "worker/nn/avgpool.h"
#include "worker/nn/lanes.h"
#include "worker/nn/norm.h"

#include <string.h>

/* ---- norms: whole groups of images, so that every number counts ---------------- */

struct norm_case {
    struct norm norm;
    struct norm_call call;
    size_t n;
    real *z, *residual, *gamma, *beta, *out, *r;
    real *mean, *invstd, *running_mean, *running_var;
};

static double norm_loss(void *user)
{
    struct norm_case *d = user;

    norm_forward(&d->call, d->out, d->mean, d->invstd, d->running_mean, d->running_var,
                 d->z, d->residual, d->gamma, d->beta);
    return grad_dot(d->r, d->out, d->n);
}

static void check_norm(struct norm norm, bool residual, enum isa isa)
{
    const int B = 2 * lanes_round(1);
    const size_t C = (size_t)norm.C, n = (size_t)(B * norm.C * norm.S);
    const size_t stats = norm_stats(&norm, B);
    struct norm_case d = {.norm = norm, .n = n};

    d.call = (struct norm_call){&d.norm, B, isa, NULL, false};
    d.z = num_random(n, 1);
    d.residual = residual ? num_random(n, 2) : NULL;
    d.gamma = num_random(C, 3);
    d.beta = num_random(C, 4);
    d.out = num_filled(n, 0);
    d.r = num_random(n, 5);
    d.mean = num_filled(stats, 0);
    d.invstd = num_filled(stats, 0);
    d.running_mean = num_filled(C, 0);
    d.running_var = num_filled(C, 1);
    real *dz = num_filled(n, NAN), *dresidual = num_filled(n, NAN);
    real *dgamma = num_filled(C, NAN), *dbeta = num_filled(C, NAN);

    norm_loss(&d);
    norm_backward(&d.call, dz, residual ? dresidual : NULL, dgamma, dbeta, d.r, d.z,
                  d.out, d.mean, d.invstd, d.gamma);
    grad_check("z", d.z, dz, n, norm_loss, &d);
    grad_check("gamma", d.gamma, dgamma, C, norm_loss, &d);
    grad_check("beta", d.beta, dbeta, C, norm_loss, &d);
    if (residual)
        grad_check("residual", d.residual, dresidual, n, norm_loss, &d);

    real *all[] = {d.z, d.residual, d.gamma,  d.beta,         d.out,
                   d.r, d.mean,     d.invstd, d.running_mean, d.running_var,
                   dz,  dresidual,  dgamma,   dbeta};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void norm_gradients(void **state)
{
    const struct norm norms[] = {
        {3, 7, 0, false}, {2, 4, 0, true}, {9, 1, 0, true},
        {6, 5, 3, true},  {4, 3, 1, true}, {3, 9, 3, false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++)
        for (enum isa isa = ISA_AVX2; isa < ISA_COUNT; isa++)
            if (isa_usable(isa)) {
                check_norm(norms[i], false, isa);
                check_norm(norms[i], true, isa);
            }
}

/* ---- activations ----------------------------------------------------------------- */

enum { UNITS = 37 };

struct act_case {
    enum act_kind kind;
    real *in, *out, *r;
};

static double act_loss(void *user)
{
    struct act_case *d = user;

    act_forward(d->kind, d->out, d->in, UNITS);
    return grad_dot(d->r, d->out, UNITS);
}

static void act_gradients(void **state)
{
    const enum act_kind kinds[] = {ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_GELU};
    (void)state;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct act_case d = {kinds[i], num_random(UNITS, 1), num_filled(UNITS, 0),
                             num_random(UNITS, 2)};
        real *din = num_filled(UNITS, NAN);
        for (size_t k = 0; k < UNITS; k++)
            d.in[k] *= 3;
        act_loss(&d);
        act_backward(d.kind, din, d.r, act_needs_input(d.kind) ? d.in : NULL, d.out,
                     UNITS);
        grad_check("in", d.in, din, UNITS, act_loss, &d);
        free(d.in);
        free(d.out);
        free(d.r);
        free(din);
    }
}

/* ---- average pooling -------------------------------------------------------------- */

enum { PLANES = 2 };

struct avgpool_case {
    struct avgpool pool;
    size_t out_n;
    real *in, *out, *r;
};

static double avgpool_loss(void *user)
{
    struct avgpool_case *d = user;

    avgpool_forward(&d->pool, d->out, d->in, PLANES);
    return grad_dot(d->r, d->out, d->out_n);
}

static void avgpool_gradients(void **state)
{
    const struct avgpool pools[] = {
        {.H = 6, .W = 8, .OH = 3, .OW = 4, .kernel = 2, .stride = 2},
        {.H = 7, .W = 5, .OH = 4, .OW = 3, .kernel = 3, .stride = 2, .pad = 1},
        {.H = 4, .W = 4, .OH = 1, .OW = 1, .adaptive = true},
        {.H = 5, .W = 2, .OH = 3, .OW = 4, .adaptive = true},
    };
    const size_t planes = PLANES * (size_t)lanes_round(1);
    (void)state;

    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        const size_t in_n = planes * (size_t)(pools[i].H * pools[i].W);
        const size_t out_n = planes * (size_t)(pools[i].OH * pools[i].OW);
        struct avgpool_case d = {pools[i], out_n, num_random(in_n, 1),
                                 num_filled(out_n, 0), num_random(out_n, 2)};
        real *din = num_filled(in_n, NAN);
        avgpool_backward(&d.pool, din, d.r, PLANES);
        grad_check("in", d.in, din, in_n, avgpool_loss, &d);
        free(d.in);
        free(d.out);
        free(d.r);
        free(din);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_gradients),
        cmocka_unit_test(act_gradients),
        cmocka_unit_test(avgpool_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
