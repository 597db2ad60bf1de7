#ifndef COORD_SAFETENSORS_H
#define COORD_SAFETENSORS_H

/* The safetensors format: u64 little-endian N, N bytes of JSON padded with
 * spaces to a multiple of 8, then the data; each entry has dtype, shape and
 * data_offsets [begin,end) relative to the data. The reader enforces every rule
 * of the reference implementation before it allocates or reads anything: see
 * safetensors.c. Opens in PyTorch (safetensors.torch.load_file) and reads what
 * that writes. C order, little-endian.
 */

#include <stddef.h>
#include <stdint.h>

struct error;

enum st_dtype { ST_F32, ST_F64, ST_I64, ST_I32, ST_U8 };

enum { ST_RANK_MAX = 8, ST_NAME_MAX = 128, ST_TENSORS_MAX = 65536 };

/* 16 MiB of header is over 100,000 tensors; larger is an attack or an error. */
enum { ST_HEADER_MAX = 16 << 20 };

struct st_tensor {
    char name[ST_NAME_MAX];
    enum st_dtype dtype;
    int rank;
    int64_t dim[ST_RANK_MAX];
    const void *data; /* borrowed: from the caller (writing), the file (reading) */
    size_t size;      /* bytes */
};

struct st_meta { /* one __metadata__ entry */
    const char *key, *value;
};

/* Write a file atomically (temporary name in the same folder, then rename).
 * Tensors are written in the given order. Same input, same bytes. */
int st_write(const char *path, const struct st_tensor *tensors, size_t count,
             const struct st_meta *meta, size_t meta_count, struct error *err);

struct st_file; /* an open, validated file; opaque */

/* Open and validate. ERR_DATA with "FILE: what is wrong". The caller closes. */
struct st_file *st_open(const char *path, struct error *err);
void st_close(struct st_file **file);

/* The same over bytes in memory (borrowed until close): for tests and fuzzing. */
struct st_file *st_open_bytes(const void *bytes, size_t size, const char *name,
                              struct error *err);

size_t st_count(const struct st_file *file);
const struct st_tensor *st_at(const struct st_file *file, size_t index);
const struct st_tensor *st_find(const struct st_file *file, const char *name);
const char *st_meta(const struct st_file *file, const char *key); /* or NULL */

#endif
