#include "coordinator/keyring.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char OWN[] = "coordinator";

struct keyring {
    char list_path[PATH_MAX];
    struct keyfile own;
    struct keyring_entry *items; /* by public key */
    size_t count;
    struct stat seen; /* of the list that was read last, or tried */
};

static const struct {
    enum wire_role role;
    const char *name;
} ROLES[] = {{WIRE_WORKER, "worker"}, {WIRE_CLIENT, "client"}};

enum { ROLE_COUNT = sizeof ROLES / sizeof ROLES[0] };

const char *keyring_role_name(enum wire_role role)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (ROLES[i].role == role)
            return ROLES[i].name;
    return "nobody";
}

static enum wire_role role_of(const char *name)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (strcmp(ROLES[i].name, name) == 0)
            return ROLES[i].role;
    return WIRE_NOBODY;
}

static int path_in(const char *dir, const char *name, const char *end, char *out,
                   size_t size, struct error *err)
{
    int length = snprintf(out, size, "%s/keys%s%s%s", dir, name[0] ? "/" : "", name, end);

    if (length > 0 && (size_t)length < size)
        return 0;
    return err_set(err, ERR_INVALID, "the path of the keys of %s is too long", dir);
}

int keyring_path(const char *dir, const char *name, char *out, size_t size,
                 struct error *err)
{
    return path_in(dir, name, ".key", out, size, err);
}

/* ---- the list --------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct keyring_entry *)a)->public_key,
                  ((const struct keyring_entry *)b)->public_key);
}

/* "ROLE NAME KEY" of any spacing. */
static int parse_line(const char *line, struct keyring_entry *ret)
{
    char role[16], name[KEYFILE_NAME_MAX], key[WIRE_KEY_TEXT], more[2];

    if (sscanf(line, "%15s %63s %40s %1s", role, name, key, more) != 3)
        return -1;
    ret->role = role_of(role);
    if (ret->role == WIRE_NOBODY || !keyfile_name_ok(name) ||
        strlen(key) != WIRE_KEY_TEXT - 1)
        return -1;
    memcpy(ret->name, name, sizeof ret->name);
    memcpy(ret->public_key, key, sizeof ret->public_key);
    return 0;
}

/* One bad line spoils the list: what it was meant to say is not ours to guess. */
static int parse_list(char *text, const char *path, struct keyring_entry **ret,
                      size_t *ret_count, struct error *err)
{
    struct keyring_entry *items = NULL;
    size_t count = 0, room = 0;
    int number = 0;

    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        number++;
        if (line[strspn(line, " \t\r")] == '\0' || line[0] == '#')
            continue;
        if (count == room) {
            room = room ? 2 * room : 16;
            struct keyring_entry *more = realloc(items, room * sizeof *items);
            if (!more) {
                err_set(err, ERR_NO_MEMORY, "no memory for the keys of %s", path);
                goto fail;
            }
            items = more;
        }
        if (parse_line(line, &items[count++]) != 0) {
            err_set(err, ERR_INVALID,
                    "%s:%d: expected 'worker NAME KEY' or 'client NAME KEY'", path,
                    number);
            goto fail;
        }
    }
    if (count > 0)
        qsort(items, count, sizeof *items, by_key);
    *ret = items;
    *ret_count = count;
    return 0;
fail:
    free(items);
    return -1;
}

static int read_list(const char *path, struct keyring_entry **ret, size_t *ret_count,
                     struct error *err)
{
    struct buf text = {0};
    struct stat st;
    int rc = -1;

