#include "worker/outbox.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/jobstate.h"
#include "proto/limits.h"
#include "worker/kept.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A commit takes milliseconds, a checkpoint of the database a second. */
    RESULT_RESEND_MS = 10000,
    PUT_RESEND_MS = 10000,
    /* After MISSING or a refused piece: not at once, lest two confused programs
     * exchange megabytes in a tight loop. */
    PAUSE_MS = 1000,
    /* A state whose upload is refused this often will not get better. */
    REFUSALS_MAX = 5,
};

static const uint64_t WINDOW_BYTES = (uint64_t)PROTO_CHUNK_WINDOW * PROTO_CHUNK_MAX;

enum phase { UPLOADING, READY, WAITING };

struct entry {
    struct kept kept; /* the RESULT or CHECKPOINT */
    enum phase phase;
    uint32_t state;    /* UPLOADING: index of the state that goes now */
    uint64_t held;     /* bytes of it that the coordinator has */
    uint64_t sent;     /* bytes of it that are under way or there */
    bool asking;       /* the first piece is out, alone */
    int64_t resend_ms; /* when to start again if no answer comes */
    int64_t pause_ms;  /* nothing before */
    unsigned refusals;
};

struct outbox {
    struct outbox_files files;
    struct entry **entries; /* oldest first */
    size_t count, room;
    struct entry *offered; /* whose message outbox_next gave out */
    uint64_t offered_size; /* bytes of state in it; 0: the message itself */
    char chunk[PROTO_CHUNK_MAX];
};

static bool is_result(const struct entry *entry)
{
    return entry->kept.msg.kind == MSG_RESULT;
}

static const struct msg_result *result_of(const struct entry *entry)
{
    assert(is_result(entry));
    return &entry->kept.msg.result;
}

static int64_t job_of(const struct entry *entry)
{
    return is_result(entry) ? entry->kept.msg.result.job : entry->kept.msg.checkpoint.job;
}

/* The states that an entry names; returns how many. */
static uint32_t states_of(const struct entry *entry, const struct msg_state **ret)
{
    const struct msg *msg = &entry->kept.msg;

    *ret = is_result(entry) ? msg->result.states : msg->checkpoint.states;
    return is_result(entry) ? msg->result.state_count : msg->checkpoint.state_count;
}

/* The state that goes now. */
static const struct msg_state *state_of(const struct entry *entry)
{
    const struct msg_state *states;

    (void)states_of(entry, &states);
    return &states[entry->state];
}

/* Whether it is this worker's to send, and to release. */
static bool is_ours(const struct msg_state *state)
{
    return state->stored && !state->earlier;
}

/* A hash as a C string. The codec has bounded it; malformed ones find nothing. */
static const char *hash_text(struct slice hash, char out[HASH_TEXT])
{
    snprintf(out, HASH_TEXT, "%.*s", (int)hash.size, hash.data ? hash.data : "");
    return out;
}

static void rewind_upload(struct entry *entry)
{
    entry->sent = entry->held = 0;
    entry->asking = false;
    entry->resend_ms = INT64_MAX;
}

/* Begin with the first stored state from index `state` on, or be READY. */
static void upload_from(struct entry *entry, uint32_t state)
{
    const struct msg_state *states;
    uint32_t count = states_of(entry, &states);

    while (state < count && !is_ours(&states[state]))
        state++;
    entry->state = state;
    entry->phase = state < count ? UPLOADING : READY;
    rewind_upload(entry);
}

struct outbox *outbox_new(const struct outbox_files *files, struct error *err)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);

    if (!outbox) {
        err_set(err, ERR_NO_MEMORY, "no memory for the outbox");
        return NULL;
    }
    outbox->files = *files;
    return outbox;
}

static void entry_free(struct entry *entry)
{
    kept_free(&entry->kept);
    free(entry);
}

void outbox_free(struct outbox **outbox)
{
    if (!*outbox)
        return;
    for (size_t i = 0; i < (*outbox)->count; i++)
        entry_free((*outbox)->entries[i]);
    free((*outbox)->entries);
    free(*outbox);
    *outbox = NULL;
}

static int add(struct outbox *outbox, const struct msg *msg, int64_t now_ms,
               struct error *err)
{
    struct entry *entry = NULL;

