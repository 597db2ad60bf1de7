#include "coordinator/findings.h"

#include "common/error.h"
#include "coordinator/stats.h"
#include "coordinator/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column that may be absent. */
static double real_or_nan(const struct query *query, int column)
{
    return query_kind(query, column) == QUERY_NULL ? (double)NAN
                                                   : query_real(query, column);
}

/* Value, interval, p, and why there are none. */
static void put_result(struct sheet *sheet, const struct stat_result *result,
                       const char *alike, size_t needed)
{
    char note[64] = "";

    sheet_real(sheet, result->value);
    sheet_real(sheet, result->low);
    sheet_real(sheet, result->high);
    sheet_real(sheet, result->p);
    if (result->verdict == STAT_TOO_FEW)
        snprintf(note, sizeof note, "too few: needs %zu", needed);
    sheet_text(sheet, result->verdict == STAT_ALL_ALIKE ? alike : note);
}

static int check(const struct sheet *sheet, int rc, struct error *err)
{
    return rc == 0 && sheet->failed ? err_set(err, ERR_NO_MEMORY, "no memory for a table")
                                    : rc;
}

/* ---- differences --------------------------------------------------------------- */

static const char RUNS[] =
    "SELECT intervention, point, seed, test_acc FROM runs"
    " WHERE sweep = ?1 AND intervention NOT LIKE 'run:%'"
    " ORDER BY intervention <> 'baseline', min(job) OVER (PARTITION BY intervention),"
    " min(job) OVER (PARTITION BY intervention, point), point, seed";

struct run {
    char *intervention, *point;
    int64_t seed;
    double accuracy; /* NaN: not there (yet) */
};

struct runs {
    struct run *items; /* those of a group one after another, the baseline's first */
    size_t count, room;
};

struct group {
    size_t from, to; /* of the runs */
};

static bool same_group(const struct run *a, const struct run *b)
{
    return strcmp(a->intervention, b->intervention) == 0 &&
           strcmp(a->point, b->point) == 0;
}

static struct group group_at(const struct runs *runs, size_t from)
{
    size_t to = from + 1;

    while (to < runs->count && same_group(&runs->items[from], &runs->items[to]))
        to++;
    return (struct group){from, to};
}

static int add_run(struct runs *runs, const struct query *query, struct error *err)
{
    if (runs->count == runs->room) {
        size_t room = 2 * runs->room + 64;
        struct run *items = realloc(runs->items, room * sizeof *items);
        if (!items)
            return err_set(err, ERR_NO_MEMORY, "no memory for the runs");
        runs->items = items;
        runs->room = room;
    }
    struct run *run = &runs->items[runs->count++];
    run->intervention = strdup(query_text(query, 0, NULL));
    run->point = strdup(query_text(query, 1, NULL));
    run->seed = query_int(query, 2);
    run->accuracy = real_or_nan(query, 3);
    if (!run->intervention || !run->point)
        return err_set(err, ERR_NO_MEMORY, "no memory for the runs");
    return 0;
}

static void free_runs(struct runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        free(runs->items[i].intervention);
        free(runs->items[i].point);
    }
    free(runs->items);
}

static int read_runs(struct store *store, const char *sweep, struct runs *runs,
                     struct error *err)
{
    struct query *query = query_open(store, RUNS, &sweep, 1, err);
    int got = -1;

    while (query && (got = query_next(query, err)) == 1)
        if (add_run(runs, query, err) != 0) {
            got = -1;
            break;
        }
    query_close(&query);
    return got;
}

/* Whether "a=1, b=2" has all that "a=1" has. */
static bool has_all(const char *point, const char *items)
{
    while (*items) {
        size_t size = strcspn(items, ",");
        bool found = false;
        /* A comma inside a list has no blank after it. */
        while (items[size] == ',' && items[size + 1] != ' ')
            size += 1 + strcspn(items + size + 1, ",");
        for (const char *at = point; !found && at;) {
            found = strncmp(at, items, size) == 0 &&
                    (at[size] == '\0' || strncmp(at + size, ", ", 2) == 0);
            at = strstr(at, ", ");
            at = at ? at + 2 : NULL;
        }
        if (!found)
            return false;
        items += size;
        items += strncmp(items, ", ", 2) == 0 ? 2 : 0;
    }
    return true;
}

