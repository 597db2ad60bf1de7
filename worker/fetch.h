#ifndef COORD_FETCH_H
#define COORD_FETCH_H

/* The states that jobs in hand start from, brought into the cache before their
 * trials start: GET / CHUNK, one state at a time, up to PROTO_CHUNK_WINDOW
 * pieces under way, the content checked against the hash. What the cache has is
 * checked as well: a damaged file is thrown away and fetched again.
 *
 * It knows no socket and no clock; files go through the cache and one folder.
 * A state that is ready stays pinned while somebody wants it. Hashes are 32 hex
 * digits. Times: milliseconds, monotonic.
 */

#include "proto/msg.h"

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct error;
struct fetch;

enum fetch_state { FETCH_PENDING, FETCH_READY, FETCH_FAILED };

/* cache is borrowed; unfinished files go to dir, on the cache's file system. */
struct fetch *fetch_new(struct cache *cache, const char *dir, struct error *err);
void fetch_free(struct fetch **fetch);

/* One more job wants a state; counted, each wanted state is given up once. */
int fetch_want(struct fetch *fetch, const char *hash, struct error *err);
void fetch_drop(struct fetch *fetch, const char *hash);

/* How it stands; when FETCH_FAILED, err (if not NULL) says why: ERR_DATA, ERR_IO,
 * ERR_NO_MEMORY. A state that nobody wants is FETCH_FAILED (ERR_NOT_FOUND). */
enum fetch_state fetch_state_of(const struct fetch *fetch, const char *hash,
                                struct error *err);

/* The next GET to send, if any. It counts as sent after fetch_sent. */
bool fetch_next(struct fetch *fetch, int64_t now_ms, struct msg *ret);
void fetch_sent(struct fetch *fetch, int64_t now_ms);

/* A piece came, or word that there is no such state. */
void fetch_chunk(struct fetch *fetch, const struct msg_chunk *chunk, int64_t now_ms);

/* The connection is new: what was asked for is asked for again. */
void fetch_reset(struct fetch *fetch);

/* When fetch_next may have something new by time alone; INT64_MAX: never. */
int64_t fetch_deadline(const struct fetch *fetch);

#endif
