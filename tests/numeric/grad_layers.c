/* Every layer alone: the gradient of sum(r * out) in each of its inputs. */

#include "tests/numeric/gradkit.h"
#include "worker/nn/blas.h"
#include "worker/nn/conv_op.h"
#include "worker/nn/dense.h"
#include "worker/nn/lanes.h"
#include "worker/nn/net.h"
#include "worker/nn/pool_lanes.h"

/* ---- dense ------------------------------------------------------------------ */

struct dense_case {
    struct dense_call call;
    real *in, *W, *b, *out, *r;
};

static double dense_loss(void *user)
{
    struct dense_case *d = user;

    dense_forward(&d->call, d->out, d->in, d->W, NULL, d->b);
    return grad_dot(d->r, d->out, (size_t)(d->call.B * d->call.O));
}

static void check_dense(int B, int I, int O)
{
    const size_t in_n = (size_t)(B * I), W_n = (size_t)(O * I), out_n = (size_t)(B * O);
    struct dense_case d = {{.B = B,
                            .I = I,
                            .O = O,
                            .isa = isa_choose(),
                            .scratch = num_filled(dense_scratch(O, B, 1), NAN)},
                           num_random(in_n, 1),
                           num_random(W_n, 2),
                           num_random((size_t)O, 3),
                           num_filled(out_n, 0),
                           num_random(out_n, 4)};
    real *din = num_filled(in_n, NAN), *dW = num_filled(W_n, 0);
    real *db = num_filled((size_t)O, 0);

    dense_backward_weights(&d.call, dW, db, d.r, d.in);
    dense_backward_data(&d.call, din, false, d.r, d.W);
    grad_check("in", d.in, din, in_n, dense_loss, &d);
    grad_check("W", d.W, dW, W_n, dense_loss, &d);
    grad_check("b", d.b, db, (size_t)O, dense_loss, &d);
    free(d.call.scratch);
    free(d.in);
    free(d.W);
    free(d.b);
    free(d.out);
    free(d.r);
    free(din);
    free(dW);
    free(db);
}

static void dense_gradients(void **state)
{
    (void)state;
    check_dense(1, 1, 1);
    check_dense(3, 7, 5);
    check_dense(9, 20, 10);
}

/* ---- conv ------------------------------------------------------------------- */

struct conv_case {
    const struct conv_op *op;
    struct conv_call call;
    size_t out_n;
    real *in, *W, *b, *out, *r;
};

static double conv_loss(void *user)
{
    struct conv_case *d = user;

    d->op->forward(&d->call, d->out, d->in, d->W, d->b);
    return grad_dot(d->r, d->out, d->out_n);
}

/* With whole groups of images, so that every number counts. */
static void check_conv_op(const struct conv_op *op, const struct conv *v, enum isa isa)
{
    const int B = lanes_round(1);
    const size_t in_n = (size_t)(B * v->C * v->H * v->W);
    const size_t W_n = (size_t)(v->O * v->C * v->kernel * v->kernel);
    const size_t O = (size_t)v->O, out_n = (size_t)(B * v->O * v->OH * v->OW);
    const size_t scratch = (op->scratch(v, B, 1) * sizeof(real) + 64) / 64 * 64;
    struct conv_case d = {op,
                          {v, B, isa, NULL, aligned_alloc(64, scratch)},
                          out_n,
                          num_random(in_n, 1),
                          num_random(W_n, 2),
                          num_random(O, 3),
                          num_filled(out_n, 0),
                          num_random(out_n, 4)};
    real *din = num_filled(in_n, NAN), *dW = num_filled(W_n, 0), *db = num_filled(O, 0);

    assert_non_null(d.call.scratch);
    op->backward_data(&d.call, din, false, d.r, d.W);
    op->backward_weights(&d.call, dW, d.r, d.in);
    conv_bias(&d.call, db, d.r);
    grad_check("in", d.in, din, in_n, conv_loss, &d);
    grad_check("W", d.W, dW, W_n, conv_loss, &d);
    grad_check("b", d.b, db, O, conv_loss, &d);
    free(d.in);
    free(d.W);
    free(d.b);
    free(d.out);
    free(d.r);
    free(d.call.scratch);
    free(din);
    free(dW);
    free(db);
}

static void check_conv(struct conv v)
{
    static const struct conv_op *const OPS[] = {&conv_direct, &conv_winograd};

    v.OH = (v.H + 2 * v.pad - v.kernel) / v.stride + 1;
    v.OW = (v.W + 2 * v.pad - v.kernel) / v.stride + 1;
    for (size_t i = 0; i < sizeof OPS / sizeof OPS[0]; i++)
        for (int isa = 0; isa < ISA_COUNT; isa++)
            if (isa_usable((enum isa)isa) && OPS[i]->suits(&v))
                check_conv_op(OPS[i], &v, (enum isa)isa);
}

