#include "worker/probe/trajectory.h"

#include "common/error.h"
#include "worker/endpoint.h"
#include "worker/sink.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- arithmetic ------------------------------------------------------------------- */

/* Sums over a group's parameters. */
struct sums {
    double dd, vd, vv, ww; /* <d, d>, <v, d>, <v, v>, and of w = v - alpha d */
};

static void add_up(const struct tensor *tensor, const real *a, const real *b,
                   const real *s, struct sums *sums)
{
    for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
        const double d = (double)b[i] - (double)a[i], v = (double)s[i] - (double)a[i];

        sums->dd += d * d;
        sums->vd += v * d;
        sums->vv += v * v;
    }
}

/* What is left of v, number by number: as a difference of squares it would be lost
 * where s is near the line. */
static void add_rest(const struct tensor *tensor, const real *a, const real *b,
                     const real *s, double alpha, struct sums *sums)
{
    for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
        const double d = (double)b[i] - (double)a[i], v = (double)s[i] - (double)a[i];
        const double w = v - alpha * d;

        sums->ww += w * w;
    }
}

static double degrees(double across, double along)
{
    return across == 0 && along == 0 ? (double)NAN
                                     : atan2(across, along) * 180 / acos(-1);
}

/* In the plane of d and w: v = (alpha |d|, |w|), b - s = ((1 - alpha) |d|, -|w|). */
static struct msg_place place_of(const struct sums *sums)
{
    const double d = sqrt(sums->dd), w = sqrt(sums->ww), alpha = sums->vd / sums->dd;

    return (struct msg_place){
        .alpha = alpha,
        .dist = w,
        .rel = w / d,
        .angle = degrees(w, alpha * d),
        .corner = sums->vv == 0
                      ? (double)NAN
                      : degrees(w * d, alpha * (1 - alpha) * sums->dd - sums->ww),
    };
}

struct msg_place trajectory_place(const struct arch *arch, const char *group,
                                  const real *a, const real *b, const real *s)
{
    struct sums sums = {0};

    for (int t = 0; t < arch->param_tensors; t++)
        if (arch_in_group(arch, t, group))
            add_up(&arch->tensors[t], a, b, s, &sums);
    if (sums.dd == 0) /* no line: the distance is that to a */
        return (struct msg_place){.alpha = (double)NAN,
                                  .dist = sqrt(sums.vv),
                                  .rel = (double)NAN,
                                  .angle = (double)NAN,
                                  .corner = (double)NAN};
    for (int t = 0; t < arch->param_tensors; t++)
        if (arch_in_group(arch, t, group))
            add_rest(&arch->tensors[t], a, b, s, sums.vd / sums.dd, &sums);
    return place_of(&sums);
}

/* ---- states ----------------------------------------------------------------------- */

static bool is_between(const struct msg_input *input)
{
    return input->role.size > 1 && input->role.data[0] == 's' &&
           input->role.data[1] >= '0' && input->role.data[1] <= '9';
}

static int put_place(const struct msg_input *input, const struct endpoint *a,
                     const struct endpoint *b, const struct endpoint *s,
                     const char *group, struct sink *sink, struct error *err)
{
    struct msg_place row = trajectory_place(b->arch, group, a->theta, b->theta, s->theta);

    row.grp = slice_of(group);
    row.state = input->state;
    return sink_place(sink, &row, err);
}

static int run_state(const struct msg_input *input, const struct endpoint *a,
                     const struct endpoint *b, const char *const *groups,
                     size_t group_count, struct sink *sink, struct error *err)
{
    char *role = slice_dup(input->role);
    struct endpoint s = {0};
    int rc = -1;

    if (!role) {
        err_set(err, ERR_NO_MEMORY, "no memory for the role of a state");
        goto done;
    }
    if (endpoint_load(input, 1, role, &s, err) || endpoint_match(&s, b, err) ||
        put_place(input, a, b, &s, "all", sink, err))
        goto done;
    for (size_t g = 0; g < group_count; g++)
        if (strcmp(groups[g], "all") != 0 &&
            put_place(input, a, b, &s, groups[g], sink, err))
            goto done;
    rc = 0;

done:
    endpoint_free(&s);
    free(role);
    return rc;
}

int trajectory_run(const struct msg_input *inputs, size_t input_count,
                   const struct endpoint *a, const struct endpoint *b,
                   const char *const *groups, size_t group_count, struct sink *sink,
                   struct error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < input_count; i++) {
        if (!is_between(&inputs[i]))
            continue;
        if (run_state(&inputs[i], a, b, groups, group_count, sink, err))
            return -1;
        count++;
    }
    if (count > 0)
        sink_log(sink, "trajectory: %zu states", count);
    return 0;
}
