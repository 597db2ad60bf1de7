#include "worker/probe/part.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/spec.h"
#include "proto/fields.h"
#include "worker/eval.h"
#include "worker/sink.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(PART_BATCH % EVAL_BATCH == 0, "parts are cut between batches");

/* ---- what a part is ------------------------------------------------------------ */

static bool is_cut(const int64_t range[2], int64_t count)
{
    if (range[0] == range[1])
        return range[1] <= count;
    return range[0] % PART_BATCH == 0 && range[1] <= count &&
           (range[1] % PART_BATCH == 0 || range[1] == count);
}

int part_check(const struct part *part, const struct part_whole *whole, struct error *err)
{
    if (part->groups[1] > (int64_t)whole->groups || part->groups[0] == part->groups[1] ||
        part->alphas[1] > (int64_t)whole->alphas->count ||
        part->alphas[0] == part->alphas[1] || !is_cut(part->train, whole->examples[0]) ||
        !is_cut(part->test, whole->examples[1]) ||
        (part->train[0] == part->train[1] && part->test[0] == part->test[1]))
        return err_set(err, ERR_INVALID,
                       "probe.part: the probe of %zu groups, %zu alphas, %lld and %lld"
                       " examples has no such part",
                       whole->groups, whole->alphas->count, (long long)whole->examples[0],
                       (long long)whole->examples[1]);
    return 0;
}

static bool is_all(const int64_t range[2], int64_t count)
{
    return range[0] == 0 && range[1] == count;
}

bool part_has_slices(const struct part *part, const struct part_whole *whole)
{
    return !is_all(part->alphas, (int64_t)whole->alphas->count) ||
           !is_all(part->train, whole->examples[0]) ||
           !is_all(part->test, whole->examples[1]);
}

static bool is_in(const struct part *part, size_t i)
{
    return (int64_t)i >= part->alphas[0] && (int64_t)i < part->alphas[1];
}

int part_alphas(const struct part *part, const struct alphas *whole, struct alphas *ret,
                size_t *ret_at, struct error *err)
{
    *ret = (struct alphas){.at = calloc(whole->count + 1, sizeof *ret->at)};
    if (!ret->at)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu alphas", whole->count);
    for (size_t i = 0; i < whole->count; i++) {
        const double alpha = whole->at[i];
        if (!is_in(part, i) && alpha != 0 && alpha != 1)
            continue;
        ret_at[ret->count] = i;
        ret->at[ret->count++] = alpha;
    }
    ret->grid = ret->count;
    return 0;
}

/* ---- sums ------------------------------------------------------------------------ */

static void add_pairs(struct trace_pairs *to, const struct trace_pairs *from, bool first)
{
    to->known = from->known && (first || to->known);
    to->n += from->n;
    exact_merge(&to->sum, &from->sum);
    exact_merge(&to->sum_sq, &from->sum_sq);
}

static void add_point(struct trace_point *to, const struct trace_point *from)
{
    for (int s = 0; s < 2; s++) {
        const bool first = to->tally[s].count == 0;
        if (from->tally[s].count == 0)
            continue;
        tally_merge(&to->tally[s], &from->tally[s]);
        for (int end = 0; end < 2; end++)
            add_pairs(&to->pairs[s][end], &from->pairs[s][end], first);
    }
}

/* Of differences that are not known there are no sums. */
static void settle_point(struct trace_point *point)
{
    for (int s = 0; s < 2; s++)
        for (int end = 0; end < 2; end++) {
            struct trace_pairs *pairs = &point->pairs[s][end];
            if (!pairs->known)
                *pairs = (struct trace_pairs){.n = pairs->n};
        }
}

/* ---- one part ---------------------------------------------------------------------- */

/* A part's spec is the whole's but for probe.part. */
static int check_spec(const struct spec *spec, const struct spec *part, struct error *err)
{
    struct spec copy;
    char whole_key[HASH_TEXT], key[HASH_TEXT];
    int rc = -1;

    if (spec_copy(part, &copy, err))
        return -1;
    if (part_clear(&copy, err) == 0 && spec_key(spec, whole_key, err) == 0 &&
        spec_key(&copy, key, err) == 0)
        rc = 0;
    spec_free(&copy);
    if (rc == 0 && strcmp(key, whole_key) != 0)
        return err_set(err, ERR_DATA, "a part of another probe, %s", key);
    return rc;
}

/* A merge in the making. */
struct merge {
    const struct spec *spec;
    const struct part_whole *whole;
    struct progress *progress;
    bool *told;
    struct sink *sink;
    size_t *at; /* (alphas) */
};

