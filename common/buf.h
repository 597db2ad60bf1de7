#ifndef COORD_BUF_H
#define COORD_BUF_H

/* A growable byte string, and a slice that borrows bytes from somewhere else.
 *
 * A zeroed struct buf is empty and valid. data is NUL-terminated after every
 * call (the NUL is not counted in size). Running out of memory sets `failed`
 * and makes later appends no-ops, so callers check once, at the end.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t size; /* bytes in use */
    size_t room; /* bytes allocated */
    bool failed; /* an append ran out of memory */
};

/* Bytes owned by somebody else; not NUL-terminated. */
struct slice {
    const char *data;
    size_t size;
};

void buf_free(struct buf *buf);  /* frees the bytes and zeroes the struct */
void buf_clear(struct buf *buf); /* forgets the bytes, keeps the room */
void buf_add(struct buf *buf, const void *data, size_t size);
void buf_puts(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Append a real with the fewest digits that read back to the same double; it
 * always has one of '.', 'e', "inf", "nan", so it never looks like an integer:
 * "1.0", "0.1", "1e-05", "-inf". Every NaN is "nan". */
void buf_put_real(struct buf *buf, double real);

/* Append an integer in decimal digits. */
void buf_put_int(struct buf *buf, int64_t integer);

/* Make room for size more bytes; returns where they go, or NULL (failed). The
 * caller adds to buf->size what it has written. */
char *buf_reserve(struct buf *buf, size_t size);

/* Remove the first size bytes (size <= buf->size). */
void buf_shift(struct buf *buf, size_t size);

struct slice slice_of(const char *text); /* borrows a C string */
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);

/* The bytes of the well-formed UTF-8 sequence that data begins with (RFC 3629:
 * no overlong forms, no surrogates), or 0 when there is none. size > 0. */
size_t utf8_length(const char *data, size_t size);
bool slice_is_utf8(struct slice slice);

/* A NUL-terminated copy that the caller frees, or NULL. */
char *slice_dup(struct slice slice);

#endif
