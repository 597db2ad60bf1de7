#include "worker/nn/blas.h"
#include "worker/nn/dense.h"
#include "worker/nn/team.h"

#include "tests/numeric/numkit.h"

struct size {
    int B, I, O;
};

static const struct size SIZES[] = {
    {1, 1, 1}, {1, 784, 300}, {37, 100, 10}, {128, 300, 100}, {5, 3, 17}, {2, 17, 1},
};

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

static void check_forward(const struct case_data *d, const real *b)
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
    const struct dense_call call = {s.B, s.I, s.O, NULL};
    dense_forward(&call, out, d->in, d->W, b);
    num_check("out", out, want, n);
    free(out);
    free(want);
}

/* With add, din starts from something. */
static void check_backward(const struct case_data *d, bool add, bool with_db)
{
    const struct size s = d->s;
    const struct dense_call call = {s.B, s.I, s.O, NULL};
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
    dense_backward_weights(&call, dW, with_db ? db : NULL, d->dout, d->in);
    dense_backward_data(&call, din, add, d->dout, d->W);
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
        check_backward(&d, false, true);
        check_backward(&d, true, false);
        data_free(&d);
    }
}

/* A layer large enough for its products to be cut: the cuts are its own, not the
 * team's. */
static void threads_do_not_matter(void **state)
{
    struct case_data d = data_new((struct size){150, 700, 400});
    const size_t out_n = 150 * 400, in_n = 150 * 700, W_n = 400 * 700;
    const size_t n = out_n + in_n + W_n + 400;
    real *all[2] = {num_filled(n, NAN), num_filled(n, NAN)};
    (void)state;

    for (int threads = 1; threads <= 4; threads++) {
        real *out = all[threads > 1], *din = out + out_n, *dW = din + in_n;
        struct team *team = team_new(threads, NULL);
        const struct dense_call call = {150, 700, 400, team};
        assert_non_null(team);
        dense_forward(&call, out, d.in, d.W, d.b);
        dense_backward_data(&call, din, false, d.dout, d.W);
        dense_backward_weights(&call, dW, dW + W_n, d.dout, d.in);
        if (threads > 1)
            assert_memory_equal(all[0], all[1], n * sizeof(real));
        team_free(&team);
    }
    check_forward(&d, d.b);
    check_backward(&d, true, true);
    free(all[0]);
    free(all[1]);
    data_free(&d);
}

static void nonfinite_inputs_flow(void **state)
{
    const real bad[2] = {NAN, INFINITY};
    (void)state;

    for (int k = 0; k < 2; k++) {
        struct case_data d = data_new((struct size){3, 20, 5});
        real out[3 * 5];
        d.in[1 * 20 + 4] = bad[k];
        const struct dense_call call = {3, 20, 5, NULL};
        dense_forward(&call, out, d.in, d.W, d.b);
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
        cmocka_unit_test(nonfinite_inputs_flow),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
