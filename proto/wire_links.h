#ifndef COORD_PROTO_WIRE_LINKS_H
#define COORD_PROTO_WIRE_LINKS_H

/* Private to wire*.c: which connections of a ROUTER have ended. libzmq tells the
 * descriptor of a connection that ended, and the descriptor that a message came
 * over, but not which peer had it; so the last peer of each descriptor is kept.
 *
 * A descriptor is used again. When its next peer is heard before the end of the
 * connection before is, the one before is told at once; the end may then be taken
 * for that of the next. That is rare, and a send to it tells.
 */

#include "proto/wire.h"

#include <czmq.h>

struct links;

/* Watch `router`, which is not bound yet. ERR_IO, ERR_NO_MEMORY. */
struct links *links_open(void *router, struct error *err);
void links_close(struct links **links);

/* What to poll; readable until links_lost has returned false. */
void *links_handle(const struct links *links);

/* A message has come from a peer. */
void links_heard(struct links *links, zmq_msg_t *msg, const struct wire_peer *from);

/* The next peer whose connection has ended; false: there is none. */
bool links_lost(struct links *links, struct wire_peer *ret);

/* One event of a socket's monitor: its number and value; false: there is none. */
bool links_event(void *monitor, uint16_t *ret_event, uint32_t *ret_value);

/* Open a monitor for these events of a socket, which have to be taken however many
 * they are. NULL with ERR_IO. */
zsock_t *links_monitor(void *socket, int events, struct error *err);

#endif
