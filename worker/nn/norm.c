#include "worker/nn/norm.h"

#include "common/arch.h"
#include "worker/nn/lanes.h"
#include "worker/nn/simd/plane.h"
#include "worker/nn/team.h"

#include <math.h>
#include <string.h>

enum {
    L = VEC_LANES,
    /* Channels that an item of batch norm visits side by side, so that their
     * planes in one group of images come to about a page: less than that from
     * places far apart would crowd into a few sets of the caches. */
    CHANNELS_MAX = 8,
    PIXELS_TOGETHER = 128,
};

/* One call; items of the team's work share it. */
struct pass {
    const struct norm_call *call;
    const struct plane_kernels *run;
    size_t C, S;
    size_t image_groups;
    size_t together; /* channels an item of batch norm */
    real *out, *mean, *invstd, *running_mean, *running_var;
    real *dz, *dresidual, *dgamma, *dbeta;
    const real *z, *residual, *dout, *kept; /* kept: out, where act is ReLU */
    const real *given_mean, *given_var, *gamma, *beta;
    const real *saved_mean, *saved_invstd;
    struct norm_sums *sums;
    const struct norm_moments *moments;
    bool begin;
};

static const struct plane_kernels *kernels(enum isa isa)
{
    return ISA_PICK(plane_kernels, isa);
}

static struct pass pass_of(const struct norm_call *call)
{
    const struct norm *norm = call->norm;
    const int together = PIXELS_TOGETHER / norm->S;

    return (struct pass){
        .call = call,
        .run = kernels(call->isa),
        .C = (size_t)norm->C,
        .S = (size_t)norm->S,
        .image_groups = (size_t)lanes_round(call->B) / L,
        .together = together < 1              ? 1
                    : together > CHANNELS_MAX ? CHANNELS_MAX
                                              : (size_t)together,
    };
}

/* Where the plane of a channel begins. */
static size_t plane_at(const struct pass *p, size_t g, size_t c)
{
    return (g * p->C + c) * p->S * L;
}

/* Lanes of a group that hold images. */
static int live_of(const struct pass *p, size_t g)
{
    const size_t left = (size_t)p->call->B - g * L;

    return left < L ? (int)left : L;
}

static const real *beside(const real *x, size_t at)
{
    return x ? x + at : NULL;
}

/* Zeros into the lanes without images. */
static void clear_dead(real *x, size_t n, int live)
{
    if (live < L && x)
        for (size_t i = 0; i < n; i++)
            memset(x + i * L + live, 0, (size_t)(L - live) * sizeof *x);
}

static void fill(real lanes[L], double value)
{
    for (int l = 0; l < L; l++)
        lanes[l] = (real)value;
}

static double total(const double lanes[L])
{
    double sum = 0;

    for (int l = 0; l < L; l++)
        sum += lanes[l];
    return sum;
}

/* ---- sums over any number of neighbouring pixels ------------------------------ */

static size_t run_length(size_t done, size_t n)
{
    return n - done < PLANE_RUN ? n - done : PLANE_RUN;
}

static void add_moments(const struct pass *p, double *sum, double *squares, size_t at,
                        const real *center, size_t n, int live)
{
    for (size_t i = 0; i < n; i += PLANE_RUN)
        p->run->moments(sum, squares, p->z + at + i * L, center, run_length(i, n), live);
}

static void add_slopes(const struct pass *p, double *sum, double *product, size_t at,
                       const real *center, size_t n, int live)
{
    for (size_t i = 0; i < n; i += PLANE_RUN) {
        const size_t to = at + i * L;
        p->run->slopes(sum, product, p->dout + to, beside(p->kept, to), p->z + to, center,
                       run_length(i, n), live);
    }
}

/* A variance is the mean square of distances from a center, less the square of the
 * mean distance. With any center but the mean that cancels, by the ratio of the two.
 * The center here is the mean of a part of the numbers, say 1 in k; then, whatever
 * they are, the ratio is below k (the part alone makes the variance as large as
 * that), and usually far below 1. So nothing is lost by reading them once. */
