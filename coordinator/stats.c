#include "coordinator/stats.h"

#include "common/error.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double CONFIDENCE = 0.95;

/* ---- distributions ----------------------------------------------------------- */

enum { TERMS_MAX = 10000, HALVINGS = 200 };

static double away_from_0(double x)
{
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

/* 1 + d1/(1 + d2/(1 + ...)), whose inverse is the fraction of I_x(a, b). */
static double beta_fraction(double x, double a, double b)
{
    double upper = 1, lower = 0, value = 1;

    for (int i = 1; i <= TERMS_MAX; i++) {
        double m = floor(i / 2.0);
        double term = i % 2 == 0
                          ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                          : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        lower = 1 / away_from_0(1 + term * lower);
        upper = away_from_0(1 + term / upper);
        value *= upper * lower;
        if (fabs(upper * lower - 1) < DBL_EPSILON)
            break;
    }
    return value;
}

double stat_beta(double x, double a, double b)
{
    int sign;

    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    /* The fraction converges fast below the mean. */
    if (x > (a + 1) / (a + b + 2))
        return 1 - stat_beta(1 - x, b, a);
    double log_front = a * log(x) + b * log1p(-x) + lgamma_r(a + b, &sign) -
                       lgamma_r(a, &sign) - lgamma_r(b, &sign);
    return exp(log_front) / (a * beta_fraction(x, a, b));
}

double stat_t_p(double t, double degrees)
{
    return stat_beta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

static double normal_p(double z, double unused)
{
    (void)unused;
    return erfc(z / sqrt(2));
}

/* Where a falling p(x) passes 1 - share. */
static double within(double (*p)(double x, double degrees), double share, double degrees)
{
    double low = 0, high = 1;

    while (p(high, degrees) > 1 - share && high < 1e300)
        high *= 2;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = low + (high - low) / 2;
        if (p(middle, degrees) > 1 - share)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double stat_t_within(double share, double degrees)
{
    return within(stat_t_p, share, degrees);
}

double stat_normal_within(double share)
{
    return within(normal_p, share, 0);
}

/* ---- ranks ------------------------------------------------------------------- */

struct ranked {
    double value;
    size_t index;
};

static int by_value(const void *a_p, const void *b_p)
{
    const struct ranked *a = a_p, *b = b_p;
    return (a->value > b->value) - (a->value < b->value);
}

int stat_ranks(const double *x, size_t n, double *ret, struct error *err)
{
    struct ranked *sorted = calloc(n + 1, sizeof *sorted);

    if (!sorted)
        return err_set(err, ERR_NO_MEMORY, "no memory for the ranks of %zu runs", n);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct ranked){x[i], i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && by_value(&sorted[from], &sorted[to]) == 0;)
            to++;
        for (size_t i = from; i < to; i++)
            ret[sorted[i].index] = (double)(from + 1 + to) / 2;
    }
    free(sorted);
    return 0;
}

/* ---- correlation --------------------------------------------------------------- */

/* Ranks have the mean (n + 1) / 2, ties or not. */
static double product(const double *x, const double *y, size_t n)
{
    double mean = (double)(n + 1) / 2, sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (y[i] - mean);
    return sum;
}

struct orders {
    const double *x;
    double y[STAT_EXACT_MAX];
    size_t n;
    double observed;
    double all, as_far; /* how many orders; and as far from 0 as the observed */
};

/* Give the places from `at` on every order of what is left of y. */
static void try_orders(struct orders *orders, size_t at)
{
    if (at == orders->n) {
        double sum = fabs(product(orders->x, orders->y, orders->n));
        orders->all += 1;
        orders->as_far += sum >= orders->observed - 1e-9; /* sums of quarters */
        return;
    }
    for (size_t i = at; i < orders->n; i++) {
        double first = orders->y[at];
        orders->y[at] = orders->y[i];
        orders->y[i] = first;
        try_orders(orders, at + 1);
        orders->y[i] = orders->y[at];
        orders->y[at] = first;
    }
}

static double exact_p(const double *x, const double *y, size_t n)
{
    struct orders orders = {.x = x, .n = n, .observed = fabs(product(x, y, n))};

    for (size_t i = 0; i < n; i++)
        orders.y[i] = y[i];
    try_orders(&orders, 0);
    return orders.as_far / orders.all;
}

static void correlate(const double *x, const double *y, size_t n, struct stat_result *ret)
{
    double xx = product(x, x, n), yy = product(y, y, n), r;

    if (xx == 0 || yy == 0) {
        ret->verdict = STAT_ALL_ALIKE;
        return;
    }
    r = fmax(-1, fmin(1, product(x, y, n) / sqrt(xx * yy)));
    ret->value = r;
    if (n <= STAT_EXACT_MAX)
        ret->p = exact_p(x, y, n);
    else
        ret->p = fabs(r) < 1
                     ? stat_t_p(r * sqrt((double)(n - 2) / (1 - r * r)), (double)(n - 2))
                     : 0;
    if (fabs(r) < 1) {
        double reach =
            stat_normal_within(CONFIDENCE) * sqrt((1 + r * r / 2) / ((double)n - 3));
        ret->low = tanh(atanh(r) - reach);
        ret->high = tanh(atanh(r) + reach);
    }
}

int stat_spearman(const double *x, const double *y, size_t n, struct stat_result *ret,
                  struct error *err)
{
    double *ranks;
    int rc = -1;

    *ret = (struct stat_result){STAT_TOO_FEW, n, NAN, NAN, NAN, NAN};
    if (n < STAT_RUNS_MIN)
        return 0;
    ret->verdict = STAT_OK;
    ranks = calloc(2 * n, sizeof *ranks);
    if (!ranks)
        return err_set(err, ERR_NO_MEMORY, "no memory for the ranks of %zu runs", n);
    if (stat_ranks(x, n, ranks, err) == 0 && stat_ranks(y, n, ranks + n, err) == 0) {
        correlate(ranks, ranks + n, n, ret);
        rc = 0;
    }
    free(ranks);
    return rc;
}

/* ---- mean ---------------------------------------------------------------------- */

struct stat_result stat_mean(const double *x, size_t n)
{
    struct stat_result ret = {STAT_TOO_FEW, n, NAN, NAN, NAN, NAN};
    double sum = 0, squares = 0;

    if (n < STAT_PAIRS_MIN)
        return ret;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    ret.value = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - ret.value) * (x[i] - ret.value);
    /* The same everywhere, but for how the mean was rounded. */
    double error = sqrt(squares / (double)(n - 1) / (double)n);
    if (error <= 1e-12 * fabs(ret.value)) {
        ret.verdict = STAT_ALL_ALIKE;
        return ret;
    }
    ret.verdict = STAT_OK;
    double reach = stat_t_within(CONFIDENCE, (double)(n - 1)) * error;
    ret.low = ret.value - reach;
    ret.high = ret.value + reach;
    ret.p = stat_t_p(ret.value / error, (double)(n - 1));
    return ret;
}
