/* A curve in full: what pairs of its points differ by is what a naive sum over the
 * examples says, and neither room, stops nor shards change a bit of it. */

#include "tests/numeric/curvekit.h"
#include "worker/probe/trace.h"

#include <math.h>

enum { MORE = 12, POINTS = ALPHAS + MORE };

/* The losses that a trace told of. */
struct told {
    double losses[POINTS][2][TRAIN];
    size_t stops; /* places to stop at that are passed */
};

static void take(void *user, const struct curve_batch *batch)
{
    struct told *told = user;

    assert_true(batch->point < POINTS);
    for (int i = 0; i < batch->B; i++)
        told->losses[batch->point][batch->split][batch->from + i] = batch->losses[i];
}

static bool pause_at(void *user)
{
    struct told *told = user;
    return told->stops-- == 0;
}

/* How a trace is made. */
struct manner {
    size_t rows, most;
    double tolerance;
    bool stops;
    int64_t first[2], until[2]; /* until 0: all */
};

static double line[ALPHAS] = {-0.25, 0, 0.4, 1, 1.25};

static struct trace *make_trace(const struct subject *s, const struct manner *manner,
                                struct told *told)
{
    static const struct alphas ALL = {line, ALPHAS - 1, ALPHAS};
    const struct net_options engine = {.isa = isa_choose()};
    const struct curve_env env = {.arch = s->arch,
                                  .data = s->data,
                                  .engine = &engine,
                                  .a = s->a,
                                  .b = s->b,
                                  .first = {manner->first[0], manner->first[1]},
                                  .count = {manner->until[0] ? manner->until[0] : TRAIN,
                                            manner->until[1] ? manner->until[1] : TEST},
                                  .bn_count = MOMENTS,
                                  .batch = take,
                                  .user = told};
    const struct trace_plan plan = {.alphas = &ALL,
                                    .tolerance = manner->tolerance,
                                    .most = manner->most,
                                    .rows = manner->rows,
                                    .pause = manner->stops ? pause_at : NULL};
    struct error err = {0};
    struct trace *trace = trace_new(&env, &plan, &err);

    if (!trace)
        fail_msg("%s", err.text);
    return trace;
}

static void assert_near(const struct exact *sum, long double want, long double scale)
{
    assert_true(fabsl((long double)exact_value(sum) - want) <= 1e-13L * scale);
}

static void check_pairs(const struct trace_pairs *pairs, const double *x, const double *y,
                        int64_t n)
{
    long double sum = 0, sum_sq = 0, size = 0;

    assert_true(pairs->known);
    assert_int_equal(pairs->n, n);
    for (int64_t i = 0; i < n; i++) {
        const long double d = (long double)x[i] - (long double)y[i];
        sum += d;
        sum_sq += d * d;
        size += fabsl(d);
    }
    assert_near(&pairs->sum, sum, size);
    assert_near(&pairs->sum_sq, sum_sq, sum_sq);
}

/* ---- sums ------------------------------------------------------------------- */

static size_t point_at(const struct trace_point *points, size_t count, double alpha)
{
    for (size_t i = 0; i < count; i++)
        if (points[i].alpha == alpha)
            return i;
    fail_msg("no point at %g", alpha);
    return 0;
}

static double mean_of(const struct trace_point *point, int split)
{
    const struct tally tally = tally_round(&point->tally[split]);
    return tally_loss(&tally);
}

static void check_rise(const struct trace *trace, const struct told *told, int split)
{
    const struct trace_rise *rise = &trace_rises(trace)[split];
    double highest = 0;
    size_t count;
    const struct trace_point *points = trace_points(trace, &count);

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (points[i].alpha >= 0 && points[i].alpha < points[j].alpha &&
                points[j].alpha <= 1)
                highest = fmax(highest,
                               mean_of(&points[j], split) - mean_of(&points[i], split));
    if (highest == 0) {
        assert_false(rise->pairs.known);
        return;
    }
    const size_t i = point_at(points, count, rise->from);
    const size_t j = point_at(points, count, rise->to);
    assert_true(mean_of(&points[j], split) - mean_of(&points[i], split) == highest);
    check_pairs(&rise->pairs, told->losses[j][split], told->losses[i][split],
                split ? TEST : TRAIN);
}

