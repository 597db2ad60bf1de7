#ifndef COORD_PROTO_UNPACK_H
#define COORD_PROTO_UNPACK_H

/* A cursor over untrusted msgpack bytes. It allocates nothing, does not recurse
 * and never reads past the end. (The library's own unpacker builds a tree of 24
 * bytes per element, nested lists one inside another, before anybody has seen
 * whether the message keeps its bounds; the library packs for us, in msg.c.)
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>

enum unpack_type {
    UNPACK_NIL,
    UNPACK_BOOL,     /* number: 0 or 1 */
    UNPACK_UINT,     /* number */
    UNPACK_NEGATIVE, /* an integer below 0; its value is of no use to us */
    UNPACK_REAL32,
    UNPACK_REAL64, /* real */
    UNPACK_TEXT,   /* bytes */
    UNPACK_BYTES,  /* bytes */
    UNPACK_EXT,    /* bytes, without the extension's type */
    UNPACK_ARRAY,  /* number of items that follow */
    UNPACK_MAP,    /* number of pairs that follow */
};

struct unpack {
    const unsigned char *at, *end;
};

struct unpack_item {
    enum unpack_type type;
    uint64_t number;
    double real;
    struct slice bytes; /* borrowed from the input */
};

/* Take the next item: a scalar whole, of an array or a map only its head. -1
 * (and the cursor stays) when the bytes end too early, the lead byte is the one
 * that msgpack never uses, or a head promises more items than bytes are left;
 * so whoever has a count may trust that it is no larger than the input. */
int unpack_next(struct unpack *in, struct unpack_item *ret);

/* Pass over one whole item with everything inside. -1 as above. */
int unpack_skip(struct unpack *in);

/* "an integer", "a map", ...: for error messages. */
const char *unpack_type_name(enum unpack_type type);

#endif
