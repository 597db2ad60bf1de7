#include "worker/nn/blas.h"
#include "worker/nn/dense.h"
#include "worker/nn/team.h"

#include "tests/numeric/numkit.h"

struct size {
    int B, I, O;
};

static const struct size SIZES[] = {
    {1, 1, 1},  {1, 784, 300}, {37, 100, 10}, {128, 300, 100}, {5, 3, 17},
    {2, 17, 1}, {9, 49, 97},   {33, 129, 48}, {401, 7, 56},    {70, 260, 55},
};

/* Who computes: our kernels for either instruction set, or OpenBLAS. */
static const struct way {
    bool native;
    enum isa isa;
    bool packed;
} WAYS[] = {
    {false, ISA_AVX2, false},  {false, ISA_AVX512, false}, {false, ISA_AVX2, true},
    {false, ISA_AVX512, true}, {true, ISA_AVX2, false},
};

enum { WAY_COUNT = sizeof WAYS / sizeof WAYS[0] };

struct case_data {
    struct size s;
    real *in, *W, *b, *dout;
};

static struct case_data data_new(struct size s)
{
    size_t B = (size_t)s.B, I = (size_t)s.I, O = (size_t)s.O;
    return (struct case_data){s, num_random(B * I, 1), num_random(O * I, 2),
                              num_random(O, 3), num_random(B * O, 4)};
}

static void data_free(struct case_data *d)
{
    free(d->in);
    free(d->W);
    free(d->b);
    free(d->dout);
}

/* scratch is of exactly its size, and holds rubbish. */
static struct dense_call call_new(struct size s, const struct way *way, struct team *team)
{
    return (struct dense_call){
        .B = s.B,
        .I = s.I,
        .O = s.O,
        .native = way->native,
        .isa = isa_usable(way->isa) ? way->isa : ISA_AVX2,
        .team = team,
        .scratch = num_filled(dense_scratch(s.O, s.B, team_size(team)), NAN)};
}

static void run_forward(const struct case_data *d, const struct way *way,
                        struct team *team, const real *b, real *out)
{
    const struct dense_call call = call_new(d->s, way, team);
    real *packed = way->packed ? num_filled(dense_packed(d->s.I, d->s.O), NAN) : NULL;

    if (packed)
        dense_pack(&call, packed, d->W);
    dense_forward(&call, out, d->in, d->W, packed, b);
    free(packed);
    free(call.scratch);
}

static void run_backward(const struct case_data *d, const struct way *way,
                         struct team *team, bool add, real *din, real *dW, real *db)
{
    const struct dense_call call = call_new(d->s, way, team);

    dense_backward_weights(&call, dW, db, d->dout, d->in);
    dense_backward_data(&call, din, add, d->dout, d->W);
    free(call.scratch);
}

static void check_forward(const struct case_data *d, const struct way *way, const real *b)
{
    const struct size s = d->s;
    size_t n = (size_t)(s.B * s.O);
    real *out = num_filled(n, NAN);
    struct num *want = num_zeros(n);

    for (int i = 0; i < s.B; i++) {
        for (int o = 0; o < s.O; o++) {
            num_add(&want[i * s.O + o], b ? (double)b[o] : 0);
            for (int k = 0; k < s.I; k++)
                num_add(&want[i * s.O + o],
                        (double)d->in[i * s.I + k] * (double)d->W[o * s.I + k]);
        }
    }
    run_forward(d, way, NULL, b, out);
    num_check("out", out, want, n);
    free(out);
    free(want);
}

/* With add, din starts from something. */
static void check_backward(const struct case_data *d, const struct way *way, bool add,
                           bool with_db)
{
    const struct size s = d->s;
    size_t in_n = (size_t)(s.B * s.I), W_n = (size_t)(s.O * s.I), O_n = (size_t)s.O;
    real *din = add ? num_random(in_n, 7) : num_filled(in_n, NAN);
    real *dW = num_filled(W_n, NAN), *db = num_filled(O_n, NAN);
    struct num *want_in = num_zeros(in_n), *want_W = num_zeros(W_n);
    struct num *want_b = num_zeros(O_n);

    for (size_t i = 0; add && i < in_n; i++)
        num_add(&want_in[i], (double)din[i]);
    for (int i = 0; i < s.B; i++) {
        for (int o = 0; o < s.O; o++) {
            double g = (double)d->dout[i * s.O + o];
            num_add(&want_b[o], g);
            for (int k = 0; k < s.I; k++) {
                num_add(&want_W[o * s.I + k], g * (double)d->in[i * s.I + k]);
                num_add(&want_in[i * s.I + k], g * (double)d->W[o * s.I + k]);
            }
        }
    }
    run_backward(d, way, NULL, add, din, dW, with_db ? db : NULL);
    num_check("dW", dW, want_W, W_n);
    if (with_db)
        num_check("db", db, want_b, O_n);
    num_check("din", din, want_in, in_n);
    free(din);
    free(dW);
    free(db);
    free(want_in);
    free(want_W);
    free(want_b);
}

