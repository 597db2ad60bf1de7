#ifndef COORD_STATS_H
#define COORD_STATS_H

/* Statistics over runs: distributions, rank correlation, intervals. Pure arithmetic.
 * Absent values are the caller's to leave out: no NaN. INFINITY has a rank.
 *
 *   distributions   Student's t by the regularised incomplete beta function,
 *                   I_x(a, b), from its continued fraction (Abramowitz and Stegun
 *                   26.5.8, evaluated as Lentz and Thompson do)
 *   ranks           from 1; equal values share the mean of theirs
 *   correlation     Spearman's: Pearson's of the ranks. p is two-sided: over all
 *                   orders of one side up to STAT_EXACT_MAX runs, ties included;
 *                   above, by t = r sqrt((n - 2) / (1 - r^2)) with n - 2 degrees.
 *                   The interval is Fisher's, tanh(atanh(r) -+ z s), with the
 *                   s = sqrt((1 + r^2/2) / (n - 3)) of Bonett and Wright (2000)
 *   interval        of a mean, from n - 1 degrees; p two-sided against 0
 */

#include <stddef.h>

struct error;

/* With fewer, no correlation can have a p below 0.05. */
enum { STAT_RUNS_MIN = 5 };

/* With two pairs the interval is 13 standard errors to each side. */
enum { STAT_PAIRS_MIN = 3 };

enum { STAT_EXACT_MAX = 9 };

/* I_x(a, b) for x in [0, 1], a and b above 0. */
double stat_beta(double x, double a, double b);

/* P(|T| >= |t|). */
double stat_t_p(double t, double degrees);

/* Half the width of the interval around 0 that holds this share. */
double stat_t_within(double share, double degrees);
double stat_normal_within(double share);

/* What stands in the way of a number. */
enum stat_verdict { STAT_OK, STAT_TOO_FEW, STAT_ALL_ALIKE };

struct stat_result {
    enum stat_verdict verdict;
    size_t n;
    double value;        /* the correlation, or the mean; NaN unless STAT_OK */
    double low, high, p; /* 95 %; low and high are NaN where |correlation| is 1 */
};

/* ret and x are (n). -1: ERR_NO_MEMORY. */
int stat_ranks(const double *x, size_t n, double *ret, struct error *err);

/* x and y are (n). STAT_ALL_ALIKE: one of them is the same everywhere. */
int stat_spearman(const double *x, const double *y, size_t n, struct stat_result *ret,
                  struct error *err);

/* x is (n). STAT_ALL_ALIKE: no spread to tell from; value is given all the same. */
struct stat_result stat_mean(const double *x, size_t n);

#endif
