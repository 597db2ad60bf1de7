#include "common/hash.h"

#include "common/error.h"

#include <sodium.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* libsodium asks for 64-byte alignment, which its type carries. */
struct hash_state {
    crypto_generichash_state blake2b;
};

void hash_bytes(const void *data, size_t size, char ret_hex[HASH_TEXT])
{
    unsigned char hash[HASH_BYTES];

    crypto_generichash(hash, sizeof hash, data, size, NULL, 0);
    sodium_bin2hex(ret_hex, HASH_TEXT, hash, sizeof hash);
}

struct hash_state *hash_new(void)
{
    struct hash_state *state;

    state = aligned_alloc(_Alignof(struct hash_state), sizeof *state);
    if (state)
        crypto_generichash_init(&state->blake2b, NULL, 0, HASH_BYTES);
    return state;
}

void hash_add(struct hash_state *state, const void *data, size_t size)
{
    crypto_generichash_update(&state->blake2b, data, size);
}

void hash_end(struct hash_state **state, char ret_hex[HASH_TEXT])
{
    unsigned char hash[HASH_BYTES];

    crypto_generichash_final(&(*state)->blake2b, hash, sizeof hash);
    sodium_bin2hex(ret_hex, HASH_TEXT, hash, sizeof hash);
    free(*state);
    *state = NULL;
}

/* Feed everything that fd has; *ret_size counts it. */
static int add_fd(struct hash_state *state, int fd, uint64_t *ret_size)
{
    static const size_t block_size = 65536;
    unsigned char *block = malloc(block_size);
    uint64_t total = 0;
    ssize_t count;

    if (!block)
        return -1;
    for (;;) {
        count = read(fd, block, block_size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        hash_add(state, block, (size_t)count);
        total += (uint64_t)count;
    }
    free(block);
    if (count < 0)
        return -1;
    *ret_size = total;
    return 0;
}

int hash_file(const char *path, char ret_hex[HASH_TEXT], uint64_t *ret_size,
              struct error *err)
{
    struct hash_state *state = NULL;
    char hex[HASH_TEXT];
    uint64_t size = 0;
    int rc = -1;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot open %s", path);
    state = hash_new();
    if (!state) {
        err_set(err, ERR_NO_MEMORY, "no memory to hash %s", path);
        goto done;
    }
    rc = add_fd(state, fd, &size);
    if (rc)
        err_errno(err, ERR_IO, "cannot read %s", path);
    hash_end(&state, rc ? hex : ret_hex);
    if (rc == 0 && ret_size)
        *ret_size = size;
done:
    close(fd);
    return rc;
}

bool hash_is_hex(const char *text, size_t size)
{
    if (size != HASH_HEX)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

void hash_random(char ret_hex[HASH_TEXT])
{
    unsigned char bytes[HASH_BYTES];

    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(ret_hex, HASH_TEXT, bytes, sizeof bytes);
}
