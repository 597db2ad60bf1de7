#include "worker/nn/net.h"

#include "common/error.h"
#include "worker/nn/conv_lanes.h"
#include "worker/nn/dense.h"
#include "worker/nn/lanes.h"
#include "worker/nn/plan.h"
#include "worker/nn/pool_lanes.h"
#include "worker/nn/relu.h"
#include "worker/nn/swap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct net {
    const struct arch *arch; /* borrowed */
    struct plan plan;
    real *memory;   /* every buffer of reals; plan has their places */
    uint8_t *bytes; /* winners of pooling; then, per example, right or not */
    const real *x;  /* of the last net_forward, borrowed */
    int B;          /* of the last net_forward */
    double smoothing;
};

/* What one step of either pass works on. */
struct job {
    const struct net *net;
    const struct step *step;
    const real *theta;
    const real *in;
    real *out;
    int B;
    /* backward only */
    real *grad;
    const real *dout;
    real *din; /* NULL: nobody needs it */
};

static const real *weight_of(const struct job *job)
{
    return job->theta + job->step->weight;
}

static const real *bias_of(const struct job *job)
{
    return job->step->has_bias ? job->theta + job->step->bias : NULL;
}

static real *grad_weight_of(const struct job *job)
{
    return job->grad + job->step->weight;
}

static real *grad_bias_of(const struct job *job)
{
    return job->step->has_bias ? job->grad + job->step->bias : NULL;
}

static real *scratch_of(const struct job *job)
{
    return job->net->memory + job->net->plan.scratch;
}

static uint8_t *which_of(const struct job *job)
{
    return job->net->plan.training ? job->net->bytes + job->step->which : NULL;
}

static void dense_run(const struct job *job)
{
    dense_forward(job->out, job->in, weight_of(job), bias_of(job), job->B,
                  (int)job->step->in_size, (int)job->step->out_size);
}

static void dense_back(const struct job *job)
{
    dense_backward(job->din, grad_weight_of(job), grad_bias_of(job), job->dout, job->in,
                   weight_of(job), job->B, (int)job->step->in_size,
                   (int)job->step->out_size);
}

static void conv_run(const struct job *job)
{
    conv_forward(&job->step->conv, job->out, job->in, weight_of(job), bias_of(job),
                 job->B, scratch_of(job));
}

static void conv_back(const struct job *job)
{
    conv_backward(&job->step->conv, job->din, grad_weight_of(job), grad_bias_of(job),
                  job->dout, job->in, weight_of(job), job->B, scratch_of(job));
}

static void conv_lanes_run(const struct job *job)
{
    conv_lanes_forward(&job->step->conv, job->out, job->in, weight_of(job), bias_of(job),
                       job->B, scratch_of(job));
}

static void conv_lanes_back(const struct job *job)
{
    conv_lanes_backward(&job->step->conv, job->din, grad_weight_of(job),
                        grad_bias_of(job), job->dout, job->in, weight_of(job), job->B,
                        scratch_of(job));
}

static size_t plane_count(const struct job *job)
{
    return (size_t)job->B * (size_t)job->step->in_shape.C;
}

static void pool_run(const struct job *job)
{
    pool_forward(&job->step->pool, job->out, which_of(job), job->in, plane_count(job));
}

static void pool_back(const struct job *job)
{
    pool_backward(&job->step->pool, job->din, job->dout, which_of(job), plane_count(job));
}

/* Planes of VEC_LANES images. */
static size_t lane_planes(const struct job *job)
{
    const int groups = lanes_round(job->B) / lanes_round(1);
    return (size_t)groups * (size_t)job->step->in_shape.C;
}

static void pool_lanes_run(const struct job *job)
{
    pool_lanes_forward(&job->step->pool, job->out, job->in, lane_planes(job));
}

static void pool_lanes_back(const struct job *job)
{
    pool_lanes_backward(&job->step->pool, job->din, job->dout, job->in, lane_planes(job));
}

static size_t relu_count(const struct job *job)
{
    int B = job->step->from == LAYOUT_LANES ? lanes_round(job->B) : job->B;
    return (size_t)B * job->step->in_size;
}

static void relu_run(const struct job *job)
{
    relu_forward(job->out, job->in, relu_count(job));
}

static void relu_back(const struct job *job)
{
    relu_backward(job->din, job->dout, job->out, relu_count(job));
}

static void change_layout(const struct job *job, real *to, const real *from,
                          enum layout layout_to, enum layout layout_from)
{
    const struct shape s = job->step->in_shape;
    const size_t B = (size_t)job->B, C = (size_t)s.C, n = (size_t)s.H * (size_t)s.W;

