#include "common/datasets.h"

#include "common/error.h"
#include "common/spec.h"

#include <assert.h>
#include <string.h>

/* Sizes and constants: design.md, "Networks, names and data". The spiral is made,
 * not read: two interleaved arms in the plane, already about unit scale. */
static const int MNIST_TRAIN[] = {5923, 6742, 5958, 6131, 5842,
                                  5421, 5918, 6265, 5851, 5949};
static const int MNIST_TEST[] = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};

/* clang-format off */
static const struct dataset_info DATASETS[] = {
    { .name = "fashion-mnist", .format = DATASET_IDX, .shape = {1, 28, 28},
      .classes = 10, .train_count = 60000, .test_count = 10000,
      .mean = {.2860}, .std = {.3530},
      .dir = "/usr/share/datasets/fashion-mnist",
      .files = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} },
    { .name = "mnist", .format = DATASET_IDX, .shape = {1, 28, 28},
      .classes = 10, .train_count = 60000, .test_count = 10000,
      .class_train = MNIST_TRAIN, .class_test = MNIST_TEST,
      .mean = {.1307}, .std = {.3081},
      .files = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} },
    { .name = "cifar10", .format = DATASET_CIFAR, .shape = {3, 32, 32},
      .classes = 10, .train_count = 50000, .test_count = 10000,
      .mean = {.4914, .4822, .4465}, .std = {.2470, .2435, .2616},
      .files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
      .label_bytes = 1 },
    { .name = "cifar100", .format = DATASET_CIFAR, .shape = {3, 32, 32},
      .classes = 100, .train_count = 50000, .test_count = 10000,
      .mean = {.5071, .4865, .4409}, .std = {.2673, .2564, .2762},
      .files = {"train.bin", "test.bin"}, .label_bytes = 2 },
    { .name = "spiral", .format = DATASET_SPIRAL, .shape = {2, 1, 1},
      .classes = 2, .train_count = 2000, .test_count = 1000,
      .mean = {0, 0}, .std = {1, 1} },
    /* Shape, classes and sizes are the spec's (dataset_of); the constants are what
     * worker/data/blobs.c makes. */
    { .name = "blobs", .format = DATASET_BLOBS, .shape = {3, 32, 32},
      .classes = 10, .train_count = 5000, .test_count = 1000,
      .mean = {.502, .502, .502}, .std = {.188, .188, .188} },
};
/* clang-format on */

const struct dataset_info *dataset_find(const char *name)
{
    for (size_t i = 0; i < sizeof DATASETS / sizeof DATASETS[0]; i++)
        if (strcmp(DATASETS[i].name, name) == 0)
            return &DATASETS[i];
    return NULL;
}

const struct dataset_info *dataset_at(size_t index)
{
    return index < sizeof DATASETS / sizeof DATASETS[0] ? &DATASETS[index] : NULL;
}

int64_t dataset_class_count(const struct dataset_info *info, bool test, int class)
{
    const int *of = test ? info->class_test : info->class_train;

    assert(class >= 0 && class < info->classes);
    if (of)
        return of[class];
    /* Of those that are made, example i has class i mod classes. */
    return ((test ? info->test_count : info->train_count) + info->classes - 1 - class) /
           info->classes;
}

bool dataset_is_made(const struct dataset_info *info)
{
    return info->files[0] == NULL;
}

/* The first max numbers of a list of integers; returns how many it has. */
static size_t read_ints(const struct spec *spec, const char *name, int64_t *ret,
                        size_t max)
{
    struct value list;
    size_t count;

    if (spec_value(spec, name, &list, NULL)) /* no memory: told as a wrong count */
        return 0;
    count = list.list.count;
    for (size_t i = 0; i < count && i < max; i++)
        ret[i] = list.list.items[i].integer;
    value_free(&list);
    return count;
}

struct dataset_info dataset_of(const struct spec *spec)
{
    const struct dataset_info *known = dataset_find(spec_string(spec, "data.name"));
    struct dataset_info info;
    int64_t side[3] = {3, 32, 32}, size[2] = {5000, 1000};

    assert(known); /* the option's names are the data sets' */
    info = *known;
    if (info.format != DATASET_BLOBS)
        return info;
    (void)read_ints(spec, "data.shape", side, 3);
    (void)read_ints(spec, "data.sizes", size, 2);
    info.shape = (struct shape){(int)side[0], (int)side[1], (int)side[2]};
    info.train_count = size[0];
    info.test_count = size[1];
    info.classes = (int)spec_int(spec, "data.prototypes");
    info.spread = spec_real(spec, "data.spread");
    return info;
}

int dataset_check(const struct spec *spec, const char **ret_name, struct error *err)
{
    const struct dataset_info info = dataset_of(spec);
    int64_t example = (int64_t)info.shape.C * info.shape.H * info.shape.W, number[3];

    if (info.format != DATASET_BLOBS)
        return 0;
    *ret_name = "data.shape";
    if (read_ints(spec, "data.shape", number, 3) != 3)
        return err_set(err, ERR_INVALID, "expected three: channels, height and width");
    if (info.shape.C > 3)
        return err_set(err, ERR_INVALID, "expected at most 3 channels, got %d",
                       info.shape.C);
    *ret_name = "data.sizes";
    if (read_ints(spec, "data.sizes", number, 2) != 2)
        return err_set(err, ERR_INVALID, "expected two: training and test examples");
    if (number[0] < info.classes || number[1] < info.classes)
        return err_set(err, ERR_INVALID,
                       "expected an example of each of the %d classes in both",
                       info.classes);
    if (number[0] + number[1] > BLOBS_BYTES_MAX / example)
        return err_set(err, ERR_INVALID,
                       "examples of %lld bytes, more than %d bytes in all",
                       (long long)example, BLOBS_BYTES_MAX);
    return 0;
}
