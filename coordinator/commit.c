#include "coordinator/commit.h"

#include "common/error.h"

#include <stdlib.h>

struct reply {
    struct wire_peer to;
    size_t end; /* of its bytes in commit->bytes; the previous end is its begin */
};

struct commit {
    struct commit_sink sink;
    struct buf bytes; /* encodings of the held replies, one after another */
    struct buf scratch;
    struct reply *replies;
    size_t count, room;
};

struct commit *commit_new(struct commit_sink sink, struct error *err)
{
    struct commit *commit = calloc(1, sizeof *commit);

    if (!commit) {
        err_set(err, ERR_NO_MEMORY, "no memory for replies");
        return NULL;
    }
    commit->sink = sink;
    return commit;
}

void commit_free(struct commit **commit)
{
    if (!*commit)
        return;
    buf_free(&(*commit)->bytes);
    buf_free(&(*commit)->scratch);
    free((*commit)->replies);
    free(*commit);
    *commit = NULL;
}

int commit_hold(struct commit *commit, const struct wire_peer *to, const struct msg *msg,
                struct error *err)
{
    if (commit->count == commit->room) {
        size_t room = commit->room ? 2 * commit->room : 64;
        struct reply *replies = realloc(commit->replies, room * sizeof *replies);
        if (!replies)
            return err_set(err, ERR_NO_MEMORY, "no memory for %zu replies", room);
        commit->replies = replies;
        commit->room = room;
    }
    if (msg_encode(msg, &commit->bytes, err) != 0)
        return -1;
    commit->replies[commit->count++] =
        (struct reply){.to = *to, .end = commit->bytes.size};
    return 0;
}

int commit_send(struct commit *commit, const struct wire_peer *to, const struct msg *msg,
                struct error *err)
{
    buf_clear(&commit->scratch);
    if (msg_encode(msg, &commit->scratch, err) != 0)
        return -1;
    commit->sink.send(commit->sink.user, to, commit->scratch.data, commit->scratch.size);
    return 0;
}

int commit_flush(struct commit *commit, struct error *err)
{
    size_t begin = 0;

    if (commit->sink.commit(commit->sink.user, err) != 0) {
        commit_drop(commit);
        return -1;
    }
    for (size_t i = 0; i < commit->count; i++) {
        const struct reply *reply = &commit->replies[i];
        commit->sink.send(commit->sink.user, &reply->to, commit->bytes.data + begin,
                          reply->end - begin);
        begin = reply->end;
    }
    commit_drop(commit);
    return 0;
}

void commit_drop(struct commit *commit)
{
    commit->count = 0;
    buf_clear(&commit->bytes);
}

size_t commit_held(const struct commit *commit)
{
    return commit->count;
}
