#ifndef COORD_OOM_H
#define COORD_OOM_H

/* How many processes the kernel has killed for want of memory: a SIGKILL that
 * nobody here sent, while this counter rose, was the kernel's. Read from our
 * cgroup (version 2: memory.events, version 1: memory.oom_control), else from
 * /proc/vmstat for the whole machine, which needs no privilege, unlike dmesg. */

#include <stdint.h>

/* root is "" but in tests, which bring their own /proc and /sys. -1: unknown. */
int64_t oom_kill_count(const char *root);

#endif
