/* The alphas that a probe's spec gives: the grid's, and those near a point by the
 * formula of alphas.h. */

#include "common/alphas.h"

#include "tests/unit/fixture.h"

#include <math.h>

static struct spec spec_of(const char *alphas, const char *refine)
{
    struct spec spec = fixture_spec(
        JOB_PROBE, "a.run", "\"00000000000000000000000000000000\"", "a.state", "\"init\"",
        "b.run", "\"00000000000000000000000000000000\"", "b.state", "\"final\"",
        "probe.kind", "\"path\"", NULL);

    fixture_set(&spec, "probe.alphas", alphas);
    if (refine)
        fixture_set(&spec, "probe.refine", refine);
    return spec;
}

static struct alphas alphas_in(struct spec spec)
{
    struct alphas alphas;
    struct error err = {0};

    if (spec_check(&spec, NULL, &err) || alphas_of(&spec, &alphas, &err))
        fail_msg("%s", err.text);
    spec_free(&spec);
    for (size_t i = 1; i < alphas.count; i++)
        assert_true(i == alphas.grid || alphas.at[i] > alphas.at[i - 1]);
    for (size_t i = 0; i < alphas.count; i++)
        assert_int_equal(alphas_origin(&alphas, i),
                         i < alphas.grid ? ALPHA_GRID : ALPHA_REFINE);
    return alphas;
}

/* What is beyond the grid. */
static void check_more(const char *grid, const char *refine, const double *want,
                       size_t count)
{
    struct alphas alphas = alphas_in(spec_of(grid, refine));

    assert_int_equal(alphas.count - alphas.grid, count);
    for (size_t i = 0; i < count; i++)
        if (fabs(alphas.at[alphas.grid + i] - want[i]) > 1e-15)
            fail_msg("%s, %s: alpha %zu is %.17g, not %.17g", grid, refine, i,
                     alphas.at[alphas.grid + i], want[i]);
    alphas_free(&alphas);
}

#define CHECK_MORE(grid, refine, ...)                                                    \
    check_more(grid, refine, (const double[]){__VA_ARGS__},                              \
               sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void test_grid(void **state)
{
    struct alphas alphas = alphas_in(spec_of("50", NULL));
    struct spec spec;

    (void)state;
    assert_int_equal(alphas.grid, 50);
    assert_int_equal(alphas.count, 50);
    for (size_t i = 0; i < 50; i++)
        assert_true(fabs(alphas.at[i] - (double)i / 49) < 1e-15);
    assert_true(alphas.at[0] == 0 && alphas.at[49] == 1);
    alphas_free(&alphas);

    spec = spec_of("7", NULL);
    fixture_set(&spec, "probe.from", "-0.3");
    fixture_set(&spec, "probe.to", "1.7");
    alphas = alphas_in(spec);
    assert_int_equal(alphas.count, 7);
    assert_true(alphas.at[0] == -0.3 && alphas.at[6] == 1.7);
    alphas_free(&alphas);

    alphas = alphas_in(spec_of("[0.0,0.98,0.99,1.0]", NULL));
    assert_int_equal(alphas.count, 4);
    assert_true(alphas.at[1] == 0.98 && alphas.at[3] == 1);
    alphas_free(&alphas);
}

static void test_sides(void **state)
{
    (void)state;
    /* At an end of the span all are on the one side, a step of the grid wide. */
    CHECK_MORE("5", "[[1.0,3,0.0]]", 0.875, 0.9375, 0.96875);
    CHECK_MORE("5", "[[0.0,2,0.0]]", 0.0625, 0.125);
    /* Within, the larger half is below. */
    CHECK_MORE("3", "[[0.5,3,0.0]]", 0.25, 0.375, 0.75);
    CHECK_MORE("3", "[[0.5,1,0.0]]", 0.25);
    /* Off the grid: to the neighbours. */
    CHECK_MORE("[0.0,0.5,1.0]", "[[0.75,2,0.0]]", 0.625, 0.875);
    /* Between others of a list. */
    CHECK_MORE("[0.0,0.9,1.0,2.0]", "[[1.0,2,0.0]]", 0.95, 1.5);
}

static void test_width(void **state)
{
    (void)state;
    CHECK_MORE("3", "[[1.0,2,0.25]]", 0.875, 0.9375);
    /* Cut off at the ends of the span: 0.75 below, 0.25 above. */
    CHECK_MORE("3", "[[0.75,2,8.0]]", 0.375, 0.875);
    /* What is on the grid already is not there twice. */
    CHECK_MORE("3", "[[1.0,2,1.0]]", 0.75);
    CHECK_MORE("[0.0,0.1,0.2,0.4]", "[[0.4,3,0.4]]", 0.3, 0.35);
}

static void test_several(void **state)
{
    (void)state;
    CHECK_MORE("3", "[[0.0,1,0.0],[1.0,1,0.0]]", 0.25, 0.75);
    CHECK_MORE("3", "[[1.0,1,0.0],[1.0,2,0.0]]", 0.75, 0.875);
    CHECK_MORE("3", "[[1.0,1,0.5],[1.0,2,0.25]]", 0.75, 0.875, 0.9375);
}

/* Ten halvings, however many points: all the drop of a path can be in them. */
static void test_many(void **state)
{
    struct alphas alphas = alphas_in(spec_of("50", "[[1.0,20,0.0]]"));
    const double *at = alphas.at + alphas.grid, step = 1 - alphas.at[48];

    (void)state;
    assert_int_equal(alphas.count, 70);
    for (size_t k = 1; k <= 20; k++) {
        const double octave = ldexp(step, -(int)(k / 2));
        assert_true(fabs(1 - at[k - 1] - (k % 2 ? 0.75 : 1) * octave) < 1e-15);
    }
    alphas_free(&alphas);
    alphas = alphas_in(spec_of("2", "[[1.0,1000,0.0]]"));
    assert_int_equal(alphas.count, 1002);
    assert_true(alphas.at[1001] == 1 - 1.0 / 1024);
    alphas_free(&alphas);
}

static void check_bad(struct spec spec, const char *want)
{
    struct error err = {0};

    assert_int_equal(spec_check(&spec, NULL, &err), -1);
    assert_string_equal(err.text, want);
    spec_free(&spec);
}

static void test_rules(void **state)
{
    struct spec spec;

    (void)state;
    check_bad(spec_of("5", "[[1.5,3,0.0]]"),
              "option 'probe.refine': near = 1.5 is outside the alphas, 0 to 1");
    check_bad(spec_of("[0.5]", "[[0.5,3,0.0]]"),
              "option 'probe.refine': a single alpha has no span to refine");
    check_bad(spec_of("5", "[[0.0,10000,0.0],[0.1,10000,0.0],[0.2,10000,0.0],"
                           "[0.3,10000,0.0],[0.4,10000,0.0],[0.5,10000,0.0],"
                           "[0.6,10000,0.0]]"),
              "option 'probe.refine': more points than a line may have");
    spec = spec_of("[0.5]", NULL);
    fixture_set(&spec, "probe.adapt.most", "3");
    check_bad(spec, "option 'probe.adapt.most': a single alpha has no span to refine");
    spec = spec_of("5", NULL);
    fixture_set(&spec, "probe.adapt.tolerance", "0.5");
    check_bad(spec, "option 'probe.adapt.tolerance': applies only where adapt.most is"
                    " above 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid),  cmocka_unit_test(test_sides),
        cmocka_unit_test(test_width), cmocka_unit_test(test_several),
        cmocka_unit_test(test_many),  cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
