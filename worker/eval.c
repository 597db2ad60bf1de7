#include "worker/eval.h"

#include "common/error.h"
#include "common/spec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct eval {
    enum isa isa;
    const struct dataset *data;
    struct net *net;
    real *x; /* (EVAL_BATCH,C,H,W) */
    uint32_t index[EVAL_BATCH];
    uint8_t labels[EVAL_BATCH];
    uint8_t right[EVAL_BATCH];
    double losses[EVAL_BATCH];
};

struct net_options eval_engine(const struct spec *spec, struct team *team)
{
    return (struct net_options){
        .exact = strcmp(spec_string(spec, "train.numerics"), "exact") == 0,
        .native = strcmp(spec_string(spec, "train.kernels"), "native") == 0,
        .label_smoothing = spec_real(spec, "train.label_smoothing"),
        .team = team,
        .isa = isa_choose(),
    };
}

struct net_options eval_options(const struct net_options *engine)
{
    struct net_options options = *engine;

    options.batch_max = EVAL_BATCH;
    options.training = false;
    options.from = options.to = 0;
    return options;
}

struct eval *eval_new(const struct arch *arch, const struct dataset *data,
                      const struct net_options *engine, struct error *err)
{
    const struct net_options options = eval_options(engine);
    struct eval *eval = calloc(1, sizeof *eval);
    size_t example =
        (size_t)arch->input.C * (size_t)arch->input.H * (size_t)arch->input.W;

    if (!eval) {
        err_set(err, ERR_NO_MEMORY, "no memory to evaluate");
        return NULL;
    }
    eval->isa = options.isa;
    eval->data = data;
    eval->x = malloc(EVAL_BATCH * example * sizeof *eval->x);
    if (!eval->x)
        err_set(err, ERR_NO_MEMORY, "no memory to evaluate");
    else
        eval->net = net_new(arch, &options, err);
    if (!eval->net)
        eval_free(&eval);
    return eval;
}

void eval_free(struct eval **eval)
{
    if (!*eval)
        return;
    net_free(&(*eval)->net);
    free((*eval)->x);
    free(*eval);
    *eval = NULL;
}

struct tally eval_run(struct eval *eval, const real *state, enum split split,
                      int64_t count)
{
    struct tally_sum sum = {0};

    assert(count <= dataset_count(eval->data, split));
    net_keep(eval->net, state);
    for (int64_t from = 0; from < count; from += EVAL_BATCH) {
        int B = count - from < EVAL_BATCH ? (int)(count - from) : EVAL_BATCH;
        const real *logits;

        for (int i = 0; i < B; i++)
            eval->index[i] = (uint32_t)(from + i);
        dataset_fetch(eval->data, split, eval->index, B, eval->x, eval->labels);
        logits = net_forward(eval->net, state, eval->x, B);
        loss_softmax_on(eval->isa, eval->losses, eval->right, NULL, logits, eval->labels,
                        B, net_arch(eval->net)->classes);
        for (int i = 0; i < B; i++)
            tally_add(&sum, eval->losses[i], eval->right[i]);
    }
    net_keep(eval->net, NULL);
    return tally_round(&sum);
}
