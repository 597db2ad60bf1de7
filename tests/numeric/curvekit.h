#ifndef COORD_CURVEKIT_H
#define COORD_CURVEKIT_H

/* Two states of a small network, data for it, and curves between them. */

#include "tests/numeric/numkit.h"
#include "tests/unit/fixture.h"
#include "worker/eval.h"
#include "worker/nn/blas.h"
#include "worker/nn/init.h"
#include "worker/nn/team.h"
#include "worker/probe/curve.h"

enum { ALPHAS = 5, TRAIN = 150, TEST = 140, MOMENTS = 90 };

static const double LINE[ALPHAS] = {-0.25, 0, 0.4, 1, 1.25};

/* Two states of a network, and data for it. */
struct subject {
    struct spec spec;
    struct arch *arch;
    struct dataset *data;
    real *a, *b;
};

/* Running statistics as training would leave some: any mean, a positive variance. */
static inline real *make_state(const struct subject *s, const char *seed, uint32_t number)
{
    const size_t n = s->arch->state_count;
    real *state = num_alloc(n, sizeof *state), *noise = num_random(n, number);
    struct spec spec;

    assert_int_equal(spec_copy(&s->spec, &spec, NULL), 0);
    fixture_set(&spec, "seed.init", seed);
    assert_int_equal(init_params(&spec, s->arch, state, NULL), 0);
    for (int t = s->arch->param_tensors; t < s->arch->tensor_count; t++) {
        const struct tensor *tensor = &s->arch->tensors[t];
        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
            state[i] += noise[i] / (tensor->class == TENSOR_VAR ? 2 : 4);
    }
    spec_free(&spec);
    free(noise);
    return state;
}

/* width: of a ResNet; an MLP has its own. */
static inline struct subject make_subject_of(const char *model, const char *norm,
                                             const char *width)
{
    struct subject s = {.spec = fixture_spec(JOB_TRAIN, "data.name", "\"blobs\"",
                                             "data.shape", "[3,8,8]", "data.train", "150",
                                             "model.name", model, NULL)};
    struct error err = {0};

    fixture_seeds(&s.spec, "1");
    fixture_set(&s.spec, "model.norm", norm);
    if (strcmp(model, "\"mlp\"") == 0)
        fixture_set(&s.spec, "model.widths", "[24,16]");
    else
        fixture_set(&s.spec, "model.width", width);
    s.arch = arch_build(&s.spec, &err);
    if (!s.arch)
        fail_msg("%s", err.text);
    s.data = dataset_open(&s.spec, NULL, &err);
    if (!s.data)
        fail_msg("%s", err.text);
    s.a = make_state(&s, "1", 11);
    s.b = make_state(&s, "2", 12);
    return s;
}

static inline struct subject make_subject(const char *model, const char *norm)
{
    return make_subject_of(model, norm, "8.0");
}

static inline void subject_free(struct subject *s)
{
    free(s->a);
    free(s->b);
    dataset_free(&s->data);
    arch_free(&s->arch);
    spec_free(&s->spec);
}

struct way {
    bool naive;
    enum isa isa;
    struct team *team;
    size_t store_bytes; /* these as curve_env's; 0: what is usual */
    int64_t late_filters;
};

typedef void curve_batch_fn(void *user, const struct curve_batch *batch);

static inline struct curve *make_curve(const struct subject *s, const struct way *way,
                                       curve_batch_fn *batch, void *user)
{
    const struct net_options engine = {.isa = way->isa, .team = way->team};
    const struct curve_env env = {.arch = s->arch,
                                  .data = s->data,
                                  .engine = &engine,
                                  .a = s->a,
                                  .b = s->b,
                                  .count = {TRAIN, TEST},
                                  .bn_count = MOMENTS,
                                  .naive = way->naive,
                                  .store_bytes = way->store_bytes,
                                  .late_filters = way->late_filters,
                                  .batch = batch,
                                  .user = user};
    struct error err = {0};
    struct curve *curve = curve_new(&env, &err);

    if (!curve)
        fail_msg("%s", err.text);
    return curve;
}

static inline void run(const struct subject *s, const struct way *way, const char *group,
                       enum curve_bn bn, struct tally ret[2 * ALPHAS])
{
    struct curve *curve = make_curve(s, way, NULL, NULL);
    struct tally_sum sums[2 * ALPHAS];

    assert_int_equal(curve_run(curve, group, bn, LINE, ALPHAS, sums, NULL), 0);
    for (int i = 0; i < 2 * ALPHAS; i++)
        ret[i] = tally_round(&sums[i]);
    curve_free(&curve);
}

#endif
