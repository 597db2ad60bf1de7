#include "worker/nn/blas.h"
#include "worker/nn/conv.h"
#include "worker/nn/conv_lanes.h"
#include "worker/nn/lanes.h"

#include "tests/numeric/numkit.h"

/* Both implementations against one twin: by im2col in the layout (C,B,H,W), and
 * directly in (groups,C,H,W,L). In the latter a batch fills whole groups; images
 * beyond it hold numbers too, and only their dout is zero, as promised. */

struct size {
    int B, C, H, W, O, kernel, stride, pad;
};

/* The two of LeNet-5, then odd ones: even and 1x1 kernels, strides that leave
 * columns over, padding wider than half the kernel, a kernel as large as the
 * image or larger than it (but for the padding), a single column, strides wider
 * than the kernel. */
static const struct size SIZES[] = {
    {37, 1, 28, 28, 6, 5, 1, 2},  {37, 6, 14, 14, 16, 5, 1, 0},
    {1, 1, 5, 5, 1, 3, 1, 0},     {1, 3, 9, 7, 4, 3, 2, 1},
    {37, 2, 8, 8, 5, 2, 2, 0},    {3, 4, 6, 10, 8, 1, 1, 0},
    {3, 4, 7, 9, 8, 1, 2, 0},     {2, 3, 11, 12, 7, 5, 3, 2},
    {2, 1, 4, 4, 2, 4, 1, 0},     {2, 2, 2, 3, 3, 5, 1, 2},
    {2, 1, 3, 3, 2, 3, 1, 2},     {4, 2, 9, 1, 3, 3, 1, 1},
    {5, 16, 12, 12, 24, 3, 1, 1}, {3, 1, 6, 40, 2, 3, 2, 2},
    {9, 3, 10, 9, 13, 7, 1, 3},   {3, 2, 8, 9, 5, 6, 2, 1},
    {9, 2, 8, 7, 3, 2, 3, 0},
};

struct case_data {
    bool lanes;
    int B, images; /* images: B, or with lanes the whole groups */
    struct conv v;
    size_t in_n, W_n, out_n;
    real *in, *W, *b, *dout, *scratch;
};

/* Where number p of channel c of image i lies. */
static size_t place(const struct case_data *d, int channels, size_t plane, int i, int c,
                    size_t p)
{
    const size_t L = (size_t)lanes_round(1);

    if (!d->lanes)
        return ((size_t)c * (size_t)d->B + (size_t)i) * plane + p;
    return (((size_t)i / L * (size_t)channels + (size_t)c) * plane + p) * L +
           (size_t)i % L;
}

static size_t out_plane(const struct case_data *d)
{
    return (size_t)d->v.OH * (size_t)d->v.OW;
}

static struct case_data data_new(struct size s, bool lanes)
{
    struct case_data d = {.lanes = lanes, .B = s.B};
    d.images = lanes ? lanes_round(s.B) : s.B;
    d.v = (struct conv){
        .C = s.C,
        .H = s.H,
        .W = s.W,
        .O = s.O,
        .OH = (s.H + 2 * s.pad - s.kernel) / s.stride + 1,
        .OW = (s.W + 2 * s.pad - s.kernel) / s.stride + 1,
        .kernel = s.kernel,
        .stride = s.stride,
        .pad = s.pad,
    };
    d.in_n = (size_t)(d.images * s.C * s.H * s.W);
    d.W_n = (size_t)(s.O * s.C * s.kernel * s.kernel);
    d.out_n = (size_t)(d.images * s.O * d.v.OH * d.v.OW);
    d.in = num_random(d.in_n, 1);
    d.W = num_random(d.W_n, 2);
    d.b = num_random((size_t)s.O, 3);
    d.dout = num_random(d.out_n, 4);
    for (int i = d.B; i < d.images; i++)
        for (int o = 0; o < s.O; o++)
            for (size_t p = 0; p < out_plane(&d); p++)
                d.dout[place(&d, s.O, out_plane(&d), i, o, p)] = 0;
    d.scratch =
        num_filled(lanes ? conv_lanes_scratch(&d.v) : conv_scratch(&d.v, s.B) + 1, NAN);
    return d;
}