static void forward_matches_naive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct case_data d = data_new(SIZES[i]);
        for (int w = 0; w < WAY_COUNT; w++) {
            check_forward(&d, &WAYS[w], d.b);
            check_forward(&d, &WAYS[w], NULL);
        }
        data_free(&d);
    }
}

static void backward_matches_naive(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct case_data d = data_new(SIZES[i]);
        for (int w = 0; w < WAY_COUNT; w++) {
            if (WAYS[w].packed)
                continue;
            check_backward(&d, &WAYS[w], false, true);
            check_backward(&d, &WAYS[w], true, false);
        }
        data_free(&d);
    }
}

/* All that the passes give: out, din, dW and db. */
static real *run_all(const struct case_data *d, const struct way *way, struct team *team,
                     size_t *ret_n)
{
    const size_t B = (size_t)d->s.B, I = (size_t)d->s.I, O = (size_t)d->s.O;

    *ret_n = B * O + B * I + O * I + O;
    real *all = num_filled(*ret_n, NAN);
    run_forward(d, way, team, d->b, all);
    run_backward(d, way, team, false, all + B * O, all + B * O + B * I, all + *ret_n - O);
    return all;
}

/* Also with a layer large enough for OpenBLAS's products to be cut: the cuts are its
 * own, not the team's. */
static void threads_do_not_matter(void **state)
{
    static const struct size LAYERS[] = {{150, 700, 400}, {70, 260, 55}, {500, 30, 20}};
    (void)state;

    for (size_t i = 0; i < sizeof LAYERS / sizeof LAYERS[0]; i++) {
        struct case_data d = data_new(LAYERS[i]);
        for (int w = 0; w < WAY_COUNT; w++) {
            size_t n;
            real *want = run_all(&d, &WAYS[w], NULL, &n);
            for (int threads = 2; threads <= 5; threads++) {
                struct team *team = team_new(threads, NULL);
                assert_non_null(team);
                real *got = run_all(&d, &WAYS[w], team, &n);
                assert_memory_equal(got, want, n * sizeof *got);
                free(got);
                team_free(&team);
            }
            free(want);
        }
        check_forward(&d, &WAYS[WAY_COUNT - 1], d.b);
        check_backward(&d, &WAYS[WAY_COUNT - 1], true, true);
        data_free(&d);
    }
}

/* Of our own products: the instruction set, and whether weights are packed before. */
static void ways_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct case_data d = data_new(SIZES[i]);
        size_t n;
        real *want = run_all(&d, &WAYS[0], NULL, &n);
        for (int w = 1; w < WAY_COUNT && !WAYS[w].native; w++) {
            real *got = run_all(&d, &WAYS[w], NULL, &n);
            assert_memory_equal(got, want, n * sizeof *got);
            free(got);
        }
        free(want);
        data_free(&d);
    }
}

/* An example alone, and among others. */
static void neighbours_do_not_matter(void **state)
{
    const struct size all = {130, 300, 101};
    struct case_data d = data_new(all), one = d;
    real *out = num_filled((size_t)(all.B * all.O), NAN);
    real *din = num_filled((size_t)(all.B * all.I), NAN);
    real *dW = num_filled((size_t)(all.O * all.I), NAN);
    (void)state;

    run_forward(&d, &WAYS[0], NULL, d.b, out);
    run_backward(&d, &WAYS[0], NULL, false, din, dW, NULL);
    one.s.B = 1;
    for (int i = 0; i < all.B; i++, one.in += all.I, one.dout += all.O) {
        real alone[300];
        run_forward(&one, &WAYS[i % 4], NULL, d.b, alone);
        assert_memory_equal(alone, out + i * all.O, (size_t)all.O * sizeof *out);
        run_backward(&one, &WAYS[i % 4], NULL, false, alone, dW, NULL);
        assert_memory_equal(alone, din + i * all.I, (size_t)all.I * sizeof *din);
    }
    free(out);
    free(din);
    free(dW);
    data_free(&d);
}

/* Where a panel of columns is not full, what fills it up must not spread. */
static void nonfinite_inputs_flow(void **state)
{
    const real bad[2] = {NAN, INFINITY};
    (void)state;

    for (int k = 0; k < 2 * WAY_COUNT; k++) {
        struct case_data d = data_new((struct size){3, 20, 5});
        real out[3 * 5];
        d.in[1 * 20 + 4] = bad[k % 2];
        run_forward(&d, &WAYS[k / 2], NULL, d.b, out);
        for (int i = 0; i < 3 * 5; i++)
            assert_int_equal(!isfinite(out[i]), i / 5 == 1);
        data_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_naive),
        cmocka_unit_test(backward_matches_naive),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(ways_do_not_matter),
        cmocka_unit_test(neighbours_do_not_matter),
        cmocka_unit_test(nonfinite_inputs_flow),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
