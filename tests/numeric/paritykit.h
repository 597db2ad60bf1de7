#ifndef COORD_PARITYKIT_H
#define COORD_PARITYKIT_H

/* Every kind of network against PyTorch in double (golden/make_nets.py): logits,
 * losses, gradients, running statistics, and 20 steps of every optimizer. Differences
 * are measured against the norm of the whole tensor. test_parity_nets.c runs this in
 * float, grad_parity_nets.c in double. */

#include "tests/numeric/goldenkit.h"
#include "tests/numeric/numberkit.h"
#include "worker/nn/blas.h"
#include "worker/nn/net.h"
#include "worker/nn/optim.h"
#include "worker/nn/schedule.h"

#include "common/spec.h"

#include <stdio.h>

enum { STEPS = 20, EPOCH_STEPS = 3, BATCH_MAX = 16 };

/* How convolutions are computed, and how near to PyTorch that has to be: relative, in
 * one step and after twenty. slack: where PyTorch's own gradients in float are off, the
 * network magnifies rounding, and so many times theirs is allowed. */
struct mode {
    const char *name;
    bool exact;
    double bound, bound_steps, slack;
};

/* What one net is and what is known of it. */
struct subject {
    struct st_file *file; /* borrowed */
    const struct mode *mode;
    const char *name;
    struct spec spec;
    struct arch *arch;
    struct net *net;
    uint64_t seed;
    double gain;
    int count, batch; /* examples there are, and in a batch */
    real *state, *grad, *x;
    uint8_t *labels;
    double bound; /* of a single step */
    double worst;
};

static const char *key_of(const struct subject *subject, const char *what, char key[96])
{
    snprintf(key, 96, "%s.%s", subject->name, what);
    return key;
}

static double number_of(const struct subject *subject, const char *what, size_t i)
{
    char key[96];

    return golden_number(subject->file, key_of(subject, what, key), i);
}

static void begin(struct subject *subject, struct st_file *file, const struct mode *mode,
                  const char *name)
{
    const char *text = st_meta(file, name);
    struct error err;

    *subject = (struct subject){.file = file, .mode = mode, .name = name};
    if (!text || spec_parse(text, strlen(text), &subject->spec, &err))
        fail_msg("%s: %s", name, text ? err.text : "has no spec");
    subject->arch = arch_build(&subject->spec, &err);
    if (!subject->arch)
        fail_msg("%s: %s", name, err.text);
    subject->seed = (uint64_t)number_of(subject, "setup", 0);
    subject->gain = number_of(subject, "setup", 1);
    subject->batch = (int)number_of(subject, "setup", 2);
    subject->count = (int)number_of(subject, "setup", 3);
    assert_in_range(subject->batch, 1, BATCH_MAX);

    const struct arch *arch = subject->arch;
    const struct shape in = arch->input;
    const size_t each = (size_t)(in.C * in.H * in.W), count = (size_t)subject->count;
    const struct net_options options = {.batch_max = subject->batch,
                                        .training = true,
                                        .exact = mode->exact,
                                        .isa = isa_choose()};
    subject->net = net_new(arch, &options, &err);
    if (!subject->net)
        fail_msg("%s: %s", name, err.text);
    subject->state = num_alloc(arch->state_count, sizeof(real));
    subject->grad = num_filled(arch->param_count, NAN);
    subject->x = num_alloc(count * each, sizeof(real));
    subject->labels = num_alloc(count, 1);
    numberkit_state(arch, subject->seed, subject->gain, subject->state);
    numberkit_examples(subject->seed, count, each, arch->classes, subject->x,
                       subject->labels);
}

static void end(struct subject *subject)
{
    net_free(&subject->net);
    arch_free(&subject->arch);
    spec_free(&subject->spec);
    free(subject->state);
    free(subject->grad);
    free(subject->x);
    free(subject->labels);
}

/* Note a difference relative to a size, and fail where it is too large. */
static void note(struct subject *subject, const char *what, double off, double size,
                 double bound)
{
    subject->worst = fmax(subject->worst, off / size);
    if (!(off <= bound * size))
        fail_msg("%s, %s: %s is off by %.2g of its %.3g", subject->name,
                 subject->mode->name, what, off / size, size);
}

/* ---- forward ------------------------------------------------------------------- */

