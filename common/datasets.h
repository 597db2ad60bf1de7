#ifndef COORD_DATASETS_H
#define COORD_DATASETS_H

/* The data sets that are known by name: shapes, sizes, constants and files.
 * Facts only; reading them is worker/data. Pixels are scaled to [0,1] and then
 * normalised by (mean; std), one pair per channel. */

#include "common/arch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct spec;

enum dataset_format { DATASET_IDX, DATASET_CIFAR, DATASET_SPIRAL, DATASET_BLOBS };

struct dataset_info {
    const char *name;
    enum dataset_format format;
    struct shape shape; /* of one example */
    int classes;
    int64_t train_count, test_count;
    const int *class_train, *class_test; /* (classes) examples of each; NULL: all
                              classes have as many */
    double mean[3], std[3];
    const char *dir;      /* where a system package puts it; NULL: must be named */
    const char *files[8]; /* NULL-terminated; IDX: train images, train labels,
                              test images, test labels (".gz" also found);
                              CIFAR: training files, then the test file last */
    int label_bytes;      /* CIFAR: 1, or 2 for CIFAR-100 (coarse, fine) */
    double spread;        /* blobs: of the noise, over that of the prototypes */
};

/* How many training (or test) examples there are of a class below classes. */
int64_t dataset_class_count(const struct dataset_info *info, bool test, int class);

/* NULL when unknown. */
const struct dataset_info *dataset_find(const char *name);

/* All of them, from 0; NULL after the last. */
const struct dataset_info *dataset_at(size_t index);

/* The facts of the data set that a train spec names: as found by name, but shape,
 * classes and sizes of a made one are what the spec says. Before data.classes and
 * data.train take their part. */
struct dataset_info dataset_of(const struct spec *spec);

/* Whether it is computed rather than read from files. */
bool dataset_is_made(const struct dataset_info *info);

/* Whether what data.shape and data.sizes say can be made: three sides, at most
 * three channels, two sizes with an example of each class, BLOBS_BYTES_MAX in all.
 * ret_name gets the offending option's name. ERR_INVALID. */
enum { BLOBS_BYTES_MAX = 1 << 30 };
int dataset_check(const struct spec *spec, const char **ret_name, struct error *err);

#endif
