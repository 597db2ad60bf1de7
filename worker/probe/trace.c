#include "worker/probe/trace.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/rise.h"
#include "worker/eval.h"
#include "worker/probe/refine.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Losses that are kept: of 1,000 points on 15,000 examples. */
#define ROWS_BYTES ((size_t)120 << 20)

enum {
    ROWS_MIN = 4, /* both ends and two more; the three of a line */
    /* Points between two places to stop at, at least; and how long they should take.
     * What they have in common is computed for every stretch. */
    STRETCH = 8,
    STRETCH_MS = 10000,
    NONE = -1, /* a slot that holds no point; a point without a slot */
};

struct slot {
    ptrdiff_t point;
    uint64_t used; /* when it was needed last */
};

struct trace {
    struct curve *curve;
    void (*tick)(void *user, double share);
    void (*batch)(void *user, const struct curve_batch *batch);
    bool (*pause)(void *user);
    void *user;
    struct trace_plan plan;
    int64_t first[2], count[2]; /* examples: the first, and behind the last */
    size_t most;                /* points */

    const char *group; /* the curve in hand */
    enum curve_bn bn;
    struct trace_point *points; /* (most) */
    size_t point_count, done;   /* evaluated ones */
    ptrdiff_t *slot_of;         /* (most) */
    ptrdiff_t ends[2];          /* points, or NONE */
    struct trace_rise rises[2];

    struct slot *slots;
    double *rows; /* (slots, examples of both splits) */
    size_t row_count;
    uint64_t clock;

    size_t *chunk; /* points in evaluation, by their number in curve_run; and then */
    double *alphas;
    struct tally_sum *tallies;
    size_t chunk_count;
    size_t stretch; /* points */
    bool again;     /* they have been evaluated before */
};

/* ---- losses ------------------------------------------------------------------ */

static size_t examples(const struct trace *trace, int split)
{
    return (size_t)(trace->count[split] - trace->first[split]);
}

static size_t row_size(const struct trace *trace)
{
    return examples(trace, 0) + examples(trace, 1);
}

/* A split's losses in a slot, from its first example on. */
static double *row_at(const struct trace *trace, ptrdiff_t slot, int split)
{
    return trace->rows + (size_t)slot * row_size(trace) +
           (split ? examples(trace, 0) : 0);
}

static void take_batch(void *user, const struct curve_batch *batch)
{
    const struct trace *trace = user;
    const size_t point = trace->chunk[batch->point];
    const int64_t from = batch->from - trace->first[batch->split];

    memcpy(row_at(trace, trace->slot_of[point], (int)batch->split) + from, batch->losses,
           (size_t)batch->B * sizeof *batch->losses);
    if (trace->batch) {
        struct curve_batch whole = *batch;
        whole.point = point;
        trace->batch(trace->user, &whole);
    }
}

static void take_tick(void *user, double share)
{
    const struct trace *trace = user;

    if (trace->tick && !trace->again)
        trace->tick(trace->user,
                    ((double)trace->done + share * (double)trace->chunk_count) /
                        (double)trace->most);
}

/* Not where points are evaluated again, which somebody waits for. */
static bool take_pause(void *user)
{
    const struct trace *trace = user;

    return trace->pause && !trace->again && trace->pause(trace->user);
}

/* Give a point the slot that was needed least recently. */
static void place(struct trace *trace, size_t point)
{
    size_t oldest = 0;

    for (size_t i = 1; i < trace->row_count; i++)
        if (trace->slots[i].used < trace->slots[oldest].used)
            oldest = i;
    if (trace->slots[oldest].point != NONE)
        trace->slot_of[trace->slots[oldest].point] = NONE;
    trace->slots[oldest] = (struct slot){(ptrdiff_t)point, ++trace->clock};
    trace->slot_of[point] = (ptrdiff_t)oldest;
}

/* Evaluate the points of the chunk, each in a slot. Unless again, perhaps
 * CURVE_STOPPED. */
static int evaluate(struct trace *trace, bool again, struct error *err)
{
    for (size_t i = 0; i < trace->chunk_count; i++) {
        place(trace, trace->chunk[i]);
        trace->alphas[i] = trace->points[trace->chunk[i]].alpha;
    }
    trace->again = again;
    return curve_run(trace->curve, trace->group, trace->bn, trace->alphas,
                     trace->chunk_count, trace->tallies, err);
}

/* Have a point's losses at hand: they stay while fewer than ROWS_MIN others are asked
 * for. */
static int need(struct trace *trace, size_t point, struct error *err)
{
    const ptrdiff_t slot = trace->slot_of[point];

    if (slot != NONE) {
        trace->slots[slot].used = ++trace->clock;
        return 0;
    }
    trace->chunk[0] = point;
    trace->chunk_count = 1;
    return evaluate(trace, true, err);
}