static struct norm_moments moments_of(double center, double sum, double squares, double n)
{
    const double off = sum / n;
    double var = squares / n - off * off;

    if (var < 0)
        var = 0;
    return (struct norm_moments){center + off, var};
}

static double invstd_of(double var)
{
    return 1 / sqrt(var + NORM_EPS);
}

/* What affine() is told: the mean's rounding goes into the shift. */
struct factors {
    real center[L], scale[L], shift[L];
};

static void factors_lane(struct factors *f, int l, struct norm_moments m, double gamma,
                         double beta)
{
    const double scale = gamma * invstd_of(m.var);

    f->center[l] = (real)m.mean;
    f->scale[l] = (real)scale;
    f->shift[l] = (real)(beta + ((double)f->center[l] - m.mean) * scale);
}

static void factors_fill(struct factors *f, struct norm_moments m, double gamma,
                         double beta)
{
    factors_lane(f, 0, m, gamma, beta);
    fill(f->center, (double)f->center[0]);
    fill(f->scale, (double)f->scale[0]);
    fill(f->shift, (double)f->shift[0]);
}

static void normalise(const struct pass *p, size_t g, size_t c, const struct factors *f)
{
    const size_t at = plane_at(p, g, c);

    p->run->affine(p->out + at, p->z + at, beside(p->residual, at), f->center, f->scale,
                   f->shift, p->S, p->call->norm->relu);
    clear_dead(p->out + at, p->S, live_of(p, g));
}

static void pull_back(const struct pass *p, size_t g, size_t c,
                      const struct plane_pull *pull)
{
    const size_t at = plane_at(p, g, c);
    real *dresidual = p->dresidual ? p->dresidual + at : NULL;

    p->run->pull_back(p->dz + at, dresidual, p->dout + at, beside(p->kept, at), p->z + at,
                      pull, p->S);
    clear_dead(p->dz + at, p->S, live_of(p, g));
    clear_dead(dresidual, p->S, live_of(p, g));
}

/* ---- batch norm: an item is some channels, in all images. They are read twice, the
 * second time from the last to the first: what was read last is still in a cache --- */

static size_t last_channel(const struct pass *p, int item)
{
    const size_t end = ((size_t)item + 1) * p->together;

    return end < p->C ? end : p->C;
}

static int channel_items(const struct pass *p)
{
    return (int)((p->C + p->together - 1) / p->together);
}

/* The mean of the first group of images. */
static void take_center(const struct pass *p, size_t c, struct norm_sums *sums)
{
    const int live = live_of(p, 0);
    double sum[L] = {0};

    for (size_t i = 0; i < p->S; i += PLANE_RUN)
        p->run->sum(sum, p->z + plane_at(p, 0, c) + i * L, run_length(i, p->S), live);
    fill(sums->center, total(sum) / ((double)live * (double)p->S));
}

/* A single value has no unbiased variance: its biased one, 0, must do where the
 * batch's statistics are only looked at. */
static double unbiased_of(struct norm_moments m, double n)
{
    return n > 1 ? m.var * (n / (n - 1)) : m.var;
}

static void move_running(const struct pass *p, size_t c, struct norm_moments m, double n)
{
    const double share = p->call->replace ? 1 : NORM_MOMENTUM;
    const double unbiased = unbiased_of(m, n);

    p->running_mean[c] =
        (real)((1 - share) * (double)p->running_mean[c] + share * m.mean);
    p->running_var[c] =
        (real)((1 - share) * (double)p->running_var[c] + share * unbiased);
}

static void settle(const struct pass *p, size_t c, const struct norm_sums *sums,
                   struct factors *f)
{
    const double n = (double)p->call->B * (double)p->S;
    const struct norm_moments m =
        moments_of((double)sums->center[0], total(sums->sum), total(sums->squares), n);

    p->mean[c] = (real)m.mean;
    p->invstd[c] = (real)invstd_of(m.var);
    if (p->running_mean)
        move_running(p, c, m, n);
    factors_fill(f, m, (double)p->gamma[c], (double)p->beta[c]);
}

