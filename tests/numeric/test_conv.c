#include "worker/nn/blas.h"
#include "worker/nn/conv.h"

#include "tests/numeric/numkit.h"

struct size {
    int B, C, H, W, O, kernel, stride, pad;
};

/* The two of LeNet-5, then odd ones: even and 1x1 kernels, strides that leave
 * columns over, padding wider than half the kernel, a kernel as large as the
 * image or larger than it (but for the padding), a single column. */
static const struct size SIZES[] = {
    {37, 1, 28, 28, 6, 5, 1, 2},  {37, 6, 14, 14, 16, 5, 1, 0}, {1, 1, 5, 5, 1, 3, 1, 0},
    {1, 3, 9, 7, 4, 3, 2, 1},     {37, 2, 8, 8, 5, 2, 2, 0},    {3, 4, 6, 10, 8, 1, 1, 0},
    {3, 4, 7, 9, 8, 1, 2, 0},     {2, 3, 11, 12, 7, 5, 3, 2},   {2, 1, 4, 4, 2, 4, 1, 0},
    {2, 2, 2, 3, 3, 5, 1, 2},     {2, 1, 3, 3, 2, 3, 1, 2},     {4, 2, 9, 1, 3, 3, 1, 1},
    {5, 16, 12, 12, 24, 3, 1, 1}, {3, 1, 6, 40, 2, 3, 2, 2},
};

struct case_data {
    int B;
    struct conv v;
    size_t in_n, W_n, out_n;
    real *in, *W, *b, *dout, *scratch;
};

static struct case_data data_new(struct size s)
{
    struct case_data d = {.B = s.B};
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
    d.in_n = (size_t)(s.B * s.C * s.H * s.W);
    d.W_n = (size_t)(s.O * s.C * s.kernel * s.kernel);
    d.out_n = (size_t)(s.B * s.O * d.v.OH * d.v.OW);
    d.in = num_random(d.in_n, 1);
    d.W = num_random(d.W_n, 2);
    d.b = num_random((size_t)s.O, 3);
    d.dout = num_random(d.out_n, 4);
    d.scratch = num_filled(conv_scratch(&d.v, s.B) + 1, NAN);
    return d;
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
    size_t n = 0, taps = (size_t)(v->C * v->kernel * v->kernel);
    struct product *list = num_alloc(d->out_n * taps, sizeof *list);

    for (int i = 0; i < d->B; i++)
        for (int o = 0; o < v->O; o++)
            for (int y = 0; y < v->OH; y++)
                for (int x = 0; x < v->OW; x++)
                    for (int t = 0; t < (int)taps; t++) {
                        int c = t / (v->kernel * v->kernel);
                        int kh = t / v->kernel % v->kernel, kw = t % v->kernel;
                        int h = y * v->stride + kh - v->pad;
                        int w = x * v->stride + kw - v->pad;
                        if (h < 0 || h >= v->H || w < 0 || w >= v->W)
                            continue;
                        list[n++] = (struct product){
                            (size_t)(((o * d->B + i) * v->OH + y) * v->OW + x),
                            (size_t)o * taps + (size_t)t,
                            (size_t)(((c * d->B + i) * v->H + h) * v->W + w),
                        };
                    }
    *ret_count = n;
    return list;
}

static void check_forward(const struct case_data *d, const real *b)
{
    real *out = num_filled(d->out_n, NAN);
    struct num *want = num_zeros(d->out_n);
    size_t count, channel = d->out_n / (size_t)d->v.O;
    struct product *list = products(d, &count);

    for (size_t i = 0; b && i < d->out_n; i++)
        num_add(&want[i], (double)b[i / channel]);
    for (size_t i = 0; i < count; i++)
        num_add(&want[list[i].out], (double)d->W[list[i].W] * (double)d->in[list[i].in]);
    conv_forward(&d->v, out, d->in, d->W, b, d->B, d->scratch);
    num_check("out", out, want, d->out_n);
    free(out);
    free(want);
    free(list);
}

/* dW and db start from something: they are added to. */
static void check_backward(const struct case_data *d, int with_din, int with_db)
{
    const size_t O = (size_t)d->v.O, channel = d->out_n / O;
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
    for (size_t i = 0; with_db && i < d->out_n; i++)
        num_add(&want_b[i / channel], (double)d->dout[i]);
    for (size_t i = 0; i < count; i++) {
        double g = (double)d->dout[list[i].out];
        num_add(&want_W[list[i].W], g * (double)d->in[list[i].in]);
        num_add(&want_in[list[i].in], g * (double)d->W[list[i].W]);
    }
    conv_backward(&d->v, with_din ? din : NULL, dW, with_db ? db : NULL, d->dout, d->in,
                  d->W, d->B, d->scratch);
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

static void forward_matches_naive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct case_data d = data_new(SIZES[i]);
        check_forward(&d, d.b);
        check_forward(&d, NULL);
        data_free(&d);
    }
}

static void backward_matches_naive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct case_data d = data_new(SIZES[i]);
        check_backward(&d, 1, 1);
        check_backward(&d, 0, 1);
        check_backward(&d, 1, 0);
        data_free(&d);
    }
}

/* An image with a NaN spoils its own outputs and no other image's. */
static void nan_stays_in_its_image(void **state)
{
    struct case_data d = data_new((struct size){3, 2, 6, 6, 4, 3, 1, 1});
    real *out = num_filled(d.out_n, 0);
    int spoilt = 0;
    (void)state;

    d.in[(0 * 3 + 1) * 36 + 14] = NAN; /* channel 0 of image 1 */
    conv_forward(&d.v, out, d.in, d.W, d.b, 3, d.scratch);
    for (size_t i = 0; i < d.out_n; i++) {
        spoilt += isnan(out[i]) != 0;
        assert_false(isnan(out[i]) && i / 36 % 3 != 1);
    }
    assert_int_equal(spoilt, 4 * 9); /* a 3x3 field in each channel */
    free(out);
    data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_naive),
        cmocka_unit_test(backward_matches_naive),
        cmocka_unit_test(nan_stays_in_its_image),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
