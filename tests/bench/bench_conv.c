/* Convolutions by shape, pass and algorithm, one thread: what a direct one would
 * compute, in GF/s of processor time; the best of several, since a neighbour can only
 * take away. $COORD_ISA is honoured. */

#include "worker/nn/conv_op.h"
#include "worker/nn/lanes.h"
#include "worker/nn/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 128, TIMES = 7 };

static const double SECONDS = 0.3;

static const struct conv_op *const OPS[] = {&conv_direct, &conv_winograd};

/* C, H, W, O, OH, OW, kernel, stride, pad */
static const struct conv SHAPES[] = {
    {16, 28, 28, 16, 28, 28, 3, 1, 1},  {16, 32, 32, 16, 32, 32, 3, 1, 1},
    {32, 14, 14, 32, 14, 14, 3, 1, 1},  {64, 7, 7, 64, 7, 7, 3, 1, 1},
    {64, 32, 32, 64, 32, 32, 3, 1, 1},  {128, 16, 16, 128, 16, 16, 3, 1, 1},
    {256, 8, 8, 256, 8, 8, 3, 1, 1},    {512, 4, 4, 512, 4, 4, 3, 1, 1},
    {1, 28, 28, 16, 28, 28, 3, 1, 1},   {3, 32, 32, 64, 32, 32, 3, 1, 1},
    {16, 28, 28, 32, 14, 14, 3, 2, 1},  {64, 32, 32, 128, 16, 16, 3, 2, 1},
    {64, 32, 32, 128, 16, 16, 1, 2, 0}, {256, 8, 8, 64, 8, 8, 1, 1, 0},
};

struct bench {
    struct conv_call call;
    const struct conv_op *op;
    real *in, *out, *din, *W;
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static real *filled(size_t n)
{
    real *x = aligned_alloc(64, (n + 15) / 16 * 16 * sizeof *x);

    if (!x) {
        fprintf(stderr, "bench_conv: no memory\n");
        exit(1);
    }
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(i * 7919 % 1000) / 500 - 1;
    return x;
}

static void forward(struct bench *b)
{
    b->op->forward(&b->call, b->out, b->in, b->W, NULL);
}

static void data(struct bench *b)
{
    b->op->backward_data(&b->call, b->din, false, b->out, b->W);
}

static void weights(struct bench *b)
{
    b->op->backward_weights(&b->call, b->W, b->out, b->in);
}

/* The least time of one run, of as many as fit into a while. */
static double best(struct bench *b, void (*run)(struct bench *))
{
    double least = 1e9, all = 0;

    run(b); /* warm */
    for (int i = 0; i < TIMES || all < SECONDS; i++) {
        const double start = seconds();
        run(b);
        const double spent = seconds() - start;
        least = spent < least ? spent : least;
        all += spent;
    }
    return least;
}

static void measure(const struct conv *v, const struct conv_op *op)
{
    const size_t B = (size_t)lanes_round(BATCH);
    const size_t in = (size_t)(v->C * v->H * v->W) * B;
    const size_t out = (size_t)(v->O * v->OH * v->OW) * B;
    const size_t W = (size_t)(v->O * v->C * v->kernel * v->kernel);
    const double flops = 2.0 * (double)W * (double)(v->OH * v->OW) * BATCH;
    struct bench b = {
        .call = {v, BATCH, isa_choose(), NULL, filled(op->scratch(v, BATCH, 1))},
        .op = op,
        .in = filled(in),
        .out = filled(out),
        .din = filled(in),
        .W = filled(W),
    };
    char shape[64];

    snprintf(shape, sizeof shape, "%d->%d @%d k%d s%d", v->C, v->O, v->H, v->kernel,
             v->stride);
    printf("%-24s %-10s", shape, op->name);
    printf(" %10.1f", 1e-9 * flops / best(&b, forward));
    printf(" %10.1f", 1e-9 * flops / best(&b, data));
    printf(" %10.1f\n", 1e-9 * flops / best(&b, weights));
    fflush(stdout);
    free(b.call.scratch);
    free(b.in);
    free(b.out);
    free(b.din);
    free(b.W);
}

/* bench_conv [ALGORITHM [CHANNELS]]: all, or one, or its shapes of so many inputs. */
int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    const int channels = argc > 2 ? atoi(argv[2]) : 0;

    printf("%s, 1 thread, batch %d, best of %d or more\n", isa_name(isa_choose()), BATCH,
           TIMES);
    printf("%-24s %-10s %10s %10s %10s\n", "GF/s", "", "forward", "data", "weights");
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++)
        for (size_t k = 0; k < sizeof OPS / sizeof OPS[0]; k++)
            if (OPS[k]->suits(&SHAPES[i]) && strstr(OPS[k]->name, only) &&
                (!channels || SHAPES[i].C == channels))
                measure(&SHAPES[i], OPS[k]);
    return 0;
}
