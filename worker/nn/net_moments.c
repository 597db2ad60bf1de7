/* Batch norms over more examples than a batch holds (net_part.h). */

#include "worker/nn/net_part.h"

#include "common/error.h"
#include "worker/nn/net_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The running statistics of norms lie behind the parameters: what is known of a norm
 * is kept where its running mean would be, for every network of the arch. */
struct net_moments {
    const struct arch *arch; /* borrowed */
    size_t count;            /* of running statistics */
    struct norm_moments *of; /* (count) at the channels' means */
    real *running;           /* (count) both, as a state has them */
    bool *found;             /* (count) at a norm's first mean */
    struct norm_sums *sums;  /* (channels of the widest norm) */
    size_t adding;           /* whose they are */
};

static bool is_batch_norm(const struct step *step)
{
    return step->kind == STEP_NORM && step->norm.groups == 0;
}

static size_t place_of(const struct net_moments *moments, const struct step *step)
{
    return step->at.mean - moments->arch->param_count;
}

static size_t widest_norm(const struct net *net)
{
    size_t widest = 0;

    for (int i = 0; i < net->plan.count; i++) {
        const struct step *step = &net->plan.steps[i];
        if (is_batch_norm(step) && (size_t)step->norm.C > widest)
            widest = (size_t)step->norm.C;
    }
    return widest;
}

struct net_moments *net_moments_new(const struct net *net, struct error *err)
{
    const size_t count = net->arch->state_count - net->arch->param_count;
    struct net_moments *moments = calloc(1, sizeof *moments);

    if (!moments)
        goto fail;
    moments->arch = net->arch;
    moments->count = count;
    moments->of = calloc(count + 1, sizeof *moments->of);
    moments->running = calloc(count + 1, sizeof *moments->running);
    moments->found = calloc(count + 1, sizeof *moments->found);
    moments->sums = calloc(widest_norm(net) + 1, sizeof *moments->sums);
    if (moments->of && moments->running && moments->found && moments->sums)
        return moments;

fail:
    net_moments_free(&moments);
    err_set(err, ERR_NO_MEMORY, "no memory for the moments of norms");
    return NULL;
}

void net_moments_free(struct net_moments **moments)
{
    if (!*moments)
        return;
    free((*moments)->of);
    free((*moments)->running);
    free((*moments)->found);
    free((*moments)->sums);
    free(*moments);
    *moments = NULL;
}

int net_next_norm(const struct net *net, int from)
{
    while (from < net->plan.count && !is_batch_norm(&net->plan.steps[from]))
        from++;
    return from;
}

void net_moments_restart(const struct net *net, struct net_moments *moments,
                         const struct net_moments *from, int step)
{
    memcpy(moments->of, from->of, moments->count * sizeof *moments->of);
    memcpy(moments->running, from->running, moments->count * sizeof *moments->running);
    memcpy(moments->found, from->found, moments->count * sizeof *moments->found);
    while ((step = net_next_norm(net, step)) < net->plan.count)
        moments->found[place_of(moments, &net->plan.steps[step++])] = false;
}

const struct norm_moments *net_moments_at(const struct net_moments *moments,
                                          const struct step *step)
{
    if (!moments || !is_batch_norm(step))
        return NULL;
    assert(moments->found[place_of(moments, step)]);
    return moments->of + place_of(moments, step);
}

void net_run_moments(struct net *net, const real *state,
                     const struct net_moments *moments, int from, int to)
{
    const struct pass pass = {
        .net = net, .x = net->x, .state = state, .moments = moments, .B = net->B};

    net_forward_steps(&pass, from, to);
}

void net_moments_add(const struct net *net, struct net_moments *moments, int step,
                     bool begin)
{
    const struct step *norm = &net->plan.steps[step];
    const size_t place = place_of(moments, norm);
    const struct norm_call call = {&norm->norm, net->B, net->options.isa,
                                   net->options.team, false};

    assert(is_batch_norm(norm) && (begin || moments->adding == place));
    moments->adding = place;
    norm_add(&call, moments->sums, begin, net_span(net, net->plan.values[norm->in].data));
}

void net_moments_settle(const struct net *net, struct net_moments *moments, int step,
                        double examples)
{
    const struct step *norm = &net->plan.steps[step];
    const size_t place = place_of(moments, norm), first = moments->arch->param_count;

    assert(moments->adding == place);
    norm_settle(&norm->norm, moments->sums, examples, moments->of + place,
                moments->running + place, moments->running + (norm->at.var - first));
    moments->found[place] = true;
}

void net_moments_write(const struct net_moments *moments, real *stats)
{
    memcpy(stats, moments->running, moments->count * sizeof *stats);
}
