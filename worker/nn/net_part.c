#include "worker/nn/net_part.h"

#include "worker/nn/lanes.h"
#include "worker/nn/net_internal.h"

#include <assert.h>
#include <string.h>

int net_steps(const struct net *net)
{
    return net->plan.count;
}

bool net_reads(const struct net *net, int at, int tensor)
{
    const struct step *step = &net->plan.steps[at];
    const struct layer *layer;

    if (step->at.weight == NO_TENSOR && step->at.bias == NO_TENSOR)
        return false;
    layer = &net->arch->layers[step->layer];
    return layer->weight == tensor || layer->bias == tensor || layer->mean == tensor ||
           layer->var == tensor;
}

int net_first_step(const struct net *net, const bool *varied)
{
    for (int i = 0; i < net->plan.count; i++)
        for (int t = 0; t < net->arch->tensor_count; t++)
            if (varied[t] && net_reads(net, i, t))
                return i;
    return net->plan.count;
}

bool net_is_linear(const struct net *net, int step)
{
    const enum step_kind kind = net->plan.steps[step].kind;

    return kind == STEP_CONV || kind == STEP_DENSE;
}

void net_begin(struct net *net, const real *x, int B)
{
    net->x = x;
    net->B = B;
}

void net_run(struct net *net, const real *state, enum net_norms norms, real *moments,
             int from, int to)
{
    const struct pass pass = {.net = net,
                              .x = net->x,
                              .state = state,
                              .running = moments,
                              .batch = norms == NET_BATCH,
                              .replace = true,
                              .B = net->B};

    net_forward_steps(&pass, from, to);
}

const real *net_logits(const struct net *net)
{
    return net_span(net, net->plan.values[net->plan.logits].data);
}

/* ---- cuts -------------------------------------------------------------------- */

static size_t value_reals(const struct net *net, int value, int B)
{
    const struct plan_value *v = &net->plan.values[value];

    return v->size * (size_t)(v->layout == LAYOUT_LANES ? lanes_round(B) : B);
}

real *net_output(struct net *net, int step, size_t *ret_n)
{
    const int value = net->plan.steps[step].out;

    *ret_n = value_reals(net, value, net->B);
    return net_span(net, net->plan.values[value].data);
}

static bool is_alive(const struct net *net, int value, int at)
{
    const struct plan *plan = &net->plan;
    const int writer = plan->values[value].writer;

    if (writer != NONE && writer >= at)
        return false;
    if (at == plan->count)
        return value == plan->logits;
    for (int i = at; i < plan->count; i++)
        if (plan->steps[i].in == value || plan->steps[i].other == value)
            return true;
    return false;
}

/* Saved values begin on a line of the cache, as kernels want the example to. */
static size_t saved_reals(const struct net *net, int value, int B)
{
    const size_t line = 64 / sizeof(real);

    return (value_reals(net, value, B) + line - 1) / line * line;
}

size_t net_alive(const struct net *net, int step, int B)
{
    size_t n = 0;

    for (int v = 0; v < net->plan.value_count; v++)
        if (is_alive(net, v, step))
            n += saved_reals(net, v, B);
    return n;
}

void net_save(const struct net *net, int step, real *to)
{
    for (int v = 0; v < net->plan.value_count; v++) {
        if (!is_alive(net, v, step))
            continue;
        const real *from =
            v == VALUE_EXAMPLE ? net->x : net_span(net, net->plan.values[v].data);
        memcpy(to, from, value_reals(net, v, net->B) * sizeof *to);
        to += saved_reals(net, v, net->B);
    }
}

void net_load(struct net *net, int step, const real *from, int B)
{
    assert(B <= net->plan.options.batch_max);
    net->B = B;
    for (int v = 0; v < net->plan.value_count; v++) {
        if (!is_alive(net, v, step))
            continue;
        if (v == VALUE_EXAMPLE)
            net->x = from;
        else
            memcpy(net_span(net, net->plan.values[v].data), from,
                   value_reals(net, v, B) * sizeof *from);
        from += saved_reals(net, v, B);
    }
}

bool net_keeps_example(const struct net *net, int step)
{
    return is_alive(net, VALUE_EXAMPLE, step);
}
