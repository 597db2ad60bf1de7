#ifndef COORD_STATEDIR_H
#define COORD_STATEDIR_H

/* Where state lives when nobody says: $COORD_DIR, else $XDG_STATE_HOME/coord, else
 * ~/.local/state/coord. */

#include <stddef.h>

/* Returns the length that the path has, or would have had, as snprintf does; 0 when
 * the environment names no place. */
int statedir_default(char *out, size_t size);

#endif
