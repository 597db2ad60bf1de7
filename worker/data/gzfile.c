#include "worker/data/gzfile.h"

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Bytes read and inflated at a time: enough to hide the calls, and small enough
 * to stay in the second-level cache. */
enum { CHUNK = 128 << 10 };

/* Window of 32 KiB, and only the gzip wrapper (zlib's manual, inflateInit2). */
enum { GZIP_WINDOW = 15 + 16 };

struct reader {
    const char *path;
    size_t size_max; /* of what may be in out */
    struct buf *out;
    struct error *err;
    FILE *file;
    z_stream stream;
    bool inflating;  /* stream is set up */
    bool member_end; /* the last inflated byte ended a gzip member */
    unsigned char in[CHUNK];
    unsigned char inflated[CHUNK];
};

static int put(struct reader *r, const unsigned char *data, size_t size)
{
    if (size > r->size_max - r->out->size)
        return err_set(r->err, ERR_DATA, "%s: holds more than %zu bytes", r->path,
                       r->size_max);
    buf_add(r->out, data, size);
    if (r->out->failed)
        return err_set(r->err, ERR_NO_MEMORY, "%s: no memory for %zu bytes", r->path,
                       r->out->size + size);
    return 0;
}

/* Inflate size bytes of r->in. Members may follow each other (gzip's format
 * allows it); whatever else follows one is refused. */
static int put_inflated(struct reader *r, size_t size)
{
    z_stream *stream = &r->stream;

    stream->next_in = r->in;
    stream->avail_in = (uInt)size;
    do {
        int status;

        if (r->member_end) {
            if (stream->avail_in == 0)
                return 0;
            if (*stream->next_in != 0x1f)
                return err_set(r->err, ERR_DATA,
                               "%s: bytes follow the end of the gzip stream", r->path);
            if (inflateReset(stream) != Z_OK)
                return err_set(r->err, ERR_DATA, "%s: gzip stream is damaged", r->path);
            r->member_end = false;
        }
        stream->next_out = r->inflated;
        stream->avail_out = CHUNK;
        status = inflate(stream, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR)
            return err_set(r->err, ERR_NO_MEMORY, "%s: no memory to inflate", r->path);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return err_set(r->err, ERR_DATA, "%s: gzip stream is damaged: %s", r->path,
                           stream->msg ? stream->msg : "preset dictionary");
        if (put(r, r->inflated, CHUNK - stream->avail_out))
            return -1;
        r->member_end = status == Z_STREAM_END;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return 0;
}

static int start(struct reader *r, size_t size)
{
    if (size < 2 || r->in[0] != 0x1f || r->in[1] != 0x8b)
        return 0;
    if (inflateInit2(&r->stream, GZIP_WINDOW) != Z_OK)
        return err_set(r->err, ERR_NO_MEMORY, "%s: no memory to inflate", r->path);
    r->inflating = true;
    return 0;
}

static int copy_all(struct reader *r)
{
    size_t size = fread(r->in, 1, CHUNK, r->file);

    if (start(r, size))
        return -1;
    while (size > 0) {
        if (r->inflating ? put_inflated(r, size) : put(r, r->in, size))
            return -1;
        size = fread(r->in, 1, CHUNK, r->file);
    }
    if (ferror(r->file))
        return err_errno(r->err, ERR_DATA, "%s: cannot read", r->path);
    if (r->inflating && !r->member_end)
        return err_set(r->err, ERR_DATA, "%s: truncated: the gzip stream ends early",
                       r->path);
    return 0;
}

int gzfile_load(const char *path, size_t size_max, struct buf *out, struct error *err)
{
    struct reader *r = calloc(1, sizeof *r);
    int rc = -1;

    if (!r)
        return err_set(err, ERR_NO_MEMORY, "%s: no memory to read", path);
    r->path = path;
    r->size_max = size_max > SIZE_MAX - out->size ? SIZE_MAX : out->size + size_max;
    r->out = out;
    r->err = err;
    r->file = fopen(path, "rb");
    if (!r->file) {
        err_errno(err, ERR_DATA, "%s: cannot open", path);
        goto done;
    }
    rc = copy_all(r);

done:
    if (r->inflating)
        inflateEnd(&r->stream);
    if (r->file)
        (void)fclose(r->file);
    free(r);
    return rc;
}
