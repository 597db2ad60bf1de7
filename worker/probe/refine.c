#include "worker/probe/refine.h"

#include "common/error.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Shares of the span: no interval narrower than these is halved. */
#define LEAST      (1.0 / 16384)
#define LEAST_EDGE (1.0 / 1024)

/* A miss within so many standard errors is none. */
#define ERRORS 2.0

enum { SPLITS = 2 };

/* Gap k is between points order[k] and order[k + 1]. */
struct refine {
    struct refine_env env;
    double *alphas; /* by number of the point */
    size_t *order;  /* points by alpha */
    double *miss;   /* of gaps */
    size_t *chosen; /* gaps of a round */
    size_t count;   /* points */
    size_t asked;   /* of them, not told of yet: the last ones */
    size_t given;   /* of them, at the start */
    bool started;
    const double (*losses)[2]; /* during a round */
};

/* ---- points ------------------------------------------------------------------ */

static bool is_finite(const struct refine *r, size_t place, int split)
{
    return isfinite(r->losses[r->order[place]][split]);
}

/* Finite at one end only, on some split. */
static bool is_edge(const struct refine *r, size_t gap)
{
    return is_finite(r, gap, 0) != is_finite(r, gap + 1, 0) ||
           is_finite(r, gap, 1) != is_finite(r, gap + 1, 1);
}

static double width(const struct refine *r, size_t gap)
{
    return r->alphas[r->order[gap + 1]] - r->alphas[r->order[gap]];
}

/* What the line through its neighbours misses the point at a place by: NaN where one of
 * the three is not finite, 0 where it is above the tolerance, but within its error. */
static int miss_at(const struct refine *r, size_t place, int split, double *ret,
                   struct error *err)
{
    const size_t points[3] = {r->order[place - 1], r->order[place], r->order[place + 1]};
    const double low = r->alphas[points[0]], high = r->alphas[points[2]];
    const double share = (r->alphas[points[1]] - low) / (high - low);
    const double line =
        (1 - share) * r->losses[points[0]][split] + share * r->losses[points[2]][split];
    const double away = fabs(r->losses[points[1]][split] - line);
    double se;

    *ret = isfinite(away) ? away / fmax(1, line) : (double)NAN;
    if (!(*ret > r->env.tolerance))
        return 0;
    if (r->env.error(r->env.user, split, points, share, &se, err))
        return -1;
    if (away <= ERRORS * se)
        *ret = 0;
    return 0;
}

/* The larger miss at a gap's ends, as far as it can be told there. */
static int suspect(const struct refine *r, size_t gap, int split, double *ret,
                   struct error *err)
{
    bool known = false;

    *ret = 0;
    for (size_t place = gap; place <= gap + 1; place++) {
        double miss;

        if (place == 0 || place + 1 == r->count)
            continue;
        if (miss_at(r, place, split, &miss, err))
            return -1;
        known = known || !isnan(miss);
        *ret = fmax(*ret, isnan(miss) ? 0 : miss);
    }
    if (!known && is_finite(r, gap, split) && is_finite(r, gap + 1, split))
        *ret = INFINITY;
    return 0;
}

/* ---- gaps -------------------------------------------------------------------- */

static int judge(struct refine *r, size_t gap, const double measured[SPLITS],
                 struct error *err)
{
    double worst = 0;

    for (int s = 0; s < SPLITS; s++) {
        double miss;

        if (suspect(r, gap, s, &miss, err))
            return -1;
        worst = fmax(worst, isnan(measured[s]) ? miss : fmax(measured[s], miss / 4));
    }
    r->miss[gap] = is_edge(r, gap) ? (double)INFINITY : worst;
    return 0;
}

static void insert(struct refine *r, size_t point)
{
    size_t place = r->count;

    while (place > 0 && r->alphas[r->order[place - 1]] > r->alphas[point])
        place--;
    memmove(r->order + place + 1, r->order + place,
            (r->count - place) * sizeof *r->order);
    r->order[place] = point;
    if (place > 0 && place < r->count) /* the gap it halves becomes two */
        memmove(r->miss + place, r->miss + place - 1,
                (r->count - place) * sizeof *r->miss);
    r->count++;
}

