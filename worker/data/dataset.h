#ifndef COORD_DATASET_H
#define COORD_DATASET_H

/* A data set as a run sees it: the training examples that data.train leaves,
 * with the labels that data.labels leaves, and the whole test set, with images
 * enlarged as data.pad says, by pixels of the value 0 before normalisation, and then
 * changed as data.blur and data.shuffle say (worker/data/distort.h). All of it is
 * in memory: raw bytes for images (normalised when a batch is fetched),
 * floats for synthetic sets.
 *
 * Which examples a subset holds is a fixed random permutation (RNG_SUBSET, seed
 * 0, index = split), the same for every run and nested: the first 500 are among
 * the first 2000. With data.classes it is the permutation's examples of these
 * classes, whose labels become 0, 1, ...: data.classes[0] is 0. An example's
 * number is its place in that order, whatever data.train is.
 *
 * What data.labels and data.zero_out draw for an example is nested too:
 * worker/data/spoil.h. With data.replicas = R the training split has every example
 * R times, with labels and zeros of its own each time: of n examples, copy c of
 * number i is at c n + i, so copy 0 is the split without replicas.
 */

#include "common/datasets.h"
#include "worker/nn/real.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct spec;
struct dataset;

enum split { SPLIT_TRAIN, SPLIT_TEST };

const char *split_name(enum split split); /* "train", "test" */

/* Read the files that a train spec names. Where they are: data.dir of the spec,
 * else data_dir/NAME (when data_dir is not NULL and that folder exists), else
 * the data set's own folder. ERR_DATA with a sentence that names the file:
 * missing, truncated, wrong magic, label out of range. ERR_INVALID when
 * data.train asks for more examples than there are, or a synthetic set for
 * augmentation. */
struct dataset *dataset_open(const struct spec *spec, const char *data_dir,
                             struct error *err);
void dataset_free(struct dataset **data);

/* The data set's facts; classes are those that the run keeps, shape is the padded. */
const struct dataset_info *dataset_info(const struct dataset *data);
int64_t dataset_count(const struct dataset *data, enum split split);

/* Hash of the bytes of both splits as read, labels included: provenance. */
const char *dataset_hash(const struct dataset *data);

/* Fetch examples: x (n,C,H,W) normalised, labels (n). index[i] counts within the
 * split, in subset order (index 0..m-1 is the fixed subset of m). */
void dataset_fetch(const struct dataset *data, enum split split, const uint32_t *index,
                   int n, real *x, uint8_t *labels);

/* As dataset_fetch of the training split, augmented as the spec's data.augment
 * says: flip, then crop4, each drawn from (seed.augment, epoch, index). */
void dataset_fetch_augmented(const struct dataset *data, uint32_t epoch,
                             const uint32_t *index, int n, real *x, uint8_t *labels);

#endif
