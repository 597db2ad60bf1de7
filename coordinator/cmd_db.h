#ifndef COORD_CMD_DB_H
#define COORD_CMD_DB_H

/* What the parts of `coord db` share. */

#include "coordinator/cli.h"

struct db_options {
    bool artifacts; /* check: read the files too */
    bool sql;       /* check: print the rules */
    bool dry_run;   /* gc: only say */
    bool states;    /* gc: states of runs too */
};

/* Returns an exit code; -1 with err. */
int db_gc(struct cli *cli, const struct db_options *options, struct error *err);

#endif
