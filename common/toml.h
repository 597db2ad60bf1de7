#ifndef COORD_TOML_H
#define COORD_TOML_H

/* A TOML 1.0 document as a tree with positions. The only file that knows toml++
 * (and C++) is toml.cpp; its exceptions end there. Order is the file's order.
 * Keys and strings hold no NUL character, and tables and lists are at most 32
 * deep in each other (a dotted key may add 32 more): both are errors, since the
 * first cannot be a C string and the second would exhaust the stack.
 */

#include "common/value.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct error;

enum toml_type {
    TOML_TABLE,
    TOML_ARRAY, /* also an array of tables */
    TOML_STRING,
    TOML_INT,
    TOML_REAL,
    TOML_BOOL,
    TOML_DATE, /* dates and times, kept as their text; grids refuse them */
};

struct toml_node {
    enum toml_type type;
    char *key;                  /* own key in the parent table; NULL in an array */
    int line, column;           /* of the key, or of the value inside an array; from 1 */
    bool is_inline;             /* an inline table { ... } */
    char *string;               /* TOML_STRING, TOML_DATE */
    int64_t integer;            /* TOML_INT */
    double real;                /* TOML_REAL */
    bool boolean;               /* TOML_BOOL */
    struct toml_node *children; /* TOML_TABLE, TOML_ARRAY; in file order */
    size_t count;
};

/* Parse size bytes. file is only used in messages: "file:line:column: ...".
 * Returns the root table, which the caller frees, or NULL with ERR_INVALID. */
struct toml_node *toml_parse(const char *text, size_t size, const char *file,
                             struct error *err);
void toml_free(struct toml_node **root);

/* The child of a table, or NULL. */
const struct toml_node *toml_get(const struct toml_node *table, const char *key);

/* A scalar or (nested) array as a value; tables and dates fail with
 * ERR_INVALID and no position: the caller adds it. */
int toml_value(const struct toml_node *node, struct value *ret, struct error *err);

/* "a string", "a table", ...: for error messages. */
const char *toml_type_name(enum toml_type type);

#ifdef __cplusplus
}
#endif

#endif
