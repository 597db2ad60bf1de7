/* Where curves ask for more points: of curves that are formulas, so that what they
 * should ask is known. */

#include "worker/probe/refine.h"

#include "common/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS_MAX = 600 };

/* A curve as it is found out. */
struct found {
    double (*loss)(double alpha, int split);
    double error; /* standard, of every difference */
    int errors_asked;
    double alphas[POINTS_MAX];
    double losses[POINTS_MAX][2];
    size_t given, count, rounds;
    size_t first_of[64]; /* points, of rounds */
};

static int error_of(void *user, int split, const size_t points[3], double share,
                    double *ret, struct error *err)
{
    struct found *found = user;
    const double low = found->alphas[points[0]], high = found->alphas[points[2]];

    assert_true(split == 0 || split == 1);
    assert_true(low < found->alphas[points[1]] && found->alphas[points[1]] < high);
    assert_true(fabs(low + share * (high - low) - found->alphas[points[1]]) < 1e-12);
    for (int i = 0; i < 3; i++)
        assert_true(isfinite(found->losses[points[i]][split]));
    found->errors_asked++;
    if (found->error < 0)
        return err_set(err, ERR_NO_MEMORY, "no memory");
    *ret = found->error;
    return 0;
}

static void measure(struct found *found, double alpha)
{
    assert_true(found->count < POINTS_MAX);
    for (size_t i = 0; i < found->count; i++)
        assert_true(found->alphas[i] != alpha);
    found->alphas[found->count] = alpha;
    for (int s = 0; s < 2; s++)
        found->losses[found->count][s] = found->loss(alpha, s);
    found->count++;
}

/* Ask until nothing is asked. */
static void find_out(struct found *found, double tolerance, size_t most)
{
    const struct refine_env env = {tolerance, most, error_of, found};
    struct error err = {0};
    struct refine *refine = refine_new(&env, found->alphas, found->count, &err);
    double asked[POINTS_MAX];
    size_t n;

    assert_non_null(refine);
    found->given = found->count;
    for (;;) {
        assert_int_equal(
            refine_ask(refine, (const double(*)[2])found->losses, asked, &n, &err), 0);
        if (n == 0)
            break;
        found->first_of[found->rounds++] = found->count;
        for (size_t i = 0; i < n; i++)
            measure(found, asked[i]);
    }
    assert_true(found->count <= found->given + most);
    refine_free(&refine);
    assert_null(refine);
}

static struct found grid_of(double (*loss)(double, int), size_t n)
{
    struct found found = {.loss = loss};