    if (outbox->count == outbox->room) {
        size_t room = outbox->room ? 2 * outbox->room : 16;
        struct entry **entries = realloc(outbox->entries, room * sizeof(*entries));
        if (!entries)
            goto nomem;
        outbox->entries = entries;
        outbox->room = room;
    }
    entry = calloc(1, sizeof *entry);
    if (!entry)
        goto nomem;
    if (kept_copy(&entry->kept, msg, err) != 0) {
        free(entry);
        return -1;
    }
    entry->pause_ms = now_ms;
    upload_from(entry, 0);
    outbox->entries[outbox->count++] = entry;
    return 0;

nomem:
    return err_set(err, ERR_NO_MEMORY, "no memory for a result");
}

int outbox_add(struct outbox *outbox, const struct msg_result *result, int64_t now_ms,
               struct error *err)
{
    const struct msg msg = {.kind = MSG_RESULT, .result = *result};

    if (add(outbox, &msg, now_ms, err) != 0)
        return -1;
    outbox_drop_checkpoint(outbox, result->job);
    return 0;
}

int outbox_add_checkpoint(struct outbox *outbox, const struct msg_checkpoint *checkpoint,
                          int64_t now_ms, struct error *err)
{
    const struct msg msg = {.kind = MSG_CHECKPOINT, .checkpoint = *checkpoint};

    assert(!outbox_has_checkpoint(outbox, checkpoint->job));
    return add(outbox, &msg, now_ms, err);
}

/* --- sending ---------------------------------------------------------------- */

static void release_states(struct outbox *outbox, const struct entry *entry)
{
    const struct msg_state *states;
    uint32_t count = states_of(entry, &states);
    char hash[HASH_TEXT];

    for (uint32_t i = 0; i < count; i++)
        if (is_ours(&states[i]))
            outbox->files.release(outbox->files.user, hash_text(states[i].hash, hash));
}

static void remove_at(struct outbox *outbox, size_t i)
{
    struct entry *entry = outbox->entries[i];

    outbox->offered = NULL;
    release_states(outbox, entry);
    entry_free(entry);
    outbox->count--;
    memmove(outbox->entries + i, outbox->entries + i + 1,
            (outbox->count - i) * sizeof *outbox->entries);
}

static void remove_entry(struct outbox *outbox, const struct entry *entry)
{
    size_t i = 0;

    while (outbox->entries[i] != entry)
        i++;
    remove_at(outbox, i);
}

/* Its states cannot be delivered: the result becomes a failure that says so, and a
 * checkpoint is given up. */
static void fail_entry(struct outbox *outbox, struct entry *entry, const char *why,
                       int64_t now_ms)
{
    if (!is_result(entry)) {
        remove_entry(outbox, entry);
        return;
    }
    const struct msg_result *old = result_of(entry);
    struct msg msg = {
        .kind = MSG_RESULT,
        .result = {.job = old->job,
                   .attempt = old->attempt,
                   .outcome = OUTCOME_FAILED,
                   .cause = slice_of(job_cause_name(CAUSE_DATA)),
                   .message = slice_of(why),
                   .seconds = old->seconds,
                   .cpu_seconds = old->cpu_seconds,
                   .rss_bytes = old->rss_bytes,
                   .log = old->log,
                   .provenance = old->provenance},
    };
    struct kept kept;

    if (kept_copy(&kept, &msg, NULL) != 0) {
        entry->pause_ms = now_ms + PAUSE_MS; /* no memory: then again */
        return;
    }
    release_states(outbox, entry);
    kept_free(&entry->kept);
    entry->kept = kept;
    upload_from(entry, 0);
}

/* The next piece of the state that an entry uploads, if its window has room. */
static bool next_piece(struct outbox *outbox, struct entry *entry, int64_t now_ms,
                       struct msg *ret)
{
    const struct msg_state *state = state_of(entry);
    uint64_t left = state->size - entry->sent;
    size_t size = left < PROTO_CHUNK_MAX ? (size_t)left : PROTO_CHUNK_MAX;
    char hash[HASH_TEXT];
    struct error err;

    if (entry->asking || left == 0 || entry->sent - entry->held >= WINDOW_BYTES)
        return false;
    if (outbox->files.read(outbox->files.user, hash_text(state->hash, hash), entry->sent,
                           outbox->chunk, size, &err) != 0) {
        fail_entry(outbox, entry, err.text, now_ms);
        return false;
    }
    *ret = (struct msg){
        .kind = MSG_PUT,
        .put = {.hash = state->hash,
                .size = state->size,
                .offset = entry->sent,
                .data = {outbox->chunk, size}},
    };
    outbox->offered_size = size;
    return true;
}