static void batch_forward(void *arg, int item, int who)
{
    const struct pass *p = arg;
    const size_t c0 = (size_t)item * p->together, c1 = last_channel(p, item);
    struct norm_sums sums[CHANNELS_MAX] = {{{0}, {0}, {0}}};
    struct factors f[CHANNELS_MAX];

    (void)who;
    for (size_t c = c0; c < c1; c++)
        take_center(p, c, &sums[c - c0]);
    for (size_t g = 0; g < p->image_groups; g++)
        for (size_t c = c0; c < c1; c++)
            add_moments(p, sums[c - c0].sum, sums[c - c0].squares, plane_at(p, g, c),
                        sums[c - c0].center, p->S, live_of(p, g));
    for (size_t c = c0; c < c1; c++)
        settle(p, c, &sums[c - c0], &f[c - c0]);
    for (size_t g = p->image_groups; g-- > 0;)
        for (size_t c = c0; c < c1; c++)
            normalise(p, g, c, &f[c - c0]);
}

/* dz = gamma * invstd * (g - mean(g) - xhat * mean(g * xhat)) */
static void settle_slopes(const struct pass *p, size_t c, const struct norm_sums *sums,
                          struct plane_pull *pull)
{
    const double n = (double)p->call->B * (double)p->S;
    const double invstd = (double)p->saved_invstd[c],
                 scale = (double)p->gamma[c] * invstd;
    const double slope = total(sums->sum), product = total(sums->squares);

    p->dbeta[c] = (real)slope;
    p->dgamma[c] = (real)(product * invstd);
    fill(pull->center, (double)p->saved_mean[c]);
    fill(pull->scale, scale);
    fill(pull->shift, scale * (slope / n));
    fill(pull->pull, scale * (invstd * invstd * (product / n)));
}

static void batch_backward(void *arg, int item, int who)
{
    const struct pass *p = arg;
    const size_t c0 = (size_t)item * p->together, c1 = last_channel(p, item);
    struct norm_sums sums[CHANNELS_MAX] = {{{0}, {0}, {0}}};
    struct plane_pull pull[CHANNELS_MAX];

    (void)who;
    for (size_t c = c0; c < c1; c++)
        fill(sums[c - c0].center, (double)p->saved_mean[c]);
    for (size_t g = 0; g < p->image_groups; g++)
        for (size_t c = c0; c < c1; c++)
            add_slopes(p, sums[c - c0].sum, sums[c - c0].squares, plane_at(p, g, c),
                       sums[c - c0].center, p->S, live_of(p, g));
    for (size_t c = c0; c < c1; c++)
        settle_slopes(p, c, &sums[c - c0], &pull[c - c0]);
    for (size_t g = p->image_groups; g-- > 0;)
        for (size_t c = c0; c < c1; c++)
            pull_back(p, g, c, &pull[c - c0]);
}

/* Some channels in all images of the call, of which there may be more. */
static void batch_add(void *arg, int item, int who)
{
    const struct pass *p = arg;
    const size_t c0 = (size_t)item * p->together, c1 = last_channel(p, item);

    (void)who;
    for (size_t c = c0; p->begin && c < c1; c++) {
        p->sums[c] = (struct norm_sums){{0}, {0}, {0}};
        take_center(p, c, &p->sums[c]);
    }
    for (size_t g = 0; g < p->image_groups; g++)
        for (size_t c = c0; c < c1; c++)
            add_moments(p, p->sums[c].sum, p->sums[c].squares, plane_at(p, g, c),
                        p->sums[c].center, p->S, live_of(p, g));
}

/* An item is a group of images. */
static void batch_apply(void *arg, int item, int who)
{
    const struct pass *p = arg;

    (void)who;
    for (size_t c = 0; c < p->C; c++) {
        struct norm_moments m;
        struct factors f;

        if (p->moments)
            m = p->moments[c];
        else
            m = (struct norm_moments){(double)p->given_mean[c], (double)p->given_var[c]};

        factors_fill(&f, m, (double)p->gamma[c], (double)p->beta[c]);
        normalise(p, (size_t)item, c, &f);
    }
}

