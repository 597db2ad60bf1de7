#ifndef COORD_PLAN_COST_H
#define COORD_PLAN_COST_H

/* What a job costs, as far as its spec tells: floating-point operations, two for each
 * of the network's multiply-adds (arch_macs). A training step counts three passes. It is
 * at most that: a run may stop early, a probe of single layers shares what they have
 * before them. */

#include "coordinator/plan.h"

#include <stddef.h>

struct error;

/* What a core does where nothing has been measured, operations a second. */
#define COST_SPEED 50e9

/* Of job number `job`; 0 for parts (their probe has it) and derived states. ERR_INVALID,
 * ERR_NO_MEMORY. */
int plan_cost(const struct plan *plan, size_t job, double *ret, struct error *err);

#endif
