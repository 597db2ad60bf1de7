/* Every layer alone: the gradient of sum(r * out) in each of its inputs. */

#include "tests/numeric/gradkit.h"
#include "worker/nn/blas.h"
#include "worker/nn/conv.h"
#include "worker/nn/conv_lanes.h"
#include "worker/nn/dense.h"
#include "worker/nn/lanes.h"
#include "worker/nn/net.h"
#include "worker/nn/pool.h"
#include "worker/nn/pool_lanes.h"
#include "worker/nn/relu.h"

/* ---- dense ------------------------------------------------------------------ */

struct dense_case {
    int B, I, O;
    real *in, *W, *b, *out, *r;
};

static double dense_loss(void *user)
{
    struct dense_case *d = user;

    dense_forward(d->out, d->in, d->W, d->b, d->B, d->I, d->O);
    return grad_dot(d->r, d->out, (size_t)(d->B * d->O));
}

static void check_dense(int B, int I, int O)
{
    const size_t in_n = (size_t)(B * I), W_n = (size_t)(O * I), out_n = (size_t)(B * O);
    struct dense_case d = {B,
                           I,
                           O,
                           num_random(in_n, 1),
                           num_random(W_n, 2),
                           num_random((size_t)O, 3),
                           num_filled(out_n, 0),
                           num_random(out_n, 4)};
    real *din = num_filled(in_n, NAN), *dW = num_filled(W_n, 0);
    real *db = num_filled((size_t)O, 0);

    dense_backward(din, dW, db, d.r, d.in, d.W, B, I, O);
    grad_check("in", d.in, din, in_n, dense_loss, &d);
    grad_check("W", d.W, dW, W_n, dense_loss, &d);
    grad_check("b", d.b, db, (size_t)O, dense_loss, &d);
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
    bool lanes; /* with whole groups of images, so that every number counts */
    struct conv v;
    int B;
    size_t out_n;
    real *in, *W, *b, *out, *r, *scratch;
};

static double conv_loss(void *user)
{
    struct conv_case *d = user;

    if (d->lanes)
        conv_lanes_forward(&d->v, d->out, d->in, d->W, d->b, d->B, d->scratch);
    else
        conv_forward(&d->v, d->out, d->in, d->W, d->b, d->B, d->scratch);
    return grad_dot(d->r, d->out, d->out_n);
}

static void check_conv_layout(int B, struct conv v, bool lanes)
{
    if (lanes)
        B = lanes_round(B);
    v.OH = (v.H + 2 * v.pad - v.kernel) / v.stride + 1;
    v.OW = (v.W + 2 * v.pad - v.kernel) / v.stride + 1;
    const size_t in_n = (size_t)(B * v.C * v.H * v.W);
    const size_t W_n = (size_t)(v.O * v.C * v.kernel * v.kernel);
    const size_t O = (size_t)v.O, out_n = (size_t)(B * v.O * v.OH * v.OW);
    struct conv_case d = {lanes,
                          v,
                          B,
                          out_n,
                          num_random(in_n, 1),
                          num_random(W_n, 2),
                          num_random(O, 3),
                          num_filled(out_n, 0),
                          num_random(out_n, 4),
                          num_filled(conv_scratch(&v, B) + conv_lanes_scratch(&v), 0)};
    real *din = num_filled(in_n, NAN), *dW = num_filled(W_n, 0), *db = num_filled(O, 0);

    if (lanes)
        conv_lanes_backward(&v, din, dW, db, d.r, d.in, d.W, B, d.scratch);
    else
        conv_backward(&v, din, dW, db, d.r, d.in, d.W, B, d.scratch);
    grad_check("in", d.in, din, in_n, conv_loss, &d);
    grad_check("W", d.W, dW, W_n, conv_loss, &d);
    grad_check("b", d.b, db, O, conv_loss, &d);
    free(d.in);
    free(d.W);
    free(d.b);
    free(d.out);
    free(d.r);
    free(d.scratch);
    free(din);
    free(dW);
    free(db);
}

static void check_conv(int B, struct conv v)
{
    check_conv_layout(B, v, false);
    check_conv_layout(B, v, true);
}

