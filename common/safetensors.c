#include "common/safetensors.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    size_t size;
} DTYPE[] = {
    [ST_F32] = {"F32", 4}, [ST_F64] = {"F64", 8}, [ST_I64] = {"I64", 8},
    [ST_I32] = {"I32", 4}, [ST_U8] = {"U8", 1},
};

enum { DTYPE_COUNT = sizeof DTYPE / sizeof DTYPE[0] };

size_t st_dtype_size(enum st_dtype dtype)
{
    return DTYPE[dtype].size;
}

const char *st_dtype_name(enum st_dtype dtype)
{
    return DTYPE[dtype].name;
}

bool st_shape_size(const struct st_tensor *tensor, size_t *ret)
{
    size_t size = DTYPE[tensor->dtype].size;

    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dim[i] < 0 ||
            __builtin_mul_overflow(size, (size_t)tensor->dim[i], &size))
            return false;
    *ret = size;
    return true;
}

/* ---- reading ----------------------------------------------------------------
 *
 * A file may come from anywhere, so nothing in it is believed. The rules, in the
 * order in which they are checked, those about sizes before anything is
 * allocated or read:
 *
 *   1. the file has at least the 8 bytes of N;
 *   2. N is at most ST_HEADER_MAX, and 8 + N lies within the file (compared
 *      without adding, since 8 + N can wrap);
 *   3. the header begins with '{', is UTF-8 and one JSON object without
 *      duplicate keys (most JSON readers keep the last of two, so that two
 *      readers of one file can differ), padded with spaces and not NULs;
 *   4. __metadata__ maps strings to strings;
 *   5. there are at most ST_TENSORS_MAX tensors, each with a name of 1 to
 *      ST_NAME_MAX - 1 bytes and exactly dtype, shape and data_offsets;
 *   6. an unknown dtype is an error and not a tensor to skip: skipping it would
 *      skip the checks of its offsets;
 *   7. a shape is at most ST_RANK_MAX non-negative integers, and its product
 *      times the size of the dtype, which must not overflow, is end - begin;
 *   8. sorted by begin, the first tensor begins at 0, each begins where the one
 *      before ends, and the last ends with the file: no holes to hide bytes in,
 *      no overlaps, nothing after the end.
 *
 * Tensors without elements and tensors of rank 0 are valid, and the order of the
 * JSON need not be the order of the data. NaN and infinities are values like
 * any other here.
 */

struct st_file {
    char *name;        /* for messages */
    const char *bytes; /* the whole file */
    size_t size;
    bool mapped;      /* bytes is a mapping to undo */
    const char *data; /* after the header */
    size_t data_size;
    struct json *header; /* kept for __metadata__ */
    struct st_tensor *tensors;
    size_t count;
};

/* A file being read and where to say what is wrong with it. */
struct reader {
    struct st_file *file;
    struct error *err;
};

static uint64_t read_u64(const char *bytes)
{
    uint64_t number = 0;

    for (int i = 7; i >= 0; i--)
        number = number << 8 | (unsigned char)bytes[i];
    return number;
}

/* Rules 1 to 3: find the header and parse it. */
static int read_header(struct st_file *file, struct error *err)
{
    struct error why;
    struct slice text;
    uint64_t n;

    if (file->size < ST_PREFIX)
        return err_set(err, ERR_DATA,
                       "%s: %zu bytes are too short for a safetensors file", file->name,
                       file->size);
    n = read_u64(file->bytes);
    if (n > ST_HEADER_MAX)
        return err_set(err, ERR_DATA,
                       "%s: a header of %" PRIu64 " bytes, expected at most %d",
                       file->name, n, ST_HEADER_MAX);
    if (n > file->size - ST_PREFIX)
        return err_set(err, ERR_DATA,
                       "%s: a header of %" PRIu64
                       " bytes ends beyond the file of %zu bytes",
                       file->name, n, file->size);

    text = (struct slice){file->bytes + ST_PREFIX, (size_t)n};
    if (n == 0 || text.data[0] != '{')
        return err_set(err, ERR_DATA, "%s: the header is not a JSON object", file->name);
    if (!slice_is_utf8(text))
        return err_set(err, ERR_DATA, "%s: the header is not UTF-8", file->name);
    file->header = json_parse(text.data, text.size, &why);
    if (!file->header)
        return err_set(err, ERR_DATA, "%s: header %s", file->name, why.text);
    file->data = text.data + text.size;
    file->data_size = file->size - ST_PREFIX - text.size;
    return 0;
}

