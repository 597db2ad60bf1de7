#include "worker/data/raw.h"

#include "common/buf.h"
#include "common/error.h"
#include "worker/data/blobs.h"
#include "worker/data/cifar.h"
#include "worker/data/gzfile.h"
#include "worker/data/idx.h"
#include "worker/data/spiral.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Inflated size of one file. CIFAR-100's is 154 MB; far more is a mistake that
 * should end before the memory does. */
static const size_t FILE_SIZE_MAX = (size_t)1 << 30;

/* Put dir/name, or dir/name.gz where only that exists, into path, and append
 * the contents to out. */
static int load(const char *dir, const char *name, struct buf *path, struct buf *out,
                struct error *err)
{
    struct stat info;

    if (stat(dir, &info) || !S_ISDIR(info.st_mode))
        return err_set(err, ERR_DATA, "%s: no such directory", dir);
    buf_clear(path);
    buf_printf(path, "%s/%s", dir, name);
    if (path->failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for a path");
    if (stat(path->data, &info)) {
        buf_puts(path, ".gz");
        if (path->failed)
            return err_set(err, ERR_NO_MEMORY, "no memory for a path");
        if (stat(path->data, &info))
            return err_set(err, ERR_DATA, "%s/%s: no such file, nor %s.gz", dir, name,
                           name);
    }
    if (!S_ISREG(info.st_mode)) /* a pipe would be waited for */
        return err_set(err, ERR_DATA, "%s: is not a file", path->data);
    return gzfile_load(path->data, FILE_SIZE_MAX, out, err);
}

static int check_labels(const uint8_t *labels, int64_t count, int classes,
                        const char *path, struct error *err)
{
    for (int64_t i = 0; i < count; i++)
        if (labels[i] >= classes)
            return err_set(err, ERR_DATA,
                           "%s: label of example %lld is %d, expected 0 to %d", path,
                           (long long)i, labels[i], classes - 1);
    return 0;
}

static int take_memory(struct raw *raw, size_t example, bool synthetic, struct error *err)
{
    size_t count = (size_t)raw->count;

    raw->labels = malloc(count);
    if (synthetic)
        raw->points = malloc(count * example * sizeof *raw->points);
    else
        raw->pixels = malloc(count * example);
    if (!raw->labels || (!raw->points && !raw->pixels))
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu examples", count);
    return 0;
}

static int check_images(const struct dataset_info *info, const struct idx *images,
                        const char *path, struct error *err)
{
    if (images->dim[1] != (uint32_t)info->shape.H ||
        images->dim[2] != (uint32_t)info->shape.W || info->shape.C != 1)
        return err_set(err, ERR_DATA, "%s: images of %u x %u, expected %d x %d", path,
                       images->dim[1], images->dim[2], info->shape.H, info->shape.W);
    return 0;
}

/* files: train images, train labels, test images, test labels. */
static int read_idx(const struct dataset_info *info, const char *dir, enum split split,
                    struct raw *raw, struct error *err)
{
    const char *const *names = info->files + (split == SPLIT_TRAIN ? 0 : 2);
    struct buf path = {0}, image_bytes = {0}, label_bytes = {0};
    struct idx images, labels;
    int rc = -1;

    if (load(dir, names[0], &path, &image_bytes, err) ||
        idx_parse(image_bytes.data, image_bytes.size, 3, path.data, &images, err) ||
        check_images(info, &images, path.data, err))
        goto done;
    if (load(dir, names[1], &path, &label_bytes, err) ||
        idx_parse(label_bytes.data, label_bytes.size, 1, path.data, &labels, err))
        goto done;
    if (labels.dim[0] != images.dim[0]) {
        err_set(err, ERR_DATA, "%s: %u labels for the %u images of %s", path.data,
                labels.dim[0], images.dim[0], names[0]);
        goto done;
    }
    raw->count = labels.dim[0];
    if (check_labels(labels.data, raw->count, info->classes, path.data, err) ||
        take_memory(raw, raw_example(info), false, err))
        goto done;
    memcpy(raw->pixels, images.data, (size_t)raw->count * raw_example(info));
    memcpy(raw->labels, labels.data, (size_t)raw->count);
    rc = 0;

done:
    buf_free(&path);
    buf_free(&image_bytes);
    buf_free(&label_bytes);
    return rc;
}

/* Append the records of one file to raw, which grows. */
static int add_cifar(const struct dataset_info *info, const char *dir, const char *name,
                     struct raw *raw, struct error *err)
{
    struct buf path = {0}, bytes = {0};
    uint8_t *pixels, *labels;
    int64_t count;
    int rc = -1;

