/* Our side of the benchmark: images per second of the engine, for a training step
 * (forward, backward, SGD with momentum and decay) and for a forward pass, over a
 * batch that is in memory.
 *
 *     bench_nn                     every network, one thread, as a table
 *     bench_nn NET MODE THREADS    MODE: train, forward. For a driver that takes
 *                                  two programs in turn (compare.py): says "ready"
 *                                  and what it is when warm; then for every line
 *                                  with a number of seconds it works at least so
 *                                  long and answers with images per second; at the
 *                                  end of its input it prints "rss" and its largest
 *                                  size in KiB.
 */

#include "common/arch.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/nn/blas.h"
#include "worker/nn/init.h"
#include "worker/nn/isa.h"
#include "worker/nn/net.h"
#include "worker/nn/optim.h"
#include "worker/nn/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Odd, so that the median is one of them; each lasts long enough that the clock
 * and the first cold batch do not matter. */
enum { BATCH = 128, REPETITIONS = 5, REPETITION_MS = 400 };

static const struct model {
    const char *name, *spec_name, *data;
} MODELS[] = {
    {"mlp", "\"mlp\"", "\"fashion-mnist\""}, /* 784-300-100-10 */
    {"lenet5", "\"lenet5\"", "\"fashion-mnist\""},
    {"resnet20", "\"resnet20\"", "\"fashion-mnist\""},
    {"resnet18", "\"resnet18\"", "\"cifar10\""},
};
enum { MODEL_COUNT = sizeof MODELS / sizeof MODELS[0] };

struct bench {
    struct arch *arch;
    struct net *net;
    struct optim *optim;
    struct team *team;
    real *theta, *grad, *x;
    uint8_t labels[BATCH];
    double losses[BATCH];
};

typedef void step_fn(struct bench *b);

static void die(const struct error *err)
{
    fprintf(stderr, "bench_nn: %s\n", err->text);
    exit(1);
}

static void *take(size_t count, size_t each)
{
    void *memory = calloc(count, each);
    if (!memory) {
        fprintf(stderr, "bench_nn: no memory\n");
        exit(1);
    }
    return memory;
}

static void set(struct spec *spec, const char *name, const char *text)
{
    struct error err;
    struct value value;

    if (value_parse(text, strlen(text), &value, &err) ||
        spec_set(spec, name, &value, &err))
        die(&err);
    value_free(&value);
}

static void bench_open(struct bench *b, const struct model *model, bool training,
                       int threads)
{
    struct spec spec;
    struct error err;

    b->team = team_new(threads, &err);
    if (!b->team)
        die(&err);
    if (spec_init(&spec, JOB_TRAIN, &err))
        die(&err);
    set(&spec, "model.name", model->spec_name);
    set(&spec, "data.name", model->data);
    set(&spec, "seed.init", "1");
    set(&spec, "optimizer.momentum", "0.9");
    set(&spec, "optimizer.weight_decay", "0.0005");
    b->arch = arch_build(&spec, &err);
    if (!b->arch)
        die(&err);
    const struct shape in = b->arch->input;
    const size_t n = (size_t)(in.C * in.H * in.W) * BATCH;
    const struct net_options options = {
        .batch_max = BATCH, .training = training, .team = b->team, .isa = isa_choose()};
    b->net = net_new(b->arch, &options, &err);
    b->optim = training ? optim_new(&spec, b->arch, &err) : NULL;
    if (!b->net || (training && !b->optim))
        die(&err);
    if (training)
        optim_share(b->optim, b->team);
    b->theta = take(b->arch->state_count, sizeof *b->theta);
    b->grad = training ? take(b->arch->param_count, sizeof *b->grad) : NULL;
    b->x = take(n, sizeof *b->x);
    if (init_params(&spec, b->arch, b->theta, &err))
        die(&err);
    if (!training)
        net_keep(b->net, b->theta);
    for (size_t i = 0; i < n; i++)
        b->x[i] = (real)(i * 7919 % 1000) / 500 - 1;
    for (int i = 0; i < BATCH; i++)
        b->labels[i] = (uint8_t)(i % b->arch->classes);
    spec_free(&spec);
}

static void bench_close(struct bench *b)
{
    net_free(&b->net);
    optim_free(&b->optim);
    team_free(&b->team);
    arch_free(&b->arch);
    free(b->theta);
    free(b->grad);
    free(b->x);
}

static void train_step(struct bench *b)
{
    net_train(b->net, b->theta, b->x, b->labels, BATCH, &(struct net_draw){0}, b->grad,
              b->losses);
    optim_step(b->optim, b->theta, b->grad, 1e-3);
}

/* As worker/eval.c does: many batches of one state. */
static void forward_step(struct bench *b)
{
    net_forward(b->net, b->theta, b->x, BATCH);
}

/* Images per second over at least so long, and one step. */
static double rate(struct bench *b, step_fn *step, double seconds)
{
    const int64_t start = clock_mono_us();
    int64_t now;
    int steps = 0;

    do {
        step(b);
        steps++;
        now = clock_mono_us();
    } while ((double)(now - start) < seconds * 1e6);
    return steps * BATCH * 1e6 / (double)(now - start);
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median_rate(const struct model *model, bool training, double *macs)
{
    double rates[REPETITIONS];
    struct bench b;

    bench_open(&b, model, training, 1);
    step_fn *step = training ? train_step : forward_step;
    step(&b); /* warm */
    for (int i = 0; i < REPETITIONS; i++)
        rates[i] = rate(&b, step, REPETITION_MS * 1e-3);
    qsort(rates, REPETITIONS, sizeof rates[0], by_size);
    *macs = arch_macs(b.arch);
    bench_close(&b);
    return rates[REPETITIONS / 2];
}

static void print_all(void)
{
    printf("%s, BLAS core %s, 1 thread, batch %d, momentum 0.9, median of %d\n",
           isa_name(isa_choose()), blas_core(), BATCH, REPETITIONS);
    printf("%-20s %10s %10s %10s\n", "images/s", "train", "forward", "fwd GF/s");
    for (int i = 0; i < MODEL_COUNT; i++) {
        double macs;
        const double train = median_rate(&MODELS[i], true, &macs);
        const double forward = median_rate(&MODELS[i], false, &macs);
        printf("%-20s %10.0f %10.0f %10.2f\n", MODELS[i].name, train, forward,
               2e-9 * macs * forward);
        fflush(stdout);
    }
}

static void answer(const struct model *model, bool training, int threads)
{
    step_fn *step = training ? train_step : forward_step;
    struct rusage usage;
    struct bench b;
    char line[64];

    bench_open(&b, model, training, threads);
    step(&b);
    step(&b);
    printf("ready isa=%s blas=%s macs=%.0f\n", isa_name(isa_choose()), blas_core(),
           arch_macs(b.arch));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("%.3f\n", rate(&b, step, strtod(line, NULL)));
        fflush(stdout);
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("rss %ld\n", usage.ru_maxrss);
    bench_close(&b);
}

int main(int argc, char **argv)
{
    blas_set_threads(1);
    if (argc == 1) {
        print_all();
        return 0;
    }
    for (int i = 0; argc == 4 && i < MODEL_COUNT; i++) {
        if (strcmp(MODELS[i].name, argv[1]) == 0) {
            answer(&MODELS[i], strcmp(argv[2], "train") == 0, atoi(argv[3]));
            return 0;
        }
    }
    fprintf(stderr, "usage: bench_nn [NET train|forward THREADS]\n");
    return 2;
}
