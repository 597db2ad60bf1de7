#ifndef COORD_DETAIL_H
#define COORD_DETAIL_H

/* What a probe tells of a point beyond its tally, taken from the batches that a curve
 * tells of (curve.h): the tally of every class (probe.classes), and each of the first
 * k examples' loss and answer (probe.examples).
 *
 * The latter go into one file, a state of the job named "examples", which PyTorch's
 * users open with safetensors. Of a curve of n points, in the order of alpha_index:
 *
 *   GROUP/BN/alphas           F64 (n)
 *   GROUP/BN/SPLIT/losses     F32 (n,k)  nats; NaN and Inf as they are
 *   GROUP/BN/SPLIT/predicted  U8  (n,k)  class; 255 where the outputs hold NaN
 *   SPLIT/labels              U8  (k)
 *
 * Examples are those of the split's subset, in its order (worker/data/dataset.h).
 */

#include "worker/probe/curve.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct sink;
struct spec;

#define DETAIL_STATE "examples"

struct detail_plan {
    bool classes;
    int64_t examples; /* k; 0: no file */
    int class_count;
};

struct detail_plan detail_plan_of(const struct spec *probe, int class_count);
bool detail_is_wanted(const struct detail_plan *plan);

struct detail;

/* ERR_NO_MEMORY. */
struct detail *detail_new(const struct detail_plan *plan, struct error *err);
void detail_free(struct detail **detail);

/* As curve_env has it, with the detail as user, for any points of the curve in hand;
 * one that is told of again replaces what it was. */
void detail_batch(void *detail, const struct curve_batch *batch);

/* All of a point of the curve in hand has been told of, and the sink has just got it:
 * give its classes. ERR_NO_MEMORY, also of detail_batch; ERR_INVALID as sink_class. */
int detail_point(struct detail *detail, size_t point, enum split split, double alpha,
                 struct sink *sink, struct error *err);

/* So have all n points of the curve in hand: keep its examples, and be ready for the
 * next. */
int detail_curve(struct detail *detail, const char *group, enum curve_bn bn, size_t n,
                 struct error *err);

/* Whether it keeps examples. */
bool detail_keeps(const struct detail *detail);

/* What a probe that stops between two curves saves, and takes up again: the examples of
 * the curves that are done, as bytes, nothing where none are kept; into a new detail of
 * the same plan. Classes are the sink's. ERR_NO_MEMORY; ERR_DATA for bytes that are not
 * such: name is for the message, and the detail is of no more use. */
int detail_save(const struct detail *detail, struct buf *out, struct error *err);
int detail_load(struct detail *detail, const void *bytes, size_t size, const char *name,
                struct error *err);

/* Write the file of all curves, if there is to be one, into the folder dir, and name it
 * to the sink. ERR_IO, ERR_NO_MEMORY. */
int detail_store(const struct detail *detail, const char *dir, struct sink *sink,
                 struct error *err);

#endif
