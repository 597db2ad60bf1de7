#include "coordinator/dispatch.h"

#include "common/error.h"
#include "coordinator/roster.h"

#include <stdlib.h>

/* A binary heap, the first job on top. */
struct dispatch {
    struct store_ready *heap;
    size_t count, room;
};

static bool before(const struct store_ready *a, const struct store_ready *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->job < b->job;
}

static void swap(struct store_ready *a, struct store_ready *b)
{
    struct store_ready held = *a;
    *a = *b;
    *b = held;
}

static void sift_up(struct store_ready *heap, size_t at)
{
    while (at > 0 && before(&heap[at], &heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct store_ready *heap, size_t count)
{
    size_t at = 0;

    for (;;) {
        size_t first = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < count && before(&heap[child], &heap[first]))
                first = child;
        if (first == at)
            return;
        swap(&heap[at], &heap[first]);
        at = first;
    }
}

static void take_first(struct dispatch *dispatch)
{
    dispatch->heap[0] = dispatch->heap[--dispatch->count];
    sift_down(dispatch->heap, dispatch->count);
}

struct dispatch *dispatch_new(struct error *err)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);

    if (!dispatch)
        err_set(err, ERR_NO_MEMORY, "no memory for the queue of jobs");
    return dispatch;
}

void dispatch_free(struct dispatch **dispatch)
{
    if (!*dispatch)
        return;
    free((*dispatch)->heap);
    free(*dispatch);
    *dispatch = NULL;
}

int dispatch_add(struct dispatch *dispatch, const struct store_ready *ready,
                 struct error *err)
{
    if (dispatch->count == dispatch->room) {
        size_t room = dispatch->room ? 2 * dispatch->room : 256;
        struct store_ready *heap = realloc(dispatch->heap, room * sizeof *heap);
        if (!heap)
            return err_set(err, ERR_NO_MEMORY, "no memory for a queue of %zu jobs", room);
        dispatch->heap = heap;
        dispatch->room = room;
    }
    dispatch->heap[dispatch->count] = *ready;
    sift_up(dispatch->heap, dispatch->count++);
    return 0;
}

void dispatch_clear(struct dispatch *dispatch)
{
    dispatch->count = 0;
}

size_t dispatch_count(const struct dispatch *dispatch)
{
    return dispatch->count;
}

int dispatch_run(struct dispatch *dispatch, struct roster *roster, int max,
                 enum dispatch_start (*start)(void *user, struct worker *worker,
                                              const struct store_ready *ready,
                                              struct error *err),
                 void *user, struct error *err)
{
    struct worker *worker = NULL;
    int started = 0;

    while (dispatch->count > 0 && started < max) {
        if (!worker)
            worker = roster_turn(roster);
        if (!worker)
            break;
        struct store_ready ready = dispatch->heap[0];
        enum dispatch_start became = start(user, worker, &ready, err);
        if (became == DISPATCH_FAILED)
            return -1;
        take_first(dispatch);
        if (became == DISPATCH_STARTED) {
            worker->credit--;
            started++;
            worker = NULL;
        }
    }
    return started;
}
