/* [run.NAME] tables: runs that points start from. */

#include "coordinator/grid_read.h"

#include "common/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 100 };

static int read_set(struct grid_reader *reader, const struct toml_node *node, void *into)
{
    return grid_read_settings(reader, node, &((struct grid_intervention *)into)->set);
}

/* The key is the name, and obeys what names obey. */
static int read_name(struct grid_reader *reader, const struct toml_node *node,
                     struct grid_intervention *run)
{
    struct toml_node key = *node;
    char *name = NULL, *label;

    key.type = TOML_STRING;
    key.string = node->key;
    if (grid_read_name(reader, &key, true, &name))
        return -1;
    if (asprintf(&label, "run:%s", name) < 0)
        label = NULL;
    free(name);
    run->name = label;
    return label ? 0 : err_set(reader->err, ERR_NO_MEMORY, "no memory for a grid");
}

static int read_run(struct grid_reader *reader, const struct toml_node *node,
                    struct grid *grid)
{
    static const struct grid_field FIELDS[] = {
        {"set", read_set},
        {NULL, NULL},
    };
    struct grid_intervention *run =
        grid_grow(reader, &grid->runs, &grid->run_count, sizeof *run);
    char where[96];

    if (!run)
        return -1;
    run->role = "";
    run->upstream = true;
    run->place = grid_place_of(node);
    if (read_name(reader, node, run))
        return -1;
    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "a table");
    (void)snprintf(where, sizeof where, "[run.%s]", node->key);
    return grid_read_fields(reader, node, FIELDS, where, run);
}

int grid_read_runs(struct grid_reader *reader, const struct toml_node *node, void *grid)
{
    if (node->type != TOML_TABLE)
        return grid_fail_type(reader, node, "[run.NAME] tables");
    if (node->count > RUNS_MAX)
        return grid_fail(reader, grid_place_of(node), ERR_INVALID, "more than %d runs",
                         RUNS_MAX);
    for (size_t i = 0; i < node->count; i++)
        if (read_run(reader, &node->children[i], grid))
            return -1;
    return 0;
}

const struct grid_intervention *grid_run_of(const struct grid *grid, const char *text,
                                            char ret_state[32])
{
    for (size_t i = 0; i < grid->run_count; i++) {
        const struct grid_intervention *run = &grid->runs[i];
        size_t size = strlen(run->name);
        const char *state = text + size + 1;
        if (strncmp(text, run->name, size) != 0 ||
            (text[size] != ':' && text[size] != '\0'))
            continue;
        if (text[size] == '\0')
            state = "final";
        if (!state_parse(state, &(struct state_name){0}))
            return NULL;
        (void)snprintf(ret_state, 32, "%s", state);
        return run;
    }
    return NULL;
}

void grid_free_runs(struct grid *grid)
{
    for (size_t i = 0; i < grid->run_count; i++) {
        free(grid->runs[i].name);
        grid_free_settings(&grid->runs[i].set);
    }
    free(grid->runs);
}
