#include "coordinator/grid_read.h"

#include <stdlib.h>
#include <string.h>

/* Names and seeds are compared each with each, and every point looks for its
 * intervention; these bounds keep that quick. A grid that needs more has gone
 * wrong. */
enum { INTERVENTIONS_MAX = 1000, SEEDS_MAX = 10000 };

/* A month per attempt: longer is a mistyped number. */
enum { TIME_LIMIT_S_MAX = 31 * 24 * 3600 };

#define EXACT_MAX 9007199254740992 /* 2^53: exact as a double, as seeds must be */

/* ---- [sweep] and [limits] ---------------------------------------------------- */

struct range {
    int64_t min, max;
};

/* key: the node's own, or that of the list it is in. */
static int read_int(struct grid_reader *reader, const struct toml_node *node,
                    const char *key, struct range range, int64_t *ret)
{
    if (node->type != TOML_INT)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': expected an integer, got %s", key,
                         toml_type_name(node->type));
    if (node->integer < range.min || node->integer > range.max)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key '%s': expected an integer from %lld to %lld, got %lld", key,
                         (long long)range.min, (long long)range.max,
                         (long long)node->integer);
    *ret = node->integer;
    return 0;
}

static int read_sweep_name(struct grid_reader *reader, const struct toml_node *node,
                           void *into)
{
    struct grid *grid = into;

    if (grid_read_name(reader, node, false, &grid->name))
        return -1;
    if (strcmp(grid->name, "last") != 0)
        return 0;
    return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                     "key 'name': \"last\" means the sweep submitted last: expected"
                     " another name");
}

static int add_seed(struct grid_reader *reader, struct grid *grid, int64_t seed)
{
    int64_t *item = grid_grow(reader, &grid->seeds, &grid->seed_count, sizeof *item);

    if (!item)
        return -1;
    *item = seed;
    return 0;
}

static int read_seed_list(struct grid_reader *reader, const struct toml_node *node,
                          struct grid *grid)
{
    if (node->count < 1 || node->count > SEEDS_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'seeds': expected 1 to %d seeds, got %zu", SEEDS_MAX,
                         node->count);
    for (size_t i = 0; i < node->count; i++) {
        const struct toml_node *item = &node->children[i];
        int64_t seed = 0;
        if (read_int(reader, item, node->key, (struct range){0, EXACT_MAX}, &seed))
            return -1;
        for (size_t j = 0; j < grid->seed_count; j++)
            if (grid->seeds[j] == seed)
                return grid_fail(reader, grid_place_of(item), ERR_INVALID,
                                 "key 'seeds': seed %lld is there twice",
                                 (long long)seed);
        if (add_seed(reader, grid, seed))
            return -1;
    }
    return 0;
}

static int read_seeds(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    struct grid *grid = into;
    int64_t count = 0;

    if (node->type == TOML_ARRAY)
        return read_seed_list(reader, node, grid);
    if (node->type != TOML_INT)
        return grid_fail_type(reader, node, "a count or a list of integers");
    if (read_int(reader, node, node->key, (struct range){1, SEEDS_MAX}, &count))
        return -1;
    for (int64_t seed = 0; seed < count; seed++)
        if (add_seed(reader, grid, seed))
            return -1;
    return 0;
}

/* One of a list of words; the index is the answer. */
static int read_word(struct grid_reader *reader, const struct toml_node *node,
                     const char *const *words, const char **ret)
{
    const struct opt opt = {.type = OPT_NAME, .names = words};
    struct grid_setting setting = {0};

    if (grid_read_value(reader, node, &opt, node->key, &setting)) {
        value_free(&setting.value);
        return -1;
    }
    for (; *words; words++)
        if (strcmp(*words, setting.value.string) == 0)
            *ret = *words;
    value_free(&setting.value);
    return 0;
}

static int read_seed_policy(struct grid_reader *reader, const struct toml_node *node,
                            void *into)
{
    static const char *const WORDS[] = {"shared", "independent", NULL};
    const char *word = NULL;

    if (read_word(reader, node, WORDS, &word))
        return -1;
    ((struct grid *)into)->seeds_independent = word == WORDS[1];
    return 0;
}

