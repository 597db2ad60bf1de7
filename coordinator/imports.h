#ifndef COORD_IMPORTS_H
#define COORD_IMPORTS_H

/* Files that people handed over ('coord artifact put'), for runs to start from. They
 * are artifacts, and only the coordinator writes the database; so whoever hands one
 * over leaves a note beside it, DIR/imported/HASH with the file's name, which the
 * coordinator takes into table `import` when it starts, and when a grid names a file.
 */

#include <stdbool.h>
#include <stdint.h>

struct artifact_store;
struct error;
struct store;

/* Leave the note; the artifact is whole. ERR_IO. */
int imports_mark(struct artifact_store *artifacts, const char *hash, const char *name,
                 struct error *err);
bool imports_marked(struct artifact_store *artifacts, const char *hash);

/* Take every note into the batch; those whose artifact is not there are left. */
int imports_add(struct store *store, struct artifact_store *artifacts, int64_t now_ms,
                struct error *err);

/* The same in a batch of its own. */
int imports_take(struct store *store, struct artifact_store *artifacts, int64_t now_ms,
                 struct error *err);

#endif
