/* Curves that are cut by alphas and by images: their sums are the whole curve's, to the
 * bit. */

#include "tests/numeric/curvekit.h"

static const enum curve_bn MODES[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_END,
                                      CURVE_START, CURVE_BATCH};

/* Some examples of a curve. */
struct cut {
    int64_t first[2], until[2];
};

static struct curve *open_cut(const struct subject *s, const struct cut *cut)
{
    const struct net_options engine = {.isa = isa_choose()};
    const struct curve_env env = {.arch = s->arch,
                                  .data = s->data,
                                  .engine = &engine,
                                  .a = s->a,
                                  .b = s->b,
                                  .count = {cut->until[0], cut->until[1]},
                                  .first = {cut->first[0], cut->first[1]},
                                  .bn_count = MOMENTS};
    struct curve *curve = curve_new(&env, NULL);

    assert_non_null(curve);
    return curve;
}

static void whole(const struct subject *s, const char *group, enum curve_bn bn,
                  struct tally_sum ret[2 * ALPHAS])
{
    const struct way way = {.isa = isa_choose()};
    struct curve *curve = make_curve(s, &way, NULL, NULL);

    assert_int_equal(curve_run(curve, group, bn, LINE, ALPHAS, ret, NULL), 0);
    curve_free(&curve);
}

static void assert_sums(const struct tally_sum *a, const struct tally_sum *b)
{
    for (int i = 0; i < 2 * ALPHAS; i++)
        assert_memory_equal(&a[i], &b[i], sizeof *a);
}

/* ---- shards ---------------------------------------------------------------------- */

static void check_shards(const struct subject *s, const char *group, enum curve_bn bn)
{
    static const size_t cuts[] = {0, 2, 3, ALPHAS};
    const struct cut halves[2] = {{.until = {128, 0}},
                                  {.first = {128, 0}, .until = {TRAIN, TEST}}};
    struct tally_sum all[2 * ALPHAS], sum[2 * ALPHAS] = {{0}};

    whole(s, group, bn, all);
    for (int h = 1; h >= 0; h--) {
        struct curve *curve = open_cut(s, &halves[h]);

        for (size_t c = 3; c-- > 0;) {
            struct tally_sum part[2 * ALPHAS];
            const size_t n = cuts[c + 1] - cuts[c];
            assert_int_equal(curve_run(curve, group, bn, LINE + cuts[c], n, part, NULL),
                             0);
            for (size_t i = 0; i < 2 * n; i++)
                tally_merge(&sum[2 * cuts[c] + i], &part[i]);
        }
        curve_free(&curve);
    }
    assert_sums(sum, all);
}

static void check_net(const char *model, const char *norm, const char *const groups[3])
{
    struct subject s = make_subject(model, norm);
    const bool has_norm = arch_has_norm(s.arch);

    for (int g = 0; g < 3; g++)
        for (int m = 0; m < (has_norm ? 5 : 1); m++) {
            const enum curve_bn bn = has_norm ? MODES[m] : CURVE_NONE;
            check_shards(&s, groups[g], bn);
        }
    subject_free(&s);
}

static void test_cuts(void **state)
{
    (void)state;
    check_net("\"mlp\"", "\"none\"", (const char *const[]){"all", "fc1", "fc3"});
    check_net("\"resnet20\"", "\"batch\"", (const char *const[]){"all", "B2", "fc"});
}

/* Where some batches have no line, the others do as if they were alone. */
static void test_not_finite(void **state)
{
    static const float sizes[] = {3e38F, 2e38F, 1.5e38F, 1e38F, 7e37F};
    struct subject s = make_subject("\"mlp\"", "\"none\"");

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        s.a[0] = (real)sizes[i];
        check_shards(&s, "fc1", CURVE_NONE);
    }
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_not_finite),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
