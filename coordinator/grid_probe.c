/* [[probe]] tables. Most keys of a probe are options of its spec under another
 * name; one table says which. */

#include "coordinator/grid_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_as(struct grid_reader *reader, const struct toml_node *node,
                  const char *option, struct grid_probe *probe)
{
    const struct opt *opt = opt_find(JOB_PROBE, option);
    return grid_add_setting(reader, node, opt, node->key, &probe->set);
}

static int read_probe_name(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    return grid_read_name(reader, node, true, &((struct grid_probe *)into)->name);
}

/* Between runs is not another computation: the worker's kinds are path, layers and
 * plane, and groups tell which of the first two (check_kind). */
static int read_kind(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    static const char *const WORDS[] = {"path", "layers", "between", "plane", NULL};
    const struct opt words = {.type = OPT_NAME, .names = WORDS};
    struct grid_setting word = {0};
    struct grid_probe *probe = into;
    int rc = grid_read_value(reader, node, &words, node->key, &word);

    probe->kind_place = grid_place_of(node);
    for (size_t i = 0; rc == 0 && WORDS[i]; i++)
        if (strcmp(WORDS[i], word.value.string) == 0)
            probe->kind = WORDS[i];
    value_free(&word.value);
    return rc;
}

/* ---- pairs ------------------------------------------------------------------- */

static int read_side_a(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    return grid_read_side(reader, node, &((struct grid_probe *)into)->a);
}

static int read_side_b(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    return grid_read_side(reader, node, &((struct grid_probe *)into)->b);
}

static int read_pairs(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    static const struct grid_field FIELDS[] = {
        {"a", read_side_a},
        {"b", read_side_b},
        {NULL, NULL},
    };
    struct grid_probe *probe = into;

    probe->pairs_place = grid_place_of(node);
    if (node->type == TOML_STRING && strcmp(node->string, "seeds") == 0)
        return 0;
    if (node->type != TOML_TABLE)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'pairs': expected \"seeds\" or { a = {...}, b = {...} }");
    if (grid_read_fields(reader, node, FIELDS, "pairs", probe))
        return -1;
    if (probe->a.place.line && probe->b.place.line)
        return 0;
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key '%s' of pairs is missing", probe->a.place.line ? "b" : "a");
}

/* ---- from, to, third --------------------------------------------------------- */

static int read_from(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_state(reader, node, &((struct grid_probe *)into)->from);
}

static int read_to(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_state(reader, node, &((struct grid_probe *)into)->to);
}

static int read_third(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return grid_read_state(reader, node, &((struct grid_probe *)into)->third);
}

/* ---- alphas ------------------------------------------------------------------ */

static int read_alphas_from(struct grid_reader *reader, const struct toml_node *node,
                            void *into)
{
    return set_as(reader, node, "probe.from", into);
}

static int read_alphas_to(struct grid_reader *reader, const struct toml_node *node,
                          void *into)
{
    return set_as(reader, node, "probe.to", into);
}

static int read_alphas_n(struct grid_reader *reader, const struct toml_node *node,
                         void *into)
{
    if (node->type != TOML_INT)
        return grid_fail_type(reader, node, "a count of at least 2");
    return set_as(reader, node, "probe.alphas", into);
}

static int read_alphas(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    static const struct grid_field FIELDS[] = {
        {"from", read_alphas_from},
        {"to", read_alphas_to},
        {"n", read_alphas_n},
        {NULL, NULL},
    };
    struct grid_probe *probe = into;

    if (node->type != TOML_TABLE)
        return set_as(reader, node, "probe.alphas", probe);
    if (grid_read_fields(reader, node, FIELDS, "alphas", probe))
        return -1;
    if (!grid_find(&probe->set, "probe.alphas"))
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'n' of alphas is missing");
    return 0;
}

/* ---- groups ------------------------------------------------------------------ */

static int add_group(struct grid_reader *reader, const struct toml_node *node,
                     struct grid_probe *probe)
{
    struct grid_settings *list = &probe->groups.list;
    struct grid_setting *item;

    if (node->type != TOML_STRING || !*node->string)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'groups': expected a group such as \"fc1\" or"
                         " \"conv1+fc2\"");
    item = grid_grow(reader, &list->items, &list->count, sizeof *item);
    if (!item)
        return -1;
    item->opt = opt_find(JOB_PROBE, "probe.groups");
    item->place = grid_place_of(node);
    return value_string(node->string, &item->value, reader->err);
}

static int read_groups(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    static const char *const WORDS[] = {"blocks", "layers", NULL};
    const struct opt words = {.type = OPT_NAME, .names = WORDS};
    struct grid_setting word = {0};
    struct grid_probe *probe = into;
    int rc;

    if (node->type == TOML_ARRAY) {
        if (node->count == 0)
            return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                             "key 'groups': expected at least one group");
        for (size_t i = 0; i < node->count; i++)
            if (add_group(reader, &node->children[i], probe))
                return -1;
        return 0;
    }
    if (node->type != TOML_STRING)
        return grid_fail_type(reader, node, "\"blocks\", \"layers\" or a list of groups");
    rc = grid_read_value(reader, node, &words, node->key, &word);
    probe->groups.named = rc == 0;
    probe->groups.blocks = rc == 0 && strcmp(word.value.string, "blocks") == 0;
    value_free(&word.value);
    return rc;
}

/* ---- the rest ---------------------------------------------------------------- */

static int read_bn(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    if (node->type == TOML_ARRAY && node->count == 0)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'bn': expected at least one way");
    return set_as(reader, node, "probe.bn", into);
}

