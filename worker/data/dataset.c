#include "worker/data/dataset.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/rng.h"
#include "common/spec.h"
#include "worker/data/augment.h"
#include "worker/data/distort.h"
#include "worker/data/raw.h"
#include "worker/data/spoil.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One split in subset order. */
struct part {
    int64_t count, copies;
    uint8_t *pixels; /* (count,C,H,W), or NULL: */
    real *points;    /* (count,C,H,W) */
    uint8_t *labels; /* (copies,count) */
};

enum { LABELS = 256, NOT_KEPT = -1 };

struct dataset {
    struct dataset_info source; /* as the files are */
    struct dataset_info info;   /* as the run sees it: fewer classes */
    int label_of[LABELS];       /* of a file's label, or NOT_KEPT */
    size_t example;             /* numbers in one */
    struct part parts[2];
    struct spoil *spoil;     /* of training examples */
    struct distort *distort; /* NULL: images stay as they are */
    struct augment augment;
    uint64_t augment_seed;
    real normal[3][256]; /* the normalised value of a pixel, per channel */
    uint8_t *scratch;    /* one augmented image */
    char hash[HASH_TEXT];
};

const char *split_name(enum split split)
{
    static const char *const names[] = {[SPLIT_TRAIN] = "train", [SPLIT_TEST] = "test"};

    return names[split];
}

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Where the files are; path stays empty for synthetic sets. */
static int find_dir(const struct spec *spec, const struct dataset_info *info,
                    const char *data_dir, struct buf *path, struct error *err)
{
    if (dataset_is_made(info))
        return 0;
    if (spec_has(spec, "data.dir")) {
        buf_puts(path, spec_string(spec, "data.dir"));
    } else {
        if (data_dir)
            buf_printf(path, "%s/%s", data_dir, info->name);
        if (path->failed || !data_dir || !is_directory(path->data)) {
            if (!info->dir)
                return err_set(err, ERR_DATA,
                               "data set '%s' is not on this machine: name its folder in "
                               "data.dir%s%s",
                               info->name, data_dir ? ", or put it into " : "",
                               data_dir ? path->data : "");
            buf_clear(path);
            buf_puts(path, info->dir);
        }
    }
    return path->failed ? err_set(err, ERR_NO_MEMORY, "no memory for a path") : 0;
}

/* The split's fixed permutation without the classes that are not kept: places in
 * raw, which the caller frees. */
static uint32_t *find_order(const struct dataset *data, const struct raw *raw,
                            enum split split, int64_t *ret_count, struct error *err)
{
    struct rng rng = rng_at(0, RNG_SUBSET, 0, (uint32_t)split);
    uint32_t *order = malloc((size_t)raw->count * sizeof *order);
    int64_t count = 0;

    if (!order) {
        err_set(err, ERR_NO_MEMORY, "no memory for %lld examples", (long long)raw->count);
        return NULL;
    }
    rng_permutation(&rng, order, (uint32_t)raw->count);
    for (int64_t i = 0; i < raw->count; i++)
        if (data->label_of[raw->labels[order[i]]] != NOT_KEPT)
            order[count++] = order[i];
    *ret_count = count;
    return order;
}

/* Copy an image into the middle of a larger one; the rest stays as it is. */
static void put_image(const struct dataset *data, const uint8_t *from, uint8_t *to)
{
    const struct shape small = data->source.shape, large = data->info.shape;
    size_t top = (size_t)(large.H - small.H) / 2, left = (size_t)(large.W - small.W) / 2;
    size_t width = (size_t)large.W;

    for (int c = 0; c < small.C; c++, to += width * (size_t)large.H)
        for (int y = 0; y < small.H; y++, from += small.W)
            memcpy(to + (top + (size_t)y) * width + left, from, (size_t)small.W);
}

/* Copy the examples at the first count places of order. */
static int take_subset(const struct dataset *data, const struct raw *raw,
                       const uint32_t *order, int64_t count, struct part *part,
                       struct error *err)
{
    size_t example = data->example, stored = raw_example(&data->source);

    part->count = count;
    part->copies = 1;
    part->labels = malloc((size_t)count);
    if (raw->pixels)
        part->pixels = calloc((size_t)count, example);
    else
        part->points = malloc((size_t)count * example * sizeof *part->points);
    if (!part->labels || (!part->pixels && !part->points))
        return err_set(err, ERR_NO_MEMORY, "no memory for %lld examples",
                       (long long)count);
    for (size_t i = 0; i < (size_t)count; i++) {
        part->labels[i] = (uint8_t)data->label_of[raw->labels[order[i]]];
        if (part->pixels)
            put_image(data, raw->pixels + order[i] * stored, part->pixels + i * example);
        else
            memcpy(part->points + i * example, raw->points + order[i] * stored,
                   example * sizeof *part->points);
        if (data->distort)
            distort_image(data->distort, part->pixels + i * example);
    }
    return 0;
}

