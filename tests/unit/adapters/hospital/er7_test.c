/* er7_test.c - decoding before splitting, delimiters, escapes, repetitions. */
#include "adapters/hospital/er7.h"
#include "tests/unit/adapters/hospital/sample.h"
#include <stdlib.h>

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct er7 *parsed(const void *p, size_t n)
{
    struct er7 *m = NULL;
    tsunagi_code code = er7_parse(p, n, &m);
    if (code != NULL)
        fail_msg("%s", code);
    return m;
}

static void expect_text(const struct er7 *m, const char *segment,
                        struct er7_at at, const char *want, const char *name)
{
    char *text = NULL;
    size_t s = er7_find(m, segment, 0);
    assert_null(er7_text(m, er7_get(m, s, at), &text));
    if (strcmp(text, want) != 0)
        fail_msg("%s: %s, not %s", name, text, want);
    free(text);
}

/* Bytes of names whose JIS codes hold delimiters, by hand where glibc cannot.
 */
static const struct {
    const char *name, *bytes, *want;
} NAMES_CASES[] = {
    {"second byte \\ (本)", "\x1b$B;3K\\\x1b(B", "山本"},
    {"second byte ~ (美)", "\x1b$BH~\x1b(B", "美"},
    {"second byte ^ (マ)", "\x1b$B%O%^\x1b(B", "ハマ"},
    {"second byte & (ウ)", "\x1b$B%&%(%@\x1b(B", "ウエダ"},
    {"first byte | (髙, an IBM extension)", "\x1b$B|b\x1b(B", "髙"},
    {"NEC row 13 (①)", "\x1b$B-!\x1b(B", "①"},
    {"half-width kana by ESC ( I", "\x1b(I6@6\x1b(B", "ｶﾀｶ"},
    {"old JIS by ESC $ @", "\x1b$@;3K\\\x1b(B", "山本"},
    {"JIS-Roman by ESC ( J", "\x1b(JABC\x1b(B", "ABC"},
};

static void a_message_is_decoded_before_it_is_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(NAMES_CASES); i++) {
        char message[512];
        int n = snprintf(message, sizeof(message),
                         MSH("ADT^A01", "1", "~ISO IR87",
                             "ISO 2022-1994") "PID|1||7^^^^PI||%s^X^^^^^L^I\r",
                         NAMES_CASES[i].bytes);
        struct er7 *m = parsed(message, (size_t)n);
        assert_int_equal(er7_segments(m), 2);
        expect_text(m, "PID", (struct er7_at){5, 1, 1, 0}, NAMES_CASES[i].want,
                    NAMES_CASES[i].name);
        expect_text(m, "PID", (struct er7_at){5, 1, 2, 0}, "X",
                    NAMES_CASES[i].name);
        expect_text(m, "PID", (struct er7_at){5, 1, 8, 0}, "I",
                    NAMES_CASES[i].name);
        er7_free(&m);
    }
}

static const struct {
    const char *name, *charset, *way, *content;
    const char *want; /* code, NULL: accepted */
} CHARSETS[] = {
    {"UTF-8 by its HL7 name", "UNICODE UTF-8", "", "髙橋", NULL},
    {"UTF-8 by its common name", "UTF-8", "", "𠮷田", NULL},
    {"no name and ASCII", "", "", "TAKAHASHI", NULL},
    {"no name and not ASCII", "", "", "髙橋", "E-TXT-001"},
    {"no name and escape sequences", "", "", "\x1b$B;3\x1b(B", "E-TXT-001"},
    {"an unknown name", "8859/1", "", "X", "E-TXT-001"},
    {"one unknown name of two", "~8859/1", "", "X", "E-TXT-001"},
    {"an unknown way of switching", "~ISO IR87", "2.3", "X", "E-TXT-001"},
    {"UTF-8 that is none", "UNICODE UTF-8", "", "\xff\xfe", "E-TXT-002"},
    {"shifted at the end", "~ISO IR87", "", "\x1b$B;3", "E-TXT-004"},
};

static void the_charset_named_is_the_charset_used(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(CHARSETS); i++) {
        char message[512];
        struct er7 *m = NULL;
        int n =
            snprintf(message, sizeof(message),
                     "MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||%s||%s"
                     "\rPID|%s",
                     CHARSETS[i].charset, CHARSETS[i].way, CHARSETS[i].content);
        tsunagi_code code = er7_parse((uint8_t *)message, (size_t)n, &m);
        const char *want = CHARSETS[i].want;
        if ((code == NULL) != (want == NULL) ||
            (code != NULL && strcmp(code, want) != 0))
            fail_msg("%s: %s", CHARSETS[i].name, code);
        if (code == NULL)
            expect_text(m, "PID", (struct er7_at){.field = 1},
                        CHARSETS[i].content, CHARSETS[i].name);
        er7_free(&m);
    }
}

static void a_facility_in_kanji_does_not_hide_msh_18(void **state)
{
    (void)state;
    static const char MESSAGE[] =
        "MSH|^~\\&|EHR|\x1b$B|b\x1b(B|GW|X|2026||ADT^A01|9|P|2.5||||||~ISO "
        "IR87\rPID|\x1b$B;3K\\\x1b(B\r";
    char id[16];
    struct er7 *m = parsed(MESSAGE, sizeof(MESSAGE) - 1);
    expect_text(m, "MSH", (struct er7_at){.field = 4}, "髙", "MSH-4");
    expect_text(m, "PID", (struct er7_at){.field = 1}, "山本", "PID-1");
    er7_peek((const uint8_t *)MESSAGE, sizeof(MESSAGE) - 1, 10, id, sizeof(id));
    assert_string_equal(id, "9");
    er7_free(&m);
}

