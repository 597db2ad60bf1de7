#ifndef COORD_TRIAL_H
#define COORD_TRIAL_H

/* One job in a process of its own: `coord-worker trial`. It reads one START,
 * runs the spec, says PROGRESS now and then, and ends with one RESULT. What it
 * prints goes to its log. It knows nothing of the coordinator.
 *
 * A job saves itself at the pace of START, and says CHECKPOINT. SIGTERM, blocked by the
 * daemon and looked for between two steps of a run or two points of a probe, makes it
 * save itself and end, its RESULT failed and preempted. */

/* File descriptors that the daemon prepares; 0 is /dev/null, 1 and 2 the log. */
enum { TRIAL_FD_START = 3, TRIAL_FD_RESULT = 4 };

/* The child's main. Returns an exit status: 0 when a RESULT was delivered,
 * whatever it says; 1 when there was nobody to talk to. */
int trial_main(int start_fd, int result_fd);

#endif
