/* id_test.c - identifiers. */
#include "proto/base/id.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const uint64_t NOW = 1790000000123;

static uint64_t ms_of(struct id a)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | a.b[i];
    return ms;
}

static void a_new_id_is_version_7_and_carries_the_time(void **state)
{
    (void)state;
    struct id a = id_new(NOW);
    assert_true(id_is_v7(slice_of(a.b, ID_BYTES)));
    assert_in_range(ms_of(a), NOW, NOW + 1);
}

/* 20000 in one millisecond run the counter over several times; then the clock
 * goes back an hour. */
static void later_ids_sort_after_earlier_ones(void **state)
{
    (void)state;
    struct id last = id_new(NOW + 10);
    for (int i = 0; i < 20000; i++) {
        struct id a = id_new(i < 15000 ? NOW + 10 : NOW - 3600000);
        assert_true(memcmp(last.b, a.b, ID_BYTES) < 0);
        assert_true(id_is_v7(slice_of(a.b, ID_BYTES)));
        last = a;
    }
    assert_in_range(ms_of(last), NOW + 10, NOW + 20);
    struct id next = id_new(NOW + 100);
    assert_true(memcmp(last.b, next.b, ID_BYTES) < 0);
    assert_int_equal(ms_of(next), NOW + 100);
}

static void random_ids_differ(void **state)
{
    (void)state;
    struct id a = id_random(), b = id_random();
    assert_false(id_eq(a, b));
    assert_true(id_eq(a, a));
    assert_false(id_is_zero(a));
    assert_true(id_is_zero((struct id){{0}}));
}

static void text_survives_a_round_trip(void **state)
{
    (void)state;
    char text[ID_TEXT];
    struct id a = id_new(NOW + 200), b;
    id_format(a, text);
    assert_int_equal(strlen(text), ID_TEXT - 1);
    assert_int_equal(id_parse(text, &b), ERR_OK);
    assert_true(id_eq(a, b));
}

static const struct {
    const char *name, *text;
    enum err want;
} TEXTS[] = {
    {"the text form", "0190a5c1-0000-7000-8000-00000000000f", ERR_OK},
    {"capital letters", "0190A5C1-0000-7000-8000-00000000000F", ERR_OK},
    {"32 digits", "0190a5c10000700080000000000000ff", ERR_OK},
    {"empty", "", ERR_EVT_ID},
    {"a dash moved", "0190a5c-10000-7000-8000-00000000000f", ERR_EVT_ID},
    {"a letter", "0190a5c1-0000-7000-8000-00000000000g", ERR_EVT_ID},
    {"dashes alone", "------------------------------------", ERR_EVT_ID},
    {"a dash among 32", "0190a5c1-000700080000000000000ff", ERR_EVT_ID},
    {"too long", "0190a5c1-0000-7000-8000-00000000000f0", ERR_EVT_ID},
    {"braces", "{0190a5c10000700080000000000000}", ERR_EVT_ID},
};

static void parsing_follows_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TEXTS); i++) {
        struct id a;
        if (id_parse(TEXTS[i].text, &a) != TEXTS[i].want)
            fail_msg("%s", TEXTS[i].name);
    }
}

static void only_sixteen_bytes_make_an_id(void **state)
{
    (void)state;
    uint8_t b[17] = {1};
    struct id a;
    assert_int_equal(id_from(slice_of(b, 16), &a), ERR_OK);
    assert_memory_equal(a.b, b, 16);
    assert_int_equal(id_from(slice_of(b, 15), &a), ERR_EVT_ID);
    assert_int_equal(id_from(slice_of(b, 17), &a), ERR_EVT_ID);
    assert_int_equal(id_from(SLICE_NONE, &a), ERR_EVT_ID);
}

static void other_versions_are_not_v7(void **state)
{
    (void)state;
    struct id a = id_new(NOW + 300);
    a.b[6] = (uint8_t)(0x40 | (a.b[6] & 15));
    assert_false(id_is_v7(slice_of(a.b, 16)));
    a = id_new(NOW + 300);
    a.b[8] |= 0xc0;
    assert_false(id_is_v7(slice_of(a.b, 16)));
    a = id_new(NOW + 300);
    assert_false(id_is_v7(slice_of(a.b, 15)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_id_is_version_7_and_carries_the_time),
        cmocka_unit_test(later_ids_sort_after_earlier_ones),
        cmocka_unit_test(random_ids_differ),
        cmocka_unit_test(text_survives_a_round_trip),
        cmocka_unit_test(parsing_follows_the_table),
        cmocka_unit_test(only_sixteen_bytes_make_an_id),
        cmocka_unit_test(other_versions_are_not_v7),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
