/* The engine against PyTorch, from the same initial weights over the same
 * batches: golden/make_golden.py wrote what PyTorch did. Each side rounds in its
 * own order, and 20 steps of training magnify what differs some ten times; what
 * is a wrong formula (dampening, decoupled decay, an unscaled short batch) shows
 * as a per cent or more. */

#include "tests/numeric/goldenkit.h"
#include "tests/numeric/netkit.h"
#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"
#include "worker/nn/optim.h"
#include "worker/nn/schedule.h"

#include <stdio.h>
#include <string.h>

#define PARITY_BOUND 1e-4

enum { PIXELS = 28 * 28, BATCH_MAX = 32, STEPS = 20, EPOCH_STEPS = 8 };

/* The options that every file of a network has. */
static struct spec golden_spec(const struct st_file *file)
{
    const int nesterov = strcmp(st_meta(file, "nesterov"), "True") == 0;
    struct spec spec = speckit("optimizer.nesterov", nesterov ? "true" : "false", NULL);

    speckit_real(&spec, "optimizer.lr", atof(st_meta(file, "lr")));
    speckit_real(&spec, "optimizer.momentum", atof(st_meta(file, "momentum")));
    speckit_real(&spec, "optimizer.weight_decay", atof(st_meta(file, "weight_decay")));
    return spec;
}

/* Fashion-MNIST's constants, in float as PyTorch does it. */
static void fetch(const struct st_file *data, const int64_t *order, int n, real *x,
                  uint8_t *labels)
{
    const uint8_t *images = golden_find(data, "images")->data;
    const uint8_t *all = golden_find(data, "labels")->data;

    for (int i = 0; i < n; i++) {
        int64_t at;
        memcpy(&at, order + i, sizeof at);
        labels[i] = all[at];
        for (int k = 0; k < PIXELS; k++)
            x[i * PIXELS + k] =
                ((real)images[at * PIXELS + k] / 255 - (real)0.2860) / (real)0.3530;
    }
}

/* Relative to the norm of each tensor. */
static void check_gradient(const struct arch *arch, const real *got, const real *want)
{
    for (int i = 0; i < arch->tensor_count; i++) {
        const struct tensor *tensor = &arch->tensors[i];
        double off = 0, size = 0;
        for (size_t k = tensor->offset; k < tensor->offset + tensor->count; k++) {
            double d = (double)got[k] - (double)want[k];
            off += d * d;
            size += (double)want[k] * (double)want[k];
        }
        if (!(size > 0 && sqrt(off / size) < PARITY_BOUND))
            fail_msg("gradient of %s: off by %.3g relative", tensor->name,
                     sqrt(off / size));
    }
}

/* What PyTorch had: losses of every step, and where they are known the gradient
 * of the first and the learning rates. */
struct wanted {
    const struct st_tensor *losses, *rates;
    const real *grad;
};

static void check_rate(double got, const struct st_tensor *rates, int step)
{
    double want;

    memcpy(&want, (const char *)rates->data + (size_t)step * sizeof want, sizeof want);
    if (!(fabs(got / want - 1) < 1e-12)) /* theirs is a product of step/(step+1) */
        fail_msg("step %d: rate %.17g, PyTorch's %.17g", step, got, want);
}

/* Train theta for STEPS steps as the spec says; returns the largest relative
 * difference of a loss. */
