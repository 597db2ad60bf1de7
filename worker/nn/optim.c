#include "worker/nn/optim.h"

#include "common/arch.h"
#include "common/error.h"
#include "common/opts.h"
#include "common/spec.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Parameters that one member of a team steps at once: their vectors fit a
     * second-level cache, and a network of a million makes enough pieces. */
    PIECE_MAX = 1 << 15,
};

/* What every parameter of a step shares, rounded to the engine's number once. */
struct rule {
    real lr; /* Adam: with the correction of the first moment */
    real momentum, weight_decay;
    real shrink; /* AdamW: 1 - lr * weight_decay */
    real scale;  /* of the gradient, when it is clipped */
    real beta1, beta1_rest, beta2, beta2_rest, alpha, alpha_rest; /* rest: 1 - */
    real eps, root; /* root: sqrt of the correction of the second moment */
    bool clipped, nesterov;
};

/* How a tensor is treated: what optimizer.freeze, group_lr, group_decay and decay_on
 * come to. */
struct care {
    bool frozen;
    double factor, decay; /* on the learning rate; weight decay */
};

/* Neighbours in the flat vector that are treated alike, PIECE_MAX at most. Where
 * pieces end depends on the network alone, so bits do not depend on the team. */
struct piece {
    size_t at, n;
    struct care care;
    double squares; /* of this step's gradient, summed */
};

struct kind {
    const char *name;
    /* n parameters at p, with their gradients and what is kept of them. */
    void (*step)(const struct rule *rule, real *p, const real *g, real *const kept[],
                 size_t n);
    int kept;     /* vectors that are always kept; momentum takes one more */
    bool moments; /* means that start at 0 and are corrected for it */
};

struct optim {
    const struct kind *kind;
    struct team *team;    /* borrowed, or NULL */
    struct piece *pieces; /* all that is not frozen */
    size_t n, piece_count, steps;
    double momentum, clip;
    double alpha, beta1, beta2, eps;
    bool nesterov;
    real *kept[OPTIM_KEPT_MAX]; /* n each, zero before the first step; or NULL */
};

/* ---- formulas ---------------------------------------------------------------
 * Each for VEC_LANES parameters p, with their gradients g and what is kept of
 * them. An option that is off is skipped, not multiplied by 0: 0 * Inf would be
 * NaN. */

/* The gradient, clipped, with the penalty of weights that old are. */
static VEC_UNROLLED vec slope(const struct rule *rule, const real *g, vec old)
{
    vec d = vec_load(g);

    if (rule->clipped)
        d *= rule->scale;
    if (rule->weight_decay != 0)
        d += rule->weight_decay * old;
    return d;
}

static VEC_UNROLLED void lanes_sgd(const struct rule *rule, real *p, const real *g,
                                   real *const kept[])
{
    const vec old = vec_load(p);
    vec d = slope(rule, g, old);

    if (kept[0]) {
        const vec speed = rule->momentum * vec_load(kept[0]) + d;
        vec_store(kept[0], speed);
        d = rule->nesterov ? d + rule->momentum * speed : speed;
    }
    vec_store(p, old - rule->lr * d);
}

/* The step from old, given a gradient. */
static VEC_UNROLLED void adam(const struct rule *rule, real *p, vec old, vec d,
                              real *const kept[])
{
    const vec mean = rule->beta1 * vec_load(kept[0]) + rule->beta1_rest * d;
    const vec square = rule->beta2 * vec_load(kept[1]) + rule->beta2_rest * d * d;

    vec_store(kept[0], mean);
    vec_store(kept[1], square);
    vec_store(p, old - rule->lr * mean / (vec_sqrt(square) / rule->root + rule->eps));
}

static VEC_UNROLLED void lanes_adam(const struct rule *rule, real *p, const real *g,
                                    real *const kept[])
{
    const vec old = vec_load(p);

    adam(rule, p, old, slope(rule, g, old), kept);
}

static VEC_UNROLLED void lanes_adamw(const struct rule *rule, real *p, const real *g,
                                     real *const kept[])
{
    vec old = vec_load(p), d = vec_load(g);

    if (rule->clipped)
        d *= rule->scale;
    if (rule->weight_decay != 0)
        old *= rule->shrink;
    adam(rule, p, old, d, kept);
}

