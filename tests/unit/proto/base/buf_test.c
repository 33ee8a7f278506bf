/* buf_test.c - buffers, hex and files. */
#include "proto/base/buf.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void it_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 5000; i++) {
        buf_addc(&b, (char)('a' + i % 26));
        assert_int_equal(b.p[b.n], 0);
    }
    assert_int_equal(b.n, 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    buf_fini(&b);
    assert_null(b.p);
}

static void formatted_text_is_appended_whole(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_adds(&b, "x");
    for (int i = 0; i < 100; i++)
        buf_addf(&b, "%06d", i);
    assert_int_equal(b.n, 601);
    assert_memory_equal(b.p + 595, "000099", 7);
    buf_fini(&b);
}

static void a_failed_buffer_stays_failed(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_adds(&b, "kept");
    buf_add(&b, b.p, SIZE_MAX / 2);
    assert_true(b.failed);
    buf_adds(&b, "more");
    assert_int_equal(b.n, 4);
    buf_reset(&b);
    buf_adds(&b, "new");
    assert_string_equal((char *)b.p, "new");
    buf_fini(&b);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_add_json(&b, "a\"b\\c\n\x01 架空/\x7f");
    assert_string_equal((char *)b.p, "\"a\\\"b\\\\c\\n\\u0001 架空/\\u007f\"");
    buf_fini(&b);
}

static void slices_compare_by_content(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_str("ab"), slice_of("abc", 2)));
    assert_false(slice_eq(slice_str("ab"), slice_str("ac")));
    assert_false(slice_eq(slice_str("ab"), slice_str("abc")));
    assert_true(slice_eq(SLICE_NONE, slice_str("")));
    assert_int_equal(slice_str(NULL).n, 0);
}

static const struct {
    const char *name, *hex;
    size_t n;
    enum err want;
} HEX[] = {
    {"both cases are read", "00fFAb", 3, ERR_OK},
    {"nothing is nothing", "", 0, ERR_OK},
    {"too short is refused", "00f", 2, ERR_VAL_FIELD},
    {"too long is refused", "00ff0", 2, ERR_VAL_FIELD},
    {"other letters are refused", "00fg", 2, ERR_VAL_FIELD},
    {"blanks are refused", "0 ff", 2, ERR_VAL_FIELD},
};

static void hex_follows_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(HEX); i++) {
        uint8_t out[8];
        if (hex_decode(HEX[i].hex, out, HEX[i].n) != HEX[i].want)
            fail_msg("%s", HEX[i].name);
    }
}

static void hex_survives_a_round_trip(void **state)
{
    (void)state;
    uint8_t all[256], back[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    struct buf b = {0};
    buf_add_hex(&b, slice_of(all, sizeof(all)));
    assert_int_equal(hex_decode((char *)b.p, back, 256), ERR_OK);
    assert_memory_equal(all, back, 256);
    buf_fini(&b);
}

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/buf_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a temporary file was left */
}

static void a_replaced_file_holds_the_new_bytes(void **state)
{
    (void)state;
    char path[128];
    struct buf b = {0};
    struct stat st;
    snprintf(path, sizeof(path), "%s/f", folder);
    assert_int_equal(file_replace(path, slice_str("old"), 0640), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(file_replace(path, slice_str("newer"), 0600), ERR_OK);
    assert_int_equal(file_read(path, 5, &b), ERR_OK);
    assert_string_equal((char *)b.p, "newer");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_fini(&b);
    unlink(path);
}

static void a_large_file_is_refused(void **state)
{
    (void)state;
    char path[128];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/f", folder);
    assert_int_equal(file_replace(path, slice_str("123456"), 0600), ERR_OK);
    assert_int_equal(file_read(path, 5, &b), ERR_FILE_SIZE);
    buf_fini(&b);
    unlink(path);
}

static void missing_and_unusable_paths_differ(void **state)
{
    (void)state;
    char path[128];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/none", folder);
    assert_int_equal(file_read(path, 5, &b), ERR_NOT_FOUND);
    assert_int_equal(file_read(folder, 5, &b), ERR_IO);
    snprintf(path, sizeof(path), "%s/no/f", folder);
    assert_int_equal(file_replace(path, slice_str("x"), 0600), ERR_IO);
    snprintf(path, sizeof(path), "%s/sub", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(file_replace(path, slice_str("x"), 0600), ERR_IO);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0); /* no temporary file was left */
    assert_int_equal(mkdir(folder, 0700), 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_and_stays_terminated),
        cmocka_unit_test(formatted_text_is_appended_whole),
        cmocka_unit_test(a_failed_buffer_stays_failed),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(slices_compare_by_content),
        cmocka_unit_test(hex_follows_the_table),
        cmocka_unit_test(hex_survives_a_round_trip),
        cmocka_unit_test(a_replaced_file_holds_the_new_bytes),
        cmocka_unit_test(a_large_file_is_refused),
        cmocka_unit_test(missing_and_unusable_paths_differ),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
