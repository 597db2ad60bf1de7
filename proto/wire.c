#include "proto/wire.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "proto/limits.h"
#include "proto/wire_auth.h"
#include "proto/wire_links.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct wire {
    zsock_t *sock;
    void *handle; /* the libzmq socket inside */
    bool router;
    struct door *door;                /* a ROUTER's with keys, or NULL */
    struct links *links;              /* a ROUTER's */
    struct watch *watch;              /* a DEALER's */
    char endpoint[WIRE_ENDPOINT_MAX]; /* of a DEALER */
    struct buf out;                   /* encoding of the message that is being sent */
    zmq_msg_t body;                   /* of the message that wire_recv returned last */
    char bound[WIRE_ENDPOINT_MAX];    /* what to unbind; empty at a DEALER */
};

enum {
    /* How long wire_free lets acknowledgements leave. */
    LINGER_MS = 1000,
    /* The largest encoding that keeps its room for the next one. */
    KEEP_MAX = 1 << 20,
    /* zmq_poll items of each of ours, and how many need no allocation. */
    POLL_EACH = 3,
    POLL_STACK = 48,
    /* Of a ROUTER's process. libzmq accepts one connection in a round of the thread that
     * listens, whose other sockets may have hundreds of messages each round: with one
     * thread, five thousand workers that come back together took minutes. */
    ROUTER_IO_THREADS = 4,
};

enum side { BOTH, ROUTER, DEALER };

struct option {
    int name;
    int value;
    enum side side;
};

/* czmq takes defaults for some of these from ZSYS_* variables; here nothing is
 * left to them. ZMQ_ROUTING_ID stays unset: with fixed ids a peer that comes
 * back meets its own ghost. Nothing here is a draft option: the packaged czmq
 * has those as functions that do nothing. */
static const struct option OPTIONS[] = {
    /* Else messages to peers that are gone vanish without a word. */
    {ZMQ_ROUTER_MANDATORY, 1, ROUTER},
    /* Else messages queue on a connection that does not exist yet, and arrive
     * at a coordinator that was started since. */
    {ZMQ_IMMEDIATE, 1, DEALER},
    /* Credit and the chunk window bound the queues of those who keep to them: a
     * limit below theirs would refuse messages at random. These, of each peer at a
     * ROUTER, are well above, and bound what somebody costs who does not read the
     * answers (then ERR_BUSY), or sends without end (who is then read slower). */
    {ZMQ_SNDHWM, 2000, ROUTER},
    {ZMQ_RCVHWM, 1000, ROUTER},
    {ZMQ_SNDHWM, 0, DEALER},
    {ZMQ_RCVHWM, 0, DEALER},
    {ZMQ_LINGER, LINGER_MS, BOTH},
    /* Behind our own beats: answered by the I/O thread, so they prove that the
     * machine is there, not that anybody works. Every five seconds they cost a
     * coordinator of a thousand idle workers more than the beats did. */
    {ZMQ_HEARTBEAT_IVL, 20000, BOTH},
    {ZMQ_HEARTBEAT_TIMEOUT, 15000, BOTH},
    {ZMQ_HEARTBEAT_TTL, 40000, BOTH},
    /* Unacknowledged TCP data: a machine that lost power. */
    {ZMQ_TCP_MAXRT, 20000, BOTH},
    {ZMQ_CONNECT_TIMEOUT, 5000, DEALER},
    /* Who connects and says nothing is put out after this. */
    {ZMQ_HANDSHAKE_IVL, 10000, BOTH},
    /* So soon, and never later, that a worker whose connection broke is back before
     * the coordinator takes it for dead (coordinator/cut.h). libzmq adds up to as much
     * again by chance: a thousand workers whose coordinator is down knock 7,000 times a
     * second, which costs that machine some hundredths of a core. */
    {ZMQ_RECONNECT_IVL, 100, DEALER},
    {ZMQ_RECONNECT_IVL_MAX, 0, DEALER},
    /* A thousand workers may connect in the same moment. */
    {ZMQ_BACKLOG, 4096, ROUTER},
    {ZMQ_IPV6, 0, BOTH},
};

bool wire_peer_equal(const struct wire_peer *a, const struct wire_peer *b)
{
    return a->size == b->size && memcmp(a->id, b->id, a->size) == 0;
}

/* ---- making ---------------------------------------------------------------- */

