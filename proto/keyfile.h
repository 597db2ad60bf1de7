#ifndef COORD_PROTO_KEYFILE_H
#define COORD_PROTO_KEYFILE_H

/* A key file is all that a process needs to speak to a coordinator over tcp, or to
 * be one: its own pair and, for workers and clients, the coordinator's public key.
 * Lines of "word value"; '#' at the beginning of a line is a comment:
 *
 *     role worker          coordinator, worker or client
 *     name gpu3            what the coordinator's list calls it
 *     public ...           Z85, 40 characters
 *     secret ...
 *     server ...           not in a coordinator's
 *
 * The role in the file is for people: the coordinator goes by its own list.
 */

#include "proto/wire.h"

struct error;

enum {
    KEYFILE_NAME_MAX = 64, /* bytes, NUL included */
    KEYFILE_SIZE_MAX = 4096,
};

struct keyfile {
    char role[16];
    char name[KEYFILE_NAME_MAX];
    struct wire_keys keys;
};

/* Letters, digits, '_', '-' and '.', not beginning with '.'. */
bool keyfile_name_ok(const char *name);

/* ERR_NOT_FOUND; ERR_REFUSED when others than the owner could have read it, or it
 * is another user's; ERR_INVALID when it is not a key file, or damaged. */
int keyfile_read(const char *path, struct keyfile *ret, struct error *err);

/* Write a new file that only its owner can read (0600); ERR_INVALID when there is
 * one already. Sets the umask for a moment: not thread-safe. */
int keyfile_write(const char *path, const struct keyfile *keyfile, struct error *err);

#endif
