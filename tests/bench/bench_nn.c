/* Images per second of the engine, one thread: a training step (forward,
 * backward, optimizer) and a forward pass, over batches that are in memory. */

#include "common/arch.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/nn/blas.h"
#include "worker/nn/init.h"
#include "worker/nn/net.h"
#include "worker/nn/optim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Odd, so that the median is one of them; each lasts long enough that the clock
 * and the first cold batch do not matter. */
enum { BATCH = 128, REPETITIONS = 7, REPETITION_MS = 400 };

struct bench {
    struct arch *arch;
    struct net *train, *eval;
    struct optim *optim;
    real *theta, *grad, *x;
    uint8_t labels[BATCH];
    double losses[BATCH];
};

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

static void bench_open(struct bench *b, const struct spec *spec)
{
    struct error err;

    b->arch = arch_build(spec, &err);
    if (!b->arch)
        die(&err);
    const struct shape in = b->arch->input;
    const size_t n = (size_t)(in.C * in.H * in.W) * BATCH;
    b->train = net_new(b->arch, BATCH, true, &err);
    b->eval = net_new(b->arch, BATCH, false, &err);
    b->optim = optim_new(spec, b->arch, &err);
    if (!b->train || !b->eval || !b->optim)
        die(&err);
    b->theta = take(b->arch->param_count, sizeof *b->theta);
    b->grad = take(b->arch->param_count, sizeof *b->grad);
    b->x = take(n, sizeof *b->x);
    if (init_params(spec, b->arch, b->theta, &err))
        die(&err);
    for (size_t i = 0; i < n; i++)
        b->x[i] = (real)(i * 7919 % 1000) / 500 - 1;
    for (int i = 0; i < BATCH; i++)
        b->labels[i] = (uint8_t)(i % b->arch->classes);
}

static void bench_close(struct bench *b)
{
    net_free(&b->train);
    net_free(&b->eval);
    optim_free(&b->optim);
    arch_free(&b->arch);
    free(b->theta);
    free(b->grad);
    free(b->x);
}

static void train_step(struct bench *b)
{
    net_forward(b->train, b->theta, b->x, BATCH);
    net_backward(b->train, b->theta, b->labels, BATCH, b->grad, b->losses);
    optim_step(b->optim, b->theta, b->grad, 1e-3);
}

static void eval_step(struct bench *b)
{
    net_forward(b->eval, b->theta, b->x, BATCH);
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of the repetitions, in images per second. */
static double rate(struct bench *b, void (*step)(struct bench *))
{
    double rates[REPETITIONS];

    step(b); /* warm */
    for (int i = 0; i < REPETITIONS; i++) {
        const int64_t start = clock_mono_us();
        int64_t now;
        int steps = 0;
        do {
            step(b);
            steps++;
            now = clock_mono_us();
        } while (now - start < REPETITION_MS * 1000);
        rates[i] = steps * BATCH * 1e6 / (double)(now - start);
    }
    qsort(rates, REPETITIONS, sizeof rates[0], by_size);
    return rates[REPETITIONS / 2];
}

static void bench_model(const char *label, const char *name, const char *widths)
{
    struct bench b;
    struct spec spec;
    struct error err;

    if (spec_init(&spec, JOB_TRAIN, &err))
        die(&err);
    set(&spec, "model.name", name);
    if (widths)
        set(&spec, "model.widths", widths);
    set(&spec, "seed.init", "1");
    set(&spec, "data.name", "\"fashion-mnist\"");
    set(&spec, "optimizer.momentum", "0.9");
    set(&spec, "optimizer.weight_decay", "0.0005");
    bench_open(&b, &spec);

    const double train = rate(&b, train_step), eval = rate(&b, eval_step);
    printf("%-20s %10.0f %10.0f %10.2f\n", label, train, eval,
           2e-9 * arch_macs(b.arch) * eval);
    fflush(stdout);
    bench_close(&b);
    spec_free(&spec);
}

static const struct {
    const char *label, *name, *widths;
} MODELS[] = {
    {"lenet5", "\"lenet5\"", NULL},
    {"lenet-300-100", "\"lenet-300-100\"", NULL},
    {"mlp 784-300-100-10", "\"mlp\"", "[300,100]"},
};

/* bench_nn [LABEL]: all models, or those whose label begins so. */
int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";

    blas_set_threads(1);
    printf("BLAS core %s, 1 thread, batch %d, momentum 0.9, median of %d\n", blas_core(),
           BATCH, REPETITIONS);
    printf("%-20s %10s %10s %10s\n", "images/s", "train", "forward", "fwd GF/s");
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++)
        if (strncmp(MODELS[i].label, only, strlen(only)) == 0)
            bench_model(MODELS[i].label, MODELS[i].name, MODELS[i].widths);
    return 0;
}
