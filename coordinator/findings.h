#ifndef COORD_FINDINGS_H
#define COORD_FINDINGS_H

/* What the runs of a sweep say together, with how sure it is (stats.h): does the
 * path's shape go with test accuracy, does distance go with a bump, what does an
 * intervention change? Reads the views `runs` and `paths`; prints nothing. Runs that
 * others start from, "run:NAME", are left out: they may have another task.
 *
 * Nothing is corrected for the number of questions asked.
 */

#include "coordinator/sheet.h"

struct error;
struct store;

/* For every intervention and point, test accuracy less that of the baseline with
 * the same seed, of the first point whose axis values this one has; for the
 * baseline's other points, less that of its first. Columns: intervention, point,
 * against, pairs, difference, low, high, p, note. ret is to be freed, also on
 * failure. */
int findings_differences(struct store *store, const char *sweep, struct sheet *ret,
                         struct error *err);

/* Spearman's correlations over the runs that have a whole path, for each probe and
 * way to get running statistics: bump, barrier and plateau of the test loss with test
 * accuracy, the distance travelled with bump. A run that several points ask for
 * counts once; what a loss that is not finite makes infinite ranks above every
 * number. Columns: probe, bn, of, with, runs, rho, low, high, p, note. */
int findings_correlations(struct store *store, const char *sweep, struct sheet *ret,
                          struct error *err);

#endif