static const struct {
    const char *name, *raw, *want; /* want NULL: E-HL7-005 */
} ESCAPES[] = {
    {"field separator", "a\\F\\b", "a|b"},
    {"component separator", "a\\S\\b", "a^b"},
    {"subcomponent separator", "a\\T\\b", "a&b"},
    {"repetition separator", "a\\R\\b", "a~b"},
    {"the escape itself", "a\\E\\b", "a\\b"},
    {"hexadecimal", "\\X41e38182\\", "Aあ"},
    {"hexadecimal that is no text", "\\Xff\\", NULL},
    {"a zero byte", "\\X00\\", NULL},
    {"half a hexadecimal", "\\X4\\", NULL},
    {"a new line", "a\\.br\\b", "a\nb"},
    {"highlighting is dropped", "\\H\\a\\N\\", "a"},
    {"an escape of the sender's own is kept", "\\Zx\\", "\\Zx\\"},
    {"an escape without end is text", "a\\b", "a\\b"},
    {"explicit null is empty", "\"\"", ""},
};

static void escapes_are_taken_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(ESCAPES); i++) {
        char message[512], *text = NULL;
        int n = snprintf(message, sizeof(message),
                         "MSH|^~\\&|A|B|C|D|2026||ADT|1|P|2.5||||||UTF-8\r"
                         "NTE|%s\r",
                         ESCAPES[i].raw);
        struct er7 *m = parsed(message, (size_t)n);
        struct er7_piece p = er7_get(m, 1, (struct er7_at){.field = 1});
        tsunagi_code code = er7_text(m, p, &text);
        if (ESCAPES[i].want == NULL
                ? code == NULL
                : code != NULL || strcmp(text, ESCAPES[i].want) != 0)
            fail_msg("%s: %s %s", ESCAPES[i].name, code, text);
        free(text);
        er7_free(&m);
    }
}

static void delimiters_are_those_of_msh(void **state)
{
    (void)state;
    static const char MESSAGE[] = "MSH$%*!@$A$B\rPID$$$7%%%%PI*8%%%%VN$x@y\r"
                                  "ZAB$kept$here\r";
    struct er7 *m = parsed(MESSAGE, sizeof(MESSAGE) - 1);
    size_t pid = er7_find(m, "PID", 0), z = er7_find(m, "ZAB", 0);
    assert_int_equal(er7_repetitions(m, pid, 3), 2);
    assert_int_equal(er7_repetitions(m, pid, 9), 0);
    expect_text(m, "PID", (struct er7_at){3, 2, 5, 0}, "VN", "repetition 2");
    expect_text(m, "PID", (struct er7_at){4, 1, 1, 2}, "y", "subcomponent");
    expect_text(m, "MSH", (struct er7_at){.field = 1}, "$", "MSH-1");
    expect_text(m, "MSH", (struct er7_at){.field = 3}, "A", "MSH-3");
    expect_text(m, "ZAB", (struct er7_at){.field = 2}, "here", "Z segment");
    assert_int_equal(z, 2);
    assert_int_equal(er7_find(m, "PID", 1), SIZE_MAX);
    er7_free(&m);
}

static const struct {
    const char *name, *message, *want;
} BROKEN[] = {
    {"no MSH", "PID|1\r", "E-HL7-001"},
    {"nothing", "", "E-HL7-001"},
    {"MSH alone", "MSH|^~\\&", "E-HL7-001"},
    {"the same delimiter twice", "MSH|^^\\&|A|B\r", "E-HL7-005"},
    {"a letter as delimiter", "MSHA^~\\&AxAB\r", "E-HL7-005"},
    {"delimiters too many", "MSH|^~\\&#|A|B\r", "E-HL7-005"},
};

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(BROKEN); i++) {
        struct er7 *m = NULL;
        const char *t = BROKEN[i].message;
        tsunagi_code code = er7_parse((const uint8_t *)t, strlen(t), &m);
        if (code == NULL || strcmp(code, BROKEN[i].want) != 0)
            fail_msg("%s: %s", BROKEN[i].name, code);
        assert_null(m);
    }
}

static void line_ends_of_every_kind_are_understood(void **state)
{
    (void)state;
    static const char *const ENDS[] = {"\r", "\n", "\r\n"};
    for (size_t i = 0; i < CASE_COUNT(ENDS); i++) {
        char message[128];
        int n = snprintf(message, sizeof(message),
                         "MSH|^~\\&|A|B|C%sPID|1%sPV1|2%s", ENDS[i], ENDS[i],
                         ENDS[i]);
        struct er7 *m = parsed(message, (size_t)n);
        assert_int_equal(er7_segments(m), 3);
        assert_true(er7_closed(m));
        er7_free(&m);
    }
    static const char OPEN[] = "MSH|^~\\&|A|B|C\rPID|1";
    struct er7 *m = parsed(OPEN, sizeof(OPEN) - 1);
    assert_false(er7_closed(m));
    er7_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_decoded_before_it_is_split),
        cmocka_unit_test(the_charset_named_is_the_charset_used),
        cmocka_unit_test(a_facility_in_kanji_does_not_hide_msh_18),
        cmocka_unit_test(escapes_are_taken_out),
        cmocka_unit_test(delimiters_are_those_of_msh),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(line_ends_of_every_kind_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
