/* Which points there are beyond the plain product: [[zip]], [[exclude]],
 * [[include]]; and tables that pick points. */

#include "coordinator/grid_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 1000 };

/* ---- picking ------------------------------------------------------------------ */

static int read_seed(struct grid_reader *reader, const struct toml_node *node,
                     struct grid_side *side)
{
    if (node->type != TOML_INT)
        return grid_fail_type(reader, node, "one of the sweep's seeds");
    side->has_seed = true;
    side->seed = node->integer;
    return 0;
}

/* intervention and seed, and beside them options of the runs. */
int grid_read_side(struct grid_reader *reader, const struct toml_node *node,
                   struct grid_side *side)
{
    struct toml_node rest = *node;
    int rc = 0;

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table that tells which runs");
    side->place = grid_place_of(node);
    rest.count = 0;
    rest.children = calloc(node->count + 1, sizeof *rest.children);
    if (!rest.children)
        return err_set(reader->err, ERR_NO_MEMORY, "no memory for a grid");
    for (size_t i = 0; i < node->count && rc == 0; i++) {
        const struct toml_node *child = &node->children[i];
        if (strcmp(child->key, "intervention") == 0)
            rc = grid_read_name(reader, child, true, &side->intervention);
        else if (strcmp(child->key, "seed") == 0)
            rc = read_seed(reader, child, side);
        else
            rest.children[rest.count++] = *child;
    }
    if (rc == 0)
        rc = grid_read_settings(reader, &rest, &side->where);
    free(rest.children);
    return rc;
}

void grid_free_side(struct grid_side *side)
{
    free(side->intervention);
    grid_free_settings(&side->where);
}

const struct grid_intervention *grid_intervention_of(const struct grid *grid,
                                                     const char *name)
{
    for (size_t i = 0; i < grid->intervention_count; i++)
        if (strcmp(grid->interventions[i].name, name ? name : "baseline") == 0)
            return &grid->interventions[i];
    return NULL;
}

static const struct grid_axis *find_axis(const struct grid_axes *axes, const char *name)
{
    for (size_t i = 0; i < axes->count; i++)
        if (strcmp(axes->items[i].opt->name, name) == 0)
            return &axes->items[i];
    return NULL;
}

const struct grid_axis *grid_axis_of(const struct grid *grid, const char *name)
{
    const struct grid_axis *axis = find_axis(&grid->axes, name);

    for (size_t i = 0; i < grid->zip_count && !axis; i++)
        axis = find_axis(&grid->zips[i].axes, name);
    return axis;
}

/* ---- arrays of tables ----------------------------------------------------------- */

typedef int read_table(struct grid_reader *reader, const struct toml_node *node,
                       struct grid *grid);

static int read_tables(struct grid_reader *reader, const struct toml_node *node,
                       struct grid *grid, const char *name, read_table *read)
{
    char expected[32];

    (void)snprintf(expected, sizeof expected, "[[%s]] tables", name);
    if (node->type != TOML_ARRAY)
        return grid_fail_type(reader, node, expected);
    if (node->count > ENTRIES_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID, "more than %d %s",
                         ENTRIES_MAX, expected);
    for (size_t i = 0; i < node->count; i++) {
        if (node->children[i].type != TOML_TABLE)
            return grid_fail_type(reader, &node->children[i], "a table");
        if (read(reader, &node->children[i], grid))
            return -1;
    }
    return 0;
}

static int read_zip(struct grid_reader *reader, const struct toml_node *node,
                    struct grid *grid)
{
    struct grid_zip *zip = grid_grow(reader, &grid->zips, &grid->zip_count, sizeof *zip);

    if (!zip)
        return -1;
    zip->place = grid_place_of(node);
    if (grid_read_zip_axes(reader, node, &zip->axes))
        return -1;
    if (zip->axes.count < 2)
        return grid_fail(reader, zip->place, ERR_INVALID,
                         "a zip moves options together: expected at least two, got %zu",
                         zip->axes.count);
    for (size_t i = 1; i < zip->axes.count; i++) {
        const struct grid_axis *first = &zip->axes.items[0];
        const struct grid_axis *axis = &zip->axes.items[i];
        if (axis->choices.count != first->choices.count)
            return grid_fail(reader, axis->place, ERR_INVALID,
                             "key '%s': has %zu values, '%s' of the same zip has %zu",
                             axis->opt->name, axis->choices.count, first->opt->name,
                             first->choices.count);
    }
    return 0;
}

int grid_read_zips(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    return read_tables(reader, node, grid, "zip", read_zip);
}

static int read_where(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return grid_read_side(reader, node, into);
}

static int read_exclude(struct grid_reader *reader, const struct toml_node *node,
                        struct grid *grid)
{
    static const struct grid_field FIELDS[] = {
        {"where", read_where},
        {NULL, NULL},
    };
    struct grid_side *made =
        grid_grow(reader, &grid->excludes, &grid->exclude_count, sizeof *made);

    if (!made || grid_read_fields(reader, node, FIELDS, "[[exclude]]", made))
        return -1;
    if (!made->intervention && !made->has_seed && made->where.count == 0)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'where' of [[exclude]] is missing or empty: it would leave"
                         " out every point");
    return 0;
}

int grid_read_excludes(struct grid_reader *reader, const struct toml_node *node,
                       void *grid)
{
    return read_tables(reader, node, grid, "exclude", read_exclude);
}

