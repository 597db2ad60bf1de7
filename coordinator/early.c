#include "coordinator/early.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const char *const RULES[EARLY_RULE_COUNT] = {
    [EARLY_NONE] = "", [EARLY_MEDIAN] = "median", [EARLY_ASHA] = "asha"};

static const struct early_metric METRICS[] = {
    {"train_loss", "train", false},
    {"train_acc", "train", true},
    {"test_loss", "test", false},
    {"test_acc", "test", true},
};

const char *early_rule_name(enum early_rule rule)
{
    assert((unsigned)rule < EARLY_RULE_COUNT);
    return RULES[rule];
}

bool early_rule_parse(const char *name, enum early_rule *ret)
{
    for (int i = 0; i < EARLY_RULE_COUNT; i++)
        if (strcmp(name, RULES[i]) == 0) {
            *ret = (enum early_rule)i;
            return true;
        }
    return false;
}

const struct early_metric *early_metric_of(const char *name)
{
    for (size_t i = 0; i < sizeof METRICS / sizeof METRICS[0]; i++)
        if (strcmp(name, METRICS[i].name) == 0)
            return &METRICS[i];
    return NULL;
}

bool early_judges(const struct early *early, uint32_t epoch)
{
    uint64_t rung = early->grace;

    if (early->rule != EARLY_ASHA)
        return early->rule == EARLY_MEDIAN && epoch >= early->grace;
    while (rung < epoch)
        rung *= early->factor;
    return rung == epoch;
}

/* Of an even number of others the worse of the two in the middle: in doubt it goes on. */
uint64_t early_place(const struct early *early, uint64_t others)
{
    if (early->rule == EARLY_MEDIAN)
        return others < EARLY_OTHERS_MIN ? 0 : others / 2 + 1;
    uint64_t best = (others + 1) / early->factor;
    return best > 0 ? best : 1;
}
