#ifndef COORD_DOCTOR_H
#define COORD_DOCTOR_H

/* What is wrong with a set-up. Each check looks at one thing, changes nothing, and
 * reports one line: fine, a thing to know, or a fault with what to do about it. */

#include "coordinator/cli.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_line {
    const char *check; /* its name, one word */
    enum doctor_level level;
    char text[512];   /* what was found */
    char advice[512]; /* what to do; "" when nothing */
};

/* Run check `index`, from 0; false after the last. */
bool doctor_check(const struct cli *cli, size_t index, struct doctor_line *ret);

/* "ok", "warn", "FAIL". */
const char *doctor_level_name(enum doctor_level level);

#endif
