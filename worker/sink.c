#include "worker/sink.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/jobstate.h"
#include "proto/limits.h"
#include "proto/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text of rows, in chunks that never move, so that slices into them stay valid
 * while more rows come. One chunk holds the names of some hundred rows. */
struct chunk {
    struct chunk *next;
    size_t used, room;
    char data[];
};

enum { CHUNK_ROOM = 16 << 10 };

struct rows {
    void *items;
    uint32_t count, room;
};

struct sink {
    void (*progress)(void *user, uint32_t done, uint32_t total);
    void *user;
    FILE *log;         /* borrowed; or NULL */
    int64_t logged_ms; /* when lines last went out */
    bool log_waits;
    struct rows history, states, points, distances, rises, classes, places;
    struct rows plane_points, planes;
    struct chunk *chunks;
    uint32_t epochs;
    uint64_t steps;
    bool diverged;
    char text[512]; /* = struct error's; a sentence */
    char data_hash[HASH_TEXT];
    char numerics[16], kernels[16];
};

/* Room for one more item. Grows by doubling; max is the protocol's bound. */
static int rows_reserve(struct rows *rows, size_t item_size, uint32_t max,
                        const char *what, struct error *err)
{
    if (rows->count == max)
        return err_set(err, ERR_INVALID, "a job may give at most %u %s", max, what);
    if (rows->count < rows->room)
        return 0;

    uint32_t room = rows->room ? 2 * rows->room : 64;
    void *items = realloc(rows->items, room * item_size);
    if (!items)
        return err_set(err, ERR_NO_MEMORY, "no memory for %u %s", room, what);
    rows->items = items;
    rows->room = room;
    return 0;
}

static int keep(struct sink *sink, struct slice text, struct slice *ret,
                struct error *err)
{
    struct chunk *chunk = sink->chunks;

    if (text.size == 0) {
        *ret = (struct slice){0};
        return 0;
    }
    if (!chunk || chunk->room - chunk->used < text.size) {
        size_t room = text.size > CHUNK_ROOM ? text.size : CHUNK_ROOM;
        chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            return err_set(err, ERR_NO_MEMORY, "no memory for results");
        *chunk = (struct chunk){.next = sink->chunks, .room = room};
        sink->chunks = chunk;
    }
    memcpy(chunk->data + chunk->used, text.data, text.size);
    *ret = (struct slice){chunk->data + chunk->used, text.size};
    chunk->used += text.size;
    return 0;
}

struct sink *sink_new(void (*progress)(void *user, uint32_t done, uint32_t total),
                      void *user)
{
    struct sink *sink = calloc(1, sizeof *sink);

    if (!sink)
        return NULL;
    sink->progress = progress;
    sink->user = user;
    return sink;
}

void sink_free(struct sink **sink)
{
    if (!*sink)
        return;
    for (struct chunk *chunk = (*sink)->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free((*sink)->history.items);
    free((*sink)->states.items);
    free((*sink)->points.items);
    free((*sink)->distances.items);
    free((*sink)->rises.items);
    free((*sink)->classes.items);
    free((*sink)->places.items);
    free((*sink)->plane_points.items);
    free((*sink)->planes.items);
    free(*sink);
    *sink = NULL;
}

void sink_progress(struct sink *sink, uint32_t done, uint32_t total)
{
    if (sink->progress)
        sink->progress(sink->user, done, total);
}

void sink_log_to(struct sink *sink, FILE *file)
{
    sink->log = file;
}

void sink_log(struct sink *sink, const char *fmt, ...)
{
    va_list args;

    if (!sink->log)
        return;
    va_start(args, fmt);
    (void)vfprintf(sink->log, fmt, args);
    va_end(args);
    (void)fputc('\n', sink->log);
    sink->log_waits = true;
    sink_log_flush(sink, false);
}

void sink_log_flush(struct sink *sink, bool now)
{
    int64_t now_ms;

    if (!sink->log_waits)
        return;
    now_ms = clock_mono_ms();
    if (!now && now_ms - sink->logged_ms < SINK_LOG_MS)
        return;
    (void)fflush(sink->log);
    sink->logged_ms = now_ms;
    sink->log_waits = false;
}

int sink_history(struct sink *sink, const struct msg_history *row, struct error *err)
{
    struct rows *rows = &sink->history;
    struct msg_history copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_HISTORY_MAX, "history rows", err) != 0 ||
        keep(sink, row->split, &copy.split, err) != 0)
        return -1;
    ((struct msg_history *)rows->items)[rows->count++] = copy;
    return 0;
}

