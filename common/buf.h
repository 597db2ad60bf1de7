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

/* Make room for size more bytes; returns where they go, or NULL (failed). The
 * caller adds to buf->size what it has written. */
char *buf_reserve(struct buf *buf, size_t size);

/* Remove the first size bytes (size <= buf->size). */
void buf_shift(struct buf *buf, size_t size);

struct slice slice_of(const char *text); /* borrows a C string */
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);

/* A NUL-terminated copy that the caller frees, or NULL. */
char *slice_dup(struct slice slice);

#endif
