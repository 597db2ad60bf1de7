#include "proto/wire_auth.h"

#include "common/clock.h"
#include "common/error.h"
#include "proto/wire_links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_BYTES = 32,
    /* Frames of a ZAP request for CURVE: version, id, domain, address, routing id,
     * mechanism, key. */
    ZAP_FRAMES = 7,
    /* Requests answered in one go. */
    ANSWERS_MAX = 256,
    /* A coordinator that is killed in the middle of a handshake breaks off one;
     * so many in a row, each of them at once, are on purpose. */
    BROKEN_MAX = 3,
    BROKEN_MS = 5000,
};

static const char ZAP[] = "inproc://zeromq.zap.01";
static const char DOMAIN[] = "coord";

/* ---- keys ------------------------------------------------------------------ */

int wire_draw_keys(struct wire_keys *ret, struct error *err)
{
    if (zmq_curve_keypair(ret->public_key, ret->secret_key) == 0)
        return 0;
    return err_set(err, ERR_IO, "cannot draw a pair of keys: %s", zmq_strerror(errno));
}

static bool is_key(const char *text)
{
    uint8_t bytes[KEY_BYTES];

    return strlen(text) == WIRE_KEY_TEXT - 1 && zmq_z85_decode(bytes, text);
}

bool wire_keys_fit(const struct wire_keys *keys)
{
    char public_key[WIRE_KEY_TEXT];

    return is_key(keys->public_key) && is_key(keys->secret_key) &&
           zmq_curve_public(public_key, keys->secret_key) == 0 &&
           strcmp(public_key, keys->public_key) == 0 &&
           (!keys->server_key[0] || is_key(keys->server_key));
}

static int set_text(void *socket, int option, const char *text, struct error *err)
{
    if (zmq_setsockopt(socket, option, text, strlen(text)) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "ZeroMQ does not take a key: %s",
                   zmq_strerror(errno));
}

/* Z85 keys are taken with their NUL. */
static int set_key(void *socket, int option, const char *key, struct error *err)
{
    if (zmq_setsockopt(socket, option, key, WIRE_KEY_TEXT) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "ZeroMQ does not take a key: %s",
                   zmq_strerror(errno));
}

static int set_pair(void *socket, const struct wire_keys *keys, struct error *err)
{
    if (set_key(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, err) != 0)
        return -1;
    return set_key(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, err);
}

/* ---- the door -------------------------------------------------------------- */

struct door {
    const struct wire_gate *gate;
    zsock_t *sock;
    void *handle;
    bool bound;
};

static int bind_door(struct door *door, struct error *err)
{
    door->sock = zsock_new(ZMQ_REP);
    if (!door->sock)
        return err_set(err, ERR_IO, "cannot make a socket: %s", zmq_strerror(errno));
    door->handle = zsock_resolve(door->sock);
    if (zmq_bind(door->handle, ZAP) != 0)
        return err_set(err, ERR_IO, "keys cannot be checked: %s (one listener a process)",
                       zmq_strerror(errno));
    door->bound = true;
    return 0;
}

struct door *door_open(void *router, const struct wire_gate *gate, struct error *err)
{
    struct door *door = calloc(1, sizeof *door);
    int server = 1;

    if (!door) {
        err_set(err, ERR_NO_MEMORY, "no memory for a socket");
        return NULL;
    }
    door->gate = gate;
    if (bind_door(door, err) != 0 || set_pair(router, &gate->keys, err) != 0 ||
        set_text(router, ZMQ_ZAP_DOMAIN, DOMAIN, err) != 0)
        goto fail;
    if (zmq_setsockopt(router, ZMQ_CURVE_SERVER, &server, sizeof server) != 0) {
        err_set(err, ERR_IO, "ZeroMQ has no CURVE: %s", zmq_strerror(errno));
        goto fail;
    }
    return door;
fail:
    door_close(&door);
    return NULL;
}

