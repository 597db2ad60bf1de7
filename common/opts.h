#ifndef COORD_OPTS_H
#define COORD_OPTS_H

/* The table of everything that can be said about a job: one row per dotted key,
 * with its type, default, range and when it applies. The grid reader, the spec,
 * the documentation and the error messages all read this one table; adding an
 * option is adding a row whose default changes nothing (so no key changes).
 */

#include "common/value.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct spec;

enum job_kind { JOB_TRAIN, JOB_PROBE, JOB_DERIVE };

const char *job_kind_name(enum job_kind kind);

enum opt_type {
    OPT_BOOL,
    OPT_INT,
    OPT_REAL, /* integers are taken and become reals */
    OPT_NAME, /* one of names[] */
    OPT_STRING,
    OPT_INTS,    /* list of integers */
    OPT_STRINGS, /* list of strings; if names != NULL, each one of names[] */
    OPT_PAIRS,   /* list of "GROUP=NUMBER"; the number's text is made canonical */
    OPT_SIZE,    /* how many examples: "all", a count >= 1, or a share in (0,1] */
    OPT_ALPHAS,  /* a count >= 2, or a list of distinct finite reals */
    OPT_NEAR,    /* list of refinements [near, n, width] of a line's alphas, all
                       different, ascending; min and max are of n */
    OPT_STATES,  /* list of states: init final best step:k epoch:k; canonical
                       in that order, without repeats, and always with final */
    OPT_STATE,   /* one of those */
};

/* A default that holds only for some networks. */
struct opt_case {
    const char *needs; /* as struct opt has it */
    const char *fallback;
};

struct opt {
    const char *name; /* "optimizer.lr" */
    enum opt_type type;
    enum job_kind kind;           /* the jobs that have it */
    const char *fallback;         /* default, as a value text; NULL: required */
    const struct opt_case *cases; /* where one of these holds, its default instead;
                                 ends with needs == NULL. NULL: none */
    double min, max;              /* range of numbers (of each item), inclusive */
    bool above_min, below_max;    /* that bound is exclusive */
    bool ascending;               /* OPT_INTS: each item above the one before */
    const char *const *names;     /* OPT_NAME, OPT_STRINGS: allowed; NULL-terminated.
                                 Lists are kept in this order */
    const char *needs;            /* when it applies: "model.name=mlp|lenet5", or
                                 NULL: always. Giving it elsewhere is an error */
    const char *unit;             /* "epochs", "examples", ...; NULL: none */
    const char *help;             /* one line */
};

/* All rows, sorted by name. */
const struct opt *opt_table(size_t *ret_count);

/* Whether it is one of seed.*. */
bool opt_is_seed(const struct opt *opt);

/* The row for a name and kind, or NULL. A derive job has some of a run's too (kind is
 * JOB_TRAIN then): those of its data and network, and of how it would be drawn. */
const struct opt *opt_find(enum job_kind kind, const char *name);

/* The known name nearest to a mistyped one (edit distance at most 3 and less
 * than half its length), or NULL. prefix-aware: a table name such as
 * "optimiser" finds "optimizer", and a bare "lr" finds "optimizer.lr". */
const char *opt_nearest(enum job_kind kind, const char *name);

/* The nearest of a NULL-terminated list, under the same rule, or NULL. */
const char *name_nearest(const char *name, const char *const *names);

/* The tables of a run, NULL-terminated: "data", "data.labels", "optimizer", ...:
 * every part of a train option's name before a dot. */
const char *const *opt_tables(void);

/* Append what a row takes: "an integer from 1 to 65536". For messages and the
 * documentation. */
void opt_expect(const struct opt *opt, struct buf *out);

/* Check a value against a row and bring it to the row's type and canonical form
 * (1 -> 1.0 for a real), in place. -1 with ERR_INVALID and a sentence without a
 * position: "expected ..., got ...". On failure the value may have changed, but is
 * valid. */
int opt_check(const struct opt *opt, struct value *value, struct error *err);

/* The default of a row in a spec, as a value text; NULL: required. */
const char *opt_fallback(const struct opt *opt, const struct spec *spec);

/* Take an item of OPT_PAIRS apart; the name is borrowed. False when it is none. */
bool opt_pair(const char *text, struct slice *ret_name, double *ret_number);

/* Whether the row applies to the spec (its needs hold, defaults included). */
bool opt_applies(const struct opt *opt, const struct spec *spec);

#endif