int sink_state(struct sink *sink, const struct msg_state *row, struct error *err)
{
    struct rows *rows = &sink->states;
    struct msg_state copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_STATES_MAX, "states", err) != 0 ||
        keep(sink, row->name, &copy.name, err) != 0 ||
        keep(sink, row->hash, &copy.hash, err) != 0)
        return -1;
    ((struct msg_state *)rows->items)[rows->count++] = copy;
    return 0;
}

int sink_point(struct sink *sink, const struct msg_point *row, struct error *err)
{
    struct rows *rows = &sink->points;
    struct msg_point copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_POINTS_MAX, "curve points", err) != 0 ||
        keep(sink, row->grp, &copy.grp, err) != 0 ||
        keep(sink, row->bn, &copy.bn, err) != 0 ||
        keep(sink, row->split, &copy.split, err) != 0 ||
        keep(sink, row->origin, &copy.origin, err) != 0)
        return -1;
    ((struct msg_point *)rows->items)[rows->count++] = copy;
    return 0;
}

int sink_distance(struct sink *sink, const struct msg_distance *row, struct error *err)
{
    struct rows *rows = &sink->distances;
    struct msg_distance copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_DISTANCES_MAX, "distances", err) != 0 ||
        keep(sink, row->grp, &copy.grp, err) != 0)
        return -1;
    ((struct msg_distance *)rows->items)[rows->count++] = copy;
    return 0;
}

uint32_t sink_point_count(const struct sink *sink)
{
    return sink->points.count;
}

int sink_class(struct sink *sink, const struct msg_class *row, struct error *err)
{
    struct rows *rows = &sink->classes;

    if (rows_reserve(rows, sizeof *row, PROTO_CLASSES_MAX, "classes of points", err) != 0)
        return -1;
    ((struct msg_class *)rows->items)[rows->count++] = *row;
    return 0;
}

int sink_place(struct sink *sink, const struct msg_place *row, struct error *err)
{
    struct rows *rows = &sink->places;
    struct msg_place copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_PLACES_MAX, "places of states", err) != 0 ||
        keep(sink, row->grp, &copy.grp, err) != 0 ||
        keep(sink, row->state, &copy.state, err) != 0)
        return -1;
    ((struct msg_place *)rows->items)[rows->count++] = copy;
    return 0;
}

int sink_plane_point(struct sink *sink, const struct msg_plane_point *row,
                     struct error *err)
{
    struct rows *rows = &sink->plane_points;
    struct msg_plane_point copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_POINTS_MAX, "plane points", err) != 0 ||
        keep(sink, row->grp, &copy.grp, err) != 0 ||
        keep(sink, row->bn, &copy.bn, err) != 0 ||
        keep(sink, row->split, &copy.split, err) != 0)
        return -1;
    ((struct msg_plane_point *)rows->items)[rows->count++] = copy;
    return 0;
}

int sink_plane(struct sink *sink, const struct msg_plane *row, struct error *err)
{
    struct rows *rows = &sink->planes;
    struct msg_plane copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_DISTANCES_MAX, "planes", err) != 0 ||
        keep(sink, row->grp, &copy.grp, err) != 0)
        return -1;
    ((struct msg_plane *)rows->items)[rows->count++] = copy;
    return 0;
}

int sink_rise(struct sink *sink, const struct msg_rise *row, struct error *err)
{
    struct rows *rows = &sink->rises;
    struct msg_rise copy = *row;

    if (rows_reserve(rows, sizeof copy, PROTO_POINTS_MAX, "rises", err) != 0 ||
        keep(sink, row->grp, &copy.grp, err) != 0 ||
        keep(sink, row->bn, &copy.bn, err) != 0 ||
        keep(sink, row->split, &copy.split, err) != 0)
        return -1;
    ((struct msg_rise *)rows->items)[rows->count++] = copy;
    return 0;
}