static double check_steps(const struct arch *arch, const struct spec *spec, real *theta,
                          const struct wanted *wanted)
{
    struct st_file *data = golden_open("data");
    real *grad = num_filled(arch->param_count, NAN);
    real *x = num_filled(BATCH_MAX * PIXELS, NAN);
    const struct net_options options = {
        .batch_max = BATCH_MAX,
        .training = true,
        .label_smoothing = spec_real(spec, "train.label_smoothing"),
        .isa = isa_choose(),
    };
    struct net *net = net_new(arch, &options, NULL);
    struct optim *optim = optim_new(spec, arch, NULL);
    struct schedule schedule;
    const int64_t *order = golden_find(data, "order")->data;
    int64_t batch[STEPS];
    float want[STEPS];
    uint8_t labels[BATCH_MAX];
    double losses[BATCH_MAX], worst = 0;

    assert_non_null(net);
    assert_non_null(optim);
    schedule_init(&schedule, spec, EPOCH_STEPS);
    memcpy(batch, golden_find(data, "batch")->data, sizeof batch);
    memcpy(want, wanted->losses->data, sizeof want);
    for (int step = 0; step < STEPS; order += batch[step++]) {
        const double lr = schedule_lr(&schedule, step / EPOCH_STEPS, step % EPOCH_STEPS);
        const int B = (int)batch[step];
        double loss = 0;
        fetch(data, order, B, x, labels);
        net_train(net, theta, x, labels, B, &(struct net_draw){0}, grad, losses);
        if (step == 0 && wanted->grad)
            check_gradient(arch, grad, wanted->grad);
        if (wanted->rates)
            check_rate(lr, wanted->rates, step);
        optim_step(optim, theta, grad, lr);
        for (int i = 0; i < B; i++)
            loss += losses[i] / B;
        worst = fmax(worst, fabs(loss / (double)want[step] - 1));
        if (!(worst < PARITY_BOUND))
            fail_msg("step %d: loss %.7f, PyTorch's %.7f", step, loss,
                     (double)want[step]);
    }
    net_free(&net);
    optim_free(&optim);
    st_close(&data);
    free(grad);
    free(x);
    return worst;
}

static void check_parity(const struct arch *arch, const char *name)
{
    struct st_file *file = golden_open(name);
    struct spec spec = golden_spec(file);
    real *theta = golden_params(file, "init", arch);
    real *grad = golden_params(file, "grad", arch);
    const struct wanted wanted = {.losses = golden_find(file, "losses"), .grad = grad};
    const double worst = check_steps(arch, &spec, theta, &wanted);

    print_message("%s: %d losses within %.2g of PyTorch's\n", name, STEPS, worst);
    spec_free(&spec);
    st_close(&file);
    free(theta);
    free(grad);
}

/* One of optim.safetensors, which has its spec beside its losses. */
static void check_optim(const struct st_file *file, const struct arch *arch,
                        const char *name)
{
    const char *text = st_meta(file, name);
    real *theta = golden_params(file, "init", arch);
    struct wanted wanted = {0};
    struct spec spec;
    struct error err;
    char losses[64], rates[64];

    assert_non_null(text);
    if (spec_parse(text, strlen(text), &spec, &err))
        fail_msg("%s", err.text);
    snprintf(losses, sizeof losses, "losses.%s", name);
    snprintf(rates, sizeof rates, "rates.%s", name);
    wanted.losses = golden_find(file, losses);
    wanted.rates = golden_find(file, rates);
    const double worst = check_steps(arch, &spec, theta, &wanted);
    print_message("%s: %d losses within %.2g of PyTorch's\n", name, STEPS, worst);
    spec_free(&spec);
    free(theta);
}

static void optimizers_step_as_in_pytorch(void **state)
{
    static const char *const names[] = {"nesterov", "momentum", "adam",
                                        "adamw",    "rmsprop",  "rmsprop-momentum"};
    struct st_file *file = golden_open("optim");
    struct netkit kit;
    (void)state;

    netkit_mlp(&kit, (struct shape){1, 28, 28}, (const int[]){32, 16, 10, 0});
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check_optim(file, &kit.arch, names[i]);
    st_close(&file);
}

static void mlp_trains_as_in_pytorch(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_mlp(&kit, (struct shape){1, 28, 28}, (const int[]){32, 16, 10, 0});
    check_parity(&kit.arch, "mlp");
}

static void lenet5_trains_as_in_pytorch(void **state)
{
    struct spec spec =
        speckit("model.name", "\"lenet5\"", "data.name", "\"fashion-mnist\"", NULL);
    struct arch *arch = arch_build(&spec, NULL);
    (void)state;

    assert_non_null(arch);
    check_parity(arch, "lenet5");
    arch_free(&arch);
    spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlp_trains_as_in_pytorch),
        cmocka_unit_test(lenet5_trains_as_in_pytorch),
        cmocka_unit_test(optimizers_step_as_in_pytorch),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
