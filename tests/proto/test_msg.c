/* The codec: every kind, every field, every bound, and bytes that are not
 * messages. What a message looks like comes from the table, so a new field is
 * tested as soon as it has a row. */

#include "proto/msg.h"

#include "common/error.h"
#include "proto/limits.h"
#include "tests/proto/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { KIND_END = MSG_PROGRESS + 1 };

#define EACH_KIND(kind)                                                           \
    for (unsigned kind = 0; kind < KIND_END; kind++)                              \
        if (form_of(kind))

static void decode_ok(const struct buf *bytes, struct msg *ret)
{
    struct error err = {0};

    if (msg_decode(bytes->data, bytes->size, ret, &err))
        fail_msg("%s", err.text);
}

static void encode_ok(const struct msg *msg, struct buf *ret)
{
    struct error err = {0};

    if (msg_encode(msg, ret, &err))
        fail_msg("%s", err.text);
}

static void round_trip(struct sample *sample, enum msg_kind kind)
{
    struct msg sent, got;
    struct buf bytes = {0}, again = {0};

    sample_msg(sample, kind, &sent);
    encode_ok(&sent, &bytes);
    decode_ok(&bytes, &got);
    assert_true(same_msg(&sent, &got));
    encode_ok(&got, &again);
    assert_int_equal(bytes.size, again.size);
    assert_memory_equal(bytes.data, again.data, bytes.size);
    msg_free(&got);
    buf_free(&bytes);
    buf_free(&again);
    sample_free(sample);
}

static void test_every_kind_round_trips(void **state)
{
    (void)state;
    EACH_KIND(kind) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
            round_trip(&(struct sample){.seed = seed, .all = true, .list_max = 6}, kind);
            round_trip(&(struct sample){.seed = seed, .all = false, .list_max = 3}, kind);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
