/* csv_test.c - tables in three character sets, faults with their place, damage
 * by spreadsheets, cells that a spreadsheet would run. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "adapters/connect/csv.h"
#include <stdlib.h>
#include <string.h>

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    const char *name, *bytes, *head, *cell; /* first heading, first cell */
} READS[] = {
    {"UTF-8", "名前,b\n髙﨑,2\n", "名前", "髙﨑"},
    {"UTF-8 with a mark", "\xEF\xBB\xBF名前,b\r\n髙﨑,2\r\n", "名前", "髙﨑"},
    {"no line end at the end", "a,b\n1,2", "a", "1"},
    {"CP932 with a second byte 5C (ソ)", "a,b\r\n\x83\x5c,\x8f\x5c\r\n", "a",
     "ソ"},
    {"CP932 with a second byte 7C (ポ)", "a,b\r\n\x83\x7c,x\r\n", "a", "ポ"},
    {"CP932 with a second byte 7E (ミ)", "a,b\r\n\"\x83\x7e\",x\r\n", "a",
     "ミ"},
    {"CP932 with an IBM extension (髙)", "a,b\r\n\xfb\xfc,\x87\x40\r\n", "a",
     "髙"},
    {"a comma in quotes", "a,b\n\"x,y\",2\n", "a", "x,y"},
    {"a quote in quotes", "a,b\n\"x\"\"y\",2\n", "a", "x\"y"},
    {"a new line in quotes", "a,b\n\"x\ny\",2\n", "a", "x\ny"},
    {"outer spaces, full-width too", "a,b\n \xE3\x80\x80x y \t,2\n", "a",
     "x y"},
    {"empty lines and empty rows", "a,b\n\n,\n,\n1,2\n,\n", "a", "1"},
};

static void tables_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(READS); i++) {
        struct table *t;
        struct table_fault f;
        const char *b = READS[i].bytes;
        if (table_read(b, strlen(b), &t, &f) != NULL)
            fail_msg("%s: %s line %u", READS[i].name, f.code, f.line);
        if (table_rows(t) != 1 || table_cols(t) != 2 ||
            strcmp(table_head(t, 0), READS[i].head) != 0 ||
            strcmp(table_cell(t, 0, 0), READS[i].cell) != 0)
            fail_msg("%s: %zu rows, %s", READS[i].name, table_rows(t),
                     table_cell(t, 0, 0));
        table_free(&t);
    }
}

static const struct {
    const char *name, *bytes, *code;
    unsigned line, column;
} FAULTS[] = {
    {"a quote that never closes", "a,b\n1,2\n\"3,4\n5,6\n", "E-CSV-001", 3, 1},
    {"a quote inside a bare cell", "a,b\n1,2\n3,x\"y\n", "E-CSV-001", 3, 2},
    {"text after a closing quote", "a,b\n\"1\"x,2\n", "E-CSV-001", 2, 1},
    {"a cell too many", "a,b\n1,2\n1,2,3\n", "E-CSV-002", 3, 0},
    {"a cell too few", "a,b\n1\n", "E-CSV-002", 2, 0},
    {"a heading alone", "a,b\n", "E-CSV-005", 0, 0},
    {"nothing", "", "E-CSV-005", 0, 0},
    {"neither UTF-8 nor CP932", "a,b\n1,\x81\x20\n", "E-TXT-002", 2, 2},
    {"gaiji of CP932", "a,b\n1,2\n\xf0\x40,2\n", "E-VAL-010", 3, 1},
    {"a control character", "a,b\n1,\x01\n", "E-VAL-011", 2, 2},
    {"after a new line in quotes", "a,b\n\"x\ny\",2\n1,2,3\n", "E-CSV-002", 4,
     0},
};

static void faults_have_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(FAULTS); i++) {
        struct table *t;
        struct table_fault f;
        const char *b = FAULTS[i].bytes;
        tsunagi_code code = table_read(b, strlen(b), &t, &f);
        if (code == NULL || strcmp(code, FAULTS[i].code) != 0 ||
            f.line != FAULTS[i].line || f.column != FAULTS[i].column)
            fail_msg("%s: %s line %u column %u", FAULTS[i].name, code, f.line,
                     f.column);
        assert_null(t);
    }
}

static void a_row_knows_its_line(void **state)
{
    (void)state;
    static const char TEXT[] = "a,b\r\n\r\n\"x\r\ny\",1\r\n2,2\r\n";
    struct table *t;
    struct table_fault f;
    assert_null(table_read(TEXT, sizeof(TEXT) - 1, &t, &f));
    assert_int_equal(table_line(t, 0), 3);
    assert_int_equal(table_line(t, 1), 5);
    table_free(&t);
}

static const struct {
    const char *cell;
    bool text, code; /* damaged as text, as a code */
} DAMAGE[] = {
    {"4.91E+11", true, true},     {"4E+9", true, true},
    {"####", true, true},         {"2001/2/3", false, true},
    {"1月2日", false, true},      {"2-Jan", false, true},
    {"4931000014", false, false}, {"1-2-3", false, false},
    {"A-12", false, false},       {"E+11", false, false},
    {"", false, false},           {"#1", false, false},
    {"12-XYZ", false, false},
};

static void damage_by_spreadsheets_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(DAMAGE); i++)
        if (table_damaged(DAMAGE[i].cell, false) != DAMAGE[i].text ||
            table_damaged(DAMAGE[i].cell, true) != DAMAGE[i].code)
            fail_msg("%s", DAMAGE[i].cell);
}

static const struct {
    const char *text, *want;
} WRITES[] = {
    {"架空 花子", "\"架空 花子\""},
    {"=1+1", "\"'=1+1\""},
    {"+81-3", "\"'+81-3\""},
    {"-1", "\"'-1\""},
    {"@SUM(A1)", "\"'@SUM(A1)\""},
    {"\t=1", "\"'\t=1\""},
    {"a\"b", "\"a\"\"b\""},
    {"a=1", "\"a=1\""},
    {"", "\"\""},
};

static void formulas_are_made_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(WRITES); i++) {
        char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);
        table_put(f, WRITES[i].text);
        fclose(f);
        assert_string_equal(text, WRITES[i].want);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_read),
        cmocka_unit_test(faults_have_a_place),
        cmocka_unit_test(a_row_knows_its_line),
        cmocka_unit_test(damage_by_spreadsheets_is_seen),
        cmocka_unit_test(formulas_are_made_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
