#ifndef COORD_NN_PLACE_H
#define COORD_NN_PLACE_H

/* Where buffers of known lifetimes lie in one block of memory: two that are never
 * alive at the same time may share it. Plain arithmetic; in units of whatever the
 * caller counts. */

#include <stddef.h>

struct error;

/* From and to are moments, both included; from <= to. */
struct span {
    size_t size;
    int from, to;
    size_t place; /* filled in: a multiple of PLACE_ALIGN */
};

enum { PLACE_ALIGN = 16 };

/* Place the largest first, each at the lowest place that is free all its life.
 * Returns in *ret_total how much the block must hold; a sum that overflows
 * saturates at SIZE_MAX. ERR_NO_MEMORY. */
int place_spans(struct span *spans, int count, size_t *ret_total, struct error *err);

#endif
