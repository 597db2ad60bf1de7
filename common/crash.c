#include "common/crash.h"

#include "common/error.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char LIST[] = "list:";

static const char *const NAMES[CRASH_POINT_COUNT] = {
    [CRASH_COMMIT_BEFORE] = "commit.before",
    [CRASH_COMMIT_AFTER] = "commit.after",
    [CRASH_SEND_BEFORE] = "send.before",
    [CRASH_SEND_AFTER] = "send.after",
    [CRASH_CHECKPOINT_BEFORE] = "checkpoint.before",
    [CRASH_CHECKPOINT_BETWEEN] = "checkpoint.between",
    [CRASH_CHECKPOINT_AFTER] = "checkpoint.after",
    [CRASH_ARTIFACT_BEFORE] = "artifact.before",
    [CRASH_ARTIFACT_AFTER] = "artifact.after",
    [CRASH_REMOVE_BEFORE] = "remove.before",
    [CRASH_REMOVE_AFTER] = "remove.after",
    [CRASH_BACKUP_BEFORE] = "backup.before",
    [CRASH_BACKUP_AFTER] = "backup.after",
    [CRASH_RESTORE_BEFORE] = "restore.before",
    [CRASH_RESTORE_BETWEEN] = "restore.between",
    [CRASH_RESTORE_AFTER] = "restore.after",
    [CRASH_CACHE_BEFORE] = "cache.before",
    [CRASH_CACHE_AFTER] = "cache.after",
};

const char *crash_name(enum crash_point point)
{
    return NAMES[point];
}

static int bad(const char *text, struct error *err)
{
    char names[512] = "";

    for (int i = 0; i < CRASH_POINT_COUNT; i++) {
        strcat(names, i ? ", " : "");
        strcat(names, NAMES[i]);
    }
    return err_set(err, ERR_INVALID,
                   "COORD_CRASH: expected list:FILE or POINT:N, got '%s'; points: %s",
                   text, names);
}

int crash_read(struct crash *crash, const char *text, struct error *err)
{
    struct crash read = {0};
    const char *colon;
    char *end;

    if (text && strncmp(text, LIST, sizeof LIST - 1) == 0) {
        const char *path = text + sizeof LIST - 1;
        read.list = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (read.list < 0)
            return err_errno(err, ERR_IO, "COORD_CRASH: cannot open %s", path);
        read.listing = 1;
    } else if (text && *text) {
        int point = 0;
        if (!(colon = strchr(text, ':')))
            return bad(text, err);
        size_t size = (size_t)(colon - text);
        while (point < CRASH_POINT_COUNT &&
               (strlen(NAMES[point]) != size || memcmp(NAMES[point], text, size) != 0))
            point++;
        errno = 0;
        read.left = strtoull(colon + 1, &end, 10);
        if (point == CRASH_POINT_COUNT || errno != 0 || *end || read.left == 0)
            return bad(text, err);
        read.point = (enum crash_point)point;
    }
    *crash = read;
    return 0;
}

void crash_at(struct crash *crash, enum crash_point point)
{
    char line[64];

    if (!crash)
        return;
    if (crash->listing) {
        int size = snprintf(line, sizeof line, "%s\n", NAMES[point]);
        if (write(crash->list, line, (size_t)size) != size)
            crash->listing = 0; /* whoever counts will miss it */
    }
    if (crash->left > 0 && crash->point == point && --crash->left == 0)
        (void)kill(getpid(), SIGKILL);
}
