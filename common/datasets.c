#include "common/datasets.h"

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
};
/* clang-format on */

const struct dataset_info *dataset_find(const char *name)
{
    for (size_t i = 0; i < sizeof DATASETS / sizeof DATASETS[0]; i++)
        if (strcmp(DATASETS[i].name, name) == 0)
            return &DATASETS[i];
    return NULL;
}

int64_t dataset_class_count(const struct dataset_info *info, bool test, int class)
{
    const int *of = test ? info->class_test : info->class_train;

    assert(class >= 0 && class < info->classes);
    if (of)
        return of[class];
    return (test ? info->test_count : info->train_count) / info->classes;
}
