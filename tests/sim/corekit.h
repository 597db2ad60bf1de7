#ifndef COORD_COREKIT_H
#define COORD_COREKIT_H

/* The coordinator's core in a test: a database and artifacts in a directory of
 * the test's own, a clock that the test moves, and every reply kept as the bytes
 * that would have gone out. */

#include "coordinator/core.h"
#include "coordinator/handle.h"
#include "proto/limits.h"
#include "tests/unit/storekit.h"

#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { CK_LEASE_MS = 6000, CK_BEAT_MS = 2000, CK_SENT_MAX = 256 };

/* A grid of as many short runs. */
#define CK_SWEEP(name, seeds)                                                            \
    "[sweep]\n"                                                                          \
    "name = \"" name "\"\n"                                                              \
    "seeds = " #seeds "\n"                                                               \
    "[base]\n"                                                                           \
    "data = { name = \"spiral\" }\n"                                                     \
    "model = { name = \"mlp\", widths = [4] }\n"                                         \
    "train = { epochs = 1 }\n"
#define CK_RUNS(seeds) CK_SWEEP("unit", seeds)

struct ck_sent {
    struct wire_peer to;
    struct buf bytes; /* empty: taken */
};

struct ck {
    struct kit kit;
    char artifact_dir[80];
    struct artifact_store *artifacts;
    struct core *core;
    int64_t now_ms;
    uint64_t epoch;
    struct ck_sent sent[CK_SENT_MAX];
    int sent_count, notes;
    struct msg got; /* the last one that ck_next gave, and its bytes */
    struct buf got_bytes;
    int gone; /* the peer whose connection is gone; 0: none */
};

static inline struct wire_peer ck_peer(int n)
{
    return (struct wire_peer){
        .size = 5, .id = {0, (uint8_t)(n >> 8), (uint8_t)n}, .role = WIRE_ANYBODY};
}

static inline void ck_send(void *user, const struct wire_peer *to, const void *bytes,
                           size_t size)
{
    struct ck *ck = user;
    struct wire_peer gone = ck_peer(ck->gone);

    if (wire_peer_equal(to, &gone)) {
        core_gone(ck->core, to);
        return;
    }
    assert_true(ck->sent_count < CK_SENT_MAX);
    struct ck_sent *sent = &ck->sent[ck->sent_count++];
    sent->to = *to;
    buf_add(&sent->bytes, bytes, size);
}

static inline void ck_note(void *user, enum log_level level, const char *text)
{
    struct ck *ck = user;

    (void)level;
    if (getenv("CK_VERBOSE"))
        print_message("%s\n", text);
    ck->notes += text[0] != 0;
}

static inline int64_t ck_wall(const struct ck *ck)
{
    return NOW + ck->now_ms;
}

/* While the limit is set, no file grows past its first page: a full disk. */
static inline void ck_disk_full(bool full)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = full ? 4096 : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* A coordinator process begins. */
static inline void ck_start(struct ck *ck)
{
    const struct core_setup setup = {.store = ck->kit.store,
                                     .artifacts = ck->artifacts,
                                     .epoch = ++ck->epoch,
                                     .lease_ms = CK_LEASE_MS,
                                     .beat_ms = CK_BEAT_MS,
                                     .send = ck_send,
                                     .note = ck_note,
                                     .user = ck};
    MUST((ck->core = core_new(&setup, ck->now_ms, ck_wall(ck), err)) != NULL);
}

/* What was not committed is lost, and what was sent and not read. */
static inline void ck_crash(struct ck *ck)
{
    core_free(&ck->core);
    store_close(&ck->kit.store);
    MUST((ck->kit.store = store_open(ck->kit.path, true, err)) != NULL);
    for (int i = 0; i < ck->sent_count; i++)
        buf_free(&ck->sent[i].bytes);
    ck->sent_count = 0;
}

static inline int ck_setup(void **state)
{
    struct ck *ck = calloc(1, sizeof *ck);

    assert_non_null(ck);
    ck->now_ms = 1000000;
    kit_open(&ck->kit);
    snprintf(ck->artifact_dir, sizeof ck->artifact_dir, "%s/artifacts", ck->kit.dir);
    MUST((ck->artifacts = artifact_open(ck->artifact_dir, err)) != NULL);
    ck_start(ck);
    *state = ck;
    return 0;
}

