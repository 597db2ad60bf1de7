#ifndef COORD_LABELS_H
#define COORD_LABELS_H

/* A set of labels as one text, as it goes over the wire and into the database: a JSON
 * list without spaces, ["big","fast"]; "" and "[]" are the empty set. A worker has
 * some, a sweep's jobs ask for some.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
    LABEL_BYTES = 32, /* bytes of one */
    LABELS_MAX = 16,
    LABELS_TEXT = LABELS_MAX * (LABEL_BYTES + 3) + 3,
};

/* Add one, in its place by name; nothing changes when it is there. Returns false for a
 * name that is not 1 to LABEL_BYTES of a-z A-Z 0-9 . _ -, and when the set is full. */
bool labels_add(char labels[LABELS_TEXT], const char *name);

bool labels_has(const char *labels, const char *name);

/* Whether every label of `needs` is in `have`. */
bool labels_within(const char *needs, const char *have);

/* Whether a text of `size` bytes, from a stranger, is a set as above. */
bool labels_are(const char *text, size_t size);

#endif