static void forward(const struct case_data *d, real *out, const real *b)
{
    if (d->lanes)
        conv_lanes_forward(&d->v, out, d->in, d->W, b, d->B, d->scratch);
    else
        conv_forward(&d->v, out, d->in, d->W, b, d->B, d->scratch);
}

static void backward(const struct case_data *d, real *din, real *dW, real *db)
{
    if (d->lanes)
        conv_lanes_backward(&d->v, din, dW, db, d->dout, d->in, d->W, d->B, d->scratch);
    else
        conv_backward(&d->v, din, dW, db, d->dout, d->in, d->W, d->B, d->scratch);
}

static void data_free(struct case_data *d)
{
    free(d->in);
    free(d->W);
    free(d->b);
    free(d->dout);
    free(d->scratch);
}

/* One multiplication of the definition: out[at.out] += W[at.W] * in[at.in]. */
struct product {
    size_t out, W, in;
};

/* The definition as a list of products. Every sum of forward and backward is a
 * sum over it, so the twins below are one loop each. */
static struct product *products(const struct case_data *d, size_t *ret_count)
{
    const struct conv *v = &d->v;
    const size_t in_plane = (size_t)(v->H * v->W);
    size_t n = 0, taps = (size_t)(v->C * v->kernel * v->kernel);
    struct product *list = num_alloc(d->out_n * taps, sizeof *list);

    for (int i = 0; i < d->images; i++)
        for (int o = 0; o < v->O; o++)
            for (int p = 0; p < v->OH * v->OW; p++)
                for (int t = 0; t < (int)taps; t++) {
                    int c = t / (v->kernel * v->kernel);
                    int kh = t / v->kernel % v->kernel, kw = t % v->kernel;
                    int h = p / v->OW * v->stride + kh - v->pad;
                    int w = p % v->OW * v->stride + kw - v->pad;
                    if (h < 0 || h >= v->H || w < 0 || w >= v->W)
                        continue;
                    list[n++] = (struct product){
                        place(d, v->O, out_plane(d), i, o, (size_t)p),
                        (size_t)o * taps + (size_t)t,
                        place(d, v->C, in_plane, i, c, (size_t)(h * v->W + w)),
                    };
                }
    *ret_count = n;
    return list;
}

static void add_bias(const struct case_data *d, struct num *want_out, const real *b)
{
    for (int i = 0; i < d->images; i++)
        for (int o = 0; o < d->v.O; o++)
            for (size_t p = 0; p < out_plane(d); p++)
                num_add(&want_out[place(d, d->v.O, out_plane(d), i, o, p)], (double)b[o]);
}

static void add_bias_gradient(const struct case_data *d, struct num *want_b)
{
    for (int i = 0; i < d->images; i++)
        for (int o = 0; o < d->v.O; o++)
            for (size_t p = 0; p < out_plane(d); p++)
                num_add(&want_b[o],
                        (double)d->dout[place(d, d->v.O, out_plane(d), i, o, p)]);
}

static void check_forward(const struct case_data *d, const real *b)
{
    real *out = num_filled(d->out_n, NAN);
    struct num *want = num_zeros(d->out_n);
    size_t count;
    struct product *list = products(d, &count);

    if (b)
        add_bias(d, want, b);
    for (size_t i = 0; i < count; i++)
        num_add(&want[list[i].out], (double)d->W[list[i].W] * (double)d->in[list[i].in]);
    forward(d, out, b);
    num_check("out", out, want, d->out_n);
    free(out);
    free(want);
    free(list);
}

/* dW and db start from something: they are added to. */
static void check_backward(const struct case_data *d, int with_din, int with_db)
{
    const size_t O = (size_t)d->v.O;
    real *din = num_filled(d->in_n, NAN), *dW = num_random(d->W_n, 5);
    real *db = num_random(O, 6);
    struct num *want_in = num_zeros(d->in_n), *want_W = num_zeros(d->W_n);
    struct num *want_b = num_zeros(O);
    size_t count;
    struct product *list = products(d, &count);

    for (size_t i = 0; i < d->W_n; i++)
        num_add(&want_W[i], (double)dW[i]);
    for (size_t i = 0; i < O; i++)
        num_add(&want_b[i], (double)db[i]);
    if (with_db)
        add_bias_gradient(d, want_b);
    for (size_t i = 0; i < count; i++) {
        double g = (double)d->dout[list[i].out];
        num_add(&want_W[list[i].W], g * (double)d->in[list[i].in]);
        num_add(&want_in[list[i].in], g * (double)d->W[list[i].W]);
    }
    backward(d, with_din ? din : NULL, dW, with_db ? db : NULL);
    num_check("dW", dW, want_W, d->W_n);
    num_check("db", db, want_b, O);
    if (with_din)
        num_check("din", din, want_in, d->in_n);
    free(din);
    free(dW);
    free(db);
    free(want_in);
    free(want_W);
    free(want_b);
    free(list);
}

