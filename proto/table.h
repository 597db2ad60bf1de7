#ifndef COORD_PROTO_TABLE_H
#define COORD_PROTO_TABLE_H

/* Private to proto/ and its tests: what a message looks like, as data. fields.c
 * has the rows; msg.c and decode.c walk them; the tests walk them to make every
 * message, break every bound and compare PROTOCOL.md with them.
 */

#include "proto/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum field_type {
    FIELD_BOOL,
    FIELD_U32,
    FIELD_U64,
    FIELD_I64,   /* never negative on the wire */
    FIELD_REAL,  /* IEEE 754 double, bit for bit */
    FIELD_TEXT,  /* struct slice; no NUL byte */
    FIELD_BYTES, /* struct slice */
    FIELD_HEX,   /* struct slice of exactly 32 lower-case hex digits, or none */
    FIELD_ONE,   /* a struct in place */
    FIELD_MANY,  /* a pointer to structs and a uint32_t count */
    FIELD_TYPE_COUNT,
};

/* lo and hi bound the value of an integer, the bytes of a text and the count of
 * a list; other types ignore them. An optional field that is absent on the wire
 * is zero in the struct, and a zero one is not sent. */
struct field {
    unsigned number; /* key in the map, or column + 1 in a row */
    enum field_type type;
    bool required;
    uint64_t lo, hi;
    size_t at;               /* offset of the member */
    size_t count_at;         /* FIELD_MANY: offset of the uint32_t count */
    const struct form *form; /* FIELD_ONE, FIELD_MANY: what is inside */
    const char *name;
};

struct form {
    const char *name;
    const struct field *fields; /* by ascending number, 1 .. count */
    unsigned count;
    size_t size; /* of the struct */
    bool row;    /* an array of columns in order, required ones first, instead of a map */
};

/* The form of a kind's struct; NULL when there is no such kind. */
const struct form *form_of(uint64_t kind);

/* Forms inside messages, for walking; NULL-terminated. */
const struct form *const *form_parts(void);

/* Whether a value keeps its field's bounds, for both directions: 0, or -1 with
 * ERR_INVALID and a sentence without the field's name. unit is "bytes" or
 * "items". A negative int64_t, as uint64_t, is above every bound. */
int field_check_number(const struct field *field, uint64_t number, struct error *err);
int field_check_size(const struct field *field, size_t size, const char *unit,
                     struct error *err);
int field_check_slice(const struct field *field, struct slice slice, struct error *err);

/* "u32", "text", ...: the words of PROTOCOL.md. */
const char *field_type_name(enum field_type type);

#endif
