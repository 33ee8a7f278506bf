/* part_test.c - bodies cut by class and joined: every type, every field. */
#include "proto/wire/part.h"
#include "sample.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *s) /* xorshift64 */
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* The sample body with the fields of some classes only, made without cutting
 * anything. */
static void fill_classes(const struct schema_message *m, uint64_t mask,
                         struct buf *b)
{
    for (size_t i = 0; i < m->field_count; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if ((mask & class_bit(m->fields[i].cls)) == 0)
            continue;
        sample_field(m->descriptor, f, b);
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            sample_field(m->descriptor, f, b);
    }
}

/* Joins the parts in mask, from the highest class to the lowest. */
static void check_subset(const struct schema_message *m,
                         const struct buf *bodies, uint64_t mask)
{
    struct part parts[CLASS_MAX];
    size_t n = 0;
    for (size_t i = m->class_count; i-- > 0;)
        if ((mask & class_bit(m->classes[i])) != 0)
            parts[n++] = (struct part){.cls = m->classes[i],
                                       .body = buf_slice(&bodies[i])};
    struct buf joined = {0}, want = {0};
    assert_int_equal(part_merge(m, parts, n, &joined), ERR_OK);
    fill_classes(m, mask, &want);
    if (!slice_eq(buf_slice(&joined), buf_slice(&want)))
        fail_msg("%s: classes %llx", m->event_name, (unsigned long long)mask);
    ProtobufCMessage *body;
    assert_int_equal(unpack(m->descriptor, buf_slice(&joined), &body), ERR_OK);
    unpack_free(&body);
    buf_fini(&joined);
    buf_fini(&want);
}

static uint64_t spread(const struct schema_message *m, uint64_t bits)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < m->class_count; i++)
        if ((bits >> i & 1) != 0)
            mask |= class_bit(m->classes[i]);
    return mask;
}

static void check_subsets(const struct schema_message *m)
{
    struct buf body = {0}, bodies[CLASS_MAX] = {{0}};
    sample_fill(m->descriptor, &body);
    assert_int_equal(part_split(m, buf_slice(&body), bodies), ERR_OK);
    uint64_t seed = 88172645463325252u;
    size_t all = m->class_count <= 10 ? (size_t)1 << m->class_count : 400;
    for (size_t i = 0; i < all; i++)
        check_subset(m, bodies,
                     spread(m, m->class_count <= 10 ? i : next_random(&seed)));
    check_subset(m, bodies, m->class_mask);
    for (size_t i = 0; i < CLASS_MAX; i++)
        buf_fini(&bodies[i]);
    buf_fini(&body);
}

static void any_subset_joins_to_the_body_less_what_is_withheld(
    void **state) /* W-030, W-036 */
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].event != 0)
            check_subsets(&SCHEMA_MESSAGES[i]);
}

static void check_field_against_classes(const struct schema_message *m,
                                        size_t i)
{
    struct buf b = {0};
    sample_field(m->descriptor, &m->descriptor->fields[i], &b);
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        enum err want = c == m->fields[i].cls ? ERR_OK : ERR_EVT_CLASS;
        if (part_check(m, c, buf_slice(&b)) != want)
            fail_msg("%s.%s as %s", m->event_name, m->fields[i].name,
                     class_name(c));
    }
    buf_fini(&b);
}

static void every_field_is_refused_in_every_wrong_part(void **state) /* W-035 */
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        for (size_t k = 0; k < SCHEMA_MESSAGES[i].field_count; k++)
            if (SCHEMA_MESSAGES[i].event != 0)
                check_field_against_classes(&SCHEMA_MESSAGES[i], k);
}

/* W-035 */
static void one_stray_field_among_right_ones_is_refused(void **state)
{
    (void)state;
    struct slice s = slice_str("\x22\x01"
                               "A\x52\x01"
                               "B"); /* postal, dx_main */
    const struct schema_message *m = schema_event(1001);
    assert_int_equal(part_check(m, 4, s), ERR_EVT_CLASS);
    assert_int_equal(part_check(m, 10, s), ERR_EVT_CLASS);
    assert_int_equal(part_check(m, 4, slice_of(s.p, 3)), ERR_OK);
}