static void add_slices(const struct merge *m, const struct part *part,
                       const struct progress *from)
{
    const size_t first = (size_t)part->groups[0] * m->whole->modes;

    for (size_t c = 0; c < from->curves; c++) {
        struct trace_point *to = progress_points(m->progress, first + c);
        for (size_t i = 0; i < from->alphas; i++)
            if (is_in(part, m->at[i]))
                add_point(&to[m->at[i]], &progress_points(from, c)[i]);
    }
}

static int fail_twice(size_t curve, struct error *err)
{
    return err_set(err, ERR_DATA, "curve %zu is there twice among the parts", curve + 1);
}

static int read_part(const struct merge *m, const struct part *part, const char *key,
                     const char *path, struct error *err)
{
    const size_t first = (size_t)part->groups[0] * m->whole->modes;
    struct progress from = {.key = key,
                            .curves = (size_t)(part->groups[1] - part->groups[0]) *
                                      m->whole->modes,
                            .all = part_has_slices(part, m->whole)};
    struct alphas alphas = {0};
    int rc = -1;

    for (size_t c = 0; c < from.curves; c++)
        if (m->told[first + c])
            return fail_twice(first + c, err);
    if (part_alphas(part, m->whole->alphas, &alphas, m->at, err))
        return -1;
    from.alphas = alphas.count;
    if (progress_open(&from, err) || progress_read(&from, path, m->sink, err))
        goto done;
    if (from.done != from.curves) {
        err_set(err, ERR_DATA, "%s: %zu of %zu curves are done", path, from.done,
                from.curves);
        goto done;
    }
    if (from.all)
        add_slices(m, part, &from);
    for (size_t c = 0; c < from.curves && !from.all; c++)
        m->told[first + c] = true;
    rc = 0;

done:
    progress_close(&from);
    alphas_free(&alphas);
    return rc;
}

static int take_part(const struct merge *m, const struct msg_input *input,
                     struct error *err)
{
    char *path = slice_dup(input->path);
    char key[HASH_TEXT];
    struct spec spec;
    struct part part;
    bool is;
    int rc = -1;

    if (!path)
        return err_set(err, ERR_NO_MEMORY, "no memory for a path");
    if (spec_parse(input->spec.data, input->spec.size, &spec, err))
        goto done;
    if (check_spec(m->spec, &spec, err) == 0 && part_of(&spec, &is, &part, err) == 0 &&
        part_check(&part, m->whole, err) == 0 && spec_key(&spec, key, err) == 0)
        rc = read_part(m, &part, key, path, err);
    spec_free(&spec);

done:
    free(path);
    return rc;
}

/* ---- all parts ------------------------------------------------------------------ */

static bool is_part(const struct msg_input *input)
{
    return slice_is(input->state, PART_STATE) && input->path.size > 0;
}

bool part_is_any(const struct msg_input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_part(&inputs[i]))
            return true;
    return false;
}

/* Points have all examples or, where a part is lacking altogether, none; and none of a
 * curve that a part has told whole. */
static int check_points(const struct merge *m, struct error *err)
{
    struct progress *progress = m->progress;

    for (size_t c = 0; c < progress->curves; c++)
        for (size_t i = 0; i < progress->alphas; i++) {
            struct trace_point *point = &progress_points(progress, c)[i];
            settle_point(point);
            if (m->told[c] && trace_is_done(point))
                return fail_twice(c, err);
            for (int s = 0; s < 2; s++)
                if (trace_is_done(point) &&
                    point->tally[s].count != m->whole->examples[s])
                    return err_set(err, ERR_DATA,
                                   "the parts of curve %zu have %lld examples of %lld",
                                   c + 1, (long long)point->tally[s].count,
                                   (long long)m->whole->examples[s]);
        }
    return 0;
}

int part_merge(const struct spec *spec, const struct part_whole *whole,
               const struct msg_input *inputs, size_t count, struct progress *progress,
               bool *told, struct sink *sink, struct error *err)
{
    struct merge m = {.spec = spec,
                      .whole = whole,
                      .progress = progress,
                      .told = told,
                      .sink = sink,
                      .at = calloc(whole->alphas->count + 1, sizeof *m.at)};
    int rc = 0;

    if (!m.at)
        return err_set(err, ERR_NO_MEMORY, "no memory for the parts of a probe");
    for (size_t i = 0; i < count && rc == 0; i++)
        if (is_part(&inputs[i]))
            rc = take_part(&m, &inputs[i], err);
    if (rc == 0)
        rc = check_points(&m, err);
    free(m.at);
    return rc;
}
