/* text_cp932_test.c - the traps of Japanese character sets, one case each. */
#include "proto/base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

enum source { CP932, JIS, UNKNOWN, UTF8_ONLY };

static const struct {
    const char *name;
    enum source from;
    const char *bytes, *want; /* want NULL: an error */
    enum err e;
} DECODE[] = {
    /* clang-format off */
    /* pairs that hold delimiter bytes of HL7 */
    {"山本 holds a backslash", JIS, "\x1b$B;3K\\\x1b(B", "山本", ERR_OK},
    {"美 holds a tilde", JIS, "\x1b$BH~\x1b(B", "美", ERR_OK},
    {"ハマ holds a caret", JIS, "\x1b$B%O%^\x1b(B", "ハマ", ERR_OK},
    {"ウエダ holds an ampersand", JIS, "\x1b$B%&%(%@\x1b(B", "ウエダ", ERR_OK},
    {"髙 holds a bar", JIS, "\x1b$B|b\x1b(B", "髙", ERR_OK},
    {"NEC row 13", JIS, "\x1b$B-!\x1b(B", "①", ERR_OK},
    {"first and last of a row", JIS, "\x1b$B!!!~\x1b(B", "　◇", ERR_OK},
    {"an even row", JIS, "\x1b$B\"!0!O!P!\x1b(B", "◆亜蓮弌", ERR_OK},
    {"trail 5F and 60 of an odd row", JIS, "\x1b$B1_1`\x1b(B", "円園", ERR_OK},
    {"rows 5E and 5F", JIS, "\x1b$B^~_!\x1b(B", "滌漾", ERR_OK},
    {"trail 5F and 60 of an even row", JIS, "\x1b$B0_0`\x1b(B", "胃萎", ERR_OK},
    {"the last kanji of level 2", JIS, "\x1b$Bt%t&\x1b(B", "凜熙", ERR_OK},
    {"half-width kana escape", JIS, "\x1b(ITO@^\x1b(B", "ﾔﾏﾀﾞ", ERR_OK},
    {"old kanji escape", JIS, "\x1b$@;3\x1b(B", "山", ERR_OK},
    {"Roman set read as ASCII", JIS, "\x1b(Ja\\b\x1b(B", "a\\b", ERR_OK},
    {"back by the Roman set", JIS, "\x1b$B;3\x1b(Jx", "山x", ERR_OK},
    {"sets in turn", JIS, "a\x1b$B;3\x1b(I1\x1b$BK\\\x1b(Bz", "a山ｱ本z", ERR_OK},
    {"plain ASCII", JIS, "MSH|^~\\&|", "MSH|^~\\&|", ERR_OK},
    {"ends in kanji", JIS, "\x1b$B;3", NULL, ERR_TXT_ESCAPE},
    {"ends in kana", JIS, "\x1b(I1", NULL, ERR_TXT_ESCAPE},
    {"ends inside a pair", JIS, "\x1b$B;", NULL, ERR_TXT_ESCAPE},
    {"escape inside a pair", JIS, "\x1b$B;\x1b(B", NULL, ERR_TXT_ESCAPE},
    {"ends inside an escape", JIS, "\x1b$", NULL, ERR_TXT_ESCAPE},
    {"line ends in kanji", JIS, "\x1b$B;3\r\x1b(B", NULL, ERR_TXT_ESCAPE},
    {"line ends inside a pair", JIS, "\x1b$B;\r\x1b(B", NULL, ERR_TXT_ESCAPE},
    {"line ends in kana", JIS, "\x1b(I1\r\x1b(B", NULL, ERR_TXT_ESCAPE},
    {"JIS X 0212", JIS, "\x1b$(D0!\x1b(B", NULL, ERR_TXT_CHARSET},
    {"shift out", JIS, "\x0e" "1", NULL, ERR_TXT_CHARSET},
    {"a byte of eight bits", JIS, "\xb1", NULL, ERR_TXT_DECODE},
    {"a blank in a pair", JIS, "\x1b$B; \x1b(B", NULL, ERR_TXT_DECODE},
    {"an empty place", JIS, "\x1b$B)!\x1b(B", NULL, ERR_TXT_DECODE},
    {"kana out of range", JIS, "\x1b(I`\x1b(B", NULL, ERR_TXT_DECODE},

    {"CP932 with 5C 5E 7C 7E trails", CP932,
     "\x83\x5c\x8f\x5c\x83\x5e\x83\x7c\x83\x7e", "ソ十タポミ", ERR_OK},
    {"NEC row 13 in CP932", CP932, "\x87\x40", "①", ERR_OK},
    {"髙 as NEC selection", CP932, "\xee\xe0", "髙", ERR_OK},
    {"髙 as IBM extension", CP932, "\xfb\xfc", "髙", ERR_OK},
    {"5C stays a backslash", CP932, "\\~", "\\~", ERR_OK},
    {"8160 is U+FF5E", CP932, "\x81\x60", "～", ERR_OK},
    {"817C is U+FF0D", CP932, "\x81\x7c", "－", ERR_OK},
    {"half-width kana", CP932, "\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ", ERR_OK},
    {"gaiji F040", CP932, "\xf0\x40", NULL, ERR_VAL_TEXT_PUA},
    {"gaiji F9FC", CP932, "a\xf9\xfc", NULL, ERR_VAL_TEXT_PUA},
    {"a trail F0 is no gaiji", CP932, "\x88\xf0", "芋", ERR_OK},
    {"cut off", CP932, "\x89", NULL, ERR_TXT_DECODE},
    {"bad trail", CP932, "\x89\x20", NULL, ERR_TXT_DECODE},
    {"byte 80", CP932, "\x80", NULL, ERR_TXT_DECODE},
    {"byte A0", CP932, "\xa0", NULL, ERR_TXT_DECODE},
    {"byte FF", CP932, "\xff", NULL, ERR_TXT_DECODE},
    {"empty place", CP932, "\x85\x40", NULL, ERR_TXT_DECODE},

    {"UTF-8 with a mark", UNKNOWN, "\xef\xbb\xbf架空", "架空", ERR_OK},
    {"UTF-8 without", UNKNOWN, "架空", "架空", ERR_OK},
    {"CP932 when allowed", UNKNOWN, "\x89\xcb\x8b\xf3", "架空", ERR_OK},
    {"CP932 when not", UTF8_ONLY, "\x89\xcb\x8b\xf3", NULL, ERR_PB_UTF8},
    {"a mark, then CP932", UNKNOWN, "\xef\xbb\xbf\x89\xcb", NULL, ERR_PB_UTF8},
    {"UTF-16", UNKNOWN, "\xff\xfe" "a", NULL, ERR_TXT_CHARSET},
}; /* clang-format on */

