/* unpack_test.c - what unpack refuses, and that it takes the
 * rest. Bytes are written by hand: protobuf-c could not make most of them. */
#include "proto/wire/unpack.h"
#include "sample.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include <google/protobuf/descriptor.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ADMISSION &pb__admission_recorded__descriptor
#define CANVASS &pb__stay_canvass__descriptor
#define EVENT &pb__event__descriptor
#define BYTES(s) s, sizeof(s) - 1

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *d;
    const char *bytes;
    size_t n;
    enum err want;
} CASES[] = {
    /* clang-format off */
    {"an empty message is a message", ADMISSION, BYTES(""), ERR_OK},
    {"W-020 fields in order, once, are taken", ADMISSION,
     BYTES("\x0a\x03\x0a\x01" "A" "\x18\x01\x22\x01" "B" "\x60\x01"), ERR_OK},
    {"W-020 an empty string is not an absent one, and taken", ADMISSION, BYTES("\x22\x00"), ERR_OK},
    {"W-020 empty bytes are taken", EVENT, BYTES("\x0a\x00"), ERR_OK},
    {"W-020 repeated values are taken", CANVASS, BYTES("\x40\x01\x40\x01"), ERR_OK},
    {"W-020 the largest varint is taken", CANVASS, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ERR_OK},
    {"W-023 unknown field", ADMISSION, BYTES("\xf8\x01\x01"), ERR_PB_UNKNOWN_FIELD},
    {"W-023 unknown field one level down", ADMISSION, BYTES("\x0a\x03\x20\x01\x01"), ERR_PB_UNKNOWN_FIELD},
    {"W-023 unknown field two levels down", &pb__emergency_registered__descriptor,
     BYTES("\x32\x05\x0a\x03\x22\x01" "A"), ERR_PB_UNKNOWN_FIELD},
    {"W-023 the largest field number is unknown", ADMISSION, BYTES("\xf8\xff\xff\xff\x0f\x01"), ERR_PB_UNKNOWN_FIELD},
    {"W-024 unknown enum value", ADMISSION, BYTES("\x18\x63"), ERR_PB_UNKNOWN_ENUM},
    {"W-024 enum value of more than 32 bits", ADMISSION, BYTES("\x18\x81\x80\x80\x80\x10"), ERR_PB_UNKNOWN_ENUM},
    {"W-024 negative enum value", ADMISSION, BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ERR_PB_UNKNOWN_ENUM},
    {"W-024 unknown enum value in a list", CANVASS, BYTES("\x40\x01\x40\x63"), ERR_PB_UNKNOWN_ENUM},
    {"W-025 overlong UTF-8", ADMISSION, BYTES("\x22\x02\xc0\xaf"), ERR_PB_UTF8},
    {"W-025 a surrogate", ADMISSION, BYTES("\x22\x03\xed\xa0\x80"), ERR_PB_UTF8},
    {"W-025 CP932 in place of UTF-8", ADMISSION, BYTES("\x22\x02\x89\xcb"), ERR_PB_UTF8},
    {"W-025 a character cut off", ADMISSION, BYTES("\x22\x02\xe6\x9e"), ERR_PB_UTF8},
    {"W-025 bad UTF-8 one level down", ADMISSION, BYTES("\x0a\x03\x0a\x01\xff"), ERR_PB_UTF8},
    {"W-026 NUL in a string", ADMISSION, BYTES("\x22\x03" "A\0B"), ERR_PB_NUL},
    {"W-026 NUL one level down", ADMISSION, BYTES("\x0a\x03\x0a\x01\0"), ERR_PB_NUL},
    {"W-027 a singular field twice", ADMISSION, BYTES("\x22\x01" "A" "\x22\x01" "B"), ERR_PB_DUPLICATE},
    {"W-027 the same singular field twice", ADMISSION, BYTES("\x60\x01\x60\x01"), ERR_PB_DUPLICATE},
    {"W-027 a singular message twice", ADMISSION, BYTES("\x0a\x00\x0a\x00"), ERR_PB_DUPLICATE},
    {"W-027 twice, one level down", ADMISSION, BYTES("\x0a\x04\x18\x01\x18\x01"), ERR_PB_DUPLICATE},
    {"W-028 fields out of order", ADMISSION, BYTES("\x2a\x01" "A" "\x22\x01" "B"), ERR_PB_NOT_CANONICAL},
    {"W-028 a list interrupted", CANVASS, BYTES("\x40\x01\x48\x01\x40\x01"), ERR_PB_NOT_CANONICAL},
    {"W-028 a value in more bytes than it needs", ADMISSION, BYTES("\x60\x81\x00"), ERR_PB_NOT_CANONICAL},
    {"W-028 a tag in more bytes than it needs", ADMISSION, BYTES("\xe0\x00\x01"), ERR_PB_NOT_CANONICAL},
    {"W-028 a length in more bytes than it needs", ADMISSION, BYTES("\x22\x81\x00" "A"), ERR_PB_NOT_CANONICAL},
    {"W-028 a bool of 2", ADMISSION, BYTES("\x60\x02"), ERR_PB_NOT_CANONICAL},
    {"W-028 a uint32 of 33 bits", CANVASS, BYTES("\x10\x80\x80\x80\x80\x10"), ERR_PB_NOT_CANONICAL},
    {"W-020 a varint of 65 bits", CANVASS, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), ERR_PB_MALFORMED},
    {"W-020 a varint of 11 bytes", CANVASS, BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), ERR_PB_MALFORMED},
    {"W-020 a varint cut off", CANVASS, BYTES("\x08\x80"), ERR_PB_MALFORMED},
    {"W-020 a tag without value", CANVASS, BYTES("\x08"), ERR_PB_MALFORMED},
    {"W-020 a string longer than the message", ADMISSION, BYTES("\x22\x02" "A"), ERR_PB_MALFORMED},
    {"W-020 a length near 2^64", ADMISSION, BYTES("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" "A"), ERR_PB_MALFORMED},
    {"W-020 field number 0", ADMISSION, BYTES("\x00\x01"), ERR_PB_MALFORMED},
    {"W-020 field number above 2^29-1", ADMISSION, BYTES("\x80\x80\x80\x80\x10\x01"), ERR_PB_MALFORMED},
    {"W-020 a group", ADMISSION, BYTES("\x23\x24"), ERR_PB_MALFORMED},
    {"W-020 a group, unknown", ADMISSION, BYTES("\xfb\x01\xfc\x01"), ERR_PB_MALFORMED},
    {"W-020 wire type 6", ADMISSION, BYTES("\x26\x01"), ERR_PB_MALFORMED},
    {"W-020 wire type 7", ADMISSION, BYTES("\x27\x01"), ERR_PB_MALFORMED},
    {"W-020 a number where a string belongs", ADMISSION, BYTES("\x20\x01"), ERR_PB_MALFORMED},
    {"W-020 a string where a number belongs", ADMISSION, BYTES("\x62\x01\x01"), ERR_PB_MALFORMED},
    {"W-028 a packed list", CANVASS, BYTES("\x42\x02\x01\x01"), ERR_PB_MALFORMED},
}; /* clang-format on */

