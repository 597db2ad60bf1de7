/* Whole small networks: net_train's gradient of the mean loss in every parameter,
 * against differences of the losses that it gives itself: with batch statistics
 * and with the same units dropped. */

#include "tests/numeric/gradkit.h"
#include "tests/numeric/netkit.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"

#include <string.h>

struct net_case {
    struct net *net;
    real *state, *moved, *x, *grad;
    uint8_t *labels;
    double *losses;
    int B;
};

/* The running statistics move in a copy, so that every call is the same step. */
static double net_loss(void *user)
{
    struct net_case *d = user;
    const struct net_draw draw = {5, 3};
    double sum = 0;

    memcpy(d->moved, d->state, net_arch(d->net)->state_count * sizeof *d->moved);
    net_train(d->net, d->moved, d->x, d->labels, d->B, &draw, d->grad, d->losses);
    for (int i = 0; i < d->B; i++)
        sum += d->losses[i];
    return sum / d->B;
}

/* batch_max is larger than B: buffers are placed for the former. */
static void check_net(const struct netkit *kit, int B, int batch_max)
{
    const struct arch *arch = &kit->arch;
    const size_t n = (size_t)(arch->input.C * arch->input.H * arch->input.W);
    const struct net_options options = {
        .batch_max = batch_max, .training = true, .isa = isa_choose()};
    struct net_case d = {
        net_new(arch, &options, NULL),        num_random(arch->state_count, 1),
        num_filled(arch->state_count, 0),     num_random((size_t)B * n, 2),
        num_filled(arch->param_count, NAN),   num_alloc((size_t)B, 1),
        num_alloc((size_t)B, sizeof(double)), B};
    real *grad = num_filled(arch->param_count, 0);

    assert_non_null(d.net);
    for (int i = 0; i < B; i++)
        d.labels[i] = (uint8_t)(i * 7 % arch->classes);
    for (size_t i = 0; i < arch->state_count; i++)
        d.state[i] *= 0.4; /* logits of order 1 */
    for (int i = 0; i < arch->layer_count; i++)
        if (arch->layers[i].var >= 0)
            for (size_t k = 0; k < arch->tensors[arch->layers[i].var].count; k++)
                d.state[arch->tensors[arch->layers[i].var].offset + k] = 1;
    net_loss(&d);
    memcpy(grad, d.grad, arch->param_count * sizeof *grad);
    for (int t = 0; t < arch->param_tensors; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        grad_check(tensor->name, d.state + tensor->offset, grad + tensor->offset,
                   tensor->count, net_loss, &d);
    }
    net_free(&d.net);
    free(d.state);
    free(d.moved);
    free(d.x);
    free(d.grad);
    free(d.labels);
    free(d.losses);
    free(grad);
}

static void mlp_gradients(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_mlp(&kit, (struct shape){1, 4, 5}, (const int[]){9, 7, 4, 0});
    check_net(&kit, 6, 6);
    check_net(&kit, 1, 9);
    netkit_mlp(&kit, (struct shape){3, 3, 2}, (const int[]){5, 0});
    check_net(&kit, 3, 4);
}

static void lenet_gradients(void **state)
{
    const int widths[4] = {3, 4, 8, 6};
    struct netkit kit;
    (void)state;

    netkit_lenet(&kit, (struct shape){1, 12, 14}, widths, 5);
    check_net(&kit, 3, 5);
    netkit_lenet(&kit, (struct shape){3, 12, 12}, widths, 4);
    check_net(&kit, 4, 4);
}

/* Pooling before the activation, overlapping windows, stride 2, no flatten at
 * all, an activation on the input. */
static void odd_networks(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_start(&kit, (struct shape){2, 11, 9});
    netkit_relu(&kit);
    netkit_conv(&kit, 4, 3, 2, 1);
    netkit_pool(&kit, 3, 2, 1);
    netkit_relu(&kit);
    netkit_conv(&kit, 5, 1, 1, 0);
    netkit_conv(&kit, 6, 3, 1, 0);
    assert_true(kit.at.H == 1 && kit.at.W == 1);
    check_net(&kit, 3, 3);

    /* padding as wide as the kernel */
    netkit_start(&kit, (struct shape){2, 6, 6});
    netkit_conv(&kit, 3, 3, 1, 1);
    netkit_relu(&kit);
    netkit_conv(&kit, 4, 2, 1, 2);
    netkit_relu(&kit);
    netkit_pool(&kit, 3, 2, 0);
    netkit_conv(&kit, 3, 3, 1, 1);
    netkit_flatten(&kit);
    netkit_dense(&kit, 3);
    check_net(&kit, 11, 12);

    netkit_start(&kit, (struct shape){3, 6, 6});
    netkit_conv(&kit, 4, 1, 1, 1);
    netkit_pool(&kit, 2, 2, 0);
    netkit_flatten(&kit);
    netkit_relu(&kit);
    netkit_dense(&kit, 4);
    check_net(&kit, 3, 3);
}

/* Blocks with an identity, a convolution with a norm, and the shortcut without
 * parameters; norms with and without what follows them. */
static void residual_gradients(void **state)
{
    (void)state;
    for (int groups = 0; groups < 3; groups++) {
        struct netkit kit;
        netkit_residual(&kit, (struct shape){2, 6, 7}, groups, 5);
        check_net(&kit, 5, 6);
    }
}

static void fixup_gradients(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_fixup(&kit, (struct shape){2, 5, 6}, 4);
    check_net(&kit, 5, 8);
}

static void activation_gradients(void **state)
{
    const enum act_kind acts[] = {ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_GELU};
    (void)state;

    for (int i = 0; i < 4; i++) {
        struct netkit kit;
        netkit_start(&kit, (struct shape){2, 6, 6});
        netkit_conv(&kit, 4, 3, 1, 1);
        netkit_act(&kit, acts[i]);
        netkit_pool(&kit, 2, 2, 0);
        netkit_conv_norm(&kit, 3, 3, 1, 1, 0);
        netkit_act(&kit, acts[i]);
        netkit_flatten(&kit);
        netkit_dense(&kit, 6);
        netkit_act(&kit, acts[i]);
        netkit_dense(&kit, 3);
        netkit_end(&kit);
        check_net(&kit, 4, 4);
    }
}

/* Dropout in both layouts; averages of windows and of everything. */
static void dropout_and_average_gradients(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_start(&kit, (struct shape){2, 9, 8});
    netkit_conv(&kit, 4, 3, 1, 1);
    netkit_relu(&kit);
    netkit_dropout(&kit, 0.3);
    netkit_avgpool(&kit, 3, 2, 1);
    netkit_conv(&kit, 5, 3, 1, 1);
    netkit_adaptive(&kit, 3, 2);
    netkit_flatten(&kit);
    netkit_dense(&kit, 7);
    netkit_relu(&kit);
    netkit_dropout(&kit, 0.5);
    netkit_dense(&kit, 4);
    check_net(&kit, 9, 9);
}

/* One value read by layers of every kind: their gradients are summed. */
static void fan_out_gradients(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_fan_out(&kit, (struct shape){2, 6, 6}, 4);
    check_net(&kit, 5, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlp_gradients),
        cmocka_unit_test(lenet_gradients),
        cmocka_unit_test(odd_networks),
        cmocka_unit_test(residual_gradients),
        cmocka_unit_test(fixup_gradients),
        cmocka_unit_test(activation_gradients),
        cmocka_unit_test(dropout_and_average_gradients),
        cmocka_unit_test(fan_out_gradients),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
