/* Planes of a result: their points, and how their directions lie. */

#include "coordinator/store_internal.h"

static int write_points(struct store *store, const struct msg_result *result,
                        struct error *err)
{
    for (uint32_t i = 0; i < result->plane_point_count; i++) {
        const struct msg_plane_point *p = &result->plane_points[i];
        const struct tally *t = &p->tally;

        if (stmt_run(store, STMT_PLANE_POINT_ADD,
                     ARGS(arg_int(result->job), arg_slice(p->grp), arg_slice(p->bn),
                          arg_slice(p->split), arg_int(p->x_index), arg_real(p->x),
                          arg_int(p->y_index), arg_real(p->y), arg_int(t->count),
                          arg_int(t->correct), arg_int(t->nan_count),
                          arg_int(t->inf_count), arg_real(t->sum), arg_real(t->sum_sq)),
                     err) != 0)
            return -1;
    }
    return 0;
}

int plane_write(struct store *store, const struct msg_result *result, struct error *err)
{
    for (uint32_t i = 0; i < result->plane_count; i++) {
        const struct msg_plane *p = &result->planes[i];

        if (stmt_run(store, STMT_PLANE_ADD,
                     ARGS(arg_int(result->job), arg_slice(p->grp), arg_finite(p->x_l2),
                          arg_finite(p->y_l2), arg_finite(p->cosine)),
                     err) != 0)
            return -1;
    }
    return write_points(store, result, err);
}
