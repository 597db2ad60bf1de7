#ifndef COORD_TRICKLE_H
#define COORD_TRICKLE_H

/* How many lines a log takes: a burst at once, and then so many a second. What peers
 * make us say is bounded by it, whatever they do; how many lines were left out is
 * counted. A zeroed one is full. Times: milliseconds, monotonic. */

#include <stdbool.h>
#include <stdint.h>

enum {
    TRICKLE_BURST = 5000, /* every worker of a large cluster may join at once */
    TRICKLE_RATE = 50,    /* a second */
};

struct trickle {
    int64_t since_ms; /* when `taken` was right */
    int64_t taken;    /* lines that were not made up for yet */
    uint64_t left_out;
};

/* Whether one more may go. *ret_left_out: how many were left out before it, to be said
 * with it; 0 as a rule. */
bool trickle_take(struct trickle *trickle, int64_t now_ms, uint64_t *ret_left_out);

#endif
