/* Batch and group norm against PyTorch's formulas in double, one number at a time. */

#include "common/arch.h"
#include "worker/nn/lanes.h"
#include "worker/nn/norm.h"
#include "worker/nn/team.h"

#include "tests/numeric/numkit.h"

#include <stdio.h>
#include <string.h>

struct shape_case {
    int B, C, S, groups;
    bool relu, residual;
};

static const struct shape_case CASES[] = {
    {128, 5, 64, 0, true, false},  {128, 3, 49, 0, true, true},
    {21, 70, 16, 0, false, false}, {9, 17, 4, 0, false, true},
    {3, 4, 1, 0, true, false},     {2, 1, 1, 0, false, false},
    {1, 3, 2, 0, true, true},      {8, 2, 1025, 0, true, true},
    {5, 2, 2051, 0, true, false},  {16, 8, 9, 2, true, true},
    {7, 6, 5, 3, false, false},    {1, 4, 1, 1, true, false},
    {9, 4, 3, 1, false, true},     {3, 2, 1030, 2, true, true},
    {8, 3, 1, 3, true, false},     {11, 600, 2, 1, true, false},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

/* Everything one case reads and writes. Lanes beyond the batch hold NaN, so that
 * whoever counts them is seen. */
struct rig {
    struct shape_case at;
    struct norm norm;
    struct norm_call call;
    size_t L, n, stats;
    real *z, *residual, *dout, *gamma, *beta;
    real *out, *mean, *invstd, *running_mean, *running_var;
    real *dz, *dresidual, *dgamma, *dbeta;
};

static size_t place(const struct rig *r, int b, int c, int s)
{
    const size_t L = r->L, C = (size_t)r->at.C, S = (size_t)r->at.S;

    return (((size_t)b / L * C + (size_t)c) * S + (size_t)s) * L + (size_t)b % L;
}

static bool is_live(const struct rig *r, size_t i)
{
    const size_t group = i / (r->L * (size_t)r->at.C * (size_t)r->at.S);

    return group * r->L + i % r->L < (size_t)r->at.B;
}

static real *lanes_random(const struct rig *r, uint32_t seed)
{
    real *x = num_random(r->n, seed);

    for (size_t i = 0; i < r->n; i++)
        if (!is_live(r, i))
            x[i] = NAN;
    return x;
}

static struct rig rig_new(struct shape_case at)
{
    struct rig r = {.at = at, .L = (size_t)lanes_round(1)};
    const size_t C = (size_t)at.C;

    r.n = (size_t)lanes_round(at.B) * C * (size_t)at.S;
    r.norm = (struct norm){at.C, at.S, at.groups, at.relu};
    r.stats = norm_stats(&r.norm, at.B);
    r.z = lanes_random(&r, 1);
    r.residual = lanes_random(&r, 2);
    r.dout = lanes_random(&r, 3);
    r.gamma = num_random(C, 4);
    r.beta = num_random(C, 5);
    r.out = num_filled(r.n, -7);
    r.mean = num_filled(r.stats, -7);
    r.invstd = num_filled(r.stats, -7);
    r.running_mean = num_filled(C, (real)0.5);
    r.running_var = num_filled(C, 2);
    r.dz = num_filled(r.n, -7);
    r.dresidual = num_filled(r.n, -7);
    r.dgamma = num_filled(C, -7);
    r.dbeta = num_filled(C, -7);
    return r;
}

static void rig_free(struct rig *r)
{
    real *all[] = {r->z,      r->residual,     r->dout,        r->gamma, r->beta,
                   r->out,    r->mean,         r->invstd,      r->dz,    r->dresidual,
                   r->dgamma, r->running_mean, r->running_var, r->dbeta};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void rig_forward(struct rig *r, enum isa isa, struct team *team)
{
    const bool batch = r->at.groups == 0;

    r->call = (struct norm_call){&r->norm, r->at.B, isa, team, false};
    norm_forward(&r->call, r->out, r->mean, r->invstd, batch ? r->running_mean : NULL,
                 batch ? r->running_var : NULL, r->z, r->at.residual ? r->residual : NULL,
                 r->gamma, r->beta);
}

static void rig_backward(struct rig *r, enum isa isa, struct team *team)
{
    r->call = (struct norm_call){&r->norm, r->at.B, isa, team, false};
    norm_backward(&r->call, r->dz, r->at.residual ? r->dresidual : NULL, r->dgamma,
                  r->dbeta, r->dout, r->z, r->out, r->mean, r->invstd, r->gamma);
}

/* ---- the twin ------------------------------------------------------------------ */

/* The numbers that are normalised together: images b0..b1, channels c0..c1. */
struct block {
    int b0, b1, c0, c1;
};

static int block_count(const struct rig *r)
{
    return r->at.groups == 0 ? r->at.C : r->at.B * r->at.groups;
}

static struct block block_at(const struct rig *r, int i)
{
    const int each = r->at.groups == 0 ? 1 : r->at.C / r->at.groups;

    if (r->at.groups == 0)
        return (struct block){0, r->at.B, i, i + 1};
    return (struct block){i / r->at.groups, i / r->at.groups + 1, i % r->at.groups * each,
                          (i % r->at.groups + 1) * each};
}

/* Where the block's mean is kept. */
static size_t block_stats(const struct rig *r, int i)
{
    if (r->at.groups == 0)
        return (size_t)i;
    const size_t b = (size_t)(i / r->at.groups), q = (size_t)(i % r->at.groups);
    return (b / r->L * (size_t)r->at.groups + q) * r->L + b % r->L;
}

#define EACH(r_, at_, b_, c_, s_)                                                        \
    for (int b_ = (at_).b0; b_ < (at_).b1; b_++)                                         \
        for (int c_ = (at_).c0; c_ < (at_).c1; c_++)                                     \
            for (int s_ = 0; s_ < (r_)->at.S; s_++)

struct stats {
    double n, mean, var, size; /* size: of the mean's terms */
};

static struct stats block_moments(const struct rig *r, struct block at)
{
    struct stats m = {0, 0, 0, 0};

    EACH(r, at, b, c, s)
    {
        m.n++;
        m.mean += (double)r->z[place(r, b, c, s)];
        m.size += fabs((double)r->z[place(r, b, c, s)]);
    }
    m.mean /= m.n;
    m.size /= m.n;
    EACH(r, at, b, c, s)
    m.var += pow((double)r->z[place(r, b, c, s)] - m.mean, 2);
    m.var /= m.n;
    return m;
}

static void close_to(const char *what, double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s: got %.9g, want %.9g within %.3g", what, got, want, bound);
}

static void check_stats(const struct rig *r, int i, struct stats m)
{
    const size_t to = block_stats(r, i);

    close_to("mean", (double)r->mean[to], m.mean, 1e-6 * m.size);
    close_to("invstd", (double)r->invstd[to] * sqrt(m.var + 1e-5), 1, 1e-6);
    if (r->at.groups)
        return;
    close_to("running mean", (double)r->running_mean[i], 0.9 * 0.5 + 0.1 * m.mean, 1e-6);
    close_to("running var", (double)r->running_var[i],
             0.9 * 2 + 0.1 * m.var * (m.n / (m.n - 1)), 1e-5);
}

static void check_forward(const struct rig *r)
{
    struct num *want = num_zeros(r->n);

    for (int i = 0; i < block_count(r); i++) {
        const struct block at = block_at(r, i);
        const struct stats m = block_moments(r, at);
        check_stats(r, i, m);
        EACH(r, at, b, c, s)
        {
            const size_t k = place(r, b, c, s);
            const double scale = (double)r->gamma[c] / sqrt(m.var + 1e-5);
            num_add(&want[k], ((double)r->z[k] - m.mean) * scale);
            num_add(&want[k], (double)r->beta[c]);
            num_add(&want[k], r->at.residual ? (double)r->residual[k] : 0);
            want[k].size += m.size * fabs(scale);
            if (r->at.relu && want[k].sum < 0)
                want[k].sum = 0;
        }
    }
    num_check("out", r->out, want, r->n); /* 0 in lanes without images */
    free(want);
}

static double slope(const struct rig *r, size_t k)
{
    return r->at.relu && r->out[k] <= 0 ? 0 : (double)r->dout[k];
}

static void check_backward(const struct rig *r)
{
    struct num *dz = num_zeros(r->n), *dresidual = num_zeros(r->n);
    struct num *dgamma = num_zeros((size_t)r->at.C), *dbeta = num_zeros((size_t)r->at.C);

    for (int i = 0; i < block_count(r); i++) {
        const struct block at = block_at(r, i);
        const struct stats m = block_moments(r, at);
        const double invstd = 1 / sqrt(m.var + 1e-5);
        struct num g_mean = {0, 0}, gx_mean = {0, 0};
        EACH(r, at, b, c, s)
        {
            const size_t k = place(r, b, c, s);
            const double g = slope(r, k), x = ((double)r->z[k] - m.mean) * invstd;
            num_add(&dbeta[c], g);
            num_add(&dgamma[c], g * x);
            num_add(&dresidual[k], g);
            num_add(&g_mean, g * (double)r->gamma[c] / m.n);
            num_add(&gx_mean, g * x * (double)r->gamma[c] / m.n);
        }
        EACH(r, at, b, c, s)
        {
            const size_t k = place(r, b, c, s);
            const double g = slope(r, k) * (double)r->gamma[c];
            const double x = ((double)r->z[k] - m.mean) * invstd;
            dz[k].sum = invstd * (g - g_mean.sum - x * gx_mean.sum);
            dz[k].size = invstd * (fabs(g) + g_mean.size +
                                   (fabs(x) + m.size * invstd) * gx_mean.size);
        }
    }
    num_check("dz", r->dz, dz, r->n);
    num_check("dgamma", r->dgamma, dgamma, (size_t)r->at.C);
    num_check("dbeta", r->dbeta, dbeta, (size_t)r->at.C);
    if (r->at.residual)
        num_check("dresidual", r->dresidual, dresidual, r->n);
    free(dz);
    free(dresidual);
    free(dgamma);
    free(dbeta);
}

/* ---- tests ---------------------------------------------------------------------- */

static void formulas_are_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_COUNT; i++) {
        struct rig r = rig_new(CASES[i]);
        rig_forward(&r, ISA_AVX2, NULL);
        check_forward(&r);
        rig_backward(&r, ISA_AVX2, NULL);
        check_backward(&r);
        rig_free(&r);
    }
}

