#include "worker/probe/progress.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/spec.h"
#include "worker/savefile.h"
#include "worker/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPLITS = 2, LIMBS = sizeof(struct tally_sum) / sizeof(uint64_t) };
_Static_assert(sizeof(struct tally_sum) == LIMBS * sizeof(uint64_t),
               "exact sums are saved as integers");

/* Numbers of "place". */
enum {
    PLACE_DONE,
    PLACE_FIRST,
    PLACE_LAST,
    PLACE_SPLIT,
    PLACE_FROM,
    PLACE_UNTIL,
    PLACE_POINT,
    PLACES
};

enum { META_FORMAT, META_KEY, META_NUMERICS, META_CURVES, META_ALPHAS, METAS };
enum { NUMBER_TEXT = 24 };

/* ---- life -------------------------------------------------------------------- */

int progress_open(struct progress *progress, const char *key, size_t curves,
                  size_t alphas, struct error *err)
{
    *progress = (struct progress){.key = key, .curves = curves, .alphas = alphas};
    progress->sums = calloc(curves * alphas * SPLITS + 1, sizeof *progress->sums);
    if (!progress->sums)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu points", curves * alphas);
    return 0;
}

void progress_close(struct progress *progress)
{
    free(progress->sums);
    progress->sums = NULL;
}

struct tally_sum *progress_sums(const struct progress *progress, size_t curve)
{
    return progress->sums + curve * progress->alphas * SPLITS;
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

/* Limbs of the curves that there is something of. */
static size_t limbs(const struct progress *progress, size_t done, bool more)
{
    return (done + more) * progress->alphas * SPLITS * LIMBS;
}

int progress_store(const struct progress *progress, const char *dir,
                   const struct sink *sink, char ret_hash[HASH_TEXT], uint64_t *ret_size,
                   struct error *err)
{
    const struct curve_place *place = &progress->place;
    const int64_t places[PLACES] = {
        [PLACE_DONE] = (int64_t)progress->done,
        [PLACE_FIRST] = (int64_t)place->first,
        [PLACE_LAST] = (int64_t)place->last,
        [PLACE_SPLIT] = (int64_t)place->split,
        [PLACE_FROM] = place->from,
        [PLACE_UNTIL] = place->until,
        [PLACE_POINT] = (int64_t)place->point,
    };
    struct savefile_meta meta[METAS];
    char numbers[3][NUMBER_TEXT];
    struct st_tensor tensors[3];
    struct buf rows = {0};
    int rc = -1;

    fill_meta(progress, numbers, meta);
    savefile_tensor(&tensors[0], "sums", ST_I64, progress->sums,
                    limbs(progress, progress->done, place->last > 0));
    savefile_tensor(&tensors[1], "place", ST_I64, places, PLACES);
    if (sink_encode(sink, &rows, err) == 0) {
        savefile_tensor(&tensors[2], "rows", ST_U8, rows.data, rows.size);
        rc = savefile_store(dir, tensors, 3, meta, METAS, ret_hash, ret_size, err);
    }
    buf_free(&rows);
    return rc;
}

/* ---- reading ------------------------------------------------------------------- */

/* Whether a probe comes by there; what lies in a curve, the curve checks by its own
 * numbers. */
static bool is_place(const struct progress *progress, const int64_t at[PLACES])
{
    const int64_t alphas = (int64_t)progress->alphas, curves = (int64_t)progress->curves;

    for (int i = 0; i < PLACES; i++)
        if (at[i] < 0)
            return false;
    if (at[PLACE_LAST] == 0)
        return at[PLACE_DONE] <= curves;
    return at[PLACE_DONE] < curves && at[PLACE_FIRST] < at[PLACE_LAST] &&
           at[PLACE_LAST] <= alphas && at[PLACE_SPLIT] < SPLITS &&
           at[PLACE_POINT] <= at[PLACE_LAST] - at[PLACE_FIRST];
}

static int read_place(const struct st_file *file, const char *path,
                      struct progress *progress, struct error *err)
{
    const struct st_tensor *tensor =
        savefile_find(file, path, "place", ST_I64, PLACES, err);
    int64_t at[PLACES];

    if (!tensor)
        return -1;
    memcpy(at, tensor->data, sizeof at);
    if (!is_place(progress, at))
        return err_set(err, ERR_DATA, "%s: 'place' is no place of the probe", path);
    progress->done = (size_t)at[PLACE_DONE];
    progress->place = (struct curve_place){
        .first = (size_t)at[PLACE_FIRST],
        .last = (size_t)at[PLACE_LAST],
        .split = (size_t)at[PLACE_SPLIT],
        .from = at[PLACE_FROM],
        .until = at[PLACE_UNTIL],
        .point = (size_t)at[PLACE_POINT],
    };
    return 0;
}

int progress_read(struct progress *progress, const char *path, struct sink *sink,
                  struct error *err)
{
    const struct st_tensor *sums, *rows;
    struct progress found = *progress;
    struct savefile_meta meta[METAS];
    char numbers[3][NUMBER_TEXT];
    struct st_file *file;
    size_t count;
    int rc = -1;

    fill_meta(progress, numbers, meta);
    file = savefile_open(path, meta, METAS, err);
    if (!file)
        return -1;
    if (read_place(file, path, &found, err) != 0)
        goto done;
    count = limbs(progress, found.done, found.place.last > 0);
    sums = savefile_find(file, path, "sums", ST_I64, count, err);
    rows = sums ? savefile_find(file, path, "rows", ST_U8, 0, err) : NULL;
    if (!rows || sink_decode(sink, path, rows->data, rows->size, err) != 0)
        goto done;
    if (count > 0)
        memcpy(progress->sums, sums->data, count * sizeof(uint64_t));
    *progress = found;
    rc = 0;

done:
    st_close(&file);
    return rc;
}
