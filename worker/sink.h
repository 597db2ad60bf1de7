#ifndef COORD_SINK_H
#define COORD_SINK_H

/* Where a trial's results go: rows are collected in memory and sent as one
 * RESULT at the end, so that a result is whole or absent; progress and text go
 * out at once. train.c and probe.c write to a sink and know nothing of pipes. */

#include "common/buf.h"
#include "proto/fields.h"

#include <stdbool.h>
#include <stdio.h>

struct error;
struct sink;

/* progress is called with (user, done, total) and may be NULL. */
struct sink *sink_new(void (*progress)(void *user, uint32_t done, uint32_t total),
                      void *user);
void sink_free(struct sink **sink);

void sink_progress(struct sink *sink, uint32_t done, uint32_t total);

/* One line for people, to the stream given (a trial's standard output becomes the job's
 * log); until one is given, lines are dropped. It goes out at once; but where lines come
 * faster than SINK_LOG_MS, they go together: each would wake the daemon. */
enum { SINK_LOG_MS = 100 };
void sink_log_to(struct sink *sink, FILE *file); /* borrowed */
/* Called often: send what has waited that long; now: whatever waits. */
void sink_log_flush(struct sink *sink, bool now);
void sink_log(struct sink *sink, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Rows; slices are copied. -1 with ERR_NO_MEMORY, or ERR_INVALID when a bound of
 * the protocol is reached. */
int sink_history(struct sink *sink, const struct msg_history *row, struct error *err);
int sink_state(struct sink *sink, const struct msg_state *row, struct error *err);
int sink_point(struct sink *sink, const struct msg_point *row, struct error *err);
int sink_distance(struct sink *sink, const struct msg_distance *row, struct error *err);
uint32_t sink_point_count(const struct sink *sink);
int sink_class(struct sink *sink, const struct msg_class *row, struct error *err);
int sink_place(struct sink *sink, const struct msg_place *row, struct error *err);
int sink_rise(struct sink *sink, const struct msg_rise *row, struct error *err);
int sink_plane_point(struct sink *sink, const struct msg_plane_point *row,
                     struct error *err);
int sink_plane(struct sink *sink, const struct msg_plane *row, struct error *err);

/* epochs and steps done; diverged: a batch loss was not finite, training ended
 * there and that is the result. text explains; copied. */
void sink_summary(struct sink *sink, uint32_t epochs, uint64_t steps, bool diverged,
                  const char *text);
void sink_data_hash(struct sink *sink, const char *hash); /* for provenance */
/* train.numerics and train.kernels, for provenance. */
void sink_numerics(struct sink *sink, const char *numerics, const char *kernels);

/* Fill the row arrays, epochs, steps and (when diverged) cause and message of a
 * result; borrowed from the sink. */
void sink_fill(const struct sink *sink, struct msg_result *result);
/* All rows as an encoded RESULT, and back behind those of a sink: states that were stored
 * are then an earlier attempt's. path is for errors: ERR_DATA, ERR_NO_MEMORY. */
int sink_encode(const struct sink *sink, struct buf *out, struct error *err);
int sink_decode(struct sink *sink, const char *path, const void *data, size_t size,
                struct error *err);
const char *sink_data_hash_get(const struct sink *sink); /* "" if not set */
const char *sink_numerics_get(const struct sink *sink);  /* "" if not set */
const char *sink_kernels_get(const struct sink *sink);   /* "" if not set */

#endif
