#ifndef COORD_GZFILE_H
#define COORD_GZFILE_H

/* Whole files into memory, gzip or plain: a file that begins with gzip's magic
 * is inflated, any other is taken as it is. Strict where gzip tools are lenient:
 * a stream that ends early, a wrong checksum and bytes after the last member are
 * errors, because a data set that was cut in a copy must not train a network.
 * The only file that knows zlib.
 */

#include "common/buf.h"

struct error;

/* Append the (inflated) contents of the file at path to out. More than size_max
 * bytes is an error, found before they are stored. ERR_DATA naming the file and
 * the rule, ERR_NO_MEMORY; on failure out may hold part of it. */
int gzfile_load(const char *path, size_t size_max, struct buf *out, struct error *err);

#endif