static void bytes_are_taken_or_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct slice s = slice_of(CASES[i].bytes, CASES[i].n);
        ProtobufCMessage *m;
        enum err e = unpack(CASES[i].d, s, &m);
        if (e != CASES[i].want || (e == ERR_OK) != (m != NULL))
            fail_msg("%s: %s", CASES[i].name, err_code(e));
        if (unpack_walk(CASES[i].d, s) != CASES[i].want)
            fail_msg("%s: by the walk", CASES[i].name);
        unpack_free(&m);
        assert_null(m);
    }
}

static void every_message_goes_round(void **state) /* W-020 */
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const ProtobufCMessageDescriptor *d = SCHEMA_MESSAGES[i].descriptor;
        struct buf b = {0}, again = {0};
        sample_fill(d, &b);
        ProtobufCMessage *m;
        enum err e = unpack(d, buf_slice(&b), &m);
        if (e != ERR_OK)
            fail_msg("%s: %s", d->name, err_code(e));
        assert_int_equal(pack(m, &again), ERR_OK);
        assert_true(slice_eq(buf_slice(&b), buf_slice(&again)));
        unpack_free(&m);
        buf_fini(&b);
        buf_fini(&again);
    }
}

/* Puts `layers` messages of field 3 (nested_type) around nothing. */
static void nest(struct buf *b, size_t layers)
{
    for (size_t i = 0; i < layers; i++) {
        struct buf around = {0};
        sample_counted(&around, 3, buf_slice(b));
        buf_fini(b);
        *b = around;
    }
}

/* No schema of ours is recursive, so protobuf's own serves here. */
static void w021_nesting_ends_at_eight(void **state) /* W-021 */
{
    (void)state;
    for (size_t layers = 0; layers < 12; layers++) {
        struct buf b = {0};
        nest(&b, layers);
        assert_int_equal(
            unpack_walk(&google__protobuf__descriptor_proto__descriptor,
                        buf_slice(&b)),
            layers < 8 ? ERR_OK : ERR_PB_DEPTH);
        buf_fini(&b);
    }
}

static void w021_a_nesting_bomb_of_35_kb_is_refused(void **state) /* W-021 */
{
    (void)state;
    struct buf b = {0};
    nest(&b, 12000);
    assert_true(b.n > 35000);
    ProtobufCMessage *m;
    assert_int_equal(unpack(&google__protobuf__descriptor_proto__descriptor,
                            buf_slice(&b), &m),
                     ERR_PB_DEPTH);
    buf_fini(&b);
}

/* W-022 */
static void w022_a_mebibyte_of_empty_messages_is_refused(void **state)
{
    (void)state;
    struct buf b = {0};
    for (size_t i = 0; i < 512 * 1024; i++)
        sample_counted(&b, 6, SLICE_NONE);
    ProtobufCMessage *m;
    assert_int_equal(
        unpack(&pb__emergency_registered__descriptor, buf_slice(&b), &m),
        ERR_PB_FIELDS);
    buf_fini(&b);
}

