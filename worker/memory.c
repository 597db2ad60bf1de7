#include "worker/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number at the start of a file; UINT64_MAX: none, "max" say. */
static uint64_t read_number(const char *path)
{
    uint64_t number = UINT64_MAX;
    FILE *file = fopen(path, "re");

    if (!file)
        return UINT64_MAX;
    if (fscanf(file, "%" SCNu64, &number) != 1)
        number = UINT64_MAX;
    fclose(file);
    return number;
}

/* MemTotal of /proc/meminfo. */
static uint64_t read_total(const char *root)
{
    char path[PATH_MAX], line[256];
    uint64_t total = UINT64_MAX;

    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemTotal: %" SCNu64 " kB", &total) == 1) {
            total *= 1024;
            break;
        }
    fclose(file);
    return total;
}

/* The limits of the groups on the way from ours up to the mount point. */
static uint64_t read_groups(const char *mount, char *group, const char *name)
{
    char path[2 * PATH_MAX + 64];
    uint64_t least = UINT64_MAX;

    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", mount, group, name);
        const uint64_t limit = read_number(path);
        least = limit < least ? limit : least;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* "0::/a/b" for version 2, "5:memory:/a/b" for version 1. */
static uint64_t read_limits(const char *root)
{
    char path[PATH_MAX], mount[PATH_MAX], line[PATH_MAX];
    uint64_t least = UINT64_MAX;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    while (fgets(line, sizeof line, file)) {
        char *names = strchr(line, ':');
        char *group = names ? strchr(++names, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        const bool first = strcmp(names, "memory") == 0;
        if (!first && names[0])
            continue;
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, first ? "/memory" : "");
        const uint64_t limit =
            read_groups(mount, group, first ? "memory.limit_in_bytes" : "memory.max");
        least = limit < least ? limit : least;
    }
    fclose(file);
    return least;
}

/* Megabytes (2^20). */
static uint64_t read_slurm(void)
{
    const char *text = getenv("SLURM_MEM_PER_NODE");
    const long long megabytes = text ? strtoll(text, NULL, 10) : 0;

    return megabytes > 0 ? (uint64_t)megabytes << 20 : UINT64_MAX;
}

uint64_t memory_usable(const char *root)
{
    const uint64_t from[] = {read_total(root), read_limits(root), read_slurm()};
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
        least = from[i] < least ? from[i] : least;
    return least == UINT64_MAX ? 0 : least;
}
