/* Planes: states lie where they should to the bit, every other point has the loss of
 * the state that the formula gives, and directions are as long as they should be. */

#include "tests/numeric/curvekit.h"
#include "worker/probe/direction.h"
#include "worker/probe/plane.h"

/* Between a row's points and the formula's: found 1e-7. */
#define POINT_BOUND 1e-6

enum { XS = 4, YS = 3 };

static const double X[XS] = {-0.5, 0, 0.7, 1}, Y[YS] = {0, 0.3, 1};

static const enum curve_bn MODES[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_END,
                                      CURVE_START, CURVE_BATCH};

struct surface {
    struct subject s;
    real *c;
    struct net_options engine;
    struct plane_env env;
};

static void open_surface(struct surface *surface, const char *model, const char *norm)
{
    struct surface *f = surface;

    f->s = make_subject(model, norm);
    f->c = make_state(&f->s, "3", 13);
    f->engine = (struct net_options){.isa = isa_choose()};
    f->env = (struct plane_env){.curve = {.arch = f->s.arch,
                                          .data = f->s.data,
                                          .engine = &f->engine,
                                          .count = {TRAIN, TEST},
                                          .bn_count = MOMENTS},
                                .o = f->s.a,
                                .p = f->s.b,
                                .q = f->c,
                                .xs = {X, XS},
                                .ys = {Y, YS}};
}

static void close_surface(struct surface *f)
{
    subject_free(&f->s);
    free(f->c);
}

static struct plane *make_plane(const struct surface *f, bool naive)
{
    struct plane_env env = f->env;
    struct plane *plane;

    env.curve.naive = naive;
    plane = plane_new(&env, NULL);
    assert_non_null(plane);
    return plane;
}

static struct tally at(const struct tally_sum *got, int x, int y, int split)
{
    return tally_round(&got[2 * (y * XS + x) + split]);
}

static void run_plane(const struct surface *f, struct plane *plane, enum curve_bn bn,
                      struct tally_sum *got)
{
    struct error err = {0};

    memset(got, 0, 2 * XS * YS * sizeof *got);
    for (size_t j = 0; j < f->env.ys.count; j++)
        if (plane_row(plane, bn, j, got + 2 * j * f->env.xs.count, &err))
            fail_msg("%s", err.text);
}

