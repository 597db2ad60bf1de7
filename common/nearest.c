#include "common/opts.h"

#include <string.h>

/* Nothing in the language is longer; a longer word is no typo of it. */
enum { WORD_MAX = 48 };

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance where a swap of neighbours counts once (optimal string
 * alignment), over three rows of the usual table. */
static size_t distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    if (m > WORD_MAX || n > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= n; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *swap;
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min_of(change, 1 + min_of(above[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_of(row[j], before[j - 2] + 1);
        }
        swap = before;
        before = above;
        above = row;
        row = swap;
    }
    return above[n];
}

/* The better of two candidates for name; NULL is no candidate. */
struct best {
    const char *name;
    size_t distance;
};

static void consider(struct best *best, const char *name, const char *candidate)
{
    size_t d = distance(name, candidate);

    if (d <= 3 && 2 * d < strlen(name) && (!best->name || d < best->distance))
        *best = (struct best){candidate, d};
}

const char *name_nearest(const char *name, const char *const *names)
{
    struct best best = {0};

    for (size_t i = 0; names[i]; i++)
        consider(&best, name, names[i]);
    return best.name;
}

/* "lr" and "schedule.at" end the full names of one option each. */
static const char *by_last_part(enum job_kind kind, const char *name)
{
    size_t count, size = strlen(name);
    const struct opt *rows = opt_table(&count);
    const char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t full = strlen(rows[i].name);
        if (rows[i].kind != kind || full <= size + 1)
            continue;
        if (rows[i].name[full - size - 1] != '.' ||
            strcmp(rows[i].name + full - size, name) != 0)
            continue;
        if (found)
            return NULL; /* several: a guess would mislead */
        found = rows[i].name;
    }
    return found;
}

const char *opt_nearest(enum job_kind kind, const char *name)
{
    size_t count;
    const struct opt *rows = opt_table(&count);
    struct best best = {0};

    for (size_t i = 0; i < count; i++)
        if (rows[i].kind == kind)
            consider(&best, name, rows[i].name);
    if (kind == JOB_TRAIN)
        for (const char *const *table = opt_tables(); *table; table++)
            consider(&best, name, *table);
    return best.name ? best.name : by_last_part(kind, name);
}