/* czmq's start, with its signal handlers and its log kept out. Its way of
 * disabling the handlers resets SIGINT and SIGTERM to their defaults when it is
 * called a second time, so whatever the program has set is put back. */
static void start_czmq(bool router)
{
    static const int taken[] = {SIGINT, SIGTERM};
    struct sigaction kept[2];
    sigset_t both, before;

    sigemptyset(&both);
    for (int i = 0; i < 2; i++)
        sigaddset(&both, taken[i]);
    pthread_sigmask(SIG_BLOCK, &both, &before);
    for (int i = 0; i < 2; i++)
        sigaction(taken[i], NULL, &kept[i]);
    zsys_handler_set(NULL);
    void *context = zsys_init();
    if (router) /* counts before the first socket of the process */
        zmq_ctx_set(context, ZMQ_IO_THREADS, ROUTER_IO_THREADS);
    zsys_set_logstream(NULL);
    zsys_set_logsystem(false);
    for (int i = 0; i < 2; i++)
        sigaction(taken[i], &kept[i], NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int set_options(struct wire *wire, struct error *err)
{
    /* Whoever sends more is disconnected before it takes memory. */
    int64_t message_max = PROTO_MESSAGE_MAX + 1024;

    if (zmq_setsockopt(wire->handle, ZMQ_MAXMSGSIZE, &message_max, sizeof message_max))
        return err_set(err, ERR_IO, "ZeroMQ: %s", zmq_strerror(errno));
    for (size_t i = 0; i < sizeof OPTIONS / sizeof OPTIONS[0]; i++) {
        const struct option *option = &OPTIONS[i];
        if (option->side == (wire->router ? DEALER : ROUTER))
            continue;
        if (zmq_setsockopt(wire->handle, option->name, &option->value,
                           sizeof option->value))
            return err_set(err, ERR_IO, "ZeroMQ option %d: %s", option->name,
                           zmq_strerror(errno));
    }
    return 0;
}

static struct wire *wire_new(bool router, struct error *err)
{
    struct wire *wire = calloc(1, sizeof *wire);

    if (!wire) {
        err_set(err, ERR_NO_MEMORY, "no memory for a socket");
        return NULL;
    }
    start_czmq(router);
    wire->router = router;
    zmq_msg_init(&wire->body);
    wire->sock = zsock_new(router ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!wire->sock) {
        err_set(err, ERR_IO, "cannot make a socket: %s", zmq_strerror(errno));
        wire_free(&wire);
        return NULL;
    }
    wire->handle = zsock_resolve(wire->sock);
    if (set_options(wire, err))
        wire_free(&wire);
    return wire;
}

/* libzmq takes port 70000 for 4464. */
static bool is_port(const char *text, bool listens)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (strcmp(text, "*") == 0)
        return listens;
    return strspn(text, "0123456789") == strlen(text) && end != text &&
           port >= (listens ? 0 : 1) && port <= 65535;
}

bool wire_needs_keys(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) != 0;
}

static int check_keys(const char *endpoint, bool given, struct error *err)
{
    if (given || !wire_needs_keys(endpoint))
        return 0;
    return err_set(err, ERR_REFUSED, "endpoint '%s': a connection over tcp needs keys",
                   endpoint);
}

/* Only what PROTOCOL.md names: inproc and the multicasts mean nothing here. */
static int check_endpoint(const char *endpoint, bool listens, struct error *err)
{
    struct sockaddr_un address;
    bool tcp = strncmp(endpoint, "tcp://", 6) == 0;
    bool ipc = strncmp(endpoint, "ipc://", 6) == 0;
    const char *colon = tcp ? strrchr(endpoint + 6, ':') : NULL;

    if ((!tcp && !ipc) || endpoint[6] == '\0' || (tcp && !colon))
        return err_set(err, ERR_INVALID,
                       "endpoint '%s': expected tcp://HOST:PORT or ipc://PATH", endpoint);
    if (ipc && (endpoint[6] == '@' || endpoint[6] == '*'))
        return err_set(err, ERR_INVALID,
                       "endpoint '%s': expected a path, whose permissions say who may "
                       "connect",
                       endpoint);
    if (tcp && !is_port(colon + 1, listens))
        return err_set(err, ERR_INVALID, "endpoint '%s': '%s' is not a port", endpoint,
                       colon + 1);
    if (ipc && strlen(endpoint + 6) >= sizeof address.sun_path)
        return err_set(err, ERR_INVALID,
                       "endpoint '%s': a socket's path has at most %zu bytes, this "
                       "one has %zu",
                       endpoint, sizeof address.sun_path - 1, strlen(endpoint + 6));
    if (strlen(endpoint) >= WIRE_ENDPOINT_MAX)
        return err_set(err, ERR_INVALID, "endpoint '%.40s...': longer than %d bytes",
                       endpoint, WIRE_ENDPOINT_MAX - 1);
    return 0;
}

