#include "common/alphas.h"

#include "common/error.h"
#include "common/spec.h"

#include <math.h>
#include <stdlib.h>

/* Halvings of the distance on one side of a refined point, at most. */
#define HALVINGS 10.0

/* Alphas nearer to each other than this share of the span are one. */
#define SAME 1e-12

const char *alpha_origin_name(enum alpha_origin origin)
{
    static const char *const NAMES[] = {"grid", "refine", "adapt"};
    return NAMES[origin];
}

/* ---- the grid ---------------------------------------------------------------- */

static void fill_line(double *at, size_t n, double from, double to)
{
    for (size_t i = 0; i < n; i++)
        at[i] = from + (to - from) * (double)i / (double)(n - 1);
    at[n - 1] = to;
}

size_t alphas_size(const struct value *points)
{
    return points->type == VALUE_LIST ? points->list.count : (size_t)points->integer;
}

void alphas_fill(const struct value *points, double from, double to, double *at)
{
    const size_t n = alphas_size(points);

    if (points->type != VALUE_LIST)
        fill_line(at, n, from, to);
    for (size_t i = 0; points->type == VALUE_LIST && i < n; i++)
        at[i] = value_number(&points->list.items[i]);
}

/* The least and the largest alpha of the grid. */
static int find_span(const struct spec *spec, double *ret_low, double *ret_high,
                     struct error *err)
{
    struct value value;

    if (spec_value(spec, "probe.alphas", &value, err))
        return -1;
    if (value.type == VALUE_LIST) {
        *ret_low = value_number(&value.list.items[0]);
        *ret_high = value_number(&value.list.items[value.list.count - 1]);
    } else {
        *ret_low = spec_real(spec, "probe.from");
        *ret_high = spec_real(spec, "probe.to");
    }
    value_free(&value);
    return 0;
}

/* ---- refinements ------------------------------------------------------------- */

/* How far a refinement reaches from c to one side (-1: below, 1: above): 0 where that
 * side is not in the span. */
static double reach(const struct alphas *alphas, double c, double width, int side)
{
    const double edge = alphas->at[side < 0 ? 0 : alphas->grid - 1];
    double next = edge;

    for (size_t i = 0; i < alphas->grid; i++) {
        const double away = (alphas->at[i] - c) * side;
        if (away > 0 && away < (next - c) * side)
            next = alphas->at[i];
    }
    if (width > 0)
        return fmax(0, fmin(width, (edge - c) * side));
    return fmax(0, (next - c) * side);
}

static void fill_side(struct alphas *alphas, double c, double w, int side, size_t m)
{
    for (size_t k = 1; k <= m; k++) {
        const double t = (double)k * fmin(1, HALVINGS / (double)m), j = floor(t);
        alphas->at[alphas->count++] = c + side * ldexp(w, -(int)j) * (1 - (t - j) / 2);
    }
}

static void fill_refinement(struct alphas *alphas, const struct value *triple)
{
    const double c = value_number(&triple->list.items[0]);
    const size_t n = (size_t)triple->list.items[1].integer;
    const double width = value_number(&triple->list.items[2]);
    const double below = reach(alphas, c, width, -1), above = reach(alphas, c, width, 1);
    const size_t m = above <= 0 ? n : below <= 0 ? 0 : n - n / 2;

    fill_side(alphas, c, below, -1, m);
    fill_side(alphas, c, above, 1, n - m);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sort what came to the grid, and drop what is there twice. */
static void settle(struct alphas *alphas)
{
    double *at = alphas->at;
    const size_t grid = alphas->grid, count = alphas->count;
    const double near = SAME * (at[grid - 1] - at[0]);
    size_t next = 0; /* of the grid, the first not below the one in hand */

    qsort(at + grid, count - grid, sizeof *at, compare);
    alphas->count = grid;
    for (size_t i = grid; i < count; i++) {
        const double x = at[i];
        while (next < grid && at[next] < x)
            next++;
        if ((next < grid && at[next] - x < near) ||
            (next > 0 && x - at[next - 1] < near) ||
            (alphas->count > grid && x - at[alphas->count - 1] < near))
            continue;
        at[alphas->count++] = x;
    }
}

/* ---- what is asked for ------------------------------------------------------- */

/* Near a point of the span, which must be one. */
static int check_refine(const struct spec *spec, const char **ret_name, struct error *err)
{
    struct value list;
    double low, high, points = 0;
    int rc = 0;

    if (!spec_has(spec, "probe.refine"))
        return 0;
    if (find_span(spec, &low, &high, err) || spec_value(spec, "probe.refine", &list, err))
        return -1;
    *ret_name = "probe.refine";
    if (list.list.count > 0 && low == high)
        rc = err_set(err, ERR_INVALID, "a single alpha has no span to refine");
    for (size_t i = 0; i < list.list.count && rc == 0; i++) {
        const double near = value_number(&list.list.items[i].list.items[0]);
        points += value_number(&list.list.items[i].list.items[1]);
        if (points > opt_find(JOB_PROBE, "probe.alphas")->max)
            rc = err_set(err, ERR_INVALID, "more points than a line may have");
        else if (near < low || near > high)
            rc = err_set(err, ERR_INVALID, "near = %g is outside the alphas, %g to %g",
                         near, low, high);
    }
    value_free(&list);
    return rc;
}

static int check_adapt(const struct spec *spec, const char **ret_name, struct error *err)
{
    double low, high;

    *ret_name = "probe.adapt.tolerance";
    if (spec_int(spec, "probe.adapt.most") == 0)
        return !spec_has(spec, *ret_name)
                   ? 0
                   : err_set(err, ERR_INVALID,
                             "applies only where adapt.most is above 0");
    *ret_name = "probe.adapt.most";
    if (find_span(spec, &low, &high, err))
        return -1;
    return low < high ? 0
                      : err_set(err, ERR_INVALID, "a single alpha has no span to refine");
}

int alphas_check(const struct spec *spec, const char **ret_name, struct error *err)
{
    return check_refine(spec, ret_name, err) || check_adapt(spec, ret_name, err) ? -1 : 0;
}

/* ---- all --------------------------------------------------------------------- */

int alphas_of(const struct spec *spec, struct alphas *ret, struct error *err)
{
    struct value grid, list = {.type = VALUE_BOOL};
    struct alphas made = {0};
    size_t room;
    int rc = -1;

    if (spec_value(spec, "probe.alphas", &grid, err))
        return -1;
    if (spec_value(spec, "probe.refine", &list, err))
        goto done;
    room = made.grid = made.count = alphas_size(&grid);
    for (size_t i = 0; i < list.list.count; i++)
        room += (size_t)list.list.items[i].list.items[1].integer;
    made.at = calloc(room, sizeof *made.at);
    if (!made.at) {
        err_set(err, ERR_NO_MEMORY, "no memory for %zu alphas", room);
        goto done;
    }
    alphas_fill(&grid, spec_real(spec, "probe.from"), spec_real(spec, "probe.to"),
                made.at);
    for (size_t i = 0; i < list.list.count; i++)
        fill_refinement(&made, &list.list.items[i]);
    settle(&made);
    *ret = made;
    rc = 0;

done:
    value_free(&list);
    value_free(&grid);
    return rc;
}

void alphas_free(struct alphas *alphas)
{
    free(alphas->at);
    *alphas = (struct alphas){0};
}

enum alpha_origin alphas_origin(const struct alphas *alphas, size_t i)
{
    return i < alphas->grid ? ALPHA_GRID : ALPHA_REFINE;
}
