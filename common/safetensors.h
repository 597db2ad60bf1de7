#ifndef COORD_SAFETENSORS_H
#define COORD_SAFETENSORS_H

/* The safetensors format: u64 little-endian N, N bytes of JSON padded with
 * spaces to a multiple of 8, then the data; each entry has dtype, shape and
 * data_offsets [begin,end) relative to the data. The reader enforces every rule
 * of the reference implementation before it allocates or reads anything: see
 * safetensors.c. Opens in PyTorch (safetensors.torch.load_file) and reads what
 * that writes. C order, little-endian.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

enum st_dtype { ST_F32, ST_F64, ST_I64, ST_I32, ST_U8 };

enum { ST_RANK_MAX = 8, ST_NAME_MAX = 128, ST_TENSORS_MAX = 65536 };

/* 16 MiB of header is over 100,000 tensors; larger is an attack or an error. */
enum { ST_HEADER_MAX = 16 << 20 };

enum { ST_PREFIX = 8 };            /* bytes of N */
#define ST_META_KEY "__metadata__" /* the entry that is no tensor */

struct st_tensor {
    char name[ST_NAME_MAX]; /* 1 to 127 bytes of UTF-8 */
    enum st_dtype dtype;
    int rank; /* 0: a single number */
    int64_t dim[ST_RANK_MAX];
    /* Borrowed: from the caller (writing), from the file (reading). What others
     * wrote may be unaligned, so copy it out rather than point at it. */
    const void *data;
    size_t size; /* bytes: product of dim times the size of the dtype */
};

struct st_meta { /* one __metadata__ entry */
    const char *key, *value;
};

size_t st_dtype_size(enum st_dtype dtype);      /* bytes of one number */
const char *st_dtype_name(enum st_dtype dtype); /* "F32" */

/* The bytes that a tensor's dim and dtype ask for, whatever its size says; false
 * when a dim is negative or the product overflows. */
bool st_shape_size(const struct st_tensor *tensor, size_t *ret);

/* Append a whole file to out. Tensors are written in the given order. Same
 * input, same bytes, so a state can be hashed without being written. Errors:
 * ERR_INVALID when a tensor breaks a rule of the format (two of one name, a size
 * that is not its shape's), ERR_NO_MEMORY; out is then as it was. */
int st_encode(struct buf *out, const struct st_tensor *tensors, size_t count,
              const struct st_meta *meta, size_t meta_count, struct error *err);

/* st_encode to a file, atomically (temporary name in the same folder, then
 * rename) and durably. ERR_IO as well. */
int st_write(const char *path, const struct st_tensor *tensors, size_t count,
             const struct st_meta *meta, size_t meta_count, struct error *err);

struct st_file; /* an open, validated file; opaque */

/* Open and validate. ERR_DATA with "FILE: what is wrong"; ERR_NOT_FOUND or
 * ERR_IO when it cannot be opened. The caller closes. The file is mapped, so it
 * must not be truncated while it is open: replace files by renaming. */
struct st_file *st_open(const char *path, struct error *err);
void st_close(struct st_file **file);

/* The same over bytes in memory, borrowed until close. name is for messages. */
struct st_file *st_open_bytes(const void *bytes, size_t size, const char *name,
                              struct error *err);

/* Tensors in the order of their data. */
size_t st_count(const struct st_file *file);
const struct st_tensor *st_at(const struct st_file *file, size_t index);
const struct st_tensor *st_find(const struct st_file *file, const char *name);
const char *st_meta(const struct st_file *file, const char *key); /* or NULL */

#endif
