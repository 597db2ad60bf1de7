#include "tests/numeric/numkit.h"
#include "worker/nn/conv_op.h"
#include "worker/nn/lanes.h"
#include "worker/nn/team.h"

#include <string.h>

/* Against naive twins in double. The transforms add and subtract what the definition
 * does not, so errors are measured against the largest number of the result. */
#define DATA_BOUND    1e-5
#define WEIGHTS_BOUND 1e-4

struct size {
    int B, C, O, H, W, pad;
};

/* Outputs that fill tiles and that do not, smaller than a tile too; channels that fill
 * panels and that do not; every pad; few tiles and many; filters larger than a cache. */
static const struct size SIZES[] = {
    {9, 16, 16, 28, 28, 1}, {17, 32, 32, 14, 14, 1}, {9, 64, 64, 7, 7, 1},
    {3, 16, 24, 10, 13, 0}, {3, 20, 17, 9, 6, 2},    {1, 16, 16, 1, 1, 1},
    {1, 17, 31, 3, 3, 0},   {40, 33, 16, 2, 5, 2},   {2, 16, 16, 5, 33, 1},
    {9, 72, 40, 8, 8, 1},   {129, 16, 16, 4, 4, 1},  {9, 136, 128, 4, 4, 1},
    {25, 256, 80, 6, 5, 1}, {8, 520, 300, 4, 4, 1},  {8, 100, 200, 9, 9, 2},
    {1, 1, 1, 6, 6, 1},     {10, 3, 5, 7, 7, 1},
};

enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0], THREADS_MAX = 4 };

struct layer {
    struct conv v;
    int B, images; /* images: whole groups */
    size_t in_n, out_n, W_n;
    real *in, *W, *b, *dout;
};

static size_t at(int channels, int pixels, int image, int channel, int pixel)
{
    const int L = lanes_round(1);
    const size_t plane = (size_t)(image / L) * (size_t)channels + (size_t)channel;

    return (plane * (size_t)pixels + (size_t)pixel) * (size_t)L + (size_t)(image % L);
}

static struct layer layer_new(struct size s)
{
    struct layer l = {
        .v = {s.C, s.H, s.W, s.O, s.H + 2 * s.pad - 2, s.W + 2 * s.pad - 2, 3, 1, s.pad},
        .B = s.B,
        .images = lanes_round(s.B),
    };
    l.in_n = (size_t)l.images * (size_t)(s.C * s.H * s.W);
    l.out_n = (size_t)l.images * (size_t)(s.O * l.v.OH * l.v.OW);
    l.W_n = (size_t)(s.O * s.C * 9);
    l.in = num_random(l.in_n, 1);
    l.W = num_random(l.W_n, 2);
    l.b = num_random((size_t)s.O, 3);
    l.dout = num_random(l.out_n, 4);
    for (int i = l.B; i < l.images; i++)
        for (int o = 0; o < s.O; o++)
            for (int p = 0; p < l.v.OH * l.v.OW; p++)
                l.dout[at(s.O, l.v.OH * l.v.OW, i, o, p)] = 0;
    return l;
}

static void layer_free(struct layer *l)
{
    free(l->in);
    free(l->W);
    free(l->b);
    free(l->dout);
}

/* What the three passes gave: out, din overwritten, din added to, dW. */
struct results {
    size_t n;
    real *all, *out, *din, *more, *dW;
};

/* Scratch is exactly what is asked for, and holds NaN. */
static struct results run(const struct layer *l, enum isa isa, int threads)
{
    struct team *team = threads > 1 ? team_new(threads, NULL) : NULL;
    const size_t n = conv_winograd.scratch(&l->v, l->B, threads);
    struct conv_call call = {&l->v, l->B, isa, team, NULL};
    struct results r = {.n = l->out_n + 2 * l->in_n + l->W_n};