static void conv_gradients(void **state)
{
    (void)state;
    check_conv(2,
               (struct conv){
                   .C = 1, .H = 9, .W = 8, .O = 3, .kernel = 5, .stride = 1, .pad = 2});
    check_conv(3,
               (struct conv){
                   .C = 2, .H = 7, .W = 9, .O = 3, .kernel = 3, .stride = 2, .pad = 1});
    check_conv(2,
               (struct conv){
                   .C = 3, .H = 5, .W = 4, .O = 2, .kernel = 1, .stride = 1, .pad = 0});
    check_conv(2,
               (struct conv){
                   .C = 2, .H = 6, .W = 6, .O = 2, .kernel = 2, .stride = 2, .pad = 0});
}

/* ---- relu, pool ------------------------------------------------------------- */

struct plane_case {
    struct pool pool;
    size_t planes, in_n, out_n;
    real *in, *out, *r;
    uint8_t *which;
};

static double relu_loss(void *user)
{
    struct plane_case *d = user;

    relu_forward(d->out, d->in, d->in_n);
    return grad_dot(d->r, d->out, d->in_n);
}

static double pool_loss(void *user)
{
    struct plane_case *d = user;

    pool_forward(&d->pool, d->out, d->which, d->in, d->planes);
    return grad_dot(d->r, d->out, d->out_n);
}

static double pool_lanes_loss(void *user)
{
    struct plane_case *d = user;
    const size_t L = (size_t)lanes_round(1);

    pool_lanes_forward(&d->pool, d->out, d->in, d->planes / L);
    return grad_dot(d->r, d->out, d->out_n);
}

static struct plane_case plane_new(size_t planes, struct pool v)
{
    v.OH = (v.H + 2 * v.pad - v.kernel) / v.stride + 1;
    v.OW = (v.W + 2 * v.pad - v.kernel) / v.stride + 1;
    size_t in_n = planes * (size_t)(v.H * v.W), out_n = planes * (size_t)(v.OH * v.OW);
    size_t most = in_n > out_n ? in_n : out_n;
    return (struct plane_case){v,
                               planes,
                               in_n,
                               out_n,
                               num_random(in_n, 5),
                               num_filled(most, 0),
                               num_random(most, 6),
                               num_alloc(out_n, 1)};
}

static void plane_free(struct plane_case *d)
{
    free(d->in);
    free(d->out);
    free(d->r);
    free(d->which);
}

static void relu_gradients(void **state)
{
    struct plane_case d =
        plane_new(3, (struct pool){.H = 7, .W = 5, .kernel = 1, .stride = 1});
    real *din = num_filled(d.in_n, NAN);
    (void)state;

    relu_loss(&d);
    relu_backward(din, d.r, d.out, d.in_n);
    grad_check("in", d.in, din, d.in_n, relu_loss, &d);
    free(din);
    plane_free(&d);
}

static void pool_gradients(void **state)
{
    const struct pool shapes[] = {
        {.H = 6, .W = 8, .kernel = 2, .stride = 2},
        {.H = 20, .W = 22, .kernel = 2, .stride = 2},
        {.H = 9, .W = 7, .kernel = 3, .stride = 2, .pad = 1},
        {.H = 5, .W = 5, .kernel = 3, .stride = 1},
    };
    (void)state;

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct plane_case d = plane_new(2 * (size_t)lanes_round(1), shapes[i]);
        real *din = num_filled(d.in_n, NAN);
        pool_loss(&d);
        pool_backward(&d.pool, din, d.r, d.which, d.planes);
        grad_check("in", d.in, din, d.in_n, pool_loss, &d);
        pool_lanes_backward(&d.pool, din, d.r, d.in, d.planes / (size_t)lanes_round(1));
        grad_check("in, lanes", d.in, din, d.in_n, pool_lanes_loss, &d);
        free(din);
        plane_free(&d);
    }
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
        cmocka_unit_test(dense_gradients),   cmocka_unit_test(conv_gradients),
        cmocka_unit_test(relu_gradients),    cmocka_unit_test(pool_gradients),
        cmocka_unit_test(softmax_gradients), cmocka_unit_test(smoothed_gradients),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