/* Answers that stay out: from where the coordinator was, or from the start. */
static void expire(struct entry *entry, int64_t now_ms)
{
    if (now_ms < entry->resend_ms)
        return;
    if (entry->phase == WAITING)
        entry->phase = READY;
    else
        rewind_upload(entry);
}

/* The entry whose states go now: the oldest result's that has some left and need not
 * pause, else the oldest checkpoint's. */
static struct entry *uploader(const struct outbox *outbox, int64_t now_ms)
{
    struct entry *found = NULL;

    for (size_t i = 0; i < outbox->count; i++) {
        struct entry *entry = outbox->entries[i];
        if (entry->phase != UPLOADING || now_ms < entry->pause_ms)
            continue;
        if (is_result(entry))
            return entry;
        if (!found)
            found = entry;
    }
    return found;
}

/* The next message of an entry, if it has one now. May remove the entry. */
static bool offer(struct outbox *outbox, struct entry *entry, bool is_turn,
                  int64_t now_ms, struct msg *ret)
{
    size_t count = outbox->count;

    if (now_ms < entry->pause_ms)
        return false;
    if (is_turn && next_piece(outbox, entry, now_ms, ret)) {
        outbox->offered = entry;
        return true;
    }
    if (outbox->count < count || entry->phase != READY)
        return false;
    *ret = entry->kept.msg;
    outbox->offered = entry;
    outbox->offered_size = 0;
    return true;
}

/* Results, then checkpoints, each in their order. */
bool outbox_next(struct outbox *outbox, int64_t now_ms, struct msg *ret)
{
    outbox->offered = NULL;
    for (size_t i = 0; i < outbox->count; i++)
        expire(outbox->entries[i], now_ms);
    const struct entry *turn = uploader(outbox, now_ms);
    for (int results = 1; results >= 0; results--) {
        for (size_t i = 0; i < outbox->count; i++) {
            struct entry *entry = outbox->entries[i];
            if (is_result(entry) == results &&
                offer(outbox, entry, entry == turn, now_ms, ret))
                return true;
        }
    }
    return false;
}

void outbox_sent(struct outbox *outbox, int64_t now_ms)
{
    struct entry *entry = outbox->offered;

    assert(entry);
    outbox->offered = NULL;
    if (outbox->offered_size == 0 && !is_result(entry)) {
        remove_entry(outbox, entry);
        return;
    }
    if (outbox->offered_size == 0) {
        entry->phase = WAITING;
        entry->resend_ms = now_ms + RESULT_RESEND_MS;
        return;
    }
    entry->asking = entry->sent == 0;
    entry->sent += outbox->offered_size;
    entry->resend_ms = now_ms + PUT_RESEND_MS;
}

/* --- answers ---------------------------------------------------------------- */

static size_t find(const struct outbox *outbox, int64_t job, uint32_t attempt)
{
    size_t i = 0;

    while (i < outbox->count &&
           (!is_result(outbox->entries[i]) || result_of(outbox->entries[i])->job != job ||
            result_of(outbox->entries[i])->attempt != attempt))
        i++;
    return i;
}

static size_t find_checkpoint(const struct outbox *outbox, int64_t job)
{
    size_t i = 0;

    while (i < outbox->count &&
           (is_result(outbox->entries[i]) || job_of(outbox->entries[i]) != job))
        i++;
    return i;
}

bool outbox_has_checkpoint(const struct outbox *outbox, int64_t job)
{
    return find_checkpoint(outbox, job) < outbox->count;
}

void outbox_drop_checkpoint(struct outbox *outbox, int64_t job)
{
    size_t i = find_checkpoint(outbox, job);

    if (i < outbox->count && outbox->entries[i]->phase == UPLOADING &&
        outbox->entries[i]->sent == 0)
        remove_at(outbox, i);
}

/* States of an earlier attempt that the coordinator has lost. */
static bool needs_earlier(const struct entry *entry)
{
    const struct msg_state *states;
    uint32_t count = states_of(entry, &states), i = 0;

    while (i < count && !(states[i].stored && states[i].earlier))
        i++;
    return i < count;
}

static void missing(struct outbox *outbox, struct entry *entry, int64_t now_ms)
{
    outbox->offered = NULL;
    upload_from(entry, 0);
    entry->pause_ms = now_ms + PAUSE_MS;
    if (entry->phase == READY && needs_earlier(entry))
        fail_entry(outbox, entry,
                   "the coordinator has lost a state that an earlier attempt sent",
                   now_ms);
}

