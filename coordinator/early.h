#ifndef COORD_EARLY_H
#define COORD_EARLY_H

/* Rules by which a sweep stops runs early that do worse than its others: [sweep] stop of
 * a grid. Pure: it knows numbers, and neither jobs nor a database.
 *
 * Runs are compared epoch by epoch, as their evaluations come. Every run that reaches an
 * epoch at which the rule judges has a score there; a lower one is better, and what is
 * not a number is infinitely bad. A run goes on whose own value is not above the score at
 * a place among them.
 *
 *   median  at every epoch from `grace` on. Score: the mean of the metric over epochs 1
 *           to there. Own value: the best of the metric up to there. It is to reach the
 *           median of the other runs' scores, of which there must be three. (Golovin et
 *           al., "Google Vizier", KDD 2017, section 3.1.2; there of completed runs only.)
 *   asha    at epochs grace, grace * factor, grace * factor^2, ... Score and own value:
 *           the metric there. It is to be among the best 1 / factor of the runs that came
 *           so far, and at least the best. (Li et al., "A System for Massively Parallel
 *           Hyperparameter Tuning", MLSys 2020, as used without pausing: a run that comes
 *           early is measured against few others.)
 *
 * Which runs are stopped depends on the order in which they run, and so on the cluster;
 * what a run gives does not.
 */

#include <stdbool.h>
#include <stdint.h>

enum early_rule { EARLY_NONE, EARLY_MEDIAN, EARLY_ASHA, EARLY_RULE_COUNT };

/* One of them, as history has it. */
struct early_metric {
    const char *name, *split; /* "test_loss", "test" */
    bool accuracy;            /* higher is better: its negative is compared */
};

/* Zeroed: no rule. */
struct early {
    enum early_rule rule;
    const struct early_metric *metric;
    uint32_t grace;  /* epochs, at least 1, before the first judgement */
    uint32_t factor; /* of asha, at least 2 */
};

enum {
    EARLY_OTHERS_MIN = 3, /* a median of fewer says nothing */
    EARLY_EPOCHS_MAX = 1000000,
    EARLY_FACTOR_MAX = 1000,
};

const char *early_rule_name(enum early_rule rule); /* "asha"; "" for none */
bool early_rule_parse(const char *name, enum early_rule *ret);
const struct early_metric *early_metric_of(const char *name); /* or NULL */

/* Whether runs are judged at an epoch (from 1). */
bool early_judges(const struct early *early, uint32_t epoch);

/* Which score in ascending order, counted from 1, a run is to reach among `others` that
 * have one; 0: there is nothing to judge by. Of asha the run's own score is one more. */
uint64_t early_place(const struct early *early, uint64_t others);

#endif
