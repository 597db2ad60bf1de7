#ifndef COORD_PROCESS_H
#define COORD_PROCESS_H

/* A child process whose output goes to a log: started, watched, stopped within
 * a deadline. It is in a process group of its own, so a Ctrl-C on the terminal
 * reaches only us, and it ends when we do. SIGCHLD is blocked while any child
 * lives, so that waiting can have a deadline. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct process {
    const char *name; /* for messages */
    const char *log;  /* appended to; borrowed */
    int death_signal; /* what it gets when we die without stopping it */
    pid_t pid;        /* 0: not running */
    int status;       /* of waitpid, once it has ended */
    int64_t log_from; /* where its own lines begin in the log */
};

/* argv[0] is a path, or looked up in PATH. ERR_IO, also when exec failed. */
int process_start(struct process *process, char *const argv[], struct error *err);

/* Whether it has ended by itself (or never ran). */
bool process_ended(struct process *process);

/* "exited with code 3", "was killed by signal 9 (Killed)". Returns out. */
char *process_end_text(const struct process *process, char *out, size_t size);

/* Wait for its end; false when it still runs after timeout_ms. */
bool process_wait(struct process *process, int64_t timeout_ms);

void process_signal(const struct process *process, int signal);

/* Print the last lines of what it wrote to its log to stderr. */
void process_tail(const struct process *process, int lines);

/* The program NAME beside the running one, else NAME, to be looked for in PATH. */
void process_find(const char *name, char *out, size_t size);

#endif