/* libzmq unlinks whatever lies at an ipc path before it binds: make sure that
 * it is a socket and that nobody answers there. */
static int check_path_free(const char *endpoint, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = endpoint + 6;
    struct stat about;

    if (strncmp(endpoint, "ipc://", 6) != 0 || lstat(path, &about))
        return 0;
    if (!S_ISSOCK(about.st_mode))
        return err_set(err, ERR_INVALID, "endpoint '%s': there is a file of that name",
                       endpoint);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, ERR_IO, "endpoint '%s'", endpoint);
    memcpy(address.sun_path, path, strlen(path));
    bool answered =
        !connect(fd, (struct sockaddr *)&address, sizeof address) || errno == EAGAIN;
    close(fd);
    if (answered)
        return err_set(err, ERR_IO, "endpoint '%s': somebody else listens there",
                       endpoint);
    return 0;
}

/* An address that cannot be one is the user's mistake, the rest the world's. */
static int endpoint_failed(const char *verb, const char *endpoint, struct error *err)
{
    int cause = errno;
    bool bad = cause == EINVAL || cause == EPROTONOSUPPORT || cause == ENODEV;

    return err_set(err, bad ? ERR_INVALID : ERR_IO, "cannot %s '%s': %s", verb, endpoint,
                   zmq_strerror(cause));
}

/* The socket file of ipc is our own alone. */
static int bind_private(void *handle, const char *endpoint)
{
    mode_t before = umask(077);
    int rc = zmq_bind(handle, endpoint);
    int cause = errno;

    umask(before);
    errno = cause;
    return rc;
}

struct wire *wire_listen(const char *endpoint, const struct wire_gate *gate,
                         char ret_endpoint[WIRE_ENDPOINT_MAX], struct error *err)
{
    struct wire *wire = NULL;
    size_t size = WIRE_ENDPOINT_MAX;

    if (check_endpoint(endpoint, true, err) || check_keys(endpoint, gate, err) ||
        check_path_free(endpoint, err))
        return NULL;
    wire = wire_new(true, err);
    if (!wire)
        return NULL;
    if (wire_needs_keys(endpoint) && !(wire->door = door_open(wire->handle, gate, err))) {
        wire_free(&wire);
        return NULL;
    }
    if (!(wire->links = links_open(wire->handle, err))) {
        wire_free(&wire);
        return NULL;
    }
    if (bind_private(wire->handle, endpoint) ||
        zmq_getsockopt(wire->handle, ZMQ_LAST_ENDPOINT, wire->bound, &size)) {
        endpoint_failed("listen on", endpoint, err);
        wire->bound[0] = '\0';
        wire_free(&wire);
        return NULL;
    }
    memcpy(ret_endpoint, wire->bound, WIRE_ENDPOINT_MAX);
    return wire;
}

struct wire *wire_connect(const char *endpoint, const struct wire_keys *keys,
                          struct error *err)
{
    struct wire *wire = NULL;

    if (check_endpoint(endpoint, false, err) || check_keys(endpoint, keys, err))
        return NULL;
    wire = wire_new(false, err);
    if (!wire)
        return NULL;
    snprintf(wire->endpoint, sizeof wire->endpoint, "%s", endpoint);
    if (!wire_needs_keys(endpoint))
        keys = NULL;
    if (!(wire->watch = watch_open(wire->handle, wire->endpoint, keys, err))) {
        wire_free(&wire);
        return NULL;
    }
    if (zmq_connect(wire->handle, endpoint)) {
        endpoint_failed("connect to", endpoint, err);
        wire_free(&wire);
    }
    return wire;
}

/* Stop listening and wait until it is so: libzmq closes in its own thread, only
 * a monitor tells when, and until then nobody else can listen there. An ipc
 * path is ours to remove while we still answer on it. */
