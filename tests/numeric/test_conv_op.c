#include "worker/nn/blas.h"
#include "worker/nn/conv_op.h"
#include "worker/nn/lanes.h"
#include "worker/nn/team.h"

#include "tests/numeric/numkit.h"

#include <string.h>

/* Every algorithm, on every shape it can take, against one twin. A batch fills
 * whole groups; images beyond it hold numbers too, and only their dout is zero, as
 * promised. */

static const struct conv_op *const OPS[] = {&conv_winograd, &conv_direct};

enum { OP_COUNT = sizeof OPS / sizeof OPS[0], THREADS_MAX = 4, DRAWN = 40 };

/* What an algorithm may be off by, as a share of the terms' magnitudes: an exact
 * one only rounds. Transforms subtract what the definition does not. */
static double bound_of(const struct conv_op *op)
{
    return op->exact ? NUM_BOUND : 20 * NUM_BOUND;
}

struct size {
    int B, C, H, W, O, kernel, stride, pad;
};

/* The two of LeNet-5, then odd ones: even and 1x1 kernels, strides that leave
 * columns over, padding as wide as the kernel or wider, a kernel as large as the
 * image or larger than it (but for the padding), a single column, strides wider
 * than the kernel; then what residual networks have, small. */
static const struct size SIZES[] = {
    {37, 1, 28, 28, 6, 5, 1, 2},  {37, 6, 14, 14, 16, 5, 1, 0},
    {1, 1, 5, 5, 1, 3, 1, 0},     {1, 3, 9, 7, 4, 3, 2, 1},
    {37, 2, 8, 8, 5, 2, 2, 0},    {3, 4, 6, 10, 8, 1, 1, 0},
    {3, 4, 7, 9, 8, 1, 2, 0},     {2, 3, 11, 12, 7, 5, 3, 2},
    {2, 1, 4, 4, 2, 4, 1, 0},     {2, 2, 2, 3, 3, 5, 1, 2},
    {2, 1, 3, 3, 2, 3, 1, 2},     {4, 2, 9, 1, 3, 3, 1, 1},
    {5, 16, 12, 12, 24, 3, 1, 1}, {3, 1, 6, 40, 2, 3, 2, 2},
    {9, 3, 10, 9, 13, 7, 1, 3},   {3, 2, 8, 9, 5, 6, 2, 1},
    {9, 2, 8, 7, 3, 2, 3, 0},     {2, 3, 5, 5, 4, 1, 1, 1},
    {3, 2, 6, 5, 4, 2, 1, 2},     {2, 2, 5, 6, 3, 2, 2, 3},
    {9, 64, 4, 4, 72, 3, 1, 1},   {9, 40, 8, 8, 64, 3, 2, 1},
    {9, 40, 8, 8, 64, 1, 2, 0},   {17, 64, 5, 7, 40, 1, 1, 0},
};

struct case_data {
    const struct conv_op *op;
    int B, images; /* images: the whole groups */
    struct conv v;
    size_t in_n, W_n, out_n;
    real *in, *W, *b, *dout;
};

/* Where number p of channel c of image i lies. */
static size_t place(const struct case_data *d, int channels, size_t plane, int i, int c,
                    size_t p)
{
    const size_t L = (size_t)lanes_round(1);

    (void)d;
    return (((size_t)i / L * (size_t)channels + (size_t)c) * plane + p) * L +
           (size_t)i % L;
}

static size_t out_plane(const struct case_data *d)
{
    return (size_t)d->v.OH * (size_t)d->v.OW;
}

static struct case_data data_new(const struct conv_op *op, struct size s)
{
    struct case_data d = {.op = op, .B = s.B, .images = lanes_round(s.B)};
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
    return d;
}

/* Scratch of exactly the size asked for, full of NaN, for one call. */
struct session {
    struct conv_call call;
    void *memory;
};

static struct session session_new(const struct case_data *d, struct team *team,
                                  enum isa isa)
{
    const size_t n = d->op->scratch(&d->v, d->B, team_size(team));
    const size_t size = (n * sizeof(real) + 64) / 64 * 64;
    struct session s = {{&d->v, d->B, isa, team, NULL}, aligned_alloc(64, size)};

    assert_non_null(s.memory);
    s.call.scratch = s.memory;
    for (size_t i = 0; i < n; i++)
        s.call.scratch[i] = NAN;
    return s;
}

static void forward(const struct case_data *d, real *out, const real *b)
{
    struct session s = session_new(d, NULL, isa_choose());

    d->op->forward(&s.call, out, d->in, d->W, b);
    free(s.memory);
}

