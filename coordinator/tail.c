#include "coordinator/tail.h"

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
