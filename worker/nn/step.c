#include "worker/nn/step.h"

#include "worker/nn/act.h"
#include "worker/nn/conv_op.h"
#include "worker/nn/dense.h"
#include "worker/nn/lanes.h"
#include "worker/nn/point.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <string.h>

enum {
    L = VEC_LANES,
    CHUNK = 1 << 14, /* reals of an item where every real stands alone */
    PLANES = 8,      /* planes of an item of pooling */
};

/* ---- sizes ------------------------------------------------------------------- */

int job_groups(const struct job *job)
{
    return lanes_round(job->B) / L;
}

size_t job_reals(const struct job *job, size_t size)
{
    const int B = job->step->layout == LAYOUT_LANES ? lanes_round(job->B) : job->B;

    return (size_t)B * size;
}

size_t job_group(const struct job *job, size_t size, int group, size_t *ret_from)
{
    const size_t all = job_reals(job, size), each = L * size;

    *ret_from = (size_t)group * each;
    return all - *ret_from < each ? all - *ret_from : each;
}

static const real *param(const struct job *job, size_t offset)
{
    return offset == NO_TENSOR ? NULL : job->state + offset;
}

static real *param_grad(const struct job *job, size_t offset)
{
    return offset == NO_TENSOR ? NULL : job->grad + offset;
}

/* ---- reals that stand alone -------------------------------------------------- */

/* run(w, from, n) over pieces of n reals. */
struct pieces {
    const struct job *job;
    size_t n;
    void (*run)(const struct pieces *p, size_t from, size_t n);
    real *to;
    const real *a, *b;
};

static void pieces_item(void *arg, int item, int who)
{
    const struct pieces *p = arg;
    const size_t from = (size_t)item * CHUNK;

    (void)who;
    p->run(p, from, p->n - from < CHUNK ? p->n - from : CHUNK);
}

static void run_pieces(struct pieces *p)
{
    team_run(p->job->team, (int)((p->n + CHUNK - 1) / CHUNK), pieces_item, p);
}

static void add_piece(const struct pieces *p, size_t from, size_t n)
{
    point_add(p->to + from, p->a + from, p->b + from, n);
}

void step_accumulate(const struct job *job, real *to, const real *from, size_t size)
{
    struct pieces p = {job, job_reals(job, size), add_piece, to, to, from};

    /* What a change of layout reads is in the other one. */
    if (job->step->kind == STEP_LAYOUT)
        p.n = (size_t)(job->step->layout == LAYOUT_LANES ? job->B : lanes_round(job->B)) *
              size;
    run_pieces(&p);
}

static void act_piece(const struct pieces *p, size_t from, size_t n)
{
    act_forward(p->job->step->act, p->to + from, p->a + from, n);
}

static void act_run(const struct job *job)
{
    struct pieces p = {
        job, job_reals(job, job->step->in_size), act_piece, job->out, job->in, NULL};

    run_pieces(&p);
}

static void act_back_piece(const struct pieces *p, size_t from, size_t n)
{
    const enum act_kind act = p->job->step->act;

    act_backward(act, p->to + from, p->job->dout + from,
                 act_needs_input(act) ? p->a + from : NULL, p->b + from, n);
}

static void act_back(const struct job *job)
{
    struct pieces p = {
        job,     job_reals(job, job->step->in_size), act_back_piece, job->din, job->in,
        job->out};

    run_pieces(&p);
}

static void add_run(const struct job *job)
{
    struct pieces p = {job,       job_reals(job, job->step->in_size),
                       add_piece, job->out,
                       job->in,   job->other};

    run_pieces(&p);
}

static void copy_piece(const struct pieces *p, size_t from, size_t n)
{
    memcpy(p->to + from, p->a + from, n * sizeof *p->to);
}

static void pass_on(const struct job *job, real *to, bool add)
{
    struct pieces p = {job, job_reals(job, job->step->in_size), copy_piece, to, job->dout,
                       NULL};

    if (add)
        step_accumulate(job, to, job->dout, job->step->in_size);
    else if (to && to != job->dout)
        run_pieces(&p);
}

