#include "coordinator/dispatch.h"

#include "common/error.h"
#include "coordinator/roster.h"

#include <stdlib.h>

/* The ready jobs of one sweep: a binary heap, the first job on top. */
struct queue {
    size_t sweep;
    struct store_ready *heap;
    size_t count, room;
    int64_t may; /* start so many now; dispatch_limit */
};

struct dispatch {
    struct queue *queues; /* one per sweep that had a job ready; few */
    size_t queue_count;
    size_t count; /* of all jobs */
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

static void take_first(struct dispatch *dispatch, struct queue *queue)
{
    queue->heap[0] = queue->heap[--queue->count];
    sift_down(queue->heap, queue->count);
    dispatch->count--;
}

/* The queue whose first job goes before all others that may start; NULL: none. */
static struct queue *first_queue(struct dispatch *dispatch)
{
    struct queue *best = NULL;

    for (size_t i = 0; i < dispatch->queue_count; i++) {
        struct queue *queue = &dispatch->queues[i];

        if (queue->count > 0 && queue->may > 0 &&
            (!best || before(&queue->heap[0], &best->heap[0])))
            best = queue;
    }
    return best;
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
    for (size_t i = 0; i < (*dispatch)->queue_count; i++)
        free((*dispatch)->queues[i].heap);
    free((*dispatch)->queues);
    free(*dispatch);
    *dispatch = NULL;
}

static struct queue *queue_of(struct dispatch *dispatch, size_t sweep)
{
    for (size_t i = dispatch->queue_count; i-- > 0;)
        if (dispatch->queues[i].sweep == sweep)
            return &dispatch->queues[i];
    struct queue *queues =
        realloc(dispatch->queues, (dispatch->queue_count + 1) * sizeof *queues);
    if (!queues)
        return NULL;
    dispatch->queues = queues;
    queues[dispatch->queue_count] = (struct queue){.sweep = sweep, .may = INT64_MAX};
    return &queues[dispatch->queue_count++];
}

int dispatch_add(struct dispatch *dispatch, const struct store_ready *ready,
                 struct error *err)
{
    struct queue *queue = queue_of(dispatch, ready->sweep);

    if (!queue)
        return err_set(err, ERR_NO_MEMORY, "no memory for the queue of a sweep");
    if (queue->count == queue->room) {
        size_t room = queue->room ? 2 * queue->room : 256;
        struct store_ready *heap = realloc(queue->heap, room * sizeof *heap);
        if (!heap)
            return err_set(err, ERR_NO_MEMORY, "no memory for a queue of %zu jobs", room);
        queue->heap = heap;
        queue->room = room;
    }
    queue->heap[queue->count] = *ready;
    sift_up(queue->heap, queue->count++);
    dispatch->count++;
    return 0;
}

void dispatch_clear(struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->queue_count; i++)
        dispatch->queues[i].count = 0;
    dispatch->count = 0;
}

size_t dispatch_count(const struct dispatch *dispatch)
{
    return dispatch->count;
}

int dispatch_limit(struct dispatch *dispatch,
                   int (*may)(void *user, size_t sweep, int64_t *ret, struct error *err),
                   void *user, struct error *err)
{
    for (size_t i = 0; i < dispatch->queue_count; i++) {
        struct queue *queue = &dispatch->queues[i];

        if (queue->count > 0 && may(user, queue->sweep, &queue->may, err) != 0)
            return -1;
    }
    return 0;
}

int dispatch_run(struct dispatch *dispatch, struct roster *roster, int max,
                 enum dispatch_start (*start)(void *user, struct worker *worker,
                                              const struct store_ready *ready,
                                              struct error *err),
                 void *user, struct error *err)
{
    struct worker *worker = NULL;
    struct queue *queue;
    int started = 0;

    while (started < max && (queue = first_queue(dispatch)) != NULL) {
        if (!worker)
            worker = roster_turn(roster);
        if (!worker)
            break;
        struct store_ready ready = queue->heap[0];
        enum dispatch_start became = start(user, worker, &ready, err);
        if (became == DISPATCH_FAILED)
            return -1;
        take_first(dispatch, queue);
        if (became == DISPATCH_STARTED) {
            worker->credit--;
            queue->may--;
            started++;
            worker = NULL;
        }
    }
    return started;
}
