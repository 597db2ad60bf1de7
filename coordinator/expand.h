#ifndef COORD_EXPAND_H
#define COORD_EXPAND_H

/* The points of a grid: every intervention (the baseline first), crossed with
 * the grid's axes, its zips, its own axes and the seeds; then every [[include]],
 * crossed with the seeds. Point i is computed from i, as a number in mixed radix, so
 * nothing is stored. Interventions vary slowest, then the grid's axes in the file's
 * order, then zips, then its own, seeds fastest. What [[exclude]] leaves out is not
 * known here: it depends on effective values (plan_run.c).
 */

#include "coordinator/grid.h"

#include <stddef.h>
#include <stdint.h>

struct error;

/* More points than this in one sweep is a mistyped axis: at a second each they
 * would take a core for a day. */
enum { POINTS_MAX = 100000 };

/* Every option once can be an axis or set: well above the table's rows. */
enum { POINT_SETTINGS_MAX = 128 };

struct point {
    const struct grid_intervention *intervention;
    int64_t seed; /* k */
    /* What sets it apart from base: the intervention's set and one choice of
     * every axis, or what an include sets, sorted by option name, each option once.
     * Borrowed. */
    const struct grid_setting *settings[POINT_SETTINGS_MAX];
    size_t setting_count;
};

/* How many points there are. ERR_INVALID when above POINTS_MAX. */
int expand_count(const struct grid *grid, size_t *ret, struct error *err);

/* Point i < expand_count. */
void expand_point(const struct grid *grid, size_t i, struct point *ret);

/* The point's own setting of an option, or NULL. */
const struct grid_setting *point_find(const struct point *point, const char *name);

/* Append "intervention 'x' with a=1, b=2"; for messages. */
void point_describe(const struct point *point, struct buf *out);

#endif
