/* A planted barrier: two copies of one trained network, each with its hidden units in
 * another order, compute the same, and the line between them does not. What the view
 * `paths` says of it, from the copies' files through the probe and the store, against
 * plain loops in double precision that know nothing of either. */

#include "tests/unit/probekit.h"
#include "tests/unit/storekit.h"

#include "worker/data/dataset.h"
#include "worker/nn/permute.h"

#include <math.h>

enum { ALPHAS = 11, TEST = 400, WIDTH = 16 };

#define BOUND 1e-6

/* ---- the naive script ---------------------------------------------------------- */

struct net {
    const struct arch *arch;
    double *theta; /* (state_count) */
};

static const double *tensor(const struct net *net, const char *name)
{
    const struct tensor *tensor = arch_tensor(net->arch, name);
    return tensor ? net->theta + tensor->offset : NULL;
}

/* One dense layer, the batch norm that may follow it, and ReLU. */
static void layer(const struct net *net, int number, const double *in, int inputs,
                  double *out, int outputs, bool last)
{
    static const char *const PARTS[6][2] = {
        {"fc", "weight"}, {"fc", "bias"},         {"bn", "weight"},
        {"bn", "bias"},   {"bn", "running_mean"}, {"bn", "running_var"}};
    const double *t[6];
    char name[64];

    for (int i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof name, "%s%d.%s", PARTS[i][0], number, PARTS[i][1]);
        t[i] = tensor(net, name);
    }
    for (int o = 0; o < outputs; o++) {
        double z = t[1][o];
        for (int i = 0; i < inputs; i++)
            z += t[0][o * inputs + i] * in[i];
        if (t[2])
            z = t[2][o] * (z - t[4][o]) / sqrt(t[5][o] + 1e-5) + t[3][o];
        out[o] = z > 0 || last ? z : 0;
    }
}

/* The mean cross-entropy and the share of wrong answers over the test examples. */
static void evaluate(const struct net *net, const real *x, const uint8_t *labels,
                     double *ret_loss, double *ret_error)
{
    const int K = net->arch->classes;

    *ret_loss = *ret_error = 0;
    for (int n = 0; n < TEST; n++) {
        double in[2] = {(double)x[2 * n], (double)x[2 * n + 1]};
        double first[WIDTH], second[WIDTH], logits[WIDTH], sum = 0;
        int best = 0;
        layer(net, 1, in, 2, first, WIDTH, false);
        layer(net, 2, first, WIDTH, second, WIDTH, false);
        layer(net, 3, second, WIDTH, logits, K, true);
        for (int k = 0; k < K; k++) {
            sum += exp(logits[k]);
            best = logits[k] > logits[best] ? k : best;
        }
        *ret_loss += log(sum) - logits[labels[n]];
        *ret_error += best != labels[n];
    }
    *ret_loss /= TEST;
    *ret_error /= TEST;
}

struct expected {
    double barrier_linear, barrier_mean, barrier_init, bump;
};

static struct expected measure(const double L[ALPHAS])
{
    const double a = L[0], b = L[ALPHAS - 1];
    struct expected e = {-INFINITY, -INFINITY, -INFINITY, 0};

    for (int i = 0; i < ALPHAS; i++) {
        const double alpha = (double)i / (ALPHAS - 1);
        e.barrier_linear = fmax(e.barrier_linear, L[i] - ((1 - alpha) * a + alpha * b));
        e.barrier_mean = fmax(e.barrier_mean, L[i] - (a + b) / 2);
        e.barrier_init = fmax(e.barrier_init, L[i] - a);
        for (int j = i + 1; j < ALPHAS; j++)
            e.bump = fmax(e.bump, L[j] - L[i]);
    }
    return e;
}

static void script(const struct arch *arch, const struct dataset *data, const real *a,
                   const real *b, struct expected *ret_loss, struct expected *ret_error)
{
    struct net net = {arch, calloc(arch->state_count, sizeof *net.theta)};
    double loss[ALPHAS], error[ALPHAS];
    uint32_t index[TEST];
    uint8_t labels[TEST];
    real x[2 * TEST];

    assert_non_null(net.theta);
    for (uint32_t i = 0; i < TEST; i++)
        index[i] = i;
    dataset_fetch(data, SPLIT_TEST, index, TEST, x, labels);
    for (int i = 0; i < ALPHAS; i++) {
        const double alpha = (double)i / (ALPHAS - 1);
        for (size_t k = 0; k < arch->state_count; k++)
            net.theta[k] = (1 - alpha) * (double)a[k] + alpha * (double)b[k];
        evaluate(&net, x, labels, &loss[i], &error[i]);
    }
    *ret_loss = measure(loss);
    *ret_error = measure(error);
    free(net.theta);
}

/* ---- the program ---------------------------------------------------------------- */

