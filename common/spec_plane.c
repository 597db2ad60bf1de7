/* What a probe's points, and a plane's states, say together. */

#include "common/spec_rules.h"

#include "common/error.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Whether n points from a to b all differ. Each is a + (b - a) * i / (n - 1), whose
 * rounding is a few units of the larger end. */
static bool spread(double a, double b, int64_t n)
{
    double largest = fmax(fabs(a), fabs(b));
    return (b - a) / (double)n > fmax(8 * DBL_EPSILON * largest, DBL_MIN);
}

int rule_points(const struct spec_range *range, const struct spec *spec,
                const char **ret_name, struct error *err)
{
    const double from = spec_real(spec, range->from), to = spec_real(spec, range->to);
    const char *option = strchr(range->points, '.') + 1;
    struct value points;
    int64_t count;
    bool is_list;

    if (spec_value(spec, range->points, &points, err))
        return -1;
    is_list = points.type == VALUE_LIST;
    count = is_list ? 0 : points.integer;
    value_free(&points);
    *ret_name = spec_has(spec, range->from) ? range->from : range->to;
    if (is_list && spec_has(spec, *ret_name))
        return err_set(err, ERR_INVALID, "applies only where %s is a count", option);
    if (from >= to)
        return err_set(err, ERR_INVALID, "expected the first %s below the last",
                       range->noun);
    if (!is_list && !spread(from, to, count))
        return err_set(err, ERR_INVALID,
                       "%lld %ss do not fit between the first and the last",
                       (long long)count, range->noun);
    return 0;
}

int rule_plane(const struct spec *spec, const char **ret_name, struct error *err)
{
    static const struct spec_range XS = {"probe.xs", "probe.xs_from", "probe.xs_to", "x"};
    static const struct spec_range YS = {"probe.ys", "probe.ys_from", "probe.ys_to", "y"};
    const char *third = spec_string(spec, "c.run");
    bool states = strcmp(spec_string(spec, "probe.directions"), "states") == 0;

    if (strcmp(spec_string(spec, "probe.kind"), "plane") != 0)
        return 0;
    *ret_name = "c.run";
    if (!states && spec_has(spec, "c.run"))
        return err_set(err, ERR_INVALID, "applies only where probe.directions is states");
    if (states && !spec_has(spec, "c.run"))
        return err_set(err, ERR_INVALID, "is missing: a plane goes through three states");
    if (states && !hash_is_hex(third, strlen(third)))
        return err_set(err, ERR_INVALID, "expected a run's key, got \"%s\"", third);
    if (rule_points(&XS, spec, ret_name, err))
        return -1;
    return rule_points(&YS, spec, ret_name, err);
}
