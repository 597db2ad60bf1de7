#include "coordinator/changes.h"

#include "common/clock.h"
#include "common/error.h"
#include "coordinator/plan_cost.h"
#include "proto/fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A key of the plan. */
struct wanted {
    const struct plan_job *job;
    double cost; /* operations */
    bool there;  /* in the database */
    bool ended;
};

struct finding {
    struct wanted *items; /* by key */
    size_t count;
    struct changes *changes;
    double done, seconds; /* operations that were done, and how long that took */
};

static int by_key(const void *left, const void *right)
{
    return strcmp(((const struct wanted *)left)->job->key,
                  ((const struct wanted *)right)->job->key);
}

static int is_key(const void *key, const void *item)
{
    return strcmp(key, ((const struct wanted *)item)->job->key);
}

static struct wanted *find(const struct finding *f, const char *key)
{
    return bsearch(key, f->items, f->count, sizeof *f->items, is_key);
}

static int list_wanted(const struct plan *plan, bool costs, struct finding *f,
                       struct error *err)
{
    f->count = plan->job_count;
    f->items = calloc(f->count + 1, sizeof *f->items);
    if (!f->items)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu jobs", f->count);
    for (size_t i = 0; i < f->count; i++) {
        f->items[i].job = &plan->jobs[i];
        if (costs && plan_cost(plan, i, &f->items[i].cost, err) != 0)
            return -1;
    }
    qsort(f->items, f->count, sizeof *f->items, by_key);
    return 0;
}

/* ---- jobs that there are ------------------------------------------------------- */

static int read_known(struct store *store, struct finding *f, struct error *err)
{
    struct query *query = query_open(store,
                                     "SELECT key, state, ifnull(r.seconds, 0) FROM job"
                                     " LEFT JOIN result r ON r.job = job.id",
                                     NULL, 0, err);
    int got = query ? 0 : -1;

    while (query && (got = query_next(query, err)) > 0) {
        struct wanted *wanted = find(f, query_text(query, 0, NULL));
        enum job_state state;
        if (!wanted || !job_state_parse(query_text(query, 1, NULL), &state))
            continue;
        wanted->there = true;
        wanted->ended = job_state_ended(state);
        if (state == JOB_DONE && wanted->cost > 0) {
            f->done += wanted->cost;
            f->seconds += query_real(query, 2);
        }
        f->changes->known[state]++;
    }
    query_close(&query);
    return got;
}

/* Parts of a probe that there is are not made again. */
static void count_added(struct finding *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct wanted *item = &f->items[i];
        const char *whole = item->job->whole;
        const struct wanted *of = *whole ? find(f, whole) : NULL;
        f->changes->added += !item->there && !(of && of->there);
        *(item->ended ? &f->changes->ended : &f->changes->left) += item->cost;
    }
    f->changes->speed = f->seconds > 0 ? f->done / f->seconds : 0;
}

static int read_threads(struct store *store, int64_t *ret, struct error *err)
{
    struct query *query = query_open(store,
                                     "SELECT ifnull(sum(slots * threads), 0) FROM worker"
                                     " WHERE state = 'connected'",
                                     NULL, 0, err);
    int got = query ? query_next(query, err) : -1;

    *ret = got > 0 ? query_int(query, 0) : 0;
    query_close(&query);
    return got < 0 ? -1 : 0;
}

/* ---- jobs that the grid no longer asks for ----------------------------------------- */

static int push(struct changes *changes, int64_t job, struct error *err)
{
    struct msg_range *last = changes->unwanted + changes->unwanted_count, *ranges;

    changes->unwanted_jobs++;
    if (changes->unwanted_count > 0 && last[-1].last + 1 == job) {
        last[-1].last = job;
        return 0;
    }
    ranges = reallocarray(changes->unwanted, changes->unwanted_count + 1, sizeof *ranges);
    if (!ranges)
        return err_set(err, ERR_NO_MEMORY, "no memory for a list of jobs");
    changes->unwanted = ranges;
    ranges[changes->unwanted_count++] = (struct msg_range){job, job};
    return 0;
}

static int read_gone(struct store *store, const char *sweep, struct finding *f,
                     struct error *err)
{
    static const char SQL[] =
        "SELECT j.key, j.id, j.state IN ('waiting', 'ready', 'running')"
        " AND NOT EXISTS (SELECT 1 FROM sweep_job o WHERE o.job = j.id"
        " AND o.sweep <> ?1) FROM job j"
        " WHERE j.id IN (SELECT job FROM sweep_job WHERE sweep = ?1) ORDER BY j.id";
    struct changes *changes = f->changes;
    struct query *query = query_open(store, SQL, &sweep, 1, err);
    int got = query ? 0 : -1;

