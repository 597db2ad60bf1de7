#ifndef COORD_SAVEFILE_H
#define COORD_SAVEFILE_H

/* What a job saves to go on from, as a file: tensors and metadata in safetensors, with a
 * check, the hash of all the rest. It knows no runs and no probes; what its metadata must
 * be, so that only the same job under the same arithmetic goes on from it, the caller
 * says.
 */

#include "common/hash.h"
#include "common/safetensors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum { SAVEFILE_METAS_MAX = 15 };

/* One piece of metadata: on reading, what it must be, or only that it must be there. */
struct savefile_meta {
    const char *name, *value;
    bool must;
};

/* A vector of `count` numbers, borrowed. */
void savefile_tensor(struct st_tensor *tensor, const char *name, enum st_dtype dtype,
                     const void *data, size_t count);

/* Write DIR/HASH.safetensors. ERR_IO, ERR_NO_MEMORY. */
int savefile_store(const char *dir, const struct st_tensor *tensors, size_t count,
                   const struct savefile_meta *meta, size_t metas,
                   char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err);

/* Open one, its metadata and check as they must be; the caller closes it (st_close).
 * NULL with ERR_DATA, ERR_IO, ERR_NOT_FOUND, ERR_NO_MEMORY. */
struct st_file *savefile_open(const char *path, const struct savefile_meta *meta,
                              size_t metas, struct error *err);

/* A vector of this name, type and (unless 0) number of numbers; NULL with ERR_DATA. */
const struct st_tensor *savefile_find(const struct st_file *file, const char *path,
                                      const char *name, enum st_dtype dtype, size_t count,
                                      struct error *err);

#endif
