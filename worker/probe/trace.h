#ifndef COORD_TRACE_H
#define COORD_TRACE_H

/* A curve in full (curve.h): the points that are asked for, those that it asks for
 * itself (refine.h), and what the losses of the same example at two of its points tell:
 * differences with errors that are far below those of the two means.
 *
 * For that the loss of every example is kept, of as many points as there is room for;
 * what is needed of another is evaluated again, to the same bits. Differences are
 * summed over whole batches of EVAL_BATCH in the order of the subset, and these sums
 * exactly (common/exact.h), so that shards of whole batches merge to the same bits.
 */

#include "common/alphas.h"
#include "common/tally.h"
#include "worker/probe/curve.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct trace;

enum trace_end { TRACE_START, TRACE_END }; /* alpha 0, alpha 1 */

/* Differences of losses, example by example. */
struct trace_pairs {
    bool known; /* both points are there, and all losses of both are finite */
    int64_t n;
    struct exact sum, sum_sq;
};

struct trace_point {
    double alpha;
    enum alpha_origin origin;
    struct tally_sum tally[2];      /* by split */
    struct trace_pairs pairs[2][2]; /* [split][end]: less the losses there */
};

/* The largest rise of the mean loss on a split, between alpha 0 and 1. */
struct trace_rise {
    double from, to;
    struct trace_pairs pairs; /* not known: it does not rise, or to what is not finite */
};

struct trace_plan {
    const struct alphas *alphas; /* borrowed */
    double tolerance;            /* as in refine.h */
    size_t most;                 /* points more that a curve may ask for */
    size_t rows;                 /* points whose losses are kept; 0: what is usual */
    bool (*pause)(void *user);   /* or NULL. Asked after every few points, with env's
                                    user: true stops the curve there */
};

enum { TRACE_STOPPED = 1 };

/* env as for curve_new; its hooks are called as it says, with two differences. The
 * share of `tick` is of the points that there may be. `point` of a batch is the number
 * of the point on the whole curve, and one that is evaluated again is told again. */
struct trace *trace_new(const struct curve_env *env, const struct trace_plan *plan,
                        struct error *err);
void trace_free(struct trace **trace);

/* One curve; what it came to stays until the next. given: NULL, or points of the plan's
 * alphas as they were when the curve was stopped, or as parts of it have found them;
 * those without a tally are evaluated now. What the curve asks for itself is always
 * asked anew. 0, -1 or TRACE_STOPPED: by either pause; points that are done then are
 * those with a tally. */
int trace_run(struct trace *trace, const char *group, enum curve_bn bn,
              const struct trace_point *given, struct error *err);

/* Whether anything has been evaluated there. */
bool trace_is_done(const struct trace_point *point);

/* The plan's alphas in their order, then those that the curve asked for. */
const struct trace_point *trace_points(const struct trace *trace, size_t *ret_count);

/* By split. */
const struct trace_rise *trace_rises(const struct trace *trace);

#endif