static const double *losses_of(const struct trace *trace, size_t point, int split)
{
    return row_at(trace, trace->slot_of[point], split);
}

static bool is_finite(const struct trace_point *point, int split)
{
    return point->tally[split].nan_count + point->tally[split].inf_count == 0;
}

/* Point's losses less those of `from`; both are at hand. */
static struct trace_pairs pair(const struct trace *trace, size_t point, size_t from,
                               int split)
{
    const double *x = losses_of(trace, point, split), *y = losses_of(trace, from, split);
    const int64_t n = (int64_t)examples(trace, split);
    struct trace_pairs pairs = {.known = is_finite(&trace->points[point], split) &&
                                         is_finite(&trace->points[from], split),
                                .n = n};

    for (int64_t at = 0; at < n && pairs.known; at += EVAL_BATCH) {
        const int64_t end = at + EVAL_BATCH < n ? at + EVAL_BATCH : n;
        double sum = 0, sum_sq = 0;

        for (int64_t i = at; i < end; i++) {
            const double d = x[i] - y[i];
            sum += d;
            sum_sq += d * d;
        }
        /* Losses are below 2^130 (exact.h): the squares of a batch below 2^267. */
        exact_add(&pairs.sum, sum);
        exact_add(&pairs.sum_sq, sum_sq);
    }
    return pairs;
}

/* ---- points ------------------------------------------------------------------ */

static void take_points(struct trace *trace)
{
    for (size_t i = 0; i < trace->chunk_count; i++) {
        struct trace_point *point = &trace->points[trace->chunk[i]];

        for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++)
            point->tally[s] = trace->tallies[2 * i + (size_t)s];
    }
    for (size_t i = 0; i < trace->chunk_count; i++)
        for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++)
            for (int end = TRACE_START; end <= TRACE_END; end++)
                if (trace->ends[end] != NONE)
                    trace->points[trace->chunk[i]].pairs[s][end] =
                        pair(trace, trace->chunk[i], (size_t)trace->ends[end], s);
    trace->done += trace->chunk_count;
}

static bool is_end(const struct trace *trace, size_t point)
{
    return (ptrdiff_t)point == trace->ends[TRACE_START] ||
           (ptrdiff_t)point == trace->ends[TRACE_END];
}

/* Have the ends at hand; those that are not evaluated yet go into the chunk. Returns how
 * many ends there are, -1 for an error. */
static int take_ends(struct trace *trace, struct error *err)
{
    size_t fresh[2], fresh_count = 0;
    int count = 0;

    for (int end = TRACE_START; end <= TRACE_END; end++) {
        if (trace->ends[end] == NONE)
            continue;
        count++;
        if (!trace_is_done(&trace->points[trace->ends[end]]))
            fresh[fresh_count++] = (size_t)trace->ends[end];
        else if (need(trace, (size_t)trace->ends[end], err))
            return -1;
    }
    trace->chunk_count = fresh_count;
    memcpy(trace->chunk, fresh, fresh_count * sizeof *fresh);
    return count;
}

/* Points up to the next place to stop at: as many as take STRETCH_MS or so, from what
 * the last ones took. No bit depends on it. */
static size_t stretch(const struct trace *trace, size_t room)
{
    const size_t most = trace->stretch > STRETCH ? trace->stretch : STRETCH;

    return trace->plan.pause && room > most ? most : room;
}

static void time_stretch(struct trace *trace, int64_t took_ms)
{
    const size_t points = trace->chunk_count;

    if (points > 0)
        trace->stretch = points * STRETCH_MS / (size_t)(took_ms > 0 ? took_ms : 1);
}

/* Evaluate all points from `first` on that are not done, the ends before the others,
 * which differ from them. */
static int run_points(struct trace *trace, size_t first, struct error *err)
{
    int rc;

    while (first < trace->point_count && trace_is_done(&trace->points[first]))
        first++;
    for (size_t at = first; at < trace->point_count;) {
        const int ends = take_ends(trace, err);
        const int64_t begin_ms = clock_mono_ms();
        size_t others;

        if (ends < 0)
            return -1;
        others = stretch(trace, trace->row_count - (size_t)ends);
        for (; at < trace->point_count && others > 0; at++)
            if (!trace_is_done(&trace->points[at]) && !is_end(trace, at)) {
                trace->chunk[trace->chunk_count++] = at;
                others--;
            }
        rc = trace->chunk_count > 0 ? evaluate(trace, false, err) : 0;
        if (rc)
            return rc;
        take_points(trace);
        time_stretch(trace, clock_mono_ms() - begin_ms);
        if (trace->plan.pause && trace->plan.pause(trace->user))
            return TRACE_STOPPED;
    }
    return 0;
}

