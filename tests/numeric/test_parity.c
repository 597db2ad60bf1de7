/* The engine against PyTorch, from the same initial weights over the same
 * batches: golden/make_golden.py wrote what PyTorch did. Each side rounds in its
 * own order, and 20 steps of training magnify what differs some ten times; what
 * is a wrong formula (dampening, decoupled decay, an unscaled short batch) shows
 * as a per cent or more. */

#include "tests/numeric/netkit.h"
#include "tests/numeric/numkit.h"
#include "tests/numeric/speckit.h"
#include "common/safetensors.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"
#include "worker/nn/optim.h"

#include <stdio.h>
#include <string.h>

#define PARITY_BOUND 1e-4

enum { PIXELS = 28 * 28, BATCH_MAX = 32, STEPS = 20 };

static struct st_file *golden_open(const char *name)
{
    const char *source = getenv("COORD_SOURCE");
    char path[4096];
    struct error err;

    snprintf(path, sizeof path, "%s/tests/numeric/golden/%s.safetensors",
             source ? source : ".", name);
    struct st_file *file = st_open(path, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static const struct st_tensor *golden_find(const struct st_file *file, const char *name)
{
    const struct st_tensor *tensor = st_find(file, name);
    if (!tensor)
        fail_msg("no tensor %s", name);
    return tensor;
}

/* A flat vector from the tensors PREFIX.NAME of every tensor of the network. */
static real *golden_params(const struct st_file *file, const char *prefix,
                           const struct arch *arch)
{
    real *theta = num_filled(arch->param_count, NAN);

    for (int i = 0; i < arch->tensor_count; i++) {
        const struct tensor *want = &arch->tensors[i];
        char name[128];
        snprintf(name, sizeof name, "%s.%s", prefix, want->name);
        const struct st_tensor *from = golden_find(file, name);
        assert_int_equal(from->rank, want->rank);
        for (int k = 0; k < want->rank; k++)
            assert_int_equal(from->dim[k], want->dim[k]);
        assert_int_equal(from->size, want->count * sizeof(float));
        memcpy(theta + want->offset, from->data, from->size);
    }
    return theta;
}

static struct optim *golden_optim(const struct st_file *file, size_t n)
{
    const int nesterov = strcmp(st_meta(file, "nesterov"), "True") == 0;
    struct spec spec = speckit("optimizer.nesterov", nesterov ? "true" : "false", NULL);

    speckit_real(&spec, "optimizer.momentum", atof(st_meta(file, "momentum")));
    speckit_real(&spec, "optimizer.weight_decay", atof(st_meta(file, "weight_decay")));
    struct optim *optim = optim_new(&spec, n, NULL);
    assert_non_null(optim);
    spec_free(&spec);
    return optim;
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

static void check_parity(const struct arch *arch, const char *name)
{
    struct st_file *data = golden_open("data"), *file = golden_open(name);
    real *theta = golden_params(file, "init", arch);
    real *want_grad = golden_params(file, "grad", arch);
    real *grad = num_filled(arch->param_count, NAN);
    real *x = num_filled(BATCH_MAX * PIXELS, NAN);
    struct net *net = net_new(arch, BATCH_MAX, true, NULL);
    struct optim *optim = golden_optim(file, arch->param_count);
    const double lr = atof(st_meta(file, "lr"));
    const int64_t *order = golden_find(data, "order")->data;
    int64_t batch[STEPS];
    float want[STEPS];
    uint8_t labels[BATCH_MAX];
    double losses[BATCH_MAX], worst = 0;

    assert_non_null(net);
    memcpy(batch, golden_find(data, "batch")->data, sizeof batch);
    memcpy(want, golden_find(file, "losses")->data, sizeof want);
    for (int step = 0; step < STEPS; order += batch[step++]) {
        const int B = (int)batch[step];
        double loss = 0;
        fetch(data, order, B, x, labels);
        net_forward(net, theta, x, B);
        net_backward(net, theta, labels, B, grad, losses);
        if (step == 0)
            check_gradient(arch, grad, want_grad);
        optim_step(optim, theta, grad, lr);
        for (int i = 0; i < B; i++)
            loss += losses[i] / B;
        worst = fmax(worst, fabs(loss / (double)want[step] - 1));
        if (!(worst < PARITY_BOUND))
            fail_msg("step %d: loss %.7f, PyTorch's %.7f", step, loss,
                     (double)want[step]);
    }
    print_message("%s: %d losses within %.2g of PyTorch's\n", name, STEPS, worst);
    net_free(&net);
    optim_free(&optim);
    st_close(&data);
    st_close(&file);
    free(theta);
    free(want_grad);
    free(grad);
    free(x);
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
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