static int read_split(struct dataset *data, const struct spec *spec, const char *dir,
                      enum split split, struct hash_state *hash, struct error *err)
{
    struct raw raw = {0};
    uint32_t *order;
    int64_t count;
    int rc = -1;

    if (raw_read(&data->source, dir, split, hash, &raw, err))
        return -1;
    order = find_order(data, &raw, split, &count, err);
    if (!order)
        goto done;
    if (count == 0) {
        err_set(err, ERR_DATA,
                "data set '%s' has no %s examples of the classes asked for",
                data->source.name, split_name(split));
        goto done;
    }
    if (split == SPLIT_TRAIN && spec_size(spec, "data.train", count, &count, err))
        goto done;
    rc = take_subset(data, &raw, order, count, &data->parts[split], err);

done:
    free(order);
    raw_free(&raw);
    return rc;
}

/* The labels of all copies of the training examples. */
static int spoil_labels(struct dataset *data, const struct spec *spec, struct error *err)
{
    struct part *part = &data->parts[SPLIT_TRAIN];
    size_t count = (size_t)part->count;
    uint8_t *labels;

    part->copies = spec_int(spec, "data.replicas");
    if (part->count > UINT32_MAX / part->copies)
        return err_set(err, ERR_INVALID, "data.replicas: more than %lld examples in all",
                       (long long)UINT32_MAX);
    labels = malloc(count * (size_t)part->copies);
    if (!labels)
        return err_set(err, ERR_NO_MEMORY, "no memory for %lld examples",
                       (long long)(part->count * part->copies));
    for (uint32_t copy = 0; copy < part->copies; copy++)
        for (uint32_t i = 0; i < count; i++)
            labels[copy * count + i] = spoil_label(data->spoil, copy, i, part->labels[i]);
    free(part->labels);
    part->labels = labels;
    return 0;
}

static int read_augment(struct dataset *data, const struct spec *spec, struct error *err)
{
    struct value list;
    int rc = 0;

    if (spec_value(spec, "data.augment", &list, err))
        return -1;
    for (size_t i = 0; i < list.list.count; i++) {
        const char *name = list.list.items[i].string;

        if (strcmp(name, "flip") == 0)
            data->augment.flip = true;
        else if (strcmp(name, "crop4") == 0)
            data->augment.crop = true;
        else
            rc = err_set(err, ERR_UNSUPPORTED, "data.augment: '%s' is not known", name);
    }
    value_free(&list);
    if (rc == 0 && data->info.format == DATASET_SPIRAL &&
        (data->augment.flip || data->augment.crop))
        rc = err_set(err, ERR_INVALID, "data.augment: '%s' has no images to augment",
                     data->info.name);
    data->augment_seed = (uint64_t)spec_int(spec, "seed.augment");
    return rc;
}

/* Number the classes that are kept. */
static int read_classes(struct dataset *data, const struct spec *spec, struct error *err)
{
    struct value kept;
    bool all;

    if (spec_value(spec, "data.classes", &kept, err))
        return -1;
    all = kept.list.count == 0;
    for (int label = 0; label < LABELS; label++)
        data->label_of[label] = all ? label : NOT_KEPT;
    for (size_t i = 0; i < kept.list.count; i++)
        data->label_of[kept.list.items[i].integer] = (int)i;
    value_free(&kept);
    data->info.classes = spec_classes(spec);
    if (data->info.classes < 2)
        return err_set(err, ERR_INVALID, "data.classes: expected at least 2 classes");
    return 0;
}

static void fill_normal(struct dataset *data)
{
    for (int c = 0; c < data->info.shape.C && c < 3; c++)
        for (int v = 0; v < 256; v++)
            data->normal[c][v] =
                (real)((v / 255.0 - data->info.mean[c]) / data->info.std[c]);
}

static int read_all(struct dataset *data, const struct spec *spec, const char *data_dir,
                    struct error *err)
{
    struct hash_state *hash = hash_new();
    struct buf dir = {0};
    int rc = -1;

