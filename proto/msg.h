#ifndef COORD_PROTO_MSG_H
#define COORD_PROTO_MSG_H

/* Messages to bytes and back: msgpack, driven by the table in fields.c:
 * msg.c packs (the only file that knows the msgpack library), decode.c reads.
 * Nothing here knows sockets.
 *
 * Decoding is strict and bounded: a message that is truncated, has trailing
 * bytes, a missing or doubled field, a wrong type, or breaks a bound of
 * limits.h is refused whole with a sentence; unknown field numbers are skipped
 * (a later minor version may add fields). No input makes it read out of bounds
 * or allocate more than a small multiple of its size.
 */

#include "proto/fields.h"

struct error;

/* Append the encoding to out. -1 with ERR_INVALID when the message breaks a
 * bound (nothing is appended), ERR_NO_MEMORY. */
int msg_encode(const struct msg *msg, struct buf *out, struct error *err);

/* Decode size bytes, which must outlive *ret. The caller calls msg_free.
 * -1 with ERR_INVALID or ERR_NO_MEMORY; versions are not judged here. */
int msg_decode(const void *data, size_t size, struct msg *ret, struct error *err);
void msg_free(struct msg *msg);

const char *msg_kind_name(enum msg_kind kind); /* "HELLO"; "?" if unknown */

#endif
