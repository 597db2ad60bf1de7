#include "common/condition.h"

#include "common/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const METRICS[] = {
    "bump",          "monotone",   "barrier_linear", "barrier_mean", "barrier_init",
    "interior_bump", "alpha_star", "plateau",        "loss_start",   "loss_end",
    "loss_max",      "alpha_max",  "bump_from",      "bump_to",      NULL,
};

/* By what they are; the longer of two with the same beginning comes first when read. */
static const char *const OPS[] = {
    [IS_ABOVE] = ">",    [IS_AT_LEAST] = ">=", [IS_BELOW] = "<",
    [IS_AT_MOST] = "<=", [IS_EQUAL] = "=",
};

const char *const *condition_metrics(void)
{
    return METRICS;
}

bool condition_parse_rest(const char *text, struct condition *ret)
{
    const char *number;
    size_t size = 0;
    char *end;

    for (int i = 0; i < (int)(sizeof OPS / sizeof OPS[0]); i++) {
        size_t length = strlen(OPS[i]);
        if (length <= size || strncmp(text, OPS[i], length) != 0)
            continue;
        size = length;
        ret->is = (enum condition_is)i;
    }
    number = text + size;
    if (size == 0 || !*number || number[strspn(number, "0123456789+-.eE")])
        return false;
    ret->number = strtod(number, &end);
    return !*end && isfinite(ret->number);
}

bool condition_parse(const char *text, struct condition *ret)
{
    const size_t size = strcspn(text, "<>=");

    for (size_t i = 0; METRICS[i]; i++)
        if (strlen(METRICS[i]) == size && strncmp(METRICS[i], text, size) == 0) {
            ret->metric = i;
            return condition_parse_rest(text + size, ret);
        }
    return false;
}

void condition_put(const struct condition *condition, struct buf *out)
{
    const struct value number = value_real(condition->number);

    buf_printf(out, "%s%s", METRICS[condition->metric], OPS[condition->is]);
    value_text(&number, out);
}

bool condition_holds(const struct condition *condition, double value)
{
    switch (condition->is) {
    case IS_ABOVE:
        return value > condition->number;
    case IS_AT_LEAST:
        return value >= condition->number;
    case IS_BELOW:
        return value < condition->number;
    case IS_AT_MOST:
        return value <= condition->number;
    case IS_EQUAL:
        return value == condition->number;
    }
    return false;
}