    call.scratch = aligned_alloc(64, (n * sizeof(real) + 63) / 64 * 64);
    assert_non_null(call.scratch);
    r.all = num_filled(r.n, NAN);
    r.out = r.all;
    r.din = r.out + l->out_n;
    r.more = r.din + l->in_n;
    r.dW = r.more + l->in_n;
    memcpy(r.more, l->in, l->in_n * sizeof *r.more);
    for (size_t i = 0; i < n; i++)
        call.scratch[i] = NAN;
    conv_winograd.forward(&call, r.out, l->in, l->W, l->b);
    for (size_t i = 0; i < n; i++)
        call.scratch[i] = NAN;
    conv_winograd.backward_data(&call, r.din, false, l->dout, l->W);
    conv_winograd.backward_data(&call, r.more, true, l->dout, l->W);
    for (size_t i = 0; i < n; i++)
        call.scratch[i] = NAN;
    conv_winograd.backward_weights(&call, r.dW, l->dout, l->in);
    free(call.scratch);
    team_free(&team);
    return r;
}

/* The definition: every product with the numbers it is of, in the three results. */
static void twin(const struct layer *l, double *out, double *din, double *dW)
{
    const struct conv *v = &l->v;

    for (int i = 0; i < l->images; i++)
        for (int o = 0; o < v->O; o++)
            for (int p = 0; p < v->OH * v->OW; p++) {
                const size_t to = at(v->O, v->OH * v->OW, i, o, p);
                out[to] += (double)l->b[o];
                for (int t = 0; t < v->C * 9; t++) {
                    const int y = p / v->OW + t % 9 / 3 - v->pad;
                    const int x = p % v->OW + t % 3 - v->pad;
                    if (y < 0 || y >= v->H || x < 0 || x >= v->W)
                        continue;
                    const size_t from = at(v->C, v->H * v->W, i, t / 9, y * v->W + x);
                    const size_t w = (size_t)o * (size_t)v->C * 9 + (size_t)t;
                    out[to] += (double)l->W[w] * (double)l->in[from];
                    din[from] += (double)l->W[w] * (double)l->dout[to];
                    dW[w] += (double)l->dout[to] * (double)l->in[from];
                }
            }
}

static void check(const char *what, int size, const real *got, const double *want,
                  size_t n, double bound)
{
    double largest = 0, off = 0;

    for (size_t i = 0; i < n; i++) {
        const double error = fabs((double)got[i] - want[i]);
        largest = fmax(largest, fabs(want[i]));
        off = error <= off ? off : error; /* NaN stays */
    }
    if (!(off <= bound * largest))
        fail_msg("size %d, %s: off by %g of %g", size, what, off, largest);
}

static void agrees_with_the_definition(void **state)
{
    (void)state;
    for (int s = 0; s < SIZE_COUNT; s++) {
        struct layer l = layer_new(SIZES[s]);
        struct results r = run(&l, isa_choose(), 1);
        const size_t n = l.out_n + l.in_n + l.W_n;
        double *out = calloc(n, sizeof *out);
        assert_non_null(out);
        double *din = out + l.out_n, *dW = din + l.in_n;

        twin(&l, out, din, dW);
        check("out", s, r.out, out, l.out_n, DATA_BOUND);
        check("din", s, r.din, din, l.in_n, DATA_BOUND);
        check("dW", s, r.dW, dW, l.W_n, WEIGHTS_BOUND);
        for (size_t i = 0; i < l.in_n; i++)
            assert_true(r.more[i] == l.in[i] + r.din[i]);
        free(out);
        free(r.all);
        layer_free(&l);
    }
}

/* As long as sums get in training, of numbers that do not cancel. */
static void long_sums_keep_their_digits(void **state)
{
    struct layer l = layer_new((struct size){128, 4, 6, 32, 32, 1});
    const size_t n = l.out_n + l.in_n + l.W_n;
    double *out = calloc(n, sizeof *out);
    (void)state;

    assert_non_null(out);
    for (size_t i = 0; i < l.in_n; i++)
        l.in[i] = l.in[i] < 0 ? 0 : l.in[i];
    for (size_t i = 0; i < l.out_n; i++)
        l.dout[i] += (real)0.1;
    struct results r = run(&l, isa_choose(), 1);
    twin(&l, out, out + l.out_n, out + l.out_n + l.in_n);
    check("dW", -1, r.dW, out + l.out_n + l.in_n, l.W_n, WEIGHTS_BOUND);
    free(out);
    free(r.all);
    layer_free(&l);
}