/* ---- more points --------------------------------------------------------------- */

/* The standard error of the mean of x1 - (1 - share) x0 - share x2. */
static int line_error(void *user, int split, const size_t points[3], double share,
                      double *ret, struct error *err)
{
    struct trace *trace = user;
    const int64_t n = (int64_t)examples(trace, split);
    const double *x[3];
    double mean = 0, squares = 0;

    for (int i = 0; i < 3; i++)
        if (need(trace, points[i], err))
            return -1;
    for (int i = 0; i < 3; i++)
        x[i] = losses_of(trace, points[i], split);
    for (int64_t i = 0; i < n; i++)
        mean += x[1][i] - ((1 - share) * x[0][i] + share * x[2][i]);
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = x[1][i] - ((1 - share) * x[0][i] + share * x[2][i]) - mean;
        squares += d * d;
    }
    *ret = n < 2 ? 0 : sqrt(squares / (double)(n - 1) / (double)n);
    return 0;
}

static double loss_at(const struct trace_point *point, int split)
{
    const struct tally tally = tally_round(&point->tally[split]);
    return tally_loss(&tally);
}

/* Ask and evaluate, until nothing is asked. */
static int ask_on(struct trace *trace, struct refine *refine, double *asked,
                  double (*losses)[2], struct error *err)
{
    size_t n, from = 0;

    for (;;) {
        for (; from < trace->point_count; from++)
            for (int s = SPLIT_TRAIN; s <= SPLIT_TEST; s++)
                losses[from][s] = loss_at(&trace->points[from], s);
        if (refine_ask(refine, (const double(*)[2])losses, asked, &n, err))
            return -1;
        if (n == 0)
            return 0;
        for (size_t i = 0; i < n; i++)
            trace->points[trace->point_count++] =
                (struct trace_point){.alpha = asked[i], .origin = ALPHA_ADAPT};
        const int rc = run_points(trace, from, err);
        if (rc)
            return rc;
    }
}

static int run_more(struct trace *trace, struct error *err)
{
    const struct refine_env env = {.tolerance = trace->plan.tolerance,
                                   .most = trace->plan.most,
                                   .error = line_error,
                                   .user = trace};
    struct refine *refine;
    double *asked = malloc((env.most + 1) * sizeof *asked);
    double(*losses)[2] = malloc(trace->most * sizeof *losses);
    int rc = -1;

    refine = refine_new(&env, trace->plan.alphas->at, trace->plan.alphas->count, err);
    if (refine && (!asked || !losses))
        err_set(err, ERR_NO_MEMORY, "no memory to refine a curve");
    else if (refine)
        rc = ask_on(trace, refine, asked, losses, err);
    refine_free(&refine);
    free(asked);
    free(losses);
    return rc;
}

/* ---- rises ------------------------------------------------------------------- */

struct level {
    double alpha, loss;
    size_t point;
};

static int compare_levels(const void *a, const void *b)
{
    const double x = ((const struct level *)a)->alpha;
    const double y = ((const struct level *)b)->alpha;
    return (x > y) - (x < y);
}

/* Of the points from alpha 0 to 1, in order. */
static int find_rise(struct trace *trace, int split, struct level *levels, double *losses,
                     struct error *err)
{
    struct trace_rise *ret = &trace->rises[split];
    struct rise rise;
    size_t n = 0;

    for (size_t i = 0; i < trace->point_count; i++)
        if (trace->points[i].alpha >= 0 && trace->points[i].alpha <= 1)
            levels[n++] = (struct level){trace->points[i].alpha,
                                         loss_at(&trace->points[i], split), i};
    if (n == 0)
        return 0;
    qsort(levels, n, sizeof *levels, compare_levels);
    for (size_t i = 0; i < n; i++)
        losses[i] = levels[i].loss;
    rise = rise_find(losses, n);
    if (rise.to == rise.from)
        return 0;
    if (need(trace, levels[rise.from].point, err) ||
        need(trace, levels[rise.to].point, err))
        return -1;
    ret->from = levels[rise.from].alpha;
    ret->to = levels[rise.to].alpha;
    ret->pairs = pair(trace, levels[rise.to].point, levels[rise.from].point, split);
    return 0;
}

static int find_rises(struct trace *trace, struct error *err)
{
    struct level *levels = malloc(trace->most * sizeof *levels);
    double *losses = malloc(trace->most * sizeof *losses);
    int rc = -1;

    if (!levels || !losses)
        err_set(err, ERR_NO_MEMORY, "no memory for %zu points", trace->most);
    else
        rc = find_rise(trace, SPLIT_TRAIN, levels, losses, err) ||
                     find_rise(trace, SPLIT_TEST, levels, losses, err)
                 ? -1
                 : 0;
    free(levels);
    free(losses);
    return rc;
}

