#ifndef COORD_SPOIL_H
#define COORD_SPOIL_H

/* What makes training examples wrong: random labels, label noise, and values set
 * to zero, for every copy of an example (data.replicas) anew. The data of
 * adversarial pre-training in Liu, Papailiopoulos and Achlioptas 2020
 * (1906.02613) is all three: ten copies, random labels, a tenth of the values 0.
 *
 * Everything is drawn from (seed.labels, copy, example), so a share is nested in
 * every larger one, and the first copies are among more copies:
 *
 *   random     a draw below the share makes the label random (RNG_LABELS, epoch
 *              2 copy); a second gives it: any class, the true one included
 *   noise      of the label as it then is, by other draws (epoch 2 copy + 1):
 *              another class, each as likely
 *   zero_out   share of an image's values (pixels times channels), rounded to the
 *              nearest count, that are 0 (black) before augmentation and
 *              normalisation (RNG_ZERO, epoch copy)
 */

#include <stddef.h>
#include <stdint.h>

struct error;
struct spec;
struct spoil;

/* For examples of so many values and labels below classes, at least 2. NULL with
 * ERR_NO_MEMORY; the caller frees it. */
struct spoil *spoil_new(const struct spec *spec, int classes, size_t values,
                        struct error *err);
void spoil_free(struct spoil **spoil);

/* What becomes of an example's label. */
uint8_t spoil_label(const struct spoil *spoil, uint32_t copy, uint32_t example,
                    uint8_t label);

/* The image (values) of an example as it becomes: itself, or a buffer that lasts
 * until the next call. */
const uint8_t *spoil_image(struct spoil *spoil, uint32_t copy, uint32_t example,
                           const uint8_t *image);

#endif