    if (load(dir, name, &path, &bytes, err))
        goto done;
    count = cifar_count(bytes.size, info->label_bytes, path.data, err);
    if (count < 0)
        goto done;
    pixels = realloc(raw->pixels, (size_t)(raw->count + count) * CIFAR_PIXELS);
    if (pixels)
        raw->pixels = pixels;
    labels = realloc(raw->labels, (size_t)(raw->count + count));
    if (labels)
        raw->labels = labels;
    if (!pixels || !labels) {
        err_set(err, ERR_NO_MEMORY, "%s: no memory for its images", path.data);
        goto done;
    }
    cifar_unpack(bytes.data, count, info->label_bytes, pixels + raw->count * CIFAR_PIXELS,
                 labels + raw->count);
    if (check_labels(labels + raw->count, count, info->classes, path.data, err))
        goto done;
    raw->count += count;
    rc = 0;

done:
    buf_free(&path);
    buf_free(&bytes);
    return rc;
}

/* files: the training files, then the test file. */
static int read_cifar(const struct dataset_info *info, const char *dir, enum split split,
                      struct raw *raw, struct error *err)
{
    int last = 0;

    while (info->files[last + 1])
        last++;
    if (split == SPLIT_TEST)
        return add_cifar(info, dir, info->files[last], raw, err);
    for (int i = 0; i < last; i++)
        if (add_cifar(info, dir, info->files[i], raw, err))
            return -1;
    return 0;
}

static int read_spiral(const struct dataset_info *info, const char *dir, enum split split,
                       struct raw *raw, struct error *err)
{
    (void)dir;
    raw->count = split == SPLIT_TRAIN ? info->train_count : info->test_count;
    if (take_memory(raw, raw_example(info), true, err))
        return -1;
    spiral_make(split == SPLIT_TRAIN ? 0 : 1, raw->count, raw->points, raw->labels);
    return 0;
}

static int read_blobs(const struct dataset_info *info, const char *dir, enum split split,
                      struct raw *raw, struct error *err)
{
    (void)dir;
    raw->count = split == SPLIT_TRAIN ? info->train_count : info->test_count;
    if (take_memory(raw, raw_example(info), false, err))
        return -1;
    return blobs_make(info, split == SPLIT_TRAIN ? 0 : 1, raw->count, raw->pixels,
                      raw->labels, err);
}

static int (*const READERS[])(const struct dataset_info *, const char *, enum split,
                              struct raw *, struct error *) = {
    [DATASET_IDX] = read_idx,
    [DATASET_CIFAR] = read_cifar,
    [DATASET_SPIRAL] = read_spiral,
    [DATASET_BLOBS] = read_blobs,
};

int raw_read(const struct dataset_info *info, const char *dir, enum split split,
             struct hash_state *hash, struct raw *ret, struct error *err)
{
    struct raw raw = {0};
    size_t numbers;

    if (READERS[info->format](info, dir, split, &raw, err)) {
        raw_free(&raw);
        return -1;
    }
    numbers = (size_t)raw.count * raw_example(info);
    if (raw.points)
        hash_add(hash, raw.points, numbers * sizeof *raw.points);
    else
        hash_add(hash, raw.pixels, numbers);
    hash_add(hash, raw.labels, (size_t)raw.count);
    *ret = raw;
    return 0;
}

void raw_free(struct raw *raw)
{
    free(raw->pixels);
    free(raw->points);
    free(raw->labels);
    *raw = (struct raw){0};
}

size_t raw_example(const struct dataset_info *info)
{
    return (size_t)info->shape.C * (size_t)info->shape.H * (size_t)info->shape.W;
}
