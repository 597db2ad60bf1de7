#ifndef COORD_CHILD_H
#define COORD_CHILD_H

/* A child process for a trial: fork and exec, and what must be so in between.
 * The child leads a process group of its own, is killed when this process dies,
 * has default signals, is what the kernel kills first when memory runs out, and
 * holds five descriptors: /dev/null, its log twice, and those of trial.h. */

#include <sys/types.h>

struct error;
struct msg;

struct child {
    pid_t pid;
    int result_fd; /* read end, non-blocking */
    int log_fd;    /* likewise: its stdout and stderr */
};

/* Start argv[0] with a START message waiting on TRIAL_FD_START. The caller
 * closes the descriptors and reaps the child. -1 with ERR_IO, ERR_INVALID. A
 * program that cannot be executed is a child that exits with 127 and says so. */
int child_spawn(char *const argv[], const struct msg *start, struct child *ret,
                struct error *err);

#endif
