#ifndef COORD_NEEDS_H
#define COORD_NEEDS_H

/* What the jobs of a sweep need of a worker, how urgent they are and how often they are
 * tried: [sweep] priority, cores, memory, labels and retries of a grid. No result
 * depends on it, so no key does. The latest submission of a sweep says it for all of its
 * jobs that are not done; a job that several sweeps share goes by the one that asked
 * first.
 */

#include "common/jobstate.h"
#include "common/labels.h"

#include <stdbool.h>
#include <stdint.h>

enum { NEEDS_RETRIES_TEXT = 160, NEEDS_RETRIES_MAX = 1000, NEEDS_CORES_MAX = 1024 };

/* Zeroed: nothing is said. */
struct needs {
    int32_t priority;         /* of new jobs; higher goes first */
    uint32_t cores;           /* of one job; 0: a slot, whatever that has */
    uint64_t memory;          /* bytes that one job may have; 0: not said */
    char labels[LABELS_TEXT]; /* that a worker must have; common/labels.h */
    /* {"exit":1,"signal":2}: the causes that are not to have their usual number. */
    char retries[NEEDS_RETRIES_TEXT];
};

/* Whether jobs that need these may run in the same places, in the same order. */
bool needs_same(const struct needs *a, const struct needs *b);

/* How many attempts of a job may end with this cause before the job fails, by the text
 * above and, where that says nothing, by common/jobstate.h. -1: no limit. */
int needs_retries(const char *retries, enum job_cause cause);

/* How long after its n-th end (n from 1) by this cause a job waits before it is tried
 * again, in ms: twice as long each time up to five minutes, give or take a quarter
 * by a hash of job and attempt, so that what failed together does not come back together.
 * 0 for what was not the job's doing. */
int64_t needs_backoff(enum job_cause cause, int n, int64_t job, uint32_t attempt);

enum { NEEDS_BACKOFF_MAX_MS = 375 * 1000 };

#endif
