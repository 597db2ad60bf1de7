#include "worker/nn/team.h"

#include "common/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Looks at the state before sleeping: some 50 microseconds, longer than what lies
 * between two steps of a network, shorter than anybody notices. */
enum { SPINS = 1000 };

struct member {
    struct team *team;
    int who;
    pthread_t thread;
};

/* The items of a run that are one member's to begin with: a stretch of them, so that
 * in one step after another a member meets the same images, which its cache still
 * has. One word says which run this is (upper half) and how many of the stretch nobody
 * has claimed (lower half), so that claiming an item proves that the run is still on.
 * Who has done its own takes of others', and whoever comes late finds nothing to do
 * and is not waited for: on a machine with fewer free cores than members the others do
 * the work. On a line of the cache of its own. */
struct stretch {
    alignas(64) _Atomic uint64_t state;
    atomic_int end; /* the item after its last */
};

struct team {
    int size;
    atomic_uint run;
    _Atomic(team_item *) item;
    _Atomic(void *) arg;
    atomic_int count;
    atomic_int done;     /* items of this run that are finished */
    atomic_int sleeping; /* members that wait for `wake` */
    atomic_bool waiting; /* the caller waits for `idle` */
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    int started;
    struct member members[TEAM_MAX]; /* 0 is the caller: no thread */
    struct stretch stretches[TEAM_MAX];
};

static uint32_t run_of(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static uint32_t left_of(uint64_t state)
{
    return (uint32_t)state;
}

static void relax(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

static void finish_item(struct team *team, int count)
{
    if (atomic_fetch_add(&team->done, 1) + 1 < count || !atomic_load(&team->waiting))
        return;
    pthread_mutex_lock(&team->lock);
    pthread_cond_signal(&team->idle);
    pthread_mutex_unlock(&team->lock);
}

/* Do items of a stretch until none is left to claim. item, arg, count and end were
 * written before its state was; and they are not written again before all items are
 * done, so a claim that succeeds has read the right ones. */
static void work_stretch(struct team *team, struct stretch *stretch, uint32_t run,
                         int who)
{
    uint64_t state = atomic_load(&stretch->state);

    while (run_of(state) == run && left_of(state) > 0) {
        team_item *item = atomic_load_explicit(&team->item, memory_order_relaxed);
        void *arg = atomic_load_explicit(&team->arg, memory_order_relaxed);
        const int count = atomic_load_explicit(&team->count, memory_order_relaxed);
        const int end = atomic_load_explicit(&stretch->end, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&stretch->state, &state, state - 1))
            continue;
        item(arg, end - (int)left_of(state), who);
        finish_item(team, count);
        state = atomic_load(&stretch->state);
    }
}

static void work(struct team *team, uint32_t run, int who)
{
    for (int i = 0; i < team->size; i++)
        work_stretch(team, &team->stretches[(who + i) % team->size], run, who);
}

/* Wait until the run is another than `run`; returns which it is. */
static uint32_t await_run(struct team *team, uint32_t run)
{
    for (int i = 0; i < SPINS; i++) {
        const uint32_t now = atomic_load(&team->run);
        if (now != run)
            return now;
        relax();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->sleeping, 1);
    while (atomic_load(&team->run) == run)
        pthread_cond_wait(&team->wake, &team->lock);
    atomic_fetch_sub(&team->sleeping, 1);
    pthread_mutex_unlock(&team->lock);
    return atomic_load(&team->run);
}

static void *member_main(void *user)
{
    const struct member *member = user;
    struct team *team = member->team;
    uint32_t run = 0;

    for (;;) {
        run = await_run(team, run);
        if (atomic_load(&team->stop))
            return NULL;
        work(team, run, member->who);
    }
}

/* Show everybody a new run of count items. */
static uint32_t begin_run(struct team *team, int count)
{
    const uint32_t run = atomic_load(&team->run) + 1;
    int end = 0;

    for (int i = 0; i < team->size; i++) {
        struct stretch *stretch = &team->stretches[i];
        const int from = end;
        end = (int)((int64_t)count * (i + 1) / team->size);
        atomic_store_explicit(&stretch->end, end, memory_order_relaxed);
        atomic_store(&stretch->state, (uint64_t)run << 32 | (uint32_t)(end - from));
    }
    atomic_store(&team->run, run);
    if (atomic_load(&team->sleeping) > 0) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->wake);
        pthread_mutex_unlock(&team->lock);
    }
    return run;
}

/* Wait for the items that others have claimed. */
static void await_done(struct team *team, int count)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&team->done) == count)
            return;
        relax();
    }
    pthread_mutex_lock(&team->lock);
    atomic_store(&team->waiting, true);
    while (atomic_load(&team->done) < count)
        pthread_cond_wait(&team->idle, &team->lock);
    atomic_store(&team->waiting, false);
    pthread_mutex_unlock(&team->lock);
}

void team_run(struct team *team, int count, team_item *run, void *arg)
{
    if (!team || team->size == 1 || count <= 1) {
        for (int i = 0; i < count; i++)
            run(arg, i, 0);
        return;
    }
    atomic_store_explicit(&team->item, run, memory_order_relaxed);
    atomic_store_explicit(&team->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&team->count, count, memory_order_relaxed);
    atomic_store(&team->done, 0);
    work(team, begin_run(team, count), 0);
    await_done(team, count);
}

/* Signals are the program's main thread's business. */
static int start_member(struct team *team, int who)
{
    struct member *member = &team->members[who];
    sigset_t all, before;

    *member = (struct member){.team = team, .who = who};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&member->thread, NULL, member_main, member);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : -1;
}

struct team *team_new(int threads, struct error *err)
{
    struct team *team = NULL;

    if (threads < 1 || threads > TEAM_MAX) {
        err_set(err, ERR_INVALID, "a job can have 1 to %d threads, got %d", TEAM_MAX,
                threads);
        return NULL;
    }
    team = aligned_alloc(alignof(struct team), sizeof *team);
    if (!team) {
        err_set(err, ERR_NO_MEMORY, "no memory for %d threads", threads);
        return NULL;
    }
    memset(team, 0, sizeof *team);
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    pthread_cond_init(&team->idle, NULL);
    team->size = team->started = 1;
    for (; team->started < threads; team->started++) {
        if (start_member(team, team->started)) {
            err_set(err, ERR_NO_MEMORY, "the system gives no %dth thread",
                    team->started + 1);
            team_free(&team);
            return NULL;
        }
    }
    team->size = threads;
    return team;
}

void team_free(struct team **team)
{
    struct team *t = *team;

    if (!t)
        return;
    atomic_store(&t->stop, true);
    begin_run(t, 0);
    for (int i = 1; i < t->started; i++)
        pthread_join(t->members[i].thread, NULL);
    pthread_cond_destroy(&t->idle);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *team = NULL;
}

int team_size(const struct team *team)
{
    return team ? team->size : 1;
}