    if (stat(path, &st) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot read %s",
                         path);
    if ((st.st_mode & 022) || (st.st_uid != geteuid() && st.st_uid != 0))
        return err_set(err, ERR_REFUSED,
                       "%s can be written by others (mode %03o): chmod 600 it, and look "
                       "at what it says",
                       path, (unsigned)(st.st_mode & 0777));
    if (file_read(path, KEYRING_SIZE_MAX, &text, err) == 0)
        rc = parse_list(text.data ? text.data : (char[]){""}, path, ret, ret_count, err);
    buf_free(&text);
    return rc;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int keyring_refresh(struct keyring *keyring, struct error *err)
{
    struct stat now = {0};
    struct keyring_entry *items;
    size_t count;

    if (stat(keyring->list_path, &now) != 0)
        now = (struct stat){0};
    if (same_file(&now, &keyring->seen))
        return 0;
    keyring->seen = now;
    if (read_list(keyring->list_path, &items, &count, err) != 0)
        return -1;
    free(keyring->items);
    keyring->items = items;
    keyring->count = count;
    return 1;
}

enum wire_role keyring_role(const struct keyring *keyring, const char *public_key,
                            const char **ret_name)
{
    struct keyring_entry wanted = {0};
    const struct keyring_entry *found = NULL;

    snprintf(wanted.public_key, sizeof wanted.public_key, "%s", public_key);
    if (keyring->count > 0)
        found = bsearch(&wanted, keyring->items, keyring->count, sizeof wanted, by_key);
    if (ret_name)
        *ret_name = found ? found->name : "";
    return found ? found->role : WIRE_NOBODY;
}

size_t keyring_count(const struct keyring *keyring)
{
    return keyring->count;
}

const struct keyring_entry *keyring_at(const struct keyring *keyring, size_t index)
{
    return &keyring->items[index];
}

/* ---- life ------------------------------------------------------------------- */

/* The first look at the list, which must be there. */
static int first_read(struct keyring *keyring, struct error *err)
{
    int rc = keyring_refresh(keyring, err);

    if (rc == 0)
        return err_set(err, ERR_NOT_FOUND, "cannot read %s: there is no such file",
                       keyring->list_path);
    return rc < 0 ? -1 : 0;
}

struct keyring *keyring_open(const char *dir, struct error *err)
{
    struct keyring *keyring = calloc(1, sizeof *keyring);
    char path[PATH_MAX];

    if (!keyring) {
        err_set(err, ERR_NO_MEMORY, "no memory for keys");
        return NULL;
    }
    if (path_in(dir, "allowed", "", keyring->list_path, sizeof keyring->list_path, err) !=
            0 ||
        keyring_path(dir, OWN, path, sizeof path, err) != 0 ||
        keyfile_read(path, &keyring->own, err) != 0 || first_read(keyring, err) != 0)
        keyring_close(&keyring);
    return keyring;
}

void keyring_close(struct keyring **keyring)
{
    if (!*keyring)
        return;
    explicit_bzero(&(*keyring)->own, sizeof(*keyring)->own);
    free((*keyring)->items);
    free(*keyring);
    *keyring = NULL;
}

const struct wire_keys *keyring_own(const struct keyring *keyring)
{
    return &keyring->own.keys;
}

/* ---- changing ---------------------------------------------------------------- */

/* One change at a time: the folder is locked. Returns a descriptor or -1. */
static int lock_keys(const char *dir, struct error *err)
{
    char path[PATH_MAX];
    int fd = -1;

    if (path_in(dir, "", "", path, sizeof path, err) != 0)
        return -1;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s",
                         path);
    if (flock(fd, LOCK_EX) == 0)
        return fd;
    err_errno(err, ERR_IO, "cannot lock %s", path);
    close(fd);
    return -1;
}

static int write_list(const char *path, const struct keyring_entry *items, size_t count,
                      const char *without, const struct keyring_entry *with,
                      struct error *err)
{
    struct buf text = {0};
    int rc = -1;

    buf_puts(&text, "# Who may connect: 'worker NAME KEY' or 'client NAME KEY', one a "
                    "line.\n# Removing a line shuts a key out, at once.\n");
    for (size_t i = 0; i <= count; i++) {
        const struct keyring_entry *item = i < count ? &items[i] : with;
        if (item && (!without || strcmp(item->name, without) != 0))
            buf_printf(&text, "%s %s %s\n", keyring_role_name(item->role), item->name,
                       item->public_key);
    }
    if (text.failed) {
        err_set(err, ERR_NO_MEMORY, "no memory for a list of keys");
    } else {
        mode_t before = umask(077);
        rc = file_write(path, text.data, text.size, err);
        umask(before);
    }
    buf_free(&text);
    return rc;
}

