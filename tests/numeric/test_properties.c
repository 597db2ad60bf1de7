/* What holds of every curve, in every way of batch norm: its ends are evaluations of the
 * two states, a state against itself is one point, the way back mirrors the way there,
 * and neither threads, nor what is computed once for all points, nor the order of
 * groups and points changes what comes out. */

#include "tests/numeric/curvekit.h"
#include "worker/nn/net_part.h"

/* Loss of a mirrored point: (1 - alpha) a + alpha b rounds otherwise from the other
 * side. Found: 6e-8. */
#define MIRROR_BOUND 1e-6

enum { POINTS = 5, AT_A = 1, AT_B = 3 };

/* Symmetric about 1/2. */
static const double ALONG[POINTS] = {-0.25, 0, 0.5, 1, 1.25};

static const enum curve_bn MODES[] = {CURVE_INTERP, CURVE_RECOMPUTE, CURVE_END,
                                      CURVE_START, CURVE_BATCH};
enum { MODE_COUNT = 5 };

static const struct way QUICK = {.isa = ISA_AVX2},
                        NAIVE = {.naive = true, .isa = ISA_AVX2};

static void follow(const struct subject *s, const struct way *way, const char *group,
                   enum curve_bn bn, struct tally_sum ret[2 * POINTS])
{
    struct curve *curve = make_curve(s, way, NULL, NULL);

    assert_int_equal(curve_run(curve, group, bn, ALONG, POINTS, ret, NULL), 0);
    curve_free(&curve);
}

/* The last layer. */
static const char *head_of(const struct subject *s)
{
    const char *groups[ARCH_TENSORS_MAX];

    return groups[arch_groups(s->arch, groups, ARCH_TENSORS_MAX) - 1];
}

