#ifndef COORD_REPORT_H
#define COORD_REPORT_H

/* The report's pictures. One whole path is a small plot of every seed's curve;
 * the layer-wise paths of a run are one line of blocks each, side by side.
 * Reads the view `curves`; appends text and prints nothing. */

#include "common/buf.h"

#include <stddef.h>

struct error;
struct store;

/* All curves of a sweep on one split, in the order of the sweep. */
int report_curves(struct store *store, const char *sweep, const char *split,
                  struct buf *out, struct error *err);

#endif
