#include "tests/numeric/netkit.h"
#include "tests/numeric/numkit.h"
#include "common/error.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"
#include "worker/nn/team.h"

#include <string.h>

enum { BATCH = 37, CLASSES = 10, THREADS_MAX = 4 };

struct net_case {
    struct netkit kit;
    real *state, *x;
    size_t example;
    uint8_t labels[BATCH];
};

/* Weights of order 0.1, and running variances of 1. */
static struct net_case *case_of(const struct netkit *kit)
{
    struct net_case *d = num_alloc(1, sizeof *d);
    const struct shape in = kit->arch.input;

    d->kit = *kit;
    d->kit.arch.layers = d->kit.layers;
    d->kit.arch.tensors = d->kit.tensors;
    d->example = (size_t)(in.C * in.H * in.W);
    d->state = num_random(kit->arch.state_count, 1);
    for (size_t i = 0; i < kit->arch.state_count; i++)
        d->state[i] *= (real)0.1;
    for (int t = 0; t < kit->arch.tensor_count; t++)
        for (size_t i = 0;
             kit->tensors[t].class == TENSOR_VAR && i < kit->tensors[t].count; i++)
            d->state[kit->tensors[t].offset + i] = 1;
    d->x = num_random(BATCH * d->example, 2);
    for (int i = 0; i < BATCH; i++)
        d->labels[i] = (uint8_t)(i % CLASSES);
    return d;
}

static struct net_case *lenet_new(void)
{
    struct netkit kit;

    netkit_lenet(&kit, (struct shape){3, 16, 14}, (const int[]){6, 7, 20, 12}, CLASSES);
    return case_of(&kit);
}

static void case_free(struct net_case *d)
{
    free(d->state);
    free(d->x);
    free(d);
}

static struct net *open_with(const struct net_case *d, struct net_options options)
{
    options.isa = isa_choose();
    struct net *net = net_new(&d->kit.arch, &options, NULL);
    assert_non_null(net);
    return net;
}

static struct net *open_net(const struct net_case *d, int batch_max, bool training)
{
    return open_with(d,
                     (struct net_options){.batch_max = batch_max, .training = training});
}

/* A net with every kind of layer, and the shapes that teams share differently: a
 * dense layer that is cut, more channels than a vector. */
static void every_kind(struct netkit *kit)
{
    int in;

    netkit_start(kit, (struct shape){3, 20, 18});
    netkit_bare_conv(kit, 12, 5, 1, 2);
    netkit_relu(kit);
    netkit_pool(kit, 2, 2, 0);
    netkit_conv_norm(kit, 24, 3, 1, 1, 0);
    netkit_relu(kit);
    in = netkit_here(kit);
    netkit_conv_norm(kit, 24, 3, 1, 1, 0);
    netkit_relu(kit);
    netkit_conv_norm(kit, 24, 3, 1, 1, 0);
    netkit_plus(kit, in);
    netkit_relu(kit);
    in = netkit_here(kit);
    netkit_conv_norm(kit, 32, 3, 2, 1, 4);
    netkit_act(kit, ACT_GELU);
    netkit_dropout(kit, 0.2);
    netkit_scale(kit);
    netkit_shift(kit);
    const int branch = netkit_here(kit);
    netkit_from(kit, in);
    netkit_subsample(kit, 32, 2);
    netkit_plus(kit, branch);
    netkit_act(kit, ACT_TANH);
    netkit_avgpool(kit, 2, 1, 0);
    netkit_adaptive(kit, 3, 3);
    netkit_flatten(kit);
    netkit_dense(kit, 1000);
    netkit_act(kit, ACT_SIGMOID);
    netkit_dropout(kit, 0.5);
    netkit_dense(kit, CLASSES);
    netkit_end(kit);
}

/* ---- the same numbers, however they are computed ----------------------------- */

/* Training keeps activations, evaluation shares buffers and works in place, and the
 * largest batch may be larger than this one: none of it changes a bit. */
static void check_plans(struct net_case *d)
{
    struct net *nets[3] = {open_net(d, BATCH, true), open_net(d, BATCH, false),
                           open_net(d, 2 * BATCH + 1, false)};
    const real *logits[3];

    for (int i = 0; i < 3; i++)
        logits[i] = net_forward(nets[i], d->state, d->x, BATCH);
    assert_memory_equal(logits[0], logits[1], BATCH * CLASSES * sizeof *logits[0]);
    assert_memory_equal(logits[0], logits[2], BATCH * CLASSES * sizeof *logits[0]);
    assert_ptr_equal(net_arch(nets[0]), &d->kit.arch);
    assert_true(net_memory(nets[1]) < net_memory(nets[0]));
    for (int i = 0; i < 3; i++)
        net_free(&nets[i]);
    case_free(d);
}