    while (query && (got = query_next(query, err)) > 0) {
        changes->sweep_known = true;
        if (find(f, query_text(query, 0, NULL)))
            continue;
        changes->gone++;
        if (query_int(query, 2) == 0)
            changes->kept++;
        else if (push(changes, query_int(query, 1), err) != 0) {
            got = -1;
            break;
        }
    }
    query_close(&query);
    return got;
}

/* ---- all ------------------------------------ */

static int read_counts(struct store *store, const char *name, struct changes *ret,
                       struct error *err)
{
    struct query *query = query_open(
        store, "SELECT state, n FROM sweep_count WHERE sweep = ?1", &name, 1, err);
    int got = query ? 0 : -1;
    enum job_state state;

    while (query && (got = query_next(query, err)) > 0)
        if (job_state_parse(query_text(query, 0, NULL), &state))
            ret->known[state] = (uint64_t)query_int(query, 1);
    query_close(&query);
    return got;
}

int changes_guess(struct store *store, const char *name, struct slice text,
                  struct changes *ret, struct error *err)
{
    static const char SQL[] =
        "SELECT grid, (SELECT jobs FROM request r WHERE r.sweep = s.name"
        "  ORDER BY at_ms DESC, added LIMIT 1)"
        " = (SELECT sum(n) FROM sweep_count c WHERE c.sweep = s.name)"
        " FROM sweep s WHERE name = ?1";
    struct query *query = query_open(store, SQL, &name, 1, err);
    int got = query ? query_next(query, err) : -1;
    bool same = false;

    *ret = (struct changes){.sweep_known = got > 0};
    if (got > 0) {
        size_t size;
        const char *before = query_text(query, 0, &size);
        same =
            slice_equal(text, (struct slice){before, size}) && query_int(query, 1) != 0;
    }
    query_close(&query);
    if (got <= 0)
        return got < 0 ? -1 : 1;
    if (!same)
        return 0;
    return read_counts(store, name, ret, err) != 0 ? -1 : 1;
}

int changes_find(struct store *store, const struct plan *plan, bool costs,
                 struct changes *ret, struct error *err)
{
    struct finding f = {.changes = ret};
    int rc = -1;

    *ret = (struct changes){0};
    if (list_wanted(plan, costs, &f, err) == 0 && read_known(store, &f, err) == 0 &&
        read_gone(store, plan->name, &f, err) == 0 &&
        read_threads(store, &ret->threads, err) == 0) {
        count_added(&f);
        rc = 0;
    }
    free(f.items);
    if (rc != 0)
        changes_free(ret);
    return rc;
}

void changes_free(struct changes *changes)
{
    free(changes->unwanted);
    *changes = (struct changes){0};
}

void changes_put(const struct changes *changes, struct buf *out)
{
    buf_printf(out, "%" PRIu64 " new", changes->added);
    for (int state = JOB_DONE; state < JOB_STATE_COUNT; state++)
        if (changes->known[state] > 0)
            buf_printf(out, ", %" PRIu64 " %s", changes->known[state],
                       job_state_name((enum job_state)state));
    for (int state = JOB_WAITING; state < JOB_DONE; state++)
        if (changes->known[state] > 0)
            buf_printf(out, ", %" PRIu64 " %s", changes->known[state],
                       job_state_name((enum job_state)state));
    if (changes->gone > 0)
        buf_printf(out, "; %" PRIu64 " no longer in the grid", changes->gone);
    if (changes->unwanted_jobs > 0)
        buf_printf(out, " (%" PRIu64 " of them to be done)", changes->unwanted_jobs);
}

void changes_put_cost(const struct changes *changes, struct buf *out)
{
    const double speed = changes->speed > 0 ? changes->speed : COST_SPEED;
    const double seconds = changes->left / speed;
    char text[32];

    buf_printf(out, "about %s of one core to be done",
               clock_duration_text(seconds, text, sizeof text));
    if (changes->threads > 0)
        buf_printf(
            out, ", %s on the %" PRId64 " of connected workers",
            clock_duration_text(seconds / (double)changes->threads, text, sizeof text),
            changes->threads);
    buf_printf(out, " (at %.3g GF/s a core, %s)", speed / 1e9,
               changes->speed > 0 ? "as its jobs so far" : "not measured yet");
}
