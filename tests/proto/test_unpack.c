/* The cursor, against the msgpack library: whatever that packs is read back the
 * same, ends where it should, and is refused when a byte is missing. */

#include "proto/unpack.h"

#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct pack {
    msgpack_sbuffer bytes;
    msgpack_packer packer;
};

static int pack_make(void **state)
{
    struct pack *pack = malloc(sizeof *pack);

    assert_non_null(pack);
    msgpack_sbuffer_init(&pack->bytes);
    msgpack_packer_init(&pack->packer, &pack->bytes, msgpack_sbuffer_write);
    *state = pack;
    return 0;
}

static int pack_free(void **state)
{
    struct pack *pack = *state;

    msgpack_sbuffer_destroy(&pack->bytes);
    free(pack);
    return 0;
}

/* Read the one item that was packed: whole, in a copy without a byte to spare,
 * and cut at every byte. */
static struct unpack_item take(struct pack *pack)
{
    static unsigned char copy[1 << 20];
    size_t size = pack->bytes.size;
    unsigned char *tight = malloc(size);
    struct unpack_item item;
    struct unpack in = {tight, tight + size}, whole = in;

    assert_non_null(tight);
    assert_true(size <= sizeof copy);
    memcpy(tight, pack->bytes.data, size);
    memcpy(copy, tight, size);
    for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : size / 7) {
        struct unpack less = {tight, tight + cut};
        assert_int_equal(unpack_skip(&less), -1);
        assert_ptr_equal(less.at, tight);
    }
    assert_int_equal(unpack_skip(&whole), 0);
    assert_ptr_equal(whole.at, whole.end);
    assert_int_equal(unpack_next(&in, &item), 0);
    if (item.bytes.data) /* it outlives the copy */
        item.bytes.data = (char *)copy + (size_t)(item.bytes.data - (char *)tight);
    free(tight);
    msgpack_sbuffer_clear(&pack->bytes);
    return item;
}

static void test_integers(void **state)
{
    struct pack *pack = *state;
    struct unpack_item item;

    for (unsigned bit = 0; bit < 64; bit++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t number = ((uint64_t)1 << bit) + (uint64_t)off;
            msgpack_pack_uint64(&pack->packer, number);
            item = take(pack);
            assert_int_equal(item.type, UNPACK_UINT);
            assert_true(item.number == number);
            int64_t negative = -(int64_t)(number & INT64_MAX);
            msgpack_pack_int64(&pack->packer, negative);
            assert_int_equal(take(pack).type,
                             negative < 0 ? UNPACK_NEGATIVE : UNPACK_UINT);
        }
    }
    msgpack_pack_fix_int64(&pack->packer, 5);
    assert_int_equal(take(pack).number, 5);
    msgpack_pack_fix_int8(&pack->packer, -5);
    assert_int_equal(take(pack).type, UNPACK_NEGATIVE);
}

static void test_scalars(void **state)
{
    struct pack *pack = *state;
    struct unpack_item item;

    msgpack_pack_nil(&pack->packer);
    assert_int_equal(take(pack).type, UNPACK_NIL);
    msgpack_pack_true(&pack->packer);
    item = take(pack);
    assert_int_equal(item.type, UNPACK_BOOL);
    assert_int_equal(item.number, 1);
    msgpack_pack_false(&pack->packer);
    assert_int_equal(take(pack).number, 0);
    msgpack_pack_float(&pack->packer, 1.5f);
    assert_int_equal(take(pack).type, UNPACK_REAL32);
    msgpack_pack_double(&pack->packer, -0.1);
    item = take(pack);
    assert_int_equal(item.type, UNPACK_REAL64);
    assert_true(item.real == -0.1);
}

