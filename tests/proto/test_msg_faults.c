/* Bytes that are not messages: every field out of its bounds, of every other
 * type, missing and doubled; messages cut at every byte and flipped at random. */

#include "proto/msg.h"

#include "common/error.h"
#include "proto/limits.h"
#include "proto/unpack.h"
#include "tests/proto/raw.h"
#include "tests/proto/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/proto/codec.h"

/* Decode a copy that ends where the message ends, so that a sanitizer sees any
 * step beyond it. */
static int decode_tight(const void *bytes, size_t size, struct msg *ret, char **ret_copy,
                        struct error *err)
{
    *ret_copy = malloc(size ? size : 1);
    assert_non_null(*ret_copy);
    memcpy(*ret_copy, bytes, size);
    return msg_decode(*ret_copy, size, ret, err);
}

static void expect_refused(const void *bytes, size_t size, const char *part)
{
    struct msg msg = {.kind = MSG_WHO}, before = msg;
    struct error err = {0};
    char *copy;

    if (decode_tight(bytes, size, &msg, &copy, &err) == 0)
        fail_msg("decoded, but should fail with '%s'", part);
    assert_int_equal(err.code, ERR_INVALID);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
    assert_memory_equal(&msg, &before, sizeof msg);
    free(copy);
}

typedef void (*fault_test)(unsigned kind, const struct form *form,
                           const struct field *field);

/* Call for each field of each message, those inside included. */
static void each_field(unsigned kind, const struct form *form, fault_test test)
{
    for (unsigned i = 0; i < form->count; i++) {
        test(kind, form, &form->fields[i]);
        if (form->fields[i].form)
            each_field(kind, form->fields[i].form, test);
    }
}

static void faulty(unsigned kind, const struct field *field, enum fault fault,
                   unsigned other, const char *part)
{
    struct raw raw = {.target = field, .fault = fault, .other = other};

    raw_msg(&raw, kind);
    /* Bytes behind it, lest a short part is taken for a cut message first. */
    buf_add(&raw.out, (char[64]){0}, 64);
    expect_refused(raw.out.data, raw.out.size, part);
    buf_free(&raw.out);
}

static void bounds_fault(unsigned kind, const struct form *form,
                         const struct field *field)
{
    static const uint64_t tops[FIELD_TYPE_COUNT] = {[FIELD_U64] = UINT64_MAX};
    bool bounded = field->type != FIELD_BOOL && field->type != FIELD_REAL &&
                   field->type != FIELD_ONE;

    (void)form;
    if (bounded && field->hi != tops[field->type])
        faulty(kind, field, FAULT_OVER, 0, field->name);
    if (bounded && field->lo > 0)
        faulty(kind, field, FAULT_UNDER, 0, field->name);
}

static void test_every_bound_is_kept_when_decoding(void **state)
{
    (void)state;
    EACH_KIND(kind)
    each_field(kind, form_of(kind), bounds_fault);
}

static void missing_fault(unsigned kind, const struct form *form,
                          const struct field *field)
{
    if (form->row && field->required)
        faulty(kind, field, FAULT_MISSING, 0, "columns, a ");
    else if (!form->row && field->required)
        faulty(kind, field, FAULT_MISSING, 0, "missing");
    if (!form->row)
        faulty(kind, field, FAULT_TWICE, 0, "appears twice");
}

static void optional_column(unsigned kind, const struct form *form,
                            const struct field *field)
{
    struct raw raw = {.target = field, .fault = FAULT_MISSING};
    struct msg msg;
    struct error err = {0};

    if (!form->row || field->required)
        return;
    raw_msg(&raw, kind);
    if (msg_decode(raw.out.data, raw.out.size, &msg, &err))
        fail_msg("%s: %s", field->name, err.text);
    msg_free(&msg);
    buf_free(&raw.out);
}

static void test_optional_columns(void **state)
{
    (void)state;
    EACH_KIND(kind)
    each_field(kind, form_of(kind), optional_column);
}

static void test_missing_and_doubled_fields(void **state)
{
    (void)state;
    EACH_KIND(kind)
    each_field(kind, form_of(kind), missing_fault);
}

