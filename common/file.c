#include "common/file.h"

#include "common/error.h"
#include "common/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        data += count;
        size -= (size_t)count;
    }
    return fsync(fd);
}

int file_write(const char *path, const void *data, size_t size, struct error *err)
{
    struct buf aside = {0};
    char unique[HASH_TEXT];
    int rc = -1;
    int fd = -1;

    /* A name that nobody else has, so that two writers do not meet. */
    hash_random(unique);
    buf_printf(&aside, "%s.tmp-%.8s", path, unique);
    if (aside.failed) {
        err_set(err, ERR_NO_MEMORY, "no memory to write %s", path);
        goto done;
    }
    fd = open(aside.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        err_errno(err, ERR_IO, "cannot create %s", aside.data);
        goto done;
    }
    if (write_all(fd, data, size) != 0 || rename(aside.data, path) != 0) {
        err_errno(err, ERR_IO, "cannot write %s", path);
        unlink(aside.data);
        goto done;
    }
    rc = 0;
done:
    if (fd >= 0)
        close(fd);
    buf_free(&aside);
    return rc;
}

/* Read until the end or until there is more than max. */
static int read_all(int fd, size_t max, struct buf *out)
{
    enum { BLOCK = 65536 };
    size_t start = out->size;

    while (out->size - start <= max) {
        char *to = buf_reserve(out, BLOCK);
        ssize_t count;

        if (!to)
            return -1;
        count = read(fd, to, BLOCK);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return (int)count;
        out->size += (size_t)count;
    }
    return 0;
}

int file_read(const char *path, size_t max, struct buf *out, struct error *err)
{
    size_t start = out->size;
    int rc = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s",
                         path);
    if (read_all(fd, max, out) != 0) {
        if (out->failed)
            err_set(err, ERR_NO_MEMORY, "no memory to read %s", path);
        else
            err_errno(err, ERR_IO, "cannot read %s", path);
    } else if (out->size - start > max) {
        err_set(err, ERR_INVALID, "%s: more than the %zu bytes that are allowed", path,
                max);
    } else {
        rc = 0;
    }
    if (rc != 0)
        out->size = start;
    if (out->data)
        out->data[out->size] = '\0';
    close(fd);
    return rc;
}

void file_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
