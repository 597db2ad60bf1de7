#include "worker/probe/plane.h"

#include "common/error.h"
#include "worker/probe/direction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct plane {
    struct plane_env env;
    struct net_options engine;
    const char *group;
    real *d1, *d2; /* around a state */
    real *a, *b;   /* ends of a row */
};

/* ---- states ------------------------------------------------------------------- */

struct direction_gram plane_set_group(struct plane *plane, const char *group)
{
    const struct plane_env *env = &plane->env;
    const struct arch *arch = env->curve.arch;

    plane->group = group;
    if (env->p)
        return direction_gram(arch, group, env->o, env->p, env->q);
    direction_draw(arch, group, env->o, env->seed, 1, env->filters, plane->d1);
    direction_draw(arch, group, env->o, env->seed, 2, env->filters, plane->d2);
    return direction_gram(arch, group, NULL, plane->d1, plane->d2);
}

/* In double, so that the rounding to real is the only visible one. */
static void between(const struct plane_env *env, double x, double y, size_t at, size_t n,
                    real *theta)
{
    for (size_t i = at; i < at + n; i++) {
        const double o = (double)env->o[i];
        theta[i] = (real)fma(x, (double)env->p[i] - o, fma(y, (double)env->q[i] - o, o));
    }
}

static void around(const struct plane *plane, double x, double y, size_t at, size_t n,
                   real *theta)
{
    for (size_t i = at; i < at + n; i++)
        theta[i] = (real)fma(x, (double)plane->d1[i],
                             fma(y, (double)plane->d2[i], (double)plane->env.o[i]));
}

/* The state that lies at a point; by copying, so that Inf and NaN do not spread. */
static const real *state_at(const struct plane_env *env, double x, double y)
{
    if (x == 0 && y == 0)
        return env->o;
    if (x == 1 && y == 0)
        return env->p;
    return x == 0 && y == 1 ? env->q : NULL;
}

static void set_tensor(const struct plane *plane, int t, double x, double y, real *theta)
{
    const struct plane_env *env = &plane->env;
    const struct tensor *tensor = &env->curve.arch->tensors[t];
    const real *state = state_at(env, x, y);

    if (state)
        memcpy(theta + tensor->offset, state + tensor->offset,
               tensor->count * sizeof *theta);
    else if (env->p)
        between(env, x, y, tensor->offset, tensor->count, theta);
    else
        around(plane, x, y, tensor->offset, tensor->count, theta);
}

/* Where what does not move stays. */
static const real *base_of(const struct plane_env *env)
{
    return env->p ? env->p : env->o;
}

void plane_at(const struct plane *plane, double x, double y, real *theta)
{
    const struct arch *arch = plane->env.curve.arch;

    memcpy(theta, base_of(&plane->env), arch->state_count * sizeof *theta);
    for (int t = 0; t < arch->tensor_count; t++)
        if (arch_in_group(arch, t, plane->group))
            set_tensor(plane, t, x, y, theta);
}

/* ---- rows --------------------------------------------------------------------- */

/* Statistics that are a state's, not combined: curve.h takes start from a, end from b. */
static void set_statistics(struct plane *plane)
{
    const struct arch *arch = plane->env.curve.arch;
    const size_t from = arch->param_count, n = arch->state_count - from;

    memcpy(plane->a + from, plane->env.o + from, n * sizeof *plane->a);
    memcpy(plane->b + from, base_of(&plane->env) + from, n * sizeof *plane->b);
}

int plane_row(struct plane *plane, enum curve_bn bn, size_t j, struct tally_sum *ret,
              struct error *err)
{
    const struct plane_env *env = &plane->env;
    struct curve_env ends = env->curve;
    struct curve *curve;
    int rc;

    plane_at(plane, 0, env->ys.at[j], plane->a);
    plane_at(plane, 1, env->ys.at[j], plane->b);
    if (bn != CURVE_INTERP)
        set_statistics(plane);
    ends.a = plane->a;
    ends.b = plane->b;
    curve = curve_new(&ends, err);
    if (!curve)
        return -1;
    rc = curve_run(curve, plane->group, bn, env->xs.at, env->xs.count, ret, err);
    curve_free(&curve);
    return rc;
}

/* ---- life --------------------------------------------------------------------- */

struct plane *plane_new(const struct plane_env *env, struct error *err)
{
    const size_t bytes = env->curve.arch->state_count * sizeof(real);
    struct plane *plane = calloc(1, sizeof *plane);

    if (!plane)
        goto fail;
    plane->env = *env;
    plane->engine = *env->curve.engine;
    plane->env.curve.engine = &plane->engine;
    plane->group = "all";
    plane->a = malloc(bytes);
    plane->b = malloc(bytes);
    if (!plane->a || !plane->b)
        goto fail;
    if (!env->p) {
        plane->d1 = calloc(1, bytes);
        plane->d2 = calloc(1, bytes);
        if (!plane->d1 || !plane->d2)
            goto fail;
    }
    return plane;

fail:
    plane_free(&plane);
    err_set(err, ERR_NO_MEMORY, "no memory for a plane");
    return NULL;
}

void plane_free(struct plane **plane_p)
{
    struct plane *plane = plane_p ? *plane_p : NULL;

    if (!plane)
        return;
    free(plane->d1);
    free(plane->d2);
    free(plane->a);
    free(plane->b);
    free(plane);
    *plane_p = NULL;
}
