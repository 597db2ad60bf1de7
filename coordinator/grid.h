#ifndef COORD_GRID_H
#define COORD_GRID_H

/* A grid file, read and checked as far as one place of it can be: every key is
 * known, every value has its option's type and range, every name is unique.
 * What only a whole point can tell (does model.widths apply to this model?) is
 * the plan's to check, so everything keeps its place in the file.
 *
 * It knows nothing of products, keys or jobs: expand.h and plan.h.
 */

#include "common/opts.h"
#include "common/value.h"
#include "coordinator/early.h"
#include "coordinator/needs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct grid_place {
    int line, column; /* from 1 */
};

/* An option and its value, checked and canonical. */
struct grid_setting {
    const struct opt *opt;
    struct value value;
    struct grid_place place; /* of the key; of the value in an axis */
};

struct grid_settings {
    struct grid_setting *items; /* in file order, each option once */
    size_t count;
};

/* An option and the values it takes in turn. */
struct grid_axis {
    const struct opt *opt;
    struct grid_settings choices; /* at least one, all different */
    struct grid_place place;
};

struct grid_axes {
    struct grid_axis *items; /* in file order, each option once */
    size_t count;
};

struct grid_intervention {
    char *name;
    const char *role; /* init, data, optimizer, model; "" for the baseline */
    struct grid_settings set;
    struct grid_axes axes; /* of its own; one that is also in set wins */
    bool upstream;         /* [run.NAME], named "run:NAME": not a point of its own */
    struct grid_place place;
};

/* Group expressions as the user wrote them; the plan resolves them for each
 * network. */
struct grid_groups {
    bool named;                /* all that the network has: "layers", or */
    bool blocks;               /* "blocks" */
    struct grid_settings list; /* else: each a string; opt is probe.groups */
};

/* Some of the points: those of an intervention, of a seed, and with these values,
 * as far as they are given. */
struct grid_side {
    char *intervention; /* NULL: any */
    bool has_seed;
    int64_t seed;
    struct grid_settings where;
    struct grid_place place; /* line 0: not given */
};

/* Options that move together: all have as many choices. */
struct grid_zip {
    struct grid_axes axes; /* at least one */
    struct grid_place place;
};

/* One point more, for every seed. */
struct grid_include {
    char *intervention; /* NULL: the baseline */
    struct grid_settings set;
    struct grid_place place;
};

/* A state that a probe starts or ends at. */
struct grid_state {
    char run[72];   /* "run:NAME", an upstream run; "derive:NAME", a derived state;
                       "": the point's own, or a side's */
    char state[32]; /* "init", ... */
    struct grid_place place;
};

struct grid_probe {
    char *name;
    const char *kind; /* path, layers, between, plane */
    struct grid_state from, to, third;
    struct grid_side a, b; /* between: not given where it pairs the seeds of a point */
    struct grid_place kind_place, pairs_place, split_place;
    struct grid_settings set; /* probe.alphas, probe.bn, probe.splits.train, ... */
    struct grid_groups groups;
    int split; /* parts that one is cut into, at most; or GRID_SPLIT_AUTO */
    struct grid_place place;
};

enum { GRID_SPLIT_AUTO = 0 };

/* A group of a mix, and where it comes from. */
struct grid_source {
    char *group; /* as the user wrote it */
    struct grid_state state;
    struct grid_place place;
};

/* [derive.NAME], a state made from others. A state that it names without a run is one of
 * the baseline's run with the point's axes and seed; so is the probe of a point, unless
 * it is told of which [run.NAME]. */
struct grid_derive {
    char *name;                     /* "derive:NAME" */
    struct grid_intervention label; /* whom its jobs are listed under; borrows name */
    struct grid_settings set;       /* derive.kind, derive.at, ... */
    struct grid_state from;         /* what it begins with; not of a point */
    struct grid_source *sources;    /* of a mix */
    size_t source_count;
    char *probe;  /* of a point: a [[probe]] */
    char run[72]; /* "run:NAME"; "": the baseline's */
    struct grid_place probe_place, run_place, groups_place;
};

struct grid {
    char *file; /* for messages */
    char *name;
    int64_t *seeds;
    size_t seed_count;
    bool seeds_independent; /* seed_policy */
    int64_t max_running;    /* 0: no limit */
    uint32_t time_limit_s;  /* 0: none */
    struct needs needs;     /* of its jobs, and how urgent they are */
    struct early early;     /* which of its runs are stopped early */
    struct grid_settings base;
    struct grid_axes axes;
    struct grid_zip *zips;
    size_t zip_count;
    struct grid_intervention *interventions; /* the first is the baseline */
    size_t intervention_count;
    struct grid_intervention *runs; /* [run.NAME] */
    size_t run_count;
    struct grid_derive *derives; /* [derive.NAME] */
    size_t derive_count;
    struct grid_side *excludes; /* points left out */
    size_t exclude_count;
    struct grid_include *includes; /* points added */
    size_t include_count;
    struct grid_probe *probes;
    size_t probe_count;
};

/* Read a grid file's text, which the caller frees. NULL on failure, with
 * "file:line:column: ...": ERR_INVALID for a bad grid, ERR_UNSUPPORTED for a
 * part of the language that is not built yet. */
struct grid *grid_parse(const char *text, size_t size, const char *file,
                        struct error *err);
void grid_free(struct grid **grid);

/* "run:NAME" or "run:NAME:STATE" taken apart: the run, or NULL; state, 32 bytes, is
 * "final" unless told. */
const struct grid_intervention *grid_run_of(const struct grid *grid, const char *text,
                                            char ret_state[32]);

/* The [derive.NAME] of "derive:NAME", or NULL. */
const struct grid_derive *grid_derive_of(const struct grid *grid, const char *text);

/* The intervention of a name (NULL: the baseline), or NULL. */
const struct grid_intervention *grid_intervention_of(const struct grid *grid,
                                                     const char *name);

/* The axis of an option, of the grid's or in a zip, or NULL. */
const struct grid_axis *grid_axis_of(const struct grid *grid, const char *name);

/* The same state of the same run, as the grid names them. */
bool grid_same_state(const struct grid_state *a, const struct grid_state *b);

/* The setting of an option by name, or NULL. */
const struct grid_setting *grid_find(const struct grid_settings *set, const char *name);

#endif
