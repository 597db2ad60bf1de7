#include "coordinator/tail.h"

#include "coordinator/core.h"

static bool is_waiting(const struct tail_asked *asked, int64_t now_ms)
{
    return asked->peer.size > 0 && now_ms < asked->until_ms;
}

bool tail_ask(struct tail_list *list, const struct wire_peer *peer,
              const struct msg_tail *tail, int64_t now_ms)
{
    struct tail_asked *place = NULL;

    for (size_t i = 0; i < TAIL_MAX; i++) {
        struct tail_asked *asked = &list->asked[i];
        if (!is_waiting(asked, now_ms))
            place = asked;
        else if (asked->job == tail->job && asked->attempt == tail->attempt &&
                 wire_peer_equal(&asked->peer, peer))
            return false;
    }
    if (!place)
        return false;
    *place = (struct tail_asked){.peer = *peer,
                                 .job = tail->job,
                                 .attempt = tail->attempt,
                                 .from = tail->from,
                                 .until_ms = now_ms + TAIL_WAIT_MS};
    return true;
}

bool tail_answer(struct tail_list *list, const struct msg_output *output, int64_t now_ms,
                 struct wire_peer *ret)
{
    for (size_t i = 0; i < TAIL_MAX; i++) {
        struct tail_asked *asked = &list->asked[i];
        if (!is_waiting(asked, now_ms) || asked->job != output->job ||
            asked->attempt != output->attempt || asked->from != output->wanted)
            continue;
        *ret = asked->peer;
        *asked = (struct tail_asked){0};
        return true;
    }
    return false;
}

static struct worker *find_holder(struct core *core, int64_t job, uint32_t attempt)
{
    for (size_t i = 0; i < roster_count(core->roster); i++) {
        struct worker *worker = roster_at(core->roster, i);
        if (lease_find(&worker->leases, job, attempt))
            return worker;
    }
    return NULL;
}

int tail_pass_on(struct core *core, const struct wire_peer *from, const struct msg *msg,
                 struct error *err)
{
    const struct msg_tail *tail = &msg->tail;
    struct worker *worker = find_holder(core, tail->job, tail->attempt);

    if (!worker || !worker->tails || worker->peer.size == 0 ||
        !tail_ask(&core->tails, from, tail, core->now_ms))
        return 0;
    return commit_send(core->commit, &worker->peer, msg, err);
}

int tail_pass_back(struct core *core, struct worker *worker, const struct msg *msg,
                   struct error *err)
{
    const struct msg_output *output = &msg->output;
    struct wire_peer to;

    if (!lease_find(&worker->leases, output->job, output->attempt))
        return 0;
    while (tail_answer(&core->tails, output, core->now_ms, &to))
        if (commit_send(core->commit, &to, msg, err) != 0)
            return -1;
    return 0;
}
