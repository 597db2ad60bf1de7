#include "worker/nn/step.h"

#include "common/rng.h"
#include "worker/nn/team.h"
#include "worker/nn/vec.h"

#include <string.h>

/* The layers that are a few lines each: items are groups of images. */

enum { L = VEC_LANES };

static void run_groups(const struct job *job, team_item *item)
{
    struct job copy = *job;

    team_run(job->team, job_groups(job), item, &copy);
}

/* ---- dropout ----------------------------------------------------------------- */

/* Of example n of the batch: number f decides about unit f. */
static struct rng units_of(const struct job *job, int n)
{
    enum { EXAMPLES = 22 }; /* bits; the rest of the index is the layer */
    const uint32_t index = (uint32_t)job->step->layer << EXAMPLES | (uint32_t)n;

    return rng_at(job->draw->seed, RNG_DROPOUT, (uint32_t)job->draw->step, index);
}

/* One example's units, `apart` reals from one to the next. */
static void drop(const struct job *job, int n, size_t from, size_t apart)
{
    const double share = job->step->dropout;
    const real scale = (real)(1 / (1 - share));
    struct rng rng = units_of(job, n);

    for (size_t f = 0; f < job->step->in_size; f++) {
        const size_t at = from + f * apart;
        job->mask[at] = rng_uniform(&rng) >= share;
        job->out[at] = job->mask[at] ? job->in[at] * scale : 0;
    }
}

static void dropout_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const bool lanes = job->step->layout == LAYOUT_LANES;
    size_t from, n = job_group(job, job->step->in_size, group, &from);

    (void)who;
    if (lanes && job->B < (group + 1) * L) {
        memset(job->mask + from, 0, n);
        memset(job->out + from, 0, n * sizeof *job->out);
    }
    for (int i = 0; i < L && group * L + i < job->B; i++)
        drop(job, group * L + i,
             lanes ? from + (size_t)i : from + (size_t)i * job->step->in_size,
             lanes ? L : 1);
}

static void copy_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    size_t from, n = job_group(job, job->step->in_size, group, &from);

    (void)who;
    memcpy(job->out + from, job->in + from, n * sizeof *job->out);
}

void dropout_run(const struct job *job)
{
    if (job->training)
        run_groups(job, dropout_item);
    else if (job->out != job->in)
        run_groups(job, copy_item);
}

static void dropout_back_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const real scale = (real)(1 / (1 - job->step->dropout));
    size_t from, n = job_group(job, job->step->in_size, group, &from);

    (void)who;
    for (size_t i = from; i < from + n; i++)
        job->din[i] = job->mask[i] ? job->dout[i] * scale : 0;
}

void dropout_back(const struct job *job)
{
    run_groups(job, dropout_back_item);
}

/* ---- subsampling ------------------------------------------------------------- */

/* The channel of the input that channel c of the output holds, or -1. */
static int source_of(const struct step *step, int c)
{
    c -= step->before;
    return c >= 0 && c < step->shape.C ? c : -1;
}

static void subsample_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const struct step *step = job->step;
    const struct shape in = step->shape, out = step->shape_out;
    const real *from = job->in + (size_t)group * step->in_size * L;
    real *to = job->out + (size_t)group * step->out_size * L;

    (void)who;
    memset(to, 0, step->out_size * L * sizeof *to);
    for (int c = 0; c < out.C; c++) {
        const int source = source_of(step, c);
        for (int h = 0; h < out.H && source >= 0; h++)
            for (int w = 0; w < out.W; w++)
                vec_store(
                    to + (size_t)((c * out.H + h) * out.W + w) * L,
                    vec_load(from + (size_t)((source * in.H + h * step->stride) * in.W +
                                             w * step->stride) *
                                        L));
    }
}

void subsample_run(const struct job *job)
{
    run_groups(job, subsample_item);
}

static void subsample_back_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const struct step *step = job->step;
    const struct shape in = step->shape, out = step->shape_out;
    const real *from = job->dout + (size_t)group * step->out_size * L;
    real *to = job->din + (size_t)group * step->in_size * L;

    (void)who;
    memset(to, 0, step->in_size * L * sizeof *to);
    for (int c = 0; c < out.C; c++) {
        const int source = source_of(step, c);
        for (int h = 0; h < out.H && source >= 0; h++)
            for (int w = 0; w < out.W; w++)
                vec_store(to + (size_t)((source * in.H + h * step->stride) * in.W +
                                        w * step->stride) *
                                   L,
                          vec_load(from + (size_t)((c * out.H + h) * out.W + w) * L));
    }
}

void subsample_back(const struct job *job)
{
    run_groups(job, subsample_back_item);
}

/* ---- one number for all units ------------------------------------------------ */

/* Each group's sum, in double, in a place of its own; then in their order. */
static double *sums_of(const struct job *job)
{
    return (double *)(void *)job->scratch;
}

static real total(const struct job *job)
{
    double sum = 0;

    for (int g = 0; g < job_groups(job); g++)
        sum += sums_of(job)[g];
    return (real)sum;
}

static void shift_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const real bias = job->state[job->step->at.bias];
    size_t from, n = job_group(job, job->step->in_size, group, &from);

    (void)who;
    for (size_t i = from; i < from + n; i++)
        job->out[i] = job->in[i] + bias;
}

void shift_run(const struct job *job)
{
    run_groups(job, shift_item);
}

static void shift_back_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    size_t from, n = job_group(job, job->step->in_size, group, &from);
    double sum = 0;

    (void)who;
    for (size_t i = from; i < from + n; i++)
        sum += (double)job->dout[i];
    sums_of(job)[group] = sum;
    if (job->din && job->din != job->dout)
        memcpy(job->din + from, job->dout + from, n * sizeof *job->din);
}

void shift_back(const struct job *job)
{
    run_groups(job, shift_back_item);
    job->grad[job->step->at.bias] = total(job);
}

static void scale_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const real weight = job->state[job->step->at.weight];
    size_t from, n = job_group(job, job->step->in_size, group, &from);

    (void)who;
    for (size_t i = from; i < from + n; i++)
        job->out[i] = job->in[i] * weight;
}

void scale_run(const struct job *job)
{
    run_groups(job, scale_item);
}

static void scale_back_item(void *arg, int group, int who)
{
    const struct job *job = arg;
    const real weight = job->state[job->step->at.weight];
    size_t from, n = job_group(job, job->step->in_size, group, &from);
    double sum = 0;

    (void)who;
    for (size_t i = from; i < from + n; i++) {
        sum += (double)job->dout[i] * (double)job->in[i];
        if (job->din)
            job->din[i] = job->dout[i] * weight;
    }
    sums_of(job)[group] = sum;
}

void scale_back(const struct job *job)
{
    run_groups(job, scale_back_item);
    job->grad[job->step->at.weight] = total(job);
}
