#include "coordinator/serve.h"

#include "common/clock.h"
#include "common/crash.h"
#include "common/error.h"
#include "common/file.h"
#include "common/log.h"
#include "coordinator/artifact.h"
#include "coordinator/core.h"
#include "coordinator/cut.h"
#include "coordinator/handle.h"
#include "coordinator/imports.h"
#include "coordinator/keyring.h"
#include "coordinator/lock.h"
#include "coordinator/store.h"
#include "coordinator/trickle.h"
#include "proto/wire.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    /* A batch: what waits, but never so much that its first reply waits long. */
    BATCH_MESSAGES = 1000,
    BATCH_US = 5000,
    /* The core looks at its leases at least this often. */
    TURN_MS = 250,
    /* The write-ahead log is copied into the database at quiet moments once it
     * has its size; a moment is looked for once a second, and where there is none in
     * so many, or the log has become so many times as long, it is done all the same. */
    CHECKPOINT_MS = 1000,
    CHECKPOINT_LATE_MS = 30 * 1000,
    LOG_FULL = 16,
    /* A log of so many times its size is worth a word, and again when it is double. It
     * takes a second try in a row: somebody who just reads a row is done by then. */
    LOG_LONG = 4,
    LOG_TRIES = 2,
    /* How soon a change of the list of keys is noticed. */
    REFRESH_MS = 100,
    /* Refused keys that were mentioned, and are not again. */
    REFUSED_MAX = 64,
};

struct serve {
    const struct serve_setup *setup;
    struct store *store;
    struct artifact_store *artifacts;
    struct keyring *keyring; /* NULL: over ipc */
    struct wire_gate gate;
    char refused[REFUSED_MAX][WIRE_KEY_TEXT];
    size_t refused_count; /* ever */
    struct trickle trickle;
    int64_t refresh_ms; /* when the list was looked at */
    struct wire *wire;
    struct core *core;
    int lock_fd, signal_fd;
    int64_t checkpoint_ms; /* the last try */
    bool checkpoint_failed;
    int64_t long_size; /* of the log, when it was mentioned; 0: it is short */
    int long_tries;    /* in a row that left it too long to say nothing */
    char endpoint[WIRE_ENDPOINT_MAX];
    char endpoint_path[PATH_MAX]; /* "" until the file is written */
};

/* ---- the core's hands ------------------------------------------------------ */

static void send_bytes(void *user, const struct wire_peer *to, const void *bytes,
                       size_t size)
{
    struct serve *serve = user;
    struct error err;

    crash_at(serve->setup->crash, CRASH_SEND_BEFORE);
    if (wire_send_bytes(serve->wire, to, bytes, size, &err) == 0) {
        crash_at(serve->setup->crash, CRASH_SEND_AFTER);
        return;
    }
    if (err.code == ERR_NOT_FOUND)
        core_gone(serve->core, to);
    else if (err.code == ERR_BUSY) /* once a peer, which does not read them */
        core_mention(serve->core, to, LOG_WARN, "a peer leaves its answers unread");
    else
        log_line(LOG_WARN, "serve", "a reply was not sent: %s", err.text);
}

/* Peers can make us say much of this, and must not fill the disk by it. What is wrong
 * with ourselves is always said. */
static void note(void *user, enum log_level level, const char *text)
{
    struct serve *serve = user;
    uint64_t left_out = 0;

    if ((level == LOG_WARN || level == LOG_INFO) &&
        !trickle_take(&serve->trickle, clock_mono_ms(), &left_out))
        return;
    if (left_out > 0)
        log_line(LOG_WARN, "serve", "%" PRIu64 " lines are left out here: too many",
                 left_out);
    log_line(level, "serve", "%s", text);
}

/* ---- keys ------------------------------------------------------------------ */

static void refresh_keys(struct serve *serve, bool now)
{
    int64_t at_ms = clock_mono_ms();
    struct error err;

    if (!serve->keyring || (!now && at_ms - serve->refresh_ms < REFRESH_MS))
        return;
    serve->refresh_ms = at_ms;
    int rc = keyring_refresh(serve->keyring, &err);
    if (rc < 0)
        log_line(LOG_ERROR, "serve", "the list of keys stays as it was: %s", err.text);
    if (rc > 0)
        log_line(LOG_INFO, "serve", "the list of keys has changed: %zu may connect",
                 keyring_count(serve->keyring));
}

/* A key that was added this moment is let in. */
static enum wire_role gate_role(void *user, const char *key)
{
    struct serve *serve = user;
    enum wire_role role = keyring_role(serve->keyring, key, NULL);

    if (role != WIRE_NOBODY)
        return role;
    refresh_keys(serve, true);
    return keyring_role(serve->keyring, key, NULL);
}