static void data_free(struct case_data *d)
{
    free(d->in);
    free(d->W);
    free(d->b);
    free(d->dout);
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

static void check_within(const char *what, const struct case_data *d, const real *got,
                         const struct num *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)got[i] - want[i].sum);
        if (!(off <= bound_of(d->op) * want[i].size))
            fail_msg("%s: %s[%zu]: got %.9g, want %.9g (terms of %.3g)", d->op->name,
                     what, i, (double)got[i], want[i].sum, want[i].size);
    }
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
    check_within("out", d, out, want, d->out_n);
    free(out);
    free(want);
    free(list);
}

static void forward_case(const struct case_data *d)
{
    check_forward(d, d->b);
    check_forward(d, NULL);
}

/* Overwriting NaN, and adding to numbers. */
static void data_case(const struct case_data *d)
{
    size_t count;
    struct product *list = products(d, &count);

    for (int add = 0; add < 2; add++) {
        struct session s = session_new(d, NULL, isa_choose());
        real *din = add ? num_random(d->in_n, 7) : num_filled(d->in_n, NAN);
        struct num *want = num_zeros(d->in_n);
        for (size_t i = 0; add && i < d->in_n; i++)
            num_add(&want[i], (double)din[i]);
        for (size_t i = 0; i < count; i++)
            num_add(&want[list[i].in],
                    (double)d->dout[list[i].out] * (double)d->W[list[i].W]);
        d->op->backward_data(&s.call, din, add, d->dout, d->W);
        check_within("din", d, din, want, d->in_n);
        free(s.memory);
        free(din);
        free(want);
    }
    free(list);
}

static void weights_case(const struct case_data *d)
{
    struct session s = session_new(d, NULL, isa_choose());
    real *dW = num_filled(d->W_n, NAN), *db = num_filled((size_t)d->v.O, NAN);
    struct num *want_W = num_zeros(d->W_n), *want_b = num_zeros((size_t)d->v.O);
    size_t count;
    struct product *list = products(d, &count);

    for (size_t i = 0; i < count; i++)
        num_add(&want_W[list[i].W],
                (double)d->dout[list[i].out] * (double)d->in[list[i].in]);
    for (int i = 0; i < d->B; i++)
        for (int o = 0; o < d->v.O; o++)
            for (size_t p = 0; p < out_plane(d); p++)
                num_add(&want_b[o],
                        (double)d->dout[place(d, d->v.O, out_plane(d), i, o, p)]);
    d->op->backward_weights(&s.call, dW, d->dout, d->in);
    conv_bias(&s.call, db, d->dout);
    check_within("dW", d, dW, want_W, d->W_n);
    check_within("db", d, db, want_b, (size_t)d->v.O);
    free(s.memory);
    free(dW);
    free(db);
    free(want_W);
    free(want_b);
    free(list);
}

/* A number in [low, high], from a linear congruential generator. */
static int draw(uint64_t *state, int low, int high)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (int)((*state >> 33) % (uint64_t)(high - low + 1));
}

/* Shapes that nobody thought of, of at most so many products. */
static struct size draw_size(uint64_t *state)
{
    static const int KERNELS[] = {1, 2, 3, 5, 7};
    const int products_max = 400 * 1000;

    for (;;) {
        struct size s = {.B = draw(state, 1, 20),
                         .C = draw(state, 1, 40),
                         .H = draw(state, 1, 12),
                         .W = draw(state, 1, 12),
                         .O = draw(state, 1, 40),
                         .kernel = KERNELS[draw(state, 0, 4)],
                         .stride = draw(state, 1, 3),
                         .pad = draw(state, 0, 3)};
        const int h = s.H + 2 * s.pad - s.kernel, w = s.W + 2 * s.pad - s.kernel;
        if (h >= 0 && w >= 0 &&
            lanes_round(s.B) * s.C * s.O * s.kernel * s.kernel * (h / s.stride + 1) *
                    (w / s.stride + 1) <=
                products_max)
            return s;
    }
}

static void case_of(void (*check)(const struct case_data *d), struct size size)
{
    for (int o = 0; o < OP_COUNT; o++) {
        struct case_data d = data_new(OPS[o], size);
        if (d.op->suits(&d.v))
            check(&d);
        data_free(&d);
    }
}

static void each_case(void (*check)(const struct case_data *d))
{
    uint64_t state = 1;

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++)
        case_of(check, SIZES[i]);
    for (int i = 0; i < DRAWN; i++)
        case_of(check, draw_size(&state));
}

static void forward_matches_naive(void **state)
{
    (void)state;
    each_case(forward_case);
}

static void gradient_of_data_matches_naive(void **state)
{
    (void)state;
    each_case(data_case);
}

static void gradient_of_weights_matches_naive(void **state)
{
    (void)state;
    each_case(weights_case);
}

/* What all passes give, one after another. */
struct outcome {
    real *all;
    size_t n;
};