    if (!hash) {
        err_set(err, ERR_NO_MEMORY, "no memory to hash a data set");
        goto done;
    }
    if (find_dir(spec, &data->source, data_dir, &dir, err) ||
        read_split(data, spec, dir.data, SPLIT_TRAIN, hash, err) ||
        read_split(data, spec, dir.data, SPLIT_TEST, hash, err))
        goto done;
    rc = 0;

done:
    if (hash)
        hash_end(&hash, data->hash);
    buf_free(&dir);
    return rc;
}

struct dataset *dataset_open(const struct spec *spec, const char *data_dir,
                             struct error *err)
{
    const char *name = spec_string(spec, "data.name");
    struct dataset *data = calloc(1, sizeof *data);

    if (!data) {
        err_set(err, ERR_NO_MEMORY, "no memory for data set '%s'", name);
        return NULL;
    }
    data->source = data->info = dataset_of(spec);
    data->info.shape = spec_shape(spec);
    data->example = raw_example(&data->info);
    data->scratch = malloc(data->example);
    if (!data->scratch) {
        err_set(err, ERR_NO_MEMORY, "no memory for data set '%s'", name);
        goto fail;
    }
    if (read_augment(data, spec, err) || read_classes(data, spec, err) ||
        distort_new(spec, data->info.shape, &data->distort, err) ||
        read_all(data, spec, data_dir, err))
        goto fail;
    data->spoil = spoil_new(spec, data->info.classes, data->example, err);
    if (!data->spoil || spoil_labels(data, spec, err))
        goto fail;
    fill_normal(data);
    return data;

fail:
    dataset_free(&data);
    return NULL;
}

void dataset_free(struct dataset **data)
{
    if (!*data)
        return;
    for (int s = 0; s < 2; s++) {
        free((*data)->parts[s].pixels);
        free((*data)->parts[s].points);
        free((*data)->parts[s].labels);
    }
    distort_free(&(*data)->distort);
    spoil_free(&(*data)->spoil);
    free((*data)->scratch);
    free(*data);
    *data = NULL;
}

const struct dataset_info *dataset_info(const struct dataset *data)
{
    return &data->info;
}

int64_t dataset_count(const struct dataset *data, enum split split)
{
    return data->parts[split].count * data->parts[split].copies;
}

const char *dataset_hash(const struct dataset *data)
{
    return data->hash;
}

static void normalise(const struct dataset *data, const uint8_t *pixels, real *x)
{
    size_t plane = data->example / (size_t)data->info.shape.C;

    for (int c = 0; c < data->info.shape.C; c++)
        for (size_t i = 0; i < plane; i++)
            *x++ = data->normal[c][*pixels++];
}

/* The pixels of the example at an index; they last until the next call. */
static const uint8_t *pixels_of(const struct dataset *data, enum split split,
                                uint32_t index)
{
    const struct part *part = &data->parts[split];
    uint32_t place = index % (uint32_t)part->count, copy = index / (uint32_t)part->count;
    const uint8_t *pixels = part->pixels + place * data->example;

    return split == SPLIT_TRAIN ? spoil_image(data->spoil, copy, place, pixels) : pixels;
}

void dataset_fetch(const struct dataset *data, enum split split, const uint32_t *index,
                   int n, real *x, uint8_t *labels)
{
    const struct part *part = &data->parts[split];
    size_t example = data->example;

    for (int i = 0; i < n; i++, x += example) {
        assert(index[i] < dataset_count(data, split));
        labels[i] = part->labels[index[i]];
        if (part->pixels)
            normalise(data, pixels_of(data, split, index[i]), x);
        else
            memcpy(x, part->points + index[i] % (size_t)part->count * example,
                   example * sizeof *x);
    }
}

void dataset_fetch_augmented(const struct dataset *data, uint32_t epoch,
                             const uint32_t *index, int n, real *x, uint8_t *labels)
{
    const struct part *part = &data->parts[SPLIT_TRAIN];
    size_t example = data->example;

    if (!data->augment.flip && !data->augment.crop) {
        dataset_fetch(data, SPLIT_TRAIN, index, n, x, labels);
        return;
    }
    for (int i = 0; i < n; i++, x += example) {
        struct rng rng = rng_at(data->augment_seed, RNG_AUGMENT, epoch, index[i]);

        assert(index[i] < dataset_count(data, SPLIT_TRAIN));
        labels[i] = part->labels[index[i]];
        augment_image(data->augment, &rng, data->info.shape,
                      pixels_of(data, SPLIT_TRAIN, index[i]), data->scratch);
        normalise(data, data->scratch, x);
    }
}
