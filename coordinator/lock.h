#ifndef COORD_LOCK_H
#define COORD_LOCK_H

/* One coordinator per state directory: a lock file that names its holder. The
 * lock is the kernel's (flock) and ends with the process, however that ends; the
 * file stays. */

#include <sys/types.h>

struct error;

/* Take the lock. Returns a descriptor, which holds it until closed, or -1:
 * ERR_BUSY, naming the holder's pid, ERR_IO. */
int lock_take(const char *path, struct error *err);

/* Who holds it: a pid, 0 nobody (or no such file), -1 somebody who has not said
 * yet. */
pid_t lock_holder(const char *path);

#endif