static void check_trace(const struct trace *trace, const struct told *told)
{
    size_t count;
    const struct trace_point *points = trace_points(trace, &count);

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(points[i].origin, i < ALPHAS - 1 ? ALPHA_GRID
                                           : i < ALPHAS   ? ALPHA_REFINE
                                                          : ALPHA_ADAPT);
        for (int s = 0; s < 2; s++) {
            struct tally_sum tally = {0};
            for (int k = 0; k < (s ? TEST : TRAIN); k++)
                tally_add(&tally, told->losses[i][s][k], 0);
            assert_memory_equal(&tally.sum, &points[i].tally[s].sum, sizeof tally.sum);
            check_pairs(&points[i].pairs[s][TRACE_START], told->losses[i][s],
                        told->losses[1][s], s ? TEST : TRAIN);
            check_pairs(&points[i].pairs[s][TRACE_END], told->losses[i][s],
                        told->losses[3][s], s ? TEST : TRAIN);
        }
    }
    for (int s = 0; s < 2; s++) {
        check_rise(trace, told, s);
        assert_true(exact_value(&points[1].pairs[s][TRACE_START].sum_sq) == 0);
        assert_true(exact_value(&points[3].pairs[s][TRACE_END].sum_sq) == 0);
    }
}

static const struct {
    const char *group;
    enum curve_bn bn;
} CURVES[] = {{"all", CURVE_INTERP},
              {"fc", CURVE_RECOMPUTE},
              {"B2", CURVE_START},
              {"B3", CURVE_RECOMPUTE},
              {"fc", CURVE_INTERP}};

enum { CURVE_COUNT = sizeof CURVES / sizeof CURVES[0] };

static void test_sums(void **state)
{
    struct subject s = make_subject("\"resnet20\"", "\"batch\"");
    struct told *told = num_alloc(1, sizeof *told);
    const struct manner manner = {0};
    struct trace *trace = make_trace(&s, &manner, told);

    (void)state;
    for (size_t i = 0; i < CURVE_COUNT; i++) {
        assert_int_equal(trace_run(trace, CURVES[i].group, CURVES[i].bn, NULL, NULL), 0);
        check_trace(trace, told);
    }
    trace_free(&trace);
    trace_free(&trace);
    free(told);
    subject_free(&s);
}

/* ---- room --------------------------------------------------------------------- */

static void assert_same(const struct trace *a, const struct trace *b)
{
    size_t m, n;
    const struct trace_point *x = trace_points(a, &m), *y = trace_points(b, &n);

    assert_int_equal(m, n);
    assert_memory_equal(x, y, n * sizeof *x);
    assert_memory_equal(trace_rises(a), trace_rises(b), 2 * sizeof(struct trace_rise));
}

/* What is not kept is evaluated again, to the same bits; and points are asked for. */
static void test_room(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    struct told *told = num_alloc(2, sizeof *told);
    const struct manner wide = {.most = MORE, .tolerance = 1e-3};
    const struct manner narrow = {.most = MORE, .tolerance = 1e-3, .rows = 1};
    struct trace *a = make_trace(&s, &wide, &told[0]);
    struct trace *b = make_trace(&s, &narrow, &told[1]);
    static const char *const GROUPS[] = {"all", "fc1", "fc3"};
    size_t count, more = 0;

    (void)state;
    for (int g = 0; g < 3; g++) {
        assert_int_equal(trace_run(a, GROUPS[g], CURVE_NONE, NULL, NULL), 0);
        assert_int_equal(trace_run(b, GROUPS[g], CURVE_NONE, NULL, NULL), 0);
        assert_same(a, b);
        check_trace(a, &told[0]);
        check_trace(b, &told[1]);
        (void)trace_points(a, &count);
        more += count - ALPHAS;
    }
    assert_true(more > 0);
    trace_free(&a);
    trace_free(&b);
    free(told);
    subject_free(&s);
}

/* ---- stops -------------------------------------------------------------------- */

