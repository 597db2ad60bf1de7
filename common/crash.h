#ifndef COORD_CRASH_H
#define COORD_CRASH_H

/* Places where a process dies when it is told to, so that tests can try what every
 * promise is worth: before and after each COMMIT, each message, each rename. Inert
 * unless the main program was started with COORD_CRASH:
 *
 *     COORD_CRASH=commit.before:3  die at the third time that place is reached
 *     COORD_CRASH=list:FILE        add a line to FILE, the place's name, each time
 *
 * Death is SIGKILL: nothing is flushed, closed or said. It knows nothing of what
 * happens at the places; main reads the variable and passes the plan down.
 */

#include <stdint.h>

struct error;

enum crash_point {
    CRASH_COMMIT_BEFORE,
    CRASH_COMMIT_AFTER,
    CRASH_SEND_BEFORE,
    CRASH_SEND_AFTER,
    CRASH_CHECKPOINT_BEFORE,  /* of the write-ahead log */
    CRASH_CHECKPOINT_BETWEEN, /* copied back, not yet cut */
    CRASH_CHECKPOINT_AFTER,
    CRASH_ARTIFACT_BEFORE, /* a whole one is renamed into place */
    CRASH_ARTIFACT_AFTER,
    CRASH_REMOVE_BEFORE, /* one that nobody needs: its row is gone */
    CRASH_REMOVE_AFTER,
    CRASH_BACKUP_BEFORE, /* the copy is renamed */
    CRASH_BACKUP_AFTER,
    CRASH_RESTORE_BEFORE,  /* the old database has a second name */
    CRASH_RESTORE_BETWEEN, /* its log is out of the way */
    CRASH_RESTORE_AFTER,   /* the new one has its place */
    CRASH_CACHE_BEFORE,    /* a worker keeps a state until it is delivered */
    CRASH_CACHE_AFTER,
    CRASH_POINT_COUNT
};

/* Zeroed: inert. */
struct crash {
    enum crash_point point;
    uint64_t left; /* times until it dies; 0: it does not */
    int list;      /* descriptor, if listing */
    int listing;
};

/* What COORD_CRASH says; NULL or "": inert. ERR_INVALID, with the names there are;
 * ERR_IO when the list cannot be opened. */
int crash_read(struct crash *crash, const char *text, struct error *err);

/* "commit.before" */
const char *crash_name(enum crash_point point);

/* The place is reached. crash may be NULL. */
void crash_at(struct crash *crash, enum crash_point point);

#endif
