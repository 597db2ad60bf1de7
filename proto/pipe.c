#include "proto/pipe.h"

#include "common/error.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
    LENGTH = 4,        /* bytes of the prefix */
    READ_SIZE = 65536, /* a pipe holds no more (pipe(7)) */
};

static void length_write(char *at, size_t size)
{
    for (int i = 0; i < LENGTH; i++)
        at[i] = (char)(unsigned char)(size >> 8 * i);
}

static size_t length_read(const char *at)
{
    size_t size = 0;

    for (int i = 0; i < LENGTH; i++)
        size |= (size_t)(unsigned char)at[i] << 8 * i;
    return size;
}

static int check_length(size_t size, struct error *err)
{
    if (size > PROTO_MESSAGE_MAX)
        return err_set(err, ERR_INVALID,
                       "a message of %zu bytes announced, the most is %d", size,
                       PROTO_MESSAGE_MAX);
    return 0;
}

/* For callers who gave a blocking function a non-blocking descriptor. */
static void wait_for(int fd, short events)
{
    struct pollfd item = {.fd = fd, .events = events};

    poll(&item, 1, -1);
}

static int write_all(int fd, const char *data, size_t size, struct error *err)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count >= 0) {
            data += count;
            size -= (size_t)count;
        } else if (errno == EAGAIN) {
            wait_for(fd, POLLOUT);
        } else if (errno != EINTR) {
            return err_errno(err, ERR_IO, "cannot write to the pipe");
        }
    }
    return 0;
}

/* write_all without SIGPIPE, which pipes cannot be told not to raise: hold it
 * back, and take it away if it was this write that raised it. */
static int write_quietly(int fd, const char *data, size_t size, struct error *err)
{
    const struct timespec now = {0};
    sigset_t broken, before, pending;

    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    int rc = write_all(fd, data, size, err);
    while (rc && !was_pending && sigtimedwait(&broken, NULL, &now) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int pipe_send(int fd, const struct msg *msg, struct error *err)
{
    struct buf out = {0};
    int rc = -1;

    buf_add(&out, (char[LENGTH]){0}, LENGTH);
    if (msg_encode(msg, &out, err))
        goto done;
    length_write(out.data, out.size - LENGTH);
    rc = write_quietly(fd, out.data, out.size, err);
done:
    buf_free(&out);
    return rc;
}

/* Append what one read gives: 1, 0 when there is nothing now, -1. */
static int read_some(int fd, struct buf *room, size_t size, struct error *err)
{
    char *at = buf_reserve(room, size);
    ssize_t count;

    if (!at)
        return err_set(err, ERR_NO_MEMORY, "no memory for a message");
    do
        count = read(fd, at, size);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
        room->size += (size_t)count;
        return 1;
    }
    if (count == 0)
        return err_set(err, ERR_IO, "the other end of the pipe is closed");
    if (errno == EAGAIN)
        return 0;
    return err_errno(err, ERR_IO, "cannot read from the pipe");
}

/* Read until room holds size bytes. Takes memory as bytes arrive, not as the
 * prefix announces them. */
static int read_until(int fd, struct buf *room, size_t size, struct error *err)
{
    while (room->size < size) {
        size_t left = size - room->size;
        int rc = read_some(fd, room, left < READ_SIZE ? left : READ_SIZE, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            wait_for(fd, POLLIN);
    }
    return 0;
}

int pipe_recv(int fd, struct buf *room, struct msg *ret, struct error *err)
{
    buf_clear(room);
    if (read_until(fd, room, LENGTH, err))
        return -1;
    size_t size = length_read(room->data);
    if (check_length(size, err) || read_until(fd, room, LENGTH + size, err))
        return -1;
    return msg_decode(room->data + LENGTH, size, ret, err);
}

int pipe_fill(int fd, struct buf *room, struct error *err)
{
    return read_some(fd, room, READ_SIZE, err);
}

int pipe_next(struct buf *room, struct msg *ret, struct error *err)
{
    if (room->size < LENGTH)
        return 0;
    size_t size = length_read(room->data);
    if (check_length(size, err))
        return -1;
    if (room->size < LENGTH + size)
        return 0;
    return msg_decode(room->data + LENGTH, size, ret, err) ? -1 : 1;
}

void pipe_drop(struct buf *room)
{
    buf_shift(room, LENGTH + length_read(room->data));
}