static enum err decode(enum source from, struct slice s, struct buf *b)
{
    switch (from) {
    case CP932:
        return text_from_cp932(s, b);
    case JIS:
        return text_from_iso2022jp(s, b);
    default:
        return text_from_unknown(s, from == UNKNOWN, b);
    }
}

static void decoding_follows_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(DECODE); i++) {
        struct buf b = {0};
        buf_adds(&b, "+");
        enum err e = decode(DECODE[i].from, slice_str(DECODE[i].bytes), &b);
        const char *want = DECODE[i].want == NULL ? "" : DECODE[i].want;
        if (e != DECODE[i].e || strcmp((char *)b.p + 1, want) != 0)
            fail_msg("%s: %s [%s]", DECODE[i].name, err_code(e), b.p);
        buf_fini(&b);
    }
}

static void nul_is_refused_everywhere(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(text_from_cp932(slice_of("a\0b", 3), &b), ERR_TXT_DECODE);
    assert_int_equal(text_from_iso2022jp(slice_of("a\0b", 3), &b),
                     ERR_TXT_DECODE);
    assert_int_equal(text_from_unknown(slice_of("a\0b", 3), true, &b),
                     ERR_PB_NUL);
    bool degraded;
    assert_int_equal(text_to_cp932(slice_of("a\0b", 3), &b, &degraded),
                     ERR_PB_NUL);
    buf_fini(&b);
}

static const struct {
    const char *name, *text, *want; /* want NULL: an error */
    bool degraded;
    enum err e;
} ENCODE[] = {
    /* clang-format off */
    {"plain", "架空花子", "\x89\xcb\x8b\xf3\x89\xd4\x8e\x71", false, ERR_OK},
    {"NEC row 13", "①", "\x87\x40", false, ERR_OK},
    {"髙 is kept", "髙", "\xfb\xfc", false, ERR_OK},
    {"𠮷 becomes 吉", "𠮷田", "\x8b\x67\x93\x63", true, ERR_OK},
    {"鷗 becomes 鴎", "鷗", "\x89\xa8", true, ERR_OK},
    {"剝 becomes 剥", "剝", "\x94\x8d", true, ERR_OK},
    {"a variation selector goes", "葛\xf3\xa0\x84\x80", "\x8a\x8b", true, ERR_OK},
    {"an accent goes", "José", "Jose", true, ERR_OK},
    {"a compatibility ideograph", "\xef\xa8\xb0", "\x95\x8e", true, ERR_OK},
    {"a separate sound mark is joined", "か\xe3\x82\x99", "\x82\xaa", false, ERR_OK},
    {"a yen sign is no backslash", "¥", "\x81\x8f", true, ERR_OK},
    {"an overline is no tilde", "‾", "\x81\x50", true, ERR_OK},
    {"a wave dash is its CP932 self", "〜", "\x81\x60", false, ERR_OK},
    {"a minus is its CP932 self", "−", "\x81\x7c", false, ERR_OK},
    {"a question mark is one", "?", "?", false, ERR_OK},
    {"no picture becomes '?'", "\xf0\x9f\x8f\xa5", NULL, true, ERR_TXT_ENCODE},
    {"no Hangul becomes '?'", "김", NULL, true, ERR_TXT_ENCODE},
    {"a replacement character", "\xef\xbf\xbd", NULL, true, ERR_TXT_ENCODE},
    {"gaiji", "\xee\x80\x80", NULL, false, ERR_VAL_TEXT_PUA},
    {"not UTF-8", "\xff", NULL, false, ERR_PB_UTF8},
    {"empty", "", "", false, ERR_OK},
}; /* clang-format on */

