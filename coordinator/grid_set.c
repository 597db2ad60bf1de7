/* Options in a grid: [base], an intervention's set, and axes. */

#include "coordinator/grid_read.h"

#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one option ------------------------------------------------------------- */

const struct grid_setting *grid_find(const struct grid_settings *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i].opt->name, name) == 0)
            return &set->items[i];
    return NULL;
}

int grid_read_value(struct grid_reader *reader, const struct toml_node *node,
                    const struct opt *opt, const char *key, struct grid_setting *into)
{
    struct grid_place place = grid_place_of(node);

    if (toml_value(node, &into->value, reader->err) ||
        opt_check(opt, &into->value, reader->err))
        return grid_fail_key(reader, place, key);
    into->opt = opt;
    into->place = place;
    return 0;
}

int grid_add_setting(struct grid_reader *reader, const struct toml_node *node,
                     const struct opt *opt, const char *key, struct grid_settings *into)
{
    const struct grid_setting *twice = grid_find(into, opt->name);
    struct grid_setting *item;

    if (twice)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': given twice, first in line %d", key,
                         twice->place.line);
    item = grid_grow(reader, &into->items, &into->count, sizeof *item);
    if (!item)
        return -1;
    item->opt = opt; /* valid also if the value is not */
    return grid_read_value(reader, node, opt, key, item);
}

/* ---- axes ------------------------------------------------------------------- */

/* A zip may have a value twice, since another option differs. */
static int add_choice(struct grid_reader *reader, const struct toml_node *node,
                      const char *key, bool zipped, struct grid_axis *axis)
{
    struct grid_settings *choices = &axis->choices;
    struct grid_setting *item =
        grid_grow(reader, &choices->items, &choices->count, sizeof *item);

    if (!item || grid_read_value(reader, node, axis->opt, key, item))
        return -1;
    for (size_t i = 0; !zipped && i + 1 < choices->count; i++)
        if (value_equal(&choices->items[i].value, &item->value)) {
            struct buf text = {0};
            value_text(&item->value, &text);
            grid_fail(reader, item->place, ERR_INVALID,
                      "key '%s': the axis has %.80s twice", key,
                      text.data ? text.data : "a value");
            buf_free(&text);
            return -1;
        }
    return 0;
}

/* Choices are compared each with each; nobody sweeps more by hand. */
enum { CHOICES_MAX = 10000 };

static int add_axis(struct grid_reader *reader, const struct toml_node *node,
                    const struct opt *opt, const char *key, bool zipped,
                    struct grid_axes *into)
{
    struct grid_place place = grid_place_of(node);
    struct grid_axis *axis;

    for (size_t i = 0; i < into->count; i++)
        if (into->items[i].opt == opt)
            return grid_fail(reader, place, ERR_INVALID,
                             "key '%s': given twice, first in line %d", key,
                             into->items[i].place.line);
    if (node->type != TOML_ARRAY)
        return grid_fail(reader, place, ERR_INVALID,
                         "key '%s': expected the list of an axis's values, got %s", key,
                         toml_type_name(node->type));
    if (node->count == 0)
        return grid_fail(reader, place, ERR_INVALID,
                         "key '%s': expected at least one value on the axis", key);
    if (node->count > CHOICES_MAX)
        return grid_fail(reader, place, ERR_INVALID,
                         "key '%s': an axis has at most %d values", key, CHOICES_MAX);
    axis = grid_grow(reader, &into->items, &into->count, sizeof *axis);
    if (!axis)
        return -1;
    axis->opt = opt;
    axis->place = place;
    for (size_t i = 0; i < node->count; i++)
        if (add_choice(reader, &node->children[i], key, zipped, axis))
            return -1;
    return 0;
}

/* ---- tables of options ------------------------------------------------------ */

/* Where a leaf goes: to one of the two. */
struct target {
    struct grid_settings *settings;
    struct grid_axes *axes;
    bool zipped;
};

/* The parts of a dotted name; quoted keys hold several. */
enum { NAME_SIZE = 128 };

static bool is_table(const char *name)
{
    for (const char *const *table = opt_tables(); *table; table++)
        if (strcmp(*table, name) == 0)
            return true;
    return false;
}

/* ": expected one of lr, momentum, ... in 'optimizer'", for the longest part of
 * name that is a table; else the tables. */
