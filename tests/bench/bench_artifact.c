/* bench_artifact DIR MIB: a worker hands a state of that size to a coordinator that
 * runs, and gets it back, in pieces as PROTOCOL.md has them. The coordinator checks the
 * hash of the whole before it says that the state is complete, and this program that of
 * what it gets. The last line is JSON, for coord.py.
 */

#include "tests/bench/simwork.h"

#include <inttypes.h>

struct transfer {
    struct sim_worker worker;
    char hash[HASH_TEXT];
    char *data;
    uint64_t size;
};

static void hear(struct transfer *t, struct msg *ret)
{
    struct wire_poll item = {.wire = t->worker.wire};
    struct error err;
    int got;

    while ((got = wire_recv(t->worker.wire, NULL, ret, &err)) == 0)
        if (wire_poll(&item, 1, 10000, &err) == 0)
            die("nothing was heard for ten seconds", NULL);
    if (got < 0)
        die("received", &err);
}

static void greet(struct transfer *t)
{
    struct msg msg;

    while (!sim_hello(&t->worker)) {
        struct wire_poll item = {.wire = t->worker.wire};
        wire_poll(&item, 1, 10, NULL);
    }
    hear(t, &msg);
    if (msg.kind != MSG_WELCOME)
        die("not welcome", NULL);
    msg_free(&msg);
}

static uint64_t put_piece(struct transfer *t, uint64_t offset)
{
    uint64_t left = t->size - offset;
    uint64_t size = left < PROTO_CHUNK_MAX ? left : PROTO_CHUNK_MAX;
    const struct msg put = {.kind = MSG_PUT,
                            .put = {.hash = slice_of(t->hash),
                                    .size = t->size,
                                    .offset = offset,
                                    .data = {t->data + offset, size}}};

    sim_send(&t->worker, &put);
    return offset + size;
}

/* The first piece alone, then a window of them. */
static void put_all(struct transfer *t)
{
    uint64_t sent = put_piece(t, 0), held = 0;
    bool complete = false;
    struct msg msg;

    while (!complete) {
        hear(t, &msg);
        if (msg.kind != MSG_PUT_OK || msg.put_ok.text.size > 0)
            die("PUT", NULL);
        held = msg.put_ok.offset;
        complete = msg.put_ok.complete;
        msg_free(&msg);
        while (sent < t->size &&
               sent - held < (uint64_t)PROTO_CHUNK_WINDOW * PROTO_CHUNK_MAX)
            sent = put_piece(t, sent);
    }
}

static void get_piece(struct transfer *t, uint64_t offset)
{
    const struct msg get = {
        .kind = MSG_GET,
        .get = {.hash = slice_of(t->hash), .offset = offset, .count = PROTO_CHUNK_MAX}};

    sim_send(&t->worker, &get);
}

static void get_all(struct transfer *t)
{
    uint64_t asked = 0, held = 0;
    char hash[HASH_TEXT];
    struct msg msg;

    memset(t->data, 0, t->size);
    while (held < t->size) {
        while (asked < t->size &&
               asked - held < (uint64_t)PROTO_CHUNK_WINDOW * PROTO_CHUNK_MAX) {
            get_piece(t, asked);
            asked += PROTO_CHUNK_MAX;
        }
        hear(t, &msg);
        if (msg.kind != MSG_CHUNK || msg.chunk.text.size > 0 || msg.chunk.offset != held)
            die("GET", NULL);
        memcpy(t->data + held, msg.chunk.data.data, msg.chunk.data.size);
        held += msg.chunk.data.size;
        msg_free(&msg);
    }
    hash_bytes(t->data, t->size, hash);
    if (strcmp(hash, t->hash) != 0)
        die("what came back is not what was sent", NULL);
}

int main(int argc, char **argv)
{
    char endpoint[WIRE_ENDPOINT_MAX];
    struct transfer t = {0};
    struct keyfile key;

    if (argc != 3) {
        fprintf(stderr, "usage: bench_artifact DIR MIB\n");
        return 2;
    }
    t.size = strtoull(argv[2], NULL, 10) << 20;
    t.data = malloc(t.size + 1);
    if (!t.data || t.size == 0 || t.size > PROTO_ARTIFACT_MAX)
        die("a size", NULL);
    uint64_t state = (uint64_t)clock_wall_ms() | 1;
    for (uint64_t i = 0; i < t.size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        t.data[i] = (char)(state >> 56);
    }
    hash_bytes(t.data, t.size, t.hash);
    sim_address(argv[1], endpoint, &key);
    sim_connect(&t.worker, endpoint, &key.keys, 1);
    greet(&t);
    int64_t begin_us = clock_mono_us();
    put_all(&t);
    int64_t middle_us = clock_mono_us();
    get_all(&t);
    int64_t end_us = clock_mono_us();
    printf("{\"hash\": \"%s\", \"bytes\": %" PRIu64
           ", \"put_seconds\": %.4f, \"get_seconds\": %.4f}\n",
           t.hash, t.size, (double)(middle_us - begin_us) / 1e6,
           (double)(end_us - middle_us) / 1e6);
    wire_free(&t.worker.wire);
    free(t.data);
    return 0;
}
