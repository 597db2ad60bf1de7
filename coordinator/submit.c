#include "coordinator/submit.h"

#include "common/error.h"
#include "common/hash.h"
#include "coordinator/client.h"
#include "proto/limits.h"

#include <stdio.h>

struct submission {
    const struct submit_request *request;
    char name[HASH_TEXT]; /* of the request */
    struct submit_answer *ret;
};

static int take_submitted(void *user, const struct msg *msg, struct error *err)
{
    const struct submission *submission = user;
    const struct msg_submitted *submitted = &msg->submitted;
    struct submit_answer *ret = submission->ret;

    (void)err;
    if (msg->kind != MSG_SUBMITTED || !slice_is(submitted->request, submission->name))
        return 0;
    *ret = (struct submit_answer){.sweep = submitted->sweep,
                                  .jobs = submitted->jobs,
                                  .added = submitted->added,
                                  .rerun = submitted->rerun};
    snprintf(ret->name, sizeof ret->name, "%.*s", (int)submitted->name.size,
             submitted->name.data);
    return 1;
}

static bool should_stop(void *user)
{
    const struct submit_request *request = ((const struct submission *)user)->request;

    return request->should_stop && request->should_stop(request->user);
}

int submit_send(const struct submit_request *request, struct submit_answer *ret,
                struct error *err)
{
    struct submission submission = {.request = request, .ret = ret};

    hash_random(submission.name);
    const struct msg msg = {.kind = MSG_SUBMIT,
                            .submit = {.version = PROTO_VERSION,
                                       .request = slice_of(submission.name),
                                       .file = slice_of(request->file),
                                       .grid = {request->grid, request->size},
                                       .force = request->force}};
    const struct client_call call = {.endpoint = request->endpoint,
                                     .keys = request->keys,
                                     .request = &msg,
                                     .name = submission.name,
                                     .unheard_ms = request->unheard_ms,
                                     .should_stop = should_stop,
                                     .take = take_submitted,
                                     .user = &submission};
    return client_ask(&call, err);
}
