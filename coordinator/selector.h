#ifndef COORD_SELECTOR_H
#define COORD_SELECTOR_H

/* Which jobs a person means:
 *
 *     12  1-10  1-10:2  3,5-8   by number, every second with :2, 1_000 for 1000
 *     all                       of every sweep
 *     last, NAME                of the sweep submitted last, or called so
 *     4 or more digits of a key (with a letter among them, unless it is unique)
 *
 * and with `where`, those of them for which an SQL expression over the columns of
 * table `job` holds. The database is only read.
 */

#include "proto/fields.h"

#include <stddef.h>

struct error;
struct store;

/* Owned; zeroed: none. */
struct selection {
    struct msg_range *ranges;
    uint32_t count;
    uint64_t jobs; /* in all of them */
};

/* The jobs that text and where (may be NULL, as may one of the two) mean, of those
 * in `states` ("'failed','cancelled'"; NULL: any). It may be none. ERR_INVALID names
 * the mistake, or says that there are more than PROTO_RANGES_MAX ranges;
 * ERR_NOT_FOUND for a sweep. */
int selector_find(struct store *store, const char *text, const char *where,
                  const char *states, struct selection *ret, struct error *err);
void selection_free(struct selection *selection);

#endif