/* What a group is compared with: from == to if there is nothing. */
static struct group reference_of(const struct runs *runs, struct group group)
{
    const struct run *run = &runs->items[group.from];
    bool is_baseline = strcmp(run->intervention, "baseline") == 0;
    struct group none = {0, 0};

    for (struct group base = {0, 0}; base.to < group.from;) {
        base = group_at(runs, base.to);
        if (strcmp(runs->items[base.from].intervention, "baseline") != 0)
            break;
        if (is_baseline || has_all(run->point, runs->items[base.from].point))
            return base;
    }
    return none;
}

/* Differences of the seeds that both have, into pairs; at most one for each run. */
static size_t pair_up(const struct runs *runs, struct group group, struct group reference,
                      double *pairs)
{
    size_t count = 0;

    for (size_t i = group.from; i < group.to; i++) {
        const struct run *a = &runs->items[i], *b = &runs->items[reference.from];
        const struct run *end = runs->items + reference.to;
        while (b < end && (a->seed != b->seed || isnan(b->accuracy)))
            b++;
        if (b < end && !isnan(a->accuracy))
            pairs[count++] = a->accuracy - b->accuracy;
    }
    return count;
}

static void put_difference(const struct runs *runs, struct group group,
                           struct group reference, double *pairs, struct sheet *ret)
{
    const struct run *run = &runs->items[group.from];
    const struct run *base = &runs->items[reference.from];
    size_t count = pair_up(runs, group, reference, pairs);
    struct stat_result result = stat_mean(pairs, count);

    sheet_text(ret, run->intervention);
    sheet_text(ret, run->point);
    sheet_text(ret, *base->point ? base->point : "baseline");
    sheet_int(ret, (int64_t)count);
    put_result(ret, &result, "all pairs differ alike", STAT_PAIRS_MIN);
}

int findings_differences(struct store *store, const char *sweep, struct sheet *ret,
                         struct error *err)
{
    static const char *const NAMES[] = {"intervention", "point",      "against",
                                        "pairs",        "difference", "low",
                                        "high",         "p",          "note"};
    struct runs runs = {0};
    double *pairs = NULL;
    int rc = -1;

    *ret = (struct sheet){.names = NAMES, .columns = sizeof NAMES / sizeof NAMES[0]};
    if (read_runs(store, sweep, &runs, err) != 0)
        goto done;
    pairs = calloc(runs.count + 1, sizeof *pairs);
    if (!pairs) {
        err_set(err, ERR_NO_MEMORY, "no memory for %zu runs", runs.count);
        goto done;
    }
    for (struct group group = {0, 0}; group.to < runs.count;) {
        group = group_at(&runs, group.to);
        struct group reference = reference_of(&runs, group);
        if (reference.to > reference.from)
            put_difference(&runs, group, reference, pairs, ret);
    }
    rc = 0;

done:
    free(pairs);
    free_runs(&runs);
    return check(ret, rc, err);
}

/* ---- correlations --------------------------------------------------------------- */

#define RANKED(metric) "coalesce(" metric ", iif(nonfinite_points > 0, 9e999, NULL))"

static const char PATHS[] =
    "SELECT probe, nullif(bn, 'none'), " RANKED("bump") ", " RANKED(
        "barrier_linear") ", plateau, dist_l2, dist_rel,"
                          " (SELECT test_acc FROM runs r"
                          "  WHERE r.sweep = p.sweep AND r.job = p.run_b LIMIT 1)"
                          " FROM paths p WHERE sweep = ?1 AND grp = 'all'"
                          " AND split = 'test' AND run_a = run_b"
                          " AND intervention NOT LIKE 'run:%'"
                          " GROUP BY probe, bn, job ORDER BY probe, bn, job";

