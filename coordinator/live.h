#ifndef COORD_LIVE_H
#define COORD_LIVE_H

/* What running attempts print, as they print it, by way of the coordinator (TAIL and
 * OUTPUT of PROTOCOL.md). An answer may stay out for any reason: whoever looks asks
 * again, and reads the database for what has ended. */

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct cli;
struct error;
struct live;

/* NULL when there is no coordinator to ask, or no key for it: err says why. */
struct live *live_open(const struct cli *cli, struct error *err);
void live_close(struct live **live);

/* Ask what the attempt has printed from that byte on and wait at most wait_ms for an
 * answer, whole wait_ms when there is none. True: *ret is it (borrowed until the next
 * call, perhaps empty), and begins at *ret_from. live may be NULL: a mere wait. */
bool live_ask(struct live *live, int64_t job, uint32_t attempt, uint64_t from,
              int64_t wait_ms, uint64_t *ret_from, struct slice *ret);

#endif
