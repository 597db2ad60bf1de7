/* The metrics of a probe's curves, from its stored points. */

#include "coordinator/store_internal.h"

#include "common/error.h"
#include "coordinator/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the metrics of a probe are measured by. */
struct gauge {
    double chance_loss, chance_error; /* of guessing */
    double tolerance;                 /* of a rise */
};

/* One curve under construction. */
struct curve {
    char grp[256], bn[32], split[32];
    double *alphas, *losses, *errors; /* of `room` points, one block */
    size_t count, room;
};

static int curve_grow(struct curve *curve, struct error *err)
{
    size_t room = curve->room ? 2 * curve->room : 128;
    double *block = malloc(3 * room * sizeof *block);

    if (!block)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu points", room);
    if (curve->count > 0) {
        memcpy(block, curve->alphas, curve->count * sizeof *block);
        memcpy(block + room, curve->losses, curve->count * sizeof *block);
        memcpy(block + 2 * room, curve->errors, curve->count * sizeof *block);
    }
    free(curve->alphas);
    curve->alphas = block;
    curve->losses = block + room;
    curve->errors = block + 2 * room;
    curve->room = room;
    return 0;
}

static bool copy_name(char *out, size_t size, struct slice name)
{
    if (name.size >= size)
        return false;
    memcpy(out, name.data, name.size);
    out[name.size] = '\0';
    return true;
}

/* Whether the current row of STMT_CURVES belongs to the curve. */
static bool same_curve(struct store *store, const struct curve *curve)
{
    return slice_is(stmt_text(store, STMT_CURVES, 0), curve->grp) &&
           slice_is(stmt_text(store, STMT_CURVES, 1), curve->bn) &&
           slice_is(stmt_text(store, STMT_CURVES, 2), curve->split);
}

static int start_curve(struct store *store, struct curve *curve, struct error *err)
{
    curve->count = 0;
    if (copy_name(curve->grp, sizeof curve->grp, stmt_text(store, STMT_CURVES, 0)) &&
        copy_name(curve->bn, sizeof curve->bn, stmt_text(store, STMT_CURVES, 1)) &&
        copy_name(curve->split, sizeof curve->split, stmt_text(store, STMT_CURVES, 2)))
        return 0;
    return err_set(err, ERR_INVALID, "the name of a group or split is too long");
}

static int add_point(struct store *store, struct curve *curve, struct error *err)
{
    const struct tally tally = {
        .count = stmt_int(store, STMT_CURVES, 4),
        .correct = stmt_int(store, STMT_CURVES, 5),
        .nan_count = stmt_int(store, STMT_CURVES, 6),
        .inf_count = stmt_int(store, STMT_CURVES, 7),
        .sum = stmt_real(store, STMT_CURVES, 8),
    };

    if (curve->count == curve->room && curve_grow(curve, err) != 0)
        return -1;
    curve->alphas[curve->count] = stmt_real(store, STMT_CURVES, 3);
    curve->losses[curve->count] = tally_loss(&tally);
    curve->errors[curve->count] = 1 - tally_accuracy(&tally);
    curve->count++;
    return 0;
}

static struct arg flag(bool value, double of)
{
    return isnan(of) ? (struct arg){.type = ARG_NULL} : arg_int(value);
}

static int write_curve(struct store *store, int64_t job, const struct curve *curve,
                       const struct gauge *gauge, struct error *err)
{
    struct curve_metrics m = curve_metrics_of(curve->alphas, curve->losses, curve->count,
                                              gauge->chance_loss, gauge->tolerance);
    struct curve_metrics e = curve_metrics_of(curve->alphas, curve->errors, curve->count,
                                              gauge->chance_error, gauge->tolerance);

    return stmt_run(
        store, STMT_PATH_ADD,
        ARGS(arg_int(job), arg_text(curve->grp), arg_text(curve->bn),
             arg_text(curve->split), arg_int((int64_t)m.points),
             arg_int((int64_t)m.nonfinite), arg_real(gauge->tolerance),
             arg_real(gauge->chance_loss), arg_finite(m.start), arg_finite(m.end),
             arg_finite(m.max), arg_finite(m.alpha_max), arg_finite(m.bump),
             flag(m.monotone, m.bump), arg_finite(m.barrier_linear),
             arg_finite(m.barrier_mean), arg_finite(m.barrier_init),
             arg_finite(m.interior_bump), arg_finite(m.alpha_star), arg_finite(m.plateau),
             arg_real(gauge->chance_error), arg_finite(e.start), arg_finite(e.end),
             arg_finite(e.max), arg_finite(e.alpha_max), arg_finite(e.bump),
             flag(e.monotone, e.bump), arg_finite(e.barrier_linear),
             arg_finite(e.barrier_mean), arg_finite(e.barrier_init),
             arg_finite(e.interior_bump), arg_finite(e.alpha_star), arg_finite(e.plateau),
             arg_finite(e.chance_share), arg_finite(m.bump_from), arg_finite(m.bump_to)),
        err);
}

static int read_gauge(struct store *store, int64_t job, struct gauge *ret,
                      struct error *err)
{
    int got = stmt_row(store, STMT_PROBE, ARGS(arg_int(job)), err);
    double classes;

    if (got < 0)
        return -1;
    if (got == 0)
        return err_set(err, ERR_INVALID, "probe %lld has no run to compare with",
                       (long long)job);
    classes = stmt_real(store, STMT_PROBE, 0);
    *ret = (struct gauge){log(classes), 1 - 1 / classes, stmt_real(store, STMT_PROBE, 1)};
    stmt_end(store, STMT_PROBE);
    return 0;
}

int path_write(struct store *store, int64_t job, struct error *err)
{
    struct curve curve = {.count = 0};
    struct gauge gauge = {0};
    int got, rc = -1;

    if (read_gauge(store, job, &gauge, err) != 0)
        return -1;
    got = stmt_row(store, STMT_CURVES, ARGS(arg_int(job)), err);
    while (got > 0) {
        if (curve.count == 0 && start_curve(store, &curve, err) != 0)
            goto done;
        if (!same_curve(store, &curve)) {
            if (write_curve(store, job, &curve, &gauge, err) != 0 ||
                start_curve(store, &curve, err) != 0)
                goto done;
        }
        if (add_point(store, &curve, err) != 0)
            goto done;
        got = stmt_next(store, STMT_CURVES, err);
    }
    if (got == 0 &&
        (curve.count == 0 || write_curve(store, job, &curve, &gauge, err) == 0))
        rc = 0;
done:
    stmt_end(store, STMT_CURVES);
    free(curve.alphas);
    return rc;
}
