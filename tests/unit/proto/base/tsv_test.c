/* tsv_test.c - tables as spreadsheets write them. */
#include "proto/base/tsv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const char *const COLUMNS[] = {"code", "ja", NULL};

/* The rows joined as "line:code,ja;" */
static void join(const struct tsv *t, struct buf *b)
{
    for (size_t i = 0; i < tsv_rows(t); i++)
        buf_addf(b, "%zu:%s,%s;", tsv_line(t, i), tsv_cell(t, i, "code"),
                 tsv_cell(t, i, "ja"));
}

static const struct {
    const char *name, *text, *want;
} GOOD[] = {
    /* clang-format off */
    {"plain", "code\tja\nA\tあ\nB\tい\n", "2:A,あ;3:B,い;"},
    {"no newline at the end", "code\tja\nA\tあ", "2:A,あ;"},
    {"CR LF", "code\tja\r\nA\tあ\r\n", "2:A,あ;"},
    {"byte-order mark", "\xef\xbb\xbf" "code\tja\nA\tあ\n", "2:A,あ;"},
    {"columns in another order", "ja\tcode\nあ\tA\n", "2:A,あ;"},
    {"more columns", "code\tnote\tja\nA\tx\tあ\n", "2:A,あ;"},
    {"comments and blank lines count as lines",
     "# top\n\ncode\tja\n# one\nA\tあ\n\t\n#\tx\tx\nB\tい\n", "5:A,あ;8:B,い;"},
    {"a comment that a spreadsheet quoted", "\"# a, b\"\t\ncode\tja\nA\tあ\n",
     "3:A,あ;"},
    {"empty cells", "code\tja\nA\t\n\tあ\n", "2:A,;3:,あ;"},
    {"quoted cells", "code\tja\n\"A\"\t\"x, \"\"y\"\"\"\n", "2:A,x, \"y\";"},
    {"an empty quoted cell", "code\tja\n\"\"\tあ\n", "2:,あ;"},
    {"a quote inside a cell", "code\tja\nA\tx\"y\n", "2:A,x\"y;"},
    {"a sharp inside a row", "code\tja\nA\t#x\n", "2:A,#x;"},
    {"no rows", "code\tja\n", ""},
}; /* clang-format on */

static void good_tables_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(GOOD); i++) {
        struct tsv *t;
        struct buf why = {0}, got = {0};
        enum err e = tsv_parse("t", slice_str(GOOD[i].text), COLUMNS, &t, &why);
        if (e != ERR_OK)
            fail_msg("%s: %s", GOOD[i].name, why.p);
        buf_adds(&got, "");
        join(t, &got);
        if (strcmp((char *)got.p, GOOD[i].want) != 0 || why.n != 0)
            fail_msg("%s: %s", GOOD[i].name, got.p);
        tsv_free(&t);
        assert_null(t);
        buf_fini(&got);
        buf_fini(&why);
    }
}

static const struct {
    const char *name, *text;
    enum err want;
    const char *place;
} BAD[] = {
    /* clang-format off */
    {"empty", "", ERR_CSV_EMPTY, "t:1: "},
    {"comments alone", "# a\n# b\n", ERR_CSV_EMPTY, "t:3: "},
    {"a column is missing", "code\nA\n", ERR_CSV_HEADER, "t:1: "},
    {"a column stands twice", "code\tja\tcode\n", ERR_CSV_HEADER, "t:1: "},
    {"a cell too few", "code\tja\nA\tあ\nB\n", ERR_CSV_COLUMNS, "t:3: "},
    {"a cell too many", "code\tja\nA\tあ\tx\n", ERR_CSV_COLUMNS, "t:2: "},
    {"an open quote", "code\tja\nA\t\"x\n", ERR_CSV_QUOTE, "t:2: "},
    {"text after a quote", "code\tja\nA\t\"x\"y\n", ERR_CSV_QUOTE, "t:2: "},
    {"one quote", "code\tja\nA\t\"\n", ERR_CSV_QUOTE, "t:2: "},
    {"an odd number of quotes", "code\tja\nA\t\"x\"\"\n", ERR_CSV_QUOTE, "t:2: "},
    {"CP932", "code\tja\nA\t\x82\xa0\n", ERR_PB_UTF8, "t:2: "},
}; /* clang-format on */

static void bad_tables_name_their_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct tsv *t;
        struct buf why = {0};
        enum err e = tsv_parse("t", slice_str(BAD[i].text), COLUMNS, &t, &why);
        if (e != BAD[i].want || t != NULL || why.n == 0 ||
            strncmp((char *)why.p, BAD[i].place, strlen(BAD[i].place)) != 0 ||
            strstr((char *)why.p, err_code(e)) == NULL)
            fail_msg("%s: %s %s", BAD[i].name, err_code(e), why.p);
        buf_fini(&why);
    }
}

static void nul_is_refused(void **state)
{
    (void)state;
    struct tsv *t;
    struct buf why = {0};
    assert_int_equal(
        tsv_parse("t", slice_of("code\tja\nA\0\tx\n", 13), COLUMNS, &t, &why),
        ERR_PB_NUL);
    buf_fini(&why);
}

static void an_absent_column_is_empty(void **state)
{
    (void)state;
    struct tsv *t;
    struct buf why = {0};
    assert_int_equal(
        tsv_parse("t", slice_str("code\tja\nA\tx\n"), COLUMNS, &t, &why),
        ERR_OK);
    assert_string_equal(tsv_cell(t, 0, "en"), "");
    tsv_free(&t);
    buf_fini(&why);
}

static void many_rows_are_kept(void **state)
{
    (void)state;
    struct tsv *t;
    struct buf text = {0}, why = {0};
    buf_adds(&text, "code\tja\n");
    for (int i = 0; i < 1000; i++)
        buf_addf(&text, "%d\tx%d\n", i, i);
    assert_int_equal(tsv_parse("t", buf_slice(&text), COLUMNS, &t, &why),
                     ERR_OK);
    buf_fini(&text); /* the table owns a copy */
    assert_int_equal(tsv_rows(t), 1000);
    assert_string_equal(tsv_cell(t, 999, "ja"), "x999");
    assert_int_equal(tsv_line(t, 999), 1001);
    tsv_free(&t);
    tsv_free(&t);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tables_are_read),
        cmocka_unit_test(bad_tables_name_their_line),
        cmocka_unit_test(nul_is_refused),
        cmocka_unit_test(an_absent_column_is_empty),
        cmocka_unit_test(many_rows_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
