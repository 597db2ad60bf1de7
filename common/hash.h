#ifndef COORD_HASH_H
#define COORD_HASH_H

/* Content hashes: BLAKE2b (libsodium, owned by hash.c). 16 bytes name a job, a
 * state or an artifact: 2^64 work to find a collision by chance, far beyond any
 * sweep. Written as 32 lower-case hex digits. Also random names. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum { HASH_BYTES = 16, HASH_HEX = 2 * HASH_BYTES, HASH_TEXT = HASH_HEX + 1 };

struct hash_state; /* streaming; opaque */

void hash_bytes(const void *data, size_t size, char ret_hex[HASH_TEXT]);
int hash_file(const char *path, char ret_hex[HASH_TEXT], uint64_t *ret_size,
              struct error *err);

struct hash_state *hash_new(void); /* NULL when out of memory */
void hash_add(struct hash_state *state, const void *data, size_t size);
/* Writes the hash, frees the state and sets the pointer to NULL. */
void hash_end(struct hash_state **state, char ret_hex[HASH_TEXT]);

/* Exactly 32 lower-case hex digits. */
bool hash_is_hex(const char *text, size_t size);

/* 32 hex digits from the system's random source: worker and request names. */
void hash_random(char ret_hex[HASH_TEXT]);

#endif