static void w022_4096_fields_are_walked_and_no_more(void **state) /* W-022 */
{
    (void)state;
    struct buf b = {0};
    for (size_t i = 0; i < 4096; i++)
        buf_adds(&b, "\x40\x01");
    assert_int_equal(unpack_walk(CANVASS, buf_slice(&b)), ERR_OK);
    buf_adds(&b, "\x40\x01");
    assert_int_equal(unpack_walk(CANVASS, buf_slice(&b)), ERR_PB_FIELDS);
    buf_fini(&b);
}

static void w022_fields_are_counted_over_all_depths(void **state) /* W-022 */
{
    (void)state;
    struct buf b = {0};
    for (size_t i = 0; i < 2049; i++)
        buf_add(&b, "\x32\x02\x12\x00", 4);
    assert_int_equal(
        unpack_walk(&pb__emergency_registered__descriptor, buf_slice(&b)),
        ERR_PB_FIELDS);
    buf_fini(&b);
}

static void w029_what_inflates_is_refused(void **state) /* W-029 */
{
    (void)state;
    struct buf b = {0};
    for (size_t i = 0; i < 4000; i++)
        sample_counted(&b, 6, SLICE_NONE); /* 8 kB, 400 kB as guardians */
    ProtobufCMessage *m;
    assert_int_equal(
        unpack(&pb__emergency_registered__descriptor, buf_slice(&b), &m),
        ERR_PB_BUDGET);
    assert_null(m);
    buf_fini(&b);
}

/* Every length of input reaches another place in protobuf-c. */
static void a_message_cut_anywhere_is_safe(void **state)
{
    (void)state;
    struct buf b = {0};
    sample_fill(ADMISSION, &b);
    for (size_t n = 0; n <= b.n; n++) {
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, b.p, n);
        ProtobufCMessage *m;
        enum err e = unpack(ADMISSION, slice_of(copy, n), &m);
        assert_int_equal(e == ERR_OK, m != NULL);
        unpack_free(&m);
        free(copy);
    }
    buf_fini(&b);
}

static void unpack_free_takes_null(void **state)
{
    (void)state;
    ProtobufCMessage *m = NULL;
    unpack_free(&m);
    assert_null(m);
}

static const struct {
    const char *name, *from;
    size_t n;
    const char *want;
    size_t want_n;
    enum err e;
} PRUNE[] = {
    /* clang-format off */
    {"what is known stays", BYTES("\x22\x01" "A"), BYTES("\x22\x01" "A"), ERR_OK},
    {"W-003 an unknown field goes", BYTES("\x22\x01" "A" "\xf8\x01\x01"), BYTES("\x22\x01" "A"), ERR_OK},
    {"W-003 an unknown field inside goes", BYTES("\x0a\x05\x0a\x01" "A" "\x20\x01"), BYTES("\x0a\x03\x0a\x01" "A"), ERR_OK},
    {"an unknown enum value goes", BYTES("\x18\x63\x60\x01"), BYTES("\x60\x01"), ERR_OK},
    {"another wire type is refused", BYTES("\x20\x01"), BYTES(""), ERR_PB_MALFORMED},
    {"what is cut off is refused", BYTES("\x22\x02" "A"), BYTES(""), ERR_PB_MALFORMED},
}; /* clang-format on */

static void pruning_leaves_what_the_schema_knows(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(PRUNE); i++) {
        struct buf out = {0};
        enum err e =
            unpack_prune(ADMISSION, slice_of(PRUNE[i].from, PRUNE[i].n), &out);
        if (e != PRUNE[i].e ||
            (e == ERR_OK &&
             !slice_eq(buf_slice(&out),
                       slice_of(PRUNE[i].want, PRUNE[i].want_n))))
            fail_msg("%s: %s", PRUNE[i].name, err_code(e));
        buf_fini(&out);
    }
    struct buf b = {0}, out = {0};
    nest(&b, 12000);
    assert_int_equal(
        unpack_prune(&google__protobuf__descriptor_proto__descriptor,
                     buf_slice(&b), &out),
        ERR_PB_DEPTH);
    buf_fini(&b);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_taken_or_refused_by_name),
        cmocka_unit_test(every_message_goes_round),
        cmocka_unit_test(w021_nesting_ends_at_eight),
        cmocka_unit_test(w021_a_nesting_bomb_of_35_kb_is_refused),
        cmocka_unit_test(w022_a_mebibyte_of_empty_messages_is_refused),
        cmocka_unit_test(w022_4096_fields_are_walked_and_no_more),
        cmocka_unit_test(w022_fields_are_counted_over_all_depths),
        cmocka_unit_test(w029_what_inflates_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_is_safe),
        cmocka_unit_test(unpack_free_takes_null),
        cmocka_unit_test(pruning_leaves_what_the_schema_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
