#ifndef COORD_FILE_H
#define COORD_FILE_H

/* Whole files, read and written at once. */

#include "common/buf.h"

#include <stddef.h>

struct error;

/* Write size bytes so that a reader sees the old file or the new one, whole, and
 * so that the new one outlives a power cut: to a new name in the same folder,
 * flushed, then renamed. ERR_IO; nothing is left behind. */
int file_write(const char *path, const void *data, size_t size, struct error *err);

/* Append a file to out; -1 when it has more than max bytes (ERR_INVALID), is
 * missing (ERR_NOT_FOUND) or cannot be read (ERR_IO). out is then as it was. */
int file_read(const char *path, size_t max, struct buf *out, struct error *err);

/* Let this process have as many files open as the system gives it. */
void file_raise_limit(void);

#endif
