#ifndef COORD_CHANGES_H
#define COORD_CHANGES_H

/* What submitting a grid would change: which of its jobs there are, and which jobs of the
 * sweep's earlier grids it no longer asks for. Read from the database; who carries it out
 * is the coordinator (a job is one by its key, so submitting adds what is new). */

#include "common/buf.h"
#include "common/jobstate.h"
#include "coordinator/plan.h"
#include "coordinator/store.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct msg_range;

struct changes {
    bool sweep_known;                /* there is a sweep of this name */
    uint64_t added;                  /* jobs that there are not */
    uint64_t known[JOB_STATE_COUNT]; /* jobs that there are, by state, whoever asked */
    uint64_t gone;                   /* the sweep's, but no longer in the grid */
    uint64_t kept;                   /* of those, that have ended or another sweep has */
    struct msg_range *unwanted;      /* the others, ascending */
    size_t unwanted_count;           /* ranges */
    uint64_t unwanted_jobs;
    double left;     /* operations of jobs that have not ended: plan_cost.h */
    double ended;    /* of the others */
    double speed;    /* operations a second of those that are; 0: none is */
    int64_t threads; /* of slots of workers that are connected */
};

/* costs: also left and speed, for which every network is built. */
int changes_find(struct store *store, const struct plan *plan, bool costs,
                 struct changes *ret, struct error *err);

/* What can be told of a grid without its plan: 1. There is no sweep of this name, so it
 * changes nothing of it; or the same text was submitted last, and the sweep has no other
 * jobs, so there is nothing new (to the program that planned it). 0: plan it. -1. */
int changes_guess(struct store *store, const char *name, struct slice text,
                  struct changes *ret, struct error *err);

void changes_free(struct changes *changes);

/* Append "3 new, 12 done, 1 running; 4 no longer in the grid (2 of them not done)". */
void changes_put(const struct changes *changes, struct buf *out);

/* Append "about 1h 30m of one core to be done, 45m 00s on the 2 of connected workers"
 * and the speed. */
void changes_put_cost(const struct changes *changes, struct buf *out);

#endif
