#include "coordinator/lock.h"

#include "common/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static pid_t read_pid(int fd)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof text - 1, 0);

    if (size <= 0)
        return -1;
    text[size] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 ? (pid_t)pid : -1;
}

int lock_take(const char *path, struct error *err)
{
    char text[32];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(err, ERR_BUSY,
                "another coordinator (pid %ld) works in this directory: %s is locked",
                (long)read_pid(fd), path);
        goto fail;
    }
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) != size) {
        err_errno(err, ERR_IO, "cannot write %s", path);
        goto fail;
    }
    return fd;

fail:
    close(fd);
    return -1;
}

pid_t lock_holder(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    pid_t pid = 0;

    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0)
        pid = read_pid(fd);
    close(fd);
    return pid;
}
