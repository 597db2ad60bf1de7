#ifndef COORD_PLAN_PRINT_H
#define COORD_PLAN_PRINT_H

/* What `submit --dry-run` says about a plan. */

#include "coordinator/cli.h"

#include <stdio.h>

struct plan;

/* The plan as text in a form:
 * - table: a line "NAME: runs 6, probes 12, curve rows 1234, path rows 24, jobs
 *   18"; "plane rows" and "parts" where there are some; "curve rows at most" where
 *   curves may ask for points of their own, and "at_most" in JSON; then, where jobs is
 *   true, one line for every place that asks for a job;
 * - CSV: those lines with all columns;
 * - JSON: one object of the counts and the list `jobs` of those lines.
 * number counts jobs from 1; a job that several places ask for has several
 * lines. */
void plan_put(const struct plan *plan, enum cli_form form, bool jobs, struct buf *out);

/* The same, printed. */
void plan_print(const struct plan *plan, enum cli_form form, bool jobs, FILE *out);

#endif
