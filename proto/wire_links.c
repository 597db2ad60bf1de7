#include "proto/wire_links.h"

#include "common/error.h"
#include "common/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct links {
    void *router;
    zsock_t *sock;
    void *handle;
    struct wire_peer *peers; /* by descriptor; size 0: none that was heard */
    size_t room;
    /* Of a descriptor that was used again, before its end was told. */
    struct wire_peer *lost;
    size_t lost_count, lost_room;
};

/* ---- a monitor --------------------------------------------------------------- */

/* Without a limit: at one, libzmq's thread would wait for us, and we, closing the
 * socket, for that thread. */
zsock_t *links_monitor(void *socket, int events, struct error *err)
{
    char name[64], unique[HASH_TEXT];
    zsock_t *sock = zsock_new(ZMQ_PAIR);
    const int no_limit = 0;

    if (!sock) {
        err_set(err, ERR_IO, "cannot make a socket: %s", zmq_strerror(errno));
        return NULL;
    }
    void *handle = zsock_resolve(sock);
    hash_random(unique); /* a name lives on while its socket lingers */
    snprintf(name, sizeof name, "inproc://%s", unique);
    if (zmq_setsockopt(handle, ZMQ_RCVHWM, &no_limit, sizeof no_limit) == 0 &&
        zmq_socket_monitor(socket, name, events) == 0 && zmq_connect(handle, name) == 0)
        return sock;
    err_set(err, ERR_IO, "cannot watch a socket: %s", zmq_strerror(errno));
    zsock_destroy(&sock);
    return NULL;
}

/* Two frames: the event's number (16 bits) and value (32 bits), then an address. */
bool links_event(void *monitor, uint16_t *ret_event, uint32_t *ret_value)
{
    uint8_t bytes[6];
    zmq_msg_t frame;

    if (zmq_recv(monitor, bytes, sizeof bytes, ZMQ_DONTWAIT) != (int)sizeof bytes)
        return false;
    memcpy(ret_event, bytes, 2);
    memcpy(ret_value, bytes + 2, 4);
    zmq_msg_init(&frame);
    (void)zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT);
    zmq_msg_close(&frame);
    return true;
}

/* ---- the connections of a ROUTER ----------------------------------------------- */

struct links *links_open(void *router, struct error *err)
{
    struct links *links = calloc(1, sizeof *links);

    if (!links) {
        err_set(err, ERR_NO_MEMORY, "no memory for a socket");
        return NULL;
    }
    links->router = router;
    links->sock = links_monitor(router, ZMQ_EVENT_DISCONNECTED, err);
    if (links->sock)
        links->handle = zsock_resolve(links->sock);
    else
        links_close(&links);
    return links;
}

void links_close(struct links **links)
{
    if (!*links)
        return;
    zmq_socket_monitor((*links)->router, NULL, 0);
    zsock_destroy(&(*links)->sock);
    free((*links)->peers);
    free((*links)->lost);
    free(*links);
    *links = NULL;
}

void *links_handle(const struct links *links)
{
    return links->handle;
}

/* Without memory the end of a connection is not told, and its lease runs out. */
static bool make_room(struct wire_peer **peers, size_t *room, size_t wanted)
{
    size_t more = *room ? 2 * *room : 64;

    if (wanted <= *room)
        return true;
    while (more < wanted)
        more *= 2;
    struct wire_peer *grown = realloc(*peers, more * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + *room, 0, (more - *room) * sizeof *grown);
    *peers = grown;
    *room = more;
    return true;
}

void links_heard(struct links *links, zmq_msg_t *msg, const struct wire_peer *from)
{
    const int fd = zmq_msg_get(msg, ZMQ_SRCFD);

    if (fd < 0 || !make_room(&links->peers, &links->room, (size_t)fd + 1))
        return;
    struct wire_peer *peer = &links->peers[fd];
    if (wire_peer_equal(peer, from))
        return;
    if (peer->size > 0 &&
        make_room(&links->lost, &links->lost_room, links->lost_count + 1))
        links->lost[links->lost_count++] = *peer;
    *peer = *from;
}

bool links_lost(struct links *links, struct wire_peer *ret)
{
    uint16_t event;
    uint32_t fd;

    if (links->lost_count > 0) {
        *ret = links->lost[--links->lost_count];
        return true;
    }
    while (links_event(links->handle, &event, &fd)) {
        if (event != ZMQ_EVENT_DISCONNECTED || fd >= links->room ||
            links->peers[fd].size == 0)
            continue;
        *ret = links->peers[fd];
        links->peers[fd] = (struct wire_peer){0};
        return true;
    }
    return false;
}