static int read_classes(struct grid_reader *reader, const struct toml_node *node,
                        void *into)
{
    return set_as(reader, node, "probe.classes", into);
}

static int read_examples(struct grid_reader *reader, const struct toml_node *node,
                         void *into)
{
    return set_as(reader, node, "probe.examples", into);
}

static int read_trajectory(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    return set_as(reader, node, "probe.trajectory", into);
}

static int read_tolerance(struct grid_reader *reader, const struct toml_node *node,
                          void *into)
{
    return set_as(reader, node, "probe.tolerance", into);
}

static int read_start(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    return set_as(reader, node, "probe.start", into);
}

static int read_start_seed(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    return set_as(reader, node, "probe.start_seed", into);
}

static int read_directions(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    return set_as(reader, node, "probe.directions", into);
}

static int read_seed(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return set_as(reader, node, "probe.seed", into);
}

static int read_split_train(struct grid_reader *reader, const struct toml_node *node,
                            void *into)
{
    return set_as(reader, node, "probe.splits.train", into);
}

static int read_split_test(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    return set_as(reader, node, "probe.splits.test", into);
}

static int read_split_bn(struct grid_reader *reader, const struct toml_node *node,
                         void *into)
{
    return set_as(reader, node, "probe.splits.bn", into);
}

static int read_splits(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    static const struct grid_field FIELDS[] = {
        {"train", read_split_train},
        {"test", read_split_test},
        {"bn", read_split_bn},
        {NULL, NULL},
    };

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    return grid_read_fields(reader, node, FIELDS, "splits", into);
}

static const struct grid_field PROBE_FIELDS[] = {
    {"name", read_probe_name},
    {"kind", read_kind},
    {"from", read_from},
    {"to", read_to},
    {"alphas", read_alphas},
    {"groups", read_groups},
    {"bn", read_bn},
    {"splits", read_splits},
    {"tolerance", read_tolerance},
    {"classes", read_classes},
    {"examples", read_examples},
    {"trajectory", read_trajectory},
    {"refine", grid_read_refine},
    {"adapt", grid_read_adapt},
    {"pairs", read_pairs},
    {"start", read_start},
    {"start_seed", read_start_seed},
    {"third", read_third},
    {"directions", read_directions},
    {"seed", read_seed},
    {"xs", grid_read_xs},
    {"ys", grid_read_ys},
    {"split", grid_read_split},
    {NULL, NULL},
};

/* Groups or none decide which of the worker's kinds a path between runs is. */
static int set_kind(struct grid_reader *reader, struct grid_probe *probe)
{
    struct grid_setting *item =
        grid_grow(reader, &probe->set.items, &probe->set.count, sizeof *item);
    bool groups = probe->groups.named || probe->groups.list.count > 0;
    const char *kind = probe->kind;

    if (!item)
        return -1;
    if (strcmp(kind, "between") == 0)
        kind = groups ? "layers" : "path";
    item->opt = opt_find(JOB_PROBE, "probe.kind");
    item->place = probe->kind_place;
    return value_string(kind, &item->value, reader->err);
}

static int check_kind(struct grid_reader *reader, struct grid_probe *made)
{
    if (grid_check_ends(reader, made))
        return -1;
    if (strcmp(made->kind, "layers") == 0 && made->groups.list.count == 0)
        made->groups.named = true;
    return set_kind(reader, made);
}

static int check_probe(struct grid_reader *reader, const struct grid *grid,
                       struct grid_probe *made)
{
    if (!made->name || !made->kind)
        return grid_fail(reader, made->place, ERR_INVALID,
                         made->name
                             ? "key 'kind' of [[probe]] is missing: expected one of"
                               " \"path\", \"layers\", \"between\", \"plane\""
                             : "key 'name' of [[probe]] is missing");
    for (const struct grid_probe *other = grid->probes; other < made; other++)
        if (strcmp(other->name, made->name) == 0)
            return grid_fail(reader, made->place, ERR_INVALID,
                             "probe '%s' is there twice, first in line %d", made->name,
                             other->place.line);
    return check_kind(reader, made);
}

/* Add what the table calls itself to the error that is there; -1. */
static int fail_in(struct grid_reader *reader, const struct toml_node *table)
{
    struct error *err = reader->err, old;

    for (size_t i = 0; i < table->count && err; i++) {
        const struct toml_node *node = &table->children[i];
        if (strcmp(node->key, "name") != 0 || node->type != TOML_STRING ||
            strstr(err->text, "probe '"))
            continue;
        old = *err;
        err_set(err, old.code, "%s (probe '%s')", old.text, node->string);
    }
    return -1;
}

static int add_probe(struct grid_reader *reader, const struct toml_node *node,
                     struct grid *grid)
{
    struct grid_probe *made =
        grid_grow(reader, &grid->probes, &grid->probe_count, sizeof *made);

    if (!made)
        return -1;
    made->split = 1;
    made->place = made->from.place = made->to.place = grid_place_of(node);
    (void)snprintf(made->to.state, sizeof made->to.state, "final");
    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    if (grid_read_fields(reader, node, PROBE_FIELDS, "[[probe]]", made))
        return fail_in(reader, node);
    return check_probe(reader, grid, made);
}

int grid_read_probes(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    enum { PROBES_MAX = 1000 };

    if (node->type != TOML_ARRAY)
        return grid_fail_type(reader, node, "[[probe]] tables");
    if (node->count > PROBES_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID, "more than %d probes",
                         PROBES_MAX);
    for (size_t i = 0; i < node->count; i++)
        if (add_probe(reader, &node->children[i], grid))
            return -1;
    return 0;
}
