#include "worker/train_resume.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"
#include "common/safetensors.h"
#include "common/spec.h"
#include "proto/msg.h"
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

/* Metadata, in the order in which it is hashed; the check comes last. */
enum { META_FORMAT, META_KEY, META_NUMERICS, META_EPOCH, META_STEP, METAS };
static const char *const META_NAMES[METAS] = {"format", "key", "numerics", "epoch",
                                              "step"};
static const char CHECK[] = "check";

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

/* ---- the check ---------------------------------------------------------------- */

static void hash_tensor(struct hash_state *hash, const struct st_tensor *tensor)
{
    hash_add(hash, tensor->name, strlen(tensor->name) + 1);
    hash_add(hash, tensor->data, tensor->size);
}

static void hash_meta(struct hash_state *hash, const char *const values[METAS])
{
    for (int i = 0; i < METAS; i++)
        hash_add(hash, values[i], strlen(values[i]) + 1);
}

/* ---- writing ------------------------------------------------------------------- */

static void put_tensor(struct st_tensor *tensor, const char *name, enum st_dtype dtype,
                       const void *data, size_t count)
{
    *tensor = (struct st_tensor){.dtype = dtype,
                                 .rank = 1,
                                 .dim = {(int64_t)count},
                                 .data = data,
                                 .size = count * st_dtype_size(dtype)};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

/* What the metadata says of this run and engine. */
static void fill_meta(const struct resume *resume, char numbers[3][NUMBER_TEXT],
                      const char *values[METAS])
{
    snprintf(numbers[0], NUMBER_TEXT, "%d", SPEC_NUMERICS);
    snprintf(numbers[1], NUMBER_TEXT, "%" PRIu32, resume->epoch);
    snprintf(numbers[2], NUMBER_TEXT, "%" PRIu64, resume->step);
    values[META_FORMAT] = FORMAT;
    values[META_KEY] = resume->key;
    values[META_NUMERICS] = numbers[0];
    values[META_EPOCH] = numbers[1];
    values[META_STEP] = numbers[2];
}

static int encode_rows(const struct sink *sink, struct buf *out, struct error *err)
{
    struct msg all = {.kind = MSG_RESULT};
    struct msg rows = {.kind = MSG_RESULT,
                       .result = {.job = 1, .attempt = 1, .outcome = OUTCOME_DONE}};

    sink_fill(sink, &all.result);
    rows.result.history = all.result.history;
    rows.result.history_count = all.result.history_count;
    rows.result.states = all.result.states;
    rows.result.state_count = all.result.state_count;
    return msg_encode(&rows, out, err);
}

static int encode(const struct resume *resume, const struct buf *rows, struct buf *out,
                  struct error *err)
{
    struct st_tensor tensors[TENSORS_MAX];
    struct st_meta meta[METAS + 1];
    const char *values[METAS];
    char numbers[3][NUMBER_TEXT], check[HASH_TEXT];
    int64_t counts[COUNTS];
    double reals[REALS];
    uint64_t limbs[LIMBS];
    size_t n = 0;
    struct hash_state *hash = hash_new();

    if (!hash)
        return err_set(err, ERR_NO_MEMORY, "no memory to hash a run");
    pack(resume, counts, reals, limbs);
    fill_meta(resume, numbers, values);
    for (; n < resume->vector_count; n++)
        put_tensor(&tensors[n], resume->vectors[n].name, ST_F32, resume->vectors[n].data,
                   resume->vectors[n].count);
    put_tensor(&tensors[n++], "counts", ST_I64, counts, COUNTS);
    put_tensor(&tensors[n++], "reals", ST_F64, reals, REALS);
    put_tensor(&tensors[n++], "losses", ST_I64, limbs, LIMBS);
    put_tensor(&tensors[n++], "rows", ST_U8, rows->data, rows->size);
    for (size_t i = 0; i < n; i++)
        hash_tensor(hash, &tensors[i]);
    hash_meta(hash, values);
    hash_end(&hash, check);
    for (int i = 0; i < METAS; i++)
        meta[i] = (struct st_meta){META_NAMES[i], values[i]};
    meta[METAS] = (struct st_meta){CHECK, check};
    return st_encode(out, tensors, n, meta, METAS + 1, err);
}

int resume_store(const char *dir, const struct resume *resume, const struct sink *sink,
                 char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err)
{
    struct buf rows = {0}, bytes = {0}, path = {0};
    char hash[HASH_TEXT];
    int rc = -1;

    assert(resume->vector_count <= RESUME_VECTORS_MAX);
    if (encode_rows(sink, &rows, err) != 0 || encode(resume, &rows, &bytes, err) != 0)
        goto done;
    hash_bytes(bytes.data, bytes.size, hash);
    buf_printf(&path, "%s/%s.safetensors", dir, hash);
    if (path.failed) {
        err_set(err, ERR_NO_MEMORY, "no memory for a path");
        goto done;
    }
    if (file_write(path.data, bytes.data, bytes.size, err) != 0)
        goto done;
    memcpy(ret_hash, hash, sizeof hash);
    *ret_size = bytes.size;
    rc = 0;

done:
    buf_free(&rows);
    buf_free(&bytes);
    buf_free(&path);
    return rc;
}

/* ---- reading ------------------------------------------------------------------- */

/* Of this run, for this engine: others give other bits. */
static int check_meta(const struct st_file *file, const char *path,
                      const struct resume *resume, const char *values[METAS],
                      struct error *err)
{
    const char *expected[METAS];
    char numbers[3][NUMBER_TEXT];

    fill_meta(resume, numbers, expected);
    for (int i = 0; i < METAS; i++) {
        values[i] = st_meta(file, META_NAMES[i]);
        if (!values[i])
            return err_set(err, ERR_DATA, "%s: has no '%s': not what a run has saved",
                           path, META_NAMES[i]);
        if (i < META_EPOCH && strcmp(values[i], expected[i]) != 0)
            return err_set(err, ERR_DATA, "%s: its %s is '%.64s', expected '%s'", path,
                           META_NAMES[i], values[i], expected[i]);
    }
    return 0;
}

static int check_check(const struct st_file *file, const char *path,
                       const char *const values[METAS], struct error *err)
{
    const char *said = st_meta(file, CHECK);
    struct hash_state *hash = hash_new();
    char is[HASH_TEXT];

    if (!hash)
        return err_set(err, ERR_NO_MEMORY, "no memory to hash a run");
    for (size_t i = 0; i < st_count(file); i++)
        hash_tensor(hash, st_at(file, i));
    hash_meta(hash, values);
    hash_end(&hash, is);
    if (!said || strcmp(said, is) != 0)
        return err_set(err, ERR_DATA, "%s: is damaged: its hash is %s, expected %.64s",
                       path, is, said ? said : "some");
    return 0;
}

/* A tensor of this name, type and (unless 0) number of numbers. */
static const struct st_tensor *get_tensor(const struct st_file *file, const char *path,
                                          const char *name, enum st_dtype dtype,
                                          size_t count, struct error *err)
{
    const struct st_tensor *tensor = st_find(file, name);

    if (!tensor)
        err_set(err, ERR_DATA, "%s: tensor '%s' is missing", path, name);
    else if (tensor->dtype != dtype || tensor->rank != 1)
        err_set(err, ERR_DATA, "%s: tensor '%s' is not a vector of %s", path, name,
                st_dtype_name(dtype));
    else if (count > 0 && tensor->size != count * st_dtype_size(dtype))
        err_set(err, ERR_DATA, "%s: tensor '%s' has %zu numbers, expected %zu", path,
                name, tensor->size / st_dtype_size(dtype), count);
    else
        return tensor;
    return NULL;
}

static int check_vectors(const struct st_file *file, const char *path,
                         const struct resume *resume, struct error *err)
{
    for (size_t i = 0; i < resume->vector_count; i++)
        if (!get_tensor(file, path, resume->vectors[i].name, ST_F32,
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
    const struct st_tensor *c = get_tensor(file, path, "counts", ST_I64, COUNTS, err);
    const struct st_tensor *s =
        c ? get_tensor(file, path, "reals", ST_F64, REALS, err) : NULL;
    const struct st_tensor *l =
        s ? get_tensor(file, path, "losses", ST_I64, LIMBS, err) : NULL;
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

static int fill_sink(struct sink *sink, const struct msg_result *rows, struct error *err)
{
    for (uint32_t i = 0; i < rows->history_count; i++)
        if (sink_history(sink, &rows->history[i], err) != 0)
            return -1;
    for (uint32_t i = 0; i < rows->state_count; i++) {
        struct msg_state state = rows->states[i];

        state.earlier = state.stored;
        if (sink_state(sink, &state, err) != 0)
            return -1;
    }
    return 0;
}

static int read_rows(const struct st_file *file, const char *path, struct sink *sink,
                     struct error *err)
{
    const struct st_tensor *tensor = get_tensor(file, path, "rows", ST_U8, 0, err);
    struct error why;
    struct msg rows;
    int rc = -1;

    if (!tensor)
        return -1;
    if (msg_decode(tensor->data, tensor->size, &rows, &why) != 0)
        return err_set(err, ERR_DATA, "%s: rows: %.300s", path, why.text);
    if (rows.kind != MSG_RESULT)
        err_set(err, ERR_DATA, "%s: rows: not a RESULT", path);
    else
        rc = fill_sink(sink, &rows.result, err);
    msg_free(&rows);
    return rc;
}

int resume_read(const char *path, struct resume *resume, struct sink *sink,
                struct error *err)
{
    struct resume numbers = *resume;
    const char *values[METAS];
    struct st_file *file = st_open(path, err);
    int rc = -1;

    if (!file)
        return -1;
    /* The rows last: of all that is checked they alone cannot be taken back. */
    if (check_meta(file, path, resume, values, err) != 0 ||
        check_check(file, path, values, err) != 0 ||
        check_vectors(file, path, resume, err) != 0 ||
        read_numbers(file, path, &numbers, err) != 0 ||
        read_rows(file, path, sink, err) != 0)
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
