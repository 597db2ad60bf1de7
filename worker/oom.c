#include "worker/oom.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after "oom_kill " at the start of a line of a file, or -1. */
static int64_t read_count(const char *path)
{
    static const char KEY[] = "oom_kill ";
    char line[256];
    int64_t count = -1;
    FILE *file = fopen(path, "re");

    if (!file)
        return -1;
    while (count < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, KEY, sizeof KEY - 1) == 0)
            count = strtoll(line + sizeof KEY - 1, NULL, 10);
    fclose(file);
    return count;
}

/* The path of our cgroup in a hierarchy, from its line "N:CONTROLLERS:PATH" in
 * /proc/self/cgroup; "" when there is none. controller is "" for version 2. */
static void cgroup_path(const char *root, const char *controller, char out[PATH_MAX])
{
    char path[PATH_MAX], line[PATH_MAX];

    out[0] = '\0';
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        char *name = strchr(line, ':');
        char *group = name ? strchr(++name, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (strcmp(name, controller) == 0)
            snprintf(out, PATH_MAX, "%s", group);
    }
    fclose(file);
}

int64_t oom_kill_count(const char *root)
{
    /* Inside a container the path may be the host's and not exist here; then
     * the mount point itself is ours. */
    static const struct {
        const char *controller, *mount, *file;
    } places[] = {
        {"", "/sys/fs/cgroup", "memory.events"},
        {"memory", "/sys/fs/cgroup/memory", "memory.oom_control"},
    };
    char group[PATH_MAX], path[3 * PATH_MAX];
    int64_t count = -1;

    for (size_t i = 0; i < sizeof places / sizeof places[0] && count < 0; i++) {
        cgroup_path(root, places[i].controller, group);
        snprintf(path, sizeof path, "%s%s%s/%s", root, places[i].mount, group,
                 places[i].file);
        count = read_count(path);
        if (count >= 0)
            break;
        snprintf(path, sizeof path, "%s%s/%s", root, places[i].mount, places[i].file);
        count = read_count(path);
    }
    if (count >= 0)
        return count;
    snprintf(path, sizeof path, "%s/proc/vmstat", root);
    return read_count(path);
}
