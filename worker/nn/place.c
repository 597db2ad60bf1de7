#include "worker/nn/place.h"

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Those that have a place, by place. */
struct placed {
    struct span **spans;
    int count;
};

static bool alive_together(const struct span *a, const struct span *b)
{
    return a->from <= b->to && b->from <= a->to;
}

static size_t end_of(const struct span *span)
{
    size_t end;

    if (__builtin_add_overflow(span->place, span->size, &end) ||
        __builtin_add_overflow(end, (size_t)(PLACE_ALIGN - 1), &end))
        return SIZE_MAX;
    return end / PLACE_ALIGN * PLACE_ALIGN;
}

static void place_one(struct placed *placed, struct span *span)
{
    int at = placed->count;

    span->place = 0;
    for (int i = 0; i < placed->count; i++) {
        const struct span *other = placed->spans[i];
        if (!alive_together(span, other))
            continue;
        if (end_of(span) <= other->place && end_of(span) < SIZE_MAX)
            break;
        if (end_of(other) > span->place)
            span->place = end_of(other);
    }
    while (at > 0 && placed->spans[at - 1]->place > span->place) {
        placed->spans[at] = placed->spans[at - 1];
        at--;
    }
    placed->spans[at] = span;
    placed->count++;
}

/* Larger first; then, so that the result is one, by when they begin and where
 * they stand in the array. */
static int by_size(const void *a, const void *b)
{
    const struct span *x = *(struct span *const *)a, *y = *(struct span *const *)b;

    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x < y ? -1 : x > y;
}

int place_spans(struct span *spans, int count, size_t *ret_total, struct error *err)
{
    const size_t room = (size_t)count + 1;
    struct span **order = calloc(room, sizeof *order);
    struct placed placed = {calloc(room, sizeof *placed.spans), 0};
    int rc = -1;

    *ret_total = 0;
    if (!order || !placed.spans) {
        err_set(err, ERR_NO_MEMORY, "no memory to place %d buffers", count);
        goto done;
    }
    for (int i = 0; i < count; i++)
        order[i] = &spans[i];
    qsort(order, (size_t)count, sizeof(struct span *), by_size);
    for (int i = 0; i < count; i++) {
        place_one(&placed, order[i]);
        if (end_of(order[i]) > *ret_total)
            *ret_total = end_of(order[i]);
    }
    rc = 0;

done:
    free(order);
    free(placed.spans);
    return rc;
}
