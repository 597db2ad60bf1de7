#ifndef COORD_GRID_READ_H
#define COORD_GRID_READ_H

/* What the readers of a grid's parts share (grid.c, grid_needs.c, grid_stop.c,
 * grid_set.c, grid_points.c, grid_runs.c, grid_derive.c, grid_probe.c, grid_refine.c,
 * grid_ends.c): errors with a place, tables walked by a list of fields, names. Nobody
 * else includes this. Readers return 0 / -1; what they have made by then belongs to
 * the grid, which is freed as a whole.
 */

#include "common/error.h"
#include "common/toml.h"
#include "coordinator/grid.h"

struct grid_reader {
    const char *file;
    struct error *err;
};

/* Set the error "file:line:column: sentence"; returns -1. */
int grid_fail(struct grid_reader *reader, struct grid_place place, enum err_code code,
              const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Put "file:line:column: key 'NAME': " before the error that is there. */
int grid_fail_key(struct grid_reader *reader, struct grid_place place, const char *key);

struct grid_place grid_place_of(const struct toml_node *node);

/* "key 'K': expected E, got a string" for a node of the wrong type. */
int grid_fail_type(struct grid_reader *reader, const struct toml_node *node,
                   const char *expected);

/* A key that a table may have. */
struct grid_field {
    const char *key;
    int (*read)(struct grid_reader *reader, const struct toml_node *node, void *into);
};

/* Read every key of a table by its field, in the file's order. Unknown keys are
 * errors that list the fields (ended by a row without key); where: "[sweep]". */
int grid_read_fields(struct grid_reader *reader, const struct toml_node *table,
                     const struct grid_field *fields, const char *where, void *into);

/* Grow an array by one zeroed item and return it, or NULL with the error set. */
void *grid_grow(struct grid_reader *reader, void *items_p, size_t *count, size_t size);

/* A string of 1 to 64 characters out of a-z, 0-9 and '-'; mixed also takes A-Z,
 * '.' and '_'. *ret is to be freed. */
int grid_read_name(struct grid_reader *reader, const struct toml_node *node, bool mixed,
                   char **ret);

/* Read one value for an option, with the option's checks, into a setting. */
int grid_read_value(struct grid_reader *reader, const struct toml_node *node,
                    const struct opt *opt, const char *key, struct grid_setting *into);

/* Add a setting of an option to a list. */
int grid_add_setting(struct grid_reader *reader, const struct toml_node *node,
                     const struct opt *opt, const char *key, struct grid_settings *into);

/* Tables of a run's options, dotted keys and nested tables alike: [base], set
 * (grid_settings) and [axes], axes (grid_axes). */
int grid_read_settings(struct grid_reader *reader, const struct toml_node *node,
                       void *settings);
int grid_read_axes(struct grid_reader *reader, const struct toml_node *node, void *axes);

/* An integer from min to max. */
int grid_read_int(struct grid_reader *reader, const struct toml_node *node, int64_t min,
                  int64_t max, int64_t *ret);

/* Keys of [sweep] that tell where and when its jobs run, into a struct grid. */
int grid_read_priority(struct grid_reader *reader, const struct toml_node *node,
                       void *grid);
int grid_read_cores(struct grid_reader *reader, const struct toml_node *node, void *grid);
int grid_read_memory(struct grid_reader *reader, const struct toml_node *node,
                     void *grid);
int grid_read_labels(struct grid_reader *reader, const struct toml_node *node,
                     void *grid);
int grid_read_retries(struct grid_reader *reader, const struct toml_node *node,
                      void *grid);
int grid_read_stop(struct grid_reader *reader, const struct toml_node *node, void *grid);

/* [run.NAME] tables, into a struct grid. */
int grid_read_runs(struct grid_reader *reader, const struct toml_node *node, void *grid);
void grid_free_runs(struct grid *grid);

/* [derive.NAME] tables, into a struct grid. */
int grid_read_derives(struct grid_reader *reader, const struct toml_node *node,
                      void *grid);
void grid_free_derives(struct grid *grid);

/* The table of a zip; an axis may have a value twice. */
int grid_read_zip_axes(struct grid_reader *reader, const struct toml_node *node,
                       struct grid_axes *axes);

/* A table that picks points (grid_side). */
int grid_read_side(struct grid_reader *reader, const struct toml_node *node,
                   struct grid_side *side);

/* [[zip]], [[exclude]], [[include]], into a struct grid; and what can only be told
 * once all of it is read. */
int grid_read_zips(struct grid_reader *reader, const struct toml_node *node, void *grid);
int grid_read_excludes(struct grid_reader *reader, const struct toml_node *node,
                       void *grid);
int grid_read_includes(struct grid_reader *reader, const struct toml_node *node,
                       void *grid);
int grid_check_points(struct grid_reader *reader, const struct grid *grid);

/* The whole array of [[probe]] tables, into a struct grid. */
int grid_read_probes(struct grid_reader *reader, const struct toml_node *node,
                     void *grid);

/* Keys refine and adapt of a [[probe]], into a struct grid_probe. */
int grid_read_refine(struct grid_reader *reader, const struct toml_node *node,
                     void *probe);
int grid_read_adapt(struct grid_reader *reader, const struct toml_node *node,
                    void *probe);

/* How many parts a probe is cut into: a count or "auto". */
int grid_read_split(struct grid_reader *reader, const struct toml_node *node,
                    void *probe);

/* Keys of a [[probe]] that tell where it begins and ends; and, after all its keys,
 * whether they go with its kind. Sets from where it is not given. */
int grid_read_state(struct grid_reader *reader, const struct toml_node *node,
                    struct grid_state *ret);
int grid_read_xs(struct grid_reader *reader, const struct toml_node *node, void *probe);
int grid_read_ys(struct grid_reader *reader, const struct toml_node *node, void *probe);
int grid_check_ends(struct grid_reader *reader, struct grid_probe *probe);

void grid_free_settings(struct grid_settings *set);
void grid_free_axes(struct grid_axes *axes);
void grid_free_side(struct grid_side *side);
void grid_free_points(struct grid *grid);

#endif
