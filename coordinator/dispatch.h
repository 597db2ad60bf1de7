#ifndef COORD_DISPATCH_H
#define COORD_DISPATCH_H

/* Which ready job goes to which worker. The queue holds ready jobs by priority
 * (highest first), then id (oldest first), passing over those of sweeps that may
 * start no more now; workers with credit take turns. It does not know the database:
 * starting an attempt, and what a sweep may, are the caller's callbacks.
 *
 * The queue is a hint, the database decides: a job may be in it twice, or no
 * longer be ready, and starting it then says so.
 */

#include "coordinator/store.h"

#include <stdbool.h>
#include <stddef.h>

struct dispatch;
struct error;
struct roster;
struct worker;

struct dispatch *dispatch_new(struct error *err);
void dispatch_free(struct dispatch **dispatch);

/* Put a job into the queue. ERR_NO_MEMORY. */
int dispatch_add(struct dispatch *dispatch, const struct store_ready *ready,
                 struct error *err);

void dispatch_clear(struct dispatch *dispatch);
size_t dispatch_count(const struct dispatch *dispatch);

/* Ask anew how many jobs of each sweep with ready jobs may start now: 0 none (it
 * is paused, or has as many running as it may), INT64_MAX any. A sweep that was
 * never asked about has no limit. -1 as soon as may fails. */
int dispatch_limit(struct dispatch *dispatch,
                   int (*may)(void *user, size_t sweep, int64_t *ret, struct error *err),
                   void *user, struct error *err);

/* What became of an attempt to start a job. */
enum dispatch_start { DISPATCH_STARTED, DISPATCH_STALE, DISPATCH_FAILED };

/* Pair jobs with workers until either runs out, or max jobs have been started.
 * start is called for each pair: STARTED takes one off the worker's credit,
 * STALE (the job is not ready any more) only forgets the job, FAILED ends the
 * run with -1, the job back in the queue and err as start left it. Returns how
 * many were started. */
int dispatch_run(struct dispatch *dispatch, struct roster *roster, int max,
                 enum dispatch_start (*start)(void *user, struct worker *worker,
                                              const struct store_ready *ready,
                                              struct error *err),
                 void *user, struct error *err);

#endif