static void test_stops(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    struct told *told = num_alloc(2, sizeof *told);
    const struct manner plain = {.most = MORE, .tolerance = 1e-3};
    const struct manner stops = {
        .most = MORE, .tolerance = 1e-3, .rows = 4, .stops = true};
    struct trace *a = make_trace(&s, &plain, &told[0]), *b;
    struct trace_point given[ALPHAS];
    size_t count, times = 0;
    int rc;

    (void)state;
    assert_int_equal(trace_run(a, "fc1", CURVE_NONE, NULL, NULL), 0);
    for (told[1].stops = 0, rc = TRACE_STOPPED; rc == TRACE_STOPPED;
         told[1].stops = ++times) {
        b = make_trace(&s, &stops, &told[1]);
        rc = trace_run(b, "fc1", CURVE_NONE, times ? given : NULL, NULL);
        memcpy(given, trace_points(b, &count), sizeof given);
        if (rc == 0)
            assert_same(a, b);
        trace_free(&b);
    }
    assert_true(rc == 0 && times > 2);
    trace_free(&a);
    free(told);
    subject_free(&s);
}

/* ---- shards ------------------------------------------------------------------- */

static void merge_pairs(struct trace_pairs *into, const struct trace_pairs *from)
{
    into->n += from->n;
    exact_merge(&into->sum, &from->sum);
    exact_merge(&into->sum_sq, &from->sum_sq);
}

static void test_shards(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    struct told *told = num_alloc(1, sizeof *told);
    const struct manner manners[] = {
        {0}, {.until = {EVAL_BATCH, EVAL_BATCH}}, {.first = {EVAL_BATCH, EVAL_BATCH}}};
    struct trace *traces[3];
    struct trace_point merged[ALPHAS];
    size_t count;

    (void)state;
    for (int i = 0; i < 3; i++) {
        traces[i] = make_trace(&s, &manners[i], told);
        assert_int_equal(trace_run(traces[i], "fc1", CURVE_NONE, NULL, NULL), 0);
    }
    memcpy(merged, trace_points(traces[1], &count), sizeof merged);
    for (int i = 0; i < ALPHAS; i++)
        for (int split = 0; split < 2; split++) {
            const struct trace_point *more = &trace_points(traces[2], &count)[i];
            tally_merge(&merged[i].tally[split], &more->tally[split]);
            for (int end = 0; end < 2; end++)
                merge_pairs(&merged[i].pairs[split][end], &more->pairs[split][end]);
        }
    assert_memory_equal(merged, trace_points(traces[0], &count), sizeof merged);
    /* Of merged points only the two that the rise needs are evaluated. */
    memset(told, 0, sizeof *told);
    struct trace *whole = make_trace(&s, &manners[0], told);
    assert_int_equal(trace_run(whole, "fc1", CURVE_NONE, merged, NULL), 0);
    assert_same(whole, traces[0]);
    assert_true(told->losses[0][0][0] == 0 && told->losses[4][0][0] == 0);
    trace_free(&whole);
    for (int i = 0; i < 3; i++)
        trace_free(&traces[i]);
    free(told);
    subject_free(&s);
}

/* ---- not finite --------------------------------------------------------------- */

static void test_not_finite(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    struct told *told = num_alloc(1, sizeof *told);
    const struct manner manner = {0};
    struct trace *trace;
    const struct trace_point *points;
    size_t count;

    (void)state;
    s.a[0] = (real)NAN;
    trace = make_trace(&s, &manner, told);
    assert_int_equal(trace_run(trace, "fc1", CURVE_NONE, NULL, NULL), 0);
    points = trace_points(trace, &count);
    for (int i = 0; i < ALPHAS; i++)
        for (int split = 0; split < 2; split++) {
            assert_false(points[i].pairs[split][TRACE_START].known);
            assert_int_equal(points[i].pairs[split][TRACE_END].known, i == 3);
        }
    assert_false(trace_rises(trace)[0].pairs.known);
    trace_free(&trace);
    free(told);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),       cmocka_unit_test(test_room),
        cmocka_unit_test(test_stops),      cmocka_unit_test(test_shards),
        cmocka_unit_test(test_not_finite),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
