/* [derive.NAME] tables: states made from others. Their other keys are options of a derive
 * job's spec under another name. */

#include "coordinator/grid_read.h"

#include "common/condition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DERIVES_MAX = 100 };

static int set_as(struct grid_reader *reader, const struct toml_node *node,
                  const char *option, struct grid_derive *derive)
{
    return grid_add_setting(reader, node, opt_find(JOB_DERIVE, option), node->key,
                            &derive->set);
}

static int read_kind(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return set_as(reader, node, "derive.kind", into);
}

static int read_from(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_state(reader, node, &((struct grid_derive *)into)->from);
}

static int read_only(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return set_as(reader, node, "derive.only", into);
}

static int read_seed(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return set_as(reader, node, "derive.seed", into);
}

static int read_noise(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return set_as(reader, node, "derive.noise", into);
}

/* ---- a point ----------------------------------------------------------------- */

static int read_probe(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    struct grid_derive *derive = into;

    derive->probe_place = grid_place_of(node);
    return grid_read_name(reader, node, true, &derive->probe);
}

static int read_run(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    struct grid_derive *derive = into;
    char *name = NULL;

    derive->run_place = grid_place_of(node);
    if (grid_read_name(reader, node, true, &name))
        return -1;
    (void)snprintf(derive->run, sizeof derive->run, "run:%s", name);
    free(name);
    return 0;
}

/* A metric of the curve, or where it is. */
static int read_alpha(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    static char VALUE[] = "value";
    struct toml_node value = *node;

    if (node->type == TOML_STRING && strcmp(node->string, VALUE) != 0)
        return set_as(reader, node, "derive.at", into);
    if (node->type != TOML_INT && node->type != TOML_REAL)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'alpha': expected a number, or one of \"alpha_star\","
                         " \"alpha_max\", \"bump_from\", \"bump_to\"");
    if (set_as(reader, node, "derive.alpha", into))
        return -1;
    value.type = TOML_STRING;
    value.string = VALUE;
    return set_as(reader, &value, "derive.at", into);
}

static int read_group(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return set_as(reader, node, "derive.group", into);
}

static int read_bn(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return set_as(reader, node, "derive.bn", into);
}

static int read_split(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return set_as(reader, node, "derive.split", into);
}

/* ---- where ------------------------------------------------------------------- */

static int bad_condition(struct grid_reader *reader, const struct toml_node *node,
                         const char *metric)
{
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key '%s': expected one of > >= < <= = and a number, such as"
                     " \">0.1\", or a list of those",
                     metric);
}

/* Sorted, each once. */
static int put_condition(struct grid_reader *reader, const struct toml_node *node,
                         const struct condition *condition, struct value *list)
{
    struct buf text = {0};
    struct value item;
    size_t at;
    int rc;

    condition_put(condition, &text);
    rc = text.failed ? err_set(reader->err, ERR_NO_MEMORY, "no memory for a condition")
                     : value_string(text.data, &item, reader->err);
    buf_free(&text);
    if (rc || value_push(list, item, reader->err))
        return -1;
    for (at = list->list.count - 1; at > 0; at--) {
        struct value *items = list->list.items;
        int order = strcmp(items[at - 1].string, items[at].string);
        if (order == 0)
            return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                             "key 'where': \"%s\" is there twice", items[at].string);
        if (order < 0)
            break;
        item = items[at];
        items[at] = items[at - 1];
        items[at - 1] = item;
    }
    return 0;
}

/* The conditions on one metric. */
static int read_metric(struct grid_reader *reader, const struct toml_node *node,
                       size_t metric, struct value *list)
{
    const char *name = condition_metrics()[metric];
    const bool many = node->type == TOML_ARRAY;
    const size_t count = many ? node->count : 1;
    struct condition condition = {.metric = metric};

    if (node->type == TOML_BOOL && strcmp(name, "monotone") == 0) {
        condition.is = IS_EQUAL;
        condition.number = node->boolean;
        return put_condition(reader, node, &condition, list);
    }
    for (size_t i = 0; i < count; i++) {
        const struct toml_node *one = many ? &node->children[i] : node;
        if (one->type != TOML_STRING || !condition_parse_rest(one->string, &condition))
            return bad_condition(reader, one, name);
        if (put_condition(reader, one, &condition, list))
            return -1;
    }
    return count > 0 ? 0 : bad_condition(reader, node, name);
}

