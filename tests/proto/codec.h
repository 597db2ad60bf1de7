#ifndef COORD_TESTS_PROTO_CODEC_H
#define COORD_TESTS_PROTO_CODEC_H

/* The codec, failing the test instead of returning errors. Part of the test
 * program; to be included after cmocka.h. */

#include "common/error.h"
#include "proto/msg.h"
#include "proto/table.h"

enum { KIND_END = MSG_PROGRESS + 1 };

#define EACH_KIND(kind)                                                                  \
    for (unsigned kind = 0; kind < KIND_END; kind++)                                     \
        if (form_of(kind))

static inline void decode_ok(const struct buf *bytes, struct msg *ret)
{
    struct error err = {0};

    if (msg_decode(bytes->data, bytes->size, ret, &err))
        fail_msg("%s", err.text);
}

static inline void encode_ok(const struct msg *msg, struct buf *ret)
{
    struct error err = {0};

    if (msg_encode(msg, ret, &err))
        fail_msg("%s", err.text);
}

#endif