void door_close(struct door **door)
{
    if (!*door)
        return;
    if ((*door)->bound) /* so that the name is free at once */
        zmq_unbind((*door)->handle, ZAP);
    zsock_destroy(&(*door)->sock);
    free(*door);
    *door = NULL;
}

void *door_handle(const struct door *door)
{
    return door->handle;
}

/* Frames of one request; what is beyond ZAP_FRAMES is read and forgotten. */
struct request {
    zmq_msg_t frames[ZAP_FRAMES];
    int count;
};

static void request_free(struct request *request)
{
    for (int i = 0; i < ZAP_FRAMES; i++)
        zmq_msg_close(&request->frames[i]);
}

/* 1 when there was one, 0. */
static int take_request(struct door *door, struct request *request)
{
    zmq_msg_t rest;
    int more = 1;

    request->count = 0;
    for (int i = 0; i < ZAP_FRAMES; i++)
        zmq_msg_init(&request->frames[i]);
    zmq_msg_init(&rest);
    while (more) {
        zmq_msg_t *to =
            request->count < ZAP_FRAMES ? &request->frames[request->count] : &rest;
        if (zmq_msg_recv(to, door->handle, ZMQ_DONTWAIT) < 0)
            break;
        request->count++;
        more = zmq_msg_more(to);
    }
    zmq_msg_close(&rest);
    return !more;
}

static void text_of(zmq_msg_t *frame, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)zmq_msg_size(frame),
             (const char *)zmq_msg_data(frame));
}

/* The role of the key in a request, with the key as text; NOBODY for what is not
 * a request of ours. */
static enum wire_role judge(struct door *door, struct request *request,
                            char ret_key[WIRE_KEY_TEXT])
{
    zmq_msg_t *key = &request->frames[6];
    char mechanism[16], address[64];

    ret_key[0] = '\0';
    text_of(&request->frames[5], mechanism, sizeof mechanism);
    if (request->count != ZAP_FRAMES || strcmp(mechanism, "CURVE") != 0 ||
        zmq_msg_size(key) != KEY_BYTES)
        return WIRE_NOBODY;
    zmq_z85_encode(ret_key, zmq_msg_data(key), KEY_BYTES);
    enum wire_role role = door->gate->role(door->gate->user, ret_key);
    if (role == WIRE_NOBODY) {
        text_of(&request->frames[3], address, sizeof address);
        door->gate->refused(door->gate->user, ret_key, address);
    }
    return role;
}

/* The user id that goes with every message of the connection is the key. */
static void answer(struct door *door, struct request *request)
{
    char key[WIRE_KEY_TEXT];
    bool welcome = judge(door, request, key) != WIRE_NOBODY;
    const char *parts[] = {"1.0",
                           NULL,
                           welcome ? "200" : "400",
                           welcome ? "OK" : "the key is not on the list",
                           welcome ? key : "",
                           ""};
    enum { PARTS = sizeof parts / sizeof parts[0] };

    for (int i = 0; i < PARTS; i++) {
        int flags = i + 1 < PARTS ? ZMQ_SNDMORE | ZMQ_DONTWAIT : ZMQ_DONTWAIT;
        if (parts[i])
            zmq_send(door->handle, parts[i], strlen(parts[i]), flags);
        else
            zmq_send(door->handle, zmq_msg_data(&request->frames[1]),
                     zmq_msg_size(&request->frames[1]), flags);
    }
}

void door_answer(struct door *door)
{
    struct request request;

    for (int i = 0; i < ANSWERS_MAX; i++) {
        int got = take_request(door, &request);
        if (got)
            answer(door, &request);
        request_free(&request);
        if (!got)
            return;
    }
}

enum wire_role door_role(const struct door *door, zmq_msg_t *msg)
{
    const char *key = zmq_msg_gets(msg, "User-Id");

    return key ? door->gate->role(door->gate->user, key) : WIRE_NOBODY;
}

/* ---- the watch ------------------------------------------------------------- */

