#include "worker/train_resume.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/safetensors.h"
#include "common/spec.h"
#include "worker/savefile.h"
#include "worker/sink.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(real) == sizeof(float), "a run is saved as float32");

static const char FORMAT[] = "coord-resume 2";

/* Places in the tensors "counts" and "reals". */
enum {
    COUNT_EPOCH,
    COUNT_STEP,
    COUNT_PLACE,
    COUNT_OPTIM_STEPS,
    COUNT_BEST_EPOCH,
    COUNT_BEST_STEP,
    COUNT_EXAMPLES,
    COUNT_CORRECT,
    COUNT_NAN,
    COUNT_INF,
    COUNTS,
};
enum { REAL_SECONDS, REAL_BEST_ACCURACY, REALS };

/* The tensor "losses": the sum and the sum of squares, limb by limb. */
enum { LIMBS = 2 * EXACT_LIMBS };

enum { OTHERS = 4, TENSORS_MAX = RESUME_VECTORS_MAX + OTHERS, NUMBER_TEXT = 24 };

/* Metadata, in the order in which it is hashed. */
enum { META_FORMAT, META_KEY, META_NUMERICS, META_EPOCH, META_STEP, METAS };

/* ---- numbers ----------------------------------------------------------------- */

static void pack(const struct resume *resume, int64_t counts[COUNTS], double reals[REALS],
                 uint64_t limbs[LIMBS])
{
    const size_t half = sizeof resume->batches.sum.limb;

    counts[COUNT_EPOCH] = resume->epoch;
    counts[COUNT_STEP] = (int64_t)resume->step;
    counts[COUNT_PLACE] = resume->place;
    counts[COUNT_OPTIM_STEPS] = (int64_t)resume->optim_steps;
    counts[COUNT_BEST_EPOCH] = resume->best_epoch;
    counts[COUNT_BEST_STEP] = (int64_t)resume->best_step;
    counts[COUNT_EXAMPLES] = resume->batches.count;
    counts[COUNT_CORRECT] = resume->batches.correct;
    counts[COUNT_NAN] = resume->batches.nan_count;
    counts[COUNT_INF] = resume->batches.inf_count;
    memcpy(limbs, resume->batches.sum.limb, half);
    memcpy(limbs + EXACT_LIMBS, resume->batches.sum_sq.limb, half);
    reals[REAL_SECONDS] = resume->seconds;
    reals[REAL_BEST_ACCURACY] = resume->best_accuracy;
}

static void unpack(struct resume *resume, const int64_t counts[COUNTS],
                   const double reals[REALS], const uint64_t limbs[LIMBS])
{
    const size_t half = sizeof resume->batches.sum.limb;

    resume->epoch = (uint32_t)counts[COUNT_EPOCH];
    resume->step = (uint64_t)counts[COUNT_STEP];
    resume->place = counts[COUNT_PLACE];
    resume->optim_steps = (uint64_t)counts[COUNT_OPTIM_STEPS];
    resume->best_epoch = (uint32_t)counts[COUNT_BEST_EPOCH];
    resume->best_step = (uint64_t)counts[COUNT_BEST_STEP];
    resume->batches = (struct tally_sum){
        .count = counts[COUNT_EXAMPLES],
        .correct = counts[COUNT_CORRECT],
        .nan_count = counts[COUNT_NAN],
        .inf_count = counts[COUNT_INF],
    };
    memcpy(resume->batches.sum.limb, limbs, half);
    memcpy(resume->batches.sum_sq.limb, limbs + EXACT_LIMBS, half);
    resume->seconds = reals[REAL_SECONDS];
    resume->best_accuracy = reals[REAL_BEST_ACCURACY];
}

/* ---- writing ------------------------------------------------------------------- */

/* What the metadata says of this run and engine; of the place anything will do. */
static void fill_meta(const struct resume *resume, char numbers[3][NUMBER_TEXT],
                      struct savefile_meta meta[METAS])
{
    snprintf(numbers[0], NUMBER_TEXT, "%d", SPEC_NUMERICS);
    snprintf(numbers[1], NUMBER_TEXT, "%" PRIu32, resume->epoch);
    snprintf(numbers[2], NUMBER_TEXT, "%" PRIu64, resume->step);
    meta[META_FORMAT] = (struct savefile_meta){"format", FORMAT, true};
    meta[META_KEY] = (struct savefile_meta){"key", resume->key, true};
    meta[META_NUMERICS] = (struct savefile_meta){"numerics", numbers[0], true};
    meta[META_EPOCH] = (struct savefile_meta){"epoch", numbers[1], false};
    meta[META_STEP] = (struct savefile_meta){"step", numbers[2], false};
}

