#ifndef COORD_ENV_H
#define COORD_ENV_H

/* The environment that OpenBLAS reads when it is loaded, before main: so a
 * program that changes it must execute itself anew. */

#include <stdbool.h>

/* Set what a job needs: one thread (OPENBLAS_NUM_THREADS, OMP_NUM_THREADS), and
 * kernels by name (OPENBLAS_CORETYPE) unless the site has chosen: on a CPU that
 * it does not know, Debian's OpenBLAS silently takes the slowest ones there are,
 * and with a name all nodes of a cluster give the same bits. Returns whether
 * anything was changed. */
bool env_prepare(void);

#endif
