/* export_test.c - deliveries as CSV for a municipality. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "adapters/connect/csv.h"
#include "adapters/municipality/export.h"
#include <stdlib.h>
#include <string.h>

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ID "01970000-0000-7000-8000-000000000001"
#define DELIVERY(body)                                                         \
    "{\"event_id\":\"" ID "\",\"type\":\"DISCHARGE_PLANNED\",\"agency\":"      \
    "\"MI-4910100017\",\"purpose\":\"P_TRA\",\"role\":\"R_MUNI_W\","           \
    "\"withheld\":[\"G_DX\",\"G_NOTE\"],\"body\":{" body "}}"

static const struct {
    const char *name, *body, *head, *want, *degraded;
} CELLS[] = {
    {"a name CP932 holds", "\"name\":{\"kanji\":\"髙﨑 花子\"}", "氏名",
     "髙﨑 花子", "0"},
    {"a name it holds in another form",
     "\"name\":{\"kanji\":\"𠮷田\",\"kana\":\"ヨシダ\"}", "氏名", "吉田", "1"},
    {"a name it does not hold is its reading",
     "\"name\":{\"kanji\":\"\\u1820田\",\"kana\":\"カモメダ\"}", "氏名",
     "カモメダ", "1"},
    {"other text names the character", "\"destination\":\"\\u1820荘\"",
     "帰住先", "[U+1820]荘", "1"},
    {"a name reduced before it came",
     "\"name\":{\"kanji\":\"〓田\",\"degraded\":true}", "氏名", "〓田", "1"},
    {"a date is ISO", "\"planned_on\":{\"iso\":\"2026-05-28\"}", "退院予定日",
     "2026-05-28", "0"},
    {"a date written as text", "\"planned_on\":\"2026-05-28\"", "退院予定日",
     "2026-05-28", "0"},
    {"a sex is a word", "\"sex\":\"FEMALE\"", "性別", "女", "0"},
    {"a formula is made harmless", "\"note\":\"=1+1\"", "備考", "'=1+1", "0"},
    {"what is withheld is said", "", "渡されない区分", "G_DX G_NOTE", "0"},
    {"what has no column is kept", "\"housing_need\":\"1階\"", "その他",
     "{\"housing_need\":\"1階\"}", "0"},
    {"the second of two that share a column is kept",
     "\"address\":\"A\",\"area\":\"B\"", "その他", "{\"area\":\"B\"}", "0"},
    {"who sent it", "", "発信機関", "MI-4910100017", "0"},
    {"what it is", "", "種類", "退院予定", "0"},
};

static const char *cell(const struct table *t, const char *head)
{
    for (size_t i = 0; i < table_cols(t); i++)
        if (strcmp(table_head(t, i), head) == 0)
            return table_cell(t, 0, i);
    fail_msg("no column %s", head);
    return NULL;
}

static void deliveries_become_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(CELLS); i++) {
        char json[1024], *csv = NULL;
        size_t n;
        struct table *t;
        struct table_fault f;
        snprintf(json, sizeof(json), DELIVERY("%s"), CELLS[i].body);
        tsunagi_code code = export_csv(json, &csv, &n);
        if (code != NULL)
            fail_msg("%s: %s", CELLS[i].name, code);
        assert_memory_equal(csv + n - 2, "\r\n", 2);
        assert_memory_equal(csv, "\"\x94\xd4\x8d\x86\"", 6); /* 番号 */
        assert_null(table_read(csv, n, &t, &f));
        if (strcmp(cell(t, CELLS[i].head), CELLS[i].want) != 0 ||
            strcmp(cell(t, "文字縮退"), CELLS[i].degraded) != 0)
            fail_msg("%s: %s, %s", CELLS[i].name, cell(t, CELLS[i].head),
                     cell(t, "文字縮退"));
        table_free(&t);
        free(csv);
    }
}

static void a_file_name_is_ascii_and_impersonal(void **state)
{
    (void)state;
    char name[64];
    export_name(DELIVERY(""), "0123abcd-9999", name);
    assert_string_equal(name, ID "-0123abcd.csv");
    export_name("{\"event_id\":\"../../x花子\"}", "/..", name);
    assert_null(strpbrk(name, "/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliveries_become_rows),
        cmocka_unit_test(a_file_name_is_ascii_and_impersonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
