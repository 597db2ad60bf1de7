#include "coordinator/suspicion.h"

static int find(const struct suspicion *suspicion, int64_t job)
{
    for (int i = 0; i < suspicion->count; i++)
        if (suspicion->jobs[i] == job)
            return i;
    return -1;
}

void suspicion_failed(struct suspicion *suspicion, int64_t job)
{
    if (suspicion->count == SUSPICION_MAX || find(suspicion, job) >= 0)
        return;
    suspicion->jobs[suspicion->count] = job;
    suspicion->cleared[suspicion->count++] = false;
}

void suspicion_succeeded(struct suspicion *suspicion)
{
    suspicion->count = 0;
}

bool suspicion_elsewhere(struct suspicion *suspicion, int64_t job)
{
    int at = find(suspicion, job), cleared = 0;

    if (at < 0)
        return false;
    suspicion->cleared[at] = true;
    for (int i = 0; i < suspicion->count; i++)
        cleared += suspicion->cleared[i];
    return cleared >= SUSPICION_ROW;
}

void suspicion_forget(struct suspicion *suspicion, int64_t job)
{
    int at = find(suspicion, job);

    if (at < 0)
        return;
    suspicion->count--;
    suspicion->jobs[at] = suspicion->jobs[suspicion->count];
    suspicion->cleared[at] = suspicion->cleared[suspicion->count];
}

bool suspicion_doubts(const struct suspicion *suspicion)
{
    return suspicion->count >= SUSPICION_ROW;
}
