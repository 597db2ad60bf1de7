#ifndef COORD_JUDGE_H
#define COORD_JUDGE_H

/* Which workers' machines are to blame for the failures on them (suspicion.h): fed with
 * every result that was accepted; puts those that are found bad into quarantine, where
 * they get no job, until a person or a new worker process ends that.
 */

#include <stdbool.h>
#include <stdint.h>

struct core;
struct error;
struct msg_result;
struct worker;

/* A result of the worker was accepted; requeued: the job failed, and is ready again. The
 * dispatcher learns how long jobs take. */
int judge_result(struct core *core, struct worker *worker,
                 const struct msg_result *result, bool requeued, struct error *err);

/* Once a turn: jobs that were cancelled, say, will not speak for or against anybody. */
int judge_turn(struct core *core, struct error *err);

#endif
