#ifndef COORD_SUBMIT_H
#define COORD_SUBMIT_H

/* SUBMIT, for a client: send a grid, wait for the coordinator to have committed
 * it. */

#include "coordinator/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct wire_keys;

enum {
    SUBMIT_NAME_MAX = 128, /* bytes of a sweep's name, NUL included */
};

struct submit_request {
    const char *endpoint;
    const struct wire_keys *keys; /* NULL: none are needed */
    const char *file;             /* as the user named it, for messages */
    const char *grid;             /* the text, of size bytes */
    size_t size;
    bool force; /* its jobs that have ended run again */
    int64_t unheard_ms;
    /* Polled a few times a second; NULL: never. */
    bool (*should_stop)(void *user);
    void *user;
};

struct submit_answer {
    int64_t sweep;
    char name[SUBMIT_NAME_MAX];
    uint64_t jobs, added, rerun;
};

/* As client_ask; ERR_INVALID is for a bad grid. */
int submit_send(const struct submit_request *request, struct submit_answer *ret,
                struct error *err);

#endif
