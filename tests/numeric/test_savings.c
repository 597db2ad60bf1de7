/* Curves: what is computed once for all points of a curve gives what evaluating each
 * point by itself gives; ends are the states, to the bit; and neither threads nor the
 * instruction set change a bit. */

#include "tests/numeric/curvekit.h"

/* Found: 6e-8. A line between two outputs rounds elsewhere than the output of a point
 * of the line; what is wrong shows in the first digits. */
#define SAVING_BOUND 1e-6

/* ---- curves --------------------------------------------------------------------- */

static const enum curve_bn MODES[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_END,
                                      CURVE_START, CURVE_BATCH};

static void check_close(const struct subject *s, const char *group, enum curve_bn bn,
                        double *worst)
{
    struct tally naive[2 * ALPHAS], quick[2 * ALPHAS];

    run(s, &(struct way){.naive = true, .isa = ISA_AVX2}, group, bn, naive);
    run(s, &(struct way){.isa = ISA_AVX2}, group, bn, quick);
    for (int i = 0; i < 2 * ALPHAS; i++) {
        const double off = fabs(tally_loss(&quick[i]) / tally_loss(&naive[i]) - 1);
        *worst = fmax(*worst, off);
        if (!(off <= SAVING_BOUND))
            fail_msg("%s, %s, alpha %g: %.9g, by itself %.9g", group, curve_bn_name(bn),
                     LINE[i / 2], tally_loss(&quick[i]), tally_loss(&naive[i]));
        assert_int_equal(quick[i].count, naive[i].count);
    }
}

static void check_net(const char *model, const char *norm)
{
    struct subject s = make_subject(model, norm);
    const char *groups[ARCH_TENSORS_MAX];
    int count = arch_groups(s.arch, groups, ARCH_TENSORS_MAX - 2);
    double worst = 0;

    groups[count++] = "all";
    groups[count++] = "all:weights";
    for (int g = 0; g<count; g += count> 8 ? 3 : 1)
        for (size_t m = 0; m < (arch_has_norm(s.arch) ? 5 : 1); m++)
            check_close(&s, groups[g], arch_has_norm(s.arch) ? MODES[m] : CURVE_NONE,
                        &worst);
    print_message("%s, norm %s: within %.2g of each point by itself\n", model, norm,
                  worst);
    subject_free(&s);
}

static void test_savings(void **state)
{
    (void)state;
    check_net("\"mlp\"", "\"none\"");
    check_net("\"mlp\"", "\"batch\"");
    check_net("\"resnet20\"", "\"batch\"");
    check_net("\"resnet20\"", "\"group\"");
}

/* ---- bits ------------------------------------------------------------------------ */

static void assert_same(const struct tally *a, const struct tally *b, int count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

/* At 0 and 1 of a whole path, and at 1 of any, the loss is the state's own. */
static void test_ends(void **state)
{
    struct subject s = make_subject("\"resnet20\"", "\"batch\"");
    const struct net_options engine = {.isa = isa_choose()};
    const struct way way = {.isa = engine.isa};
    struct eval *eval = eval_new(s.arch, s.data, &engine, NULL);
    struct tally line[2 * ALPHAS];

    (void)state;
    assert_non_null(eval);
    for (int split = 0; split < 2; split++) {
        const int64_t n = split ? TEST : TRAIN;
        const struct tally a = eval_run(eval, s.a, (enum split)split, n);
        const struct tally b = eval_run(eval, s.b, (enum split)split, n);
        run(&s, &way, "all", CURVE_INTERP, line);
        assert_same(&line[2 * 1 + split], &a, 1);
        assert_same(&line[2 * 3 + split], &b, 1);
        run(&s, &way, "B2", CURVE_INTERP, line);
        assert_same(&line[2 * 3 + split], &b, 1);
    }
    eval_free(&eval);
    subject_free(&s);
}

static void test_threads_and_isa(void **state)
{
    struct subject s = make_subject("\"resnet20\"", "\"batch\"");
    static const char *const GROUPS[] = {"all", "B2", "fc"};

    (void)state;
    for (size_t i = 0; i < 3 * 2; i++) {
        const enum curve_bn bn = i % 2 ? CURVE_RECOMPUTE : CURVE_INTERP;
        struct tally one[2 * ALPHAS], other[2 * ALPHAS];
        struct team *team = team_new(3, NULL);

        run(&s, &(struct way){.isa = ISA_AVX2}, GROUPS[i / 2], bn, one);
        run(&s, &(struct way){.isa = ISA_AVX2, .team = team}, GROUPS[i / 2], bn, other);
        assert_same(one, other, 2 * ALPHAS);
        if (isa_usable(ISA_AVX512)) {
            run(&s, &(struct way){.isa = ISA_AVX512}, GROUPS[i / 2], bn, other);
            assert_same(one, other, 2 * ALPHAS);
        }
        team_free(&team);
    }
    subject_free(&s);
}

/* A state against itself is one point, whatever alpha is. */
static void test_no_distance(void **state)
{
    struct subject s = make_subject("\"resnet20\"", "\"batch\"");
    struct tally line[2 * ALPHAS];

    (void)state;
    memcpy(s.a, s.b, s.arch->state_count * sizeof *s.a);
    for (size_t m = 0; m < 5; m++) {
        run(&s, &(struct way){.isa = isa_choose()}, "B1", MODES[m], line);
        for (int i = 2; i < 2 * ALPHAS; i++)
            assert_same(&line[i], &line[i % 2], 1);
    }
    subject_free(&s);
}

/* From b to a is the curve from the other side, for the whole path. */
static void test_reverse(void **state)
{
    struct subject s = make_subject("\"resnet20\"", "\"batch\"");
    struct tally line[2 * ALPHAS], back[2 * ALPHAS];
    const struct way way = {.isa = isa_choose()};
    real *a = s.a;

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        run(&s, &way, "all", MODES[m], line);
        s.a = s.b;
        s.b = a;
        run(&s, &way, "all", MODES[m], back);
        a = s.a;
        s.a = s.b;
        s.b = a;
        a = s.a;
        for (int split = 0; split < 2; split++) {
            const double off = tally_loss(&line[split]) / tally_loss(&back[8 + split]);
            assert_true(fabs(off - 1) < 1e-5); /* -0.25 and 1.25 */
            assert_same(&line[2 + split], &back[6 + split], 1);
            assert_same(&line[6 + split], &back[2 + split], 1);
        }
    }
    subject_free(&s);
}

/* Where the end of a line is infinite, there is no line: every point by itself. */
static void test_not_finite(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    struct tally naive[2 * ALPHAS], quick[2 * ALPHAS];

    (void)state;
    s.a[0] = (real)INFINITY;
    run(&s, &(struct way){.naive = true, .isa = ISA_AVX2}, "fc1", CURVE_NONE, naive);
    run(&s, &(struct way){.isa = ISA_AVX2}, "fc1", CURVE_NONE, quick);
    assert_same(naive, quick, 2 * ALPHAS);
    assert_true(quick[2 * 3].nan_count + quick[2 * 3].inf_count == 0);
    assert_true(quick[2 * 2].nan_count + quick[2 * 2].inf_count > 0);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_savings),         cmocka_unit_test(test_ends),
        cmocka_unit_test(test_threads_and_isa), cmocka_unit_test(test_no_distance),
        cmocka_unit_test(test_reverse),         cmocka_unit_test(test_not_finite),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