/* ---- one curve --------------------------------------------------------------- */

static void start(struct trace *trace, const char *group, enum curve_bn bn,
                  const struct trace_point *given)
{
    const struct alphas *alphas = trace->plan.alphas;

    trace->group = group;
    trace->bn = bn;
    trace->done = 0;
    trace->point_count = alphas->count;
    memset(trace->rises, 0, sizeof trace->rises);
    trace->ends[TRACE_START] = trace->ends[TRACE_END] = NONE;
    for (size_t i = 0; i < trace->row_count; i++)
        trace->slots[i] = (struct slot){.point = NONE};
    for (size_t i = 0; i < trace->most; i++)
        trace->slot_of[i] = NONE;
    for (size_t i = 0; i < alphas->count; i++) {
        trace->points[i] = given ? given[i] : (struct trace_point){.alpha = 0};
        trace->points[i].alpha = alphas->at[i];
        trace->points[i].origin = alphas_origin(alphas, i);
        trace->done += trace_is_done(&trace->points[i]);
        if (alphas->at[i] == 0)
            trace->ends[TRACE_START] = (ptrdiff_t)i;
        if (alphas->at[i] == 1)
            trace->ends[TRACE_END] = (ptrdiff_t)i;
    }
}

int trace_run(struct trace *trace, const char *group, enum curve_bn bn,
              const struct trace_point *given, struct error *err)
{
    int rc;

    start(trace, group, bn, given);
    rc = run_points(trace, 0, err);
    if (rc == 0 && trace->plan.most > 0)
        rc = run_more(trace, err);
    return rc ? rc : find_rises(trace, err);
}

bool trace_is_done(const struct trace_point *point)
{
    return point->tally[0].count + point->tally[1].count > 0;
}

const struct trace_point *trace_points(const struct trace *trace, size_t *ret_count)
{
    *ret_count = trace->point_count;
    return trace->points;
}

const struct trace_rise *trace_rises(const struct trace *trace)
{
    return trace->rises;
}

/* ---- life -------------------------------------------------------------------- */

static size_t rows_of(const struct trace *trace)
{
    size_t rows = trace->plan.rows;

    if (rows == 0)
        rows = ROWS_BYTES / (row_size(trace) * sizeof *trace->rows + 1);
    rows = rows < trace->most ? rows : trace->most;
    return rows > ROWS_MIN ? rows : ROWS_MIN;
}

static int make_room(struct trace *trace)
{
    const size_t chunk = trace->row_count;

    trace->points = calloc(trace->most, sizeof *trace->points);
    trace->slot_of = calloc(trace->most, sizeof *trace->slot_of);
    trace->slots = calloc(trace->row_count, sizeof *trace->slots);
    trace->rows = malloc(trace->row_count * row_size(trace) * sizeof *trace->rows + 1);
    trace->chunk = calloc(chunk, sizeof *trace->chunk);
    trace->alphas = calloc(chunk, sizeof *trace->alphas);
    trace->tallies = calloc(2 * chunk, sizeof *trace->tallies);
    return trace->points && trace->slot_of && trace->slots && trace->rows &&
                   trace->chunk && trace->alphas && trace->tallies
               ? 0
               : -1;
}

struct trace *trace_new(const struct curve_env *env, const struct trace_plan *plan,
                        struct error *err)
{
    struct curve_env own = *env;
    struct trace *trace = calloc(1, sizeof *trace);

    if (!trace)
        goto fail;
    trace->tick = env->tick;
    trace->batch = env->batch;
    trace->pause = env->pause;
    trace->user = env->user;
    trace->plan = *plan;
    for (int s = 0; s < 2; s++) {
        trace->first[s] = env->first[s];
        trace->count[s] = env->count[s];
    }
    trace->most = plan->alphas->count + plan->most;
    trace->row_count = rows_of(trace);
    if (make_room(trace))
        goto fail;
    own.tick = take_tick;
    own.batch = take_batch;
    own.pause = take_pause;
    own.user = trace;
    trace->curve = curve_new(&own, err);
    if (!trace->curve)
        trace_free(&trace);
    return trace;

fail:
    trace_free(&trace);
    err_set(err, ERR_NO_MEMORY, "no memory for the losses of a curve");
    return NULL;
}

void trace_free(struct trace **trace_p)
{
    struct trace *trace = trace_p ? *trace_p : NULL;

    if (!trace)
        return;
    curve_free(&trace->curve);
    free(trace->points);
    free(trace->slot_of);
    free(trace->slots);
    free(trace->rows);
    free(trace->chunk);
    free(trace->alphas);
    free(trace->tallies);
    free(trace);
    *trace_p = NULL;
}
