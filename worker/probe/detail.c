#include "worker/probe/detail.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/safetensors.h"
#include "common/spec.h"
#include "worker/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A point of the curve in hand, on one split. Zeroed: nothing told. */
struct row {
    double alpha;
    int64_t next;              /* example that is to come */
    struct tally_sum *classes; /* (class_count) */
    float *losses;             /* (examples) */
    uint8_t *predicted;        /* (examples) */
};

/* A curve that is done. */
struct kept {
    char *name; /* "GROUP/BN" */
    size_t n;
    double *alphas;        /* (n) */
    float *losses[2];      /* (n, examples) by split */
    uint8_t *predicted[2]; /* (n, examples) */
};

struct detail {
    struct detail_plan plan;
    struct row *rows; /* (points, splits) */
    size_t row_count;
    uint8_t *labels[2]; /* (examples) by split */
    struct kept *kept;
    size_t kept_count;
    bool failed; /* no memory for what was told */
};

struct detail_plan detail_plan_of(const struct spec *probe, int class_count)
{
    return (struct detail_plan){.classes = spec_bool(probe, "probe.classes"),
                                .examples = spec_int(probe, "probe.examples"),
                                .class_count = class_count};
}

bool detail_is_wanted(const struct detail_plan *plan)
{
    return plan->classes || plan->examples > 0;
}

/* ---- what is told --------------------------------------------------------------- */

static void row_free(struct row *row)
{
    free(row->classes);
    free(row->losses);
    free(row->predicted);
}

static bool row_open(const struct detail *detail, struct row *row)
{
    const size_t K = (size_t)detail->plan.class_count;
    const size_t k = (size_t)detail->plan.examples + 1;

    row->classes = calloc(K, sizeof *row->classes);
    row->losses = calloc(k, sizeof *row->losses);
    row->predicted = calloc(k, 1);
    return row->classes && row->losses && row->predicted;
}

/* The row of a point and split; NULL without memory. */
static struct row *find_row(struct detail *detail, size_t point, enum split split)
{
    const size_t count = 2 * (point + 1);

    if (count > detail->row_count) {
        size_t room = count > 2 * detail->row_count ? count : 2 * detail->row_count;
        struct row *rows = realloc(detail->rows, room * sizeof *rows);
        if (!rows)
            return NULL;
        memset(rows + detail->row_count, 0, (room - detail->row_count) * sizeof *rows);
        detail->rows = rows;
        detail->row_count = room;
    }
    struct row *row = &detail->rows[2 * point + (size_t)split];
    return row->classes || row_open(detail, row) ? row : NULL;
}

void detail_batch(void *user, const struct curve_batch *batch)
{
    struct detail *detail = user;
    struct row *row = find_row(detail, batch->point, batch->split);

    if (!row) {
        detail->failed = true;
        return;
    }
    if (batch->from != row->next)
        memset(row->classes, 0, (size_t)detail->plan.class_count * sizeof *row->classes);
    row->next = batch->from + batch->B;
    for (int i = 0; i < batch->B; i++) {
        const int64_t at = batch->from + i;
        tally_add(&row->classes[batch->labels[i]], batch->losses[i], batch->right[i]);
        if (at >= detail->plan.examples)
            continue;
        row->losses[at] = (float)batch->losses[i];
        row->predicted[at] = batch->predicted[i];
        detail->labels[batch->split][at] = batch->labels[i];
    }
}

/* ---- points and curves ------------------------------------------------------------ */

static int no_memory(struct error *err)
{
    return err_set(err, ERR_NO_MEMORY, "no memory for what points tell in detail");
}

int detail_point(struct detail *detail, size_t point, enum split split, double alpha,
                 struct sink *sink, struct error *err)
{
    struct row *row = find_row(detail, point, split);

    if (!row || detail->failed)
        return no_memory(err);
    row->alpha = alpha;
    for (int k = 0; k < detail->plan.class_count && detail->plan.classes; k++) {
        const struct msg_class class = {.point = sink_point_count(sink) - 1,
                                        .class = (uint32_t)k,
                                        .tally = tally_round(&row->classes[k])};
        if (class.tally.count > 0 && sink_class(sink, &class, err))
            return -1;
    }
    return 0;
}

static void kept_free(struct kept *kept)
{
    free(kept->name);
    free(kept->alphas);
    for (int s = 0; s < 2; s++) {
        free(kept->losses[s]);
        free(kept->predicted[s]);
    }
}

/* Room for one curve more, of n points; NULL without memory. */
static struct kept *add_kept(struct detail *detail, size_t n)
{
    const size_t k = (size_t)detail->plan.examples;
    struct kept *list =
        realloc(detail->kept, (detail->kept_count + 1) * sizeof *detail->kept);

