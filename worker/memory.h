#ifndef COORD_MEMORY_H
#define COORD_MEMORY_H

/* How much memory jobs may have here: that of the machine, or what a container or a batch
 * system leaves of it. */

#include <stdint.h>

/* Bytes: the least of the machine's, the limits of our control group and its parents
 * (version 2, or 1), and SLURM_MEM_PER_NODE; 0: not known. root is "" or, in a test,
 * where /proc and /sys lie. */
uint64_t memory_usable(const char *root);

#endif
