#include "worker/probe/progress.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/savefile.h"
#include "worker/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { META_FORMAT, META_KEY, META_NUMERICS, META_CURVES, META_ALPHAS, METAS };
enum { NUMBER_TEXT = 24 };
enum { PLACE_DONE, PLACE_BEGUN, PLACES };

/* A point as integers: its tallies, and what differs from the ends. */
enum {
    TALLY_NUMBERS = 4 + 2 * EXACT_LIMBS,
    PAIRS_NUMBERS = 2 + 2 * EXACT_LIMBS,
    NUMBERS = 2 * TALLY_NUMBERS + 4 * PAIRS_NUMBERS,
};

/* ---- life -------------------------------------------------------------------- */

int progress_open(struct progress *progress, struct error *err)
{
    const size_t count = (progress->all ? progress->curves : 1) * progress->alphas;

    progress->points = calloc(count + 1, sizeof *progress->points);
    if (!progress->points)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu points", count);
    return 0;
}

void progress_close(struct progress *progress)
{
    free(progress->points);
    progress->points = NULL;
    buf_free(&progress->kept);
}

struct trace_point *progress_points(const struct progress *progress, size_t curve)
{
    return progress->points + (progress->all ? curve * progress->alphas : 0);
}

void progress_next(struct progress *progress)
{
    progress->done++;
    progress->begun = false;
    if (!progress->all)
        memset(progress->points, 0, progress->alphas * sizeof *progress->points);
}

/* ---- numbers ----------------------------------------------------------------- */

static uint64_t *put_exact(uint64_t *to, const struct exact *sum)
{
    memcpy(to, sum->limb, sizeof sum->limb);
    return to + EXACT_LIMBS;
}

static const uint64_t *get_exact(const uint64_t *from, struct exact *sum)
{
    memcpy(sum->limb, from, sizeof sum->limb);
    return from + EXACT_LIMBS;
}

static uint64_t *put_point(uint64_t *to, const struct trace_point *point)
{
    for (int s = 0; s < 2; s++) {
        const struct tally_sum *tally = &point->tally[s];
        *to++ = (uint64_t)tally->count;
        *to++ = (uint64_t)tally->correct;
        *to++ = (uint64_t)tally->nan_count;
        *to++ = (uint64_t)tally->inf_count;
        to = put_exact(put_exact(to, &tally->sum), &tally->sum_sq);
        for (int end = 0; end < 2; end++) {
            const struct trace_pairs *pairs = &point->pairs[s][end];
            *to++ = pairs->known;
            *to++ = (uint64_t)pairs->n;
            to = put_exact(put_exact(to, &pairs->sum), &pairs->sum_sq);
        }
    }
    return to;
}

static const uint64_t *get_point(const uint64_t *from, struct trace_point *point)
{
    for (int s = 0; s < 2; s++) {
        struct tally_sum *tally = &point->tally[s];
        tally->count = (int64_t)*from++;
        tally->correct = (int64_t)*from++;
        tally->nan_count = (int64_t)*from++;
        tally->inf_count = (int64_t)*from++;
        from = get_exact(get_exact(from, &tally->sum), &tally->sum_sq);
        for (int end = 0; end < 2; end++) {
            struct trace_pairs *pairs = &point->pairs[s][end];
            pairs->known = *from++ != 0;
            pairs->n = (int64_t)*from++;
            from = get_exact(get_exact(from, &pairs->sum), &pairs->sum_sq);
        }
    }
    return from;
}

/* Which curves' points are saved. */
static size_t first_saved(const struct progress *progress)
{
    return progress->all ? 0 : progress->done;
}

static size_t points_saved(const struct progress *progress)
{
    return (progress->done + progress->begun - first_saved(progress)) * progress->alphas;
}

/* ---- writing ------------------------------------------------------------------- */

static void fill_meta(const struct progress *progress, char numbers[3][NUMBER_TEXT],
                      struct savefile_meta meta[METAS])
{
    snprintf(numbers[0], NUMBER_TEXT, "%d", SPEC_NUMERICS);
    snprintf(numbers[1], NUMBER_TEXT, "%zu", progress->curves);
    snprintf(numbers[2], NUMBER_TEXT, "%zu", progress->alphas);
    meta[META_FORMAT] = (struct savefile_meta){"format", "coord-probe 1", true};
    meta[META_KEY] = (struct savefile_meta){"key", progress->key, true};
    meta[META_NUMERICS] = (struct savefile_meta){"numerics", numbers[0], true};
    meta[META_CURVES] = (struct savefile_meta){"curves", numbers[1], true};
    meta[META_ALPHAS] = (struct savefile_meta){"alphas", numbers[2], true};
}