    if (!list)
        return NULL;
    detail->kept = list;
    struct kept *kept = &list[detail->kept_count++];
    *kept = (struct kept){.n = n, .alphas = malloc((n + 1) * sizeof *kept->alphas)};
    for (int s = 0; s < 2; s++) {
        kept->losses[s] = malloc((n * k + 1) * sizeof *kept->losses[s]);
        kept->predicted[s] = malloc(n * k + 1);
    }
    return kept->alphas && kept->losses[0] && kept->losses[1] && kept->predicted[0] &&
                   kept->predicted[1]
               ? kept
               : NULL;
}

static int keep_curve(struct detail *detail, const char *group, enum curve_bn bn,
                      size_t n, struct error *err)
{
    const size_t k = (size_t)detail->plan.examples;
    struct kept *kept = add_kept(detail, n);
    struct buf name = {0};

    if (!kept)
        return no_memory(err);
    buf_printf(&name, "%s/%s", group, curve_bn_name(bn));
    kept->name = name.data;
    if (name.failed)
        return no_memory(err);
    for (size_t i = 0; i < 2 * n; i++) {
        const struct row *row = find_row(detail, i / 2, (enum split)(i % 2));
        if (!row)
            return no_memory(err);
        kept->alphas[i / 2] = row->alpha;
        memcpy(kept->losses[i % 2] + i / 2 * k, row->losses, k * sizeof *row->losses);
        memcpy(kept->predicted[i % 2] + i / 2 * k, row->predicted, k);
    }
    return 0;
}

int detail_curve(struct detail *detail, const char *group, enum curve_bn bn, size_t n,
                 struct error *err)
{
    if (detail->failed)
        return no_memory(err);
    if (detail->plan.examples > 0 && keep_curve(detail, group, bn, n, err))
        return -1;
    for (size_t i = 0; i < detail->row_count; i++)
        row_free(&detail->rows[i]);
    memset(detail->rows, 0, detail->row_count * sizeof *detail->rows);
    return 0;
}

/* ---- the file --------------------------------------------------------------------- */

struct file {
    const struct detail *detail;
    struct st_tensor *tensors;
    size_t count;
};

/* Sizes follow from the shape (n, k); k of 0: (n). */
static int add_tensor(struct file *file, const char *name, const char *what,
                      enum st_dtype dtype, size_t n, size_t k, const void *data,
                      struct error *err)
{
    struct st_tensor *tensor = &file->tensors[file->count++];
    int length;

    *tensor = (struct st_tensor){.dtype = dtype,
                                 .rank = k > 0 ? 2 : 1,
                                 .dim = {(int64_t)n, (int64_t)k},
                                 .data = data,
                                 .size = n * (k > 0 ? k : 1) * st_dtype_size(dtype)};
    length = snprintf(tensor->name, sizeof tensor->name, "%s/%s", name, what);
    if (length < 0 || (size_t)length >= sizeof tensor->name)
        return err_set(err, ERR_INVALID, "'%s' is too long for the name of a tensor",
                       name);
    return 0;
}

/* Larger numbers first, so that all lie at multiples of their size. */
static int fill_file(struct file *file, struct error *err)
{
    const struct detail *d = file->detail;
    const size_t k = (size_t)d->plan.examples;
    int rc = 0;

    for (size_t i = 0; i < d->kept_count && rc == 0; i++)
        rc = add_tensor(file, d->kept[i].name, "alphas", ST_F64, d->kept[i].n, 0,
                        d->kept[i].alphas, err);
    for (size_t i = 0; i < 2 * d->kept_count && rc == 0; i++)
        rc = add_tensor(file, d->kept[i / 2].name,
                        i % 2 == SPLIT_TRAIN ? "train/losses" : "test/losses", ST_F32,
                        d->kept[i / 2].n, k, d->kept[i / 2].losses[i % 2], err);
    for (size_t i = 0; i < 2 * d->kept_count && rc == 0; i++)
        rc = add_tensor(file, d->kept[i / 2].name,
                        i % 2 == SPLIT_TRAIN ? "train/predicted" : "test/predicted",
                        ST_U8, d->kept[i / 2].n, k, d->kept[i / 2].predicted[i % 2], err);
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST && rc == 0; s++)
        rc = add_tensor(file, split_name((enum split)s), "labels", ST_U8, k, 0,
                        d->labels[s], err);
    return rc;
}

bool detail_keeps(const struct detail *detail)
{
    return detail->plan.examples > 0;
}

int detail_save(const struct detail *detail, struct buf *out, struct error *err)
{
    static const struct st_meta META[] = {{"format", "coord-examples 1"}};
    struct file file = {.detail = detail};
    int rc = -1;

    if (detail->plan.examples == 0)
        return 0;
    file.tensors = calloc(5 * detail->kept_count + 2, sizeof *file.tensors);
    if (!file.tensors)
        return no_memory(err);
    if (fill_file(&file, err) == 0)
        rc = st_encode(out, file.tensors, file.count, META, 1, err);
    free(file.tensors);
    return rc;
}

