#include "worker/nn/team.h"

#include "common/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Looks at the state before sleeping: some 50 microseconds, longer than what lies
 * between two steps of a network, shorter than anybody notices. */
enum { SPINS = 1000 };

struct member {
    struct team *team;
    int who;
    pthread_t thread;
};

/* One word says which run this is (upper half) and how many of its items nobody
 * has claimed (lower half), so that claiming an item proves that the run is still
 * on. Whoever comes late finds nothing to do and is not waited for: on a machine
 * with fewer free cores than members the others do the work. */
struct team {
    int size;
    _Atomic uint64_t state;
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

/* Do items of the run that `state` shows until none is left to claim. item, arg
 * and count were written before the state was; and they are not written again
 * before all items are done, so a claim that succeeds has read the right ones. */
static void work(struct team *team, uint64_t state, int who)
{
    const uint32_t run = run_of(state);

    while (run_of(state) == run && left_of(state) > 0) {
        team_item *item = atomic_load_explicit(&team->item, memory_order_relaxed);
        void *arg = atomic_load_explicit(&team->arg, memory_order_relaxed);
        const int count = atomic_load_explicit(&team->count, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&team->state, &state, state - 1))
            continue;
        item(arg, count - (int)left_of(state), who);
        if (atomic_fetch_add(&team->done, 1) + 1 == count &&
            atomic_load(&team->waiting)) {
            pthread_mutex_lock(&team->lock);
            pthread_cond_signal(&team->idle);
            pthread_mutex_unlock(&team->lock);
        }
        state = atomic_load(&team->state);
    }
}

/* Wait until the run is another than `run`; returns the new state. */
static uint64_t await_run(struct team *team, uint32_t run)
{
    for (int i = 0; i < SPINS; i++) {
        const uint64_t state = atomic_load(&team->state);
        if (run_of(state) != run)
            return state;
        relax();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->sleeping, 1);
    while (run_of(atomic_load(&team->state)) == run)
        pthread_cond_wait(&team->wake, &team->lock);
    atomic_fetch_sub(&team->sleeping, 1);
    pthread_mutex_unlock(&team->lock);
    return atomic_load(&team->state);
}

static void *member_main(void *user)
{
    const struct member *member = user;
    struct team *team = member->team;
    uint32_t run = 0;

    for (;;) {
        const uint64_t state = await_run(team, run);
        if (atomic_load(&team->stop))
            return NULL;
        run = run_of(state);
        work(team, state, member->who);
    }
}

/* Show everybody a new run of count items. */
static uint64_t begin_run(struct team *team, uint32_t count)
{
    const uint32_t run = run_of(atomic_load(&team->state)) + 1;
    const uint64_t state = (uint64_t)run << 32 | count;

    atomic_store(&team->state, state);
    if (atomic_load(&team->sleeping) > 0) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->wake);
        pthread_mutex_unlock(&team->lock);
    }
    return state;
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
    work(team, begin_run(team, (uint32_t)count), 0);
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
    team = calloc(1, sizeof *team);
    if (!team) {
        err_set(err, ERR_NO_MEMORY, "no memory for %d threads", threads);
        return NULL;
    }
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