static void same_bits(const char *what, const real *a, const real *b, size_t n)
{
    if (memcmp(a, b, n * sizeof *a) != 0)
        fail_msg("%s differs", what);
}

static void check_same(const struct rig *a, const struct rig *b)
{
    const size_t C = (size_t)a->at.C;

    same_bits("out", a->out, b->out, a->n);
    same_bits("mean", a->mean, b->mean, a->stats);
    same_bits("invstd", a->invstd, b->invstd, a->stats);
    same_bits("running mean", a->running_mean, b->running_mean, C);
    same_bits("running var", a->running_var, b->running_var, C);
    same_bits("dz", a->dz, b->dz, a->n);
    same_bits("dresidual", a->dresidual, b->dresidual, a->n);
    same_bits("dgamma", a->dgamma, b->dgamma, C);
    same_bits("dbeta", a->dbeta, b->dbeta, C);
}

static void bits_depend_on_nothing_else(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_COUNT; i++) {
        struct rig alone = rig_new(CASES[i]);
        rig_forward(&alone, ISA_AVX2, NULL);
        rig_backward(&alone, ISA_AVX2, NULL);
        for (int threads = 1; threads <= 4; threads++) {
            for (enum isa isa = ISA_AVX2; isa < ISA_COUNT; isa++) {
                if (!isa_usable(isa))
                    continue;
                struct team *team = team_new(threads, NULL);
                struct rig r = rig_new(CASES[i]);
                rig_forward(&r, isa, team);
                rig_backward(&r, isa, team);
                check_same(&alone, &r);
                rig_free(&r);
                team_free(&team);
            }
        }
        rig_free(&alone);
    }
}