int resume_store(const char *dir, const struct resume *resume, const struct sink *sink,
                 char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err)
{
    struct st_tensor tensors[TENSORS_MAX];
    struct savefile_meta meta[METAS];
    char numbers[3][NUMBER_TEXT];
    int64_t counts[COUNTS];
    double reals[REALS];
    uint64_t limbs[LIMBS];
    struct buf rows = {0};
    size_t n = 0;
    int rc = -1;

    assert(resume->vector_count <= RESUME_VECTORS_MAX);
    pack(resume, counts, reals, limbs);
    fill_meta(resume, numbers, meta);
    for (; n < resume->vector_count; n++)
        savefile_tensor(&tensors[n], resume->vectors[n].name, ST_F32,
                        resume->vectors[n].data, resume->vectors[n].count);
    savefile_tensor(&tensors[n++], "counts", ST_I64, counts, COUNTS);
    savefile_tensor(&tensors[n++], "reals", ST_F64, reals, REALS);
    savefile_tensor(&tensors[n++], "losses", ST_I64, limbs, LIMBS);
    if (sink_encode(sink, &rows, err) == 0) {
        savefile_tensor(&tensors[n++], "rows", ST_U8, rows.data, rows.size);
        rc = savefile_store(dir, tensors, n, meta, METAS, ret_hash, ret_size, err);
    }
    buf_free(&rows);
    return rc;
}

/* ---- reading ------------------------------------------------------------------- */

static int check_vectors(const struct st_file *file, const char *path,
                         const struct resume *resume, struct error *err)
{
    for (size_t i = 0; i < resume->vector_count; i++)
        if (!savefile_find(file, path, resume->vectors[i].name, ST_F32,
                           resume->vectors[i].count, err))
            return -1;
    if (st_count(file) != resume->vector_count + OTHERS)
        return err_set(err, ERR_DATA, "%s: %zu tensors, expected %zu", path,
                       st_count(file), resume->vector_count + OTHERS);
    return 0;
}

/* Whether the run comes by there. */
static bool is_place(const struct resume *run, const int64_t counts[COUNTS])
{
    int64_t steps = (run->examples + run->batch - 1) / run->batch;

    return counts[COUNT_EPOCH] < run->epochs && counts[COUNT_PLACE] < run->examples &&
           counts[COUNT_PLACE] % run->batch == 0 &&
           counts[COUNT_EXAMPLES] == counts[COUNT_PLACE] &&
           counts[COUNT_STEP] ==
               counts[COUNT_EPOCH] * steps + counts[COUNT_PLACE] / run->batch;
}

static int read_numbers(const struct st_file *file, const char *path, struct resume *ret,
                        struct error *err)
{
    const struct st_tensor *c = savefile_find(file, path, "counts", ST_I64, COUNTS, err);
    const struct st_tensor *s =
        c ? savefile_find(file, path, "reals", ST_F64, REALS, err) : NULL;
    const struct st_tensor *l =
        s ? savefile_find(file, path, "losses", ST_I64, LIMBS, err) : NULL;
    int64_t counts[COUNTS];
    double reals[REALS];
    uint64_t limbs[LIMBS];

    if (!l)
        return -1;
    memcpy(counts, c->data, sizeof counts);
    memcpy(reals, s->data, sizeof reals);
    memcpy(limbs, l->data, sizeof limbs);
    for (int i = 0; i < COUNTS; i++)
        if (counts[i] < 0)
            return err_set(err, ERR_DATA, "%s: number %d of 'counts' is negative", path,
                           i);
    if (!is_place(ret, counts) || counts[COUNT_BEST_EPOCH] > counts[COUNT_EPOCH])
        return err_set(err, ERR_DATA,
                       "%s: step %" PRId64 ", epoch %" PRId64 ", example %" PRId64
                       " is no place of the run",
                       path, counts[COUNT_STEP], counts[COUNT_EPOCH],
                       counts[COUNT_PLACE]);
    unpack(ret, counts, reals, limbs);
    return 0;
}

int resume_read(const char *path, struct resume *resume, struct sink *sink,
                struct error *err)
{
    struct savefile_meta meta[METAS];
    char place[3][NUMBER_TEXT];
    struct resume numbers = *resume;
    const struct st_tensor *rows;
    struct st_file *file;
    int rc = -1;

    fill_meta(resume, place, meta);
    file = savefile_open(path, meta, METAS, err);
    if (!file)
        return -1;
    /* The rows last: of all that is checked they alone cannot be taken back. */
    if (check_vectors(file, path, resume, err) != 0 ||
        read_numbers(file, path, &numbers, err) != 0)
        goto done;
    rows = savefile_find(file, path, "rows", ST_U8, 0, err);
    if (!rows || sink_decode(sink, path, rows->data, rows->size, err) != 0)
        goto done;
    for (size_t i = 0; i < resume->vector_count; i++)
        memcpy(resume->vectors[i].data, st_find(file, resume->vectors[i].name)->data,
               resume->vectors[i].count * sizeof(real));
    *resume = numbers;
    rc = 0;

done:
    st_close(&file);
    return rc;
}