int detail_store(const struct detail *detail, const char *dir, struct sink *sink,
                 struct error *err)
{
    struct buf bytes = {0}, path = {0};
    char hash[HASH_TEXT];
    int rc = -1;

    if (detail->plan.examples == 0)
        return 0;
    if (detail_save(detail, &bytes, err))
        goto done;
    hash_bytes(bytes.data, bytes.size, hash);
    buf_printf(&path, "%s/%s.safetensors", dir, hash);
    if (path.failed) {
        no_memory(err);
        goto done;
    }
    const struct msg_state state = {.name = slice_of(DETAIL_STATE),
                                    .hash = slice_of(hash),
                                    .size = bytes.size,
                                    .stored = true};
    if (file_write(path.data, bytes.data, bytes.size, err) == 0)
        rc = sink_state(sink, &state, err);

done:
    buf_free(&bytes);
    buf_free(&path);
    return rc;
}

/* ---- taken up again --------------------------------------------------------------- */

/* Copy a tensor of that name and shape; k of 0: (n). */
static int take(const struct st_file *file, const char *name, const char *what,
                enum st_dtype dtype, size_t n, size_t k, void *to, struct error *err)
{
    char text[ST_NAME_MAX];
    const struct st_tensor *tensor;

    (void)snprintf(text, sizeof text, "%s/%s", name, what);
    tensor = st_find(file, text);
    if (!tensor || tensor->dtype != dtype || tensor->rank != (k > 0 ? 2 : 1) ||
        tensor->dim[0] != (int64_t)n || (k > 0 && tensor->dim[1] != (int64_t)k))
        return err_set(err, ERR_DATA, "'%s' is missing or has another shape", text);
    if (tensor->size > 0)
        memcpy(to, tensor->data, tensor->size);
    return 0;
}

/* The curve of a tensor NAME/alphas. */
static int take_curve(struct detail *detail, const struct st_file *file,
                      const struct st_tensor *alphas, struct error *err)
{
    const size_t k = (size_t)detail->plan.examples, n = (size_t)alphas->dim[0];
    struct kept *kept = add_kept(detail, n);

    if (!kept)
        return no_memory(err);
    kept->name = strndup(alphas->name, strlen(alphas->name) - strlen("/alphas"));
    if (!kept->name)
        return no_memory(err);
    return take(file, kept->name, "alphas", ST_F64, n, 0, kept->alphas, err) ||
                   take(file, kept->name, "train/losses", ST_F32, n, k, kept->losses[0],
                        err) ||
                   take(file, kept->name, "test/losses", ST_F32, n, k, kept->losses[1],
                        err) ||
                   take(file, kept->name, "train/predicted", ST_U8, n, k,
                        kept->predicted[0], err) ||
                   take(file, kept->name, "test/predicted", ST_U8, n, k,
                        kept->predicted[1], err)
               ? -1
               : 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text), more = strlen(end);

    return size > more && strcmp(text + size - more, end) == 0;
}

int detail_load(struct detail *detail, const void *bytes, size_t size, const char *name,
                struct error *err)
{
    const size_t k = (size_t)detail->plan.examples;
    struct st_file *file;
    int rc = 0;

    if (k == 0)
        return 0;
    file = st_open_bytes(bytes, size, name, err);
    if (!file)
        return -1;
    for (size_t i = 0; i < st_count(file) && rc == 0; i++) {
        const struct st_tensor *tensor = st_at(file, i);
        if (tensor->rank == 1 && ends_with(tensor->name, "/alphas"))
            rc = take_curve(detail, file, tensor, err);
    }
    for (int s = SPLIT_TRAIN; s <= SPLIT_TEST && rc == 0; s++)
        rc = take(file, split_name((enum split)s), "labels", ST_U8, k, 0,
                  detail->labels[s], err);
    st_close(&file);
    return rc;
}

/* ---- life ------------------------------------------------------------------------- */

struct detail *detail_new(const struct detail_plan *plan, struct error *err)
{
    struct detail *detail = calloc(1, sizeof *detail);

    if (!detail)
        goto fail;
    detail->plan = *plan;
    for (int s = 0; s < 2; s++) {
        detail->labels[s] = calloc((size_t)plan->examples + 1, 1);
        if (!detail->labels[s])
            goto fail;
    }
    return detail;

fail:
    detail_free(&detail);
    no_memory(err);
    return NULL;
}

void detail_free(struct detail **detail_p)
{
    struct detail *detail = detail_p ? *detail_p : NULL;

    if (!detail)
        return;
    for (size_t i = 0; i < detail->row_count; i++)
        row_free(&detail->rows[i]);
    for (size_t i = 0; i < detail->kept_count; i++)
        kept_free(&detail->kept[i]);
    free(detail->rows);
    free(detail->kept);
    free(detail->labels[0]);
    free(detail->labels[1]);
    free(detail);
    *detail_p = NULL;
}