    if (layout_to == LAYOUT_LANES)
        lanes_pack(to, from, job->B, C * n);
    else if (layout_from == LAYOUT_LANES)
        lanes_unpack(to, from, job->B, C * n);
    else if (layout_to == LAYOUT_PLANES)
        swap_outer(to, from, B, C, n);
    else
        swap_outer(to, from, C, B, n);
}

static void layout_run(const struct job *job)
{
    change_layout(job, job->out, job->in, job->step->to, job->step->from);
}

static void layout_back(const struct job *job)
{
    change_layout(job, job->din, job->dout, job->step->from, job->step->to);
}

static const struct {
    void (*run)(const struct job *);
    void (*back)(const struct job *);
} STEPS[] = {
    [STEP_DENSE] = {dense_run, dense_back},
    [STEP_RELU] = {relu_run, relu_back},
    [STEP_CONV] = {conv_run, conv_back},
    [STEP_POOL] = {pool_run, pool_back},
    [STEP_CONV_LANES] = {conv_lanes_run, conv_lanes_back},
    [STEP_POOL_LANES] = {pool_lanes_run, pool_lanes_back},
    [STEP_LAYOUT] = {layout_run, layout_back},
};

struct net *net_new(const struct arch *arch, int batch_max, bool training,
                    struct error *err)
{
    struct net *net = calloc(1, sizeof *net);
    size_t size;

    if (!net) {
        err_set(err, ERR_NO_MEMORY, "no memory for a network");
        return NULL;
    }
    net->arch = arch;
    if (plan_init(&net->plan, arch, batch_max, training, err) == -1)
        goto fail;
    if (__builtin_mul_overflow(net->plan.real_count, sizeof *net->memory, &size))
        size = SIZE_MAX;

    /* At least one line, so that a network without layers is no special case. */
    if (size < SIZE_MAX - 64)
        net->memory = aligned_alloc(64, (size + 64) / 64 * 64);
    net->bytes = malloc(net->plan.byte_count + (size_t)batch_max);
    if (!net->memory || !net->bytes) {
        err_set(err, ERR_NO_MEMORY,
                "no memory for the activations of a batch of %d (%zu MiB)", batch_max,
                size >> 20);
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
    plan_free(&(*net)->plan);
    free((*net)->memory);
    free((*net)->bytes);
    free(*net);
    *net = NULL;
}

void net_smooth_labels(struct net *net, double share)
{
    net->smoothing = share;
}

const struct arch *net_arch(const struct net *net)
{
    return net->arch;
}

/* What step i reads. */
static const real *input_of(const struct net *net, int i)
{
    return i == 0 ? net->x : net->memory + net->plan.steps[i - 1].out;
}

static struct job job_of(const struct net *net, int i, const real *theta)
{
    const struct step *step = &net->plan.steps[i];

    return (struct job){
        .net = net,
        .step = step,
        .theta = theta,
        .in = input_of(net, i),
        .out = net->memory + step->out,
        .B = net->B,
    };
}

const real *net_forward(struct net *net, const real *theta, const real *x, int B)
{
    assert(B >= 1 && B <= net->plan.batch_max);
    net->x = x;
    net->B = B;
    for (int i = 0; i < net->plan.count; i++) {
        struct job job = job_of(net, i, theta);
        STEPS[job.step->kind].run(&job);
    }
    return input_of(net, net->plan.count);
}

int net_backward(struct net *net, const real *theta, const uint8_t *labels, int B,
                 real *grad, double *losses)
{
    const struct plan *plan = &net->plan;
    uint8_t *right = net->bytes + plan->byte_count;
    int right_count = 0, turn = 0;

    assert(plan->training && B == net->B);
    memset(grad, 0, net->arch->param_count * sizeof *grad);
    loss_smoothed(losses, right, net->memory + plan->dout[turn],
                  input_of(net, plan->count), labels, B, net->arch->classes,
                  net->smoothing);
    for (int i = 0; i < B; i++)
        right_count += right[i];

    /* What comes before the first parameters gets no gradient. */
    for (int i = plan->count - 1; i >= plan->first_param; i--) {
        struct job job = job_of(net, i, theta);
        job.grad = grad;
        job.dout = net->memory + plan->dout[turn];
        if (!job.step->in_place)
            turn = !turn;
        job.din = i > plan->first_param ? net->memory + plan->dout[turn] : NULL;
        STEPS[job.step->kind].back(&job);
    }
    return right_count;
}
