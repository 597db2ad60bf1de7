#include "worker/savefile.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char CHECK[] = "check";

/* ---- the check ---------------------------------------------------------------- */

static void hash_tensor(struct hash_state *hash, const struct st_tensor *tensor)
{
    hash_add(hash, tensor->name, strlen(tensor->name) + 1);
    hash_add(hash, tensor->data, tensor->size);
}

static struct hash_state *begin_check(struct error *err)
{
    struct hash_state *hash = hash_new();

    if (!hash)
        err_set(err, ERR_NO_MEMORY, "no memory to hash what is saved");
    return hash;
}

/* ---- writing ------------------------------------------------------------------- */

void savefile_tensor(struct st_tensor *tensor, const char *name, enum st_dtype dtype,
                     const void *data, size_t count)
{
    *tensor = (struct st_tensor){.dtype = dtype,
                                 .rank = 1,
                                 .dim = {(int64_t)count},
                                 .data = data,
                                 .size = count * st_dtype_size(dtype)};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

static int encode(const struct st_tensor *tensors, size_t count,
                  const struct savefile_meta *meta, size_t metas, struct buf *out,
                  struct error *err)
{
    struct st_meta all[SAVEFILE_METAS_MAX + 1];
    struct hash_state *hash = begin_check(err);
    char check[HASH_TEXT];

    if (!hash)
        return -1;
    for (size_t i = 0; i < count; i++)
        hash_tensor(hash, &tensors[i]);
    for (size_t i = 0; i < metas; i++) {
        hash_add(hash, meta[i].value, strlen(meta[i].value) + 1);
        all[i] = (struct st_meta){meta[i].name, meta[i].value};
    }
    hash_end(&hash, check);
    all[metas] = (struct st_meta){CHECK, check};
    return st_encode(out, tensors, count, all, metas + 1, err);
}

int savefile_store(const char *dir, const struct st_tensor *tensors, size_t count,
                   const struct savefile_meta *meta, size_t metas,
                   char ret_hash[HASH_TEXT], uint64_t *ret_size, struct error *err)
{
    struct buf bytes = {0}, path = {0};
    char hash[HASH_TEXT];
    int rc = -1;

    assert(metas <= SAVEFILE_METAS_MAX);
    if (encode(tensors, count, meta, metas, &bytes, err) != 0)
        goto done;
    hash_bytes(bytes.data, bytes.size, hash);
    buf_printf(&path, "%s/%s.safetensors", dir, hash);
    if (path.failed) {
        err_set(err, ERR_NO_MEMORY, "no memory for a path");
        goto done;
    }
    if (file_write(path.data, bytes.data, bytes.size, err) != 0)
        goto done;
    memcpy(ret_hash, hash, sizeof hash);
    *ret_size = bytes.size;
    rc = 0;

done:
    buf_free(&bytes);
    buf_free(&path);
    return rc;
}

/* ---- reading ------------------------------------------------------------------- */

static int check_meta(const struct st_file *file, const char *path,
                      const struct savefile_meta *meta, size_t metas, struct error *err)
{
    for (size_t i = 0; i < metas; i++) {
        const char *value = st_meta(file, meta[i].name);

        if (!value)
            return err_set(err, ERR_DATA, "%s: has no '%s': not what a job has saved",
                           path, meta[i].name);
        if (meta[i].must && strcmp(value, meta[i].value) != 0)
            return err_set(err, ERR_DATA, "%s: its %s is '%.64s', expected '%s'", path,
                           meta[i].name, value, meta[i].value);
    }
    return 0;
}

static int check_check(const struct st_file *file, const char *path,
                       const struct savefile_meta *meta, size_t metas, struct error *err)
{
    const char *said = st_meta(file, CHECK);
    struct hash_state *hash = begin_check(err);
    char is[HASH_TEXT];

    if (!hash)
        return -1;
    for (size_t i = 0; i < st_count(file); i++)
        hash_tensor(hash, st_at(file, i));
    for (size_t i = 0; i < metas; i++) {
        const char *value = st_meta(file, meta[i].name);
        hash_add(hash, value, strlen(value) + 1);
    }
    hash_end(&hash, is);
    if (!said || strcmp(said, is) != 0)
        return err_set(err, ERR_DATA, "%s: is damaged: its hash is %s, expected %.64s",
                       path, is, said ? said : "some");
    return 0;
}

struct st_file *savefile_open(const char *path, const struct savefile_meta *meta,
                              size_t metas, struct error *err)
{
    struct st_file *file = st_open(path, err);

    if (file && (check_meta(file, path, meta, metas, err) != 0 ||
                 check_check(file, path, meta, metas, err) != 0))
        st_close(&file);
    return file;
}

const struct st_tensor *savefile_find(const struct st_file *file, const char *path,
                                      const char *name, enum st_dtype dtype, size_t count,
                                      struct error *err)
{
    const struct st_tensor *tensor = st_find(file, name);

    if (!tensor)
        err_set(err, ERR_DATA, "%s: tensor '%s' is missing", path, name);
    else if (tensor->dtype != dtype || tensor->rank != 1)
        err_set(err, ERR_DATA, "%s: tensor '%s' is not a vector of %s", path, name,
                st_dtype_name(dtype));
    else if (count > 0 && tensor->size != count * st_dtype_size(dtype))
        err_set(err, ERR_DATA, "%s: tensor '%s' has %zu numbers, expected %zu", path,
                name, tensor->size / st_dtype_size(dtype), count);
    else
        return tensor;
    return NULL;
}
