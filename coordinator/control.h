#ifndef COORD_CONTROL_H
#define COORD_CONTROL_H

/* What people ask a running coordinator to change: a table from verb to what it
 * does to jobs, a sweep or a worker. Part of the core, driven by handle.c. */

#include "proto/fields.h"

#include <stdbool.h>
#include <stdint.h>

struct core;
struct error;

/* Carry a CONTROL out, in the batch, once however often it is sent. *ret_refused:
 * there is nothing of that number, err says what, and nothing was done. -1 when the
 * database failed. */
int control_run(struct core *core, const struct msg_control *control,
                uint64_t *ret_changed, uint64_t *ret_unchanged, bool *ret_refused,
                struct error *err);

#endif