/* An operand that is added twice reads dout before it is that. */
static void add_back(const struct job *job)
{
    pass_on(job, job->dother, job->add_other);
    pass_on(job, job->din, job->add_in);
}

/* ---- layers with kernels of their own ---------------------------------------- */

static struct dense_call dense_of(const struct job *job)
{
    return (struct dense_call){.B = job->B,
                               .I = (int)job->step->in_size,
                               .O = (int)job->step->out_size,
                               .native = job->native,
                               .isa = job->isa,
                               .team = job->team,
                               .scratch = job->scratch};
}

static void dense_run(const struct job *job)
{
    const struct dense_call call = dense_of(job);
    const struct params *at = &job->step->at;

    if (job->packed && !*job->packed_ready) {
        dense_pack(&call, job->packed, param(job, at->weight));
        *job->packed_ready = true;
    }
    dense_forward(&call, job->out, job->in, param(job, at->weight), job->packed,
                  param(job, at->bias));
}

static void dense_back(const struct job *job)
{
    const struct dense_call call = dense_of(job);
    const struct params *at = &job->step->at;

    dense_backward_weights(&call, param_grad(job, at->weight), param_grad(job, at->bias),
                           job->dout, job->in);
    if (job->din)
        dense_backward_data(&call, job->din, job->add_in, job->dout,
                            param(job, at->weight));
}

static struct conv_call conv_of(const struct job *job)
{
    return (struct conv_call){&job->step->conv, job->B, job->isa, job->team,
                              job->scratch};
}

static void conv_run(const struct job *job)
{
    const struct conv_call call = conv_of(job);
    const struct params *at = &job->step->at;

    job->step->op->forward(&call, job->out, job->in, param(job, at->weight),
                           param(job, at->bias));
}

static void conv_back(const struct job *job)
{
    const struct conv_call call = conv_of(job);
    const struct params *at = &job->step->at;

    job->step->op->backward_weights(&call, param_grad(job, at->weight), job->dout,
                                    job->in);
    if (at->bias != NO_TENSOR)
        conv_bias(&call, param_grad(job, at->bias), job->dout);
    if (job->din)
        job->step->op->backward_data(&call, job->din, job->add_in, job->dout,
                                     param(job, at->weight));
}

static struct norm_call norm_of(const struct job *job)
{
    return (struct norm_call){&job->step->norm, job->B, job->isa, job->team,
                              job->replace};
}

static void norm_run(const struct job *job)
{
    const struct norm_call call = norm_of(job);
    const struct params *at = &job->step->at;
    const bool batch_norm = job->step->norm.groups == 0;
    const real *gamma = param(job, at->weight), *beta = param(job, at->bias);
    real *mean = job->stats, *invstd = mean + norm_stats(&job->step->norm, job->B);
    const bool moves = batch_norm && job->running;

    if (batch_norm && job->moments)
        norm_apply_moments(&call, job->out, job->in, job->other, job->moments, gamma,
                           beta);
    else if (batch_norm && !job->batch)
        norm_apply(&call, job->out, job->in, job->other, param(job, at->mean),
                   param(job, at->var), gamma, beta);
    else
        norm_forward(
            &call, job->out, mean, invstd, moves ? job->running + at->mean : NULL,
            moves ? job->running + at->var : NULL, job->in, job->other, gamma, beta);
}

static void norm_back(const struct job *job)
{
    const struct norm_call call = norm_of(job);
    const struct params *at = &job->step->at;
    const real *mean = job->stats, *invstd = mean + norm_stats(&job->step->norm, job->B);

    norm_backward(&call, job->din, job->dother, param_grad(job, at->weight),
                  param_grad(job, at->bias), job->dout, job->in, job->out, mean, invstd,
                  param(job, at->weight));
}

/* ---- pools: planes ----------------------------------------------------------- */

struct planes {
    const struct job *job;
    size_t count, in_plane, out_plane; /* reals of a plane */
};

static struct planes planes_of(const struct job *job)
{
    const struct step *step = job->step;
    const size_t C = (size_t)step->shape.C;

    return (struct planes){job, (size_t)job_groups(job) * C, step->in_size / C * L,
                           step->out_size / C * L};
}

