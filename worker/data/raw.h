#ifndef COORD_RAW_H
#define COORD_RAW_H

/* One split of a known data set as its files hold it, in their order, before
 * any subset or randomised label. Where files are and whether they are what they
 * claim to be is settled here; every error names the file.
 */

#include "common/datasets.h"
#include "common/hash.h"
#include "worker/data/dataset.h"
#include "worker/nn/real.h"

#include <stdint.h>

struct error;

/* Images have pixels, synthetic sets have points; the other is NULL. */
struct raw {
    int64_t count;   /* at least 1 */
    uint8_t *pixels; /* (count,C,H,W) */
    real *points;    /* (count,C,H,W) */
    uint8_t *labels; /* (count), each below info->classes */
};

/* Read a split from folder dir (NULL for synthetic sets) into a raw that the
 * caller frees, and add its contents to hash. A file may also be there as
 * NAME.gz. ERR_DATA, ERR_NO_MEMORY. */
int raw_read(const struct dataset_info *info, const char *dir, enum split split,
             struct hash_state *hash, struct raw *ret, struct error *err);

void raw_free(struct raw *raw); /* leaves it zeroed */

/* Numbers in one example, C*H*W. */
size_t raw_example(const struct dataset_info *info);

#endif