static void put_known(const char *name, struct buf *out)
{
    char table[NAME_SIZE];
    size_t count, size;
    const struct opt *rows = opt_table(&count);
    const char *comma = "";
    char *dot;

    snprintf(table, sizeof table, "%s", name);
    while ((dot = strrchr(table, '.')) != NULL) {
        *dot = '\0';
        if (is_table(table))
            break;
    }
    if (!dot) {
        buf_puts(out, ": expected one of data, init, model, optimizer, seed, train");
        return;
    }
    size = strlen(table);
    buf_puts(out, ": expected one of ");
    for (size_t i = 0; i < count; i++) {
        const char *option = rows[i].name;
        if (rows[i].kind != JOB_TRAIN || strncmp(option, table, size) != 0 ||
            option[size] != '.')
            continue;
        buf_printf(out, "%s%s", comma, option + size + 1);
        comma = ", ";
    }
    buf_printf(out, " in '%s'", table);
}

static int unknown_option(struct grid_reader *reader, struct grid_place place,
                          const char *name)
{
    const char *nearest = opt_nearest(JOB_TRAIN, name);
    struct buf text = {0};

    put_known(name, &text);
    if (nearest)
        buf_printf(&text, " (did you mean '%s'?)", nearest);
    grid_fail(reader, place, ERR_INVALID, "unknown key '%s'%s", name,
              text.data ? text.data : "");
    buf_free(&text);
    return -1;
}

/* model = "mlp" is meant for model.name. */
static int not_a_table(struct grid_reader *reader, const struct toml_node *node,
                       const char *name)
{
    char inner[NAME_SIZE + 8];

    snprintf(inner, sizeof inner, "%s.name", name);
    if (!opt_find(JOB_TRAIN, inner))
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': expected a table, got %s", name,
                         toml_type_name(node->type));
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key '%s': expected a table, got %s (did you mean '%s'?)", name,
                     toml_type_name(node->type), inner);
}

static int read_options(struct grid_reader *reader, const struct toml_node *table,
                        const char *prefix, const struct target *target);

static int read_option(struct grid_reader *reader, const struct toml_node *node,
                       const char *name, const struct target *target)
{
    struct grid_place place = grid_place_of(node);
    const struct opt *opt = opt_find(JOB_TRAIN, name);

    if (!opt) {
        if (!is_table(name))
            return unknown_option(reader, place, name);
        if (node->type != TOML_TABLE)
            return not_a_table(reader, node, name);
        return read_options(reader, node, name, target);
    }
    if (strcmp(name, "numerics") == 0)
        return grid_fail(reader, place, ERR_INVALID,
                         "key 'numerics': is the program's to set");
    if (target->axes)
        return add_axis(reader, node, opt, name, target->zipped, target->axes);
    return grid_add_setting(reader, node, opt, name, target->settings);
}

static int read_options(struct grid_reader *reader, const struct toml_node *table,
                        const char *prefix, const struct target *target)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct toml_node *node = &table->children[i];
        char name[NAME_SIZE];
        int size =
            snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", node->key);
        if (size < 0 || (size_t)size >= sizeof name)
            return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                             "unknown key '%.40s...': no option's name is that long",
                             name);
        if (read_option(reader, node, name, target))
            return -1;
    }
    return 0;
}

int grid_read_settings(struct grid_reader *reader, const struct toml_node *node,
                       void *settings)
{
    struct target target = {.settings = settings};

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    return read_options(reader, node, "", &target);
}

int grid_read_axes(struct grid_reader *reader, const struct toml_node *node, void *axes)
{
    struct target target = {.axes = axes};

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    return read_options(reader, node, "", &target);
}

int grid_read_zip_axes(struct grid_reader *reader, const struct toml_node *node,
                       struct grid_axes *axes)
{
    struct target target = {.axes = axes, .zipped = true};

    return read_options(reader, node, "", &target);
}

void grid_free_settings(struct grid_settings *set)
{
    for (size_t i = 0; i < set->count; i++)
        value_free(&set->items[i].value);
    free(set->items);
    *set = (struct grid_settings){0};
}

void grid_free_axes(struct grid_axes *axes)
{
    for (size_t i = 0; i < axes->count; i++)
        grid_free_settings(&axes->items[i].choices);
    free(axes->items);
    *axes = (struct grid_axes){0};
}
