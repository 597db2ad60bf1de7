/* Groups in the order of layers, so that each goes on from where b's own run was left by
 * the one before: the bits of a curve that is alone, whatever there is room for. */

#include "tests/numeric/curvekit.h"

enum { POINTS = 2 };

static const double AT[POINTS] = {0.3, 1};
static const enum curve_bn MODES[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_START,
                                      CURVE_BATCH};
enum { MODE_COUNT = sizeof MODES / sizeof MODES[0] };

static struct curve *open_curve(const struct subject *s, size_t store_bytes)
{
    const struct way way = {.isa = isa_choose(), .store_bytes = store_bytes};

    return make_curve(s, &way, NULL, NULL);
}

static void follow(struct curve *curve, const char *group, int mode, bool norm,
                   struct tally_sum ret[2 * POINTS])
{
    assert_int_equal(
        curve_run(curve, group, norm ? MODES[mode] : CURVE_NONE, AT, POINTS, ret, NULL),
        0);
}

static void check(const struct subject *s, int by)
{
    static const size_t stores[] = {0, 1, 600 << 10};
    const char *groups[ARCH_TENSORS_MAX];
    const int count = arch_groups(s->arch, groups, ARCH_TENSORS_MAX);
    const bool norm = arch_has_norm(s->arch);
    struct curve *curves[3];

    for (int c = 0; c < 3; c++)
        curves[c] = open_curve(s, stores[c]);
    for (int g = 0; g < count; g += by)
        for (int m = 0; m < (norm ? MODE_COUNT : 1); m++) {
            struct tally_sum alone[2 * POINTS], got[2 * POINTS];
            struct curve *other = open_curve(s, 0);

            follow(other, groups[g], m, norm, alone);
            for (int c = 0; c < 3; c++) {
                follow(curves[c], groups[g], m, norm, got);
                assert_memory_equal(got, alone, sizeof alone);
            }
            curve_free(&other);
        }
    for (int c = 0; c < 3; c++)
        curve_free(&curves[c]);
}

static void test_mlp(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");

    (void)state;
    check(&s, 1);
    subject_free(&s);
}

/* Where a line has no finite ends, what is left is before it. */
static void test_not_finite(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");

    (void)state;
    s.a[0] = (real)INFINITY;
    check(&s, 1);
    subject_free(&s);
}

static void test_norms(void **state)
{
    struct subject mlp = make_subject("\"mlp\"", "\"batch\"");
    struct subject resnet = make_subject("\"resnet20\"", "\"batch\"");

    (void)state;
    check(&mlp, 1);
    check(&resnet, 4);
    subject_free(&mlp);
    subject_free(&resnet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_norms),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