/* Rule 4. */
static bool check_meta(void *user, const char *key, const struct json *value)
{
    struct reader *in = user;

    if (json_text(value))
        return true;
    err_set(in->err, ERR_DATA, "%s: %s: '%s' is not a string", in->file->name,
            ST_META_KEY, key);
    return false;
}

/* Start a sentence about one tensor. */
static int refuse(struct reader *in, const char *name, const char *what)
{
    return err_set(in->err, ERR_DATA, "%s: tensor '%s': %s", in->file->name, name, what);
}

/* Rule 6. */
static int read_dtype(struct reader *in, const struct json *value, struct st_tensor *ret)
{
    const char *name = json_text(value);

    if (!name)
        return refuse(in, ret->name, "dtype is not a string");
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(name, DTYPE[i].name) == 0) {
            ret->dtype = (enum st_dtype)i;
            return 0;
        }
    }
    return err_set(in->err, ERR_DATA,
                   "%s: tensor '%s': dtype '%s', expected F32, F64, I64, I32 or U8",
                   in->file->name, ret->name, name);
}

static bool natural(const struct json *value)
{
    return json_kind(value) == JSON_INT && json_int(value) >= 0;
}

/* Rule 7, first half. */
static int read_shape(struct reader *in, const struct json *shape, struct st_tensor *ret)
{
    if (json_kind(shape) != JSON_LIST)
        return refuse(in, ret->name, "shape is not a list");
    if (json_count(shape) > ST_RANK_MAX)
        return refuse(in, ret->name, "more than 8 dimensions");
    ret->rank = (int)json_count(shape);
    for (int i = 0; i < ret->rank; i++) {
        const struct json *dim = json_at(shape, (size_t)i);
        if (!natural(dim))
            return refuse(in, ret->name,
                          "shape has something other than integers from 0");
        ret->dim[i] = json_int(dim);
    }
    if (!st_shape_size(ret, &ret->size))
        return refuse(in, ret->name, "shape overflows 64 bits");
    return 0;
}

/* Rule 7, second half. */
static int read_offsets(struct reader *in, const struct json *offsets,
                        struct st_tensor *ret)
{
    uint64_t begin, end;

    if (json_count(offsets) != 2 || !natural(json_at(offsets, 0)) ||
        !natural(json_at(offsets, 1)))
        return refuse(in, ret->name, "data_offsets are not two integers from 0");
    begin = (uint64_t)json_int(json_at(offsets, 0));
    end = (uint64_t)json_int(json_at(offsets, 1));
    if (begin > end)
        return refuse(in, ret->name, "data_offsets end before they begin");
    if (end > in->file->data_size)
        return err_set(in->err, ERR_DATA,
                       "%s: tensor '%s': ends at %" PRIu64
                       ", beyond the %zu bytes of data",
                       in->file->name, ret->name, end, in->file->data_size);
    if (end - begin != ret->size)
        return err_set(in->err, ERR_DATA,
                       "%s: tensor '%s': %" PRIu64
                       " bytes, but its shape and dtype need %zu",
                       in->file->name, ret->name, end - begin, ret->size);
    ret->data = in->file->data + begin;
    return 0;
}

/* Rules 5 to 7, for one entry of the header. */
static bool read_entry(void *user, const char *name, const struct json *entry)
{
    struct reader *in = user;
    struct st_tensor *tensor = &in->file->tensors[in->file->count];
    size_t length = strlen(name);

    if (strcmp(name, ST_META_KEY) == 0)
        return true;
    if (length == 0 || length >= ST_NAME_MAX) {
        err_set(in->err, ERR_DATA, "%s: a tensor's name has %zu bytes, expected 1 to %d",
                in->file->name, length, ST_NAME_MAX - 1);
        return false;
    }
    memcpy(tensor->name, name, length + 1);
    if (json_kind(entry) != JSON_MAP || json_count(entry) != 3) {
        refuse(in, name, "expected exactly dtype, shape and data_offsets");
        return false;
    }
    if (read_dtype(in, json_get(entry, "dtype"), tensor) != 0 ||
        read_shape(in, json_get(entry, "shape"), tensor) != 0 ||
        read_offsets(in, json_get(entry, "data_offsets"), tensor) != 0)
        return false;
    in->file->count++;
    return true;
}

/* By begin, then by end, so that an empty tensor comes before the one whose
 * data begins at the same place; then by name, to have one order. */
static int by_data(const void *a, const void *b)
{
    const struct st_tensor *one = a, *two = b;
    uintptr_t first = (uintptr_t)one->data, second = (uintptr_t)two->data;

    if (first != second)
        return first < second ? -1 : 1;
    if (one->size != two->size)
        return one->size < two->size ? -1 : 1;
    return strcmp(one->name, two->name);
}