/* ---- group norm: an item is a group of images, and every lane has statistics of
 * its own ------------------------------------------------------------------------ */

static size_t channels_each(const struct pass *p)
{
    return p->C / (size_t)p->call->norm->groups;
}

/* Place of the statistics that channel c of image group g has. */
static size_t stats_at(const struct pass *p, size_t g, size_t c)
{
    return (g * (size_t)p->call->norm->groups + c / channels_each(p)) * L;
}

static void lanes_moments(const struct pass *p, size_t g, size_t c0,
                          struct norm_moments m[L])
{
    const size_t n = channels_each(p) * p->S, first = run_length(0, n);
    const size_t at = plane_at(p, g, c0);
    double sum[L] = {0}, squares[L] = {0}, part[L] = {0};
    real center[L];

    p->run->sum(part, p->z + at, first, L);
    for (int l = 0; l < L; l++)
        center[l] = (real)(part[l] / (double)first);
    add_moments(p, sum, squares, at, center, n, L);
    for (int l = 0; l < L; l++)
        m[l] = moments_of((double)center[l], sum[l], squares[l], (double)n);
}

static void group_forward(void *arg, int item, int who)
{
    const struct pass *p = arg;
    const size_t g = (size_t)item, each = channels_each(p);

    (void)who;
    for (size_t c0 = 0; c0 < p->C; c0 += each) {
        const size_t to = stats_at(p, g, c0);
        struct norm_moments m[L];
        struct factors f;

        lanes_moments(p, g, c0, m);
        for (int l = 0; l < L; l++) {
            p->mean[to + (size_t)l] = (real)m[l].mean;
            p->invstd[to + (size_t)l] = (real)invstd_of(m[l].var);
        }
        for (size_t c = c0; c < c0 + each; c++) {
            for (int l = 0; l < L; l++)
                factors_lane(&f, l, m[l], (double)p->gamma[c], (double)p->beta[c]);
            normalise(p, g, c, &f);
        }
        clear_dead(p->mean + to, 1, live_of(p, g));
        clear_dead(p->invstd + to, 1, live_of(p, g));
    }
}

/* dgamma and dbeta of one channel: sums over all images. */
static void group_params(void *arg, int item, int who)
{
    const struct pass *p = arg;
    const size_t c = (size_t)item;
    double slope[L] = {0}, scaled = 0;

    (void)who;
    for (size_t g = 0; g < p->image_groups; g++) {
        const size_t to = stats_at(p, g, c);
        double product[L] = {0};

        add_slopes(p, slope, product, plane_at(p, g, c), p->saved_mean + to, p->S,
                   live_of(p, g));
        for (int l = 0; l < L; l++)
            scaled += product[l] * (double)p->saved_invstd[to + (size_t)l];
    }
    p->dbeta[c] = (real)total(slope);
    p->dgamma[c] = (real)scaled;
}

/* As for a batch, with gamma inside the means: g differs from channel to channel. */
static void group_backward(void *arg, int item, int who)
{
    const struct pass *p = arg;
    const size_t g = (size_t)item, each = channels_each(p);
    const double n = (double)each * (double)p->S;

    (void)who;
    for (size_t c0 = 0; c0 < p->C; c0 += each) {
        const real *mean = p->saved_mean + stats_at(p, g, c0);
        const real *invstd = p->saved_invstd + stats_at(p, g, c0);
        double slope[L] = {0}, product[L] = {0};
        struct plane_pull pull;

        for (size_t c = c0; c < c0 + each; c++) {
            double a[L] = {0}, b[L] = {0};
            add_slopes(p, a, b, plane_at(p, g, c), mean, p->S, live_of(p, g));
            for (int l = 0; l < L; l++) {
                slope[l] += (double)p->gamma[c] * a[l];
                product[l] += (double)p->gamma[c] * b[l];
            }
        }
        for (size_t c = c0; c < c0 + each; c++) {
            for (int l = 0; l < L; l++) {
                const double s = (double)invstd[l];
                pull.center[l] = mean[l];
                pull.scale[l] = (real)((double)p->gamma[c] * s);
                pull.shift[l] = (real)(s * (slope[l] / n));
                pull.pull[l] = (real)(s * s * s * (product[l] / n));
            }
            pull_back(p, g, c, &pull);
        }
    }
}

