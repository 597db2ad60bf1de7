/* What [[probe]] tables say of alphas beyond the grid, refine and adapt, and of how many
 * parts one is cut into. */

#include "coordinator/grid_read.h"

#include "common/part.h"

#include <string.h>

/* Points that adapt may ask for, unless told. */
enum { ADAPT_MOST = 100 };

/* ---- refine ------------------------------------------------------------------- */

/* The keys of a refinement, as they lie in a value of probe.refine. */
enum { NEAR, COUNT, WIDTH, PARTS };

struct refinement {
    struct grid_setting parts[PARTS]; /* opt NULL: not given */
};

static int read_part(struct grid_reader *reader, const struct toml_node *node,
                     struct grid_setting *part)
{
    static const struct opt ANY = {.type = OPT_REAL, .min = -1e300, .max = 1e300};
    static const struct opt ABOVE = {.type = OPT_REAL, .max = 1e300, .above_min = true};
    const struct opt *refine = opt_find(JOB_PROBE, "probe.refine");
    const struct opt count = {.type = OPT_INT, .min = refine->min, .max = refine->max};
    const bool n = strcmp(node->key, "n") == 0, near = strcmp(node->key, "near") == 0;

    return grid_read_value(reader, node,
                           n      ? &count
                           : near ? &ANY
                                  : &ABOVE,
                           node->key, part);
}

static int read_near(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return read_part(reader, node, &((struct refinement *)into)->parts[NEAR]);
}

static int read_count(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return read_part(reader, node, &((struct refinement *)into)->parts[COUNT]);
}

static int read_width(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return read_part(reader, node, &((struct refinement *)into)->parts[WIDTH]);
}

/* [near, n, width]: numbers, which nobody owns. */
static int push_triple(const struct refinement *made, struct value *list,
                       struct error *err)
{
    struct value triple = value_list();

    for (int i = NEAR; i < PARTS; i++)
        if (value_push(&triple, made->parts[i].value, err)) {
            value_free(&triple);
            return -1;
        }
    return value_push(list, triple, err);
}

/* One table, to the list; without a width it reaches a step of the grid: 0. */
static int add_refinement(struct grid_reader *reader, const struct toml_node *node,
                          struct value *list)
{
    static const struct grid_field FIELDS[] = {
        {"near", read_near},
        {"n", read_count},
        {"width", read_width},
        {NULL, NULL},
    };
    struct refinement made = {0};
    int rc = -1;

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "{ near = ..., n = ..., width = ... }");
    if (grid_read_fields(reader, node, FIELDS, "refine", &made))
        goto done;
    for (int i = NEAR; i <= COUNT; i++)
        if (!made.parts[i].opt) {
            grid_fail(reader, grid_place_of(node), ERR_INVALID,
                      "key '%s' of refine is missing", FIELDS[i].key);
            goto done;
        }
    if (!made.parts[WIDTH].opt)
        made.parts[WIDTH].value = value_real(0);
    rc = push_triple(&made, list, reader->err);

done:
    for (int i = NEAR; i < PARTS; i++)
        value_free(&made.parts[i].value);
    return rc;
}

int grid_read_refine(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    struct grid_probe *probe = into;
    struct grid_setting *item;
    struct value list = value_list();
    int rc = 0;

    if (node->type == TOML_ARRAY)
        for (size_t i = 0; i < node->count && rc == 0; i++)
            rc = add_refinement(reader, &node->children[i], &list);
    else
        rc = add_refinement(reader, node, &list);
    item =
        rc ? NULL : grid_grow(reader, &probe->set.items, &probe->set.count, sizeof *item);
    if (!item) {
        value_free(&list);
        return -1;
    }
    item->opt = opt_find(JOB_PROBE, "probe.refine");
    item->place = grid_place_of(node);
    item->value = list;
    return opt_check(item->opt, &item->value, reader->err)
               ? grid_fail_key(reader, item->place, "refine")
               : 0;
}

/* ---- adapt -------------------------------------------------------------------- */

static int read_tolerance(struct grid_reader *reader, const struct toml_node *node,
                          void *into)
{
    return grid_add_setting(reader, node, opt_find(JOB_PROBE, "probe.adapt.tolerance"),
                            node->key, &((struct grid_probe *)into)->set);
}

static int read_most(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_add_setting(reader, node, opt_find(JOB_PROBE, "probe.adapt.most"),
                            node->key, &((struct grid_probe *)into)->set);
}

int grid_read_adapt(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    static const struct grid_field FIELDS[] = {
        {"tolerance", read_tolerance},
        {"most", read_most},
        {NULL, NULL},
    };
    struct grid_probe *probe = into;
    struct grid_setting *item;

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    if (grid_read_fields(reader, node, FIELDS, "adapt", probe))
        return -1;
    if (grid_find(&probe->set, "probe.adapt.most"))
        return 0;
    item = grid_grow(reader, &probe->set.items, &probe->set.count, sizeof *item);
    if (!item)
        return -1;
    item->opt = opt_find(JOB_PROBE, "probe.adapt.most");
    item->place = grid_place_of(node);
    item->value = value_int(ADAPT_MOST);
    return 0;
}

/* ---- split -------------------------------------------------------------------- */

int grid_read_split(struct grid_reader *reader, const struct toml_node *node, void *probe)
{
    static const struct opt COUNT_OF = {.type = OPT_INT, .min = 1, .max = PARTS_MAX};
    struct grid_probe *made = probe;
    struct grid_setting count = {0};

    made->split_place = grid_place_of(node);
    if (node->type == TOML_STRING && strcmp(node->string, "auto") == 0) {
        made->split = GRID_SPLIT_AUTO;
        return 0;
    }
    if (node->type != TOML_INT)
        return grid_fail_type(reader, node, "a count of parts or \"auto\"");
    if (grid_read_value(reader, node, &COUNT_OF, node->key, &count))
        return -1;
    made->split = (int)count.value.integer;
    value_free(&count.value);
    return 0;
}
