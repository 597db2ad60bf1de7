#include "coordinator/lease.h"

#include "common/error.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>

/* Order is not kept, so the last lease fills the hole. */
static void remove_at(struct lease_list *list, struct lease *lease)
{
    assert(list->count > 0);
    *lease = list->items[--list->count];
}

void lease_free(struct lease_list *list)
{
    free(list->items);
    *list = (struct lease_list){0};
}

int lease_grant(struct lease_list *list, struct lease lease, struct error *err)
{
    assert(lease.job > 0 && lease.attempt > 0);
    assert(!lease_find(list, lease.job, lease.attempt));

    if (list->count == PROTO_RUNNING_MAX)
        return err_set(err, ERR_BUSY, "a worker holds at most %d attempts",
                       PROTO_RUNNING_MAX);
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 8;
        struct lease *items = realloc(list->items, room * sizeof *items);
        if (!items)
            return err_set(err, ERR_NO_MEMORY, "no memory for %zu leases", room);
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = lease;
    return 0;
}

struct lease *lease_find(struct lease_list *list, int64_t job, uint32_t attempt)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].job == job && list->items[i].attempt == attempt)
            return &list->items[i];
    return NULL;
}

bool lease_drop(struct lease_list *list, int64_t job, uint32_t attempt)
{
    struct lease *lease = lease_find(list, job, attempt);

    if (!lease)
        return false;
    remove_at(list, lease);
    return true;
}

void lease_renew(struct lease_list *list, int64_t deadline_ms)
{
    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].doubted)
            list->items[i].deadline_ms = deadline_ms;
}

size_t lease_listed(struct lease_list *list, const struct msg_running *running,
                    size_t count, int64_t deadline_ms)
{
    size_t doubted = 0;

    for (size_t i = 0; i < list->count; i++)
        list->items[i].doubted = true;
    for (size_t i = 0; i < count; i++) {
        struct lease *lease = lease_find(list, running[i].job, running[i].attempt);
        if (!lease)
            continue;
        lease->doubted = lease->inherited = false;
        lease->deadline_ms = deadline_ms;
        if (!running[i].waits)
            lease->waits_ms = 0;
        else if (lease->waits_ms == 0)
            lease->waits_ms = deadline_ms;
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].doubted)
            doubted += list->items[i].slots > 0 ? list->items[i].slots : 1;
    return doubted;
}

void lease_extend(struct lease_list *list, int64_t gap_ms)
{
    for (size_t i = 0; i < list->count; i++)
        list->items[i].deadline_ms += gap_ms;
}

bool lease_take_expired(struct lease_list *list, int64_t now_ms, struct lease *ret)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].deadline_ms <= now_ms) {
            *ret = list->items[i];
            remove_at(list, &list->items[i]);
            return true;
        }
    }
    return false;
}

bool lease_take_missing(struct lease_list *list, struct lease *ret)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].inherited && list->items[i].doubted) {
            *ret = list->items[i];
            remove_at(list, &list->items[i]);
            return true;
        }
    }
    return false;
}

int64_t lease_first_end(const struct lease_list *list)
{
    int64_t first_ms = INT64_MAX;

    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].deadline_ms < first_ms)
            first_ms = list->items[i].deadline_ms;
    return first_ms;
}

bool lease_take(struct lease_list *list, struct lease *ret)
{
    if (list->count == 0)
        return false;
    *ret = list->items[--list->count];
    return true;
}
