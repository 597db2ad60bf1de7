#ifndef COORD_CONDITION_H
#define COORD_CONDITION_H

/* What a curve's metric must be: "interior_bump>0.1". Metrics are columns of the view
 * `paths`; a metric that the curve does not have meets no condition. */

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum condition_is { IS_ABOVE, IS_AT_LEAST, IS_BELOW, IS_AT_MOST, IS_EQUAL };

struct condition {
    size_t metric; /* place in condition_metrics() */
    enum condition_is is;
    double number; /* finite */
};

/* The names of metrics, NULL-terminated. */
const char *const *condition_metrics(void);

/* Read "METRIC OP NUMBER" without spaces, OP one of > >= < <= =; or only OP NUMBER, of
 * a metric that ret has. Returns whether it is one. */
bool condition_parse(const char *text, struct condition *ret);
bool condition_parse_rest(const char *text, struct condition *ret);

/* Append its one text. */
void condition_put(const struct condition *condition, struct buf *out);

/* NaN: the curve does not have the metric. */
bool condition_holds(const struct condition *condition, double value);

#endif