static void encoding_follows_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(ENCODE); i++) {
        struct buf b = {0};
        bool degraded = !ENCODE[i].degraded;
        buf_adds(&b, "+");
        enum err e = text_to_cp932(slice_str(ENCODE[i].text), &b, &degraded);
        const char *want = ENCODE[i].want == NULL ? "" : ENCODE[i].want;
        if (e != ENCODE[i].e || degraded != ENCODE[i].degraded ||
            strcmp((char *)b.p + 1, want) != 0)
            fail_msg("%s: %s", ENCODE[i].name, err_code(e));
        buf_fini(&b);
    }
}

/* Every pair is either refused or comes back as the same character; a pair of
 * the gaiji rows never gets through, in either direction. */
static void every_pair_returns_or_is_refused(void **state)
{
    (void)state;
    int good = 0;
    for (unsigned v = 0x8100; v < 0x10000; v++) {
        uint8_t pair[2] = {(uint8_t)(v >> 8), (uint8_t)v};
        struct buf text = {0}, bytes = {0}, again = {0};
        bool degraded, kana = pair[0] >= 0xa0 && pair[0] <= 0xdf;
        if (!kana && text_from_cp932(slice_of(pair, 2), &text) == ERR_OK) {
            assert_false(pair[0] >= 0xf0 && pair[0] <= 0xf9);
            assert_int_equal(
                text_check_field(buf_slice(&text)) != ERR_VAL_TEXT_PUA, true);
            assert_int_equal(text_to_cp932(buf_slice(&text), &bytes, &degraded),
                             ERR_OK);
            assert_false(degraded);
            assert_int_equal(text_from_cp932(buf_slice(&bytes), &again),
                             ERR_OK);
            assert_true(slice_eq(buf_slice(&text), buf_slice(&again)));
            good++;
        }
        buf_fini(&text);
        buf_fini(&bytes);
        buf_fini(&again);
    }
    assert_in_range(good, 7700, 7750);
}

/* A private character cannot be smuggled through as bytes of F040 and back. */
static void gaiji_make_no_round_trip(void **state)
{
    (void)state;
    struct buf b = {0};
    bool degraded;
    for (unsigned u = 0xe000; u <= 0xf8ff; u += 0x3f) {
        char utf8[] = {(char)(0xe0 | u >> 12), (char)(0x80 | (u >> 6 & 0x3f)),
                       (char)(0x80 | (u & 0x3f)), '\0'};
        assert_int_equal(text_to_cp932(slice_str(utf8), &b, &degraded),
                         ERR_VAL_TEXT_PUA);
    }
    for (unsigned lead = 0xf0; lead <= 0xf9; lead++) {
        uint8_t pair[2] = {(uint8_t)lead, 0x40};
        assert_int_equal(text_from_cp932(slice_of(pair, 2), &b),
                         ERR_VAL_TEXT_PUA);
    }
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void long_text_is_converted_whole(void **state)
{
    (void)state;
    struct buf in = {0}, out = {0};
    for (int i = 0; i < 5000; i++)
        buf_add(&in, "\xb1\x89\xcb", 3);
    assert_int_equal(text_from_cp932(buf_slice(&in), &out), ERR_OK);
    assert_int_equal(out.n, 5000 * strlen("ｱ架"));
    for (size_t i = 0; i < out.n; i += 6)
        assert_memory_equal(out.p + i, "ｱ架", 6);
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_follows_the_table),
        cmocka_unit_test(nul_is_refused_everywhere),
        cmocka_unit_test(encoding_follows_the_table),
        cmocka_unit_test(every_pair_returns_or_is_refused),
        cmocka_unit_test(gaiji_make_no_round_trip),
        cmocka_unit_test(long_text_is_converted_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