enum outbox_verdict outbox_ack(struct outbox *outbox, const struct msg_ack *ack,
                               int64_t now_ms)
{
    size_t i = find(outbox, ack->job, ack->attempt);

    if (i == outbox->count)
        return OUTBOX_UNKNOWN;
    if (ack->verdict == VERDICT_MISSING) {
        missing(outbox, outbox->entries[i], now_ms);
        return OUTBOX_AGAIN;
    }
    remove_at(outbox, i);
    return OUTBOX_GONE;
}

/* The entry that uploads this hash now, or NULL. */
static struct entry *uploader_of(const struct outbox *outbox, struct slice hash)
{
    for (size_t i = 0; i < outbox->count; i++) {
        struct entry *entry = outbox->entries[i];
        if (entry->phase == UPLOADING && entry->sent > 0 &&
            slice_equal(state_of(entry)->hash, hash))
            return entry;
    }
    return NULL;
}

static void refused(struct outbox *outbox, struct entry *entry, struct slice text,
                    int64_t now_ms)
{
    char why[256];

    rewind_upload(entry);
    entry->pause_ms = now_ms + PAUSE_MS;
    if (++entry->refusals < REFUSALS_MAX)
        return;
    snprintf(why, sizeof why, "the coordinator refused a state: %.*s",
             (int)(text.size < 200 ? text.size : 200), text.data);
    fail_entry(outbox, entry, why, now_ms);
}

void outbox_put_ok(struct outbox *outbox, const struct msg_put_ok *put_ok, int64_t now_ms)
{
    struct entry *entry = uploader_of(outbox, put_ok->hash);

    outbox->offered = NULL;
    if (!entry)
        return;
    if (put_ok->text.size > 0) {
        refused(outbox, entry, put_ok->text, now_ms);
        return;
    }
    if (put_ok->complete) {
        entry->refusals = 0;
        upload_from(entry, entry->state + 1);
        return;
    }
    if (put_ok->offset > state_of(entry)->size)
        return; /* nonsense; the deadline will ask again */
    entry->resend_ms = now_ms + PUT_RESEND_MS;
    if (put_ok->offset > entry->held)
        entry->held = put_ok->offset;
    /* The answer to the first piece also tells what was there before. */
    if (entry->asking || entry->sent < entry->held)
        entry->sent = entry->held;
    entry->asking = false;
}

void outbox_reset(struct outbox *outbox)
{
    outbox->offered = NULL;
    for (size_t i = 0; i < outbox->count; i++) {
        upload_from(outbox->entries[i], 0);
        outbox->entries[i]->pause_ms = 0;
    }
}

bool outbox_forget(struct outbox *outbox, int64_t job, uint32_t attempt)
{
    size_t i = find(outbox, job, attempt);

    if (i == outbox->count)
        return false;
    remove_at(outbox, i);
    return true;
}

bool outbox_has(const struct outbox *outbox, int64_t job, uint32_t attempt)
{
    return find(outbox, job, attempt) < outbox->count;
}

size_t outbox_count(const struct outbox *outbox)
{
    return outbox->count;
}

size_t outbox_results(const struct outbox *outbox)
{
    size_t count = 0;

    for (size_t i = 0; i < outbox->count; i++)
        count += is_result(outbox->entries[i]);
    return count;
}

uint32_t outbox_list(const struct outbox *outbox, struct msg_running *rows, uint32_t max)
{
    uint32_t count = 0;

    for (size_t i = 0; i < outbox->count && count < max; i++) {
        if (!is_result(outbox->entries[i]))
            continue;
        const struct msg_result *result = result_of(outbox->entries[i]);
        rows[count++] =
            (struct msg_running){.job = result->job, .attempt = result->attempt};
    }
    return count;
}

int64_t outbox_deadline(const struct outbox *outbox)
{
    int64_t deadline = INT64_MAX;
    const struct entry *turn = uploader(outbox, INT64_MAX);

    for (size_t i = 0; i < outbox->count; i++) {
        const struct entry *entry = outbox->entries[i];
        if (entry->phase == UPLOADING && entry->sent == 0 && entry != turn)
            continue; /* its turn comes with an answer */
        bool answer_due = entry->phase == WAITING || entry->sent > 0;
        int64_t due = answer_due ? entry->resend_ms : entry->pause_ms;
        if (due < deadline)
            deadline = due;
    }
    return deadline;
}