static void run_planes(struct planes *p, team_item *item)
{
    team_run(p->job->team, (int)((p->count + PLANES - 1) / PLANES), item, p);
}

static size_t planes_at(const struct planes *p, int item, size_t *ret_count)
{
    const size_t from = (size_t)item * PLANES;

    *ret_count = p->count - from < PLANES ? p->count - from : PLANES;
    return from;
}

static void maxpool_item(void *arg, int item, int who)
{
    const struct planes *p = arg;
    size_t count, from = planes_at(p, item, &count);

    (void)who;
    pool_lanes_forward(&p->job->step->pool, p->job->out + from * p->out_plane,
                       p->job->in + from * p->in_plane, count);
}

static void maxpool_run(const struct job *job)
{
    struct planes p = planes_of(job);

    run_planes(&p, maxpool_item);
}

static void maxpool_back_item(void *arg, int item, int who)
{
    const struct planes *p = arg;
    size_t count, from = planes_at(p, item, &count);

    (void)who;
    pool_lanes_backward(&p->job->step->pool, p->job->din + from * p->in_plane,
                        p->job->dout + from * p->out_plane,
                        p->job->in + from * p->in_plane, count);
}

static void maxpool_back(const struct job *job)
{
    struct planes p = planes_of(job);

    run_planes(&p, maxpool_back_item);
}

static void avgpool_item(void *arg, int item, int who)
{
    const struct planes *p = arg;
    size_t count, from = planes_at(p, item, &count);

    (void)who;
    avgpool_forward(&p->job->step->avgpool, p->job->out + from * p->out_plane,
                    p->job->in + from * p->in_plane, count);
}

static void avgpool_run(const struct job *job)
{
    struct planes p = planes_of(job);

    run_planes(&p, avgpool_item);
}

static void avgpool_back_item(void *arg, int item, int who)
{
    const struct planes *p = arg;
    size_t count, from = planes_at(p, item, &count);

    (void)who;
    avgpool_backward(&p->job->step->avgpool, p->job->din + from * p->in_plane,
                     p->job->dout + from * p->out_plane, count);
}

static void avgpool_back(const struct job *job)
{
    struct planes p = planes_of(job);

    run_planes(&p, avgpool_back_item);
}

/* ---- layout: groups of images ------------------------------------------------ */

struct change {
    const struct job *job;
    enum layout to_layout;
    real *to;
    const real *from;
};

static void change_item(void *arg, int group, int who)
{
    const struct change *c = arg;
    const size_t size = c->job->step->in_size, at = (size_t)group * L * size;
    const int left = c->job->B - group * L, B = left < L ? left : L;

    (void)who;
    if (c->to_layout == LAYOUT_LANES)
        lanes_pack(c->to + at, c->from + at, B, size);
    else
        lanes_unpack(c->to + at, c->from + at, B, size);
}

static void layout_run(const struct job *job)
{
    struct change change = {job, job->step->layout, job->out, job->in};

    team_run(job->team, job_groups(job), change_item, &change);
}

static void layout_back(const struct job *job)
{
    const enum layout back =
        job->step->layout == LAYOUT_LANES ? LAYOUT_IMAGES : LAYOUT_LANES;
    struct change change = {job, back, job->din, job->dout};

    team_run(job->team, job_groups(job), change_item, &change);
}

const struct step_kernel STEP_KERNELS[STEP_KINDS] = {
    [STEP_LAYOUT] = {layout_run, layout_back},
    [STEP_DENSE] = {dense_run, dense_back},
    [STEP_CONV] = {conv_run, conv_back},
    [STEP_MAXPOOL] = {maxpool_run, maxpool_back},
    [STEP_AVGPOOL] = {avgpool_run, avgpool_back},
    [STEP_NORM] = {norm_run, norm_back},
    [STEP_ACT] = {act_run, act_back},
    [STEP_ADD] = {add_run, add_back},
    [STEP_SUBSAMPLE] = {subsample_run, subsample_back},
    [STEP_DROPOUT] = {dropout_run, dropout_back},
    [STEP_SHIFT] = {shift_run, shift_back},
    [STEP_SCALE] = {scale_run, scale_back},
};
