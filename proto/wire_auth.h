#ifndef COORD_PROTO_WIRE_AUTH_H
#define COORD_PROTO_WIRE_AUTH_H

/* Private to wire*.c: the two ends of authentication. A door asks the gate about
 * every key that knocks at a ROUTER (ZAP, rfc.zeromq.org/spec/27), inside
 * wire_poll and so without a thread; a watch hears from libzmq how the
 * handshakes of a DEALER went, which the DEALER itself never says.
 */

#include "proto/wire.h"

#include <czmq.h>

struct door;
struct watch;

/* Make `router`, which is not bound yet, a CURVE server. A ROUTER without a door
 * lets in whoever knows its public key, so the door comes before the bind and
 * goes after the unbind. ERR_IO, also when this process has a door already. */
struct door *door_open(void *router, const struct wire_gate *gate, struct error *err);
void door_close(struct door **door);

/* What to poll, and what to do when it is readable. */
void *door_handle(const struct door *door);
void door_answer(struct door *door);

/* The role, now, of the key that sent this message. */
enum wire_role door_role(const struct door *door, zmq_msg_t *msg);

/* Make `dealer`, not connected yet, a CURVE client that is watched; without keys it is
 * only watched. endpoint is for messages, and borrowed. ERR_IO; ERR_INVALID for keys
 * that are none. */
struct watch *watch_open(void *dealer, const char *endpoint, const struct wire_keys *keys,
                         struct error *err);
void watch_close(struct watch **watch);

void *watch_handle(const struct watch *watch);

/* 0, or -1 with ERR_REFUSED when a handshake has failed for good. */
int watch_check(struct watch *watch, struct error *err);

/* Whether a connection has ended, as watch_check heard, since this was asked last. */
bool watch_lost(struct watch *watch);

#endif
