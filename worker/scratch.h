#ifndef COORD_SCRATCH_H
#define COORD_SCRATCH_H

/* Folders for trials and unfinished downloads: PARENT/work-NAME/, one per
 * daemon, locked while the daemon lives, removed when it ends; and one folder in
 * it per attempt. What a killed daemon left behind is removed by the next one
 * that starts on the same parent. */

#include <limits.h>
#include <stdint.h>

struct error;
struct scratch;

struct scratch *scratch_open(const char *parent, struct error *err);
void scratch_free(struct scratch **scratch); /* removes everything */

const char *scratch_dir(const struct scratch *scratch);

/* A fresh empty folder for an attempt; its path goes to out. ERR_IO. */
int scratch_make(struct scratch *scratch, int64_t job, uint32_t attempt,
                 char out[PATH_MAX], struct error *err);

/* Remove a folder that scratch_make made, with all that is in it. */
void scratch_remove(const char *path);

#endif
