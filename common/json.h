#ifndef COORD_JSON_H
#define COORD_JSON_H

/* JSON, read and written. The only file that knows jansson is json.c.
 * Reading is strict: UTF-8, one value, duplicate keys refused. */

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct json; /* a parsed value; opaque, borrowed except for the root */

enum json_type {
    JSON_NULL_VALUE,
    JSON_BOOL,
    JSON_INT,
    JSON_NUMBER,
    JSON_TEXT,
    JSON_LIST,
    JSON_MAP,
};

/* Parse one value from size bytes. The caller frees the root. NULL with
 * ERR_INVALID and "line:column: what is wrong". Integers beyond 64 bits, reals
 * beyond double, NUL in any form and nesting beyond 2048 are refused as well. */
struct json *json_parse(const char *text, size_t size, struct error *err);
void json_free(struct json **root);

/* All of these take NULL for an absent value, and answer as for null. */
enum json_type json_kind(const struct json *value);
int64_t json_int(const struct json *value);   /* 0 if not an integer */
double json_number(const struct json *value); /* integers too; else 0 */
bool json_bool(const struct json *value);
const char *json_text(const struct json *value); /* NULL if not a string */
size_t json_count(const struct json *value);     /* items of a list or map */
/* NULL: no such item, or not a list (a map). */
const struct json *json_at(const struct json *list, size_t index);
const struct json *json_get(const struct json *map, const char *key);

/* Walk a map in file order; stop and return false when visit does. */
bool json_each(const struct json *map,
               bool (*visit)(void *user, const char *key, const struct json *value),
               void *user);

/* Append to out: a quoted, escaped string (invalid UTF-8 becomes U+FFFD); a
 * number with the fewest digits that read back to the same double. NaN and
 * infinities, which JSON lacks, are written as the strings "nan" and "inf". */
void json_put_text(struct buf *out, const char *text, size_t size);
void json_put_number(struct buf *out, double number);

#endif
