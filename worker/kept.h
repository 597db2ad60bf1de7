#ifndef COORD_KEPT_H
#define COORD_KEPT_H

/* A message with memory of its own. A received message borrows from bytes that
 * are gone with the next one; jobs in hand and results not yet acknowledged must
 * stay. The copy is made by the codec, which knows every field. */

#include "common/buf.h"
#include "proto/msg.h"

struct error;

struct kept {
    struct buf bytes;
    struct msg msg; /* borrows from bytes */
};

/* -1 with ERR_INVALID when the message breaks a bound, ERR_NO_MEMORY. */
int kept_copy(struct kept *kept, const struct msg *msg, struct error *err);
void kept_free(struct kept *kept); /* tolerates a zeroed one */

#endif
