/* How many jobs of each sweep are in each state, gathered over a batch. */

#include "coordinator/store_internal.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

int count_place(struct store *store, struct slice sweep, size_t *ret, struct error *err)
{
    struct sweep_delta *deltas;

    /* Sweeps are few, and the latest is asked for most. */
    for (size_t i = store->delta_count; i-- > 0;) {
        if (slice_is(sweep, store->deltas[i].sweep)) {
            *ret = i;
            return 0;
        }
    }
    deltas = realloc(store->deltas, (store->delta_count + 1) * sizeof *deltas);
    if (deltas) {
        store->deltas = deltas;
        deltas[store->delta_count] = (struct sweep_delta){.sweep = slice_dup(sweep)};
    }
    if (!deltas || !deltas[store->delta_count].sweep)
        return err_set(err, ERR_NO_MEMORY, "no memory for a sweep");
    *ret = store->delta_count++;
    return 0;
}

void count_add(struct store *store, size_t place, enum job_state state, int64_t n)
{
    struct sweep_delta *delta = &store->deltas[place];

    delta->n[state] += n;
    if (delta->moved)
        return;
    delta->moved = true;
    delta->next = store->moved;
    store->moved = place + 1;
}

/* The first sweep whose counts have moved; NULL: none. A batch touches a few of all the
 * sweeps there ever were. */
static struct sweep_delta *first_moved(const struct store *store)
{
    return store->moved ? &store->deltas[store->moved - 1] : NULL;
}

/* The first one's have no more. */
static void pass_moved(struct store *store)
{
    struct sweep_delta *delta = first_moved(store);

    store->moved = delta->next;
    delta->moved = false;
}

static void move_in(struct store *store, size_t place, const struct job_row *job,
                    enum job_state next)
{
    count_add(store, place, job->state, -1);
    count_add(store, place, next, 1);
}

int count_move(struct store *store, const struct job_row *job, enum job_state next,
               struct error *err)
{
    int got;

    if (!job->shared) {
        move_in(store, job->sweep, job, next);
        return 0;
    }
    got = stmt_row(store, STMT_SWEEPS_OF, ARGS(arg_int(job->id)), err);
    while (got > 0) {
        size_t place;

        if (count_place(store, stmt_text(store, STMT_SWEEPS_OF, 0), &place, err) != 0) {
            stmt_end(store, STMT_SWEEPS_OF);
            return -1;
        }
        move_in(store, place, job, next);
        got = stmt_next(store, STMT_SWEEPS_OF, err);
    }
    return got;
}

static int flush_one(struct store *store, struct sweep_delta *delta, struct error *err)
{
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        const char *name = job_state_name((enum job_state)state);

        if (delta->n[state] == 0)
            continue;
        if (stmt_run(
                store, STMT_COUNT_ADD,
                ARGS(arg_text(delta->sweep), arg_text(name), arg_int(delta->n[state])),
                err) != 0)
            return -1;
        delta->n[state] = 0;
    }
    return 0;
}

int count_done(struct store *store, int64_t worker, struct error *err)
{
    for (size_t i = 0; i < store->worker_count; i++) {
        if (store->workers[i].worker == worker) {
            store->workers[i].done++;
            return 0;
        }
    }
    if (store->worker_count == store->worker_room) {
        size_t room = store->worker_room ? 2 * store->worker_room : 16;
        struct worker_delta *workers = realloc(store->workers, room * sizeof *workers);
        if (!workers)
            return err_set(err, ERR_NO_MEMORY, "no memory to count for %zu workers",
                           room);
        store->workers = workers;
        store->worker_room = room;
    }
    store->workers[store->worker_count++] = (struct worker_delta){worker, 1};
    return 0;
}

static int flush_workers(struct store *store, struct error *err)
{
    for (size_t i = 0; i < store->worker_count; i++)
        if (stmt_run(
                store, STMT_WORKER_DONE,
                ARGS(arg_int(store->workers[i].worker), arg_int(store->workers[i].done)),
                err) != 0)
            return -1;
    store->worker_count = 0;
    return 0;
}

int count_flush(struct store *store, struct error *err)
{
    if (flush_workers(store, err) != 0)
        return -1;
    for (; first_moved(store); pass_moved(store))
        if (flush_one(store, first_moved(store), err) != 0)
            return -1;
    return 0;
}

void count_forget(struct store *store)
{
    for (; first_moved(store); pass_moved(store))
        memset(first_moved(store)->n, 0, sizeof first_moved(store)->n);
    store->worker_count = 0;
}

void count_free(struct store *store)
{
    for (size_t i = 0; i < store->delta_count; i++)
        free(store->deltas[i].sweep);
    free(store->deltas);
    free(store->workers);
}
