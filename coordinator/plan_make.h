#ifndef COORD_PLAN_MAKE_H
#define COORD_PLAN_MAKE_H

/* How a plan is made, for plan*.c only: runs from points (plan_run.c), probes
 * from runs (plan_probe.c, their states plan_ends.c), probes from pairs of them
 * (plan_between.c), derived states (plan_derive.c), jobs found again by key
 * (plan_jobs.c).
 */

#include "common/error.h"
#include "common/part.h"
#include "coordinator/expand.h"
#include "coordinator/plan.h"

struct arch;

/* What a run starts from; a job of PLAN_NO_JOB: drawn. */
struct plan_start {
    int64_t job;
    char state[32];
};

/* A run that started from nothing of the plan, and its point: of one that differs in the
 * seed alone all that was found of it holds too, whatever the seed. */
struct plan_twin {
    bool is;
    struct point point;
    size_t job;
    uint64_t own_seeds; /* items of its spec that the grid sets itself, one bit each */
};

struct plan_maker {
    const struct grid *grid;
    struct plan *plan;
    size_t job_room;
    size_t *slots;       /* hash table of job numbers + 1, by key; 0: free */
    size_t slot_count;   /* a power of two, more than twice the jobs */
    size_t *first_point; /* of every run, by job number, + 1; 0: only upstream */
    size_t first_room;
    int depth;         /* of runs that start from runs */
    size_t *excluded;  /* points that each exclude left out */
    size_t *base_used; /* points that each setting of base counts in */
    struct plan_twin twin;
    struct arch *arch; /* of run arch_run: the next may well have the same */
    size_t arch_run;
    bool has_norm; /* some run's network, of those seen for probes */
    struct error *err;
};

/* Add a job, or find the one with the same key. Takes ownership of spec, also on
 * failure. like: the text of a job that differs from it in its seeds alone, or NULL.
 * *ret_job is its number. */
int plan_add_job(struct plan_maker *maker, struct spec spec, const struct buf *like,
                 size_t *ret_job);

/* Add a member; the point's settings are copied. probe: "" for a run. */
int plan_add_member(struct plan_maker *maker, size_t job, const struct point *point,
                    const char *probe);

/* Add a member of one job to another, under a probe's name. */
int plan_copy_member(struct plan_maker *maker, size_t job,
                     const struct plan_member *member, const char *probe);

/* Take the last member away again if it is there already. */
void plan_drop_double(struct plan_job *job);

void plan_free_job(struct plan_job *job);

enum { PLAN_NO_JOB = -1 };

/* The spec of a point's run, checked, with the states that probes need kept: 1. Or
 * 0 when an exclude leaves the point out, and -1 on errors. If it starts from a
 * state of another run, that is in the plan by then, and *ret_start tells which. */
int plan_run_spec(struct plan_maker *maker, const struct point *point, struct spec *ret,
                  struct plan_start *ret_start);

/* Take a run for the twin of those to come. */
void plan_note_twin(struct plan_maker *maker, const struct point *point, size_t job);

/* The same for a point that differs from that of maker->twin in the seed alone: 1. Or 0
 * when it does not, and -1. */
int plan_twin_spec(struct plan_maker *maker, const struct point *point, struct spec *ret);

/* Add the job of a run that a point's spec describes, with what it starts from. */
int plan_add_run(struct plan_maker *maker, const struct point *point, struct spec spec,
                 const struct buf *like, const struct plan_start *start, size_t *ret_job);

/* Turn init.from = "run:NAME:STATE" of a point into the key of the run, which is
 * added to the plan. */
int plan_set_start(struct plan_maker *maker, const struct point *point, struct spec *spec,
                   struct plan_start *ret);

/* Add the run of a [run.NAME] for a point; and the names of all of them, for messages. */
int plan_add_upstream(struct plan_maker *maker, const struct point *point,
                      const struct grid_intervention *run, size_t *ret_job);
void plan_put_runs(const struct plan_maker *maker, struct buf *out);

/* Keep the states of a [run.NAME] that anything in the grid starts from, or probes. */
int plan_keep_started(struct plan_maker *maker, const struct grid_intervention *run,
                      struct spec *spec);

/* Add a state to train.keep, unless it is stored anyway or can be derived. */
int plan_keep_state(struct plan_maker *maker, struct spec *spec, const char *state,
                    struct grid_place place, const char *key);

/* An error about an option of a point: where it got its value, and which point. */
int plan_fail_in_point(struct plan_maker *maker, const struct point *point,
                       const char *name);

/* Whether a run of this intervention, seed and spec is one that a side picks: 1 or
 * 0; -1 with an error. */
int plan_picks(struct plan_maker *maker, const struct grid_side *side,
               const char *intervention, int64_t seed, const struct spec *spec);

