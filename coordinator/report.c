#include "coordinator/report.h"

#include "common/error.h"
#include "coordinator/draw.h"
#include "coordinator/store.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole path gets a plot of 3 x 40 characters, which is 12 x 80 dots: enough
 * for the grid of 50 points, and eight of them fit a screen. */
enum { PLOT_ROWS = 3, PLOT_COLUMNS = 40 };

/* Points of one curve, as many as a result has; the plot thins them. */
enum { POINTS_MAX = PROTO_POINTS_MAX };

/* Curves lie one after another: a change in any of these starts the next. */
static const char CURVES[] =
    "SELECT intervention, point, seed, probe, grp, bn, job, alpha,"
    " CASE nonfinite WHEN 'nan' THEN 'nan' WHEN 'inf' THEN 'inf' ELSE loss END,"
    " origin = 'grid'"
    " FROM curves WHERE sweep = ?1 AND split = ?2"
    " ORDER BY grp <> 'all', intervention <> 'baseline', intervention, point, seed,"
    " probe, job, bn, grp, alpha";

enum { LABEL_MAX = 256 };

struct curve {
    char label[LABEL_MAX]; /* "random-labels, seed 0, path" */
    char grp[64], bn[16];
    int64_t job;
    double *alphas, *values;
    double *grid; /* the values of the grid's points, which lie evenly as a rule */
    size_t count, grid_count;
};

static double curve_value(const struct query *query, int column)
{
    if (query_kind(query, column) == QUERY_TEXT)
        return query_text(query, column, NULL)[0] == 'n' ? (double)NAN : (double)INFINITY;
    return query_real(query, column);
}

static void curve_name(struct curve *curve, const struct query *query)
{
    const char *point = query_text(query, 1, NULL);

    snprintf(curve->label, sizeof curve->label, "%.60s%s%.100s, seed %" PRId64 ", %.64s",
             query_text(query, 0, NULL), point[0] ? ", " : "", point, query_int(query, 2),
             query_text(query, 3, NULL));
    snprintf(curve->grp, sizeof curve->grp, "%s", query_text(query, 4, NULL));
    snprintf(curve->bn, sizeof curve->bn, "%s", query_text(query, 5, NULL));
    curve->job = query_int(query, 6);
    curve->count = curve->grid_count = 0;
}

static bool curve_goes_on(const struct curve *curve, const struct query *query)
{
    return curve->count > 0 && curve->job == query_int(query, 6) &&
           strcmp(curve->grp, query_text(query, 4, NULL)) == 0 &&
           strcmp(curve->bn, query_text(query, 5, NULL)) == 0;
}

static double curve_edge(const struct curve *curve, bool top)
{
    double edge = NAN;

    for (size_t i = 0; i < curve->count; i++)
        if (isfinite(curve->values[i]))
            edge = top ? fmax(edge, curve->values[i]) : fmin(edge, curve->values[i]);
    return edge;
}

/* "baseline, seed 0, path (bn interp, alpha -0.5 to 1.5)" */
static void put_label(struct buf *out, const struct curve *curve, bool has_bn)
{
    double first = curve->alphas[0], last = curve->alphas[curve->count - 1];
    bool usual = first == 0 && last == 1;

    buf_puts(out, curve->label);
    if (has_bn || !usual)
        buf_puts(out, " (");
    if (has_bn)
        buf_printf(out, "bn %s%s", curve->bn, usual ? "" : ", ");
    if (!usual)
        buf_printf(out, "alpha %g to %g", first, last);
    buf_puts(out, has_bn || !usual ? ")\n" : "\n");
}

static void put_curve(struct buf *out, const struct curve *curve, char *heading,
                      size_t heading_size)
{
    double low = curve_edge(curve, false), high = curve_edge(curve, true);
    bool has_bn = strcmp(curve->bn, "none") != 0;

    if (curve->count == 0)
        return;
    if (strcmp(curve->grp, "all") == 0) {
        put_label(out, curve, has_bn);
        curve_draw(out, curve->alphas, curve->values, curve->count, isnan(low) ? 0 : low,
                   isnan(high) ? 1 : high, PLOT_COLUMNS, PLOT_ROWS, "  ");
        return;
    }
    if (strcmp(heading, curve->label) != 0) {
        snprintf(heading, heading_size, "%s", curve->label);
        put_label(out, curve, false);
    }
    buf_printf(out, "  %-14s", curve->grp);
    if (has_bn)
        buf_printf(out, " %-9s ", curve->bn);
    curve_spark(out, curve->grid, curve->grid_count);
    buf_printf(out, "  %.4g to %.4g\n", low, high);
}

int report_curves(struct store *store, const char *sweep, const char *split,
                  struct buf *out, struct error *err)
{
    const char *args[] = {sweep, split};
    struct curve curve = {0};
    char heading[LABEL_MAX] = "";
    struct query *query = NULL;
    int got = -1;

    curve.alphas = calloc(POINTS_MAX, sizeof *curve.alphas);
    curve.values = calloc(POINTS_MAX, sizeof *curve.values);
    curve.grid = calloc(POINTS_MAX, sizeof *curve.grid);
    if (!curve.alphas || !curve.values || !curve.grid) {
        err_set(err, ERR_NO_MEMORY, "no memory for a curve");
        goto done;
    }
    query = query_open(store, CURVES, args, 2, err);
    while (query && (got = query_next(query, err)) == 1) {
        if (!curve_goes_on(&curve, query)) {
            put_curve(out, &curve, heading, sizeof heading);
            curve_name(&curve, query);
        }
        if (curve.count == POINTS_MAX)
            continue;
        curve.alphas[curve.count] = query_real(query, 7);
        curve.values[curve.count++] = curve_value(query, 8);
        if (query_int(query, 9))
            curve.grid[curve.grid_count++] = curve.values[curve.count - 1];
    }
    if (got == 0)
        put_curve(out, &curve, heading, sizeof heading);

done:
    query_close(&query);
    free(curve.alphas);
    free(curve.values);
    free(curve.grid);
    return got == 0 ? 0 : -1;
}