static void check_logits(struct subject *subject)
{
    const real *logits =
        net_forward(subject->net, subject->state, subject->x, subject->batch);
    const size_t n = (size_t)(subject->batch * subject->arch->classes);
    double off = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        double want = number_of(subject, "eval.logits", i);
        off += ((double)logits[i] - want) * ((double)logits[i] - want);
        size += want * want;
    }
    note(subject, "eval.logits", sqrt(off), sqrt(size), subject->bound);
}

/* Of example i, from PyTorch's logits. */
static double loss_of(const struct subject *subject, int i)
{
    const int K = subject->arch->classes;
    double logits[100], most = -INFINITY, sum = 0;

    for (int k = 0; k < K; k++) {
        logits[k] = number_of(subject, "train.logits", (size_t)(i * K + k));
        most = fmax(most, logits[k]);
    }
    for (int k = 0; k < K; k++)
        sum += exp(logits[k] - most);
    return log(sum) + most - logits[subject->labels[i]];
}

static void check_losses(struct subject *subject, const double *losses)
{
    double off = 0, size = 0, mean = 0;

    for (int i = 0; i < subject->batch; i++) {
        double want = loss_of(subject, i);
        off += (losses[i] - want) * (losses[i] - want);
        size += want * want;
        mean += losses[i] / subject->batch;
    }
    note(subject, "losses", sqrt(off), sqrt(size), subject->bound);
    off = fabs(mean - number_of(subject, "loss", 1));
    note(subject, "loss", off, number_of(subject, "loss", 1), subject->bound);
}

/* ---- backward -------------------------------------------------------------------- */

static struct numberkit_digest digest_at(const struct subject *subject, const char *what,
                                         int row)
{
    const size_t at = (size_t)row * (1 + NUMBERKIT_SIGNS);
    struct numberkit_digest digest = {.norm = number_of(subject, what, at)};

    for (size_t k = 0; k < NUMBERKIT_SIGNS; k++)
        digest.sum[k] = number_of(subject, what, at + 1 + k);
    return digest;
}

static int find(const struct arch *arch, const char *name, size_t size)
{
    for (int t = 0; t < arch->tensor_count; t++)
        if (strncmp(arch->tensors[t].name, name, size) == 0 &&
            arch->tensors[t].name[size] == '\0')
            return t;
    fail_msg("no tensor %.*s", (int)size, name);
    return -1;
}

/* The largest norm among the rows. A gradient far below it is a sum that cancels, such
 * as that of a bias that a batch norm takes away, which is 0 in truth; its error is
 * that of its terms, and measured against a share of this. */
#define SHARE 1e-2

static double largest(const struct subject *subject, const char *what, int rows)
{
    double most = 0;

    for (int row = 0; row < rows; row++)
        most = fmax(most, digest_at(subject, what, row).norm);
    return most;
}

/* rows tensors, in PyTorch's order from the first-th on, of which `values` are ours;
 * what: the digests. */
static void check_tensors(struct subject *subject, const char *what, int first, int rows,
                          const real *values)
{
    const struct arch *arch = subject->arch;
    const double most = largest(subject, what, rows);
    char key[96];
    const char *names = st_meta(subject->file, key_of(subject, "tensors", key));

    for (int row = -first; row < rows; row++) {
        const size_t size = strcspn(names, " ");
        const int t = find(arch, names, size);
        const struct tensor *tensor = &arch->tensors[t];
        names += strcspn(names, "\n") + 1;
        if (row < 0)
            continue;
        struct numberkit_digest want = digest_at(subject, what, row);
        struct numberkit_digest got =
            numberkit_digest(tensor->name, values + tensor->offset, tensor->count);
        double norm = fmax(want.norm, SHARE * most);
        snprintf(key, sizeof key, "%s of %s", what, tensor->name);
        note(subject, key, numberkit_off(&got, &want), norm, subject->bound);
        note(subject, key, fabs(got.norm - want.norm), norm, subject->bound);
    }
}

