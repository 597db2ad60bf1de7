#include "worker/nn/net_part.h"

#include "worker/nn/lanes.h"
#include "worker/nn/net_internal.h"
#include "worker/nn/vec.h"

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

bool net_is_relu(const struct net *net, int at)
{
    const struct step *step = &net->plan.steps[at];

    return at > 0 && at < net->plan.count && step->kind == STEP_ACT &&
           step->act == ACT_RELU && step->in == net->plan.steps[at - 1].out &&
           !is_alive(net, step->in, at + 1);
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

static size_t image_reals(const struct net *net, int value, int count)
{
    return net->plan.values[value].size * (size_t)count;
}

void net_load_some(struct net *net, int step, const real *from, int B, int first,
                   int count)
{
    assert(count <= net->plan.options.batch_max && first % VEC_LANES == 0);
    net->B = count;
    for (int v = 0; v < net->plan.value_count; v++) {
        if (!is_alive(net, v, step))
            continue;
        const real *at = from + image_reals(net, v, first);
        if (v == VALUE_EXAMPLE)
            net->x = at;
        else
            memcpy(net_span(net, net->plan.values[v].data), at,
                   value_reals(net, v, count) * sizeof *at);
        from += saved_reals(net, v, B);
    }
}

void net_load(struct net *net, int step, const real *from, int B)
{
    net_load_some(net, step, from, B, 0, B);
}

bool net_keeps_example(const struct net *net, int step)
{
    return is_alive(net, VALUE_EXAMPLE, step);
}

/* ---- sections ---------------------------------------------------------------- */

size_t net_filters(const struct net *net, int step)
{
    const struct step *conv = &net->plan.steps[step];

    return conv->kind == STEP_CONV ? (size_t)conv->conv.C * (size_t)conv->conv.O : 0;
}

void net_put(struct net *net, int first, const struct net *from, int step)
{
    assert(first % VEC_LANES == 0 && first + from->B <= net->plan.options.batch_max);
    net->B = first + from->B;
    for (int v = VALUE_EXAMPLE + 1; v < net->plan.value_count; v++)
        if (is_alive(net, v, step))
            memcpy(net_span(net, net->plan.values[v].data) + image_reals(net, v, first),
                   net_span(from, from->plan.values[v].data),
                   value_reals(from, v, from->B) * sizeof(real));
}

static real *slice_at(const struct net *net, int value, int first)
{
    if (value == NONE)
        return NULL;
    return net_span(net, net->plan.values[value].data) + image_reals(net, value, first);
}

static void run_norm_slices(struct net *net, const struct step *step, const real *state,
                            const real *const *stats, int each)
{
    const size_t params = net->arch->param_count;
    const struct params *at = &step->at;

    for (int first = 0; first < net->B; first += each, stats++) {
        const int left = net->B - first;
        const struct norm_call call = {&step->norm, left < each ? left : each,
                                       net->options.isa, net->options.team, false};
        norm_apply(&call, slice_at(net, step->out, first), slice_at(net, step->in, first),
                   slice_at(net, step->other, first), *stats + (at->mean - params),
                   *stats + (at->var - params), state + at->weight, state + at->bias);
    }
}

void net_run_slices(struct net *net, const real *state, const real *const *stats,
                    int each, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (net_next_norm(net, i) == i)
            run_norm_slices(net, &net->plan.steps[i], state, stats, each);
        else
            net_run(net, state, NET_RUNNING, NULL, i, i + 1);
    }
}
