#ifndef COORD_HANDLE_H
#define COORD_HANDLE_H

/* What each message does: a table from kind to handler. The message is decoded
 * and bounded already (msg.h); a handler checks what only the coordinator can
 * know, acts on store, roster and queue, and queues replies. It is driven by the
 * loop or by a test, and knows no socket.
 */

struct core;
struct msg;
struct wire_peer;

/* Handle one message of the current turn (core_turn came before). Failures end
 * here: a bad message is counted and dropped or answered, a failing database is
 * core_fail's. */
void handle_message(struct core *core, const struct wire_peer *from,
                    const struct msg *msg);

#endif