static const struct {
    const char *name;
    unsigned cls;
    const char *body;
    enum err want;
} BAD[] = {
    {"I-12 a field unknown to the schema", 4, "\xf8\x01\x01",
     ERR_PB_UNKNOWN_FIELD},
    {"a field cut off", 4,
     "\x22\x02"
     "A",
     ERR_PB_MALFORMED},
    {"a field twice", 4,
     "\x22\x01"
     "A\x22\x01"
     "B",
     ERR_PB_DUPLICATE},
    {"a class the type cannot have", 12, "", ERR_EVT_CLASS},
    {"a routing part that is no Routing", 0, "\x78\x01", ERR_PB_UNKNOWN_FIELD},
};

static void bad_parts_are_neither_checked_nor_joined(void **state)
{
    (void)state;
    const struct schema_message *m = schema_event(1001);
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct part p = {.cls = BAD[i].cls, .body = slice_str(BAD[i].body)};
        struct buf out = {0};
        if (part_check(m, p.cls, p.body) != BAD[i].want ||
            part_merge(m, &p, 1, &out) != BAD[i].want || out.n != 0)
            fail_msg("%s", BAD[i].name);
        buf_fini(&out);
    }
}

static void two_parts_of_one_class_are_refused(void **state)
{
    (void)state;
    struct part p[] = {{.cls = 4}, {.cls = 4}};
    struct buf out = {0};
    assert_int_equal(part_merge(schema_event(1001), p, 2, &out), ERR_EVT_PARTS);
    buf_fini(&out);
}

static void what_is_no_message_is_not_cut(void **state)
{
    (void)state;
    struct buf bodies[CLASS_MAX] = {{0}};
    const struct schema_message *m = schema_event(1001);
    assert_int_equal(part_split(m, slice_str("\xf8\x01\x01"), bodies),
                     ERR_PB_UNKNOWN_FIELD);
    assert_int_equal(part_split(m,
                                slice_str("\x60\x01\x22\x01"
                                          "A"),
                                bodies),
                     ERR_PB_NOT_CANONICAL);
    for (size_t i = 0; i < CLASS_MAX; i++)
        buf_fini(&bodies[i]);
}

/* Values from another program (Python's hmac). */
static const struct {
    unsigned cls;
    const char *body, *want;
} COMMITMENTS[] = {
    {2,
     "\x0a\x03\x0a\x01"
     "A",
     "d069e7c5115dd4deb39ec89994931e39c4d12f1c9cf4492af1e94ac41c0459ed"},
    {10, "",
     "c93d9f2571ace62bf8743dcefc6af026b19aad442c04befe05bcfb45559b0db0"},
};

/* W-032 */
static void a_commitment_is_hmac_over_prefix_class_and_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(COMMITMENTS); i++) {
        struct part p = {.cls = COMMITMENTS[i].cls,
                         .body = slice_str(COMMITMENTS[i].body)};
        for (uint8_t k = 0; k < SALT_BYTES; k++)
            p.salt[k] = k;
        uint8_t got[COMMIT_BYTES], want[COMMIT_BYTES];
        assert_int_equal(hex_decode(COMMITMENTS[i].want, want, COMMIT_BYTES),
                         ERR_OK);
        part_commit(&p, got);
        assert_memory_equal(got, want, COMMIT_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_subset_joins_to_the_body_less_what_is_withheld),
        cmocka_unit_test(every_field_is_refused_in_every_wrong_part),
        cmocka_unit_test(one_stray_field_among_right_ones_is_refused),
        cmocka_unit_test(bad_parts_are_neither_checked_nor_joined),
        cmocka_unit_test(two_parts_of_one_class_are_refused),
        cmocka_unit_test(what_is_no_message_is_not_cut),
        cmocka_unit_test(a_commitment_is_hmac_over_prefix_class_and_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
