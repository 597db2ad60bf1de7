#ifndef COORD_VALUE_H
#define COORD_VALUE_H

/* One typed value of a grid or a spec: bool, integer, real, string or a list of
 * those (lists may nest: init.reset axes are lists of lists). Plain data with
 * deep ownership: whoever holds a value frees it.
 *
 * The text form is unique per value, so that equal values hash equally: true,
 * 42, 0.1, "a\"b", [1,2]. A real has the fewest digits that read back to the
 * same double and always has '.', 'e' or "inf"/"nan" in it, so 1 and 1.0 differ
 * as texts and as types.
 */

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum value_type { VALUE_BOOL, VALUE_INT, VALUE_REAL, VALUE_STRING, VALUE_LIST };

struct value {
    enum value_type type;
    union {
        bool boolean;
        int64_t integer;
        double real;
        char *string; /* NUL-terminated UTF-8, owned */
        struct {
            struct value *items; /* owned */
            size_t count;
        } list;
    };
};

struct value value_bool(bool boolean);
struct value value_int(int64_t integer);
struct value value_real(double real);
struct value value_list(void); /* an empty one, to push to */

/* -1 with ERR_NO_MEMORY; *ret is then untouched. */
int value_string(const char *string, struct value *ret, struct error *err);
int value_copy(const struct value *from, struct value *ret, struct error *err);
/* Append a value to a list; takes ownership of item, also on failure. */
int value_push(struct value *list, struct value item, struct error *err);

void value_free(struct value *value); /* leaves a valid value (false) */
bool value_equal(const struct value *a, const struct value *b);

/* Append the text form to out. */
void value_text(const struct value *value, struct buf *out);

/* Parse exactly one text form that fills size bytes. Nesting is at most 8. */
int value_parse(const char *text, size_t size, struct value *ret, struct error *err);

/* The same of a text that is known to be one, such as a default in the table of options:
 * it is not proved again, which is most of the work. */
int value_trust(const char *text, struct value *ret, struct error *err);

/* "integer", "string", "list", ...: for error messages. */
const char *value_type_name(enum value_type type);

/* A number as double, from an integer or a real; 0 otherwise. */
double value_number(const struct value *value);

#endif
