#include "worker/ckpt/tensor.h"

#include "common/buf.h"
#include "common/error.h"

#include <string.h>

bool tensor_same_shape(const struct tensor *tensor, const struct st_tensor *stored)
{
    if (tensor->rank != stored->rank)
        return false;
    for (int d = 0; d < tensor->rank; d++)
        if (tensor->dim[d] != stored->dim[d])
            return false;
    return true;
}

/* "6x1x5x5"; a single number is "()" */
static void put_shape(struct buf *out, int rank, const int64_t *dim)
{
    for (int d = 0; d < rank; d++)
        buf_printf(out, "%s%lld", d ? "x" : "", (long long)dim[d]);
    if (rank == 0)
        buf_puts(out, "()");
}

int tensor_say_shapes(const char *path, const struct tensor *tensor,
                      const struct st_tensor *stored, struct error *err)
{
    struct buf text = {0};
    int64_t dim[4] = {0};

    for (int d = 0; d < tensor->rank; d++)
        dim[d] = tensor->dim[d];
    buf_printf(&text, "%s: tensor '%s' has the shape ", path, tensor->name);
    put_shape(&text, stored->rank, stored->dim);
    buf_puts(&text, ", the network's is ");
    put_shape(&text, tensor->rank, dim);
    err_set(err, ERR_DATA, "%s", text.failed ? tensor->name : text.data);
    buf_free(&text);
    return -1;
}

int tensor_check_type(const char *path, const struct st_tensor *stored, struct error *err)
{
    if (stored->dtype == ST_F32 || stored->dtype == ST_F64)
        return 0;
    return err_set(err, ERR_DATA, "%s: tensor '%s' is %s, expected F32 or F64", path,
                   stored->name, st_dtype_name(stored->dtype));
}

/* The bytes of a file have no alignment, hence memcpy. */
void tensor_copy(const struct st_tensor *stored, real *to, size_t count)
{
    const char *from = stored->data;

    if (stored->dtype == ST_F32) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double number;

        memcpy(&number, from + i * sizeof number, sizeof number);
        to[i] = (real)number;
    }
}
