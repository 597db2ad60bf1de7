#ifndef COORD_CACHE_H
#define COORD_CACHE_H

/* A folder of states by content hash, DIR/HASH.safetensors, with a bound on its
 * size: what was used least recently goes first, what is pinned never. Several
 * daemons may share the folder: files appear whole (by link or rename), and a
 * pin is a shared flock on the open file, which other daemons respect and the
 * kernel drops when this process dies.
 *
 * The bound may be exceeded by what is pinned, and by nothing else.
 * It knows nothing of sockets. Hashes are 32 hex digits. Not thread-safe.
 */

#include "common/hash.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct cache;
struct crash;
struct error;

/* Create the folder (and its parents) if it is not there. ERR_IO. */
struct cache *cache_open(const char *dir, uint64_t size_max, struct error *err);
void cache_free(struct cache **cache); /* drops the pins, keeps the files */

/* Where to die, for tests (common/crash.h); borrowed. */
void cache_set_crash(struct cache *cache, struct crash *crash);

const char *cache_dir(const struct cache *cache);

/* The file of a hash, whether it exists or not. Returns out. */
char *cache_path(const struct cache *cache, const char *hash, char out[PATH_MAX]);

/* Keep a file from being evicted, and mark it used now; pins are counted.
 * ERR_NOT_FOUND when it is not in the cache. */
int cache_pin(struct cache *cache, const char *hash, struct error *err);
void cache_unpin(struct cache *cache, const char *hash);

/* Move the file `from` (on the same file system, content as its hash says) into
 * the cache, pinned once. If the cache has it already, `from` is removed. */
int cache_add(struct cache *cache, const char *hash, const char *from, struct error *err);

/* Remove a file that turned out to be damaged, pinned by us or not. */
void cache_drop(struct cache *cache, const char *hash);

/* Read size bytes of a pinned file at an offset; a short file is ERR_DATA. */
int cache_read(const struct cache *cache, const char *hash, uint64_t offset, void *data,
               size_t size, struct error *err);

/* Evict until the folder is within its bound. cache_add and cache_unpin do. */
int cache_trim(struct cache *cache, struct error *err);

/* Create a folder and its parents, for the owner only. ERR_INVALID for one that is
 * there and is another user's, or open to everybody: its files could be exchanged. */
int cache_make_dir(const char *dir, struct error *err);

#endif