static VEC_UNROLLED void lanes_rmsprop(const struct rule *rule, real *p, const real *g,
                                       real *const kept[])
{
    const vec old = vec_load(p), d = slope(rule, g, old);
    const vec square = rule->alpha * vec_load(kept[0]) + rule->alpha_rest * d * d;
    vec pace = d / (vec_sqrt(square) + rule->eps);

    vec_store(kept[0], square);
    if (kept[1]) {
        pace += rule->momentum * vec_load(kept[1]);
        vec_store(kept[1], pace);
    }
    vec_store(p, old - rule->lr * pace);
}

/* ---- passes ----------------------------------------------------------------- */

typedef void (*lanes_fn)(const struct rule *rule, real *p, const real *g,
                         real *const kept[]);

/* The last n < VEC_LANES parameters, in vectors of their own. */
static VEC_UNROLLED void sweep_rest(lanes_fn lanes, const struct rule *rule, real *p,
                                    const real *g, real *const kept[], size_t n)
{
    real rest[2 + OPTIM_KEPT_MAX][VEC_LANES] = {{0}};
    real *rest_kept[OPTIM_KEPT_MAX] = {NULL};

    memcpy(rest[0], p, n * sizeof *p);
    memcpy(rest[1], g, n * sizeof *g);
    for (int k = 0; k < OPTIM_KEPT_MAX; k++)
        if (kept[k])
            rest_kept[k] = memcpy(rest[2 + k], kept[k], n * sizeof(real));
    lanes(rule, rest[0], rest[1], rest_kept);
    memcpy(p, rest[0], n * sizeof *p);
    for (int k = 0; k < OPTIM_KEPT_MAX; k++)
        if (kept[k])
            memcpy(kept[k], rest_kept[k], n * sizeof(real));
}

static VEC_UNROLLED void sweep(lanes_fn lanes, const struct rule *rule, real *p,
                               const real *g, real *const kept[], size_t n)
{
    real *at[OPTIM_KEPT_MAX] = {kept[0], kept[1]};
    size_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        lanes(rule, p + i, g + i, at);
        for (int k = 0; k < OPTIM_KEPT_MAX; k++)
            at[k] = at[k] ? at[k] + VEC_LANES : NULL;
    }
    if (i < n)
        sweep_rest(lanes, rule, p + i, g + i, at, n - i);
}

