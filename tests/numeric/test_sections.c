/* Curves of a network whose filters are large enough for a late section (curve_eval.c):
 * points side by side give what each gives by itself, and the same bits with any number
 * of threads, which differ in sections. */

#include "tests/numeric/curvekit.h"

/* Found: 5e-8, see test_savings.c. */
#define SAVING_BOUND 1e-6

/* Batches of 128, 22 and 12 images; points that agree before the late section, within
 * it, and nowhere before the end. */
static const struct {
    const char *group;
    enum curve_bn bn;
} CURVES[] = {
    {"all", CURVE_INTERP},
    {"layer3.1.conv1", CURVE_INTERP},
    {"layer3.1.conv1", CURVE_RECOMPUTE},
    {"layer4.0.conv2", CURVE_RECOMPUTE},
    {"layer4.1.conv2", CURVE_START},
    {"layer4.0.conv1", CURVE_BATCH},
};

/* A quarter of the width has the sections of the whole when filters are large a
 * quarter as early; test_ends has the whole. */
enum { COUNT = sizeof CURVES / sizeof CURVES[0], LATE_FILTERS = 64 * 64 };

static void test_close(void **state)
{
    struct subject s = make_subject_of("\"resnet18\"", "\"batch\"", "0.25");
    double worst = 0;

    (void)state;
    for (size_t c = 0; c < COUNT; c++) {
        struct tally naive[2 * ALPHAS], quick[2 * ALPHAS];
        run(&s,
            &(struct way){
                .naive = true, .isa = isa_choose(), .late_filters = LATE_FILTERS},
            CURVES[c].group, CURVES[c].bn, naive);
        run(&s, &(struct way){.isa = isa_choose(), .late_filters = LATE_FILTERS},
            CURVES[c].group, CURVES[c].bn, quick);
        for (int i = 0; i < 2 * ALPHAS; i++) {
            const double off = fabs(tally_loss(&quick[i]) / tally_loss(&naive[i]) - 1);
            worst = fmax(worst, off);
            if (!(off <= SAVING_BOUND))
                fail_msg("%s, %s, alpha %g: %.9g, by itself %.9g", CURVES[c].group,
                         curve_bn_name(CURVES[c].bn), LINE[i / 2], tally_loss(&quick[i]),
                         tally_loss(&naive[i]));
            assert_int_equal(quick[i].count, naive[i].count);
        }
    }
    print_message("within %.2g of each point by itself\n", worst);
    subject_free(&s);
}

/* One thread has early pieces of 32 images, two of 64; four have none. */
static void test_threads(void **state)
{
    struct subject s = make_subject_of("\"resnet18\"", "\"batch\"", "0.25");

    (void)state;
    for (size_t c = 1; c < 3; c++) {
        struct tally one[2 * ALPHAS], more[2 * ALPHAS];
        run(&s, &(struct way){.isa = isa_choose(), .late_filters = LATE_FILTERS},
            CURVES[c].group, CURVES[c].bn, one);
        for (int threads = 2; threads <= 4; threads += 2) {
            struct team *team = team_new(threads, NULL);
            run(&s,
                &(struct way){
                    .isa = isa_choose(), .late_filters = LATE_FILTERS, .team = team},
                CURVES[c].group, CURVES[c].bn, more);
            assert_memory_equal(one, more, sizeof one);
            team_free(&team);
        }
    }
    subject_free(&s);
}

/* The shared end, from points that stand side by side, is that of an evaluation. */
static void test_ends(void **state)
{
    struct subject s = make_subject_of("\"resnet18\"", "\"batch\"", "1.0");
    const struct net_options engine = {.isa = isa_choose()};
    struct eval *eval = eval_new(s.arch, s.data, &engine, NULL);
    struct tally line[2 * ALPHAS];

    (void)state;
    assert_non_null(eval);
    run(&s, &(struct way){.isa = engine.isa}, "layer3.1.conv1", CURVE_INTERP, line);
    for (int split = 0; split < 2; split++) {
        const int64_t n = split ? TEST : TRAIN;
        const struct tally b = eval_run(eval, s.b, (enum split)split, n);
        assert_memory_equal(&line[2 * 3 + split], &b, sizeof b);
    }
    eval_free(&eval);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_ends),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