static size_t place_of(const struct refine *r, size_t point)
{
    size_t place = 0;

    while (r->order[place] != point)
        place++;
    return place;
}

static int judge_all(struct refine *r, struct error *err)
{
    static const double UNKNOWN[SPLITS] = {NAN, NAN};

    for (size_t gap = 0; gap + 1 < r->count; gap++)
        if (judge(r, gap, UNKNOWN, err))
            return -1;
    return 0;
}

/* The points of the last round: all are in their places before any is judged, so that
 * what is told of one does not depend on their order. */
static int judge_asked(struct refine *r, struct error *err)
{
    const size_t first = r->count - r->asked;

    for (size_t point = first; point < r->count; point++) {
        const size_t place = place_of(r, point);
        double measured[SPLITS];

        for (int s = 0; s < SPLITS; s++)
            if (miss_at(r, place, s, &measured[s], err))
                return -1;
        if (judge(r, place - 1, measured, err) || judge(r, place, measured, err))
            return -1;
    }
    return 0;
}

/* ---- rounds ------------------------------------------------------------------ */

static bool is_wanted(const struct refine *r, size_t gap)
{
    const double span = r->alphas[r->order[r->count - 1]] - r->alphas[r->order[0]];

    return r->miss[gap] > r->env.tolerance &&
           width(r, gap) > span * (is_edge(r, gap) ? LEAST_EDGE : LEAST);
}

/* Whether gap a goes before gap b, where a is the lower one. */
static bool goes_first(const struct refine *r, size_t a, size_t b)
{
    if (r->miss[a] != r->miss[b])
        return r->miss[a] > r->miss[b];
    return width(r, a) >= width(r, b);
}

static size_t choose(struct refine *r)
{
    size_t n = 0;

    for (size_t gap = 0; gap + 1 < r->count; gap++) {
        size_t at = n;

        if (!is_wanted(r, gap))
            continue;
        for (; at > 0 && !goes_first(r, r->chosen[at - 1], gap); at--)
            r->chosen[at] = r->chosen[at - 1];
        r->chosen[at] = gap;
        n++;
    }
    return n;
}

int refine_ask(struct refine *r, const double (*losses)[2], double *ret, size_t *ret_n,
               struct error *err)
{
    const size_t left = r->env.most - (r->count - r->given);
    size_t n;

    *ret_n = 0;
    if (left == 0) /* judging costs evaluations */
        return 0;
    r->losses = losses;
    if (r->started ? judge_asked(r, err) : judge_all(r, err))
        return -1;
    r->started = true;
    n = choose(r);
    n = n < left ? n : left;
    for (size_t i = 0; i < n; i++) {
        const size_t gap = r->chosen[i];
        ret[i] = r->alphas[r->order[gap]] + width(r, gap) / 2;
    }
    for (size_t i = 0; i < n; i++) {
        r->alphas[r->count] = ret[i];
        insert(r, r->count);
    }
    r->asked = n;
    *ret_n = n;
    return 0;
}

/* ---- life -------------------------------------------------------------------- */

struct refine *refine_new(const struct refine_env *env, const double *alphas, size_t n,
                          struct error *err)
{
    const size_t room = n + env->most;
    struct refine *r = calloc(1, sizeof *r);

    if (!r)
        goto fail;
    r->env = *env;
    r->given = n;
    r->alphas = malloc(room * sizeof *r->alphas);
    r->order = malloc(room * sizeof *r->order);
    r->miss = calloc(room, sizeof *r->miss);
    r->chosen = malloc(room * sizeof *r->chosen);
    if (!r->alphas || !r->order || !r->miss || !r->chosen)
        goto fail;
    memcpy(r->alphas, alphas, n * sizeof *alphas);
    for (size_t i = 0; i < n; i++)
        insert(r, i);
    return r;

fail:
    refine_free(&r);
    err_set(err, ERR_NO_MEMORY, "no memory to refine %zu points", n);
    return NULL;
}

void refine_free(struct refine **refine_p)
{
    struct refine *r = refine_p ? *refine_p : NULL;

    if (!r)
        return;
    free(r->alphas);
    free(r->order);
    free(r->miss);
    free(r->chosen);
    free(r);
    *refine_p = NULL;
}