static int unknown_metric(struct grid_reader *reader, const struct toml_node *node)
{
    const char *const *metrics = condition_metrics();
    const char *nearest = name_nearest(node->key, metrics);
    struct buf text = {0};

    for (size_t i = 0; metrics[i]; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", metrics[i]);
    if (nearest)
        buf_printf(&text, " (did you mean '%s'?)", nearest);
    grid_fail(reader, grid_place_of(node), ERR_INVALID,
              "unknown key '%s' in where: expected one of %s", node->key,
              text.data ? text.data : "");
    buf_free(&text);
    return -1;
}

static int read_metrics(struct grid_reader *reader, const struct toml_node *node,
                        struct value *list)
{
    const char *const *metrics = condition_metrics();

    for (size_t i = 0; i < node->count; i++) {
        const struct toml_node *child = &node->children[i];
        size_t metric = 0;
        while (metrics[metric] && strcmp(metrics[metric], child->key) != 0)
            metric++;
        if (!metrics[metric])
            return unknown_metric(reader, child);
        if (read_metric(reader, child, metric, list))
            return -1;
    }
    return 0;
}

static int read_where(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    struct grid_derive *derive = into;
    struct value list = value_list();
    struct grid_setting *item;

    if (node->type != TOML_TABLE || node->count == 0)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'where': expected a table of conditions, such as"
                         " { interior_bump = \">0.1\" }");
    if (read_metrics(reader, node, &list)) {
        value_free(&list);
        return -1;
    }
    item = grid_grow(reader, &derive->set.items, &derive->set.count, sizeof *item);
    if (!item) {
        value_free(&list);
        return -1;
    }
    *item = (struct grid_setting){opt_find(JOB_DERIVE, "derive.where"), list,
                                  grid_place_of(node)};
    return 0;
}

/* ---- groups ------------------------------------------------------------------ */

static int read_source(struct grid_reader *reader, const struct toml_node *node,
                       struct grid_derive *derive)
{
    struct grid_source *source =
        grid_grow(reader, &derive->sources, &derive->source_count, sizeof *source);

    if (!source)
        return -1;
    source->place = grid_place_of(node);
    source->group = strdup(node->key);
    if (!source->group)
        return err_set(reader->err, ERR_NO_MEMORY, "%s: no memory", reader->file);
    return grid_read_state(reader, node, &source->state);
}

/* A list of them; or, of a mix, a table that tells where each comes from. */
static int read_groups(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    struct grid_derive *derive = into;

    derive->groups_place = grid_place_of(node);
    if (node->type == TOML_ARRAY && node->count > 0)
        return set_as(reader, node, "derive.groups", derive);
    if (node->type != TOML_TABLE || node->count == 0)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'groups': expected a list of groups, or of a mix a table"
                         " such as { B1 = \"run:NAME:STATE\" }");
    for (size_t i = 0; i < node->count; i++)
        if (read_source(reader, &node->children[i], derive))
            return -1;
    return 0;
}

/* ---- the table --------------------------------------------------------------- */

static const struct grid_field FIELDS[] = {
    {"kind", read_kind},   {"from", read_from},   {"groups", read_groups},
    {"only", read_only},   {"norm", read_noise},  {"seed", read_seed},
    {"probe", read_probe}, {"alpha", read_alpha}, {"group", read_group},
    {"bn", read_bn},       {"split", read_split}, {"where", read_where},
    {"run", read_run},     {NULL, NULL},
};

enum { POINT = 1, MIX = 2, RESET = 4, NOISE = 8, PERMUTE = 16 };

static const struct {
    const char *name;
    unsigned kind;
} KINDS[] = {{"point", POINT},
             {"mix", MIX},
             {"reset", RESET},
             {"noise", NOISE},
             {"permute", PERMUTE}};

/* Which keys go with which kinds; needed: where they must be. */
static const struct {
    const char *key;
    unsigned kinds, needed;
} KEYS[] = {
    {"from", MIX | RESET | NOISE | PERMUTE, MIX | RESET | NOISE | PERMUTE},
    {"groups", MIX | RESET | NOISE, MIX},
    {"only", RESET, 0},
    {"norm", NOISE, NOISE},
    {"seed", RESET | NOISE | PERMUTE, 0},
    {"probe", POINT, POINT},
    {"alpha", POINT, 0},
    {"group", POINT, 0},
    {"bn", POINT, 0},
    {"split", POINT, 0},
    {"where", POINT, 0},
    {"run", POINT, 0},
};

static const struct toml_node *find_key(const struct toml_node *table, const char *key)
{
    return table->type == TOML_TABLE ? toml_get(table, key) : NULL;
}