static void assert_same(const struct tally_sum *a, const struct tally_sum *b, int count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

static struct subject reversed(const struct subject *s)
{
    struct subject back = *s;

    back.a = s->b;
    back.b = s->a;
    return back;
}

/* ---- ends ------------------------------------------------------------------------ */

/* The statistics of the first MOMENTS training images, as a state's running ones. */
static void set_moments(const struct subject *s, real *state)
{
    const struct net_options options = {.batch_max = MOMENTS, .isa = ISA_AVX2};
    struct net *net = net_new(s->arch, &options, NULL);
    uint8_t labels[MOMENTS];
    uint32_t index[MOMENTS];
    real *x = num_alloc(MOMENTS * 3 * 8 * 8, sizeof *x);
    real *moments = num_alloc(s->arch->state_count, sizeof *moments);

    assert_non_null(net);
    for (uint32_t i = 0; i < MOMENTS; i++)
        index[i] = i;
    dataset_fetch(s->data, SPLIT_TRAIN, index, MOMENTS, x, labels);
    memcpy(moments, state, s->arch->state_count * sizeof *moments);
    net_begin(net, x, MOMENTS);
    net_run(net, state, NET_BATCH, moments, 0, net_steps(net));
    for (size_t i = s->arch->param_count; i < s->arch->state_count; i++)
        state[i] = moments[i];
    free(moments);
    free(x);
    net_free(&net);
}

/* Evaluation with each batch's own statistics. */
static struct tally in_batches(const struct subject *s, const real *state,
                               enum split split, int count)
{
    const struct net_options options = {.batch_max = EVAL_BATCH, .isa = ISA_AVX2};
    struct net *net = net_new(s->arch, &options, NULL);
    real *x = num_alloc(EVAL_BATCH * 3 * 8 * 8, sizeof *x);
    struct tally_sum tally = {0};

    assert_non_null(net);
    for (int from = 0; from < count; from += EVAL_BATCH) {
        const int B = count - from < EVAL_BATCH ? count - from : EVAL_BATCH;
        uint8_t labels[EVAL_BATCH], right[EVAL_BATCH];
        uint32_t index[EVAL_BATCH];
        double losses[EVAL_BATCH];

        for (int i = 0; i < B; i++)
            index[i] = (uint32_t)(from + i);
        dataset_fetch(s->data, split, index, B, x, labels);
        net_begin(net, x, B);
        net_run(net, state, NET_BATCH, NULL, 0, net_steps(net));
        loss_softmax(losses, right, NULL, net_logits(net), labels, B, s->arch->classes);
        for (int i = 0; i < B; i++)
            tally_add(&tally, losses[i], right[i]);
    }
    free(x);
    net_free(&net);
    return tally_round(&tally);
}

/* The state that stands at an end of the whole path. */
static real *end_of(const struct subject *s, enum curve_bn bn, bool at_b)
{
    const struct arch *arch = s->arch;
    real *state = num_alloc(arch->state_count, sizeof *state);
    const real *stats = bn == CURVE_END || (at_b && bn != CURVE_START) ? s->b : s->a;

    memcpy(state, at_b ? s->b : s->a, arch->param_count * sizeof *state);
    memcpy(state + arch->param_count, stats + arch->param_count,
           (arch->state_count - arch->param_count) * sizeof *state);
    if (bn == CURVE_RECOMPUTE)
        set_moments(s, state);
    return state;
}

static void check_end(const struct subject *s, enum curve_bn bn, bool at_b,
                      const struct tally_sum line[2 * POINTS])
{
    const struct net_options engine = {.isa = ISA_AVX2};
    struct eval *eval = eval_new(s->arch, s->data, &engine, NULL);
    real *state = end_of(s, bn, at_b);

    assert_non_null(eval);
    for (int split = 0; split < 2; split++) {
        const int n = split ? TEST : TRAIN;
        const struct tally got = tally_round(&line[2 * (at_b ? AT_B : AT_A) + split]);
        const struct tally want = bn == CURVE_BATCH
                                      ? in_batches(s, state, (enum split)split, n)
                                      : eval_run(eval, state, (enum split)split, n);
        assert_memory_equal(&got, &want, sizeof got);
    }
    free(state);
    eval_free(&eval);
}

static void ends_are_the_states(void **user)
{
    struct subject *subjects = *user;

    for (int i = 0; i < 2; i++)
        for (int m = 0; m < MODE_COUNT; m++)
            for (int naive = 0; naive < 2; naive++) {
                struct tally_sum line[2 * POINTS], layer[2 * POINTS];
                follow(&subjects[i], naive ? &NAIVE : &QUICK, "all", MODES[m], line);
                check_end(&subjects[i], MODES[m], false, line);
                check_end(&subjects[i], MODES[m], true, line);
                /* A group's end is the whole path's; but for a's statistics, which
                 * only the group has. */
                follow(&subjects[i], naive ? &NAIVE : &QUICK, head_of(&subjects[i]),
                       MODES[m], layer);
                if (MODES[m] != CURVE_START)
                    assert_same(&layer[2 * AT_B], &line[2 * AT_B], 2);
            }
}

/* ---- lines ----------------------------------------------------------------------- */

static void itself_is_one_point(void **user)
{
    struct subject *subjects = *user;

    for (int i = 0; i < 2; i++)
        for (int m = 0; m < MODE_COUNT; m++)
            for (int g = 0; g < 3; g++) {
                const struct way *way = g % 2 ? &NAIVE : &QUICK;
                const char *const groups[] = {"all", head_of(&subjects[i]),
                                              "all:weights"};
                struct subject same = subjects[i];
                struct tally_sum line[2 * POINTS];
                same.a = same.b;
                follow(&same, way, groups[g], MODES[m], line);
                for (int p = 2; p < 2 * POINTS; p++)
                    assert_same(&line[p], &line[p % 2], 1);
            }
}

/* The statistics of b on the way there are those of a on the way back. */
static enum curve_bn mode_back(enum curve_bn bn)
{
    return bn == CURVE_END ? CURVE_START : bn == CURVE_START ? CURVE_END : bn;
}

static void check_mirror(const struct subject *s, const struct way *way, enum curve_bn bn,
                         double *worst)
{
    const struct subject back = reversed(s);
    struct tally_sum line[2 * POINTS], mirror[2 * POINTS];

    follow(s, way, "all", bn, line);
    follow(&back, way, "all", mode_back(bn), mirror);
    for (int p = 0; p < POINTS; p++)
        for (int split = 0; split < 2; split++) {
            const struct tally_sum *there = &line[2 * p + split];
            const struct tally_sum *here = &mirror[2 * (POINTS - 1 - p) + split];
            const struct tally one = tally_round(there), two = tally_round(here);
            const double off = fabs(tally_loss(&one) / tally_loss(&two) - 1);
            *worst = fmax(*worst, off);
            if (!(off <= MIRROR_BOUND))
                fail_msg("%s, alpha %g: %.9g, from the other side %.9g",
                         curve_bn_name(bn), ALONG[p], tally_loss(&one), tally_loss(&two));
            if (ALONG[p] == 0 || ALONG[p] == 1)
                assert_same(there, here, 1);
        }
}

static void the_way_back_mirrors(void **user)
{
    struct subject *subjects = *user;
    double worst = 0;

    for (int i = 0; i < 2; i++)
        for (int m = 0; m < MODE_COUNT; m++) {
            check_mirror(&subjects[i], &QUICK, MODES[m], &worst);
            check_mirror(&subjects[i], &NAIVE, MODES[m], &worst);
        }
    print_message("within %.2g of the way there\n", worst);
}

/* ---- what changes no bit --------------------------------------------------------- */

static void threads_change_no_bit(void **user)
{
    struct subject *subjects = *user;

    for (int i = 0; i < 2; i++)
        for (int m = 0; m < MODE_COUNT; m++)
            for (int g = 0; g < 2; g++)
                for (int naive = 0; naive < 2; naive++) {
                    struct tally_sum one[2 * POINTS], other[2 * POINTS];
                    const char *group = g ? head_of(&subjects[i]) : "all";
                    struct way way = naive ? NAIVE : QUICK;
                    follow(&subjects[i], &way, group, MODES[m], one);
                    for (int threads = naive ? 3 : 2; threads <= (naive ? 3 : 4);
                         threads++) {
                        way.team = team_new(threads, NULL);
                        assert_non_null(way.team);
                        follow(&subjects[i], &way, group, MODES[m], other);
                        assert_same(one, other, 2 * POINTS);
                        team_free(&way.team);
                    }
                }
}

/* One curve after another on the same object, in one order and the other, points too. */
static void order_changes_no_bit(void **user)
{
    static const int SHUFFLED[POINTS] = {3, 2, 4, 0, 1};
    enum { GROUP_COUNT = 4, ALL = GROUP_COUNT * MODE_COUNT };
    struct tally_sum(*there)[2 * POINTS] = num_alloc(ALL, sizeof *there);
    struct subject *subjects = *user;
    double alphas[POINTS];

    for (int p = 0; p < POINTS; p++)
        alphas[p] = ALONG[SHUFFLED[p]];
    for (int i = 0; i < 2; i++) {
        const char *const groups[] = {head_of(&subjects[i]), "all", "all:weights",
                                      "all:norms"};
        struct curve *first = make_curve(&subjects[i], &QUICK, NULL, NULL);
        struct curve *second = make_curve(&subjects[i], &QUICK, NULL, NULL);
        for (int c = 0; c < ALL; c++)
            assert_int_equal(curve_run(first, groups[c / MODE_COUNT],
                                       MODES[c % MODE_COUNT], ALONG, POINTS, there[c],
                                       NULL),
                             0);
        for (int c = ALL; c-- > 0;) {
            struct tally_sum back[2 * POINTS];
            assert_int_equal(curve_run(second, groups[c / MODE_COUNT],
                                       MODES[c % MODE_COUNT], alphas, POINTS, back, NULL),
                             0);
            for (int p = 0; p < POINTS; p++)
                assert_same(&back[2 * p], &there[c][2 * SHUFFLED[p]], 2);
        }
        curve_free(&first);
        curve_free(&second);
    }
    free(there);
}

/* ---- two networks ---------------------------------------------------------------- */

static int setup(void **user)
{
    struct subject *subjects = num_alloc(2, sizeof *subjects);

    blas_set_threads(1);
    subjects[0] = make_subject("\"mlp\"", "\"batch\"");
    subjects[1] = make_subject("\"resnet20\"", "\"batch\"");
    *user = subjects;
    return 0;
}

static int teardown(void **user)
{
    struct subject *subjects = *user;

    subject_free(&subjects[0]);
    subject_free(&subjects[1]);
    free(subjects);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_the_states),  cmocka_unit_test(itself_is_one_point),
        cmocka_unit_test(the_way_back_mirrors), cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(order_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