static void gradients_may_overwrite_dout(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_COUNT; i++) {
        struct rig r = rig_new(CASES[i]);
        real *dout = num_alloc(r.n, sizeof *dout);
        rig_forward(&r, ISA_AVX2, NULL);
        memcpy(dout, r.dout, r.n * sizeof *dout);
        rig_backward(&r, ISA_AVX2, NULL);
        if (r.at.residual) {
            norm_backward(&r.call, r.out, dout, r.dgamma, r.dbeta, dout, r.z, r.out,
                          r.mean, r.invstd, r.gamma);
            same_bits("dresidual", dout, r.dresidual, r.n);
            same_bits("dz in out", r.out, r.dz, r.n);
        } else {
            norm_backward(&r.call, dout, NULL, r.dgamma, r.dbeta, dout, r.z, r.out,
                          r.mean, r.invstd, r.gamma);
            same_bits("dz", dout, r.dz, r.n);
        }
        free(dout);
        rig_free(&r);
    }
}

static void given_statistics_are_applied(void **state)
{
    (void)state;
    for (int i = 0; i < CASE_COUNT; i++) {
        struct rig r = rig_new(CASES[i]);
        struct num *want = num_zeros(r.n);
        real *again = num_alloc(r.n, sizeof *again);
        const real *residual = r.at.residual ? r.residual : NULL;
        r.norm.groups = r.at.groups = 0;
        for (int k = 0; k < r.at.C; k++)
            r.running_var[k] = (real)(0.25 * k);
        for (int c = 0; c < r.at.C; c++) {
            EACH(&r, ((struct block){0, r.at.B, c, c + 1}), b, ch, s)
            {
                const size_t k = place(&r, b, ch, s);
                const double scale = (double)r.gamma[c] / sqrt(0.25 * c + 1e-5);
                num_add(&want[k], (double)r.z[k] * scale);
                num_add(&want[k], -0.5 * scale);
                num_add(&want[k], (double)r.beta[c]);
                num_add(&want[k], residual ? (double)residual[k] : 0);
                want[k].sum = r.at.relu && want[k].sum < 0 ? 0 : want[k].sum;
            }
        }
        memcpy(again, r.z, r.n * sizeof *again);
        r.call = (struct norm_call){&r.norm, r.at.B, ISA_AVX2, NULL, false};
        norm_apply(&r.call, r.out, r.z, residual, r.running_mean, r.running_var, r.gamma,
                   r.beta);
        num_check("out", r.out, want, r.n);
        r.call.isa = isa_choose();
        norm_apply(&r.call, again, again, residual, r.running_mean, r.running_var,
                   r.gamma, r.beta);
        same_bits("in place", again, r.out, r.n);
        free(want);
        free(again);
        rig_free(&r);
    }
}

