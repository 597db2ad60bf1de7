/* What a curve tells of every example: it adds up to the points, in whatever way they are
 * evaluated, shared or not. */

#include "tests/numeric/curvekit.h"

/* What was told of one curve. */
struct told {
    struct tally_sum tally[2 * ALPHAS];
    int64_t next[2 * ALPHAS]; /* the example that is to come */
    double losses[2 * ALPHAS][TRAIN];
    uint8_t labels[2][TRAIN];
};

static void take(void *user, const struct curve_batch *batch)
{
    struct told *told = user;
    const size_t i = 2 * batch->point + batch->split;

    assert_true(batch->point < ALPHAS && batch->B > 0 && batch->B <= EVAL_BATCH);
    if (batch->from == 0) {
        told->tally[i] = (struct tally_sum){0};
        told->next[i] = 0;
    }
    assert_int_equal(batch->from, told->next[i]);
    for (int k = 0; k < batch->B; k++) {
        const int64_t at = told->next[i]++;
        tally_add(&told->tally[i], batch->losses[k], batch->right[k]);
        assert_int_equal(batch->right[k], batch->labels[k] == batch->predicted[k]);
        told->losses[i][at] = batch->losses[k];
        told->labels[batch->split][at] = batch->labels[k];
    }
}

static void check(const struct told *told, const struct tally_sum *line)
{
    for (int i = 0; i < 2 * ALPHAS; i++) {
        assert_int_equal(told->next[i], i % 2 ? TEST : TRAIN);
        assert_memory_equal(&told->tally[i], &line[i], sizeof *line);
    }
}

static const enum curve_bn MODES[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_END,
                                      CURVE_START, CURVE_BATCH};

/* Several groups on one curve, so that the end is shared. */
static void check_net(const struct subject *s, const char *const groups[3])
{
    struct told *told = num_alloc(1, sizeof *told);
    struct tally_sum line[2 * ALPHAS];

    for (int naive = 0; naive < 2; naive++) {
        const struct way way = {.naive = naive, .isa = isa_choose()};
        struct curve *curve = make_curve(s, &way, take, told);
        const bool norm = arch_has_norm(s->arch);

        for (int g = 0; g < 3; g++)
            for (int m = 0; m < (norm ? 5 : 1); m++) {
                memset(told, 0, sizeof *told);
                assert_int_equal(curve_run(curve, groups[g], norm ? MODES[m] : CURVE_NONE,
                                           LINE, ALPHAS, line, NULL),
                                 0);
                check(told, line);
            }
        curve_free(&curve);
    }
    free(told);
}

static void adds_up(void **state)
{
    struct subject mlp = make_subject("\"mlp\"", "\"none\"");
    struct subject resnet = make_subject("\"resnet20\"", "\"batch\"");

    (void)state;
    check_net(&mlp, (const char *const[]){"all", "fc1", "fc3"});
    check_net(&resnet, (const char *const[]){"B2", "all", "fc"});
    subject_free(&mlp);
    subject_free(&resnet);
}

/* Where a line turns out not to be one, what was told before is told anew. */
static void starts_again(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");

    (void)state;
    s.a[0] = (real)INFINITY;
    check_net(&s, (const char *const[]){"fc2", "fc1", "all"});
    subject_free(&s);
}

/* The examples of the data set, in its order. */
static void labels_are_the_datas(void **state)
{
    struct subject s = make_subject("\"mlp\"", "\"none\"");
    const struct way way = {.isa = isa_choose()};
    struct told *told = num_alloc(1, sizeof *told);
    struct curve *curve = make_curve(&s, &way, take, told);
    real *x = num_alloc(3 * 8 * 8, sizeof *x);
    struct tally_sum line[2 * ALPHAS];

    (void)state;
    assert_int_equal(curve_run(curve, "fc1", CURVE_NONE, LINE, ALPHAS, line, NULL), 0);
    for (uint32_t i = 0; i < TEST; i++) {
        uint8_t label;
        dataset_fetch(s.data, SPLIT_TEST, &i, 1, x, &label);
        assert_int_equal(label, told->labels[SPLIT_TEST][i]);
    }
    free(x);
    free(told);
    curve_free(&curve);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up),
        cmocka_unit_test(starts_again),
        cmocka_unit_test(labels_are_the_datas),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
