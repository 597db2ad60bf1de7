#ifndef COORD_CUT_H
#define COORD_CUT_H

/* Workers whose connection has ended without a BYE. A process that was killed does not
 * come back; one whose network broke for a moment does, and keeps its attempts: it has
 * CUT_GRACE_MS, of which its socket takes 0.2 s to connect anew once that is possible
 * (ZMQ_RECONNECT_IVL in wire.c), and says HELLO. Who does not is lost then, and not when
 * its lease ends. Should it live after all, fencing makes what it does harmless.
 *
 * All have their whole lease when it looks like the network's doing, or ours: many
 * connections ended together, or the coordinator itself was away, which makes workers
 * give up theirs.
 */

#include <stdbool.h>
#include <stdint.h>

struct core;
struct wire_peer;
struct worker;

enum {
    /* A loss is to be noticed within a second. */
    CUT_GRACE_MS = 850,
    /* So many together are lost one by one: the workers of a node that was turned off,
     * rather than all of a network. */
    CUT_FEW = 8,
};

/* A peer's connection has ended; some are nobody's. */
void cut_begin(struct core *core, const struct wire_peer *peer);

/* Whether a worker's grace is over now, and it has not come back. */
bool cut_is_over(struct core *core, struct worker *worker);

/* Nobody's connection ended through its own fault, up to now and for one lease. */
void cut_forgive(struct core *core);

#endif