/* Sums of squares would lose every digit of these variances, sums in float the
 * last ones of the mean. */
static void far_from_zero_nothing_is_lost(void **state)
{
    (void)state;
    for (int groups = 0; groups <= 1; groups++) {
        for (int kind = 0; kind < 2; kind++) {
            struct rig r = rig_new((struct shape_case){64, 2, 100, groups, false, false});
            for (size_t i = 0; i < r.n; i++) {
                const bool first = i < 100 * r.L; /* one plane is where it is measured */
                r.z[i] = kind == 0 ? 10000 + r.z[i] / 20 : first ? 0 : 1000 + r.z[i];
            }
            rig_forward(&r, ISA_AVX2, NULL);
            for (int i = 0; i < block_count(&r); i++) {
                const struct block at = block_at(&r, i);
                const struct stats m = block_moments(&r, at);
                const double invstd = 1 / sqrt(m.var + 1e-5);
                close_to("invstd", (double)r.invstd[block_stats(&r, i)] / invstd, 1,
                         1e-5);
                EACH(&r, at, b, c, s)
                {
                    const size_t k = place(&r, b, c, s);
                    close_to("out", (double)r.out[k],
                             ((double)r.z[k] - m.mean) * invstd * (double)r.gamma[c] +
                                 (double)r.beta[c],
                             1e-5);
                }
            }
            rig_free(&r);
        }
    }
}

