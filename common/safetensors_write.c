#include "common/safetensors.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the reader would refuse is never written. */
static int check_tensor(const struct st_tensor *tensor, struct error *err)
{
    size_t length = strnlen(tensor->name, ST_NAME_MAX);
    size_t size;

    if (length == 0 || length == ST_NAME_MAX || strcmp(tensor->name, ST_META_KEY) == 0 ||
        !slice_is_utf8((struct slice){tensor->name, length}))
        return err_set(err, ERR_INVALID, "a tensor cannot be named '%.*s'", (int)length,
                       tensor->name);
    if (tensor->rank < 0 || tensor->rank > ST_RANK_MAX)
        return err_set(err, ERR_INVALID, "tensor '%s': %d dimensions, expected 0 to %d",
                       tensor->name, tensor->rank, ST_RANK_MAX);
    if (!st_shape_size(tensor, &size) || size != tensor->size)
        return err_set(err, ERR_INVALID,
                       "tensor '%s': its shape and dtype do not need %zu bytes",
                       tensor->name, tensor->size);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sort count names and refuse two equal ones. */
static int check_unique(const char **names, size_t count, const char *what,
                        struct error *err)
{
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return err_set(err, ERR_INVALID, "two %s are named '%s'", what, names[i]);
    return 0;
}

static int check_all(const struct st_tensor *tensors, size_t count,
                     const struct st_meta *meta, size_t meta_count, struct error *err)
{
    const char **names;
    size_t most = count > meta_count ? count : meta_count;
    int rc = -1;

    if (count > ST_TENSORS_MAX)
        return err_set(err, ERR_INVALID, "%zu tensors, expected at most %d", count,
                       ST_TENSORS_MAX);
    for (size_t i = 0; i < count; i++)
        if (check_tensor(&tensors[i], err) != 0)
            return -1;
    names = calloc(most + 1, sizeof *names);
    if (!names)
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu names", most);
    for (size_t i = 0; i < count; i++)
        names[i] = tensors[i].name;
    if (check_unique(names, count, "tensors", err) != 0)
        goto done;
    for (size_t i = 0; i < meta_count; i++)
        names[i] = meta[i].key;
    rc = check_unique(names, meta_count, "entries of the metadata", err);
done:
    free(names);
    return rc;
}

static void put_text(struct buf *out, const char *text)
{
    json_put_text(out, text, strlen(text));
}

static void put_meta(struct buf *out, const struct st_meta *meta, size_t count)
{
    put_text(out, ST_META_KEY);
    buf_puts(out, ":{");
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_text(out, meta[i].key);
        buf_puts(out, ":");
        put_text(out, meta[i].value);
    }
    buf_puts(out, "}");
}

static void put_entry(struct buf *out, const struct st_tensor *tensor, size_t begin)
{
    put_text(out, tensor->name);
    buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", st_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++)
        buf_printf(out, "%s%" PRId64, i > 0 ? "," : "", tensor->dim[i]);
    buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", begin, begin + tensor->size);
}

static void put_u64(struct buf *out, uint64_t number)
{
    char bytes[ST_PREFIX];

    for (int i = 0; i < ST_PREFIX; i++)
        bytes[i] = (char)(unsigned char)(number >> 8 * i);
    buf_add(out, bytes, sizeof bytes);
}

/* The JSON, padded with spaces so that the data begins at a multiple of 8. */
static void put_header(struct buf *out, const struct st_tensor *tensors, size_t count,
                       const struct st_meta *meta, size_t meta_count)
{
    size_t begin = 0;

    buf_puts(out, "{");
    if (meta_count > 0)
        put_meta(out, meta, meta_count);
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i > 0 || meta_count > 0 ? "," : "");
        put_entry(out, &tensors[i], begin);
        begin += tensors[i].size;
    }
    buf_puts(out, "}");
    while (out->size % 8 != 0 && !out->failed)
        buf_puts(out, " ");
}

int st_encode(struct buf *out, const struct st_tensor *tensors, size_t count,
              const struct st_meta *meta, size_t meta_count, struct error *err)
{
    struct buf header = {0};
    size_t start = out->size;
    int rc = -1;

    if (check_all(tensors, count, meta, meta_count, err) != 0)
        return -1;
    put_header(&header, tensors, count, meta, meta_count);
    if (header.size > ST_HEADER_MAX) {
        err_set(err, ERR_INVALID, "a header of %zu bytes, expected at most %d",
                header.size, ST_HEADER_MAX);
        goto done;
    }
    put_u64(out, header.size);
    if (!header.failed)
        buf_add(out, header.data, header.size);
    for (size_t i = 0; i < count; i++)
        buf_add(out, tensors[i].data, tensors[i].size);
    if (header.failed || out->failed) {
        err_set(err, ERR_NO_MEMORY, "no memory to encode %zu tensors", count);
        goto done;
    }
    rc = 0;
done:
    if (rc != 0 && out->data) {
        out->size = start;
        out->data[start] = '\0';
    }
    buf_free(&header);
    return rc;
}

int st_write(const char *path, const struct st_tensor *tensors, size_t count,
             const struct st_meta *meta, size_t meta_count, struct error *err)
{
    struct buf bytes = {0};
    int rc = -1;

    if (st_encode(&bytes, tensors, count, meta, meta_count, err) == 0)
        rc = file_write(path, bytes.data, bytes.size, err);
    buf_free(&bytes);
    return rc;
}
