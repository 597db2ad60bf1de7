#include "tests/numeric/netkit.h"
#include "tests/numeric/numkit.h"
#include "common/error.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"

#include <string.h>

enum { BATCH = 37 };

struct net_case {
    struct netkit kit;
    real *theta, *x;
    uint8_t labels[BATCH];
};

static struct net_case *lenet_new(void)
{
    struct net_case *d = num_alloc(1, sizeof *d);

    netkit_lenet(&d->kit, (struct shape){3, 16, 14}, (const int[]){6, 7, 20, 12}, 10);
    d->theta = num_random(d->kit.arch.param_count, 1);
    for (size_t i = 0; i < d->kit.arch.param_count; i++)
        d->theta[i] *= (real)0.1;
    d->x = num_random(BATCH * 3 * 16 * 14, 2);
    for (int i = 0; i < BATCH; i++)
        d->labels[i] = (uint8_t)(i % 10);
    return d;
}

static void lenet_free(struct net_case *d)
{
    free(d->theta);
    free(d->x);
    free(d);
}

static struct net *open_net(const struct net_case *d, int batch_max, bool training)
{
    struct net *net = net_new(&d->kit.arch, batch_max, training, NULL);
    assert_non_null(net);
    return net;
}

/* Training keeps all activations, evaluation shares two buffers, and the largest
 * batch may be larger than this one: none of it changes a bit. */
static void memory_plans_agree(void **state)
{
    struct net_case *d = lenet_new();
    struct net *nets[3] = {open_net(d, BATCH, true), open_net(d, BATCH, false),
                           open_net(d, 2 * BATCH + 1, false)};
    const real *logits[3];
    (void)state;

    for (int i = 0; i < 3; i++)
        logits[i] = net_forward(nets[i], d->theta, d->x, BATCH);
    assert_memory_equal(logits[0], logits[1], BATCH * 10 * sizeof *logits[0]);
    assert_memory_equal(logits[0], logits[2], BATCH * 10 * sizeof *logits[0]);
    assert_ptr_equal(net_arch(nets[0]), &d->kit.arch);
    for (int i = 0; i < 3; i++)
        net_free(&nets[i]);
    lenet_free(d);
}

/* The same examples in a batch of another size, and in other company. */
static void examples_do_not_mix(void **state)
{
    struct net_case *d = lenet_new();
    struct net *net = open_net(d, BATCH, false);
    const size_t example = 3 * 16 * 14;
    real before[BATCH * 10];
    (void)state;

    memcpy(before, net_forward(net, d->theta, d->x, BATCH), sizeof before);
    for (int i = 0; i < BATCH; i++) {
        const real *one = net_forward(net, d->theta, d->x + (size_t)i * example, 1);
        for (int k = 0; k < 10; k++)
            assert_true(fabs((double)(one[k] - before[i * 10 + k])) < 1e-5);
    }
    for (size_t i = 0; i < (BATCH - 1) * example; i++)
        d->x[i] = 3;
    const real *after = net_forward(net, d->theta, d->x, BATCH);
    assert_memory_equal(after + (BATCH - 1) * 10, before + (BATCH - 1) * 10,
                        10 * sizeof *after);
    net_free(&net);
    lenet_free(d);
}

static void backward_overwrites_and_counts(void **state)
{
    struct net_case *d = lenet_new();
    struct net *net = open_net(d, BATCH, true);
    const size_t n = d->kit.arch.param_count;
    real *grad = num_filled(n, NAN), *again = num_filled(n, 5);
    double losses[BATCH], want[BATCH];
    uint8_t right[BATCH];
    int count = 0;
    (void)state;

    const real *logits = net_forward(net, d->theta, d->x, BATCH);
    loss_softmax(want, right, NULL, logits, d->labels, BATCH, 10);
    for (int i = 0; i < BATCH; i++)
        count += right[i];
    for (int i = 0; i < 2; i++) {
        net_forward(net, d->theta, d->x, BATCH);
        assert_int_equal(
            net_backward(net, d->theta, d->labels, BATCH, i ? again : grad, losses),
            count);
        assert_memory_equal(losses, want, sizeof losses);
    }
    assert_memory_equal(grad, again, n * sizeof *grad);
    for (size_t i = 0; i < n; i++)
        assert_true(isfinite(grad[i]));
    net_free(&net);
    free(grad);
    free(again);
    lenet_free(d);
}

/* A weight that is not finite reaches every loss, through ReLU and pooling. */
static void divergence_is_seen(void **state)
{
    (void)state;
    for (int layer = 0; layer < 5; layer++) {
        struct net_case *d = lenet_new();
        struct net *net = open_net(d, BATCH, true);
        real *grad = num_filled(d->kit.arch.param_count, 0);
        double losses[BATCH];

        d->theta[d->kit.tensors[2 * layer].offset] = NAN;
        net_forward(net, d->theta, d->x, BATCH);
        assert_int_equal(net_backward(net, d->theta, d->labels, BATCH, grad, losses), 0);
        for (int i = 0; i < BATCH; i++)
            assert_true(isnan(losses[i]));
        net_free(&net);
        free(grad);
        lenet_free(d);
    }
}

static void bad_batches_are_refused(void **state)
{
    struct net_case *d = lenet_new();
    struct net *none = NULL;
    struct error err;
    (void)state;

    assert_null(net_new(&d->kit.arch, 0, true, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "got 0"));
    assert_null(net_new(&d->kit.arch, 2000000000, true, &err));
    assert_int_equal(err.code, ERR_INVALID);
    net_free(&none);
    lenet_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_plans_agree),
        cmocka_unit_test(examples_do_not_mix),
        cmocka_unit_test(backward_overwrites_and_counts),
        cmocka_unit_test(divergence_is_seen),
        cmocka_unit_test(bad_batches_are_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