static void stop_listening(struct wire *wire)
{
    struct error err;

    if (strncmp(wire->bound, "ipc:///", 7) == 0)
        unlink(wire->bound + 6);
    links_close(&wire->links);
    zsock_t *monitor = links_monitor(wire->handle, ZMQ_EVENT_CLOSED, &err);
    if (!monitor)
        return;
    if (zmq_unbind(wire->handle, wire->bound) == 0) {
        zmq_pollitem_t item = {.socket = zsock_resolve(monitor), .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, LINGER_MS);
    }
    zmq_socket_monitor(wire->handle, NULL, 0);
    zsock_destroy(&monitor);
}

void wire_free(struct wire **wire)
{
    if (!*wire)
        return;
    if ((*wire)->bound[0])
        stop_listening(*wire);
    door_close(&(*wire)->door);
    links_close(&(*wire)->links);
    watch_close(&(*wire)->watch);
    zmq_msg_close(&(*wire)->body);
    zsock_destroy(&(*wire)->sock);
    buf_free(&(*wire)->out);
    free(*wire);
    *wire = NULL;
}

/* ---- sending --------------------------------------------------------------- */

static int send_frame(struct wire *wire, const void *data, size_t size, int flags,
                      struct error *err)
{
    zmq_msg_t frame;
    int rc;

    if (zmq_msg_init_size(&frame, size))
        return err_set(err, ERR_NO_MEMORY, "no memory for a message of %zu bytes", size);
    memcpy(zmq_msg_data(&frame), data, size);
    do
        rc = zmq_msg_send(&frame, wire->handle, flags | ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return 0;

    int cause = errno;
    zmq_msg_close(&frame);
    if (cause == EHOSTUNREACH)
        return err_set(err, ERR_NOT_FOUND, "the peer is gone");
    if (cause == EAGAIN)
        return err_set(err, ERR_BUSY,
                       wire->router ? "no room for more messages" : "not connected");
    return err_set(err, ERR_IO, "cannot send: %s", zmq_strerror(cause));
}

/* The body is ready before the id goes: an id that is sent alone would stick to
 * the next message. */
int wire_send_bytes(struct wire *wire, const struct wire_peer *to, const void *bytes,
                    size_t size, struct error *err)
{
    if (wire->router && send_frame(wire, to->id, to->size, ZMQ_SNDMORE, err))
        return -1;
    return send_frame(wire, bytes, size, 0, err);
}

int wire_send(struct wire *wire, const struct wire_peer *to, const struct msg *msg,
              struct error *err)
{
    int rc;

