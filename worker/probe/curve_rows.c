/* Telling a curve's caller of every example. The end that all groups share is evaluated
 * once, so what it came to is kept, to be told again for each of them. */

#include "worker/probe/curve_internal.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

int curve_rows_open(struct curve *curve, enum curve_bn bn, struct error *err)
{
    for (int s = 0; s < 2 && curve->env.batch; s++) {
        struct curve_rows *rows = &curve->end_rows[bn][s];
        const size_t n = (size_t)curve->env.count[s] + 1;

        if (rows->losses)
            continue;
        rows->losses = malloc(n * sizeof *rows->losses);
        rows->labels = malloc(3 * n);
        if (!rows->losses || !rows->labels)
            return err_set(err, ERR_NO_MEMORY, "no memory for the losses of %zu examples",
                           n);
        rows->right = rows->labels + n;
        rows->predicted = rows->right + n;
    }
    return 0;
}

void curve_rows_close(struct curve *curve)
{
    for (int bn = 0; bn < CURVE_BN_COUNT; bn++)
        for (int s = 0; s < 2; s++) {
            free(curve->end_rows[bn][s].losses);
            free(curve->end_rows[bn][s].labels);
        }
}

void curve_rows_tell(struct curve *curve, const struct curve_batch *batch,
                     enum curve_bn bn, bool shared)
{
    const struct curve_rows *rows = &curve->end_rows[bn][batch->split];
    const size_t from = (size_t)batch->from, B = (size_t)batch->B;

    if (shared) {
        memcpy(rows->losses + from, batch->losses, B * sizeof *batch->losses);
        memcpy(rows->labels + from, batch->labels, B);
        memcpy(rows->right + from, batch->right, B);
        memcpy(rows->predicted + from, batch->predicted, B);
    }
    curve->env.batch(curve->env.user, batch);
}

void curve_rows_repeat(struct curve *curve, struct curve_batch *batch, enum curve_bn bn)
{
    const struct curve_rows *rows = &curve->end_rows[bn][batch->split];

    batch->losses = rows->losses + batch->from;
    batch->labels = rows->labels + batch->from;
    batch->right = rows->right + batch->from;
    batch->predicted = rows->predicted + batch->from;
    curve->env.batch(curve->env.user, batch);
}
