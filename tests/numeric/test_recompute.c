/* Recomputed statistics, norm after norm and batch by batch: the bits of one large
 * batch, whatever is kept in between and whoever computes, in memory that does not
 * grow with the images. */

#include "tests/numeric/numkit.h"
#include "tests/unit/fixture.h"
#include "worker/eval.h"
#include "worker/nn/blas.h"
#include "worker/nn/init.h"
#include "worker/nn/net_part.h"
#include "worker/nn/team.h"
#include "worker/probe/curve.h"

/* Two batches and a short third one, of whole groups and five. */
enum { IMAGES = 2 * EVAL_BATCH + 21, ALPHAS = 3, TEST = 40 };

struct subject {
    struct spec spec;
    struct arch *arch;
    struct dataset *data;
    real *a, *b, *x;
};

static real *make_state(struct subject *s, const char *seed)
{
    real *state = num_alloc(s->arch->state_count, sizeof *state);

    fixture_set(&s->spec, "seed.init", seed);
    assert_int_equal(init_params(&s->spec, s->arch, state, NULL), 0);
    return state;
}

static struct subject make_subject(const char *model)
{
    struct subject s = {.spec = fixture_spec(JOB_TRAIN, "data.name", "\"blobs\"",
                                             "data.shape", "[3,8,8]", "data.sizes",
                                             "[1024,64]", "model.name", model,
                                             "model.norm", "\"batch\"", NULL)};
    struct error err = {0};
    uint32_t index[IMAGES];
    uint8_t labels[IMAGES];

    fixture_seeds(&s.spec, "1");
    if (strcmp(model, "\"mlp\"") != 0)
        fixture_set(&s.spec, "model.width", "8.0");
    s.arch = arch_build(&s.spec, &err);
    s.data = s.arch ? dataset_open(&s.spec, NULL, &err) : NULL;
    if (!s.data)
        fail_msg("%s", err.text);
    s.a = make_state(&s, "1");
    s.b = make_state(&s, "2");
    s.x = num_alloc(IMAGES * 3 * 8 * 8, sizeof *s.x);
    for (uint32_t i = 0; i < IMAGES; i++)
        index[i] = i;
    dataset_fetch(s.data, SPLIT_TRAIN, index, IMAGES, s.x, labels);
    return s;
}

static void subject_free(struct subject *s)
{
    free(s->a);
    free(s->b);
    free(s->x);
    dataset_free(&s->data);
    arch_free(&s->arch);
    spec_free(&s->spec);
}

static struct net *make_net(const struct subject *s, int batch, struct team *team)
{
    struct net *net = net_new(
        s->arch,
        &(struct net_options){.batch_max = batch, .team = team, .isa = isa_choose()},
        NULL);

    assert_non_null(net);
    return net;
}

/* ---- against one batch ----------------------------------------------------------- */

static void run_batches(const struct subject *s, struct net *net,
                        struct net_moments *moments)
{
    for (int norm = net_next_norm(net, 0); norm < net_steps(net);
         norm = net_next_norm(net, norm + 1)) {
        for (int from = 0; from < IMAGES; from += EVAL_BATCH) {
            const int left = IMAGES - from;
            net_begin(net, s->x + from * 3 * 8 * 8,
                      left < EVAL_BATCH ? left : EVAL_BATCH);
            net_run_moments(net, s->b, moments, 0, norm);
            net_moments_add(net, moments, norm, from == 0);
        }
        net_moments_settle(net, moments, norm, IMAGES);
    }
}

static void test_one_batch(void **state)
{
    struct subject s = make_subject("\"resnet20\"");
    const size_t stats = s.arch->state_count - s.arch->param_count;
    real *whole = num_alloc(s.arch->state_count, sizeof *whole);
    real *parts = num_alloc(stats, sizeof *parts);
    struct net *net = make_net(&s, IMAGES, NULL);

    (void)state;
    memcpy(whole, s.b, s.arch->state_count * sizeof *whole);
    net_begin(net, s.x, IMAGES);
    net_run(net, s.b, NET_BATCH, whole, 0, net_steps(net));
    net_free(&net);
    for (int threads = 1; threads <= 3; threads++) {
        struct team *team = team_new(threads, NULL);
        net = make_net(&s, EVAL_BATCH, team);
        struct net_moments *moments = net_moments_new(net, NULL);
        assert_non_null(moments);
        run_batches(&s, net, moments);
        net_moments_write(moments, parts);
        assert_memory_equal(parts, whole + s.arch->param_count, stats * sizeof *parts);
        net_moments_free(&moments);
        net_free(&net);
        team_free(&team);
    }
    free(whole);
    free(parts);
    subject_free(&s);
}