static void memory_plans_agree(void **state)
{
    struct netkit kit;
    (void)state;

    check_plans(lenet_new());
    every_kind(&kit);
    check_plans(case_of(&kit));
    netkit_residual(&kit, (struct shape){3, 12, 12}, 0, CLASSES);
    check_plans(case_of(&kit));
    netkit_residual(&kit, (struct shape){3, 12, 12}, 2, CLASSES);
    check_plans(case_of(&kit));
    netkit_fixup(&kit, (struct shape){1, 12, 12}, CLASSES);
    check_plans(case_of(&kit));
    netkit_fan_out(&kit, (struct shape){2, 9, 9}, CLASSES);
    check_plans(case_of(&kit));
}

/* Some steps of plain descent; all that comes of them. */
struct outcome {
    real *state, *grad;
    real logits[BATCH * CLASSES];
    double losses[BATCH];
    int right;
};

static struct outcome *run_steps(const struct net_case *d, int threads, enum isa isa,
                                 bool native)
{
    const struct arch *arch = &d->kit.arch;
    struct outcome *o = num_alloc(1, sizeof *o);
    struct team *team = team_new(threads, NULL);
    assert_non_null(team);
    struct net *net = open_with(d, (struct net_options){.batch_max = BATCH,
                                                        .training = true,
                                                        .team = team,
                                                        .isa = isa,
                                                        .native = native});

    o->state = num_filled(arch->state_count, 0);
    memcpy(o->state, d->state, arch->state_count * sizeof *o->state);
    o->grad = num_filled(arch->param_count, NAN);
    for (uint64_t step = 0; step < 4; step++) {
        const struct net_draw draw = {7, step};
        o->right = net_train(net, o->state, d->x, d->labels, step == 2 ? 21 : BATCH,
                             &draw, o->grad, o->losses);
        for (size_t i = 0; i < arch->param_count; i++)
            o->state[i] -= (real)0.05 * o->grad[i];
    }
    memcpy(o->logits, net_forward(net, o->state, d->x, BATCH), sizeof o->logits);
    net_free(&net);
    team_free(&team);
    return o;
}

static void outcome_free(struct outcome *o)
{
    free(o->state);
    free(o->grad);
    free(o);
}

/* Nor does the instruction set. */
static void threads_do_not_matter(void **state)
{
    const enum isa other = isa_usable(ISA_AVX512) ? ISA_AVX512 : ISA_AVX2;
    (void)state;

    for (int i = 0; i < 5; i++) {
        struct netkit kit;
        if (i % 4 == 0)
            every_kind(&kit);
        else if (i == 1)
            netkit_residual(&kit, (struct shape){3, 12, 12}, 0, CLASSES);
        else if (i == 2)
            netkit_fixup(&kit, (struct shape){1, 12, 12}, CLASSES);
        else
            netkit_lenet(&kit, (struct shape){3, 16, 14}, (const int[]){6, 7, 20, 12},
                         CLASSES);
        struct net_case *d = case_of(&kit);
        const bool native = i == 4;
        struct outcome *want = run_steps(d, 1, ISA_AVX2, native);
        for (size_t k = 0; k < kit.arch.param_count; k++)
            assert_true(isfinite(want->grad[k]));
        for (int threads = 1; threads <= THREADS_MAX; threads++) {
            struct outcome *got = run_steps(d, threads, other, native);
            assert_memory_equal(got->state, want->state,
                                kit.arch.state_count * sizeof(real));
            assert_memory_equal(got->grad, want->grad,
                                kit.arch.param_count * sizeof(real));
            assert_memory_equal(got->logits, want->logits, sizeof want->logits);
            assert_memory_equal(got->losses, want->losses, sizeof want->losses);
            assert_int_equal(got->right, want->right);
            outcome_free(got);
        }
        outcome_free(want);
        case_free(d);
    }
}

/* ---- evaluation -------------------------------------------------------------- */

/* The same examples in a batch of another size, and in other company. */
static void check_company(struct net_case *d)
{
    struct net *net = open_net(d, BATCH, false);
    real before[BATCH * CLASSES];

    memcpy(before, net_forward(net, d->state, d->x, BATCH), sizeof before);
    for (int i = 0; i < BATCH; i++) {
        const real *one = net_forward(net, d->state, d->x + (size_t)i * d->example, 1);
        assert_memory_equal(one, before + i * CLASSES, CLASSES * sizeof *one);
    }
    for (size_t i = 0; i < (BATCH - 1) * d->example; i++)
        d->x[i] = 3;
    const real *after = net_forward(net, d->state, d->x, BATCH);
    assert_memory_equal(after + (BATCH - 1) * CLASSES, before + (BATCH - 1) * CLASSES,
                        CLASSES * sizeof *after);
    net_free(&net);
    case_free(d);
}

