/* text_test.c - what text may hold. */
#include "proto/base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const struct {
    const char *name, *text;
    size_t n;
    enum err utf8, field;
} CHECKS[] = {
    /* clang-format off */
    {"empty", "", 0, ERR_OK, ERR_OK},
    {"plain", "架空花子", 12, ERR_OK, ERR_OK},
    {"outside the BMP", "𠮷", 4, ERR_OK, ERR_OK},
    {"variation selector", "葛\xf3\xa0\x84\x80", 7, ERR_OK, ERR_OK},
    {"tab and newline", "a\tb\nc", 5, ERR_OK, ERR_OK},
    {"carriage return", "a\rb", 3, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"escape", "a\x1b[2J", 5, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"delete", "\x7f", 1, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"C1 control", "\xc2\x85", 2, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"right-to-left override", "\xe2\x80\xae", 3, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"isolate", "\xe2\x81\xa6", 3, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"last isolate", "\xe2\x81\xa9", 3, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"line separator", "\xe2\x80\xa8", 3, ERR_OK, ERR_VAL_TEXT_CONTROL},
    {"gaiji U+E000", "\xee\x80\x80", 3, ERR_OK, ERR_VAL_TEXT_PUA},
    {"gaiji U+F8FF", "\xef\xa3\xbf", 3, ERR_OK, ERR_VAL_TEXT_PUA},
    {"gaiji of plane 15", "\xf3\xb0\x80\x80", 4, ERR_OK, ERR_VAL_TEXT_PUA},
    {"gaiji of plane 16", "\xf4\x8f\xbf\xbd", 4, ERR_OK, ERR_VAL_TEXT_PUA},
    {"NUL", "a\0b", 3, ERR_PB_NUL, ERR_PB_NUL},
    {"overlong slash", "\xc0\xaf", 2, ERR_PB_UTF8, ERR_PB_UTF8},
    {"overlong of three", "\xe0\x80\xaf", 3, ERR_PB_UTF8, ERR_PB_UTF8},
    {"overlong of four", "\xf0\x80\x80\xaf", 4, ERR_PB_UTF8, ERR_PB_UTF8},
    {"overlong NUL", "\xc0\x80", 2, ERR_PB_UTF8, ERR_PB_UTF8},
    {"surrogate", "\xed\xa0\x80", 3, ERR_PB_UTF8, ERR_PB_UTF8},
    {"last surrogate", "\xed\xbf\xbf", 3, ERR_PB_UTF8, ERR_PB_UTF8},
    {"last character", "\xf4\x8f\xbf\xbf", 4, ERR_OK, ERR_VAL_TEXT_PUA},
    {"above the last", "\xf4\x90\x80\x80", 4, ERR_PB_UTF8, ERR_PB_UTF8},
    {"lead F5", "\xf5\x80\x80\x80", 4, ERR_PB_UTF8, ERR_PB_UTF8},
    {"cut off", "\xe6\x9e", 2, ERR_PB_UTF8, ERR_PB_UTF8},
    {"lone continuation", "\x80", 1, ERR_PB_UTF8, ERR_PB_UTF8},
    {"CP932 bytes", "\x89\xcb\x8b\xf3", 4, ERR_PB_UTF8, ERR_PB_UTF8},
}; /* clang-format on */

static void checks_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CHECKS); i++) {
        struct slice s = slice_of(CHECKS[i].text, CHECKS[i].n);
        if (text_check_utf8(s) != CHECKS[i].utf8 ||
            text_check_field(s) != CHECKS[i].field)
            fail_msg("%s", CHECKS[i].name);
    }
}

/* 123456789018: 6+10+12+12+10+42+42+40+36+0+2 = 212, 212 mod 11 = 3, 11-3 = 8.
 * 100000000005: 6 mod 11 = 6, 11-6 = 5. */
static const struct {
    const char *name, *text;
    bool want;
} NUMBERS[] = {
    /* clang-format off */
    {"right check digit", "123456789018", true},
    {"wrong check digit", "123456789017", false},
    {"another right one", "100000000005", true},
    {"remainder 1 gives 0", "020000000010", true},
    {"remainder 0 gives 0", "110000000000", true},
    {"inside a sentence", "番号は123456789018です", true},
    {"full-width digits", "１２３４５６７８９０１８", true},
    {"groups of four", "1234 5678 9018", true},
    {"hyphens", "1234-5678-9018", true},
    {"full-width hyphens and blanks", "１２３４－５６７８　９０１８", true},
    {"minus signs", "1234−5678−9018", true},
    {"after a shorter group", "1 1234 5678 9018", true},
    {"before a shorter group", "1234 5678 9018 1", true},
    {"eleven digits", "12345678901", false},
    {"inside thirteen digits", "1234567890189", false},
    {"end of thirteen digits", "9123456789018", false},
    {"letters between", "123456a789018", false},
    {"a slash between", "123456/789018", false},
    {"two lines", "123456\n789018", false},
    {"a telephone number", "0999-00-1234", false},
    {"after a broken byte", "\xff" "123456789018", true},
    {"none", "架空花子", false},
    {"empty", "", false},
}; /* clang-format on */

static void my_numbers_are_found_by_their_check_digit(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(NUMBERS); i++)
        if (text_has_mynumber(slice_str(NUMBERS[i].text)) != NUMBERS[i].want)
            fail_msg("%s", NUMBERS[i].name);
}

/* A random-looking run of twelve passes in about one of ten cases. */
static void one_twelve_digit_number_in_ten_is_suspect(void **state)
{
    (void)state;
    unsigned hits = 0;
    for (unsigned i = 0; i < 10000; i++) {
        char text[16];
        unsigned long long v = 100000000000ull + i * 76543219ull;
        for (int k = 11; k >= 0; k--, v /= 10)
            text[k] = (char)('0' + v % 10);
        text[12] = '\0';
        hits += text_has_mynumber(slice_str(text));
    }
    assert_in_range(hits, 900, 1100);
}

static void nfc_joins_but_does_not_fold(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(text_nfc(slice_str("か\xe3\x82\x99ﾊﾅ①"), &b), ERR_OK);
    assert_string_equal((char *)b.p, "がﾊﾅ①");
    buf_reset(&b);
    assert_int_equal(text_nfc(slice_str(""), &b), ERR_OK);
    assert_int_equal(b.n, 0);
    assert_int_equal(text_nfc(slice_str("\xff"), &b), ERR_PB_UTF8);
    buf_fini(&b);
}

static void width_counts_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width(slice_str("架空A")), 5);
    assert_int_equal(text_width(slice_str("ｶｸｳ")), 3);
    assert_int_equal(text_width(slice_str("か\xe3\x82\x99")), 2);
    assert_int_equal(text_width(slice_str("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_follow_the_table),
        cmocka_unit_test(my_numbers_are_found_by_their_check_digit),
        cmocka_unit_test(one_twelve_digit_number_in_ten_is_suspect),
        cmocka_unit_test(nfc_joins_but_does_not_fold),
        cmocka_unit_test(width_counts_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