static int not_here(struct grid_reader *reader, const struct toml_node *node,
                    unsigned kinds, const char *name)
{
    struct buf names = {0};

    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (kinds & KINDS[i].kind)
            buf_printf(&names, "%s%s", names.size ? " or " : "", KINDS[i].name);
    grid_fail(reader, grid_place_of(node), ERR_INVALID,
              "key '%s' of [%s]: applies only where kind is %s", node->key, name,
              names.data ? names.data : "another");
    buf_free(&names);
    return -1;
}

/* A mix has a table of groups, the others a list. */
static int check_groups(struct grid_reader *reader, const struct grid_derive *derive,
                        unsigned kind)
{
    const bool table = derive->source_count > 0;

    if (derive->groups_place.line == 0 || table == (kind == MIX))
        return 0;
    return grid_fail(reader, derive->groups_place, ERR_INVALID,
                     "key 'groups' of [derive.%s]: expected %s", derive->name + 7,
                     table ? "a list of groups"
                           : "a table such as { B1 = \"run:NAME:STATE\" }");
}

static int check_keys(struct grid_reader *reader, const struct toml_node *table,
                      const struct grid_derive *derive)
{
    const struct grid_setting *setting = grid_find(&derive->set, "derive.kind");
    unsigned kind = 0;
    char where[96];

    (void)snprintf(where, sizeof where, "derive.%s", derive->name + 7);
    if (!setting)
        return grid_fail(reader, derive->label.place, ERR_INVALID,
                         "key 'kind' of [%s] is missing: expected one of \"point\","
                         " \"mix\", \"reset\", \"noise\", \"permute\"",
                         where);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(KINDS[i].name, setting->value.string) == 0)
            kind = KINDS[i].kind;
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        const struct toml_node *node = find_key(table, KEYS[i].key);
        if (node && !(KEYS[i].kinds & kind))
            return not_here(reader, node, KEYS[i].kinds, where);
        if (!node && (KEYS[i].needed & kind))
            return grid_fail(reader, derive->label.place, ERR_INVALID,
                             "key '%s' of [%s] is missing", KEYS[i].key, where);
    }
    return check_groups(reader, derive, kind);
}

static int read_name(struct grid_reader *reader, const struct toml_node *node,
                     struct grid_derive *derive)
{
    struct toml_node key = *node;
    char *name = NULL;
    int size;

    key.type = TOML_STRING;
    key.string = node->key;
    if (grid_read_name(reader, &key, true, &name))
        return -1;
    size = asprintf(&derive->name, "derive:%s", name);
    free(name);
    if (size < 0) {
        derive->name = NULL;
        return err_set(reader->err, ERR_NO_MEMORY, "%s: no memory", reader->file);
    }
    return 0;
}

static int read_derive(struct grid_reader *reader, const struct toml_node *node,
                       struct grid *grid)
{
    struct grid_derive *derive =
        grid_grow(reader, &grid->derives, &grid->derive_count, sizeof *derive);
    char where[96];

    if (!derive)
        return -1;
    derive->label.place = grid_place_of(node);
    if (read_name(reader, node, derive))
        return -1;
    derive->label.name = derive->name;
    derive->label.role = "";
    derive->label.upstream = true;
    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    (void)snprintf(where, sizeof where, "[derive.%s]", node->key);
    if (grid_read_fields(reader, node, FIELDS, where, derive))
        return -1;
    return check_keys(reader, node, derive);
}

int grid_read_derives(struct grid_reader *reader, const struct toml_node *node,
                      void *grid)
{
    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "[derive.NAME] tables");
    if (node->count > DERIVES_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "more than %d derived states", DERIVES_MAX);
    for (size_t i = 0; i < node->count; i++)
        if (read_derive(reader, &node->children[i], grid))
            return -1;
    return 0;
}

const struct grid_derive *grid_derive_of(const struct grid *grid, const char *text)
{
    for (size_t i = 0; i < grid->derive_count; i++)
        if (strcmp(grid->derives[i].name, text) == 0)
            return &grid->derives[i];
    return NULL;
}

void grid_free_derives(struct grid *grid)
{
    for (size_t i = 0; i < grid->derive_count; i++) {
        struct grid_derive *derive = &grid->derives[i];
        for (size_t s = 0; s < derive->source_count; s++)
            free(derive->sources[s].group);
        free(derive->sources);
        free(derive->probe);
        free(derive->name);
        grid_free_settings(&derive->set);
    }
    free(grid->derives);
}