void sink_summary(struct sink *sink, uint32_t epochs, uint64_t steps, bool diverged,
                  const char *text)
{
    sink->epochs = epochs;
    sink->steps = steps;
    sink->diverged = diverged;
    snprintf(sink->text, sizeof sink->text, "%s", text ? text : "");
}

void sink_data_hash(struct sink *sink, const char *hash)
{
    snprintf(sink->data_hash, sizeof sink->data_hash, "%s", hash);
}

void sink_fill(const struct sink *sink, struct msg_result *result)
{
    result->epochs = sink->epochs;
    result->steps = sink->steps;
    if (sink->diverged) {
        result->cause = slice_of(job_cause_name(CAUSE_DIVERGED));
        result->message = slice_of(sink->text);
    }
    result->history = sink->history.items;
    result->history_count = sink->history.count;
    result->states = sink->states.items;
    result->state_count = sink->states.count;
    result->points = sink->points.items;
    result->point_count = sink->points.count;
    result->distances = sink->distances.items;
    result->distance_count = sink->distances.count;
    result->rises = sink->rises.items;
    result->rise_count = sink->rises.count;
    result->plane_points = sink->plane_points.items;
    result->plane_point_count = sink->plane_points.count;
    result->planes = sink->planes.items;
    result->plane_count = sink->planes.count;
    result->classes = sink->classes.items;
    result->class_count = sink->classes.count;
    result->places = sink->places.items;
    result->place_count = sink->places.count;
}

void sink_numerics(struct sink *sink, const char *numerics, const char *kernels)
{
    snprintf(sink->numerics, sizeof sink->numerics, "%s", numerics);
    snprintf(sink->kernels, sizeof sink->kernels, "%s", kernels);
}

const char *sink_numerics_get(const struct sink *sink)
{
    return sink->numerics;
}

const char *sink_kernels_get(const struct sink *sink)
{
    return sink->kernels;
}

const char *sink_data_hash_get(const struct sink *sink)
{
    return sink->data_hash;
}

/* ---- rows that are saved --------------------------------------------------------- */

int sink_encode(const struct sink *sink, struct buf *out, struct error *err)
{
    struct msg rows = {.kind = MSG_RESULT};

    sink_fill(sink, &rows.result);
    rows.result.job = 1;
    rows.result.attempt = 1;
    rows.result.outcome = OUTCOME_DONE;
    return msg_encode(&rows, out, err);
}

static int take_rows(struct sink *sink, const struct msg_result *rows, struct error *err)
{
    const uint32_t points = sink->points.count; /* before these */

    for (uint32_t i = 0; i < rows->history_count; i++)
        if (sink_history(sink, &rows->history[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->state_count; i++) {
        struct msg_state state = rows->states[i];

        state.earlier = state.stored;
        if (sink_state(sink, &state, err) != 0)
            return -1;
    }
    for (uint32_t i = 0; i < rows->point_count; i++)
        if (sink_point(sink, &rows->points[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->distance_count; i++)
        if (sink_distance(sink, &rows->distances[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->rise_count; i++)
        if (sink_rise(sink, &rows->rises[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->class_count; i++) {
        struct msg_class class = rows->classes[i];

        class.point += points;
        if (sink_class(sink, &class, err) != 0)
            return -1;
    }
    for (uint32_t i = 0; i < rows->place_count; i++)
        if (sink_place(sink, &rows->places[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->plane_point_count; i++)
        if (sink_plane_point(sink, &rows->plane_points[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->plane_count; i++)
        if (sink_plane(sink, &rows->planes[i], err) != 0)
            return -1;
    return 0;
}

int sink_decode(struct sink *sink, const char *path, const void *data, size_t size,
                struct error *err)
{
    struct error why;
    struct msg rows;
    int rc = -1;

    if (msg_decode(data, size, &rows, &why) != 0)
        return err_set(err, ERR_DATA, "%s: rows: %.300s", path, why.text);
    if (rows.kind != MSG_RESULT)
        err_set(err, ERR_DATA, "%s: rows: not a RESULT", path);
    else
        rc = take_rows(sink, &rows.result, err);
    msg_free(&rows);
    return rc;
}