    buf_clear(&wire->out);
    wire->out.failed = false;
    rc = msg_encode(msg, &wire->out, err);
    if (rc == 0)
        rc = wire_send_bytes(wire, to, wire->out.data, wire->out.size, err);
    if (wire->out.room > KEEP_MAX)
        buf_free(&wire->out);
    return rc;
}

/* ---- receiving ------------------------------------------------------------- */

/* 1: a frame is in *frame; 0: none there; -1. */
static int recv_frame(struct wire *wire, zmq_msg_t *frame, struct error *err)
{
    int rc;

    do
        rc = zmq_msg_recv(frame, wire->handle, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return 1;
    if (errno == EAGAIN)
        return 0;
    return err_set(err, ERR_IO, "cannot receive: %s", zmq_strerror(errno));
}

/* Take what is left of a message, so that the next call begins at the next
 * one. The parts of one message arrive together. Returns how many there were. */
static int drop_rest(struct wire *wire)
{
    int count = 0;
    zmq_msg_t frame;

    zmq_msg_init(&frame);
    do
        count++;
    while (recv_frame(wire, &frame, NULL) == 1 && zmq_msg_more(&frame));
    zmq_msg_close(&frame);
    return count;
}

/* Put the sender's id into *ret. 1, 0 when nothing is there, -1. */
static int recv_peer(struct wire *wire, struct wire_peer *ret, struct error *err)
{
    int rc = recv_frame(wire, &wire->body, err);

    if (rc != 1)
        return rc;
    size_t size = zmq_msg_size(&wire->body);
    if (size > sizeof ret->id) {
        drop_rest(wire);
        return err_set(err, ERR_INVALID, "the peer set a routing id of %zu bytes", size);
    }
    ret->size = (uint8_t)size;
    memcpy(ret->id, zmq_msg_data(&wire->body), size);
    return 1;
}

int wire_recv(struct wire *wire, struct wire_peer *ret_from, struct msg *ret,
              struct error *err)
{
    struct wire_peer from = {0};
    int rc = 1;

    if (wire->router)
        rc = recv_peer(wire, &from, err);
    if (rc == 1)
        rc = recv_frame(wire, &wire->body, err);
    if (rc == 1 && wire->router) {
        links_heard(wire->links, &wire->body, &from);
        from.role =
            (uint8_t)(wire->door ? door_role(wire->door, &wire->body) : WIRE_ANYBODY);
    }
    if (rc == 0 && wire->watch)
        rc = watch_check(wire->watch, err);
    if (ret_from && rc != 0)
        *ret_from = from;
    if (rc != 1)
        return rc;
    if (zmq_msg_more(&wire->body))
        return err_set(err, ERR_INVALID, "a message of %d frames, expected one",
                       1 + drop_rest(wire));
    if (msg_decode(zmq_msg_data(&wire->body), zmq_msg_size(&wire->body), ret, err))
        return -1;
    return 1;
}

bool wire_lost(struct wire *wire, struct wire_peer *ret)
{
    *ret = (struct wire_peer){0};
    return wire->router ? links_lost(wire->links, ret) : watch_lost(wire->watch);
}

/* ---- waiting --------------------------------------------------------------- */

/* Three zmq_poll items for each of ours: the others are for the wire's own business,
 * the keys that knock at a ROUTER and its connections that end, and how the handshakes
 * of a DEALER went. */
static void poll_fill(const struct wire_poll *items, size_t count, zmq_pollitem_t *ret)
{
    for (size_t i = 0; i < count; i++, ret += POLL_EACH) {
        const struct wire *wire = items[i].wire;

        ret[0] = (zmq_pollitem_t){.fd = items[i].fd, .events = ZMQ_POLLIN};
        ret[1] = ret[2] = (zmq_pollitem_t){.fd = -1};
        if (!wire)
            continue;
        ret[0].socket = wire->handle;
        if (wire->door)
            ret[1].socket = door_handle(wire->door);
        ret[2].socket =
            wire->router ? links_handle(wire->links) : watch_handle(wire->watch);
        ret[1].events = ret[1].socket ? ZMQ_POLLIN : 0;
        ret[2].events = ZMQ_POLLIN;
    }
}

/* Returns how many items are readable. The end of a pipe shows as an error, not as
 * input: both are to be read. News of a DEALER's handshake are read by wire_recv, of a
 * ROUTER's connections by wire_lost. */
static int poll_take(struct wire_poll *items, size_t count, const zmq_pollitem_t *polled)
{
    int readable = 0;

    for (size_t i = 0; i < count; i++, polled += POLL_EACH) {
        if (polled[1].revents != 0)
            door_answer(items[i].wire->door);
        items[i].readable = polled[0].revents != 0 || polled[2].revents != 0;
        readable += items[i].readable;
    }
    return readable;
}

int wire_poll(struct wire_poll *items, size_t count, int64_t timeout_ms,
              struct error *err)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    zmq_pollitem_t few[POLL_STACK], *polled = few;
    int rc, readable, cause;

    if (POLL_EACH * count > POLL_STACK)
        polled = calloc(count, POLL_EACH * sizeof *polled);
    if (!polled)
        return err_set(err, ERR_NO_MEMORY, "no memory to wait for %zu things", count);
    poll_fill(items, count, polled);
    do {
        rc = zmq_poll(polled, (int)(POLL_EACH * count),
                      timeout_ms < 0 ? -1 : (long)timeout_ms);
        cause = errno;
        for (size_t i = 0; rc < 0 && i < POLL_EACH * count; i++)
            polled[i].revents = 0;
        readable = poll_take(items, count, polled);
        if (timeout_ms > 0)
            timeout_ms = end_ms > clock_mono_ms() ? end_ms - clock_mono_ms() : 0;
    } while (rc > 0 && readable == 0 && timeout_ms != 0);
    if (polled != few)
        free(polled);
    if (rc < 0 && cause != EINTR)
        return err_set(err, ERR_IO, "cannot wait: %s", zmq_strerror(cause));
    return readable;
}