    for (size_t i = 0; i < n; i++)
        measure(&found, (double)i / (double)(n - 1));
    return found;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the lines between neighbours miss the curve by, of 2,000 places. */
static double worst_miss(const struct found *found, int split)
{
    double sorted[POINTS_MAX], worst = 0;

    memcpy(sorted, found->alphas, found->count * sizeof *sorted);
    qsort(sorted, found->count, sizeof *sorted, compare);
    for (int i = 1, k = 1; i < 2000; i++) {
        const double x = (double)i / 2000;
        while (sorted[k] < x)
            k++;
        const double t = (x - sorted[k - 1]) / (sorted[k] - sorted[k - 1]);
        const double line = (1 - t) * found->loss(sorted[k - 1], split) +
                            t * found->loss(sorted[k], split);
        worst = fmax(worst, fabs(found->loss(x, split) - line) / fmax(1, line));
    }
    return worst;
}

/* ---- curves ------------------------------------------------------------------- */

static double straight(double alpha, int split)
{
    return 3 - 2 * alpha + split;
}

/* All of the drop between 0.9 and 0.92. */
static double cliff(double alpha, int split)
{
    return 2.3 / (1 + exp((alpha - 0.91) * 1000)) + 0.1 * split;
}

static double parabola(double alpha, int split)
{
    return split ? 1 : alpha * alpha;
}

static void test_straight(void **state)
{
    struct found found = grid_of(straight, 11);

    (void)state;
    find_out(&found, 0.05, 100);
    assert_int_equal(found.count, 11);
    assert_int_equal(found.errors_asked, 0);
}

static void test_cliff(void **state)
{
    struct found found = grid_of(cliff, 26);

    (void)state;
    assert_true(worst_miss(&found, 0) > 0.5);
    find_out(&found, 0.02, 100);
    assert_true(worst_miss(&found, 0) < 0.02 && worst_miss(&found, 1) < 0.02);
    assert_true(found.count - found.given < 50);
    /* Where nothing happens nothing is asked. */
    for (size_t i = found.given; i < found.count; i++)
        assert_true(found.alphas[i] > 0.83 && found.alphas[i] < 0.97);
}

/* Of x^2 the line over a gap of h misses h^2/4 at its middle: 0.25, 0.0625, ... */
static void test_halving(void **state)
{
    struct found found = grid_of(parabola, 2);

    (void)state;
    find_out(&found, 0.03, 100);
    /* 0.5 misses 0.25; 0.25 and 0.75 miss 0.0625; four of 0.0156 end it. */
    assert_int_equal(found.count, 2 + 1 + 2 + 4);
    assert_int_equal(found.rounds, 3);
    assert_true(found.alphas[2] == 0.5);
    assert_true(found.alphas[3] == 0.25 && found.alphas[4] == 0.75);
    assert_true(found.alphas[5] == 0.125 && found.alphas[8] == 0.875);
    /* On the other split. */
    found = grid_of(parabola, 3);
    for (size_t i = 0; i < 3; i++) {
        double *at = found.losses[i], swap = at[0];
        at[0] = at[1];
        at[1] = swap;
    }
    find_out(&found, 0.2, 1);
    assert_int_equal(found.count, 4);
}

static double two_bends(double alpha, int split)
{
    (void)split;
    return 10 * fabs(alpha - 0.25) + 40 * fabs(alpha - 0.75);
}

/* The larger miss first; and no more than may be. */
static void test_most(void **state)
{
    struct found found = grid_of(two_bends, 6);

    (void)state;
    find_out(&found, 0.01, 3);
    assert_int_equal(found.count, 9);
    assert_true(found.alphas[6] == 0.7 || found.alphas[6] == 0.9 ||
                fabs(found.alphas[6] - 0.7) < 1e-12);
    found = grid_of(two_bends, 6);
    find_out(&found, 0.01, 0);
    assert_int_equal(found.count, 6);
}

/* A kink is never straight: the smallest gap ends it. */
static double kink(double alpha, int split)
{
    (void)split;
    return 1000 * fabs(alpha - 1 / M_PI);
}

static void test_smallest_gap(void **state)
{
    struct found found = grid_of(kink, 2);
    double smallest = 1;

    (void)state;
    find_out(&found, 1e-6, 500);
    assert_true(found.count < 100);
    for (size_t i = 0; i < found.count; i++)
        for (size_t j = 0; j < i; j++)
            smallest = fmin(smallest, fabs(found.alphas[i] - found.alphas[j]));
    assert_true(smallest == 1.0 / 16384);
}

/* What two standard errors explain is not looked into. */
static void test_noise(void **state)
{
    struct found found = grid_of(parabola, 3);

    (void)state;
    found.error = 0.126; /* the line misses 0.25 */
    find_out(&found, 0.03, 100);
    assert_int_equal(found.count, 3);
    assert_true(found.errors_asked > 0);
    found = grid_of(parabola, 3);
    found.error = 0.124;
    find_out(&found, 0.03, 100);
    assert_true(found.count > 3);
}

/* High losses are told less precisely. */
static double high(double alpha, int split)
{
    (void)split;
    return 100 + 3 * sin(9 * alpha);
}

static void test_scale(void **state)
{
    struct found found = grid_of(high, 11);

    (void)state;
    find_out(&found, 0.05, 100);
    assert_int_equal(found.count, 11);
    find_out(&found, 0.001, 100);
    assert_true(found.count > 11);
}

static double pole(double alpha, int split)
{
    return split && alpha > 1 / M_PI ? (double)NAN : 1;
}

static double lost(double alpha, int split)
{
    (void)alpha;
    return split ? (double)NAN : (double)INFINITY;
}

/* Where the loss stops being finite is found to 2^-10 of the span. */
static void test_not_finite(void **state)
{
    struct found found = grid_of(pole, 5);
    double below = 0, above = 1;

    (void)state;
    find_out(&found, 0.05, 100);
    for (size_t i = 0; i < found.count; i++)
        if (isnan(found.losses[i][1]))
            above = fmin(above, found.alphas[i]);
        else
            below = fmax(below, found.alphas[i]);
    assert_true(above - below == 1.0 / 1024);
    /* Beside the edge, 0.25 has one neighbour only. */
    assert_int_equal(found.count, 5 + 8 + 1);
    found = grid_of(lost, 5);
    find_out(&found, 0.05, 100);
    assert_int_equal(found.count, 5);
    found = grid_of(lost, 2);
    find_out(&found, 0.05, 100);
    assert_int_equal(found.count, 2);
}

/* The order of the given points, as of a grid and its refinements, is no matter. */
static void test_any_order(void **state)
{
    struct found a = grid_of(cliff, 11), b = {.loss = cliff};

    (void)state;
    for (size_t i = 0; i < 11; i++)
        measure(&b, a.alphas[7 * i % 11]);
    find_out(&a, 0.02, 40);
    find_out(&b, 0.02, 40);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.alphas + 11, b.alphas + 11, (a.count - 11) * sizeof(double));
}

static void test_failure(void **state)
{
    struct found found = grid_of(parabola, 3);
    const struct refine_env env = {0.03, 10, error_of, &found};
    struct error err = {0};
    struct refine *refine = refine_new(&env, found.alphas, found.count, &err);
    double asked[10];
    size_t n;

    (void)state;
    found.error = -1;
    assert_int_equal(
        refine_ask(refine, (const double(*)[2])found.losses, asked, &n, &err), -1);
    assert_string_equal(err.text, "no memory");
    refine_free(&refine);
    refine_free(&refine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_straight),     cmocka_unit_test(test_cliff),
        cmocka_unit_test(test_halving),      cmocka_unit_test(test_most),
        cmocka_unit_test(test_smallest_gap), cmocka_unit_test(test_noise),
        cmocka_unit_test(test_scale),        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_any_order),    cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
