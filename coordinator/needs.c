#include "coordinator/needs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKOFF_FIRST_MS = 1000, BACKOFF_LAST_MS = 300 * 1000 };

/* No labels are written in two ways: as none, and as a list of none. */
static const char *labels_of(const struct needs *needs)
{
    return needs->labels[0] ? needs->labels : "[]";
}

bool needs_same(const struct needs *a, const struct needs *b)
{
    return a->priority == b->priority && a->cores == b->cores && a->memory == b->memory &&
           strcmp(labels_of(a), labels_of(b)) == 0;
}

int needs_retries(const char *retries, enum job_cause cause)
{
    char key[40];
    const char *at;

    snprintf(key, sizeof key, "\"%s\":", job_cause_name(cause));
    if (cause == CAUSE_PREEMPTED || !(at = strstr(retries, key)))
        return job_cause_retries(cause);
    return (int)strtol(at + strlen(key), NULL, 10);
}

/* splitmix64's last steps (Steele, Lea, Flood 2014): even small numbers are spread. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int64_t needs_backoff(enum job_cause cause, int n, int64_t job, uint32_t attempt)
{
    int64_t wait_ms = BACKOFF_FIRST_MS;

    if (cause == CAUSE_PREEMPTED || cause == CAUSE_NONE)
        return 0;
    if (cause == CAUSE_WORKER_LOST)
        n--; /* the first time others take over at once */
    if (n < 1)
        return 0;
    while (--n > 0 && wait_ms < BACKOFF_LAST_MS)
        wait_ms *= 2;
    if (wait_ms > BACKOFF_LAST_MS)
        wait_ms = BACKOFF_LAST_MS;
    const uint64_t draw = mix((uint64_t)job * 0x9e3779b97f4a7c15u + attempt);
    return wait_ms * 3 / 4 + (int64_t)(draw % (uint64_t)(wait_ms / 2 + 1));
}
