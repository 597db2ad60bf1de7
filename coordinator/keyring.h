#ifndef COORD_KEYRING_H
#define COORD_KEYRING_H

/* The keys of a coordinator, in DIR/keys (mode 0700):
 *
 *     coordinator.key   its own pair
 *     NAME.key          the key files of workers and clients, to be copied to where
 *                       they are used; the coordinator does not need them
 *     allowed           who may connect: lines of "ROLE NAME PUBLIC-KEY"
 *
 * A key has the role that its line says, whatever the one who holds it says. The
 * list is read again when the file changes, so that a line added lets a key in and
 * a line removed shuts it out while the coordinator runs. A list that others can
 * write, or with a line that cannot be read, is not taken: the coordinator does not
 * start with it, and goes on with the last good one if it runs.
 */

#include "proto/keyfile.h"
#include "proto/wire.h"

#include <stddef.h>

struct error;
struct keyring;

enum { KEYRING_SIZE_MAX = 1 << 20 }; /* of the list: ten thousand keys */

/* Open DIR/keys. ERR_NOT_FOUND when the coordinator has no key there yet. */
struct keyring *keyring_open(const char *dir, struct error *err);
void keyring_close(struct keyring **keyring);

/* The coordinator's own pair. */
const struct wire_keys *keyring_own(const struct keyring *keyring);

/* Look whether the list has changed: 1 it was read anew, 0 it has not; -1 it
 * cannot be used (said once a change) and the one before still counts. */
int keyring_refresh(struct keyring *keyring, struct error *err);

/* Of a public key; ret_name may be NULL, and borrows until the next refresh. */
enum wire_role keyring_role(const struct keyring *keyring, const char *public_key,
                            const char **ret_name);

struct keyring_entry {
    enum wire_role role;
    char name[KEYFILE_NAME_MAX];
    char public_key[WIRE_KEY_TEXT];
};

/* The list, by public key. */
size_t keyring_count(const struct keyring *keyring);
const struct keyring_entry *keyring_at(const struct keyring *keyring, size_t index);

/* "worker" or "client". */
const char *keyring_role_name(enum wire_role role);

/* --- changing, also while a coordinator runs --------------------------------- */

/* Make what is missing: DIR/keys, the coordinator's own pair and, with that, a key
 * "worker" and a key "client", so that whoever starts without a thought has what
 * they need. 1 made, 0 it was there, -1. */
int keyring_setup(const char *dir, struct error *err);

/* Make a key, its file DIR/keys/NAME.key and its line. ERR_INVALID for a bad name
 * or one that is taken. */
int keyring_add(const char *dir, enum wire_role role, const char *name,
                struct error *err);

/* Take the line away, and the file. ERR_NOT_FOUND. */
int keyring_revoke(const char *dir, const char *name, struct error *err);

/* DIR/keys/NAME.key into out. ERR_INVALID when it does not fit. */
int keyring_path(const char *dir, const char *name, char *out, size_t size,
                 struct error *err);

#endif