static void gate_refused(void *user, const char *key, const char *address)
{
    struct serve *serve = user;
    char text[256];

    snprintf(text, sizeof text, "the key %s from %s is not on the list", key, address);
    core_refused(serve->core, text);
    for (size_t i = 0; i < REFUSED_MAX; i++)
        if (strcmp(serve->refused[i], key) == 0)
            return;
    snprintf(serve->refused[serve->refused_count++ % REFUSED_MAX], WIRE_KEY_TEXT, "%s",
             key);
    snprintf(text, sizeof text,
             "refused the key %s from %s: it is not on the list (each is mentioned once)",
             key, address);
    note(serve, LOG_WARN, text);
}

static void say_keys(const struct serve *serve)
{
    fprintf(stderr,
            "The keys of this coordinator are in %s/keys. A worker on another machine\n"
            "needs a copy of one, which stays secret:\n"
            "    scp %s/keys/worker.key NODE:\n"
            "    coord-worker --connect tcp://THIS-MACHINE:PORT --key worker.key\n"
            "'coord keygen' makes more, one for each node say, and revokes them.\n",
            serve->setup->dir, serve->setup->dir);
}

static int open_keys(struct serve *serve, struct error *err)
{
    const char *dir = serve->setup->dir;
    int made = keyring_setup(dir, err);

    if (made < 0)
        return -1;
    serve->keyring = keyring_open(dir, err);
    if (!serve->keyring)
        return -1;
    serve->gate = (struct wire_gate){.keys = *keyring_own(serve->keyring),
                                     .role = gate_role,
                                     .refused = gate_refused,
                                     .user = serve};
    if (made > 0)
        say_keys(serve);
    return 0;
}

/* ---- opening --------------------------------------------------------------- */

static char *path_of(const struct serve *serve, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", serve->setup->dir, name);
    return out;
}

static int open_signals(struct serve *serve, struct error *err)
{
    sigset_t mask;

    signal(SIGPIPE, SIG_IGN);
    /* A file that has grown to the limit is a full disk, not a reason to die. */
    signal(SIGXFSZ, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) == 0)
        serve->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return serve->signal_fd < 0 ? err_errno(err, ERR_IO, "cannot watch signals") : 0;
}

static int open_core(struct serve *serve, struct error *err)
{
    struct core_setup setup = {.store = serve->store,
                               .artifacts = serve->artifacts,
                               .lease_ms = serve->setup->lease_ms,
                               .beat_ms = serve->setup->beat_ms,
                               .send = send_bytes,
                               .note = note,
                               .user = serve};

    while (setup.epoch == 0)
        if (getrandom(&setup.epoch, sizeof setup.epoch, 0) != (ssize_t)sizeof setup.epoch)
            return err_errno(err, ERR_IO, "no random numbers");
    serve->core = core_new(&setup, clock_mono_ms(), clock_wall_ms(), err);
    return serve->core ? 0 : -1;
}

static int write_endpoint(struct serve *serve, struct error *err)
{
    char line[WIRE_ENDPOINT_MAX + 1];
    int size = snprintf(line, sizeof line, "%s\n", serve->endpoint);

    path_of(serve, "endpoint", serve->endpoint_path);
    return file_write(serve->endpoint_path, line, (size_t)size, err);
}

/* A disk that is full now may have room later: then nobody can read who serves, and
 * all else waits. */
static int take_over(struct serve *serve, struct error *err)
{
    const char *durability = serve->setup->full ? "full" : "normal";
    bool unclean = false;
    struct error why;

    if (store_started(serve->store, durability, clock_wall_ms(), &unclean, &why) == 0) {
        if (unclean)
            log_line(LOG_INFO, "serve", "the coordinator before was not told to stop");
        return imports_take(serve->store, serve->artifacts, clock_wall_ms(), err);
    }
    if (why.code == ERR_IO) {
        log_line(LOG_WARN, "serve", "%s", why.text);
        return 0;
    }
    *err = why;
    return -1;
}

/* The lock first: nothing of a directory that is another's is touched. */
static int open_parts(struct serve *serve, struct error *err)
{
    char path[PATH_MAX];

    file_raise_limit(); /* one descriptor per worker */
    serve->lock_fd = lock_take(path_of(serve, "lock", path), err);
    if (serve->lock_fd < 0)
        return -1;
    if (open_signals(serve, err) != 0)
        return -1;
    unlink(path_of(serve, "endpoint", path)); /* of one that was killed */
    serve->store = store_open(path_of(serve, "coord.db", path), true, err);
    if (!serve->store || store_set_full(serve->store, serve->setup->full, err) != 0)
        return -1;
    store_set_crash(serve->store, serve->setup->crash);
    serve->artifacts = artifact_open(path_of(serve, "artifacts", path), err);
    if (!serve->artifacts)
        return -1;
    artifact_set_crash(serve->artifacts, serve->setup->crash);
    if (take_over(serve, err) != 0)
        return -1;
    if (wire_needs_keys(serve->setup->bind) && open_keys(serve, err) != 0)
        return -1;
    serve->wire = wire_listen(serve->setup->bind, serve->keyring ? &serve->gate : NULL,
                              serve->endpoint, err);
    if (!serve->wire)
        return -1;
    if (open_core(serve, err) != 0)
        return -1;
    return write_endpoint(serve, err);
}