static int read_max_running(struct grid_reader *reader, const struct toml_node *node,
                            void *into)
{
    int64_t *max = &((struct grid *)into)->max_running;

    return read_int(reader, node, node->key, (struct range){0, 1000000}, max);
}

static int read_sweep(struct grid_reader *reader, const struct toml_node *node,
                      void *into)
{
    static const struct grid_field FIELDS[] = {
        {"name", read_sweep_name},
        {"seeds", read_seeds},
        {"seed_policy", read_seed_policy},
        {"max_running", read_max_running},
        {"priority", grid_read_priority},
        {"cores", grid_read_cores},
        {"memory", grid_read_memory},
        {"labels", grid_read_labels},
        {"retries", grid_read_retries},
        {"stop", grid_read_stop},
        {NULL, NULL},
    };
    struct grid *grid = into;

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    if (grid_read_fields(reader, node, FIELDS, "[sweep]", grid))
        return -1;
    if (!grid->name)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "key 'name' of [sweep] is missing: results are found by it");
    return 0;
}

static int read_time(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    int64_t time_s = 0;

    if (read_int(reader, node, node->key, (struct range){0, TIME_LIMIT_S_MAX}, &time_s))
        return -1;
    ((struct grid *)into)->time_limit_s = (uint32_t)time_s;
    return 0;
}

static int read_limits(struct grid_reader *reader, const struct toml_node *node,
                       void *into)
{
    static const struct grid_field FIELDS[] = {
        {"time", read_time},
        {NULL, NULL},
    };

    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    return grid_read_fields(reader, node, FIELDS, "[limits]", into);
}

/* ---- [base], [axes], [[intervention]] ---------------------------------------- */

static int read_base(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_settings(reader, node, &((struct grid *)into)->base);
}

static int read_grid_axes(struct grid_reader *reader, const struct toml_node *node,
                          void *into)
{
    return grid_read_axes(reader, node, &((struct grid *)into)->axes);
}

static int read_intervention_name(struct grid_reader *reader,
                                  const struct toml_node *node, void *into)
{
    return grid_read_name(reader, node, true, &((struct grid_intervention *)into)->name);
}

static int read_role(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    static const char *const ROLES[] = {"init", "data", "optimizer", "model", NULL};
    return read_word(reader, node, ROLES, &((struct grid_intervention *)into)->role);
}

static int read_set(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_settings(reader, node, &((struct grid_intervention *)into)->set);
}

static int read_own_axes(struct grid_reader *reader, const struct toml_node *node,
                         void *into)
{
    return grid_read_axes(reader, node, &((struct grid_intervention *)into)->axes);
}

static const struct grid_field INTERVENTION_FIELDS[] = {
    {"name", read_intervention_name}, {"role", read_role}, {"set", read_set},
    {"axes", read_own_axes},          {NULL, NULL},
};

/* What an intervention needs, once all of it is read. */
static int check_intervention(struct grid_reader *reader, const struct grid *grid,
                              const struct grid_intervention *made)
{
    if (!made->name)
        return grid_fail(reader, made->place, ERR_INVALID,
                         "key 'name' of [[intervention]] is missing");
    if (!*made->role)
        return grid_fail(reader, made->place, ERR_INVALID,
                         "key 'role' of [[intervention]] is missing: expected one of"
                         " \"init\", \"data\", \"optimizer\", \"model\"");
    if (made->set.count + made->axes.count == 0)
        return grid_fail(reader, made->place, ERR_INVALID,
                         "intervention '%s' changes nothing: expected 'set' or 'axes'",
                         made->name);
    if (strcmp(made->name, "baseline") == 0)
        return grid_fail(reader, made->place, ERR_INVALID,
                         "intervention 'baseline' is implied: expected another name");
    for (const struct grid_intervention *other = grid->interventions; other < made;
         other++)
        if (strcmp(other->name, made->name) == 0)
            return grid_fail(reader, made->place, ERR_INVALID,
                             "intervention '%s' is there twice, first in line %d",
                             made->name, other->place.line);
    return 0;
}

