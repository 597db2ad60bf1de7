#include "worker/nn/optim.h"

#include "common/error.h"
#include "common/spec.h"
#include "worker/nn/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct optim {
    size_t n;
    double momentum, weight_decay;
    bool nesterov;
    real *velocity; /* n, zero before the first step; NULL without momentum */
};

struct optim *optim_new(const struct spec *spec, size_t n, struct error *err)
{
    struct optim *optim = calloc(1, sizeof *optim);

    if (!optim)
        goto nomem;
    optim->n = n;
    optim->momentum = spec_real(spec, "optimizer.momentum");
    optim->weight_decay = spec_real(spec, "optimizer.weight_decay");
    optim->nesterov = spec_bool(spec, "optimizer.nesterov");

    /* Zeros make the first v = mu * 0 + g = g. */
    if (optim->momentum != 0) {
        optim->velocity = calloc(n > 0 ? n : 1, sizeof *optim->velocity);
        if (!optim->velocity)
            goto nomem;
    }
    return optim;

nomem:
    optim_free(&optim);
    err_set(err, ERR_NO_MEMORY, "no memory for the optimizer of %zu parameters", n);
    return NULL;
}

void optim_free(struct optim **optim)
{
    if (!*optim)
        return;
    free((*optim)->velocity);
    free(*optim);
    *optim = NULL;
}

/* What every parameter of a step shares, rounded to the engine's number once. */
struct rule {
    real lr, momentum, weight_decay;
    bool nesterov;
};

/* VEC_LANES parameters at p, with their gradients and (or NULL) velocities. An
 * option that is off is skipped, not multiplied by 0: 0 * Inf would be NaN. */
static inline void step_lanes(const struct rule *rule, real *p, const real *g, real *v)
{
    const vec old = vec_load(p);
    vec d = vec_load(g);

    if (rule->weight_decay != 0)
        d += rule->weight_decay * old;
    if (v) {
        const vec speed = rule->momentum * vec_load(v) + d;
        vec_store(v, speed);
        d = rule->nesterov ? d + rule->momentum * speed : speed;
    }
    vec_store(p, old - rule->lr * d);
}

/* The last n < VEC_LANES parameters, in vectors of their own. */
static void step_rest(const struct rule *rule, real *p, const real *g, real *v, size_t n)
{
    real rest[3][VEC_LANES] = {{0}};

    memcpy(rest[0], p, n * sizeof *p);
    memcpy(rest[1], g, n * sizeof *g);
    if (v)
        memcpy(rest[2], v, n * sizeof *v);
    step_lanes(rule, rest[0], rest[1], v ? rest[2] : NULL);
    memcpy(p, rest[0], n * sizeof *p);
    if (v)
        memcpy(v, rest[2], n * sizeof *v);
}

void optim_step(struct optim *optim, real *theta, real *grad, double lr)
{
    const struct rule rule = {
        .lr = (real)lr,
        .momentum = (real)optim->momentum,
        .weight_decay = (real)optim->weight_decay,
        .nesterov = optim->nesterov,
    };
    real *velocity = optim->velocity;
    size_t i = 0;

    for (; i + VEC_LANES <= optim->n; i += VEC_LANES)
        step_lanes(&rule, theta + i, grad + i, velocity ? velocity + i : NULL);
    if (i < optim->n)
        step_rest(&rule, theta + i, grad + i, velocity ? velocity + i : NULL,
                  optim->n - i);
}

double schedule_lr(const struct spec *spec, int epoch)
{
    double lr = spec_real(spec, "optimizer.lr");

    if (strcmp(spec_string(spec, "train.schedule.name"), "step") != 0)
        return lr;

    /* The default is no drop at all, so only an item of the spec matters. */
    for (size_t i = 0; i < spec->count; i++) {
        const struct value *at = &spec->items[i].value;
        if (strcmp(spec->items[i].opt->name, "train.schedule.at") != 0)
            continue;
        for (size_t k = 0; k < at->list.count; k++)
            if (at->list.items[k].integer <= epoch)
                lr *= spec_real(spec, "train.schedule.factor");
    }
    return lr;
}
