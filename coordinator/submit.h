#ifndef COORD_SUBMIT_H
#define COORD_SUBMIT_H

/* A client's side of SUBMIT: send a grid, wait for the coordinator to have
 * committed it. The request has a random name and is sent again while no answer
 * comes, so it is carried out once, whatever is lost on the way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct wire_keys;

enum {
    SUBMIT_NAME_MAX = 128,      /* bytes of a sweep's name, NUL included */
    SUBMIT_UNHEARD_MS = 5000,   /* nobody answered at all: nobody is there */
    SUBMIT_PATIENCE_MS = 60000, /* for somebody who answered once: a million
                                   jobs take a while to write */
};

struct submit_request {
    const char *endpoint;
    const struct wire_keys *keys; /* NULL: none are needed */
    const char *file;             /* as the user named it, for messages */
    const char *grid;             /* the text, of size bytes */
    size_t size;
    int64_t unheard_ms;
    /* Polled a few times a second; NULL: never. */
    bool (*should_stop)(void *user);
    void *user;
};

struct submit_answer {
    int64_t sweep;
    char name[SUBMIT_NAME_MAX];
    uint64_t jobs, added;
};

/* ERR_NOT_FOUND: nobody answered; ERR_TIMEOUT: somebody did, but did not carry
 * it out; ERR_BUSY: should_stop; else what the coordinator says: ERR_INVALID for
 * a bad grid, ERR_REFUSED for another version or a key that it does
 * not take. */
int submit_send(const struct submit_request *request, struct submit_answer *ret,
                struct error *err);

#endif
