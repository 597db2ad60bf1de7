#ifndef COORD_ARTIFACT_H
#define COORD_ARTIFACT_H

/* Stored bytes by content hash, as files: DIR/ab/abcdef... is whole and
 * verified, DIR/partial/abcdef...-SIZE is still arriving. It knows nothing of the
 * database or of messages.
 *
 * Pieces come in order; the place of the next one is the length of the partial
 * file, so an upload goes on where it stopped after a lost connection and after
 * a restart. Two workers may send the same artifact at once: each piece counts
 * once, whoever brings it. A whole file is synced and renamed into place, so
 * what is there is always complete.
 */

#include "common/buf.h"
#include "common/hash.h"

#include <stdbool.h>
#include <stdint.h>

struct artifact_store;
struct crash;
struct error;

/* Open the folder, creating it. Uploads that nobody went on with for a day are thrown
 * away. NULL with ERR_IO, ERR_NO_MEMORY. */
struct artifact_store *artifact_open(const char *dir, struct error *err);
void artifact_close(struct artifact_store **store);

/* Where to die, for tests (common/crash.h); borrowed. */
void artifact_set_crash(struct artifact_store *store, struct crash *crash);

/* Whether the whole artifact is there; *ret_size (may be NULL) in bytes. */
bool artifact_has(struct artifact_store *store, const char *hash, uint64_t *ret_size);

/* Take one piece. Returns 0 with *ret_held, the bytes held now: the offset of
 * the next piece wanted, `size` when the artifact is whole. A piece of bytes
 * that are held already is dropped and is no error.
 *
 * -1, and *ret_held is where to go on from: ERR_NOT_FOUND for a piece beyond the
 * bytes held (one before it is missing); ERR_INVALID for a size that differs from
 * the one begun, or a whole whose hash is not its name (then nothing is held any
 * more); ERR_IO when writing failed, as on a full disk (then what was held before
 * is still held). */
int artifact_put(struct artifact_store *store, const char *hash, uint64_t size,
                 uint64_t offset, struct slice data, uint64_t *ret_held,
                 struct error *err);

/* Append up to count bytes from offset on to out. ERR_NOT_FOUND when there is
 * no such artifact, ERR_INVALID for an offset beyond its end, ERR_IO. */
int artifact_read(struct artifact_store *store, const char *hash, uint64_t offset,
                  uint32_t count, struct buf *out, uint64_t *ret_size, struct error *err);

/* Remove a whole artifact that nobody needs; none is no error. ERR_IO. */
int artifact_remove(struct artifact_store *store, const char *hash, struct error *err);

/* Call visit for every whole artifact there is, in no order. Stops with -1 when it
 * does; ERR_IO. */
int artifact_each(struct artifact_store *store,
                  int (*visit)(void *user, const char *hash, uint64_t size,
                               struct error *err),
                  void *user, struct error *err);

/* The folder. */
const char *artifact_dir(const struct artifact_store *store);

/* DIR/ab/HASH into out; returns out. */
char *artifact_path(const char *dir, const char *hash, char *out, size_t size);

#endif
