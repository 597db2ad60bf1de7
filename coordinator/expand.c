#include "coordinator/expand.h"

#include "common/error.h"

#include <assert.h>
#include <string.h>

/* ---- how many ---------------------------------------------------------------- */

static size_t product(const struct grid_axes *axes, size_t count)
{
    for (size_t i = 0; i < axes->count && count <= POINTS_MAX; i++)
        count *= axes->items[i].choices.count;
    return count;
}

static size_t zip_length(const struct grid_zip *zip)
{
    return zip->axes.items[0].choices.count;
}

/* Points of one intervention; above POINTS_MAX when there are too many. Every
 * factor is at most 10000, so the product stays far from overflow. */
static size_t points_of(const struct grid *grid, const struct grid_intervention *of)
{
    size_t count = product(&grid->axes, grid->seed_count);

    for (size_t i = 0; i < grid->zip_count && count <= POINTS_MAX; i++)
        count *= zip_length(&grid->zips[i]);
    return product(&of->axes, count);
}

int expand_count(const struct grid *grid, size_t *ret, struct error *err)
{
    size_t count = grid->include_count * grid->seed_count;

    for (size_t i = 0; i < grid->intervention_count && count <= POINTS_MAX; i++)
        count += points_of(grid, &grid->interventions[i]);
    if (count > POINTS_MAX)
        return err_set(err, ERR_INVALID, "%s:1:1: the grid has more than %d points",
                       grid->file, POINTS_MAX);
    *ret = count;
    return 0;
}

/* ---- one point --------------------------------------------------------------- */

/* Insert by name; a later setting of the same option replaces the earlier. */
static void put(struct point *point, const struct grid_setting *setting)
{
    size_t at = 0;

    while (at < point->setting_count &&
           strcmp(point->settings[at]->opt->name, setting->opt->name) < 0)
        at++;
    if (at < point->setting_count && point->settings[at]->opt == setting->opt) {
        point->settings[at] = setting;
        return;
    }
    assert(point->setting_count < POINT_SETTINGS_MAX);
    memmove(&point->settings[at + 1], &point->settings[at],
            (point->setting_count - at) * sizeof point->settings[0]);
    point->settings[at] = setting;
    point->setting_count++;
}

/* Take one digit of the mixed radix per axis, the last axis varying fastest. */
static size_t choose(struct point *point, const struct grid_axes *axes, size_t i)
{
    for (size_t a = axes->count; a-- > 0;) {
        const struct grid_settings *choices = &axes->items[a].choices;
        put(point, &choices->items[i % choices->count]);
        i /= choices->count;
    }
    return i;
}

/* One digit for each zip: the same choice of all its options. */
static size_t choose_zips(struct point *point, const struct grid *grid, size_t i)
{
    for (size_t z = grid->zip_count; z-- > 0;) {
        const struct grid_zip *zip = &grid->zips[z];
        for (size_t a = 0; a < zip->axes.count; a++)
            put(point, &zip->axes.items[a].choices.items[i % zip_length(zip)]);
        i /= zip_length(zip);
    }
    return i;
}

static void put_all(struct point *point, const struct grid_settings *set)
{
    for (size_t i = 0; i < set->count; i++)
        put(point, &set->items[i]);
}

static void include_point(const struct grid *grid, size_t i, struct point *ret)
{
    const struct grid_include *include = &grid->includes[i / grid->seed_count];

    assert(i / grid->seed_count < grid->include_count);
    ret->intervention = grid_intervention_of(grid, include->intervention);
    ret->seed = grid->seeds[i % grid->seed_count];
    put_all(ret, &ret->intervention->set);
    put_all(ret, &include->set);
}

void expand_point(const struct grid *grid, size_t i, struct point *ret)
{
    const struct grid_intervention *end = grid->interventions + grid->intervention_count;
    const struct grid_intervention *of = grid->interventions;

    ret->setting_count = 0;
    for (; of < end && i >= points_of(grid, of); of++)
        i -= points_of(grid, of);
    if (of == end) {
        include_point(grid, i, ret);
        return;
    }
    ret->intervention = of;
    put_all(ret, &of->set);
    ret->seed = grid->seeds[i % grid->seed_count];
    i /= grid->seed_count;
    i = choose(ret, &of->axes, i);
    i = choose_zips(ret, grid, i);
    i = choose(ret, &grid->axes, i);
    assert(i == 0);
}

const struct grid_setting *point_find(const struct point *point, const char *name)
{
    for (size_t i = 0; i < point->setting_count; i++)
        if (strcmp(point->settings[i]->opt->name, name) == 0)
            return point->settings[i];
    return NULL;
}

void point_describe(const struct point *point, struct buf *out)
{
    buf_printf(out, "intervention '%s'", point->intervention->name);
    for (size_t i = 0; i < point->setting_count; i++) {
        buf_printf(out, "%s%s=", i ? ", " : " with ", point->settings[i]->opt->name);
        value_text(&point->settings[i]->value, out);
    }
}
