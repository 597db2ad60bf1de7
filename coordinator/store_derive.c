/* Derived states that lie where a probe's curve tells: what the curve must be like, and
 * where on it they are. */

#include "coordinator/store_internal.h"

#include "common/derived.h"
#include "common/error.h"
#include "common/spec.h"

#include <stdio.h>
#include <string.h>

/* The metrics of the curve that a spec reads, in the order of condition_metrics(); NaN:
 * the curve does not have it. */
struct metrics {
    double items[32];
};

static int read_metrics(struct store *store, int64_t job, const struct spec *spec,
                        struct metrics *ret, struct error *err)
{
    int got = stmt_row(store, STMT_DERIVED_CURVE,
                       ARGS(arg_int(job), arg_text(derived_group(spec)),
                            arg_text(spec_string(spec, "derive.bn")),
                            arg_text(spec_string(spec, "derive.split"))),
                       err);

    for (size_t i = 0; got > 0 && condition_metrics()[i]; i++)
        ret->items[i] = stmt_is_null(store, STMT_DERIVED_CURVE, (int)i)
                            ? (double)NAN
                            : stmt_real(store, STMT_DERIVED_CURVE, (int)i);
    stmt_end(store, STMT_DERIVED_CURVE);
    return got;
}

static size_t metric_of(const char *name)
{
    size_t i = 0;

    while (condition_metrics()[i] && strcmp(condition_metrics()[i], name) != 0)
        i++;
    return i;
}

/* Why the curve does not qualify; false: it does. */
static bool says_no(const struct spec *spec, const struct metrics *metrics, char *reason,
                    size_t size, int *ret_rc, struct error *err)
{
    struct condition where[DERIVED_WHERE_MAX];
    size_t count;

    *ret_rc = derived_where(spec, where, &count, err);
    for (size_t i = 0; i < count && *ret_rc == 0; i++) {
        const double value = metrics->items[where[i].metric];
        struct buf text = {0};
        if (condition_holds(&where[i], value))
            continue;
        condition_put(&where[i], &text);
        if (isnan(value))
            snprintf(reason, size, "does not qualify: expected %s, the curve has none",
                     text.data ? text.data : "");
        else
            snprintf(reason, size, "does not qualify: expected %s, it is %.6g",
                     text.data ? text.data : "", value);
        buf_free(&text);
        return true;
    }
    return false;
}

/* Judge what the curve is like, and write down where the state lies. */
static int judge_curve(struct store *store, int64_t job, const struct spec *spec,
                       bool *ret_fits, char *reason, size_t size, struct error *err)
{
    const char *at = spec_string(spec, "derive.at");
    const bool given = strcmp(at, "value") == 0;
    struct metrics metrics;
    double alpha;
    int rc, got = read_metrics(store, job, spec, &metrics, err);

    *ret_fits = false;
    if (got <= 0) {
        snprintf(reason, size, "does not qualify: the probe has no curve %s, %s, %s",
                 derived_group(spec), spec_string(spec, "derive.bn"),
                 spec_string(spec, "derive.split"));
        return got;
    }
    if (says_no(spec, &metrics, reason, size, &rc, err) || rc)
        return rc;
    alpha = given ? spec_real(spec, "derive.alpha") : metrics.items[metric_of(at)];
    if (isnan(alpha)) {
        snprintf(reason, size, "does not qualify: the curve has no %s", at);
        return 0;
    }
    *ret_fits = true;
    return stmt_run(store, STMT_DERIVED_SET, ARGS(arg_int(job), arg_real(alpha)), err);
}

static int read_spec(struct store *store, int64_t job, struct spec *ret,
                     struct error *err)
{
    int got = stmt_row(store, STMT_JOB_SPEC, ARGS(arg_int(job)), err);
    struct slice text;
    int rc;

    if (got <= 0)
        return got < 0
                   ? -1
                   : err_set(err, ERR_NOT_FOUND, "there is no job %lld", (long long)job);
    text = stmt_text(store, STMT_JOB_SPEC, 0);
    rc = spec_parse(text.data, text.size, ret, err);
    stmt_end(store, STMT_JOB_SPEC);
    return rc;
}

int derive_judge(struct store *store, int64_t job, bool *ret_fits, char *reason,
                 size_t size, struct error *err)
{
    struct spec spec;
    int rc = 0;

    *ret_fits = true;
    if (read_spec(store, job, &spec, err) != 0)
        return -1;
    if (spec_has(&spec, "derive.probe"))
        rc = judge_curve(store, job, &spec, ret_fits, reason, size, err);
    spec_free(&spec);
    return rc;
}

int derive_alpha(struct store *store, int64_t job, double *ret, struct error *err)
{
    int got = stmt_row(store, STMT_DERIVED, ARGS(arg_int(job)), err);

    *ret = got > 0 ? stmt_real(store, STMT_DERIVED, 0) : 0;
    stmt_end(store, STMT_DERIVED);
    return got < 0 ? -1 : 0;
}