static void assert_equal(const struct tally *a, const struct tally *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

/* ---- states ------------------------------------------------------------------- */

static void check_corner(const struct surface *f, const struct tally_sum *got, int x,
                         int y, const real *state)
{
    struct eval *eval = eval_new(f->s.arch, f->s.data, &f->engine, NULL);

    assert_non_null(eval);
    for (int split = 0; split < 2; split++) {
        const struct tally want =
            eval_run(eval, state, (enum split)split, split ? TEST : TRAIN);
        const struct tally is = at(got, x, y, split);
        assert_equal(&is, &want);
    }
    eval_free(&eval);
}

static void check_corners(const char *model, const char *norm)
{
    struct surface f;
    struct tally_sum got[2 * XS * YS];
    struct plane *plane;
    real *theta;

    open_surface(&f, model, norm);
    theta = num_alloc(f.s.arch->state_count, sizeof *theta);
    plane = make_plane(&f, false);
    (void)plane_set_group(plane, "all");
    run_plane(&f, plane, arch_has_norm(f.s.arch) ? CURVE_INTERP : CURVE_NONE, got);
    check_corner(&f, got, 1, 0, f.s.a);
    check_corner(&f, got, 3, 0, f.s.b);
    check_corner(&f, got, 1, 2, f.c);
    plane_at(plane, 0, 1, theta);
    assert_memory_equal(theta, f.c, f.s.arch->state_count * sizeof *theta);
    free(theta);
    plane_free(&plane);
    close_surface(&f);
}

static void test_corners(void **state)
{
    (void)state;
    check_corners("\"mlp\"", "\"none\"");
    check_corners("\"mlp\"", "\"batch\"");
    check_corners("\"resnet20\"", "\"batch\"");
}

/* ---- every point -------------------------------------------------------------- */

/* What a point is, one number after another; NULL outside the group: at b. */
static void set_naive(const struct surface *f, const char *group, double x, double y,
                      real *theta)
{
    const struct arch *arch = f->s.arch;

    memcpy(theta, f->s.b, arch->state_count * sizeof *theta);
    for (int t = 0; t < arch->tensor_count; t++)
        for (size_t i = 0; arch_in_group(arch, t, group) && i < arch->tensors[t].count;
             i++) {
            const size_t n = arch->tensors[t].offset + i;
            theta[n] = (real)((1 - x - y) * (double)f->s.a[n] + x * (double)f->s.b[n] +
                              y * (double)f->c[n]);
        }
}

static void check_points(const struct surface *f, const char *group, double *worst)
{
    struct eval *eval = eval_new(f->s.arch, f->s.data, &f->engine, NULL);
    real *theta = num_alloc(f->s.arch->state_count, sizeof *theta);
    struct tally_sum got[2 * XS * YS];
    struct plane *plane = make_plane(f, false);

    assert_non_null(eval);
    (void)plane_set_group(plane, group);
    run_plane(f, plane, arch_has_norm(f->s.arch) ? CURVE_INTERP : CURVE_NONE, got);
    for (int i = 0; i < XS * YS; i++) {
        const struct tally is = at(got, i % XS, i / XS, SPLIT_TEST);
        set_naive(f, group, X[i % XS], Y[i / XS], theta);
        const struct tally want = eval_run(eval, theta, SPLIT_TEST, TEST);
        const double off = fabs(tally_loss(&is) / tally_loss(&want) - 1);
        if (!(off <= POINT_BOUND) && !isnan(tally_loss(&want)))
            fail_msg("%s at (%g,%g): %.9g, want %.9g", group, X[i % XS], Y[i / XS],
                     tally_loss(&is), tally_loss(&want));
        *worst = fmax(*worst, off);
    }
    plane_free(&plane);
    eval_free(&eval);
    free(theta);
}

static void test_points(void **state)
{
    static const char *const MODELS[] = {"\"mlp\"", "\"mlp\"", "\"resnet20\""};
    static const char *const NORMS[] = {"\"none\"", "\"batch\"", "\"batch\""};
    static const char *const GROUPS[][3] = {{"all", "fc2", "all:biases"},
                                            {"all", "fc1", "all:norms"},
                                            {"all", "B2", "all:weights"}};
    double worst = 0;

    (void)state;
    for (int m = 0; m < 3; m++) {
        struct surface f;
        open_surface(&f, MODELS[m], NORMS[m]);
        for (int g = 0; g < 3; g++)
            check_points(&f, GROUPS[m][g], &worst);
        close_surface(&f);
    }
    print_message("points within %.2g of the formula's\n", worst);
}

/* In every way of batch norm: rows as curves, against every point by itself. */
static void test_savings(void **state)
{
    struct surface f;

    (void)state;
    open_surface(&f, "\"resnet20\"", "\"batch\"");
    for (size_t m = 0; m < 5; m++) {
        struct tally_sum got[2 * XS * YS], want[2 * XS * YS];
        struct plane *quick = make_plane(&f, false), *naive = make_plane(&f, true);
        (void)plane_set_group(quick, "all");
        (void)plane_set_group(naive, "all");
        run_plane(&f, quick, MODES[m], got);
        run_plane(&f, naive, MODES[m], want);
        for (int i = 0; i < XS * YS; i++) {
            const struct tally is = at(got, i % XS, i / XS, SPLIT_TRAIN);
            const struct tally was = at(want, i % XS, i / XS, SPLIT_TRAIN);
            assert_true(fabs(tally_loss(&is) / tally_loss(&was) - 1) <= POINT_BOUND ||
                        isnan(tally_loss(&was)));
        }
        plane_free(&quick);
        plane_free(&naive);
    }
    close_surface(&f);
}

/* Neither threads nor the instruction set change a bit. */
static void test_threads_and_isa(void **state)
{
    struct team *team = team_new(3, NULL);
    struct surface f;

    (void)state;
    open_surface(&f, "\"resnet20\"", "\"batch\"");
    for (size_t m = 0; m < 2; m++) {
        struct tally_sum one[2 * XS * YS], other[2 * XS * YS];
        struct plane *plane;
        f.engine = (struct net_options){.isa = ISA_AVX2};
        plane = make_plane(&f, false);
        run_plane(&f, plane, MODES[m], one);
        plane_free(&plane);
        f.engine = (struct net_options){.isa = isa_choose(), .team = team};
        plane = make_plane(&f, false);
        run_plane(&f, plane, MODES[m], other);
        plane_free(&plane);
        assert_memory_equal(one, other, sizeof one);
    }
    close_surface(&f);
    team_free(&team);
}

/* A negative variance is no variance: far outside the triangle the loss is NaN. */
static void test_negative_variance(void **state)
{
    static const double FAR[] = {-50, 0};
    struct surface f;
    struct tally_sum got[2 * XS * YS];
    struct plane *plane;

    (void)state;
    open_surface(&f, "\"mlp\"", "\"batch\"");
    f.env.xs = (struct plane_axis){FAR, 2};
    f.env.ys = (struct plane_axis){Y, 1};
    plane = make_plane(&f, false);
    run_plane(&f, plane, CURVE_INTERP, got);
    assert_true(got[0].nan_count == TRAIN && got[2].nan_count == 0);
    run_plane(&f, plane, CURVE_END, got);
    assert_true(got[0].nan_count == 0);
    plane_free(&plane);
    close_surface(&f);
}

/* ---- directions --------------------------------------------------------------- */

static double norm_of(const real *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static void check_filters(const struct tensor *tensor, const real *theta, const real *d)
{
    const size_t filters = (size_t)tensor->dim[0], each = tensor->count / filters;

    for (size_t i = 0; tensor->rank < 2 && i < tensor->count; i++)
        assert_true(d[tensor->offset + i] == 0);
    for (size_t i = 0; tensor->rank >= 2 && i < filters; i++) {
        const size_t from = tensor->offset + i * each;
        const double want = norm_of(theta + from, each);
        assert_true(fabs(norm_of(d + from, each) - want) <= 1e-6 * want);
    }
}

static void test_directions(void **state)
{
    struct subject s = make_subject("\"resnet20\"", "\"batch\"");
    const struct arch *arch = s.arch;
    real *d = num_alloc(arch->state_count, sizeof *d);
    real *e = num_alloc(arch->state_count, sizeof *e);

    (void)state;
    direction_draw(arch, "all", s.b, 5, 1, false, d);
    assert_true(
        fabs(norm_of(d, arch->param_count) / norm_of(s.b, arch->param_count) - 1) < 1e-6);
    for (size_t i = arch->param_count; i < arch->state_count; i++)
        assert_true(d[i] == 0);
    direction_draw(arch, "all", s.b, 5, 1, false, e);
    assert_memory_equal(d, e, arch->state_count * sizeof *d);
    direction_draw(arch, "all", s.b, 5, 2, false, e);
    const struct direction_gram gram = direction_gram(arch, "all", NULL, d, e);
    assert_true(fabs(gram.cosine) < 0.05);
    assert_true(fabs(gram.x_l2 / gram.y_l2 - 1) < 1e-6);
    direction_draw(arch, "all", s.b, 5, 1, true, d);
    for (int t = 0; t < arch->param_tensors; t++)
        check_filters(&arch->tensors[t], s.b, d);
    direction_draw(arch, "fc", s.b, 5, 1, false, d);
    for (int t = 0; t < arch->param_tensors; t++)
        assert_true((norm_of(d + arch->tensors[t].offset, arch->tensors[t].count) > 0) ==
                    arch_in_group(arch, t, "fc"));
    free(d);
    free(e);
    subject_free(&s);
}

/* The middle is the state, whatever way its statistics are got. */
static void test_around(void **state)
{
    static const double LINE3[] = {-1, 0, 1};
    struct surface f;
    struct tally_sum got[2 * XS * YS], other[2 * XS * YS];
    struct plane *plane;

    (void)state;
    open_surface(&f, "\"resnet20\"", "\"batch\"");
    f.env.o = f.s.b;
    f.env.p = f.env.q = NULL;
    f.env.filters = true;
    f.env.xs = f.env.ys = (struct plane_axis){LINE3, 3};
    plane = make_plane(&f, false);
    (void)plane_set_group(plane, "all");
    run_plane(&f, plane, CURVE_INTERP, got);
    check_corner(&f, got + 2 * (1 * 3 + 1) - 2, 1, 0, f.s.b);
    run_plane(&f, plane, CURVE_START, other);
    for (int i = 0; i < 2 * 9; i++) {
        const struct tally a = tally_round(&got[i]), b = tally_round(&other[i]);
        assert_equal(&a, &b);
    }
    assert_true(exact_value(&got[0].sum) != exact_value(&got[8].sum));
    plane_free(&plane);
    close_surface(&f);
}

static void test_gram(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    const size_t n = s.arch->state_count;
    real *o = num_filled(n, 2), *x = num_filled(n, 2), *y = num_filled(n, 2);
    const size_t fc2 = arch_tensor(s.arch, "fc2.weight")->offset;
    struct direction_gram gram;

    (void)state;
    x[fc2] = 5;
    y[fc2] = 3;
    y[fc2 + 1] = 3;
    gram = direction_gram(s.arch, "all", o, x, y);
    assert_true(gram.x_l2 == 3 && fabs(gram.y_l2 - sqrt(2)) < 1e-15);
    assert_true(fabs(gram.cosine - sqrt(0.5)) < 1e-15);
    gram = direction_gram(s.arch, "fc1", o, x, y);
    assert_true(gram.x_l2 == 0 && isnan(gram.cosine));
    free(o);
    free(x);
    free(y);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_savings),
        cmocka_unit_test(test_threads_and_isa),
        cmocka_unit_test(test_negative_variance),
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_around),
        cmocka_unit_test(test_gram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