enum quantity { BUMP, BARRIER, PLATEAU, DIST_L2, DIST_REL, TEST_ACC, QUANTITIES };

static const char *const QUANTITY_NAMES[QUANTITIES] = {"bump",    "barrier",  "plateau",
                                                       "dist_l2", "dist_rel", "test_acc"};

static const struct question {
    enum quantity of, with;
} QUESTIONS[] = {
    {BUMP, TEST_ACC}, {BARRIER, TEST_ACC}, {PLATEAU, TEST_ACC},
    {DIST_L2, BUMP},  {DIST_REL, BUMP},
};

/* The paths of one probe and one bn. */
struct paths {
    char probe[80], bn[16];
    double (*items)[QUANTITIES];
    size_t count, room;
};

static int add_path(struct paths *paths, const struct query *query, struct error *err)
{
    if (paths->count == paths->room) {
        size_t room = 2 * paths->room + 64;
        void *items = realloc(paths->items, room * sizeof *paths->items);
        if (!items)
            return err_set(err, ERR_NO_MEMORY, "no memory for the paths");
        paths->items = items;
        paths->room = room;
    }
    snprintf(paths->probe, sizeof paths->probe, "%s", query_text(query, 0, NULL));
    snprintf(paths->bn, sizeof paths->bn, "%s", query_text(query, 1, NULL));
    for (int i = 0; i < QUANTITIES; i++)
        paths->items[paths->count][i] = real_or_nan(query, 2 + i);
    paths->count++;
    return 0;
}

static int put_correlation(const struct paths *paths, const struct question *question,
                           double *work, struct sheet *ret, struct error *err)
{
    double *x = work, *y = work + paths->count;
    struct stat_result result;
    size_t n = 0;

    for (size_t i = 0; i < paths->count; i++) {
        x[n] = paths->items[i][question->of];
        y[n] = paths->items[i][question->with];
        n += !isnan(x[n]) && !isnan(y[n]);
    }
    if (stat_spearman(x, y, n, &result, err) != 0)
        return -1;
    sheet_text(ret, paths->probe);
    sheet_text(ret, paths->bn);
    sheet_text(ret, QUANTITY_NAMES[question->of]);
    sheet_text(ret, QUANTITY_NAMES[question->with]);
    sheet_int(ret, (int64_t)n);
    put_result(ret, &result, "one of them is the same in all", STAT_RUNS_MIN);
    return 0;
}

/* Ask everything of the paths so far, and begin anew. */
static int put_correlations(struct paths *paths, struct sheet *ret, struct error *err)
{
    double *work;
    int rc = 0;

    if (paths->count == 0)
        return 0;
    work = calloc(2 * paths->count, sizeof *work);
    if (!work)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu paths", paths->count);
    for (size_t i = 0; i < sizeof QUESTIONS / sizeof QUESTIONS[0] && rc == 0; i++)
        rc = put_correlation(paths, &QUESTIONS[i], work, ret, err);
    free(work);
    paths->count = 0;
    return rc;
}

int findings_correlations(struct store *store, const char *sweep, struct sheet *ret,
                          struct error *err)
{
    static const char *const NAMES[] = {"probe", "bn",  "of",   "with", "runs",
                                        "rho",   "low", "high", "p",    "note"};
    struct query *query = query_open(store, PATHS, &sweep, 1, err);
    struct paths paths = {0};
    int rc = query ? 0 : -1, got = -1;

    *ret = (struct sheet){.names = NAMES, .columns = sizeof NAMES / sizeof NAMES[0]};
    while (rc == 0 && (got = query_next(query, err)) == 1) {
        if (strcmp(paths.probe, query_text(query, 0, NULL)) != 0 ||
            strcmp(paths.bn, query_text(query, 1, NULL)) != 0)
            rc = put_correlations(&paths, ret, err);
        if (rc == 0)
            rc = add_path(&paths, query, err);
    }
    if (rc == 0)
        rc = got == 0 ? put_correlations(&paths, ret, err) : -1;
    query_close(&query);
    free(paths.items);
    return check(ret, rc, err);
}