/* ---- calls ----------------------------------------------------------------------- */

void norm_forward(const struct norm_call *call, real *out, real *mean, real *invstd,
                  real *running_mean, real *running_var, const real *z,
                  const real *residual, const real *gamma, const real *beta)
{
    struct pass p = pass_of(call);

    p.out = out;
    p.mean = mean;
    p.invstd = invstd;
    p.running_mean = running_mean;
    p.running_var = running_var;
    p.z = z;
    p.residual = residual;
    p.gamma = gamma;
    p.beta = beta;
    if (call->norm->groups == 0)
        team_run(call->team, channel_items(&p), batch_forward, &p);
    else
        team_run(call->team, (int)p.image_groups, group_forward, &p);
}

void norm_apply(const struct norm_call *call, real *out, const real *z,
                const real *residual, const real *mean, const real *var,
                const real *gamma, const real *beta)
{
    struct pass p = pass_of(call);

    p.out = out;
    p.z = z;
    p.residual = residual;
    p.given_mean = mean;
    p.given_var = var;
    p.gamma = gamma;
    p.beta = beta;
    team_run(call->team, (int)p.image_groups, batch_apply, &p);
}

void norm_add(const struct norm_call *call, struct norm_sums *sums, bool begin,
              const real *z)
{
    struct pass p = pass_of(call);

    p.sums = sums;
    p.begin = begin;
    p.z = z;
    team_run(call->team, channel_items(&p), batch_add, &p);
}

void norm_settle(const struct norm *norm, const struct norm_sums *sums, double images,
                 struct norm_moments *moments, real *running_mean, real *running_var)
{
    const double n = images * (double)norm->S;

    for (int c = 0; c < norm->C; c++) {
        moments[c] = moments_of((double)sums[c].center[0], total(sums[c].sum),
                                total(sums[c].squares), n);
        running_mean[c] = (real)moments[c].mean;
        running_var[c] = (real)unbiased_of(moments[c], n);
    }
}

void norm_apply_moments(const struct norm_call *call, real *out, const real *z,
                        const real *residual, const struct norm_moments *moments,
                        const real *gamma, const real *beta)
{
    struct pass p = pass_of(call);

    p.out = out;
    p.z = z;
    p.residual = residual;
    p.moments = moments;
    p.gamma = gamma;
    p.beta = beta;
    team_run(call->team, (int)p.image_groups, batch_apply, &p);
}

void norm_backward(const struct norm_call *call, real *dz, real *dresidual, real *dgamma,
                   real *dbeta, const real *dout, const real *z, const real *out,
                   const real *mean, const real *invstd, const real *gamma)
{
    struct pass p = pass_of(call);

    p.dz = dz;
    p.dresidual = dresidual;
    p.dgamma = dgamma;
    p.dbeta = dbeta;
    p.dout = dout;
    p.z = z;
    p.kept = call->norm->relu ? out : NULL;
    p.saved_mean = mean;
    p.saved_invstd = invstd;
    p.gamma = gamma;
    if (call->norm->groups == 0) {
        team_run(call->team, channel_items(&p), batch_backward, &p);
        return;
    }
    /* First what needs dout as it is. */
    team_run(call->team, call->norm->C, group_params, &p);
    team_run(call->team, (int)p.image_groups, group_backward, &p);
}

size_t norm_stats(const struct norm *norm, int B)
{
    if (norm->groups == 0)
        return (size_t)norm->C;
    return (size_t)lanes_round(B) * (size_t)norm->groups;
}
