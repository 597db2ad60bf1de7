#ifndef COORD_DISPATCH_H
#define COORD_DISPATCH_H

/* Which ready job goes to which worker. Jobs of a higher priority go first. Of sweeps
 * whose first jobs have the same, the one with the fewest running has its turn; within a
 * sweep the oldest job goes first, and
 *
 *   - a worker on the host that has states a job needs is preferred, looking a few jobs
 *     ahead, so that none is passed over for ever;
 *   - a job that failed on a host goes to another one while there is one;
 *   - near the end, when all jobs of a priority have slots to hope for, those that are
 *     expected to take longest go first.
 *
 * A worker gets a job only if it has the cores, memory and labels that the job's sweep
 * asks for; where one could have but has not the room now, smaller jobs of lower order do
 * not take it away. A worker with little time left gets no job that is expected to take
 * longer, unless its whole time would not be enough: such a job saves itself and is
 * handed on.
 *
 * It does not know the database: starting an attempt, and what a sweep may, are the
 * caller's callbacks. The queue is a hint, the database decides: a job may be in it
 * twice, or no longer be ready, and starting it then says so. Times are milliseconds on
 * the monotonic clock.
 */

#include "coordinator/needs.h"
#include "coordinator/store.h"

#include <stdbool.h>
#include <stddef.h>

struct dispatch;
struct error;
struct roster;
struct worker;

enum {
    /* Jobs of a sweep that are looked at to find one that suits a worker. */
    DISPATCH_LOOK = 32,
    /* So often the first of them may be passed over for another that suits better. */
    DISPATCH_PASS = 64,
};

struct dispatch *dispatch_new(struct error *err);
void dispatch_free(struct dispatch **dispatch);

/* Put a job into the queue; ready->after_ms is on the monotonic clock here.
 * ERR_NO_MEMORY. */
int dispatch_add(struct dispatch *dispatch, const struct store_ready *ready,
                 struct error *err);

void dispatch_clear(struct dispatch *dispatch);
size_t dispatch_count(const struct dispatch *dispatch);

/* What the jobs of a sweep need; nothing, until it is said. ERR_NO_MEMORY. */
int dispatch_needs(struct dispatch *dispatch, size_t sweep, const struct needs *needs,
                   struct error *err);
bool dispatch_knows(const struct dispatch *dispatch, size_t sweep); /* since cleared */
const struct needs *dispatch_needs_of(const struct dispatch *dispatch, size_t sweep);

/* A job of a sweep has taken so long: what is expected of others of its kind. */
void dispatch_took(struct dispatch *dispatch, size_t sweep, bool probe, double seconds);

/* How many slots of a worker one job takes. */
uint32_t dispatch_slots(const struct needs *needs, const struct worker *worker);

/* Whether a worker can ever take such jobs, were it free. */
bool dispatch_fits(const struct needs *needs, const struct worker *worker);

/* Ask anew how many jobs of each sweep with ready jobs may start now: 0 none (it
 * is paused, or has as many running as it may), INT64_MAX any. A sweep that was
 * never asked about has no limit. -1 as soon as may fails. */
int dispatch_limit(struct dispatch *dispatch,
                   int (*may)(void *user, size_t sweep, int64_t *ret, struct error *err),
                   void *user, struct error *err);

/* What became of an attempt to start a job. */
enum dispatch_start { DISPATCH_STARTED, DISPATCH_STALE, DISPATCH_FAILED };

/* Pair jobs with workers until either runs out, or max jobs have been started.
 * start is called for each pair: STARTED takes the job's slots off the worker's credit,
 * STALE (the job is not ready any more) only forgets the job, FAILED ends the
 * run with -1, the job back in the queue and err as start left it. Returns how
 * many were started. */
int dispatch_run(struct dispatch *dispatch, struct roster *roster, int64_t now_ms,
                 int max,
                 enum dispatch_start (*start)(void *user, struct worker *worker,
                                              const struct store_ready *ready,
                                              struct error *err),
                 void *user, struct error *err);

#endif