static void close_parts(struct serve *serve)
{
    if (serve->endpoint_path[0])
        unlink(serve->endpoint_path);
    core_free(&serve->core);
    wire_free(&serve->wire);
    keyring_close(&serve->keyring);
    artifact_close(&serve->artifacts);
    store_close(&serve->store);
    if (serve->signal_fd >= 0)
        close(serve->signal_fd);
    if (serve->lock_fd >= 0)
        close(serve->lock_fd);
}

/* ---- the loop -------------------------------------------------------------- */

/* Handle what waits, within the bounds of a batch. Returns whether all was. */
static bool drain(struct serve *serve)
{
    int64_t end_us = clock_mono_us() + BATCH_US;
    struct wire_peer from;
    struct msg msg;
    struct error err;

    while (wire_lost(serve->wire, &from))
        cut_begin(serve->core, &from);
    for (int i = 0; i < BATCH_MESSAGES && clock_mono_us() < end_us; i++) {
        int got = wire_recv(serve->wire, &from, &msg, &err);
        if (got == 0)
            return true;
        if (got < 0) {
            core_malformed(serve->core, &from, err.text);
            continue;
        }
        handle_message(serve->core, &from, &msg);
        msg_free(&msg);
    }
    return false;
}

/* Somebody who reads keeps it from being cut: it grows, and goes on doing so until
 * they are done, since only they can end that. */
static void mention_log(struct serve *serve)
{
    int64_t size = store_log_size(serve->store);
    int64_t limit =
        serve->long_size ? 2 * serve->long_size : LOG_LONG * serve->setup->log_size_max;

    if (size <= serve->setup->log_size_max) {
        if (serve->long_size > 0)
            log_line(LOG_INFO, "serve", "the write-ahead log is short again");
        serve->long_size = serve->long_tries = 0;
        return;
    }
    if (size < limit || ++serve->long_tries < LOG_TRIES)
        return;
    serve->long_size = size;
    int64_t pid = store_log_reader(serve->store);
    log_line(LOG_WARN, "serve",
             "the write-ahead log has %.1f MB and cannot be cut while somebody reads"
             " the database (process %" PRId64 "): it grows until they end",
             (double)size / 1e6, pid);
}

static bool checkpoint_is_due(const struct serve *serve, bool quiet)
{
    int64_t since_ms = serve->core->now_ms - serve->checkpoint_ms;

    return since_ms >= CHECKPOINT_MS &&
           (quiet || since_ms >= CHECKPOINT_LATE_MS ||
            store_log_size(serve->store) > LOG_FULL * serve->setup->log_size_max);
}

static void checkpoint(struct serve *serve, bool quiet)
{
    struct error err;

    if (!checkpoint_is_due(serve, quiet))
        return;
    serve->checkpoint_ms = serve->core->now_ms;
    bool failed = store_checkpoint(serve->store, serve->setup->log_size_max, &err) != 0;
    if (failed && !serve->checkpoint_failed)
        log_line(LOG_WARN, "serve", "the write-ahead log stays long: %s", err.text);
    serve->checkpoint_failed = failed;
    if (!failed)
        mention_log(serve);
}

static bool told_to_stop(struct serve *serve)
{
    struct signalfd_siginfo info;
    bool told = false;

    while (read(serve->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        told = true;
    return told;
}

static int loop(struct serve *serve, struct error *err)
{
    struct wire_poll items[] = {{.fd = serve->signal_fd}, {.wire = serve->wire}};
    int64_t quarter_ms = serve->setup->lease_ms / 4;
    int64_t turn_ms = quarter_ms < TURN_MS ? quarter_ms : TURN_MS;
    bool drained = true;

    while (!serve->core->stopping) {
        int64_t wait_ms = drained ? core_wait_ms(serve->core, turn_ms) : 0;
        if (wire_poll(items, 2, wait_ms, err) < 0)
            return -1;
        serve->core->stopping = told_to_stop(serve);
        refresh_keys(serve, false);
        core_turn(serve->core, clock_mono_ms(), clock_wall_ms());
        drained = drain(serve);
        core_settle(serve->core, drained);
        checkpoint(serve, drained);
    }
    return 0;
}

int serve_run(const struct serve_setup *setup, struct error *err)
{
    struct serve serve = {.setup = setup, .lock_fd = -1, .signal_fd = -1};
    int rc = -1;

    if (open_parts(&serve, err) != 0)
        goto done;
    log_line(LOG_INFO, "serve", "ready: endpoint=%s dir=%s pid=%ld", serve.endpoint,
             setup->dir, (long)getpid());
    rc = loop(&serve, err);
    struct error why;
    if (store_stopped(serve.store, clock_wall_ms(), &why) != 0)
        log_line(LOG_WARN, "serve", "%s", why.text);
    log_line(LOG_INFO, "serve", "stopping: workers keep what they have");
done:
    close_parts(&serve);
    return rc;
}