static int read_intervention(struct grid_reader *reader, const struct toml_node *node,
                             void *into)
{
    return grid_read_name(reader, node, true,
                          &((struct grid_include *)into)->intervention);
}

static int read_set(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_settings(reader, node, &((struct grid_include *)into)->set);
}

static int read_include(struct grid_reader *reader, const struct toml_node *node,
                        struct grid *grid)
{
    static const struct grid_field FIELDS[] = {
        {"intervention", read_intervention},
        {"set", read_set},
        {NULL, NULL},
    };
    struct grid_include *made =
        grid_grow(reader, &grid->includes, &grid->include_count, sizeof *made);

    if (!made)
        return -1;
    made->place = grid_place_of(node);
    if (grid_read_fields(reader, node, FIELDS, "[[include]]", made))
        return -1;
    if (made->set.count == 0)
        return grid_fail(reader, made->place, ERR_INVALID,
                         "key 'set' of [[include]] is missing or empty: expected the"
                         " options of the point");
    return 0;
}

int grid_read_includes(struct grid_reader *reader, const struct toml_node *node,
                       void *grid)
{
    return read_tables(reader, node, grid, "include", read_include);
}

/* ---- what all of it tells -------------------------------------------------------- */

static int clash(struct grid_reader *reader, const struct grid_axis *axis,
                 const struct grid_axis *first)
{
    return grid_fail(reader, axis->place, ERR_INVALID,
                     "key '%s': is an axis already, in line %d", axis->opt->name,
                     first->place.line);
}

/* An option can be on one axis only, be it in a zip or by itself. */
static int check_zips(struct grid_reader *reader, const struct grid *grid)
{
    for (size_t z = 0; z < grid->zip_count; z++)
        for (size_t i = 0; i < grid->zips[z].axes.count; i++) {
            const struct grid_axis *axis = &grid->zips[z].axes.items[i];
            const struct grid_axis *first = grid_axis_of(grid, axis->opt->name);
            if (first != axis)
                return clash(reader, axis, first);
        }
    return 0;
}

/* An option that an intervention sets can not also be an axis of the grid: which
 * of the two should win? */
static int check_intervention(struct grid_reader *reader, const struct grid *grid,
                              const struct grid_intervention *of)
{
    const struct opt *opt = NULL;
    struct grid_place place = {0, 0};

    for (size_t i = 0; i < of->set.count && !opt; i++)
        if (grid_axis_of(grid, of->set.items[i].opt->name)) {
            opt = of->set.items[i].opt;
            place = of->set.items[i].place;
        }
    for (size_t i = 0; i < of->axes.count && !opt; i++)
        if (grid_axis_of(grid, of->axes.items[i].opt->name)) {
            opt = of->axes.items[i].opt;
            place = of->axes.items[i].place;
        }
    if (!opt)
        return 0;
    return grid_fail(reader, place, ERR_INVALID,
                     "key '%s': is an axis of the grid in line %d, so intervention '%s'"
                     " cannot change it",
                     opt->name, grid_axis_of(grid, opt->name)->place.line, of->name);
}

static int no_intervention(struct grid_reader *reader, const struct grid *grid,
                           struct grid_place place, const char *name)
{
    const char *names[ENTRIES_MAX + 2] = {NULL};
    size_t count = grid->intervention_count;
    const char *nearest;

    for (size_t i = 0; i < count && i <= ENTRIES_MAX; i++)
        names[i] = grid->interventions[i].name;
    nearest = name_nearest(name, names);
    return grid_fail(reader, place, ERR_INVALID, "there is no intervention '%s'%s%s%s",
                     name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?)" : "");
}

static int check_side(struct grid_reader *reader, const struct grid *grid,
                      const struct grid_side *side)
{
    if (!side->intervention || grid_intervention_of(grid, side->intervention))
        return 0;
    return no_intervention(reader, grid, side->place, side->intervention);
}

int grid_check_points(struct grid_reader *reader, const struct grid *grid)
{
    if (check_zips(reader, grid))
        return -1;
    for (size_t i = 0; i < grid->intervention_count; i++)
        if (check_intervention(reader, grid, &grid->interventions[i]))
            return -1;
    for (size_t i = 0; i < grid->exclude_count; i++)
        if (check_side(reader, grid, &grid->excludes[i]))
            return -1;
    for (size_t i = 0; i < grid->include_count; i++)
        if (!grid_intervention_of(grid, grid->includes[i].intervention))
            return no_intervention(reader, grid, grid->includes[i].place,
                                   grid->includes[i].intervention);
    for (size_t i = 0; i < grid->probe_count; i++)
        if (check_side(reader, grid, &grid->probes[i].a) ||
            check_side(reader, grid, &grid->probes[i].b))
            return -1;
    return 0;
}

void grid_free_points(struct grid *grid)
{
    for (size_t i = 0; i < grid->zip_count; i++)
        grid_free_axes(&grid->zips[i].axes);
    for (size_t i = 0; i < grid->exclude_count; i++)
        grid_free_side(&grid->excludes[i]);
    for (size_t i = 0; i < grid->include_count; i++) {
        free(grid->includes[i].intervention);
        grid_free_settings(&grid->includes[i].set);
    }
    free(grid->zips);
    free(grid->excludes);
    free(grid->includes);
}
