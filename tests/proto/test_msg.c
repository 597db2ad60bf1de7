/* The codec: every kind, every field and every bound. What a message looks like
 * comes from the table, so a new field is tested as soon as it has a row. */

#include "proto/msg.h"

#include "common/error.h"
#include "proto/limits.h"
#include "tests/proto/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/proto/codec.h"

/* ---- round trips ----------------------------------------------------------- */

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
    EACH_KIND(kind)
    {
        for (uint64_t seed = 1; seed <= 40; seed++) {
            round_trip(&(struct sample){.seed = seed, .all = true, .list_max = 6}, kind);
            round_trip(&(struct sample){.seed = seed, .all = false, .list_max = 3}, kind);
        }
    }
}

static void test_reals_keep_their_bits(void **state)
{
    static const uint64_t bits[] = {
        0x0000000000000000, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000,
        0x7ff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 0x0000000000000001,
        0x7fefffffffffffff, 0x3fb999999999999a,
    };
    struct msg got, msg = {.kind = MSG_RESULT,
                           .result = {.job = 1, .attempt = 1, .outcome = OUTCOME_DONE}};
    struct buf bytes = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        buf_clear(&bytes);
        memcpy(&msg.result.seconds, &bits[i], sizeof bits[i]);
        encode_ok(&msg, &bytes);
        decode_ok(&bytes, &got);
        assert_memory_equal(&got.result.seconds, &bits[i], sizeof bits[i]);
        msg_free(&got);
    }
    buf_free(&bytes);
}

static void test_largest_result_fits(void **state)
{
    static struct msg_history history[PROTO_HISTORY_MAX];
    static struct msg_point points[PROTO_POINTS_MAX];
    struct tally tally = {60000, 59999, 1, 1, 12345.678, 98765.4321};
    struct msg got, msg = {.kind = MSG_RESULT,
                           .result = {.job = INT64_MAX,
                                      .attempt = UINT32_MAX,
                                      .outcome = OUTCOME_DONE,
                                      .history = history,
                                      .history_count = PROTO_HISTORY_MAX,
                                      .points = points,
                                      .point_count = PROTO_POINTS_MAX}};
    struct buf bytes = {0};
    struct error err;

    (void)state;
    for (uint32_t i = 0; i < PROTO_POINTS_MAX; i++) {
        history[i] = (struct msg_history){i, slice_of("batch"), tally, 0.1, i};
        points[i] = (struct msg_point){slice_of("layer3.0.downsample"),
                                       slice_of("recompute"),
                                       slice_of("train"),
                                       i,
                                       i * 0.01,
                                       tally,
                                       slice_of("refine"),
                                       MSG_PAIRED_START | MSG_PAIRED_END,
                                       i * 0.1,
                                       i * 0.2,
                                       i * 0.3,
                                       i * 0.4};
    }
    encode_ok(&msg, &bytes);
    assert_true(bytes.size < PROTO_MESSAGE_MAX);
    decode_ok(&bytes, &got);
    assert_true(same_msg(&msg, &got));
    msg_free(&got);

    /* Each field within its bound, the message beyond its own. */
    char *name = malloc(PROTO_TEXT_MAX);
    memset(name, 'g', PROTO_TEXT_MAX);
    for (uint32_t i = 0; i < PROTO_POINTS_MAX; i++)
        points[i].grp = (struct slice){name, PROTO_TEXT_MAX};
    buf_clear(&bytes);
    buf_puts(&bytes, "kept");
    assert_int_equal(msg_encode(&msg, &bytes, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text,
                        "RESULT: larger than 16777216 bytes, the most a message has");
    assert_string_equal(bytes.data, "kept");
    assert_int_equal(bytes.size, 4);
    free(name);
    buf_free(&bytes);
}

static void test_encode_appends(void **state)
{
    struct msg msg = {.kind = MSG_PING, .ping = {7}};
    struct buf bytes = {0};

    (void)state;
    buf_puts(&bytes, "ab");
    encode_ok(&msg, &bytes);
    assert_int_equal(bytes.size, 7);
    assert_memory_equal(bytes.data, "ab\x92\x22\x81\x01\x07", 7);
    buf_free(&bytes);
}

/* ---- bounds when encoding -------------------------------------------------- */

struct breaker {
    const struct msg *msg;
    char *long_text; /* longer than any bound */
    unsigned broken;
};

static void expect_unsent(struct breaker *breaker, const struct field *field)
{
    struct buf bytes = {0};
    struct error err = {0};

    buf_puts(&bytes, "kept");
    if (msg_encode(breaker->msg, &bytes, &err) == 0)
        fail_msg("%s of %s: encoded out of its bound", field->name,
                 msg_kind_name(breaker->msg->kind));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, msg_kind_name(breaker->msg->kind)));
    assert_non_null(strstr(err.text, field->name));
    assert_string_equal(bytes.data, "kept");
    buf_free(&bytes);
    breaker->broken++;
}

