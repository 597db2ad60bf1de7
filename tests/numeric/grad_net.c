/* Whole small networks: net_backward's gradient of the mean loss in every
 * parameter. */

#include "tests/numeric/gradkit.h"
#include "tests/numeric/netkit.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"

struct net_case {
    struct net *net;
    real *theta, *x;
    uint8_t *labels;
    int B;
};

static double net_loss(void *user)
{
    struct net_case *d = user;
    const int K = net_arch(d->net)->classes;
    const real *logits = net_forward(d->net, d->theta, d->x, d->B);
    double *losses = num_alloc((size_t)d->B, sizeof *losses), sum = 0;
    uint8_t *right = num_alloc((size_t)d->B, 1);

    loss_softmax(losses, right, NULL, logits, d->labels, d->B, K);
    for (int i = 0; i < d->B; i++)
        sum += losses[i];
    free(losses);
    free(right);
    return sum / d->B;
}

/* batch_max is larger than B: buffers are placed for the former. */
static void check_net(const struct arch *arch, int B, int batch_max)
{
    const size_t n = (size_t)(arch->input.C * arch->input.H * arch->input.W);
    struct net_case d = {net_new(arch, batch_max, true, NULL),
                         num_random(arch->param_count, 1), num_random((size_t)B * n, 2),
                         num_alloc((size_t)B, 1), B};
    real *grad = num_filled(arch->param_count, NAN);
    double *losses = num_alloc((size_t)B, sizeof *losses);

    assert_non_null(d.net);
    for (int i = 0; i < B; i++)
        d.labels[i] = (uint8_t)(i * 7 % arch->classes);
    for (size_t i = 0; i < arch->param_count; i++)
        d.theta[i] *= 0.4; /* logits of order 1 */
    net_forward(d.net, d.theta, d.x, B);
    net_backward(d.net, d.theta, d.labels, B, grad, losses);
    for (int t = 0; t < arch->tensor_count; t++) {
        const struct tensor *tensor = &arch->tensors[t];
        grad_check(tensor->name, d.theta + tensor->offset, grad + tensor->offset,
                   tensor->count, net_loss, &d);
    }
    net_free(&d.net);
    free(d.theta);
    free(d.x);
    free(d.labels);
    free(grad);
    free(losses);
}

static void mlp_gradients(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_mlp(&kit, (struct shape){1, 4, 5}, (const int[]){9, 7, 4, 0});
    check_net(&kit.arch, 6, 6);
    check_net(&kit.arch, 1, 9);
    netkit_mlp(&kit, (struct shape){3, 3, 2}, (const int[]){5, 0});
    check_net(&kit.arch, 3, 4);
}

static void lenet_gradients(void **state)
{
    const int widths[4] = {3, 4, 8, 6};
    struct netkit kit;
    (void)state;

    netkit_lenet(&kit, (struct shape){1, 12, 14}, widths, 5);
    check_net(&kit.arch, 3, 5);
    netkit_lenet(&kit, (struct shape){3, 12, 12}, widths, 4);
    check_net(&kit.arch, 4, 4);
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
    check_net(&kit.arch, 3, 3);

    /* padding as wide as the kernel: by im2col, between layers in lanes */
    netkit_start(&kit, (struct shape){2, 6, 6});
    netkit_conv(&kit, 3, 3, 1, 1);
    netkit_relu(&kit);
    netkit_conv(&kit, 4, 2, 1, 2);
    netkit_relu(&kit);
    netkit_pool(&kit, 3, 2, 0);
    netkit_conv(&kit, 3, 3, 1, 1);
    netkit_flatten(&kit);
    netkit_dense(&kit, 3);
    check_net(&kit.arch, 11, 12);

    netkit_start(&kit, (struct shape){3, 6, 6});
    netkit_conv(&kit, 4, 1, 1, 1);
    netkit_pool(&kit, 2, 2, 0);
    netkit_flatten(&kit);
    netkit_relu(&kit);
    netkit_dense(&kit, 4);
    check_net(&kit.arch, 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlp_gradients),
        cmocka_unit_test(lenet_gradients),
        cmocka_unit_test(odd_networks),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