/* One function per optimizer, so that its formula is inlined into its loop. */
#define SWEEP(name_)                                                                     \
    static void step_##name_(const struct rule *rule, real *p, const real *g,            \
                             real *const kept[], size_t n)                               \
    {                                                                                    \
        sweep(lanes_##name_, rule, p, g, kept, n);                                       \
    }

SWEEP(sgd)
SWEEP(adam)
SWEEP(adamw)
SWEEP(rmsprop)

static const struct kind KINDS[] = {
    {"sgd", step_sgd, 0, false},
    {"adam", step_adam, 2, true},
    {"adamw", step_adamw, 2, true},
    {"rmsprop", step_rmsprop, 1, false},
};

/* ---- set-up ----------------------------------------------------------------- */

static const struct kind *kind_of(const struct spec *spec)
{
    const char *name = spec_string(spec, "optimizer.name");
    const struct kind *kind = KINDS;

    while (strcmp(kind->name, name) != 0)
        kind++; /* the option's names are the table's */
    return kind;
}

/* The lists of groups, as the spec has them. */
struct groups {
    struct value frozen, factors, decays;
};

static void groups_free(struct groups *groups)
{
    value_free(&groups->frozen);
    value_free(&groups->factors);
    value_free(&groups->decays);
}

/* Zeroed lists are valid, and freed by groups_free. */
static int groups_read(const struct spec *spec, struct groups *ret)
{
    return spec_value(spec, "optimizer.freeze", &ret->frozen, NULL) ||
                   spec_value(spec, "optimizer.group_lr", &ret->factors, NULL) ||
                   spec_value(spec, "optimizer.group_decay", &ret->decays, NULL)
               ? -1
               : 0;
}

static bool is_frozen(const struct value *groups, const struct arch *arch, int t)
{
    for (size_t i = 0; i < groups->list.count; i++)
        if (arch_in_group(arch, t, groups->list.items[i].string))
            return true;
    return false;
}

/* The number that a list of "GROUP=NUMBER" has for a tensor, or otherwise. */
static double number_for(const struct value *pairs, const struct arch *arch, int t,
                         double otherwise)
{
    for (size_t i = 0; i < pairs->list.count; i++) {
        struct slice name;
        double number;
        char group[sizeof arch->tensors[t].unit];

        if (!opt_pair(pairs->list.items[i].string, &name, &number) ||
            name.size >= sizeof group)
            continue;
        memcpy(group, name.data, name.size);
        group[name.size] = '\0';
        if (arch_in_group(arch, t, group))
            return number;
    }
    return otherwise;
}

static struct care care_of(const struct spec *spec, const struct groups *groups,
                           const struct arch *arch, int t)
{
    const bool all = strcmp(spec_string(spec, "optimizer.decay_on"), "all") == 0;
    const bool decays = all || arch->tensors[t].class == TENSOR_WEIGHT;
    const double decay = decays ? spec_real(spec, "optimizer.weight_decay") : 0;

    return (struct care){.frozen = is_frozen(&groups->frozen, arch, t),
                         .factor = number_for(&groups->factors, arch, t, 1),
                         .decay = number_for(&groups->decays, arch, t, decay)};
}

static bool same_care(struct care a, struct care b)
{
    return a.frozen == b.frozen && a.factor == b.factor && a.decay == b.decay;
}

/* Add what is left of [at, end), in pieces. */
static void add_pieces(struct optim *optim, size_t at, size_t end, struct care care)
{
    while (at < end && !care.frozen) {
        const size_t n = end - at < PIECE_MAX ? end - at : PIECE_MAX;
        optim->pieces[optim->piece_count++] = (struct piece){at, n, care, 0};
        at += n;
    }
}

/* Cut what is trained into pieces, neighbours that are treated alike joined
 * before. */
static int take_pieces(struct optim *optim, const struct spec *spec,
                       const struct arch *arch)
{
    const size_t most = arch->param_count / PIECE_MAX + (size_t)arch->param_tensors + 1;
    struct care care = {.frozen = true};
    struct groups groups = {0};
    size_t at = 0; /* joined from here on */
    int rc = -1;

    optim->pieces = calloc(most, sizeof *optim->pieces);
    if (!optim->pieces || groups_read(spec, &groups))
        goto done;
    for (int t = 0; t < arch->param_tensors; t++) {
        const struct care next = care_of(spec, &groups, arch, t);

        if (same_care(next, care))
            continue;
        add_pieces(optim, at, arch->tensors[t].offset, care);
        at = arch->tensors[t].offset;
        care = next;
    }
    add_pieces(optim, at, arch->param_count, care);
    rc = 0;

done:
    groups_free(&groups);
    return rc;
}

struct optim *optim_new(const struct spec *spec, const struct arch *arch,
                        struct error *err)
{
    struct optim *optim = calloc(1, sizeof *optim);
    int kept;

    if (!optim)
        goto nomem;
    optim->kind = kind_of(spec);
    optim->n = arch->param_count;
    optim->momentum = spec_real(spec, "optimizer.momentum");
    optim->clip = spec_real(spec, "optimizer.clip");
    optim->alpha = spec_real(spec, "optimizer.alpha");
    optim->beta1 = spec_real(spec, "optimizer.beta1");
    optim->beta2 = spec_real(spec, "optimizer.beta2");
    optim->eps = spec_real(spec, "optimizer.eps");
    optim->nesterov = spec_bool(spec, "optimizer.nesterov");
    if (take_pieces(optim, spec, arch))
        goto nomem;

    /* Zeros make the first v = mu * 0 + g = g. */
    kept = optim->kind->kept + (optim->momentum != 0);
    for (int k = 0; k < kept && k < OPTIM_KEPT_MAX; k++) {
        optim->kept[k] = calloc(optim->n > 0 ? optim->n : 1, sizeof *optim->kept[k]);
        if (!optim->kept[k])
            goto nomem;
    }
    return optim;

nomem:
    optim_free(&optim);
    err_set(err, ERR_NO_MEMORY, "no memory for the optimizer of %zu parameters",
            arch->param_count);
    return NULL;
}

void optim_free(struct optim **optim)
{
    if (!*optim)
        return;
    for (int k = 0; k < OPTIM_KEPT_MAX; k++)
        free((*optim)->kept[k]);
    free((*optim)->pieces);
    free(*optim);
    *optim = NULL;
}

/* ---- a step ----------------------------------------------------------------- */

/* The squares of n reals, summed in double and in a fixed order. */
static double sum_squares(const real *x, size_t n)
{
    typedef real few __attribute__((vector_size(4 * sizeof(real))));
    typedef double sums __attribute__((vector_size(4 * sizeof(double))));
    enum { SUMS = 4 };
    sums lanes[SUMS] = {{0}};
    double sum = 0;
    size_t i = 0;

    for (; i + 4 * (size_t)SUMS <= n; i += 4 * (size_t)SUMS)
        for (size_t k = 0; k < SUMS; k++) {
            few at;
            memcpy(&at, x + i + 4 * k, sizeof at);
            const sums wide = __builtin_convertvector(at, sums);
            lanes[k] += wide * wide;
        }
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    lanes[0] += lanes[1] + lanes[2] + lanes[3];
    for (int k = 0; k < 4; k++)
        sum += lanes[0][k];
    return sum;
}

/* One step, as items see it. */
struct step {
    struct optim *optim;
    const struct rule *rule;
    double lr, pace; /* of groups without a factor; as the rule has it */
    real *theta;
    const real *grad;
};

static void square_piece(void *arg, int item, int who)
{
    const struct step *step = arg;
    struct piece *piece = &step->optim->pieces[item];

    (void)who;
    piece->squares = sum_squares(step->grad + piece->at, piece->n);
}

/* What the gradient is multiplied by. The comparison lets a NaN through. */
static double clip_scale(struct step *step)
{
    struct optim *optim = step->optim;
    double scale, sum = 0;

    team_run(optim->team, (int)optim->piece_count, square_piece, step);
    for (size_t i = 0; i < optim->piece_count; i++)
        sum += optim->pieces[i].squares;
    scale = optim->clip / (sqrt(sum) + 1e-6);
    return scale > 1 ? 1 : scale;
}

static void step_piece(void *arg, int item, int who)
{
    const struct step *step = arg;
    const struct optim *optim = step->optim;
    const struct piece *piece = &optim->pieces[item];
    struct rule rule = *step->rule;
    real *kept[OPTIM_KEPT_MAX];

    (void)who;
    for (int k = 0; k < OPTIM_KEPT_MAX; k++)
        kept[k] = optim->kept[k] ? optim->kept[k] + piece->at : NULL;
    rule.lr = (real)(step->pace * piece->care.factor);
    rule.weight_decay = (real)piece->care.decay;
    rule.shrink = (real)(1 - step->lr * piece->care.factor * piece->care.decay);
    optim->kind->step(&rule, step->theta + piece->at, step->grad + piece->at, kept,
                      piece->n);
}

/* What does not depend on the piece. */
static struct rule rule_of(const struct optim *optim)
{
    return (struct rule){
        .momentum = (real)optim->momentum,
        .beta1 = (real)optim->beta1,
        .beta1_rest = (real)(1 - optim->beta1),
        .beta2 = (real)optim->beta2,
        .beta2_rest = (real)(1 - optim->beta2),
        .alpha = (real)optim->alpha,
        .alpha_rest = (real)(1 - optim->alpha),
        .eps = (real)optim->eps,
        .nesterov = optim->nesterov,
    };
}

void optim_share(struct optim *optim, struct team *team)
{
    optim->team = team;
}

void optim_step(struct optim *optim, real *theta, real *grad, double lr)
{
    struct rule rule = rule_of(optim);
    struct step step = {optim, &rule, lr, lr, theta, grad};
    double steps;

    steps = (double)++optim->steps;
    if (optim->kind->moments) {
        step.pace = lr / (1 - pow(optim->beta1, steps));
        rule.root = (real)sqrt(1 - pow(optim->beta2, steps));
    }
    if (optim->clip > 0) {
        rule.clipped = true;
        rule.scale = (real)clip_scale(&step);
    }
    team_run(optim->team, (int)optim->piece_count, step_piece, &step);
}

/* ---- what goes on ------------------------------------------------------------- */

int optim_kept(struct optim *optim, real *ret[OPTIM_KEPT_MAX])
{
    int count = 0;

    for (int k = 0; k < OPTIM_KEPT_MAX; k++)
        if (optim->kept[k])
            ret[count++] = optim->kept[k];
    return count;
}

uint64_t optim_steps(const struct optim *optim)
{
    return optim->steps;
}

void optim_set_steps(struct optim *optim, uint64_t steps)
{
    optim->steps = (size_t)steps;
}
