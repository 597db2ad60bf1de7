#ifndef COORD_RETRACT_H
#define COORD_RETRACT_H

/* Jobs that wait at a busy worker, taken back for one that has nothing to do. Workers
 * whose trials are short ask for the next before a slot is free (worker/hand.h); a job
 * that then waits behind a long one after all is asked for with RETRACT, once it has
 * waited RETRACT_AFTER_MS. The worker hands it back as preempted, or has started it by
 * then, and says nothing.
 */

#include <stdint.h>

struct core;
struct error;

enum { RETRACT_AFTER_MS = 1000 };

/* After all jobs that could be were handed out. */
int retract_turn(struct core *core, struct error *err);

#endif