static void conv_gradients(void **state)
{
    (void)state;
    check_conv((struct conv){
        .C = 1, .H = 9, .W = 8, .O = 3, .kernel = 5, .stride = 1, .pad = 2});
    check_conv((struct conv){
        .C = 2, .H = 7, .W = 9, .O = 3, .kernel = 3, .stride = 2, .pad = 1});
    check_conv((struct conv){
        .C = 3, .H = 5, .W = 4, .O = 2, .kernel = 1, .stride = 1, .pad = 0});
    check_conv((struct conv){
        .C = 2, .H = 6, .W = 6, .O = 2, .kernel = 2, .stride = 2, .pad = 0});
    check_conv((struct conv){
        .C = 2, .H = 6, .W = 7, .O = 3, .kernel = 5, .stride = 1, .pad = 0});
    check_conv((struct conv){
        .C = 16, .H = 3, .W = 3, .O = 16, .kernel = 3, .stride = 1, .pad = 1});
}

/* ---- pool ------------------------------------------------------------------- */

struct pool_case {
    struct pool pool;
    size_t planes, out_n;
    real *in, *out, *r;
};

static double pool_loss(void *user)
{
    struct pool_case *d = user;

    pool_lanes_forward(&d->pool, d->out, d->in, d->planes);
    return grad_dot(d->r, d->out, d->out_n);
}

static void check_pool(struct pool v)
{
    const size_t planes = 2, L = (size_t)lanes_round(1);

    v.OH = (v.H + 2 * v.pad - v.kernel) / v.stride + 1;
    v.OW = (v.W + 2 * v.pad - v.kernel) / v.stride + 1;
    const size_t in_n = planes * L * (size_t)(v.H * v.W);
    const size_t out_n = planes * L * (size_t)(v.OH * v.OW);
    struct pool_case d = {v,
                          planes,
                          out_n,
                          num_random(in_n, 5),
                          num_filled(out_n, 0),
                          num_random(out_n, 6)};
    real *din = num_filled(in_n, NAN);

    pool_lanes_backward(&v, din, d.r, d.in, planes);
    grad_check("in", d.in, din, in_n, pool_loss, &d);
    free(din);
    free(d.in);
    free(d.out);
    free(d.r);
}

static void pool_gradients(void **state)
{
    (void)state;
    check_pool((struct pool){.H = 6, .W = 8, .kernel = 2, .stride = 2});
    check_pool((struct pool){.H = 20, .W = 22, .kernel = 2, .stride = 2});
    check_pool((struct pool){.H = 9, .W = 7, .kernel = 3, .stride = 2, .pad = 1});
    check_pool((struct pool){.H = 5, .W = 5, .kernel = 3, .stride = 1});
}

/* ---- softmax ---------------------------------------------------------------- */

enum { ROWS = 5, CLASSES = 10 };

static double softmax_loss(void *user)
{
    const uint8_t labels[ROWS] = {0, 3, 9, 9, 4};
    double losses[ROWS], sum = 0;
    uint8_t right[ROWS];

    loss_softmax(losses, right, NULL, user, labels, ROWS, CLASSES);
    for (int i = 0; i < ROWS; i++)
        sum += losses[i];
    return sum / ROWS;
}

static void softmax_gradients(void **state)
{
    const uint8_t labels[ROWS] = {0, 3, 9, 9, 4};
    real *z = num_random(ROWS * CLASSES, 1), dz[ROWS * CLASSES];
    double losses[ROWS];
    uint8_t right[ROWS];
    (void)state;

    loss_softmax(losses, right, dz, z, labels, ROWS, CLASSES);
    grad_check("z", z, dz, ROWS * CLASSES, softmax_loss, z);
    free(z);
}

static double smoothed_loss(void *user)
{
    const uint8_t labels[ROWS] = {0, 3, 9, 9, 4};
    double losses[ROWS], sum = 0;
    uint8_t right[ROWS];

    loss_smoothed(losses, right, NULL, user, labels, ROWS, CLASSES, 0.3);
    for (int i = 0; i < ROWS; i++)
        sum += losses[i];
    return sum / ROWS;
}

static void smoothed_gradients(void **state)
{
    const uint8_t labels[ROWS] = {0, 3, 9, 9, 4};
    real *z = num_random(ROWS * CLASSES, 1), dz[ROWS * CLASSES];
    double losses[ROWS];
    uint8_t right[ROWS];
    (void)state;

    loss_smoothed(losses, right, dz, z, labels, ROWS, CLASSES, 0.3);
    grad_check("z", z, dz, ROWS * CLASSES, smoothed_loss, z);
    free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_gradients),    cmocka_unit_test(conv_gradients),
        cmocka_unit_test(pool_gradients),     cmocka_unit_test(softmax_gradients),
        cmocka_unit_test(smoothed_gradients),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