/* A copy of the run's end with its units in another order, as a stored state. */
static struct msg_input plant(const struct fixture *fix, const struct subject *run,
                              const struct arch *arch, const char *role, uint64_t seed,
                              real *copy, char *path, char hash[HASH_TEXT])
{
    struct ckpt_meta meta = {.key = "00000000000000000000000000000000", .state = "final"};
    struct msg_input input = input_of(fix, run, role, "final", path);
    real *end = calloc(arch->state_count, sizeof *end);
    char name[16];
    uint64_t size;

    assert_non_null(end);
    assert_int_equal(ckpt_read(path, arch, end, NULL), 0);
    assert_int_equal(permute_units(arch, seed, end, copy, NULL), 0);
    (void)snprintf(name, sizeof name, "copy-%s", role);
    fixture_path(fix, name, path, 256);
    assert_int_equal(ckpt_write(path, arch, copy, &meta, hash, &size, NULL), 0);
    input.hash = slice_of(hash);
    input.path = slice_of(path);
    free(end);
    return input;
}

static double stored(struct kit *kit, const char *column)
{
    char sql[160];

    (void)snprintf(sql, sizeof sql,
                   "SELECT %s FROM paths WHERE split = 'test' AND grp = 'all'", column);
    return strtod(kit_text(kit->store, sql), NULL);
}

static void assert_near(struct kit *kit, const char *column, double want)
{
    const double got = stored(kit, column);

    if (!(fabs(got - want) <= BOUND))
        fail_msg("%s: %.9g, the script's %.9g", column, got, want);
}

/* The result as if it were that of a run's probe in a plan made by hand. */
static void store(struct kit *kit, struct msg_result result)
{
    static const double LRS[] = {0.1, 0};
    struct plan *plan = kit_plan("s", LRS, 1, "final");
    char text[256];

    kit_open(kit);
    kit_submit(kit, plan, "r1");
    kit_begin(kit);
    kit_artifact(kit);
    kit_finish(kit, 1, false);
    result.job = 2;
    result.attempt = kit_start(kit, 2);
    result.outcome = OUTCOME_DONE;
    if (kit_judge(kit, &result, text) != VERDICT_ACCEPTED)
        fail_msg("%s", text);
    kit_plan_free(plan);
}

static void check_barrier(struct fixture *fix, const char *norm)
{
    struct spec spec = run_spec(), probe = probe_spec("\"path\"");
    char paths[2][256], hashes[2][HASH_TEXT];
    struct expected loss, error;
    struct msg_input inputs[2];
    struct dataset *data;
    struct subject run;
    struct outcome out;
    struct arch *arch;
    struct kit kit;
    real *copies[2];

    fixture_set(&spec, "model.norm", norm);
    fixture_set(&spec, "train.epochs", "30");
    fixture_set(&probe, "probe.alphas", "11");
    fixture_set(&probe, "probe.bn", "[\"interp\"]");
    run = make_subject(fix, spec);
    arch = arch_build(&run.spec, NULL);
    data = dataset_open(&run.spec, NULL, NULL);
    assert_true(arch && data);
    for (int i = 0; i < 2; i++) {
        copies[i] = calloc(arch->state_count, sizeof *copies[i]);
        assert_non_null(copies[i]);
        inputs[i] = plant(fix, &run, arch, i ? "b" : "a", (uint64_t)i + 1, copies[i],
                          paths[i], hashes[i]);
    }
    out = run_probe(&probe, inputs, 2);
    script(arch, data, copies[0], copies[1], &loss, &error);
    store(&kit, out.result);
    print_message("norm %s: barrier %.6f nats, %.6f of the error\n", norm,
                  loss.barrier_linear, error.barrier_linear);
    assert_true(loss.barrier_linear > 0.1 && error.barrier_linear > 0.05);
    assert_near(&kit, "barrier_linear", loss.barrier_linear);
    assert_near(&kit, "barrier_mean", loss.barrier_mean);
    assert_near(&kit, "barrier_init", loss.barrier_init);
    assert_near(&kit, "bump", loss.bump);
    assert_near(&kit, "err_barrier_linear", error.barrier_linear);
    assert_near(&kit, "err_barrier_mean", error.barrier_mean);
    assert_near(&kit, "err_bump", error.bump);
    assert_true(fabs(stored(&kit, "loss_start") - stored(&kit, "loss_end")) < BOUND);
    kit_close(&kit);
    for (int i = 0; i < 2; i++)
        free(copies[i]);
    outcome_free(&out);
    dataset_free(&data);
    arch_free(&arch);
    subject_free(&run);
    spec_free(&probe);
}

static void test_planted_barrier(void **state)
{
    check_barrier(*state, "\"none\"");
}

static void test_planted_barrier_with_norms(void **state)
{
    check_barrier(*state, "\"batch\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_planted_barrier, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_planted_barrier_with_norms, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