static void constant_channels_come_out_as_beta(void **state)
{
    struct rig r = rig_new((struct shape_case){13, 3, 10, 0, false, false});
    (void)state;

    for (size_t i = 0; i < r.n; i++)
        r.z[i] = is_live(&r, i) ? (real)1.1 : NAN;
    rig_forward(&r, ISA_AVX2, NULL);
    for (int c = 0; c < r.at.C; c++) {
        close_to("out", (double)r.out[place(&r, 12, c, 9)], (double)r.beta[c], 1e-6);
        close_to("invstd", (double)r.invstd[c], 1 / sqrt(1e-5), 1e-2);
        close_to("running var", (double)r.running_var[c], 1.8, 1e-6);
    }
    rig_free(&r);
}

/* NaN spreads over what is normalised together and no further. */
static void nonfinite_numbers_spread_no_further(void **state)
{
    const real bad[] = {NAN, INFINITY, -INFINITY};
    (void)state;

    for (size_t k = 0; k < 3; k++) {
        for (int groups = 0; groups <= 2; groups += 2) {
            struct rig r = rig_new((struct shape_case){13, 4, 7, groups, true, true});
            r.z[place(&r, 9, 2, 3)] = bad[k];
            rig_forward(&r, isa_choose(), NULL);
            rig_backward(&r, isa_choose(), NULL);
            for (int i = 0; i < block_count(&r); i++) {
                const struct block at = block_at(&r, i);
                const bool hit = at.b0 <= 9 && 9 < at.b1 && at.c0 <= 2 && 2 < at.c1;
                EACH(&r, at, b, c, s)
                {
                    assert_true((isnan(r.out[place(&r, b, c, s)]) != 0) == hit);
                    assert_true((isnan(r.dz[place(&r, b, c, s)]) != 0) == hit);
                }
            }
            for (size_t i = 0; i < r.n; i++)
                if (!is_live(&r, i))
                    assert_true(r.out[i] == 0 && r.dz[i] == 0 && r.dresidual[i] == 0);
            rig_free(&r);
        }
    }
}

static void statistics_need_room(void **state)
{
    const struct norm batch = {12, 5, 0, false}, group = {12, 5, 3, false};
    const size_t L = (size_t)lanes_round(1);
    (void)state;

    assert_int_equal(norm_stats(&batch, 100), 12);
    assert_int_equal(norm_stats(&group, (int)L), 3 * L);
    assert_int_equal(norm_stats(&group, (int)L + 1), 6 * L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_are_pytorchs),
        cmocka_unit_test(bits_depend_on_nothing_else),
        cmocka_unit_test(gradients_may_overwrite_dout),
        cmocka_unit_test(given_statistics_are_applied),
        cmocka_unit_test(far_from_zero_nothing_is_lost),
        cmocka_unit_test(constant_channels_come_out_as_beta),
        cmocka_unit_test(nonfinite_numbers_spread_no_further),
        cmocka_unit_test(statistics_need_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