static void each_case(void (*check)(const struct case_data *d))
{
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        for (int lanes = 0; lanes < 2; lanes++) {
            struct case_data d = data_new(SIZES[i], lanes);
            check(&d);
            data_free(&d);
        }
    }
}

static void forward_case(const struct case_data *d)
{
    check_forward(d, d->b);
    check_forward(d, NULL);
}

static void backward_case(const struct case_data *d)
{
    check_backward(d, 1, 1);
    check_backward(d, 0, 1);
    check_backward(d, 1, 0);
}

static void forward_matches_naive(void **state)
{
    (void)state;
    each_case(forward_case);
}

static void backward_matches_naive(void **state)
{
    (void)state;
    each_case(backward_case);
}

/* An image with a NaN spoils its own outputs and no other image's. */
static void nan_stays_in_its_image(void **state)
{
    (void)state;
    for (int lanes = 0; lanes < 2; lanes++) {
        struct case_data d = data_new((struct size){3, 2, 6, 6, 4, 3, 1, 1}, lanes);
        real *out = num_filled(d.out_n, 0);
        int spoilt = 0;

        d.in[place(&d, 2, 36, 1, 0, 14)] = NAN;
        forward(&d, out, d.b);
        for (int i = 0; i < d.images; i++)
            for (int o = 0; o < 4; o++)
                for (size_t p = 0; p < 36; p++) {
                    bool nan = isnan(out[place(&d, 4, 36, i, o, p)]);
                    spoilt += nan;
                    assert_false(nan && i != 1);
                }
        assert_int_equal(spoilt, 4 * 9); /* a 3x3 field in each channel */
        free(out);
        data_free(&d);
    }
}

/* In lanes, an image's outputs are the same bits whatever the batch. */
static void lanes_do_not_see_the_batch(void **state)
{
    struct size s = {37, 3, 9, 8, 7, 3, 1, 1};
    struct case_data many = data_new(s, true);
    real *out = num_filled(many.out_n, NAN);
    (void)state;

    forward(&many, out, many.b);
    s.B = 1;
    for (int i = 0; i < many.B; i++) {
        struct case_data one = data_new(s, true);
        real *alone = num_filled(one.out_n, NAN);
        for (int c = 0; c < 3; c++)
            for (size_t p = 0; p < 72; p++)
                one.in[place(&one, 3, 72, 0, c, p)] =
                    many.in[place(&many, 3, 72, i, c, p)];
        forward(&one, alone, one.b);
        for (int o = 0; o < 7; o++)
            for (size_t p = 0; p < 72; p++)
                assert_true(alone[place(&one, 7, 72, 0, o, p)] ==
                            out[place(&many, 7, 72, i, o, p)]);
        free(alone);
        data_free(&one);
    }
    free(out);
    data_free(&many);
}

/* Padding as wide as the kernel, or weights beyond a cache, are left to im2col. */
static void lanes_know_their_layers(void **state)
{
    struct conv v = {16, 8, 8, 16, 8, 8, 3, 1, 1};
    (void)state;

    assert_true(conv_lanes_suits(&v));
    v.pad = 3;
    assert_false(conv_lanes_suits(&v));
    v = (struct conv){512, 4, 4, 512, 4, 4, 3, 1, 1};
    assert_false(conv_lanes_suits(&v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_naive),
        cmocka_unit_test(backward_matches_naive),
        cmocka_unit_test(nan_stays_in_its_image),
        cmocka_unit_test(lanes_do_not_see_the_batch),
        cmocka_unit_test(lanes_know_their_layers),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
