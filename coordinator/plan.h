#ifndef COORD_PLAN_H
#define COORD_PLAN_H

/* What a grid file asks for, fully expanded: the jobs with their specs, keys and
 * needs, each key once. Pure: no database, no clock, no file system; dry-run and
 * submit run the same code.
 *
 *   grid.toml -> grid_parse (grid.h) -> expand (expand.h) -> plan_build
 */

#include "common/hash.h"
#include "common/spec.h"
#include "coordinator/early.h"
#include "coordinator/needs.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct grid;

/* A job needs the state `state` of job number `job` of the same plan. */
struct plan_need {
    size_t job;
    char role[8];   /* "a", "b", "c", "init"; "s1", ...; "p01", ...: parts; "m01", ...:
                       groups of a mix; "probe": where a point lies */
    char state[32]; /* "init", "final", ... */
};

/* A value that tells points apart: an axis or an intervention sets it. */
struct plan_param {
    const char *name; /* borrowed from the option table */
    struct value value;
};

/* One place in the sweep that asks for a job. A job has at least one, in point
 * order; several when points of the grid come to the same spec (an intervention
 * that changes nothing, two probes that ask the same). */
struct plan_member {
    const char *intervention;  /* owned by the plan; "baseline"; "run:NAME",
                                  "derive:NAME": asked for by others */
    const char *role;          /* init, data, optimizer, model; "" for baseline;
                                  "part": of a probe */
    const char *probe;         /* the probe's name; "" for runs */
    int64_t seed;              /* the k of seeds, even when streams are apart */
    struct plan_param *params; /* the point's axis and intervention values,
                                  sorted by name */
    size_t param_count;
};

struct plan_job {
    struct spec spec;
    char key[HASH_TEXT];
    struct buf text; /* canonical spec text */
    struct plan_need *needs;
    size_t need_count;
    struct plan_member *members; /* members[0] asked first: it names the job */
    size_t member_count;
    uint64_t curve_rows;   /* rows in `curves` that a probe will give */
    uint64_t path_rows;    /* rows in `paths` */
    bool at_most;          /* curve_rows may be fewer: the curves tell, once computed */
    uint64_t plane_rows;   /* rows in `planes` */
    char whole[HASH_TEXT]; /* of a part: the key of its probe; else "" */
};

struct plan {
    char *name; /* sweep.name */
    char *file;
    char *grid;            /* the file's text */
    uint32_t time_limit_s; /* limits.time, per attempt; 0: none */
    int64_t max_running;   /* 0: no limit */
    struct needs needs;    /* of its jobs */
    struct early early;    /* which of its runs are stopped early */
    struct plan_job *jobs; /* needs point backwards: a job follows what it needs */
    size_t job_count;
    size_t point_count;  /* runs asked for, equal ones counted each time */
    const char **varied; /* option names that differ between points, sorted */
    size_t varied_count;
    struct grid *source; /* owner of borrowed names; opaque */
};

/* Read a grid file's text into a plan, which the caller frees. file is how the
 * user named it; every error reads "file:line:column: ...". NULL on failure:
 * ERR_INVALID for a bad grid, ERR_UNSUPPORTED for what is not built yet. */
struct plan *plan_from_grid(const char *text, size_t size, const char *file,
                            struct error *err);
void plan_free(struct plan **plan);

/* How much a plan will give. Results are listed under every member, so all but
 * jobs count members. */
struct plan_counts {
    size_t jobs;                    /* each key once */
    size_t runs, probes;            /* rows of the view `runs`; and probes of them */
    uint64_t curve_rows, path_rows; /* rows of the views `curves` and `paths` */
    bool at_most;                   /* as in plan_job, of any */
    uint64_t plane_rows;            /* rows of the view `planes` */
    size_t parts;                   /* jobs that are parts of probes */
    size_t derived;                 /* derived states */
};

struct plan_counts plan_count(const struct plan *plan);

/* Append a member's parameters: "optimizer.lr=0.1, model.widths=[300]"; nothing
 * for a point without any. */
void plan_put_params(const struct plan_member *member, struct buf *out);

#endif