static void type_fault(unsigned kind, const struct form *form, const struct field *field)
{
    static const enum unpack_type right[] = {
        [FIELD_BOOL] = UNPACK_BOOL,   [FIELD_U32] = UNPACK_UINT,
        [FIELD_U64] = UNPACK_UINT,    [FIELD_I64] = UNPACK_UINT,
        [FIELD_REAL] = UNPACK_REAL64, [FIELD_TEXT] = UNPACK_TEXT,
        [FIELD_BYTES] = UNPACK_BYTES, [FIELD_HEX] = UNPACK_TEXT,
        [FIELD_ONE] = UNPACK_MAP,     [FIELD_MANY] = UNPACK_ARRAY,
    };

    (void)form;
    for (unsigned other = UNPACK_NIL; other <= UNPACK_MAP; other++)
        if (other != right[field->type])
            faulty(kind, field, FAULT_TYPE, other, "expected ");
}

static void test_wrong_types(void **state)
{
    (void)state;
    EACH_KIND(kind)
    each_field(kind, form_of(kind), type_fault);
}

static void test_unknown_fields_are_skipped(void **state)
{
    (void)state;
    EACH_KIND(kind)
    {
        struct raw plain = {0}, extra = {.fault = FAULT_EXTRA};
        struct msg a, b;
        raw_msg(&plain, kind);
        raw_msg(&extra, kind);
        assert_true(extra.out.size > plain.out.size);
        decode_ok(&plain.out, &a);
        decode_ok(&extra.out, &b);
        assert_true(same_msg(&a, &b));
        msg_free(&a);
        msg_free(&b);
        buf_free(&plain.out);
        buf_free(&extra.out);
    }
}

static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    EACH_KIND(kind)
    {
        struct sample sample = {.seed = kind, .all = true, .list_max = 2};
        struct buf bytes = {0};
        struct msg msg;
        sample_msg(&sample, kind, &msg);
        encode_ok(&msg, &bytes);
        for (size_t size = 0; size < bytes.size; size++)
            expect_refused(bytes.data, size, "");
        buf_add(&bytes, "\xc0", 1);
        expect_refused(bytes.data, bytes.size, "1 bytes too many");
        buf_free(&bytes);
        sample_free(&sample);
    }
}

/* Whatever is accepted keeps all bounds: it can be sent on, and is the same. */
static void fuzz_once(struct buf *bytes)
{
    struct msg first, second;
    struct error err = {0};
    struct buf again = {0};
    char *copy;

    if (decode_tight(bytes->data, bytes->size, &first, &copy, &err) == 0) {
        encode_ok(&first, &again);
        decode_ok(&again, &second);
        assert_true(same_msg(&first, &second));
        msg_free(&first);
        msg_free(&second);
    } else {
        assert_int_equal(err.code, ERR_INVALID);
        assert_true(err.text[0] != '\0');
    }
    buf_free(&again);
    free(copy);
}

static void test_random_flips(void **state)
{
    (void)state;
    EACH_KIND(kind)
    {
        struct sample sample = {.seed = 77 + kind, .all = true, .list_max = 3};
        struct buf bytes = {0};
        struct msg msg;
        sample_msg(&sample, kind, &msg);
        encode_ok(&msg, &bytes);
        for (int i = 0; i < 3000; i++) {
            char kept[4];
            size_t at[4], count = 1 + (size_t)(sample_next(&sample) % 4);
            for (size_t k = 0; k < count; k++) {
                at[k] = (size_t)(sample_next(&sample) % bytes.size);
                kept[k] = bytes.data[at[k]];
                bytes.data[at[k]] = (char)sample_next(&sample);
            }
            fuzz_once(&bytes);
            while (count-- > 0)
                bytes.data[at[count]] = kept[count];
        }
        buf_free(&bytes);
        sample_free(&sample);
    }
}