static uint64_t *pack_points(const struct progress *progress, struct error *err)
{
    const struct trace_point *from = progress_points(progress, first_saved(progress));
    const size_t count = points_saved(progress);
    uint64_t *numbers = calloc(count * NUMBERS + 1, sizeof *numbers);
    uint64_t *to = numbers;

    if (!numbers) {
        err_set(err, ERR_NO_MEMORY, "no memory to save %zu points", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        to = put_point(to, &from[i]);
    return numbers;
}

int progress_store(const struct progress *progress, const char *dir,
                   const struct sink *sink, char ret_hash[HASH_TEXT], uint64_t *ret_size,
                   struct error *err)
{
    const int64_t place[PLACES] = {(int64_t)progress->done, progress->begun};
    const size_t count = points_saved(progress);
    struct savefile_meta meta[METAS];
    char numbers[3][NUMBER_TEXT];
    struct st_tensor tensors[4];
    struct buf rows = {0};
    uint64_t *points = pack_points(progress, err);
    size_t n = 0;
    int rc = -1;

    if (!points || sink_encode(sink, &rows, err))
        goto done;
    fill_meta(progress, numbers, meta);
    savefile_tensor(&tensors[n++], "place", ST_I64, place, PLACES);
    savefile_tensor(&tensors[n++], "rows", ST_U8, rows.data, rows.size);
    if (count > 0)
        savefile_tensor(&tensors[n++], "points", ST_I64, points, count * NUMBERS);
    if (progress->keeps)
        savefile_tensor(&tensors[n++], "kept", ST_U8, progress->kept.data,
                        progress->kept.size);
    rc = savefile_store(dir, tensors, n, meta, METAS, ret_hash, ret_size, err);

done:
    free(points);
    buf_free(&rows);
    return rc;
}

/* ---- reading ------------------------------------------------------------------- */

static int read_place(const struct st_file *file, const char *path,
                      struct progress *progress, struct error *err)
{
    const struct st_tensor *tensor =
        savefile_find(file, path, "place", ST_I64, PLACES, err);
    int64_t at[PLACES];

    if (!tensor)
        return -1;
    memcpy(at, tensor->data, sizeof at);
    if (at[PLACE_DONE] < 0 || at[PLACE_BEGUN] < 0 || at[PLACE_BEGUN] > 1 ||
        at[PLACE_DONE] > (int64_t)progress->curves - at[PLACE_BEGUN])
        return err_set(err, ERR_DATA, "%s: 'place' is no place of the probe", path);
    progress->done = (size_t)at[PLACE_DONE];
    progress->begun = at[PLACE_BEGUN];
    return 0;
}

/* The numbers of a tensor lie anywhere in the file, so they are copied. */
static int read_points(const struct st_file *file, const char *path,
                       struct progress *progress, struct error *err)
{
    struct trace_point *to = progress_points(progress, first_saved(progress));
    const size_t count = points_saved(progress);
    const struct st_tensor *tensor;
    uint64_t numbers[NUMBERS];

    if (count == 0)
        return 0;
    tensor = savefile_find(file, path, "points", ST_I64, count * NUMBERS, err);
    if (!tensor)
        return -1;
    for (size_t i = 0; i < count; i++) {
        memcpy(numbers, (const char *)tensor->data + i * sizeof numbers, sizeof numbers);
        get_point(numbers, &to[i]);
    }
    return 0;
}

/* The rows last: of all that is read they alone cannot be taken back. */
static int read_all(const struct st_file *file, const char *path,
                    struct progress *progress, struct sink *sink, struct error *err)
{
    const struct st_tensor *rows, *kept = NULL;

    if (read_place(file, path, progress, err) || read_points(file, path, progress, err))
        return -1;
    rows = savefile_find(file, path, "rows", ST_U8, 0, err);
    if (rows && progress->keeps)
        kept = savefile_find(file, path, "kept", ST_U8, 0, err);
    if (!rows || (progress->keeps && !kept))
        return -1;
    if (kept)
        buf_add(&progress->kept, kept->data, kept->size);
    if (progress->kept.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for what a probe has kept");
    return sink_decode(sink, path, rows->data, rows->size, err);
}

int progress_read(struct progress *progress, const char *path, struct sink *sink,
                  struct error *err)
{
    struct progress found = *progress; /* nothing kept yet */
    struct savefile_meta meta[METAS];
    char numbers[3][NUMBER_TEXT];
    struct st_file *file;
    int rc = -1;

    fill_meta(progress, numbers, meta);
    file = savefile_open(path, meta, METAS, err);
    if (!file)
        return -1;
    if (progress_open(&found, err) == 0)
        rc = read_all(file, path, &found, sink, err);
    st_close(&file);
    if (rc) {
        progress_close(&found);
        return -1;
    }
    progress_close(progress);
    *progress = found;
    return 0;
}
