#include "coordinator/dispatch.h"

#include "common/error.h"
#include "common/labels.h"
#include "coordinator/roster.h"

#include <stdlib.h>

enum {
    QUEUES_MIN = 64,  /* so many are kept without a look at whether they still serve */
    ROOM_KEPT = 1024, /* jobs whose room an empty queue keeps */
};

/* The ready jobs of one sweep: a binary heap, the first job on top. */
struct queue {
    size_t sweep;
    struct store_ready *heap;
    size_t count, room;
    size_t marked; /* of them, those that a host is better or worse for */
    int64_t may;   /* start so many now; dispatch_limit */
    struct needs needs;
    bool known;        /* they are */
    double seconds[2]; /* that a run, or probe, has taken of late; 0: not known */
    int passed;        /* how often the first was passed over */
    /* During dispatch_run. */
    size_t running;
    bool blocked; /* nobody takes any of it */
    bool in_use;  /* see prune */
};

struct dispatch {
    struct queue *queues; /* of sweeps that have jobs ready, or had: see prune */
    size_t queue_count;
    size_t prune_at; /* when there are so many, or */
    size_t runs;     /* since then, as many as there are */
    size_t count;    /* of all jobs in them */
    /* Jobs that failed a while ago and are to wait, in no order: few. */
    struct store_ready *later;
    size_t later_count, later_room;
    int64_t due_ms; /* the earliest of them */
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

static void sift_down(struct store_ready *heap, size_t count, size_t at)
{
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

static bool is_marked(const struct store_ready *ready)
{
    return ready->near != 0 || ready->avoid != 0;
}

static void take_at(struct dispatch *dispatch, struct queue *queue, size_t at)
{
    queue->marked -= is_marked(&queue->heap[at]);
    queue->heap[at] = queue->heap[--queue->count];
    dispatch->count--;
    if (queue->count == 0 && queue->room > ROOM_KEPT) {
        free(queue->heap);
        queue->heap = NULL;
        queue->room = 0;
    }
    if (at == queue->count)
        return;
    sift_up(queue->heap, at);
    sift_down(queue->heap, queue->count, at);
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
    free((*dispatch)->later);
    free(*dispatch);
    *dispatch = NULL;
}

/* The latest are asked for most. NULL: there is none. */
static struct queue *find_queue(const struct dispatch *dispatch, size_t sweep)
{
    for (size_t i = dispatch->queue_count; i-- > 0;)
        if (dispatch->queues[i].sweep == sweep)
            return &dispatch->queues[i];
    return NULL;
}

static struct queue *queue_of(struct dispatch *dispatch, size_t sweep)
{
    struct queue *queues = find_queue(dispatch, sweep);

    if (queues)
        return queues;
    queues = realloc(dispatch->queues, (dispatch->queue_count + 1) * sizeof *queues);
    if (!queues)
        return NULL;
    dispatch->queues = queues;
    queues[dispatch->queue_count] = (struct queue){.sweep = sweep, .may = INT64_MAX};
    return &queues[dispatch->queue_count++];
}

/* Room for one more at the end of a list; false: none. */
static bool grow(struct store_ready **items, size_t count, size_t *room)
{
    if (count < *room)
        return true;
    size_t wanted = *room ? 2 * *room : 256;
    struct store_ready *grown = realloc(*items, wanted * sizeof *grown);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

static int add_later(struct dispatch *dispatch, const struct store_ready *ready,
                     struct error *err)
{
    if (!grow(&dispatch->later, dispatch->later_count, &dispatch->later_room))
        return err_set(err, ERR_NO_MEMORY, "no memory for a job that waits");
    if (dispatch->later_count == 0 || ready->after_ms < dispatch->due_ms)
        dispatch->due_ms = ready->after_ms;
    dispatch->later[dispatch->later_count++] = *ready;
    return 0;
}

static int add_now(struct dispatch *dispatch, const struct store_ready *ready,
                   struct error *err)
{
    struct queue *queue = queue_of(dispatch, ready->sweep);

    if (!queue)
        return err_set(err, ERR_NO_MEMORY, "no memory for the queue of a sweep");
    if (!grow(&queue->heap, queue->count, &queue->room))
        return err_set(err, ERR_NO_MEMORY, "no memory for a queue of %zu jobs",
                       queue->count);
    queue->heap[queue->count] = *ready;
    sift_up(queue->heap, queue->count++);
    queue->marked += is_marked(ready);
    dispatch->count++;
    return 0;
}

int dispatch_add(struct dispatch *dispatch, const struct store_ready *ready,
                 struct error *err)
{
    return ready->after_ms > 0 ? add_later(dispatch, ready, err)
                               : add_now(dispatch, ready, err);
}

/* Those whose time has come join the others. */
static int release_due(struct dispatch *dispatch, int64_t now_ms, struct error *err)
{
    size_t kept = 0;

    if (dispatch->later_count == 0 || now_ms < dispatch->due_ms)
        return 0;
    dispatch->due_ms = INT64_MAX;
    for (size_t i = 0; i < dispatch->later_count; i++) {
        struct store_ready ready = dispatch->later[i];
        if (ready.after_ms <= now_ms && add_now(dispatch, &ready, err) == 0)
            continue;
        if (ready.after_ms < dispatch->due_ms)
            dispatch->due_ms = ready.after_ms;
        dispatch->later[kept++] = ready;
    }
    /* Without memory for one, it stays and is due. */
    const bool failed = kept > 0 && dispatch->due_ms <= now_ms;
    dispatch->later_count = kept;
    return failed ? -1 : 0;
}

void dispatch_clear(struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->queue_count; i++) {
        dispatch->queues[i].count = dispatch->queues[i].marked = 0;
        dispatch->queues[i].known = false;
    }
    dispatch->count = dispatch->later_count = 0;
}

size_t dispatch_count(const struct dispatch *dispatch)
{
    return dispatch->count + dispatch->later_count;
}

/* ---- what is known of a sweep ------------------------------------------------- */

int dispatch_needs(struct dispatch *dispatch, size_t sweep, const struct needs *needs,
                   struct error *err)
{
    struct queue *queue = queue_of(dispatch, sweep);

    if (!queue)
        return err_set(err, ERR_NO_MEMORY, "no memory for the queue of a sweep");
    queue->needs = *needs;
    queue->known = true;
    return 0;
}

bool dispatch_knows(const struct dispatch *dispatch, size_t sweep)
{
    const struct queue *queue = find_queue(dispatch, sweep);

    return queue && queue->known;
}

const struct needs *dispatch_needs_of(const struct dispatch *dispatch, size_t sweep)
{
    static const struct needs NONE = {0};
    const struct queue *queue = find_queue(dispatch, sweep);

    return queue ? &queue->needs : &NONE;
}

void dispatch_took(struct dispatch *dispatch, size_t sweep, bool probe, double seconds)
{
    struct queue *queue = find_queue(dispatch, sweep);

    if (!queue || !(seconds > 0))
        return;
    /* A quarter of the weight on the newest: sweeps mix large and small. */
    queue->seconds[probe] = queue->seconds[probe] == 0
                                ? seconds
                                : 0.75 * queue->seconds[probe] + 0.25 * seconds;
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

/* ---- who could take it ---------------------------------------------------------- */

uint32_t dispatch_slots(const struct needs *needs, const struct worker *worker)
{
    if (needs->cores <= worker->threads)
        return 1;
    return (needs->cores + worker->threads - 1) / worker->threads;
}

bool dispatch_fits(const struct needs *needs, const struct worker *worker)
{
    return dispatch_slots(needs, worker) <= worker->slots &&
           (needs->memory == 0 || worker->memory == 0 ||
            needs->memory <= worker->memory) &&
           (!needs->labels[0] || labels_within(needs->labels, worker->labels));
}

/* Whether there is room for one more just now. */
static bool has_room(const struct needs *needs, const struct worker *worker)
{
    uint64_t taken = 0;

    if (dispatch_slots(needs, worker) > worker->credit)
        return false;
    if (needs->memory == 0 || worker->memory == 0)
        return true;
    for (size_t i = 0; i < worker->leases.count; i++)
        taken += worker->leases.items[i].memory;
    return taken <= worker->memory && needs->memory <= worker->memory - taken;
}

/* Whether another host than this could take such jobs some time. */
static bool is_elsewhere(struct roster *roster, const struct needs *needs, uint32_t place)
{
    for (size_t i = 0; i < roster_count(roster); i++) {
        const struct worker *worker = roster_at(roster, i);

        if (worker->peer.size > 0 && worker->place != place && !worker->quarantined &&
            !worker->draining && dispatch_fits(needs, worker))
            return true;
    }
    return false;
}

/* ---- which job for a worker ------------------------------------------------------- */

struct pick {
    struct roster *roster;
    struct queue *queue;
    int64_t now_ms;
    bool tail;
    size_t at; /* the answer: a place in the heap */
};

/* Whether it has the time: see dispatch.h. */
static bool has_time(const struct pick *pick, const struct worker *worker,
                     const struct store_ready *ready)
{
    const double seconds = pick->queue->seconds[ready->probe];

    if (worker->leaves_ms == INT64_MAX || seconds == 0)
        return true;
    return seconds * 1000 <= (double)(worker->leaves_ms - pick->now_ms) ||
           seconds > worker->time_limit_s;
}

static bool suits(const struct pick *pick, const struct worker *worker,
                  const struct store_ready *ready)
{
    const bool tried_elsewhere = ready->avoid != 0 && ready->avoid != worker->place;

    if (!has_time(pick, worker, ready))
        return false;
    if (!suspicion_doubts(&worker->suspicion) && ready->avoid != worker->place)
        return true;
    return tried_elsewhere ||
           !is_elsewhere(pick->roster, &pick->queue->needs, worker->place);
}

/* Whether a goes to this worker rather than b, both suiting it. */
static bool is_better(const struct pick *pick, const struct worker *worker,
                      const struct store_ready *a, const struct store_ready *b)
{
    const double *seconds = pick->queue->seconds;

    if (pick->tail && seconds[a->probe] != seconds[b->probe])
        return seconds[a->probe] > seconds[b->probe];
    return a->near == worker->place && b->near != worker->place;
}

/* The first jobs of a heap in order, found from the top down: edge holds the places whose
 * parents were given. */
struct look {
    size_t edge[DISPATCH_LOOK + 2];
    size_t count;
};

static size_t look_next(const struct queue *queue, struct look *look)
{
    size_t first = 0;

    for (size_t i = 1; i < look->count; i++)
        if (before(&queue->heap[look->edge[i]], &queue->heap[look->edge[first]]))
            first = i;
    const size_t at = look->edge[first];
    look->edge[first] = look->edge[--look->count];
    for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
        if (child < queue->count && look->count < DISPATCH_LOOK + 2)
            look->edge[look->count++] = child;
    return at;
}

static bool find_job(struct pick *pick, const struct worker *worker)
{
    const struct queue *queue = pick->queue;
    struct look look = {.edge = {0}, .count = 1};
    bool found = false, may_pass = queue->passed < DISPATCH_PASS;

    for (int i = 0; i < DISPATCH_LOOK && look.count > 0; i++) {
        const size_t at = look_next(queue, &look);
        const struct store_ready *ready = &queue->heap[at];

        if (ready->priority != queue->heap[0].priority && found)
            break;
        if (!suits(pick, worker, ready) ||
            (found && !is_better(pick, worker, ready, &queue->heap[pick->at])))
            continue;
        pick->at = at;
        found = true;
        if (!may_pass)
            break;
    }
    return found;
}

/* Called for workers in turn. */
static bool takes(void *user, struct worker *worker)
{
    struct pick *pick = user;
    const struct queue *queue = pick->queue;

    if (worker->quarantined || worker->draining || worker->reserved ||
        !dispatch_fits(&queue->needs, worker) || !has_room(&queue->needs, worker))
        return false;
    /* Nothing is better than the first, as most of the time. */
    if (queue->marked == 0 && !pick->tail && worker->leaves_ms == INT64_MAX &&
        !suspicion_doubts(&worker->suspicion)) {
        pick->at = 0;
        return true;
    }
    return find_job(pick, worker);
}

/* A job has credit nowhere for its slots or memory: the worker that comes nearest is
 * left to it, or small jobs would take what becomes free for ever. */
static void reserve(struct roster *roster, const struct queue *queue)
{
    struct worker *best = NULL;

    if (queue->needs.cores <= 1 && queue->needs.memory == 0)
        return;
    for (size_t i = 0; i < roster_count(roster); i++) {
        struct worker *worker = roster_at(roster, i);

        if (worker->peer.size == 0 || worker->quarantined || worker->draining ||
            worker->reserved || !dispatch_fits(&queue->needs, worker))
            continue;
        if (has_room(&queue->needs, worker))
            return; /* it is something else that is missing */
        if (!best || worker->credit > best->credit ||
            (worker->credit == best->credit && worker->row < best->row))
            best = worker;
    }
    if (best)
        best->reserved = true;
}

/* ---- the whole ------------------------------------------------------------------- */

/* The queue whose first job goes before all others that may start; NULL: none. */
static struct queue *first_queue(struct dispatch *dispatch)
{
    struct queue *best = NULL;

    for (size_t i = 0; i < dispatch->queue_count; i++) {
        struct queue *queue = &dispatch->queues[i];

        if (queue->count == 0 || queue->may <= 0 || queue->blocked)
            continue;
        if (!best) {
            best = queue;
            continue;
        }
        const struct store_ready *a = &queue->heap[0], *b = &best->heap[0];
        if (a->priority != b->priority        ? a->priority > b->priority
            : queue->running != best->running ? queue->running < best->running
                                              : a->job < b->job)
            best = queue;
    }
    return best;
}

/* How many run of each sweep, when that matters. */
static void count_running(struct dispatch *dispatch, struct roster *roster)
{
    size_t waiting = 0;

    for (size_t i = 0; i < dispatch->queue_count; i++) {
        dispatch->queues[i].running = 0;
        dispatch->queues[i].blocked = false;
        waiting += dispatch->queues[i].count > 0;
    }
    if (waiting < 2)
        return;
    for (size_t i = 0; i < roster_count(roster); i++) {
        const struct lease_list *leases = &roster_at(roster, i)->leases;

        for (size_t k = 0; k < leases->count; k++) {
            struct queue *queue = queue_of(dispatch, leases->items[k].sweep);
            if (queue)
                queue->running++;
        }
    }
}

static void mark_in_use(struct dispatch *dispatch, size_t sweep)
{
    struct queue *queue = find_queue(dispatch, sweep);

    if (queue)
        queue->in_use = true;
}

/* A sweep of which nothing is ready, waits or runs is over, as far as anybody knows. Its
 * queue goes; should it come back, what it needs is read anew. */
static void prune(struct dispatch *dispatch, struct roster *roster)
{
    size_t kept = 0;

    if (dispatch->queue_count < QUEUES_MIN ||
        (++dispatch->runs < dispatch->queue_count &&
         dispatch->queue_count < dispatch->prune_at))
        return;
    dispatch->runs = 0;
    for (size_t i = 0; i < dispatch->queue_count; i++)
        dispatch->queues[i].in_use = dispatch->queues[i].count > 0;
    for (size_t i = 0; i < dispatch->later_count; i++)
        mark_in_use(dispatch, dispatch->later[i].sweep);
    for (size_t i = 0; i < roster_count(roster); i++)
        for (size_t k = 0; k < roster_at(roster, i)->leases.count; k++)
            mark_in_use(dispatch, roster_at(roster, i)->leases.items[k].sweep);
    for (size_t i = 0; i < dispatch->queue_count; i++) {
        if (dispatch->queues[i].in_use)
            dispatch->queues[kept++] = dispatch->queues[i];
        else
            free(dispatch->queues[i].heap);
    }
    dispatch->queue_count = kept;
    dispatch->prune_at = 2 * kept + QUEUES_MIN;
}

/* Slots of the workers that are there; and nobody has room reserved yet. */
static size_t begin_workers(struct roster *roster)
{
    size_t slots = 0;

    for (size_t i = 0; i < roster_count(roster); i++) {
        struct worker *worker = roster_at(roster, i);

        worker->reserved = false;
        slots += worker->peer.size > 0 ? worker->slots : 0;
    }
    return slots;
}

int dispatch_run(struct dispatch *dispatch, struct roster *roster, int64_t now_ms,
                 int max,
                 enum dispatch_start (*start)(void *user, struct worker *worker,
                                              const struct store_ready *ready,
                                              struct error *err),
                 void *user, struct error *err)
{
    struct queue *queue;
    int started = 0;

    if (release_due(dispatch, now_ms, err) != 0)
        return -1;
    if (dispatch->count == 0)
        return 0;
    const size_t slots = begin_workers(roster);
    prune(dispatch, roster);
    count_running(dispatch, roster);
    while (started < max && (queue = first_queue(dispatch)) != NULL) {
        struct pick pick = {.roster = roster,
                            .queue = queue,
                            .now_ms = now_ms,
                            .tail = dispatch->count <= 2 * slots};
        struct worker *worker = roster_turn(roster, takes, &pick);
        if (!worker) {
            reserve(roster, queue);
            queue->blocked = true;
            continue;
        }
        struct store_ready ready = queue->heap[pick.at];
        enum dispatch_start became = start(user, worker, &ready, err);
        if (became == DISPATCH_FAILED)
            return -1;
        queue->passed = pick.at == 0 ? 0 : queue->passed + 1;
        take_at(dispatch, queue, pick.at);
        if (became == DISPATCH_STARTED) {
            worker->credit -= dispatch_slots(&queue->needs, worker);
            queue->may--;
            queue->running++;
            started++;
        }
    }
    return started;
}