static int add_intervention(struct grid_reader *reader, const struct toml_node *node,
                            struct grid *grid)
{
    struct grid_intervention *made =
        grid_grow(reader, &grid->interventions, &grid->intervention_count, sizeof *made);
    if (!made)
        return -1;
    made->role = "";
    made->place = grid_place_of(node);
    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    if (grid_read_fields(reader, node, INTERVENTION_FIELDS, "[[intervention]]", made))
        return -1;
    return check_intervention(reader, grid, made);
}

static int read_interventions(struct grid_reader *reader, const struct toml_node *node,
                              void *into)
{
    if (node->type != TOML_ARRAY)
        return grid_fail_type(reader, node, "[[intervention]] tables");
    if (node->count > INTERVENTIONS_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID,
                         "more than %d interventions", INTERVENTIONS_MAX);
    for (size_t i = 0; i < node->count; i++)
        if (add_intervention(reader, &node->children[i], into))
            return -1;
    return 0;
}

/* ---- the whole --------------------------------------------------------------- */

static const struct grid_field TOP_FIELDS[] = {
    {"sweep", read_sweep},           {"base", read_base},
    {"axes", read_grid_axes},        {"intervention", read_interventions},
    {"probe", grid_read_probes},     {"limits", read_limits},
    {"zip", grid_read_zips},         {"exclude", grid_read_excludes},
    {"include", grid_read_includes}, {"run", grid_read_runs},
    {"derive", grid_read_derives},   {NULL, NULL},
};

static int read_grid(struct grid_reader *reader, const struct toml_node *root,
                     struct grid *grid)
{
    struct grid_intervention *baseline = grid_grow(
        reader, &grid->interventions, &grid->intervention_count, sizeof *baseline);

    if (!baseline)
        return -1;
    baseline->name = strdup("baseline");
    baseline->role = "";
    if (!baseline->name)
        return err_set(reader->err, ERR_NO_MEMORY, "%s: no memory", reader->file);
    if (grid_read_fields(reader, root, TOP_FIELDS, "the grid", grid))
        return -1;
    if (!grid->name)
        return grid_fail(reader, grid_place_of(root), ERR_INVALID,
                         "table [sweep] with the sweep's name is missing");
    if (grid->seed_count == 0 && add_seed(reader, grid, 0))
        return -1;
    return grid_check_points(reader, grid);
}

struct grid *grid_parse(const char *text, size_t size, const char *file,
                        struct error *err)
{
    struct grid_reader reader = {file, err};
    struct toml_node *root = toml_parse(text, size, file, err);
    struct grid *grid = NULL;

    if (!root)
        return NULL;
    grid = calloc(1, sizeof *grid);
    if (grid)
        grid->file = strdup(file);
    if (!grid || !grid->file) {
        err_set(err, ERR_NO_MEMORY, "%s: no memory", file);
        grid_free(&grid);
    } else if (read_grid(&reader, root, grid))
        grid_free(&grid);
    toml_free(&root);
    return grid;
}

static void free_probe(struct grid_probe *probe)
{
    free(probe->name);
    grid_free_side(&probe->a);
    grid_free_side(&probe->b);
    grid_free_settings(&probe->set);
    grid_free_settings(&probe->groups.list);
}

void grid_free(struct grid **grid_p)
{
    struct grid *grid = grid_p ? *grid_p : NULL;

    if (!grid)
        return;
    for (size_t i = 0; i < grid->intervention_count; i++) {
        free(grid->interventions[i].name);
        grid_free_settings(&grid->interventions[i].set);
        grid_free_axes(&grid->interventions[i].axes);
    }
    for (size_t i = 0; i < grid->probe_count; i++)
        free_probe(&grid->probes[i]);
    grid_free_points(grid);
    grid_free_runs(grid);
    grid_free_derives(grid);
    grid_free_settings(&grid->base);
    grid_free_axes(&grid->axes);
    free(grid->interventions);
    free(grid->probes);
    free(grid->seeds);
    free(grid->name);
    free(grid->file);
    free(grid);
    *grid_p = NULL;
}
