#include "proto/keyfile.h"

#include "common/buf.h"
#include "common/error.h"
#include "common/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct line {
    const char *word;
    size_t at, size; /* of the member */
    bool required;
} LINES[] = {
    {"role", offsetof(struct keyfile, role), sizeof((struct keyfile *)0)->role, true},
    {"name", offsetof(struct keyfile, name), sizeof((struct keyfile *)0)->name, true},
    {"public", offsetof(struct keyfile, keys.public_key), WIRE_KEY_TEXT, true},
    {"secret", offsetof(struct keyfile, keys.secret_key), WIRE_KEY_TEXT, true},
    {"server", offsetof(struct keyfile, keys.server_key), WIRE_KEY_TEXT, false},
};

enum { LINE_COUNT = sizeof LINES / sizeof LINES[0] };

bool keyfile_name_ok(const char *name)
{
    static const char GOOD[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-.";
    size_t size = strlen(name);

    return size > 0 && size < KEYFILE_NAME_MAX && name[0] != '.' &&
           strspn(name, GOOD) == size;
}

/* Who could read a secret has it. */
static int check_mode(const char *path, struct error *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                         "cannot open the key file %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, ERR_REFUSED, "the key file %s is another user's", path);
    if (st.st_mode & 077)
        return err_set(err, ERR_REFUSED,
                       "the key file %s can be read by others (mode %03o): chmod 600 it, "
                       "and make another key if somebody may have",
                       path, (unsigned)(st.st_mode & 0777));
    return 0;
}

static int take_line(char *line, struct keyfile *ret)
{
    size_t word = strcspn(line, " ");

    if (line[word] == '\0')
        return -1;
    line[word] = '\0';
    for (int i = 0; i < LINE_COUNT; i++) {
        char *to = (char *)ret + LINES[i].at;
        if (strcmp(line, LINES[i].word) != 0)
            continue;
        if (*to || strlen(line + word + 1) >= LINES[i].size)
            return -1;
        memcpy(to, line + word + 1, strlen(line + word + 1) + 1);
        return 0;
    }
    return -1;
}

static int parse(char *text, const char *path, struct keyfile *ret, struct error *err)
{
    int number = 0;

    while (*text) {
        size_t size = strcspn(text, "\n");
        bool last = text[size] == '\0';
        text[size] = '\0';
        number++;
        if (text[0] && text[0] != '#' && take_line(text, ret) != 0)
            return err_set(err, ERR_INVALID, "%s:%d: not a line of a key file", path,
                           number);
        text += last ? size : size + 1;
    }
    for (int i = 0; i < LINE_COUNT; i++)
        if (LINES[i].required && *((char *)ret + LINES[i].at) == '\0')
            return err_set(err, ERR_INVALID, "%s: a key file has a line '%s'", path,
                           LINES[i].word);
    if (!keyfile_name_ok(ret->name) || !wire_keys_fit(&ret->keys))
        return err_set(err, ERR_INVALID, "%s: the key file is damaged", path);
    return 0;
}

int keyfile_read(const char *path, struct keyfile *ret, struct error *err)
{
    struct keyfile got = {0};
    struct buf text = {0};
    int rc = -1;

    if (check_mode(path, err) == 0 &&
        file_read(path, KEYFILE_SIZE_MAX, &text, err) == 0 &&
        parse(text.data ? text.data : (char[]){""}, path, &got, err) == 0) {
        *ret = got;
        rc = 0;
    }
    if (text.data)
        explicit_bzero(text.data, text.room);
    buf_free(&text);
    return rc;
}

int keyfile_write(const char *path, const struct keyfile *keyfile, struct error *err)
{
    struct buf text = {0};
    int rc = -1;

    if (access(path, F_OK) == 0)
        return err_set(err, ERR_INVALID, "there is a key file %s already", path);
    buf_printf(&text, "# coord: a secret key. Only its owner may read it (mode 0600).\n");
    for (int i = 0; i < LINE_COUNT; i++) {
        const char *value = (const char *)keyfile + LINES[i].at;
        if (*value)
            buf_printf(&text, "%s %s\n", LINES[i].word, value);
    }
    if (text.failed) {
        err_set(err, ERR_NO_MEMORY, "no memory for a key file");
    } else {
        mode_t before = umask(077);
        rc = file_write(path, text.data, text.size, err);
        umask(before);
    }
    if (text.data)
        explicit_bzero(text.data, text.room);
    buf_free(&text);
    return rc;
}