static void test_not_messages(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } cases[] = {
        {"", 0, "not a message: the message ends too early"},
        {"hello", 5, "not a message: expected an array, got an integer"},
        {"\xc1", 1, "ends too early"},
        {"\x90", 1, "expected [kind, fields], got 0 items"},
        {"\x93\x22\x81\x01\x01\x00", 6, "expected [kind, fields], got 3 items"},
        {"\x91\x22", 2, "expected [kind, fields], got 1 items"},
        {"\x92\xa1x\x80", 4, "not a message: expected an integer, got a text"},
        {"\x92\xff\x80", 3, "expected an integer, got a negative integer"},
        {"\x92\x00\x80", 3, "there is no message kind 0"},
        {"\x92\x09\x80", 3, "there is no message kind 9"},
        {"\x92\xcd\xff\xff\x80", 5, "there is no message kind 65535"},
        {"\x92\xcf\x80\0\0\0\0\0\0\x01\x80", 11, "no message kind 9223372036854775809"},
        {"\x92\x22\x90", 3, "PING: expected a map, got an array"},
        {"\x92\x22\x81\xa1k\x01", 6, "PING: field number: expected an integer"},
        {"\x92\x22\x81\x01\xff", 5, "PING: version: expected an integer, got a neg"},
        {"\x92\x22\x81\x01\x00", 5, "PING: version: 0 is not within 1 .. 4294967295"},
        {"\x92\x22\x80", 3, "PING: version: missing"},
        {"\x92\x22\x81\x05\x00", 5, "PING: version: missing"},
        /* Heads that promise what is not there. */
        {"\xdd\xff\xff\xff\xff", 5, "ends too early"},
        {"\x92\x22\xdf\xff\xff\xff\xff", 7, "ends too early"},
        {"\x92\x06\x81\x01\xdb\xff\xff\xff\xff", 9, "BYE: text: the message ends"},
        {"\x92\x03\x81\x0f\xdd\0\0\xff\xff\x90", 10, "RESULT: points: the message ends"},
        {"\x92\x02\x81\x02\x92\x80\x80", 7, "BEAT: running: the message ends"},
        {"\x92\x02\x81\x02\x91\x84\x01\x01\x02\x01\x03", 11, "ends too early"},
        {"\x92\x02\x81\x02\x92\x82\x01\x01\x02\x01\x82\x01\x01\x02\x00", 15,
         "BEAT: running: item 1: attempt: 0 is not within 1 .. 4294967295"},
        {"\x92\x06\x81\x01\xa3"
         "a\0b",
         8, "BYE: text: a text must not have a NUL byte"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i].bytes, cases[i].size, cases[i].part);
}

static void test_integers_of_any_width(void **state)
{
    static const struct raw_item sevens[] = {
        {"\x07", 1},
        {"\xcc\x07", 2},
        {"\xcd\0\x07", 3},
        {"\xce\0\0\0\x07", 5},
        {"\xcf\0\0\0\0\0\0\0\x07", 9},
        {"\xd0\x07", 2},
        {"\xd1\0\x07", 3},
        {"\xd2\0\0\0\x07", 5},
        {"\xd3\0\0\0\0\0\0\0\x07", 9},
    };
    struct buf bytes = {0};
    struct msg msg;

    (void)state;
    for (size_t i = 0; i < sizeof sevens / sizeof sevens[0]; i++) {
        buf_clear(&bytes);
        buf_add(&bytes, "\x92\x22\x81\x01", 4);
        buf_add(&bytes, sevens[i].bytes, sevens[i].size);
        decode_ok(&bytes, &msg);
        assert_int_equal(msg.ping.version, 7);
        msg_free(&msg);
    }
    expect_refused("\x92\x22\x81\x01\xd0\x80", 6, "a negative integer");
    expect_refused("\x92\x22\x81\x01\xd3\xff\xff\xff\xff\xff\xff\xff\xff", 13,
                   "a negative integer");
    buf_free(&bytes);
}

/* As deep as a message can be: no recursion, no memory. */
static void test_deep_nesting(void **state)
{
    struct buf bytes = {0};
    struct msg msg;

    (void)state;
    buf_add(&bytes, "\x92\x17\x81\x3f", 4); /* DRAIN with an unknown field */
    char *at = buf_reserve(&bytes, PROTO_MESSAGE_MAX - 4);
    assert_non_null(at);
    memset(at, 0x91, PROTO_MESSAGE_MAX - 4);
    bytes.size = PROTO_MESSAGE_MAX - 1;
    expect_refused(bytes.data, bytes.size, "DRAIN: the message ends too early");
    bytes.data[bytes.size - 1] = (char)0xc0;
    decode_ok(&bytes, &msg);
    msg_free(&msg);
    bytes.data[bytes.size - 1] = (char)0x91;
    bytes.data[bytes.size] = (char)0xc0;
    bytes.size++;
    decode_ok(&bytes, &msg);
    msg_free(&msg);
    buf_add(&bytes, "", 1);
    expect_refused(bytes.data, bytes.size, "16777217 bytes, the most a message has");
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bound_is_kept_when_decoding),
        cmocka_unit_test(test_missing_and_doubled_fields),
        cmocka_unit_test(test_optional_columns),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_unknown_fields_are_skipped),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_random_flips),
        cmocka_unit_test(test_not_messages),
        cmocka_unit_test(test_integers_of_any_width),
        cmocka_unit_test(test_deep_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
