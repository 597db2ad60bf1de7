/* Our side of the benchmark of probes: a whole path, or every layer, of a network.
 *
 *     bench_probe NET MODE THREADS FILE    MODE: whole, layers, memory, fifty
 *
 * Writes the images and labels to FILE for the other side, says "ready" and what it
 * does; for every line of its input it runs the probe once and answers with points
 * times images per second; at the end it prints "curve" and all losses, and "rss" and
 * its largest size in KiB. "memory" is for that: a few groups and alphas, since what
 * is held depends on neither, with norms both ways, recomputed from 2,000 images. "fifty"
 * shows that: every layer at 50 alphas, and every tenth at a few with norms recomputed,
 * which takes minutes.
 * States are numbers that torch_probe.py has too.
 */

#include "common/arch.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/spec.h"
#include "tests/numeric/numberkit.h"
#include "worker/nn/blas.h"
#include "worker/nn/team.h"
#include "worker/probe/curve.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static const struct subject {
    const char *name, *model, *shape, *sizes;
    int images, alphas;
} SUBJECTS[] = {
    {"mlp", "\"lenet-300-100\"", "[1,28,28]", "[100,10000]", 10000, 50},
    {"resnet20", "\"resnet20\"", "[1,28,28]", "[100,512]", 512, 11},
    {"resnet18", "\"resnet18\"", "[3,32,32]", "[100,128]", 128, 11},
};

/* "memory": its examples take the 184 MB of CIFAR-10. */
#define MEMORY_SIZES "[5000,10000]"
enum { MEMORY_ALPHAS = 2, MEMORY_IMAGES = 2000, FIFTY = 50, TENTH = 10 };

struct bench {
    const struct subject *subject;
    bool layers, memory;
    int alpha_count, recompute_count; /* alphas; of those, with norms recomputed */
    struct arch *arch;
    struct dataset *data;
    struct team *team;
    struct curve *curve;
    real *a, *b;
    const char *groups[ARCH_TENSORS_MAX];
    int group_count;
    double alphas[64];
    struct tally_sum *tallies; /* (groups, alphas, splits) */
};

static void die(const struct error *err)
{
    fprintf(stderr, "bench_probe: %s\n", err->text);
    exit(1);
}