static void break_number(struct breaker *breaker, const struct field *field, char *base)
{
    size_t width = field->type == FIELD_U32 ? 4 : 8;
    uint64_t tops[] = {
        [FIELD_U32] = UINT32_MAX, [FIELD_U64] = UINT64_MAX, [FIELD_I64] = UINT64_MAX};
    uint64_t over = field->hi + 1, under = field->lo - 1;
    char kept[8];

    memcpy(kept, base + field->at, width);
    if (field->hi < tops[field->type]) {
        memcpy(base + field->at, &over, width); /* little-endian, as x86 and ARM */
        expect_unsent(breaker, field);
    }
    if (field->lo > 0 && field->required) {
        memcpy(base + field->at, &under, width);
        expect_unsent(breaker, field);
    }
    memcpy(base + field->at, kept, width);
}

static void break_slice(struct breaker *breaker, const struct field *field, char *base)
{
    struct slice kept, wrong = {breaker->long_text, field->hi + 1};

    memcpy(&kept, base + field->at, sizeof kept);
    memcpy(base + field->at, &wrong, sizeof wrong);
    expect_unsent(breaker, field);
    wrong = (struct slice){"a\0b", 3};
    memcpy(base + field->at, &wrong, sizeof wrong);
    if (field->type != FIELD_BYTES)
        expect_unsent(breaker, field);
    wrong = slice_of("ABCDEF0123456789ABCDEF0123456789");
    memcpy(base + field->at, &wrong, sizeof wrong);
    if (field->type == FIELD_HEX)
        expect_unsent(breaker, field);
    wrong = (struct slice){0};
    memcpy(base + field->at, &wrong, sizeof wrong);
    if (field->required && field->lo > 0)
        expect_unsent(breaker, field);
    memcpy(base + field->at, &kept, sizeof kept);
}

static void break_form(struct breaker *breaker, const struct form *form, char *base);

static void break_many(struct breaker *breaker, const struct field *field, char *base)
{
    uint32_t kept, over = (uint32_t)field->hi + 1, none = 0;
    char *items;

    memcpy(&kept, base + field->count_at, sizeof kept);
    memcpy(&items, base + field->at, sizeof items);
    memcpy(base + field->count_at, &over, sizeof over);
    expect_unsent(breaker, field);
    memcpy(base + field->count_at, &none, sizeof none);
    if (field->required && field->lo > 0)
        expect_unsent(breaker, field);
    memcpy(base + field->count_at, &kept, sizeof kept);
    break_form(breaker, field->form, items + (kept - 1) * field->form->size);
}

static void break_form(struct breaker *breaker, const struct form *form, char *base)
{
    for (unsigned i = 0; i < form->count; i++) {
        const struct field *field = &form->fields[i];
        switch (field->type) {
        case FIELD_U32:
        case FIELD_U64:
        case FIELD_I64:
            break_number(breaker, field, base);
            break;
        case FIELD_TEXT:
        case FIELD_BYTES:
        case FIELD_HEX:
            break_slice(breaker, field, base);
            break;
        case FIELD_MANY:
            break_many(breaker, field, base);
            break;
        case FIELD_ONE:
            break_form(breaker, field->form, base + field->at);
            break;
        default:
            break;
        }
    }
}

static void test_every_bound_is_kept_when_encoding(void **state)
{
    unsigned broken = 0;

    (void)state;
    EACH_KIND(kind)
    {
        struct sample sample = {.seed = 5, .all = true, .list_max = 3};
        struct msg msg;
        struct breaker breaker = {.msg = &msg, .long_text = malloc(PROTO_GRID_MAX + 1)};
        sample_msg(&sample, kind, &msg);
        memset(breaker.long_text, 'a', PROTO_GRID_MAX + 1);
        break_form(&breaker, form_of(kind), (char *)&msg.hello);
        broken += breaker.broken;
        free(breaker.long_text);
        sample_free(&sample);
    }
    assert_true(broken >= 199); /* as many bounds as there were on day one */
}

static void test_unknown_kinds_are_not_encoded(void **state)
{
    struct msg msg = {.kind = MSG_NONE};
    struct buf bytes = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(msg_encode(&msg, &bytes, &err), -1);
    assert_string_equal(err.text, "there is no message kind 0");
    msg.kind = (enum msg_kind)4000;
    assert_int_equal(msg_encode(&msg, &bytes, &err), -1);
    assert_int_equal(bytes.size, 0);
    assert_string_equal(msg_kind_name(msg.kind), "?");
    assert_string_equal(msg_kind_name(MSG_PUT_OK), "PUT_OK");
}

static void test_free_tolerates_nothing(void **state)
{
    struct msg msg = {0};

    (void)state;
    msg_free(NULL);
    msg_free(&msg);
    msg_free(&msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_round_trips),
        cmocka_unit_test(test_reals_keep_their_bits),
        cmocka_unit_test(test_largest_result_fits),
        cmocka_unit_test(test_encode_appends),
        cmocka_unit_test(test_every_bound_is_kept_when_encoding),
        cmocka_unit_test(test_unknown_kinds_are_not_encoded),
        cmocka_unit_test(test_free_tolerates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
