#ifndef COORD_FILES_H
#define COORD_FILES_H

/* The files that runs of a plan start from (init.from = "file:HASH"), which somebody has
 * handed over as artifacts. */

struct core;
struct error;
struct plan;

/* They must be here before anybody asks for them: ERR_INVALID names one that is not. */
int files_check(const struct core *core, const struct plan *plan, struct error *err);

/* Within a batch: from now on they are nobody's to tidy away. */
int files_keep(struct core *core, const struct plan *plan, struct error *err);

#endif
