/* Any bytes as a key file and as the list of who may connect: refused with a sentence,
 * or a key with its secret, a list of roles and names. Where a secret would have to be
 * guessed a right one is put: "%P" and "%S" are the keys of a pair. */

#include "common/error.h"
#include "coordinator/keyring.h"
#include "proto/keyfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64], keys[80], file[96], list[96], own[96];
static struct wire_keys pair;

static void must(int truth)
{
    if (!truth)
        abort();
}

static void clean_up(void)
{
    (void)unlink(file);
    (void)unlink(list);
    (void)unlink(own);
    (void)rmdir(keys);
    (void)rmdir(dir);
}

static void make_dir(void)
{
    struct keyfile coordinator = {.role = "coordinator", .name = "coordinator"};

    if (dir[0])
        return;
    snprintf(dir, sizeof dir, "%s/coord-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(dir) != NULL);
    snprintf(keys, sizeof keys, "%s/keys", dir);
    snprintf(file, sizeof file, "%s/any.key", keys);
    snprintf(list, sizeof list, "%s/allowed", keys);
    snprintf(own, sizeof own, "%s/coordinator.key", keys);
    must(mkdir(keys, 0700) == 0 && wire_draw_keys(&pair, NULL) == 0);
    coordinator.keys = pair;
    must(keyfile_write(own, &coordinator, NULL) == 0);
    atexit(clean_up);
}

static void write_one(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(fd >= 0);
    must(size == 0 || write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* The input with "%P" and "%S" as the two keys of a pair. */
static void put(const uint8_t *data, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++) {
        const char *key = NULL;
        if (data[i] == '%' && i + 1 < size)
            key = data[i + 1] == 'P'   ? pair.public_key
                  : data[i + 1] == 'S' ? pair.secret_key
                                       : NULL;
        if (key) {
            buf_puts(out, key);
            i++;
        } else {
            buf_add(out, data + i, 1);
        }
    }
}

static void check_keyfile(void)
{
    struct keyfile got;
    struct error err = {0};

    if (keyfile_read(file, &got, &err) != 0) {
        must(err.code == ERR_INVALID && err.text[0]);
        return;
    }
    must(keyfile_name_ok(got.name) && wire_keys_fit(&got.keys));
    must(strlen(got.role) < sizeof got.role);
}

static void check_list(void)
{
    struct error err = {0};
    struct keyring *keyring = keyring_open(dir, &err);

    if (!keyring) {
        must(err.code == ERR_INVALID && err.text[0]);
        return;
    }
    for (size_t i = 0; i < keyring_count(keyring); i++) {
        const struct keyring_entry *entry = keyring_at(keyring, i);
        must(entry->role == WIRE_WORKER || entry->role == WIRE_CLIENT);
        must(keyfile_name_ok(entry->name));
        must(keyring_role(keyring, entry->public_key, NULL) != WIRE_NOBODY);
    }
    keyring_close(&keyring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {0};

    make_dir();
    put(data, size, &text);
    write_one(file, text.data, text.size);
    check_keyfile();
    write_one(list, text.data, text.size);
    check_list();
    buf_free(&text);
    return 0;
}
