#ifndef COORD_SPEC_H
#define COORD_SPEC_H

/* A job's canonical spec: which of its options differ from their defaults. It
 * is at once the job's identity, what travels to the worker and what the view
 * `params` shows. Its text is
 *
 *     coord-spec 1 train
 *     model.name="lenet5"
 *     numerics=3
 *     optimizer.lr=0.1
 *     seed.init=3
 *
 * sorted by name, one option a line, values in their unique text form
 * (common/value.h), nothing that equals its default. The key is the hash of
 * that text; so an option added later with a no-op default changes no key.
 * `numerics` and the seeds are always written.
 *
 * A probe's spec names its endpoints by the keys of their runs (a.run, a.state,
 * b.run, b.state), so a key covers everything upstream.
 */

#include "common/arch.h"
#include "common/buf.h"
#include "common/hash.h"
#include "common/opts.h"
#include "common/value.h"

struct error;

/* Raised when the same spec would give other bits: part of every key. */
enum { SPEC_NUMERICS = 3 };

/* The longest spec text, bytes: a probe with a few hundred explicit alphas and
 * groups has about 10 kB; beyond 64 KiB a grid has gone wrong. */
enum { SPEC_TEXT_MAX = 65536 };

struct spec_item {
    const struct opt *opt; /* borrowed from the table */
    struct value value;    /* owned */
};

/* Items are sorted by name and, settled, hold only what differs from the default (and
 * `numerics` and seeds). A zeroed spec with a kind is valid. */
struct spec {
    enum job_kind kind;
    struct spec_item *items;
    size_t count;
};

/* An empty spec of a kind: `numerics` is set, nothing else. */
int spec_init(struct spec *spec, enum job_kind kind, struct error *err);
void spec_free(struct spec *spec);
int spec_copy(const struct spec *from, struct spec *ret, struct error *err);

/* Set one option by name, checked (opt_check) and made canonical; a value that
 * equals the default removes the item. Where the default depends on another option
 * (struct opt, cases), which may be set later, the item stays until spec_settle. The
 * value is copied. Errors: ERR_INVALID for an unknown name (with the nearest) or a
 * bad value. */
int spec_set(struct spec *spec, const char *name, const struct value *value,
             struct error *err);

/* The same of an option's row in the table. */
int spec_set_opt(struct spec *spec, const struct opt *opt, const struct value *value,
                 struct error *err);

/* Remove the items that equal their defaults, after the last spec_set. Nothing here
 * but spec->items tells a spec from the settled one. */
void spec_settle(struct spec *spec);

/* Check what concerns several options together: required ones are there, every
 * one given applies (opt_applies), probe endpoints are complete. On failure
 * *ret_name, when asked for, is the offending option's name and the sentence
 * leaves it out; else the sentence begins with it. */
int spec_check(const struct spec *spec, const char **ret_name, struct error *err);

/* Append the canonical text. */
void spec_text(const struct spec *spec, struct buf *out);

/* Where the lines of its seeds begin and end in a canonical text: they stand together,
 * since lines are sorted. Both at its end when there are none. */
void spec_text_seeds(const struct buf *text, size_t *ret_begin, size_t *ret_end);

/* Append the canonical text of a spec that differs in its seeds alone from the one of
 * this text. */
void spec_text_like(const struct buf *like, const struct spec *spec, struct buf *out);

/* Read a text back. Strict: unknown options, wrong order, values that equal the
 * default or are not canonical, and trailing bytes are errors. */
int spec_parse(const char *text, size_t size, struct spec *ret, struct error *err);

/* The hash of the canonical text. */
int spec_key(const struct spec *spec, char ret_key[HASH_TEXT], struct error *err);

/* Effective values, defaults included. The name must be in the table for the
 * spec's kind and of that type: a mistake is a bug and asserts. Strings and
 * lists are borrowed from the spec or the table. */
bool spec_bool(const struct spec *spec, const char *name);
int64_t spec_int(const struct spec *spec, const char *name);
double spec_real(const struct spec *spec, const char *name);
const char *spec_string(const struct spec *spec, const char *name);

/* The effective value itself (any type), which the caller frees. */
int spec_value(const struct spec *spec, const char *name, struct value *ret,
               struct error *err);

/* Whether the spec gives the option another value than its default. */
bool spec_has(const struct spec *spec, const char *name);

/* OPT_SIZE resolved against what there is: "all" -> total, a share -> rounded
 * to nearest but at least 1, a count as it is. ERR_INVALID if above total; but a
 * count that is the default means "as many, if there are". */
int spec_size(const struct spec *spec, const char *name, int64_t total, int64_t *ret,
              struct error *err);

/* The shape of an example of a train spec's data, data.pad included. */
struct shape spec_shape(const struct spec *spec);

/* The job and state that a train spec starts from: init.from = "run:KEY:STATE", or
 * "derive:KEY", whose state is DERIVED_STATE (common/derived.h). */
struct spec_start {
    char run[HASH_TEXT]; /* key */
    char state[32];
};

/* Whether it starts from one; else its parameters are drawn. A spec that spec_check
 * has passed. ret may be NULL. */
bool spec_start(const struct spec *spec, struct spec_start *ret);

/* Whether a train spec starts from a file, init.from = "file:HASH"; ret_hash may be
 * NULL. */
bool spec_start_file(const struct spec *spec, char ret_hash[HASH_TEXT]);

/* How many classes a train spec's data has, and so its network: those that
 * data.classes keeps, or all. */
int spec_classes(const struct spec *spec);

/* What a train spec's sizes come to, by the facts of common/datasets.h. */
struct spec_sizes {
    int64_t train, test;           /* examples the run has */
    int64_t eval_train, eval_test; /* and evaluates */
};

/* ERR_INVALID when one is asked for that is not there; ret_name as spec_check. */
int spec_sizes(const struct spec *spec, struct spec_sizes *ret, const char **ret_name,
               struct error *err);

#endif