/* Rule 8. */
static int check_layout(struct reader *in)
{
    struct st_file *file = in->file;
    size_t end = 0;

    /* The array is NULL when there is nothing to sort. */
    if (file->count > 1)
        qsort(file->tensors, file->count, sizeof *file->tensors, by_data);
    for (size_t i = 0; i < file->count; i++) {
        const struct st_tensor *tensor = &file->tensors[i];
        size_t begin = (size_t)((const char *)tensor->data - file->data);
        if (begin != end)
            return err_set(in->err, ERR_DATA, "%s: tensor '%s': begins at %zu, %s at %zu",
                           file->name, tensor->name, begin,
                           begin > end ? "after a hole that begins"
                                       : "inside the one that ends",
                           end);
        end = begin + tensor->size;
    }
    if (end != file->data_size)
        return err_set(in->err, ERR_DATA, "%s: %zu bytes after the last tensor",
                       file->name, file->data_size - end);
    return 0;
}

static int read_tensors(struct st_file *file, struct error *err)
{
    struct reader in = {file, err};
    const struct json *meta = json_get(file->header, ST_META_KEY);
    size_t count = json_count(file->header) - (meta != NULL);

    if (meta && json_kind(meta) != JSON_MAP)
        return err_set(err, ERR_DATA, "%s: %s is not an object", file->name, ST_META_KEY);
    if (!json_each(meta, check_meta, &in))
        return -1;
    if (count > ST_TENSORS_MAX)
        return err_set(err, ERR_DATA, "%s: %zu tensors, expected at most %d", file->name,
                       count, ST_TENSORS_MAX);
    /* One more than there are, since read_entry points at the next. */
    file->tensors = calloc(count + 1, sizeof *file->tensors);
    if (!file->tensors)
        return err_set(err, ERR_NO_MEMORY, "%s: no memory for %zu tensors", file->name,
                       count);
    if (!json_each(file->header, read_entry, &in))
        return -1;
    return check_layout(&in);
}

struct st_file *st_open_bytes(const void *bytes, size_t size, const char *name,
                              struct error *err)
{
    struct st_file *file = calloc(1, sizeof *file);

    if (file)
        file->name = strdup(name);
    if (!file || !file->name) {
        free(file);
        err_set(err, ERR_NO_MEMORY, "%s: no memory to open it", name);
        return NULL;
    }
    file->bytes = bytes;
    file->size = size;
    if (read_header(file, err) != 0 || read_tensors(file, err) != 0)
        st_close(&file);
    return file;
}

/* Map a whole file. The mapping is private: a write to the file does not reach
 * what we have read, and we cannot write to the file. */
static const char *map_file(const char *path, size_t *ret_size, struct error *err)
{
    struct stat status;
    void *bytes = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", path);
        return NULL;
    }
    if (fstat(fd, &status) != 0)
        err_errno(err, ERR_IO, "cannot read %s", path);
    else if (!S_ISREG(status.st_mode))
        err_set(err, ERR_DATA, "%s: not a file", path);
    else if (status.st_size < ST_PREFIX) /* rule 1; an empty file has no mapping */
        err_set(err, ERR_DATA, "%s: %lld bytes are too short for a safetensors file",
                path, (long long)status.st_size);
    else {
        *ret_size = (size_t)status.st_size;
        bytes = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            err_errno(err, ERR_IO, "cannot map %s", path);
    }
    close(fd);
    return bytes == MAP_FAILED ? NULL : bytes;
}

struct st_file *st_open(const char *path, struct error *err)
{
    struct st_file *file;
    size_t size;
    const char *bytes = map_file(path, &size, err);

    if (!bytes)
        return NULL;
    file = st_open_bytes(bytes, size, path, err);
    if (file)
        file->mapped = true;
    else
        munmap((void *)(uintptr_t)bytes, size);
    return file;
}

void st_close(struct st_file **file)
{
    struct st_file *it = *file;

    *file = NULL;
    if (!it)
        return;
    if (it->mapped)
        munmap((void *)(uintptr_t)it->bytes, it->size);
    json_free(&it->header);
    free(it->tensors);
    free(it->name);
    free(it);
}

size_t st_count(const struct st_file *file)
{
    return file->count;
}

const struct st_tensor *st_at(const struct st_file *file, size_t index)
{
    return index < file->count ? &file->tensors[index] : NULL;
}

/* A scan: networks have a hundred tensors, and each is looked up once. */
const struct st_tensor *st_find(const struct st_file *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *st_meta(const struct st_file *file, const char *key)
{
    return json_text(json_get(json_get(file->header, ST_META_KEY), key));
}