static void test_strings(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 4, 8, 16, 31, 32, 255, 256, 65535, 65536};
    static char bytes[65536];
    struct pack *pack = *state;
    struct unpack_item item;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        memset(bytes, (int)i, size);
        msgpack_pack_str_with_body(&pack->packer, bytes, size);
        item = take(pack);
        assert_int_equal(item.type, UNPACK_TEXT);
        assert_int_equal(item.bytes.size, size);
        assert_memory_equal(item.bytes.data, bytes, size);
        msgpack_pack_bin_with_body(&pack->packer, bytes, size);
        item = take(pack);
        assert_int_equal(item.type, UNPACK_BYTES);
        assert_int_equal(item.bytes.size, size);
        msgpack_pack_ext_with_body(&pack->packer, bytes, size, 7);
        assert_int_equal(take(pack).type, UNPACK_EXT);
    }
}

static void test_containers(void **state)
{
    static const size_t counts[] = {0, 1, 15, 16, 65535, 65536};
    struct pack *pack = *state;
    struct unpack_item item;

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        msgpack_pack_array(&pack->packer, counts[i]);
        for (size_t k = 0; k < counts[i]; k++)
            msgpack_pack_int(&pack->packer, 7);
        item = take(pack);
        assert_int_equal(item.type, UNPACK_ARRAY);
        assert_int_equal(item.number, counts[i]);
        msgpack_pack_map(&pack->packer, counts[i]);
        for (size_t k = 0; k < 2 * counts[i]; k++)
            msgpack_pack_nil(&pack->packer);
        item = take(pack);
        assert_int_equal(item.type, UNPACK_MAP);
        assert_int_equal(item.number, counts[i]);
    }
}

/* Any item with at most `depth` levels inside. */
static void pack_any(msgpack_packer *to, uint64_t *seed, int depth)
{
    static const char bytes[300];
    uint64_t draw = *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    size_t count = (size_t)(draw >> 40) % 20;

    switch ((draw >> 33) % (depth > 0 ? 10 : 8)) {
    case 0:
        msgpack_pack_nil(to);
        break;
    case 1:
        msgpack_pack_true(to);
        break;
    case 2:
        msgpack_pack_uint64(to, draw >> (draw & 63));
        break;
    case 3:
        msgpack_pack_int64(to, -(int64_t)(draw >> 1 >> (draw & 62)));
        break;
    case 4:
        msgpack_pack_double(to, (double)draw);
        break;
    case 5:
        msgpack_pack_str_with_body(to, bytes, count * 15);
        break;
    case 6:
        msgpack_pack_bin_with_body(to, bytes, count * 15);
        break;
    case 7:
        msgpack_pack_ext_with_body(to, bytes, count, 1);
        break;
    case 8:
        msgpack_pack_array(to, count);
        for (size_t i = 0; i < count; i++)
            pack_any(to, seed, depth - 1);
        break;
    default:
        msgpack_pack_map(to, count);
        for (size_t i = 0; i < 2 * count; i++)
            pack_any(to, seed, depth - 1);
    }
}

static void test_anything(void **state)
{
    struct pack *pack = *state;

    for (uint64_t seed = 1; seed < 3000; seed++) {
        uint64_t run = seed;
        pack_any(&pack->packer, &run, 3);
        take(pack);
    }
}

static void test_the_unused_byte(void **state)
{
    static const unsigned char bytes[] = {0x93, 0xc0, 0xc1, 0xc0};
    struct unpack in = {bytes, bytes + sizeof bytes};
    struct unpack_item item;

    (void)state;
    assert_int_equal(unpack_skip(&in), -1);
    assert_ptr_equal(in.at, bytes);
    in.at += 2;
    assert_int_equal(unpack_next(&in, &item), -1);
}

#define WITH_PACK(test) cmocka_unit_test_setup_teardown(test, pack_make, pack_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PACK(test_integers), WITH_PACK(test_scalars),
        WITH_PACK(test_strings),  WITH_PACK(test_containers),
        WITH_PACK(test_anything), cmocka_unit_test(test_the_unused_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
