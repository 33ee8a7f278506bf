/* idmap_test.c - what was put is found, however much was. */
#include "hub/ctl/idmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define MANY 100000

static void id_of(uint32_t i, uint8_t id[ID_BYTES])
{
    memset(id, 0, ID_BYTES);
    memcpy(id, &i, sizeof(i));
}

static void what_was_put_is_found_and_nothing_else(void **state)
{
    (void)state;
    struct idmap m = {0};
    uint8_t id[ID_BYTES];
    uint32_t got;
    id_of(0, id);
    assert_false(idmap_get(&m, id, &got));
    for (uint32_t i = 0; i < MANY; i++) {
        id_of(i, id);
        assert_int_equal(idmap_put(&m, id, i * 3), ERR_OK);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        id_of(i, id);
        assert_true(idmap_get(&m, id, &got));
        assert_int_equal(got, i * 3);
        id_of(i + MANY, id);
        assert_false(idmap_get(&m, id, &got));
    }
    assert_int_equal(m.n, MANY);
    idmap_fini(&m);
}

static void the_last_number_of_an_id_counts(void **state)
{
    (void)state;
    struct idmap m = {0};
    uint8_t id[ID_BYTES];
    uint32_t got;
    id_of(7, id);
    assert_int_equal(idmap_put(&m, id, 1), ERR_OK);
    assert_int_equal(idmap_put(&m, id, 2), ERR_OK);
    assert_true(idmap_get(&m, id, &got));
    assert_int_equal(got, 2);
    assert_int_equal(m.n, 1);
    idmap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_and_nothing_else),
        cmocka_unit_test(the_last_number_of_an_id_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
