/* What all groups have in common before they begin: b's own run through every batch. It
 * goes on from group to group, as far as there is room to leave it. The bits are those
 * of a run from the examples. */

#include "worker/probe/curve_internal.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

static size_t batches(const struct curve *curve, int split)
{
    return (size_t)((curve->env.count[split] + EVAL_BATCH - 1) / EVAL_BATCH);
}

int curve_trail_open(struct curve *curve, enum curve_bn bn, struct error *err)
{
    for (int s = 0; s < 2 && !curve->env.naive; s++) {
        struct mark **marks = &curve->trail.marks[bn][s];
        if (!*marks)
            *marks = calloc(batches(curve, s) + 1, sizeof **marks);
        if (!*marks)
            return err_set(err, ERR_NO_MEMORY, "no memory for what groups share");
    }
    return 0;
}

static void forget(struct trail *trail, struct mark *mark)
{
    trail->bytes -= mark->room * sizeof *mark->alive;
    free(mark->alive);
    *mark = (struct mark){.cut = 0};
}

void curve_trail_close(struct curve *curve)
{
    for (int bn = 0; bn < CURVE_BN_COUNT; bn++)
        for (int s = 0; s < 2; s++) {
            struct mark *marks = curve->trail.marks[bn][s];
            for (size_t i = 0; marks && i < batches(curve, s); i++)
                forget(&curve->trail, &marks[i]);
            free(marks);
        }
}

static struct mark *mark_of(const struct making *m, enum split split, int64_t from)
{
    return &m->curve->trail.marks[m->bn][split][from / EVAL_BATCH];
}

int curve_trail_take(const struct making *m, enum split split, int64_t from, int B,
                     int upto, uint8_t *labels)
{
    const struct mark *mark;

    if (m->curve->env.naive)
        return 0;
    mark = mark_of(m, split, from);
    if (mark->cut == 0 || mark->cut > upto)
        return 0;
    memcpy(labels, mark->labels, (size_t)B);
    net_load(m->curve->net, mark->cut, mark->alive, B);
    return mark->cut;
}

/* Whether so many reals have a place: where it was, if that is not far too large. */
static bool make_room(struct curve *curve, struct mark *mark, size_t n)
{
    const size_t most = curve->env.store_bytes ? curve->env.store_bytes : TRAIL_BYTES;
    const size_t bytes = (n * sizeof(real) + 63) / 64 * 64;

    if (n <= mark->room && mark->room / 4 <= n)
        return true;
    forget(&curve->trail, mark);
    if (curve->trail.bytes + bytes > most)
        return false;
    mark->alive = aligned_alloc(64, bytes);
    if (!mark->alive)
        return false;
    mark->room = bytes / sizeof(real);
    curve->trail.bytes += bytes;
    return true;
}

void curve_trail_leave(const struct making *m, enum split split, const struct held *held)
{
    struct mark *mark;
    size_t n;

    if (!m->trail || held->cut == 0)
        return;
    mark = mark_of(m, split, held->from);
    n = net_alive(m->curve->net, held->cut, held->B);
    if (!make_room(m->curve, mark, n))
        return;
    mark->cut = held->cut;
    memcpy(mark->alive, held->alive, n * sizeof *mark->alive);
    memcpy(mark->labels, held->labels, (size_t)held->B);
}