/* ---- curves ------------------------------------------------------------------ */

struct way {
    int64_t images;
    size_t store;
    struct team *team;
    const char *group;
};

/* Bytes held at the end. */
static size_t run(const struct subject *s, const struct way *way,
                  struct tally_sum ret[2 * ALPHAS])
{
    static const double LINE[ALPHAS] = {0, 0.4, 1.25};
    const struct net_options engine = {.isa = isa_choose(), .team = way->team};
    const struct curve_env env = {.arch = s->arch,
                                  .data = s->data,
                                  .engine = &engine,
                                  .a = s->a,
                                  .b = s->b,
                                  .count = {0, TEST},
                                  .bn_count = way->images,
                                  .store_bytes = way->store};
    struct error err = {0};
    struct curve *curve = curve_new(&env, &err);
    size_t bytes;

    if (!curve || curve_run(curve, way->group, CURVE_RECOMPUTE, LINE, ALPHAS, ret, &err))
        fail_msg("%s", err.text);
    bytes = curve_memory(curve);
    curve_free(&curve);
    return bytes;
}

/* From nothing kept to all, with some batches here and all there in between. */
static const size_t STORES[] = {1, 300 << 10, 700 << 10, 1 << 20, 2 << 20, 0};

static const char *const GROUPS[] = {"all", "layer1.0.conv2", "layer2.0.conv1",
                                     "layer3.1.conv1", "fc"};

static void test_stores(void **state)
{
    struct subject s = make_subject("\"resnet20\"");
    struct tally_sum all[2 * ALPHAS], some[2 * ALPHAS];

    (void)state;
    for (size_t g = 0; g < 5; g++) {
        run(&s, &(struct way){IMAGES, 64 << 20, NULL, GROUPS[g]}, all);
        for (size_t i = 0; i < sizeof STORES / sizeof STORES[0]; i++) {
            run(&s, &(struct way){IMAGES, STORES[i], NULL, GROUPS[g]}, some);
            assert_memory_equal(all, some, sizeof all);
        }
    }
    subject_free(&s);
}

/* Examples that a place would lend are alive nowhere but at the images. */
static void test_vectors(void **state)
{
    struct subject s = make_subject("\"mlp\"");
    struct tally_sum all[2 * ALPHAS], some[2 * ALPHAS];

    (void)state;
    run(&s, &(struct way){IMAGES, 0, NULL, "fc2"}, all);
    run(&s, &(struct way){IMAGES, 1, NULL, "fc2"}, some);
    assert_memory_equal(all, some, sizeof all);
    subject_free(&s);
}

static void test_threads(void **state)
{
    struct subject s = make_subject("\"resnet20\"");
    struct tally_sum one[2 * ALPHAS], more[2 * ALPHAS];

    (void)state;
    for (size_t g = 0; g < 5; g += 2) {
        run(&s, &(struct way){IMAGES, 1 << 20, NULL, GROUPS[g]}, one);
        for (int threads = 2; threads <= 3; threads++) {
            struct team *team = team_new(threads, NULL);
            run(&s, &(struct way){IMAGES, 1 << 20, team, GROUPS[g]}, more);
            assert_memory_equal(one, more, sizeof one);
            team_free(&team);
        }
    }
    subject_free(&s);
}

/* Four times the images, the same bytes: those of one batch in all sections (below
 * twice as much), and the store with at most two places more than it takes (a batch at
 * the cut, with its line). */
static void test_memory(void **state)
{
    enum { STORE = 1 << 20 };
    struct subject s = make_subject("\"resnet20\"");
    struct tally_sum few[2 * ALPHAS], many[2 * ALPHAS];
    struct net *net = make_net(&s, EVAL_BATCH, NULL);
    size_t widest = 0;

    (void)state;
    for (int i = 0; i < net_steps(net); i++) {
        const size_t alive = net_alive(net, i, EVAL_BATCH) * sizeof(real);
        widest = alive > widest ? alive : widest;
    }
    for (size_t g = 0; g < 5; g += 2) {
        const size_t less = run(&s, &(struct way){IMAGES, STORE, NULL, GROUPS[g]}, few);
        const size_t more = run(&s, &(struct way){1024, STORE, NULL, GROUPS[g]}, many);
        assert_true(more == less);
        assert_true(more <= 2 * net_memory(net) + STORE + 2 * widest);
        assert_memory_not_equal(few, many, sizeof few);
    }
    net_free(&net);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_batch), cmocka_unit_test(test_stores),
        cmocka_unit_test(test_vectors),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_memory),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