struct watch {
    void *dealer;
    zsock_t *sock;
    void *handle;
    const char *endpoint;
    bool met;   /* the coordinator, or it has no key */
    bool lost;  /* a connection, since watch_lost was asked */
    int broken; /* handshakes that were broken off, one after another */
    int64_t connected_ms;
};

static int watch_events(struct watch *watch, struct error *err)
{
    const int events =
        ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

    watch->sock = links_monitor(watch->dealer, events, err);
    if (!watch->sock)
        return -1;
    watch->handle = zsock_resolve(watch->sock);
    return 0;
}

static int set_keys(void *dealer, const struct wire_keys *keys, struct error *err)
{
    if (!keys)
        return 0;
    if (set_pair(dealer, keys, err) != 0)
        return -1;
    return set_key(dealer, ZMQ_CURVE_SERVERKEY, keys->server_key, err);
}

struct watch *watch_open(void *dealer, const char *endpoint, const struct wire_keys *keys,
                         struct error *err)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (!watch) {
        err_set(err, ERR_NO_MEMORY, "no memory for a socket");
        return NULL;
    }
    *watch =
        (struct watch){.dealer = dealer, .endpoint = endpoint, .met = !keys || keys->met};
    if (set_keys(dealer, keys, err) != 0 || watch_events(watch, err) != 0)
        watch_close(&watch);
    return watch;
}

void watch_close(struct watch **watch)
{
    if (!*watch)
        return;
    zmq_socket_monitor((*watch)->dealer, NULL, 0);
    zsock_destroy(&(*watch)->sock);
    free(*watch);
    *watch = NULL;
}

void *watch_handle(const struct watch *watch)
{
    return watch->handle;
}

static int on_auth_failed(const struct watch *watch, uint32_t status, struct error *err)
{
    if (status != 400)
        return 0; /* its own trouble, and it says so by asking to come again */
    return err_set(err, ERR_REFUSED,
                   "the coordinator at %s refuses this key: it is not on its list, or "
                   "was revoked; 'coord keygen' there makes another",
                   watch->endpoint);
}

static int on_protocol_failed(const struct watch *watch, uint32_t what, struct error *err)
{
    if (watch->met)
        return 0;
    if (what == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        return err_set(err, ERR_REFUSED,
                       "what listens at %s does not encrypt: it is no coordinator, or "
                       "a very old one",
                       watch->endpoint);
    return err_set(err, ERR_REFUSED,
                   "what listens at %s does not have the coordinator key that this "
                   "key file names (or is no coordinator)",
                   watch->endpoint);
}

/* A server that cannot read our first message, since it is encrypted for another
 * one, hangs up without a word. */
static int on_broken_off(struct watch *watch, struct error *err)
{
    bool at_once = clock_mono_ms() - watch->connected_ms < BROKEN_MS;

    watch->broken += at_once;
    if (watch->met || watch->broken < BROKEN_MAX)
        return 0;
    watch->broken = 0;
    return err_set(err, ERR_REFUSED,
                   "what listens at %s hangs up: it does not have the coordinator key "
                   "that this key file names, or is no coordinator",
                   watch->endpoint);
}

int watch_check(struct watch *watch, struct error *err)
{
    uint16_t event;
    uint32_t value;
    int rc = 0;

    while (rc == 0 && links_event(watch->handle, &event, &value)) {
        if (event == ZMQ_EVENT_CONNECTED)
            watch->connected_ms = clock_mono_ms();
        else if (event == ZMQ_EVENT_DISCONNECTED)
            watch->lost = true;
        else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            watch->met = true; /* it has proved that it has the key */
        else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
            rc = on_auth_failed(watch, value, err);
        else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
            rc = on_protocol_failed(watch, value, err);
        else
            rc = on_broken_off(watch, err);
    }
    return rc;
}

bool watch_lost(struct watch *watch)
{
    const bool lost = watch->lost;

    watch->lost = false;
    return lost;
}
