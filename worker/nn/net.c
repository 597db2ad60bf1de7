#include "worker/nn/net.h"

#include "common/error.h"
#include "worker/nn/net_internal.h"
#include "worker/nn/team.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct net *net_new(const struct arch *arch, const struct net_options *options,
                    struct error *err)
{
    const struct plan_options plan = {.batch_max = options->batch_max,
                                      .threads = team_size(options->team),
                                      .training = options->training,
                                      .exact = options->exact,
                                      .native = options->native,
                                      .from = options->from,
                                      .to = options->to};
    struct net *net = calloc(1, sizeof *net);
    size_t size;

    if (!net) {
        err_set(err, ERR_NO_MEMORY, "no memory for a network");
        return NULL;
    }
    net->arch = arch;
    net->options = *options;
    if (net_plan_init(&net->plan, arch, &plan, err) == -1)
        goto fail;
    if (__builtin_mul_overflow(net->plan.real_count, sizeof *net->memory, &size))
        size = SIZE_MAX;

    /* At least one line, so that a network without layers is no special case. */
    if (size < SIZE_MAX - 64)
        net->memory = aligned_alloc(64, (size + 64) / 64 * 64);
    net->right = malloc((size_t)options->batch_max);
    net->ready = calloc((size_t)net->plan.count + 1, sizeof *net->ready);
    if (!net->memory || !net->right || !net->ready) {
        err_set(err, ERR_NO_MEMORY,
                "no memory for the activations of a batch of %d (%zu MiB)",
                options->batch_max, size >> 20);
        goto fail;
    }
    return net;

fail:
    net_free(&net);
    return NULL;
}

void net_free(struct net **net)
{
    if (!*net)
        return;
    net_plan_free(&(*net)->plan);
    free((*net)->memory);
    free((*net)->right);
    free((*net)->ready);
    free(*net);
    *net = NULL;
}

const struct arch *net_arch(const struct net *net)
{
    return net->arch;
}

size_t net_memory(const struct net *net)
{
    return net->plan.real_count * sizeof *net->memory;
}

int net_batch_min(const struct net *net)
{
    return net->plan.batch_min;
}

void net_keep(struct net *net, const real *state)
{
    net->kept = state;
    memset(net->ready, 0, (size_t)net->plan.count * sizeof *net->ready);
}

void net_moved(struct net *net, const bool *varied)
{
    for (int i = 0; i < net->plan.count; i++) {
        const struct step *step = &net->plan.steps[i];
        if (step->layer != NONE && net->arch->layers[step->layer].weight >= 0 &&
            varied[net->arch->layers[step->layer].weight])
            net->ready[i] = false;
    }
}

real *net_span(const struct net *net, int span)
{
    return span == NONE ? NULL : net->memory + net->plan.spans[span].place;
}

static const real *value_at(const struct pass *pass, int value)
{
    if (value == VALUE_EXAMPLE)
        return pass->x;
    return value == NONE ? NULL : net_span(pass->net, pass->net->plan.values[value].data);
}

static struct job job_of(const struct pass *pass, const struct step *step)
{
    const struct net *net = pass->net;
    const bool kept = net->kept && pass->state == net->kept;

    return (struct job){
        .step = step,
        .B = pass->B,
        .training = pass->training,
        .batch = pass->batch,
        .replace = pass->replace,
        .isa = net->options.isa,
        .team = net->options.team,
        .draw = pass->draw,
        .state = pass->state,
        .running = pass->running,
        .moments = net_moments_at(pass->moments, step),
        .in = value_at(pass, step->in),
        .other = value_at(pass, step->other),
        .out = net_span(net, net->plan.values[step->out].data),
        .stats = net_span(net, step->stats),
        .scratch = net_span(net, step->scratch),
        .packed = kept ? net_span(net, step->packed) : NULL,
        .packed_ready = &net->ready[step - net->plan.steps],
        .native = net->options.native,
        .mask = (uint8_t *)net_span(net, step->mask),
    };
}

void net_forward_steps(const struct pass *pass, int from, int to)
{
    const struct plan *plan = &pass->net->plan;

    assert(pass->B >= 1 && pass->B <= plan->options.batch_max);
    for (int i = from; i < to; i++) {
        const struct job job = job_of(pass, &plan->steps[i]);
        STEP_KERNELS[job.step->kind].forward(&job);
    }
}

static const real *run_forward(const struct pass *pass)
{
    net_forward_steps(pass, 0, pass->net->plan.count);
    return value_at(pass, pass->net->plan.logits);
}

/* Where the kernel is to write. */
static real *target_at(const struct net *net, const struct target *target)
{
    const bool via = target->how == TARGET_VIA || target->how == TARGET_LOST;

    return net_span(net, via ? target->via : target->to);
}

static void add_via(const struct net *net, const struct job *job,
                    const struct target *target)
{
    if (target->how == TARGET_VIA)
        step_accumulate(job, net_span(net, target->to), net_span(net, target->via),
                        job->step->in_size);
}

static void run_backward(const struct pass *pass)
{
    const struct net *net = pass->net;
    const struct plan *plan = &net->plan;

    for (int i = plan->count - 1; i >= 0; i--) {
        const struct step *step = &plan->steps[i];
        struct job job = job_of(pass, step);
        if (!step->active)
            continue;
        job.scratch = net_span(net, step->scratch_back);
        job.grad = pass->grad;
        job.dout = net_span(net, plan->values[step->out].grad);
        job.din = target_at(net, &step->din);
        job.dother = target_at(net, &step->dother);
        job.add_in = step->din.how == TARGET_ADD;
        job.add_other = step->dother.how == TARGET_ADD;
        STEP_KERNELS[step->kind].backward(&job);
        add_via(net, &job, &step->dother);
        add_via(net, &job, &step->din);
    }
}

const real *net_forward(struct net *net, const real *state, const real *x, int B)
{
    const struct pass pass = {.net = net, .x = x, .state = state, .B = B};

    return run_forward(&pass);
}

int net_train(struct net *net, real *state, const real *x, const uint8_t *labels, int B,
              const struct net_draw *draw, real *grad, double *losses)
{
    const struct pass pass = {.net = net,
                              .x = x,
                              .state = state,
                              .running = state,
                              .training = true,
                              .batch = true,
                              .grad = grad,
                              .draw = draw,
                              .B = B};
    int right = 0;

    assert(net->plan.options.training && B >= net->plan.batch_min);
    loss_smoothed(
        losses, net->right, net_span(net, net->plan.values[net->plan.logits].grad),
        run_forward(&pass), labels, B, net->arch->classes, net->options.label_smoothing);
    for (int i = 0; i < B; i++)
        right += net->right[i];
    run_backward(&pass);
    return right;
}
