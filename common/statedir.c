#include "common/statedir.h"

#include <stdio.h>
#include <stdlib.h>

int statedir_default(char *out, size_t size)
{
    const char *dir = getenv("COORD_DIR");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (dir && dir[0])
        return snprintf(out, size, "%s", dir);
    /* The specification says to ignore a relative one. */
    if (state && state[0] == '/')
        return snprintf(out, size, "%s/coord", state);
    if (home && home[0])
        return snprintf(out, size, "%s/.local/state/coord", home);
    return 0;
}