/* After all points: every exclude must have left one out, every setting of base must
 * have counted somewhere, and some point must be left. */
int plan_check_points(struct plan_maker *maker);

/* The network of a run that is in the plan; the maker's until the next call. */
const struct arch *plan_run_arch(struct plan_maker *maker, size_t run);

/* The point of an upstream run: the point's choices on the grid's axes, and what the run
 * sets; listed under the run's name. */
void plan_upstream_point(const struct plan_maker *maker, const struct point *point,
                         const struct grid_intervention *run, struct point *ret);

/* Add what has a state, for a point: an upstream run, a derived state; the baseline's run
 * where none is named. key is where the grid names it. */
int plan_add_state(struct plan_maker *maker, const struct point *point,
                   const struct grid_state *state, const char *key, size_t *ret_job);

/* Add the derived state of a [derive.NAME] for a point, and what it is made of; and the
 * names of all of them, for messages. */
int plan_add_derived(struct plan_maker *maker, const struct point *point,
                     const struct grid_derive *derive, size_t *ret_job);
void plan_put_derives(const struct plan_maker *maker, struct buf *out);

/* The jobs of a probe's parts, before its own. */
struct plan_parts {
    size_t jobs[PARTS_MAX];
    size_t count; /* 0: it is not cut */
};

/* Cut a probe (spec) whose end b is a run with this network: split as grid_probe has it,
 * ends what it needs of runs. */
int plan_add_parts(struct plan_maker *maker, const struct spec *spec,
                   const struct spec *run, const struct arch *arch, int split,
                   const struct plan_need ends[2], struct plan_parts *ret);

/* Add them to what the whole needs. */
int plan_need_parts(struct plan_maker *maker, const struct plan_parts *parts,
                    struct plan_job *job);

/* List the parts of a probe's job under a member, as plan_copy_member does the job. */
int plan_copy_part_members(struct plan_maker *maker, size_t job,
                           const struct plan_member *member, const char *probe);

/* Whether a job of this key is in the plan. */
bool plan_has_job(const struct plan_maker *maker, const char *key);

/* Every [[probe]] within one run. */
int plan_add_probes(struct plan_maker *maker, size_t run);

/* The jobs that have the states of a probe; third only if it has one. */
struct plan_ends {
    size_t from, to, third;
};

/* Those of a probe of one run, which is a point's. Jobs may be added: what points into
 * jobs or their members is no longer valid. */
int plan_find_ends(struct plan_maker *maker, const struct grid_probe *probe, size_t run,
                   struct plan_ends *ret);

/* Those of a probe of any run, that of a point. */
int plan_find_ends_at(struct plan_maker *maker, const struct grid_probe *probe,
                      size_t run, const struct point *point, struct plan_ends *ret);

/* The network of a probe's end, key the grid's name of it; or NULL, with the probe's
 * place. */
struct arch *plan_end_arch(struct plan_maker *maker, const struct grid_probe *probe,
                           size_t job, const char *key);

/* Whether any is a state of an upstream run, or a derived one. */
bool plan_has_upstream(const struct grid_probe *probe);

/* All must have the network of `to`, arch, and no two may be the same; as far as
 * upstream runs are concerned. */
int plan_check_ends(struct plan_maker *maker, const struct grid_probe *probe,
                    const struct plan_ends *ends, const struct arch *arch);

/* One probe through such states, listed under `member`. arch is the network; ret_job may
 * be NULL. */
int plan_add_probe(struct plan_maker *maker, const struct grid_probe *probe,
                   const struct plan_ends *ends, const struct arch *arch,
                   const struct plan_member *member, size_t *ret_job);

/* Every [[probe]] between runs; after the last of them. */
int plan_add_between(struct plan_maker *maker, size_t run_count);

/* Check what a probe's job, its rows counted, tells beyond its points, of run b's spec
 * and network; and add the states of run b that it needs for it to its needs, which are
 * those of "a" and "b" by then. ret_name gets the offending option. ERR_INVALID. */
int plan_check_answers(const struct spec *run, const struct arch *arch,
                       const struct plan_job *job, const char **ret_name,
                       struct error *err);
int plan_add_trajectory(const struct spec *run, struct plan_job *job,
                        const char **ret_name, struct error *err);

/* Name the probe in the error that is there; returns -1. */
int plan_name_probe(struct plan_maker *maker, const struct grid_probe *probe);

/* What only all runs together can tell of the probes; after the last of them. */
int plan_check_probes(struct plan_maker *maker);

/* Put "file:line:column: key 'NAME': " before the error that is there. */
int plan_fail_at(struct plan_maker *maker, struct grid_place place, const char *key);

#endif
