#ifndef COORD_PROTO_PIPE_H
#define COORD_PROTO_PIPE_H

/* Messages over a pipe between the daemon and its trial: a u32 little-endian
 * length, then the encoding of msg.h. */

#include "proto/msg.h"

struct error;

/* Write one message, whole, blocking. ERR_IO when the other end is gone (and no
 * SIGPIPE), ERR_INVALID when it breaks a bound: nothing was written then. */
int pipe_send(int fd, const struct msg *msg, struct error *err);

/* Block until one message has arrived. The bytes live in *room, which must
 * outlive *ret. ERR_IO at end of file, ERR_INVALID when malformed. */
int pipe_recv(int fd, struct buf *room, struct msg *ret, struct error *err);

/* For a loop: read what is there (a non-blocking fd) into *room. Returns 1 when
 * bytes came, 0 when none are there now, -1 with ERR_IO at end of file. */
int pipe_fill(int fd, struct buf *room, struct error *err);

/* Take the first whole message out of *room: 1 and *ret filled (it borrows from
 * *room until pipe_drop), 0 when it is not whole yet, -1 when malformed: then
 * nothing that follows can be trusted. After each pipe_fill take all there are,
 * so that *room stays below two messages. */
int pipe_next(struct buf *room, struct msg *ret, struct error *err);
/* Forget the message that pipe_next returned, after msg_free. */
void pipe_drop(struct buf *room);

#endif