static void *take(size_t count, size_t each)
{
    struct error err;
    void *memory = calloc(count, each);

    if (!memory) {
        err_set(&err, ERR_NO_MEMORY, "no memory");
        die(&err);
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

static void open_net(struct bench *b)
{
    static const char *const SEEDS[] = {"seed.augment", "seed.dropout", "seed.init",
                                        "seed.labels", "seed.order"};
    struct spec spec;
    struct error err;

    if (spec_init(&spec, JOB_TRAIN, &err))
        die(&err);
    set(&spec, "model.name", b->subject->model);
    set(&spec, "data.name", "\"blobs\"");
    set(&spec, "data.shape", b->subject->shape);
    set(&spec, "data.sizes", b->memory ? MEMORY_SIZES : b->subject->sizes);
    for (size_t i = 0; i < sizeof SEEDS / sizeof SEEDS[0]; i++)
        set(&spec, SEEDS[i], "1");
    b->arch = arch_build(&spec, &err);
    b->data = b->arch ? dataset_open(&spec, NULL, &err) : NULL;
    if (!b->data)
        die(&err);
    b->a = take(b->arch->state_count, sizeof *b->a);
    b->b = take(b->arch->state_count, sizeof *b->b);
    numberkit_state(b->arch, 1, 1, b->a);
    numberkit_state(b->arch, 2, 1, b->b);
    spec_free(&spec);
}

static void write_examples(const struct bench *b, const char *path)
{
    const struct shape in = b->arch->input;
    const size_t each = (size_t)(in.C * in.H * in.W);
    real *x = take(each, sizeof *x);
    FILE *file = fopen(path, "wb");
    uint8_t label;

    if (!file) {
        perror(path);
        exit(1);
    }
    for (uint32_t i = 0; i < (uint32_t)b->subject->images; i++) {
        dataset_fetch(b->data, SPLIT_TEST, &i, 1, x, &label);
        fwrite(x, sizeof *x, each, file);
        fwrite(&(float){label}, sizeof(float), 1, file);
    }
    if (fclose(file)) {
        perror(path);
        exit(1);
    }
    free(x);
}

/* The whole path, or every layer, or both; of the latter the first, the middle and the
 * last one. */
static void list_groups(struct bench *b)
{
    const char *layers[ARCH_TENSORS_MAX];
    const int n = arch_groups(b->arch, layers, ARCH_TENSORS_MAX);
    const int by = b->layers ? 1 : (n - 1) / 2;

    if (!b->layers || b->memory)
        b->groups[b->group_count++] = "all";
    for (int g = 0; g < n && (b->layers || b->memory); g += by)
        b->groups[b->group_count++] = layers[g];
}

/* A new one for every run, which has nothing of the last one's. */
static void open_curve(struct bench *b)
{
    struct error err;
    const struct net_options engine = {.team = b->team, .isa = isa_choose()};
    const struct curve_env env = {.arch = b->arch,
                                  .data = b->data,
                                  .engine = &engine,
                                  .a = b->a,
                                  .b = b->b,
                                  .count = {0, b->subject->images},
                                  .bn_count = b->memory ? MEMORY_IMAGES : 100};
    curve_free(&b->curve);
    b->curve = curve_new(&env, &err);
    if (!b->curve)
        die(&err);
}

static void open_points(struct bench *b)
{
    const bool few = b->memory && !b->layers;
    const int n = few ? MEMORY_ALPHAS : b->memory ? FIFTY : b->subject->alphas;

    b->alpha_count = n;
    b->recompute_count = b->memory && arch_has_norm(b->arch) ? MEMORY_ALPHAS : 0;
    list_groups(b);
    for (int i = 0; i < n; i++)
        b->alphas[i] = few ? (double)i / n : (double)i / (n - 1);
    b->tallies = take((size_t)(b->group_count * n) * 2, sizeof *b->tallies);
}

static double run(struct bench *b)
{
    const int n = b->alpha_count;
    const bool norms = arch_has_norm(b->arch);
    const int64_t start = clock_mono_us();
    struct error err;

    for (int g = 0; g < b->group_count; g++) {
        struct tally_sum *to = b->tallies + (size_t)(2 * g * n);
        const bool too = b->recompute_count > 0 && (!b->layers || g % TENTH == 0);
        if ((too && curve_run(b->curve, b->groups[g], CURVE_RECOMPUTE, b->alphas,
                              (size_t)b->recompute_count, to, &err)) ||
            curve_run(b->curve, b->groups[g], norms ? CURVE_INTERP : CURVE_NONE,
                      b->alphas, (size_t)n, to, &err))
            die(&err);
    }
    return (double)b->group_count * n * b->subject->images /
           ((double)(clock_mono_us() - start) * 1e-6);
}

static void answer(struct bench *b)
{
    struct rusage usage;
    char line[64];

    printf("ready isa=%s alphas=%d groups=", isa_name(isa_choose()), b->alpha_count);
    for (int g = 0; g < b->group_count; g++)
        printf("%s%s", g ? "," : "", b->groups[g]);
    printf("\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        open_curve(b);
        printf("%.3f\n", run(b));
        fflush(stdout);
    }
    printf("curve");
    for (int i = 0; i < b->group_count * b->alpha_count; i++) {
        const struct tally at = tally_round(&b->tallies[2 * i + SPLIT_TEST]);
        printf(" %.9g", tally_loss(&at));
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("\nrss %ld\n", usage.ru_maxrss);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct error err;

    for (size_t i = 0; argc == 5 && i < sizeof SUBJECTS / sizeof SUBJECTS[0]; i++)
        if (strcmp(SUBJECTS[i].name, argv[1]) == 0)
            b.subject = &SUBJECTS[i];
    if (!b.subject) {
        fprintf(stderr, "usage: bench_probe mlp|resnet20|resnet18"
                        " whole|layers|memory|fifty THREADS FILE\n");
        return 2;
    }
    blas_set_threads(1);
    b.memory = strcmp(argv[2], "memory") == 0 || strcmp(argv[2], "fifty") == 0;
    b.layers = strcmp(argv[2], "layers") == 0 || strcmp(argv[2], "fifty") == 0;
    open_net(&b);
    write_examples(&b, argv[4]);
    open_points(&b);
    b.team = team_new(atoi(argv[3]), &err);
    if (!b.team)
        die(&err);
    answer(&b);
    curve_free(&b.curve);
    dataset_free(&b.data);
    team_free(&b.team);
    arch_free(&b.arch);
    free(b.a);
    free(b.b);
    free(b.tallies);
    return 0;
}