static void examples_do_not_mix(void **state)
{
    struct netkit kit;
    (void)state;

    check_company(lenet_new());
    every_kind(&kit);
    check_company(case_of(&kit));
    netkit_residual(&kit, (struct shape){3, 12, 12}, 0, CLASSES);
    check_company(case_of(&kit));
}

/* Weights that are kept packed, and those that moved in between. */
static void what_is_kept_is_the_state(void **state)
{
    struct net_case *d = lenet_new();
    const struct arch *arch = &d->kit.arch;
    struct net *plain = open_net(d, BATCH, false), *keeps = open_net(d, BATCH, false);
    bool varied[NETKIT_MAX] = {false};
    (void)state;

    net_keep(keeps, d->state);
    for (int t = -1; t < arch->tensor_count; t++) {
        if (t >= 0)
            d->state[arch->tensors[t].offset] += 1;
        for (int i = 0; i < arch->tensor_count; i++)
            varied[i] = i == t;
        net_moved(keeps, varied);
        for (int again = 0; again < 2; again++)
            assert_memory_equal(net_forward(plain, d->state, d->x, BATCH),
                                net_forward(keeps, d->state, d->x, BATCH),
                                BATCH * CLASSES * sizeof(real));
    }
    real *other = num_random(arch->state_count, 9);
    assert_memory_equal(net_forward(plain, other, d->x, BATCH),
                        net_forward(keeps, other, d->x, BATCH),
                        BATCH * CLASSES * sizeof(real));
    memcpy(d->state, other, arch->state_count * sizeof *other);
    net_keep(keeps, d->state);
    assert_memory_equal(net_forward(plain, other, d->x, BATCH),
                        net_forward(keeps, d->state, d->x, BATCH),
                        BATCH * CLASSES * sizeof(real));
    net_free(&plain);
    net_free(&keeps);
    free(other);
    case_free(d);
}

/* OpenBLAS's products are the same but for rounding. */
static void native_is_the_same_network(void **state)
{
    struct net_case *d = lenet_new();
    struct outcome *ours = run_steps(d, 1, ISA_AVX2, false);
    struct outcome *native = run_steps(d, 1, ISA_AVX2, true);
    (void)state;

    for (int i = 0; i < BATCH * CLASSES; i++)
        assert_true(fabs((double)(ours->logits[i] - native->logits[i])) < 1e-5);
    for (size_t i = 0; i < d->kit.arch.param_count; i++)
        assert_true(fabs((double)(ours->grad[i] - native->grad[i])) < 1e-5);
    outcome_free(ours);
    outcome_free(native);
    case_free(d);
}

/* Running statistics that have become those of one batch: evaluating that batch
 * gives the losses of training on it, but for the unbiased variance. Every other
 * weight of the momentum has decayed. */
static void statistics_lead_to_evaluation(void **state)
{
    struct netkit kit;
    (void)state;

    netkit_residual(&kit, (struct shape){3, 16, 16}, 0, CLASSES);
    struct net_case *d = case_of(&kit);
    struct net *net = open_net(d, BATCH, true);
    real *grad = num_filled(kit.arch.param_count, NAN);
    double trained[BATCH], evaluated[BATCH];
    uint8_t right[BATCH];

    for (int step = 0; step < 200; step++)
        net_train(net, d->state, d->x, d->labels, BATCH, &(struct net_draw){0}, grad,
                  trained);
    loss_softmax(evaluated, right, NULL, net_forward(net, d->state, d->x, BATCH),
                 d->labels, BATCH, CLASSES);
    for (int i = 0; i < BATCH; i++) {
        const double off = fabs(evaluated[i] - trained[i]);
        /* n / (n - 1) of the variance, at its smallest plane of 4 x 4 */
        assert_true(off < 5.0 / (BATCH * 16) && off > 0);
    }
    free(grad);
    net_free(&net);
    case_free(d);
}

/* Dropout: off in evaluation, a function of seed and step in training. */
static void dropout_draws(void **state)
{
    struct netkit kit;
    double losses[4][BATCH];
    const struct net_draw draws[4] = {{1, 0}, {1, 0}, {2, 0}, {1, 1}};
    (void)state;

    netkit_start(&kit, (struct shape){2, 6, 6});
    netkit_flatten(&kit);
    netkit_dense(&kit, 40);
    netkit_dropout(&kit, 0.5);
    netkit_dense(&kit, CLASSES);
    struct net_case *d = case_of(&kit);
    struct net *net = open_net(d, BATCH, true);
    real *grad = num_filled(kit.arch.param_count, NAN);
    for (int i = 0; i < 4; i++)
        net_train(net, d->state, d->x, d->labels, BATCH, &draws[i], grad, losses[i]);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    for (int i = 0; i < BATCH; i++)
        assert_true(losses[0][i] != losses[2][i] && losses[0][i] != losses[3][i]);
    free(grad);
    net_free(&net);
    case_free(d);
}

