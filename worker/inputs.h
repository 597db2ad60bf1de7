#ifndef COORD_INPUTS_H
#define COORD_INPUTS_H

/* The inputs of a job in hand: wanted of the fetch while it waits, and given to its
 * trial as files of the cache. All are needed, but for what an earlier attempt saved
 * (PROTO_RESUME): that is worth having, and a job can do without. */

#include "common/hash.h"
#include "proto/limits.h"
#include "proto/msg.h"
#include "worker/fetch.h"

#include <limits.h>
#include <stdint.h>

struct cache;
struct error;

/* Want them all, or none. ERR_NO_MEMORY. */
int inputs_want(struct fetch *fetch, const struct msg_job *job, struct error *err);
void inputs_drop(struct fetch *fetch, const struct msg_job *job);

/* Whether the job can start. FETCH_FAILED with err when an input cannot be had. */
enum fetch_state inputs_state(const struct fetch *fetch, const struct msg_job *job,
                              struct error *err);

/* The inputs as the trial gets them, with the paths of their files. One that is not
 * there is not `stored`; *why (of 256 bytes) says why, else it is "". */
void inputs_place(const struct fetch *fetch, const struct cache *cache,
                  const struct msg_job *job, struct msg_input ret[PROTO_INPUTS_MAX],
                  char paths[PROTO_INPUTS_MAX][PATH_MAX], char why[256]);

/* Remove what the job went on from: it has ended. */
void inputs_forget_resume(struct cache *cache, const struct msg_job *job);

/* A job may start from a file (init.from = "file:HASH"): its spec says so, and the file
 * is fetched as a state of another run is. Then inputs, and with it hash, becomes the
 * job's list. */
void inputs_add_file(struct msg_job *job, struct msg_input inputs[PROTO_INPUTS_MAX],
                     char hash[HASH_TEXT]);

#endif
