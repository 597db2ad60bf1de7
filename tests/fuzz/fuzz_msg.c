/* Any bytes as a message: refused with a sentence, or a message that keeps its
 * bounds, so that it can be encoded and decoded again to the same bytes. The
 * same bytes also as what comes out of a trial's pipe. */

#include "common/error.h"
#include "proto/msg.h"
#include "proto/pipe.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_again(const struct msg *msg)
{
    struct buf first = {0}, second = {0};
    struct error err = {0};
    struct msg got;

    require(msg_encode(msg, &first, &err) == 0);
    require(msg_decode(first.data, first.size, &got, &err) == 0);
    require(msg_encode(&got, &second, &err) == 0);
    require(first.size == second.size &&
            memcmp(first.data, second.data, first.size) == 0);
    msg_free(&got);
    buf_free(&first);
    buf_free(&second);
}

static void as_message(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct msg msg;

    if (msg_decode(data, size, &msg, &err) == 0) {
        check_again(&msg);
        msg_free(&msg);
    } else {
        require(err.code == ERR_INVALID && err.text[0] != '\0');
    }
}

static void as_pipe(const uint8_t *data, size_t size)
{
    struct buf room = {0};
    struct error err = {0};
    struct msg msg;

    buf_add(&room, data, size);
    while (pipe_next(&room, &msg, &err) == 1) {
        check_again(&msg);
        msg_free(&msg);
        pipe_drop(&room);
    }
    buf_free(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_message(data, size);
    as_pipe(data, size);
    return 0;
}