/* ---- training ---------------------------------------------------------------- */

static void training_overwrites_and_counts(void **state)
{
    struct net_case *d = lenet_new();
    struct net *net = open_net(d, BATCH, true);
    const size_t n = d->kit.arch.param_count;
    real *grad = num_filled(n, NAN), *again = num_filled(n, 5);
    double losses[BATCH], want[BATCH];
    uint8_t right[BATCH];
    int count = 0;
    (void)state;

    const real *logits = net_forward(net, d->state, d->x, BATCH);
    loss_softmax(want, right, NULL, logits, d->labels, BATCH, CLASSES);
    for (int i = 0; i < BATCH; i++)
        count += right[i];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(net_train(net, d->state, d->x, d->labels, BATCH,
                                   &(struct net_draw){0}, i ? again : grad, losses),
                         count);
        assert_memory_equal(losses, want, sizeof losses);
    }
    assert_memory_equal(grad, again, n * sizeof *grad);
    for (size_t i = 0; i < n; i++)
        assert_true(isfinite(grad[i]));
    net_free(&net);
    free(grad);
    free(again);
    case_free(d);
}

/* A parameter that is not finite reaches every loss, through whatever follows. */
static void check_divergence(struct net_case *d)
{
    const struct arch *arch = &d->kit.arch;
    struct net *net = open_net(d, BATCH, true);
    real *grad = num_filled(arch->param_count, 0);
    real *broken = num_filled(arch->state_count, 0);
    double losses[BATCH];

    for (int t = 0; t < arch->param_tensors; t++) {
        memcpy(broken, d->state, arch->state_count * sizeof *broken);
        broken[arch->tensors[t].offset] = NAN;
        assert_int_equal(net_train(net, broken, d->x, d->labels, BATCH,
                                   &(struct net_draw){0}, grad, losses),
                         0);
        for (int i = 0; i < BATCH; i++)
            assert_true(isnan(losses[i]));
    }
    net_free(&net);
    free(grad);
    free(broken);
    case_free(d);
}

static void divergence_is_seen(void **state)
{
    struct netkit kit;
    (void)state;

    check_divergence(lenet_new());
    netkit_residual(&kit, (struct shape){3, 12, 12}, 0, CLASSES);
    check_divergence(case_of(&kit));
    netkit_fixup(&kit, (struct shape){1, 12, 12}, CLASSES);
    check_divergence(case_of(&kit));
}

static void bad_networks_are_refused(void **state)
{
    struct net_case *d = lenet_new();
    struct net_options options = {.training = true};
    struct net *none = NULL;
    struct netkit kit;
    struct error err;
    (void)state;

    assert_null(net_new(&d->kit.arch, &options, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "got 0"));
    options.batch_max = 2000000000;
    assert_null(net_new(&d->kit.arch, &options, &err));
    assert_int_equal(err.code, ERR_INVALID);
    net_free(&none);
    case_free(d);

    netkit_start(&kit, (struct shape){1, 6, 6});
    netkit_conv(&kit, 2, 3, 1, 1);
    netkit_from(&kit, LAYER_EXAMPLE);
    netkit_flatten(&kit);
    netkit_dense(&kit, 3);
    options.batch_max = 4;
    assert_null(net_new(&kit.arch, &options, &err));
    assert_non_null(strstr(err.text, "conv1"));
}

/* One number has no variance. */
static void norms_tell_their_smallest_batch(void **state)
{
    (void)state;
    for (int size = 1; size <= 2; size++) {
        struct netkit kit;
        netkit_start(&kit, (struct shape){3, size, size});
        netkit_conv_norm(&kit, 4, 1, 1, 0, 0);
        netkit_adaptive(&kit, 1, 1);
        netkit_flatten(&kit);
        netkit_dense(&kit, CLASSES);
        netkit_end(&kit);
        struct net_case *d = case_of(&kit);
        struct net *net = open_net(d, 2, true);
        assert_int_equal(net_batch_min(net), size == 1 ? 2 : 1);
        net_free(&net);
        case_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_plans_agree),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(examples_do_not_mix),
        cmocka_unit_test(what_is_kept_is_the_state),
        cmocka_unit_test(native_is_the_same_network),
        cmocka_unit_test(statistics_lead_to_evaluation),
        cmocka_unit_test(dropout_draws),
        cmocka_unit_test(training_overwrites_and_counts),
        cmocka_unit_test(divergence_is_seen),
        cmocka_unit_test(bad_networks_are_refused),
        cmocka_unit_test(norms_tell_their_smallest_batch),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
