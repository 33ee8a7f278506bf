/* tiles_test.c - names of tiles, and the tree they make. */
#include "hub/ctl/tiles.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

static void names_are_those_of_tlog_tiles(void **state)
{
    static const struct {
        int level;
        uint64_t n;
        unsigned width;
        const char *want;
    } CASES[] = {
        {0, 0, 256, "F/tile/0/000"},
        {0, 5, 17, "F/tile/0/005.p/17"},
        {1, 999, 256, "F/tile/1/999"},
        {0, 1000, 256, "F/tile/0/x001/000"},
        {2, 1234067, 8, "F/tile/2/x001/x234/067.p/8"},
        {-1, 273, 1, "F/tile/entries/273.p/1"},
    };
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        char path[128];
        tile_path("F", CASES[i].level, CASES[i].n, CASES[i].width, path,
                  sizeof(path));
        assert_string_equal(path, CASES[i].want);
    }
}

/* RFC 9162 2.1.1, straight from its words. */
static struct hash slow_root(const struct hash *leaf, uint64_t n)
{
    uint64_t k = 1;
    if (n == 1)
        return leaf[0];
    while (k * 2 < n)
        k *= 2;
    return proof_node(slow_root(leaf, k), slow_root(leaf + k, n - k));
}

static void the_root_is_that_of_the_standard(void **state)
{
    static struct hash leaf[600];
    (void)state;
    for (size_t i = 0; i < NELEM(leaf); i++)
        leaf[i].b[0] = (uint8_t)i, leaf[i].b[1] = (uint8_t)(i >> 8);
    for (uint64_t n = 1; n <= NELEM(leaf); n++) {
        struct hash got, want = slow_root(leaf, n);
        assert_int_equal(tiles_root(leaf, n, &got), ERR_OK);
        assert_memory_equal(got.b, want.b, HASH_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_tlog_tiles),
        cmocka_unit_test(the_root_is_that_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