static int make_own(const char *dir, const char *list, struct error *err)
{
    struct keyfile own = {.role = "coordinator", .name = "coordinator"};
    char path[PATH_MAX];

    if (keyring_path(dir, OWN, path, sizeof path, err) != 0)
        return -1;
    if (access(path, F_OK) == 0)
        return 0;
    if (wire_draw_keys(&own.keys, err) != 0 ||
        (access(list, F_OK) != 0 && write_list(list, NULL, 0, NULL, NULL, err) != 0) ||
        keyfile_write(path, &own, err) != 0)
        return -1;
    return 1;
}

static int init(const char *dir, struct error *err)
{
    char folder[PATH_MAX], list[PATH_MAX];
    int rc = -1, fd = -1;

    if (path_in(dir, "", "", folder, sizeof folder, err) != 0 ||
        path_in(dir, "allowed", "", list, sizeof list, err) != 0)
        return -1;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "cannot create %s", folder);
    fd = lock_keys(dir, err);
    if (fd < 0)
        return -1;
    rc = make_own(dir, list, err);
    close(fd);
    return rc;
}

/* With the lock held. */
static int add_locked(const char *dir, struct keyfile *made, struct keyring_entry *entry,
                      struct error *err)
{
    struct keyring *keyring = keyring_open(dir, err);
    char path[PATH_MAX];
    int rc = -1;

    if (!keyring)
        return -1;
    for (size_t i = 0; i < keyring->count; i++)
        if (strcmp(keyring->items[i].name, entry->name) == 0) {
            err_set(err, ERR_INVALID,
                    "there is a key '%s' already: choose another name, or revoke it "
                    "first",
                    entry->name);
            goto done;
        }
    if (wire_draw_keys(&made->keys, err) != 0 ||
        keyring_path(dir, entry->name, path, sizeof path, err) != 0)
        goto done;
    memcpy(made->keys.server_key, keyring->own.keys.public_key, WIRE_KEY_TEXT);
    memcpy(entry->public_key, made->keys.public_key, WIRE_KEY_TEXT);
    if (keyfile_write(path, made, err) != 0 ||
        write_list(keyring->list_path, keyring->items, keyring->count, NULL, entry,
                   err) != 0)
        goto done;
    rc = 0;
done:
    keyring_close(&keyring);
    return rc;
}

int keyring_add(const char *dir, enum wire_role role, const char *name, struct error *err)
{
    struct keyring_entry entry = {.role = role};
    struct keyfile made = {0};

    if (!keyfile_name_ok(name) || strcmp(name, OWN) == 0)
        return err_set(err, ERR_INVALID,
                       "'%s' cannot name a key: expected letters, digits, '_', '-', '.'",
                       name);
    snprintf(entry.name, sizeof entry.name, "%s", name);
    snprintf(made.name, sizeof made.name, "%s", name);
    snprintf(made.role, sizeof made.role, "%s", keyring_role_name(role));
    int fd = lock_keys(dir, err);
    if (fd < 0)
        return -1;
    int rc = add_locked(dir, &made, &entry, err);
    explicit_bzero(&made, sizeof made);
    close(fd);
    return rc;
}

int keyring_revoke(const char *dir, const char *name, struct error *err)
{
    char list[PATH_MAX], path[PATH_MAX];
    struct keyring_entry *items = NULL;
    size_t count = 0;
    bool found = false;
    int rc = -1, fd = -1;

    if (!keyfile_name_ok(name))
        return err_set(err, ERR_INVALID, "'%s' is not the name of a key", name);
    if (path_in(dir, "allowed", "", list, sizeof list, err) != 0 ||
        keyring_path(dir, name, path, sizeof path, err) != 0)
        return -1;
    fd = lock_keys(dir, err);
    if (fd < 0)
        return -1;
    if (read_list(list, &items, &count, err) != 0)
        goto done;
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(items[i].name, name) == 0;
    if (!found) {
        err_set(err, ERR_NOT_FOUND, "there is no key '%s' on the list %s", name, list);
        goto done;
    }
    rc = write_list(list, items, count, name, NULL, err);
    if (rc == 0)
        unlink(path); /* wherever it was copied to, it opens nothing any more */
done:
    free(items);
    close(fd);
    return rc;
}

int keyring_setup(const char *dir, struct error *err)
{
    int made = init(dir, err);

    if (made > 0 && (keyring_add(dir, WIRE_WORKER, "worker", err) != 0 ||
                     keyring_add(dir, WIRE_CLIENT, "client", err) != 0))
        return -1;
    return made;
}