static void neither_threads_nor_instructions_change_bits(void **state)
{
    (void)state;
    for (int s = 0; s < SIZE_COUNT; s++) {
        struct layer l = layer_new(SIZES[s]);
        struct results want = run(&l, ISA_AVX2, 1);
        for (int isa = 0; isa < ISA_COUNT; isa++) {
            if (!isa_usable((enum isa)isa))
                continue;
            for (int threads = 1; threads <= THREADS_MAX; threads++) {
                struct results got = run(&l, (enum isa)isa, threads);
                if (memcmp(got.all, want.all, want.n * sizeof *want.all) != 0)
                    fail_msg("size %d: %s, %d threads", s, isa_name((enum isa)isa),
                             threads);
                free(got.all);
            }
        }
        free(want.all);
        layer_free(&l);
    }
}

/* An image alone, last in its group or with others: the same bits. */
static void neighbours_change_no_bits(void **state)
{
    const struct size many = {19, 18, 20, 11, 10, 1};
    struct size one = many;
    struct layer l = layer_new(many);
    struct results all = run(&l, isa_choose(), 1);
    const int in_pixels = many.H * many.W, out_pixels = l.v.OH * l.v.OW;
    (void)state;

    one.B = 1;
    struct layer alone = layer_new(one);
    for (int i = 0; i < many.B; i += 6) {
        for (int c = 0; c < many.C; c++)
            for (int p = 0; p < in_pixels; p++)
                alone.in[at(many.C, in_pixels, 0, c, p)] =
                    l.in[at(many.C, in_pixels, i, c, p)];
        for (int o = 0; o < many.O; o++)
            for (int p = 0; p < out_pixels; p++)
                alone.dout[at(many.O, out_pixels, 0, o, p)] =
                    l.dout[at(many.O, out_pixels, i, o, p)];
        struct results r = run(&alone, isa_choose(), 1);
        for (int o = 0; o < many.O; o++)
            for (int p = 0; p < out_pixels; p++)
                assert_true(r.out[at(many.O, out_pixels, 0, o, p)] ==
                            all.out[at(many.O, out_pixels, i, o, p)]);
        for (int c = 0; c < many.C; c++)
            for (int p = 0; p < in_pixels; p++)
                assert_true(r.din[at(many.C, in_pixels, 0, c, p)] ==
                            all.din[at(many.C, in_pixels, i, c, p)]);
        free(r.all);
    }
    free(all.all);
    layer_free(&alone);
    layer_free(&l);
}

/* What is not finite reaches every output it is a term of, some others of the same
 * tile, and no other image. */
static void shows_what_is_not_finite(void **state)
{
    static const double BAD[] = {NAN, INFINITY, -INFINITY};
    const struct size s = {8, 16, 16, 12, 12, 1};
    (void)state;

    for (size_t k = 0; k < sizeof BAD / sizeof BAD[0]; k++) {
        struct layer l = layer_new(s);
        l.in[at(s.C, 144, 3, 5, 6 * 12 + 6)] = (real)BAD[k];
        l.dout[at(s.O, 144, 3, 5, 6 * 12 + 6)] = (real)BAD[k];
        struct results r = run(&l, isa_choose(), 1);
        for (int i = 0; i < l.images; i++)
            for (int p = 0; p < 144; p++) {
                const int y = p / 12, x = p % 12;
                const bool term = y >= 5 && y <= 7 && x >= 5 && x <= 7;
                const bool tile = y >= 4 && y <= 7 && x >= 4 && x <= 7;
                for (int c = 0; c < 16; c++) {
                    const bool bad = !isfinite((double)r.out[at(16, 144, i, c, p)]) &&
                                     !isfinite((double)r.din[at(16, 144, i, c, p)]);
                    assert_true(!bad || (i == 3 && tile));
                    assert_true(bad || i != 3 || !term);
                }
            }
        for (int w = 0; w < 9; w++)
            for (int c = 0; c < 16; c++) {
                const double of_dout = (double)r.dW[(5 * 16 + c) * 9 + w];
                const double of_in = (double)r.dW[(c * 16 + 5) * 9 + w];
                assert_true(!isfinite(of_dout) && !isfinite(of_in));
            }
        free(r.all);
        layer_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_definition),
        cmocka_unit_test(long_sums_keep_their_digits),
        cmocka_unit_test(neither_threads_nor_instructions_change_bits),
        cmocka_unit_test(neighbours_change_no_bits),
        cmocka_unit_test(shows_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