static inline int ck_remove(const char *path, const struct stat *st, int type,
                            struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int ck_teardown(void **state)
{
    struct ck *ck = *state;

    ck_disk_full(false);
    msg_free(&ck->got);
    buf_free(&ck->got_bytes);
    for (int i = 0; i < ck->sent_count; i++)
        buf_free(&ck->sent[i].bytes);
    core_free(&ck->core);
    artifact_close(&ck->artifacts);
    nftw(ck->artifact_dir, ck_remove, 8, FTW_DEPTH | FTW_PHYS);
    kit_close(&ck->kit);
    free(ck);
    return 0;
}

/* A turn of the loop in which nothing arrives. */
static inline void ck_turn(struct ck *ck)
{
    core_turn(ck->core, ck->now_ms, ck_wall(ck));
    core_settle(ck->core, true);
}

/* Time passes, in steps that no coordinator would call an absence. */
static inline void ck_pass(struct ck *ck, int64_t ms)
{
    for (; ms > 0; ms -= 1000) {
        ck->now_ms += ms < 1000 ? ms : 1000;
        ck_turn(ck);
    }
}

/* A turn with one message, which has been on the wire, of a peer with a role. */
static inline void ck_say_as(struct ck *ck, int peer, enum wire_role role, struct msg msg)
{
    struct wire_peer from = ck_peer(peer);
    struct buf bytes = {0};
    struct msg decoded;

    from.role = (uint8_t)role;
    MUST(msg_encode(&msg, &bytes, err) == 0);
    MUST(msg_decode(bytes.data, bytes.size, &decoded, err) == 0);
    core_turn(ck->core, ck->now_ms, ck_wall(ck));
    handle_message(ck->core, &from, &decoded);
    core_settle(ck->core, true);
    msg_free(&decoded);
    buf_free(&bytes);
}

static inline void ck_say(struct ck *ck, int peer, struct msg msg)
{
    ck_say_as(ck, peer, WIRE_ANYBODY, msg);
}

/* The first reply to a peer that was not taken yet, or NULL. It lives until the
 * next call. */
static inline const struct msg *ck_next(struct ck *ck, int peer)
{
    struct wire_peer to = ck_peer(peer);

    msg_free(&ck->got);
    ck->got = (struct msg){0};
    for (int i = 0; i < ck->sent_count; i++) {
        struct ck_sent *sent = &ck->sent[i];
        if (sent->bytes.size == 0 || !wire_peer_equal(&sent->to, &to))
            continue;
        buf_free(&ck->got_bytes);
        ck->got_bytes = sent->bytes;
        sent->bytes = (struct buf){0};
        MUST(msg_decode(ck->got_bytes.data, ck->got_bytes.size, &ck->got, err) == 0);
        return &ck->got;
    }
    return NULL;
}

static inline const struct msg *ck_expect(struct ck *ck, int peer, enum msg_kind kind)
{
    const struct msg *msg = ck_next(ck, peer);

    if (!msg)
        fail_msg("peer %d: expected %s, got nothing", peer, msg_kind_name(kind));
    if (msg->kind != kind)
        fail_msg("peer %d: expected %s, got %s", peer, msg_kind_name(kind),
                 msg_kind_name(msg->kind));
    return msg;
}

static inline void ck_silent(struct ck *ck, int peer)
{
    const struct msg *msg = ck_next(ck, peer);

    if (msg)
        fail_msg("peer %d: expected nothing, got %s", peer, msg_kind_name(msg->kind));
}

static inline struct msg ck_hello(const char *uuid, struct msg_running *running,
                                  uint32_t count)
{
    return (struct msg){.kind = MSG_HELLO,
                        .hello = {.version = PROTO_VERSION,
                                  .worker = slice_of(uuid),
                                  .host = slice_of("node1"), /* as the kit's own */
                                  .pid = 1,
                                  .slots = 2,
                                  .threads = 1,
                                  .cores = 2,
                                  .provenance = slice_of("{}"),
                                  .running = running,
                                  .running_count = count}};
}

/* A worker without anything says HELLO. */
static inline void ck_join(struct ck *ck, int peer, const char *uuid)
{
    ck_say(ck, peer, ck_hello(uuid, NULL, 0));
    ck_expect(ck, peer, MSG_WELCOME);
}

static inline struct msg ck_submit(const char *request, const char *grid)
{
    return (struct msg){.kind = MSG_SUBMIT,
                        .submit = {.version = PROTO_VERSION,
                                   .request = slice_of(request),
                                   .file = slice_of("grid.toml"),
                                   .grid = slice_of(grid)}};
}

static inline struct msg ck_beat(uint32_t credit, struct msg_running *running,
                                 uint32_t count)
{
    return (struct msg){
        .kind = MSG_BEAT,
        .beat = {.credit = credit, .running = running, .running_count = count}};
}

#endif