static void check_net(struct st_file *file, const struct mode *mode, const char *name)
{
    const struct net_draw draw = {0};
    struct subject subject;
    double losses[BATCH_MAX];

    begin(&subject, file, mode, name);
    const struct arch *arch = subject.arch;
    subject.bound = fmax(mode->bound, mode->slack * number_of(&subject, "setup", 5));
    check_logits(&subject);
    net_train(subject.net, subject.state, subject.x, subject.labels, subject.batch, &draw,
              subject.grad, losses);
    check_losses(&subject, losses);
    check_tensors(&subject, "grad", 0, arch->param_tensors, subject.grad);
    if (arch->tensor_count > arch->param_tensors)
        check_tensors(&subject, "stats", arch->param_tensors,
                      arch->tensor_count - arch->param_tensors, subject.state);
    print_message("%s, %s: within %.1e of PyTorch\n", name, mode->name, subject.worst);
    end(&subject);
}

static void check_all(const struct mode *mode)
{
    struct st_file *file = golden_open("nets");
    const char *names = st_meta(file, "nets");
    char name[64];

    assert_non_null(names);
    for (int size; sscanf(names, "%63s%n", name, &size) == 1; names += size)
        check_net(file, mode, name);
    st_close(&file);
}

/* ---- training ---------------------------------------------------------------------- */

static void check_step(struct subject *subject, int step, double loss, double lr)
{
    char what[32];
    const double want = number_of(subject, "losses", (size_t)step);
    const double rate = number_of(subject, "rates", (size_t)step);

    snprintf(what, sizeof what, "the loss of step %d", step);
    note(subject, what, fabs(loss - want), want, subject->mode->bound_steps);
    if (!(fabs(lr / rate - 1) < 1e-12))
        fail_msg("%s: step %d has the rate %.17g, PyTorch's is %.17g", subject->name,
                 step, lr, rate);
}

static void check_steps(struct st_file *file, const struct mode *mode, const char *name)
{
    struct subject subject;
    struct schedule schedule;
    double losses[BATCH_MAX];

    begin(&subject, file, mode, name);
    const struct shape in = subject.arch->input;
    const size_t each = (size_t)(in.C * in.H * in.W);
    struct optim *optim = optim_new(&subject.spec, subject.arch, NULL);
    assert_non_null(optim);
    schedule_init(&schedule, &subject.spec, EPOCH_STEPS);
    for (int step = 0; step < STEPS; step++) {
        const int from = step % EPOCH_STEPS * subject.batch, left = subject.count - from;
        const int B = left < subject.batch ? left : subject.batch;
        const double lr = schedule_lr(&schedule, step / EPOCH_STEPS, step % EPOCH_STEPS);
        const struct net_draw draw = {.step = (uint64_t)step};
        double loss = 0;

        net_train(subject.net, subject.state, subject.x + (size_t)from * each,
                  subject.labels + from, B, &draw, subject.grad, losses);
        for (int i = 0; i < B; i++)
            loss += losses[i] / B;
        check_step(&subject, step, loss, lr);
        optim_step(optim, subject.state, subject.grad, lr);
    }
    print_message("%s, %s: 20 losses within %.1e of PyTorch's\n", name, mode->name,
                  subject.worst);
    optim_free(&optim);
    end(&subject);
}

static void check_optimizers(const struct mode *mode)
{
    static const char *const NAMES[] = {
        "steps.sgd",     "steps.nesterov",   "steps.adam",        "steps.adamw",
        "steps.rmsprop", "steps.sgd-groups", "steps.adamw-groups"};
    struct st_file *file = golden_open("nets");

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        check_steps(file, mode, NAMES[i]);
    st_close(&file);
}

/* The modes of the program. */
struct parity {
    const struct mode *exact, *fast;
};

static inline void exact_networks_are_pytorchs(void **state)
{
    const struct parity *parity = *state;

    check_all(parity->exact);
}

static inline void fast_networks_are_pytorchs(void **state)
{
    const struct parity *parity = *state;

    check_all(parity->fast);
}

static inline void optimizers_are_pytorchs(void **state)
{
    const struct parity *parity = *state;

    check_optimizers(parity->exact);
    check_optimizers(parity->fast);
}

static inline int parity_main(const struct mode *exact, const struct mode *fast)
{
    struct parity parity = {exact, fast};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(exact_networks_are_pytorchs, &parity),
        cmocka_unit_test_prestate(fast_networks_are_pytorchs, &parity),
        cmocka_unit_test_prestate(optimizers_are_pytorchs, &parity),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
