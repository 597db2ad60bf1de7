#ifndef COORD_PROVENANCE_H
#define COORD_PROVENANCE_H

/* Where numbers were made: the program's version, its kernels, the kernels that
 * OpenBLAS chose, the numerics setting, CPU, host, and the data. Kept with every
 * attempt, so that two results that should agree and do not can be told apart. */

struct buf;

/* Append one JSON object, {"numerics":1, "version":"...", "kernels":"...",
 * "blas":"...", "cpu":"...", "host":"...", "convolutions":"...", "dense":"...",
 * "data":"..."}: kernels is the instruction set, convolutions is the job's
 * train.numerics, dense its train.kernels. The last three are left out where they are
 * "". */
void provenance_json(struct buf *out, const char *data_hash, const char *numerics,
                     const char *kernels);

/* The host's name, at most 255 bytes; "unknown" if there is none. */
void provenance_host(char out[256]);

#endif
