/* report_page_test.c - the page and the cells: nothing of a text acts as
 * markup or as a formula, and the page needs nothing but itself. */
#include "hub/ctl/report.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the ones above */
#include <cmocka.h>

static void csv_is(const char *text, const char *want)
{
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    csv_cell(f, text, true);
    fclose(f);
    assert_string_equal(out, want);
    free(out);
}

static void a_cell_is_quoted_and_no_formula(void **state)
{
    (void)state;
    csv_is("架空市", "\"架空市\"\r\n");
    csv_is("", "\"\"\r\n");
    csv_is("a\"b", "\"a\"\"b\"\r\n");
    csv_is("=1+1", "\"'=1+1\"\r\n");
    csv_is("+81", "\"'+81\"\r\n");
    csv_is("-1", "\"'-1\"\r\n");
    csv_is("@x", "\"'@x\"\r\n");
    csv_is("\r=1", "\"'\r=1\"\r\n");
    csv_is("＝1+1", "\"'＝1+1\"\r\n");
}

static void a_moment_is_told_as_people_do(void **state)
{
    (void)state;
    char text[48];
    time_ja("2026-04-01T09:05:00+09:00", text);
    assert_string_equal(text, "2026年4月1日 9時05分");
    time_ja("", text);
    assert_string_equal(text, "");
}

/* The page over these lines, in a folder that is gone afterwards. Owned. */
static char *page_of(const json_t *first, const json_t *row,
                     enum report_section s, size_t rows)
{
    char folder[] = "/tmp/tsunagi-page-XXXXXX";
    struct report_page p;
    struct report_head head = {.first = first, .rows = rows};
    struct buf b = {0};
    assert_non_null(mkdtemp(folder));
    assert_true(report_page_open(&p, folder));
    for (size_t i = 0; i < rows; i++)
        report_page_row(&p, s, row);
    head.of[s] = rows;
    assert_true(report_page_end(&p, &head));
    assert_int_equal(file_read(p.path, 1 << 20, &b), ERR_OK);
    assert_int_equal(unlink(p.path), 0);
    report_page_close(&p);
    assert_int_equal(rmdir(folder), 0); /* and nothing else was in it */
    buf_addc(&b, '\0');
    char *text = strdup((char *)b.p);
    buf_fini(&b);
    return text;
}

static void what_is_told_cannot_be_markup(void **state)
{
    (void)state;
    json_t *first =
        json_pack("{s:i,s:s,s:s}", "total", 1, "agency", "<b>\"病院\"</b>",
                  "made", "2026-04-01T09:05:00+09:00");
    json_t *row = json_pack("{s:s,s:s,s:i}", "act", "<script>x</script>", "why",
                            "A & B", "leaf", 7);
    char *page = page_of(first, row, REPORT_DELIVERIES, 1);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<b>"));
    assert_non_null(strstr(page, "&lt;script&gt;x&lt;/script&gt;"));
    assert_non_null(strstr(page, "A &amp; B"));
    assert_non_null(strstr(page, "&quot;病院&quot;"));
    free(page);
    json_decref(first);
    json_decref(row);
}

static void the_page_stands_alone(void **state)
{
    static const char *const NEVER[] = {
        "http", "src=", "href=", "url(", "@import", "javascript"};
    static const char *const ALWAYS[] = {"<html lang=\"ja\">",
                                         "name=\"viewport\"", "@page{size:A4",
                                         "<th scope=\"col\">", "<caption>"};
    (void)state;
    json_t *first = json_pack("{s:i,s:s}", "total", 1, "agency", "病院");
    json_t *row = json_pack("{s:s,s:i}", "act", "x", "leaf", 7);
    char *page = page_of(first, row, REPORT_STEPS, 1);
    for (size_t i = 0; i < NELEM(NEVER); i++)
        assert_null(strstr(page, NEVER[i]));
    for (size_t i = 0; i < NELEM(ALWAYS); i++)
        assert_non_null(strstr(page, ALWAYS[i]));
    free(page);
    json_decref(first);
    json_decref(row);
}

static void numbers_that_differ_are_said_to(void **state)
{
    (void)state;
    json_t *first = json_pack("{s:i,s:s}", "total", 2, "agency", "病院");
    json_t *row = json_pack("{s:s,s:i}", "act", "x", "leaf", 7);
    char *same = page_of(first, row, REPORT_STEPS, 2);
    char *less = page_of(first, row, REPORT_STEPS, 1);
    assert_non_null(strstr(same, "抜けているものはありません"));
    assert_null(strstr(less, "抜けているものはありません"));
    assert_non_null(strstr(less, "数が合いません"));
    free(same);
    free(less);
    json_decref(first);
    json_decref(row);
}

/* What is delayed may belong there. */
static void a_section_with_nothing_to_show_yet_does_not_say_none(void **state)
{
    (void)state;
    json_t *first = json_pack("{s:i,s:s}", "total", 1, "agency", "病院");
    json_t *row = json_pack("{s:s}", "act", "x");
    char *waits = page_of(first, row, REPORT_DELAYED, 1);
    char *none = page_of(first, row, REPORT_STEPS, 1);
    assert_non_null(strstr(waits, "いま見られるものはありません。"));
    assert_null(strstr(waits, "<p>ありません。"));
    assert_null(strstr(none, "いま見られるもの"));
    free(waits);
    free(none);
    json_decref(first);
    json_decref(row);
}

static void an_erased_person_is_told_so_first(void **state)
{
    (void)state;
    json_t *first =
        json_pack("{s:i,s:s,s:{s:i,s:s}}", "total", 1, "agency", "病院",
                  "erased", "leaf", 9, "at", "2026-04-02T03:00:00+09:00");
    json_t *row = json_pack("{s:s,s:i}", "act", "x", "leaf", 7);
    char *page = page_of(first, row, REPORT_DELIVERIES, 1);
    const char *told = strstr(page, "2026年4月2日 3時00分");
    assert_non_null(told);
    assert_true(told < strstr(page, "まとめ"));
    assert_non_null(strstr(page, "証明番号 9"));
    assert_non_null(strstr(page, "残ることがあります")); /* copies elsewhere */
    free(page);
    json_decref(first);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_is_quoted_and_no_formula),
        cmocka_unit_test(a_moment_is_told_as_people_do),
        cmocka_unit_test(what_is_told_cannot_be_markup),
        cmocka_unit_test(the_page_stands_alone),
        cmocka_unit_test(numbers_that_differ_are_said_to),
        cmocka_unit_test(a_section_with_nothing_to_show_yet_does_not_say_none),
        cmocka_unit_test(an_erased_person_is_told_so_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