static struct outcome outcome_of(const struct case_data *d, struct team *team,
                                 enum isa isa)
{
    const size_t n = d->out_n + d->in_n + d->W_n + (size_t)d->v.O;
    struct outcome o = {num_random(n, 9), n};
    struct session s = session_new(d, team, isa);
    real *din = o.all + d->out_n, *dW = din + d->in_n;

    d->op->forward(&s.call, o.all, d->in, d->W, d->b);
    d->op->backward_data(&s.call, din, true, d->dout, d->W);
    d->op->backward_weights(&s.call, dW, d->dout, d->in);
    conv_bias(&s.call, dW + d->W_n, d->dout);
    free(s.memory);
    return o;
}

/* Any number of threads, any instruction set: the same bits. */
static void one_outcome_case(const struct case_data *d)
{
    const struct outcome want = outcome_of(d, NULL, ISA_AVX2);

    for (int isa = 0; isa < ISA_COUNT; isa++) {
        for (int threads = 1; threads <= THREADS_MAX && isa_usable((enum isa)isa);
             threads++) {
            struct team *team = team_new(threads, NULL);
            assert_non_null(team);
            const struct outcome got = outcome_of(d, team, (enum isa)isa);
            if (memcmp(got.all, want.all, want.n * sizeof *want.all) != 0)
                fail_msg("%s: other bits with %s and %d threads", d->op->name,
                         isa_name((enum isa)isa), threads);
            free(got.all);
            team_free(&team);
        }
    }
    free(want.all);
}

static void bits_depend_on_nothing_else(void **state)
{
    (void)state;
    each_case(one_outcome_case);
}

/* An image with a NaN spoils its own outputs and no other image's; an exact
 * algorithm spoils no more of them than the definition does. */
static void nan_stays_in_its_image(void **state)
{
    (void)state;
    for (int o = 0; o < OP_COUNT; o++) {
        struct case_data d = data_new(OPS[o], (struct size){3, 64, 6, 6, 64, 3, 1, 1});
        real *out = num_filled(d.out_n, 0);
        int spoilt = 0;

        d.in[place(&d, 64, 36, 1, 0, 14)] = NAN;
        if (d.op->suits(&d.v)) {
            forward(&d, out, d.b);
            for (int i = 0; i < d.images; i++)
                for (int c = 0; c < 64; c++)
                    for (size_t p = 0; p < 36; p++) {
                        bool nan = isnan(out[place(&d, 64, 36, i, c, p)]);
                        spoilt += nan;
                        assert_false(nan && i != 1);
                    }
            assert_true(spoilt >= 64 * 9);
            assert_true(!d.op->exact || spoilt == 64 * 9);
        }
        free(out);
        data_free(&d);
    }
}

/* An image's outputs are the same bits whatever the batch. */
static void images_do_not_see_the_batch(const struct case_data *many)
{
    const struct conv *v = &many->v;
    const size_t plane = (size_t)(v->H * v->W);
    const struct size s = {1, v->C, v->H, v->W, v->O, v->kernel, v->stride, v->pad};
    real *out = num_filled(many->out_n, NAN);

    forward(many, out, many->b);
    for (int i = 0; i < many->B; i++) {
        struct case_data one = data_new(many->op, s);
        real *alone = num_filled(one.out_n, NAN);
        for (int c = 0; c < v->C; c++)
            for (size_t p = 0; p < plane; p++)
                one.in[place(&one, v->C, plane, 0, c, p)] =
                    many->in[place(many, v->C, plane, i, c, p)];
        forward(&one, alone, one.b);
        for (int o = 0; o < v->O; o++)
            for (size_t p = 0; p < out_plane(&one); p++)
                assert_true(alone[place(&one, v->O, out_plane(&one), 0, o, p)] ==
                            out[place(many, v->O, out_plane(many), i, o, p)]);
        free(alone);
        data_free(&one);
    }
    free(out);
}

static void batches_do_not_matter(void **state)
{
    (void)state;
    each_case(images_do_not_see_the_batch);
}

/* Every shape has an algorithm, and "exact" an exact one. */
static void every_shape_has_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct case_data d = data_new(OPS[0], SIZES[i]);
        assert_true(conv_choose(&d.v, false)->suits(&d.v));
        assert_true(conv_choose(&d.v, true)->suits(&d.v));
        assert_true(conv_choose(&d.v, true)->exact);
        data_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_naive),
        cmocka_unit_test(gradient_of_data_matches_naive),
        cmocka_unit_test(gradient_of_weights_matches_naive),
        cmocka_unit_test(bits_depend_on_nothing_else),
        cmocka_unit_test(nan_stays_in_its_image),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(every_shape_has_one),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
